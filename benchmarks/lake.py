"""A lake beside a file, and under stress: `python benchmarks/lake.py`.

Seconds of a run of 7 days of 7 campaigns, first into an empty warehouse and then as a refresh, by
turns on a file and on a lake whose PostgreSQL and Parquet files are on this machine; the shortest
of three. Then replacements of campaign-days by four processes while a fifth compacts the lake and a
sixth reads it without a pause: 1,000, or with `--stress` nothing but this, and 10,000.
"""

import argparse
import tempfile
import time
from datetime import UTC, datetime, timedelta
from pathlib import Path

from runs import UNLIMITED, process

from soundlink_assets_tests.postgres import Postgres

CAMPAIGNS = DAYS = 7
TURNS = 3
WRITERS = 4
OLD_AFTER = timedelta(minutes=1)


def main() -> None:
    arguments = argparse.ArgumentParser(description=__doc__)
    arguments.add_argument("--stress", action="store_true")
    only_stress = arguments.parse_args().stress
    with tempfile.TemporaryDirectory(prefix="pg-") as folder:
        postgres = Postgres(Path(folder))
        try:
            if not only_stress:
                compare(postgres)
            stress(postgres, 10_000 if only_stress else 1_000)
        finally:
            postgres.stop()


def compare(postgres: Postgres) -> None:
    from soundlink_assets.sandbox import SandboxConfig, serving

    taken: dict[str, list[tuple[float, float]]] = {"file": [], "lake": []}
    with serving(SandboxConfig(campaign_count=CAMPAIGNS)) as sandbox:
        provider = {
            "SOUNDLINK_API_KEY": sandbox.api_key,
            "SOUNDLINK_BASE_URL": sandbox.base_url,
        }
        for _ in range(TURNS):
            for kind, seconds in taken.items():
                with tempfile.TemporaryDirectory() as folder:
                    lake = f"ducklake:postgres:{postgres.new_database()}"
                    warehouse = lake if kind == "lake" else f"{folder}/warehouse.duckdb"
                    seconds.append(week(Path(folder), warehouse, provider))
    best = {kind: [min(each) for each in zip(*runs, strict=True)] for kind, runs in taken.items()}
    for number, what in enumerate(("first", "refresh")):
        file, lake = best["file"][number], best["lake"][number]
        print(f"{what:8} file {file:6.2f} s, lake {lake:6.2f} s, ratio {lake / file:.2f}")


def week(folder: Path, warehouse: str, provider: dict[str, str]) -> tuple[float, float]:
    """Seconds of the first run and of a refresh, each in a process of its own."""
    from soundlink_assets.cli.home import prepare_home

    last = datetime.now(UTC).date() - timedelta(days=1)
    first = last - timedelta(days=DAYS - 1)
    home = prepare_home(folder / "home")
    environment = {
        **UNLIMITED,
        **provider,
        "SOUNDLINK_START_DATE": first.isoformat(),
        "SOUNDLINK_WAREHOUSE": warehouse,
        "SOUNDLINK_LAKE_DATA": f"{folder}/lake",
        "SOUNDLINK_QUARANTINE_DIR": f"{folder}/quarantine",
        "SOUNDLINK_BUDGET_DIR": f"{folder}/budget",
    }

    def run() -> float:
        began = time.perf_counter()
        process(environment, str(home), first.isoformat(), last.isoformat())
        return time.perf_counter() - began

    return run(), run()


def stress(postgres: Postgres, replacements: int) -> None:
    from soundlink_assets.warehouse import open_warehouse
    from soundlink_assets_tests.warehouse import stress as work
    from soundlink_assets_tests.warehouse.processes import event, queue, start

    words = postgres.new_database()
    with tempfile.TemporaryDirectory() as data:
        warehouse = open_warehouse(f"ducklake:postgres:{words}", lake_data=data)
        work.deliver(warehouse, 0, *work.SHARED)
        stop, told, maintained, seen = event(), queue(), queue(), queue()
        began = time.perf_counter()
        each = replacements // WRITERS
        for writer in range(WRITERS):
            start(work.replace_days, words, writer, each, told)
        start(work.maintain_until, words, OLD_AFTER, stop, maintained)
        start(work.read_until, words, stop, seen)
        written = [told.get() for _ in range(WRITERS)]
        seconds = time.perf_counter() - began
        stop.set()
        times, done = maintained.get()
        reads, torn = seen.get()
        wrong = work.wrong_days(warehouse, {writer: number for writer, number, _ in written})
        print(
            f"{sum(replaced for _, _, replaced in written):,} campaign-days replaced by "
            f"{sum(number for _, number, _ in written)} writes of {WRITERS} processes in "
            f"{seconds:.0f} s; compacted {times} times ({done}); read {reads} times; "
            f"{len(torn)} torn, {len(wrong)} wrong"
        )
        assert not torn
        assert not wrong


if __name__ == "__main__":
    main()
