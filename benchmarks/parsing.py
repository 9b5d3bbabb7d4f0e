"""How fast and in how much memory deliveries are parsed: `python benchmarks/parsing.py`.

Two figures per export. The time from bytes in memory to a verified frame, against polars' own
`read_ndjson` with the same schema on the same bytes (money as Float64: it reads no decimals).
And the memory above the frame itself that parsing a million rows takes, in a process of its own.
"""

import argparse
import resource
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from datetime import date, timedelta
from pathlib import Path

import polars as pl

from soundlink_assets.provider.reader import DeliveryReader, ReadRows
from soundlink_assets.schema import EXPORTS, Export
from soundlink_assets.schema.frames import polars_schema
from soundlink_assets.schema.tables import Column, Kind

TIMED_ROWS = 200_000
MEASURED_ROWS = 1_000_000
REPEATS = 3
CHUNK_BYTES = 64 * 1024
DAYS = 90
COUNTRIES = 60

MOST_TIME_RATIO = 1.5
MOST_MEMORY_MB = 600

_TEXTS = {
    "schema_version": "1.0",
    "account_id": "a7ac3173-2f71-4e79-921f-d15d7112dd11",
    "campaign_id": "f1e28d31-c358-4284-9bef-00a2334625fd",
    "campaign_target_spotify_track_id": "6habFhsOp2NvndAvgiJ01P",
    "campaign_name": "Sleep Playlist",
    "engaged_track_name": "Till The Sunrise",
}


def main() -> None:
    """Prints the figures; with `--peak FILE EXPORT`, those of this process for one body."""
    arguments = argparse.ArgumentParser(description=__doc__)
    arguments.add_argument("--peak", nargs=2, metavar=("FILE", "EXPORT"), default=None)
    peak = arguments.parse_args().peak
    if peak is not None:
        print(_peak_above_frame(Path(peak[0]), _export(peak[1])))
        return
    for export in EXPORTS:
        print_time(export)
    for export in EXPORTS:
        print_memory(export)


def print_time(export: Export) -> None:
    """Prints the time of both on the same bytes; each in turn, the best of its runs counts."""
    body = make_body(export, TIMED_ROWS)
    schema = {
        name: pl.Float64() if isinstance(dtype, pl.Decimal) else dtype
        for name, dtype in polars_schema(export.rows).items()
    }

    def by_polars() -> int:
        return pl.read_ndjson(body, schema=schema).height

    def by_us() -> int:
        return parse(export, body).row_count

    runs = [(_seconds(by_polars), _seconds(by_us)) for _ in range(REPEATS)]
    theirs, ours = min(run[0] for run in runs), min(run[1] for run in runs)
    print(
        f"{export.name}: {TIMED_ROWS:,} rows, {len(body) / 1e6:.0f} MB: "
        f"read_ndjson {theirs:.2f} s, verified frame {ours:.2f} s, "
        f"ratio {ours / theirs:.2f} (at most {MOST_TIME_RATIO})"
    )


def print_memory(export: Export) -> None:
    """Prints the peak of a process that parses a million rows from a file."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "body.jsonl"
        path.write_bytes(make_body(export, MEASURED_ROWS))
        answer = subprocess.run(
            [sys.executable, __file__, "--peak", str(path), export.name],
            check=True,
            capture_output=True,
            text=True,
        )
    print(
        f"{export.name}: {MEASURED_ROWS:,} rows: "
        f"peak {float(answer.stdout):.0f} MB above the frame (at most {MOST_MEMORY_MB})"
    )


def parse(export: Export, body: bytes) -> ReadRows:
    """The delivery that holds this body, in chunks as a network delivers them."""
    parser = DeliveryReader(export)
    for start in range(0, len(body), CHUNK_BYTES):
        parser.feed(body[start : start + CHUNK_BYTES])
    return parser.finish()


def make_body(export: Export, rows: int) -> bytes:
    """A valid delivery of that many rows: 90 days, 60 countries, and what else the key needs."""
    index = pl.int_range(rows, eager=True)
    frame = pl.DataFrame([_values(column, index) for column in export.rows.columns])
    body = frame.write_ndjson().encode()
    assert frame.select(export.rows.key).is_unique().all()
    return body


def _values(column: Column, index: pl.Series) -> pl.Series:
    first = date(2026, 1, 1)
    days = pl.Series([str(first + timedelta(days=day)) for day in range(DAYS)])
    spread = (index * 2_654_435_761) % 100_003
    match column.kind, column.name:
        case _, "report_date":
            made = days.gather(index % DAYS)
        case _, "country_code":
            # Without a track to tell rows apart, the countries must be as many as it takes.
            made = (index // DAYS).cast(pl.String)
        case _, "engaged_spotify_track_id":
            made = (index // (DAYS * COUNTRIES)).cast(pl.String).str.zfill(22)
        case Kind.TIMESTAMP, _:
            made = (index % 60).cast(pl.String).str.zfill(2)
            made = "2026-05-20T03:00:" + made + "Z"
        case Kind.COUNT, _:
            made = spread % 5_000
        case Kind.MONEY, _:
            made = (spread / 100).round(2)
        case Kind.RATIO, _:
            made = (spread / 10_000).round(4)
        case _, name:
            made = pl.repeat(_TEXTS.get(name, name[:8]), index.len(), eager=True)
    if column.nullable and column.kind is Kind.COUNT:
        made = made.to_frame().select(pl.when(index % 3 > 0).then(pl.first())).to_series()
    return made.alias(column.name)


def _peak_above_frame(path: Path, export: Export) -> float:
    """MB of this process at its peak, less those before parsing and those of the frame."""
    parse(export, make_body(export, 10))
    before = _peak()
    parser = DeliveryReader(export)
    with path.open("rb") as body:
        while chunk := body.read(CHUNK_BYTES):
            parser.feed(chunk)
    parsed = parser.finish()
    after = _peak()
    assert parsed.frame.height == MEASURED_ROWS
    return after - before - parsed.frame.estimated_size("mb")


def _peak() -> float:
    """The most memory that this process has held, in MB."""
    status = Path("/proc/self/status")
    if status.exists():
        # Unlike getrusage's, this peak does not begin with the memory of the parent process.
        return int(status.read_text().split("VmHWM:")[1].split()[0]) / 1024
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20


def _seconds(work: Callable[[], int]) -> float:
    begin = time.perf_counter()
    assert work() == TIMED_ROWS
    return time.perf_counter() - begin


def _export(name: str) -> Export:
    return next(export for export in EXPORTS if export.name == name)


if __name__ == "__main__":
    main()
