"""How long a tick of the revision window sensor takes after ten years.

Fills a Dagster instance on disk with ten years of daily partitions of both exports, each
materialised four times, and evaluates the sensor.

    python benchmarks/sensor_tick.py [YEARS]
"""

import resource
import sqlite3
import sys
import tempfile
import time
from datetime import UTC, date, datetime, timedelta
from pathlib import Path

import dagster as dg

from soundlink_assets.assets.catalog import asset_key
from soundlink_assets.definitions import build_definitions
from soundlink_assets.schema import EXPORTS
from soundlink_assets.settings import Settings

TIMES = 4
MARK = "1999-09-09"


def fill(home: Path, key: dg.AssetKey, days: list[date], fetched_at: datetime) -> None:
    """Copy one real event for every day, as often as a day is materialised in its life."""
    with dg.DagsterInstance.local_temp(str(home)) as instance:
        instance.report_runless_asset_event(
            dg.AssetMaterialization(
                key,
                partition=MARK,
                metadata={
                    "fetched_at": dg.MetadataValue.timestamp(fetched_at),
                    "is_settled": True,
                    "padding": "x" * 1000,
                },
            )
        )
    with sqlite3.connect(home / "history" / "runs" / "index.db") as database:
        columns = [row[1] for row in database.execute("pragma table_info(event_logs)")]
        (template,) = database.execute(
            "select * from event_logs where partition = ? and asset_key = ?",
            [MARK, key.to_string()],
        ).fetchall()
        row = dict(zip(columns, template, strict=True)) | {"id": None}
        database.execute("delete from event_logs where partition = ?", [MARK])
        database.executemany(
            f"insert into event_logs values ({', '.join('?' * len(columns))})",  # noqa: S608 - no values
            (
                tuple((row | {"partition": day, "event": row["event"].replace(MARK, day)}).values())
                for day in map(str, days * TIMES)
            ),
        )


def main(years: int) -> None:
    today = datetime.now(UTC).date()
    days = [today - timedelta(days=n) for n in range(1, 365 * years)]
    for catch_up_days in (35, 365 * years):
        settings = Settings(start_date=days[-1], catch_up_days=min(catch_up_days, 3660))
        repository = build_definitions(settings).get_repository_def()
        sensor = repository.get_sensor_def("revision_window_sensor")
        with tempfile.TemporaryDirectory() as folder:
            for export in EXPORTS:
                fill(Path(folder), asset_key(export.table), days, datetime.now(UTC))
            with dg.DagsterInstance.local_temp(folder) as instance:
                for turn in ("first", "second"):
                    began = time.perf_counter()
                    context = dg.build_sensor_context(instance=instance, repository_def=repository)
                    tick = sensor.evaluate_tick(context)
                    took = time.perf_counter() - began
                    print(
                        f"{len(days)} days x {len(EXPORTS)} exports x {TIMES}, "
                        f"{settings.catch_up_days} days to look at: {turn} tick {took:.2f} s "
                        f"({tick.skip_message})"
                    )
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    print(f"peak memory {peak:.0f} MB")


if __name__ == "__main__":
    main(int(sys.argv[1]) if len(sys.argv) > 1 else 10)
