"""How fast deliveries come from HTTP into the warehouse: `python benchmarks/loading.py`.

Rows per second from bytes on loopback to committed rows, through the real client, parser and
write, against the limit: DuckDB's own `read_json` of the same bytes, from files, into the same
table, in the same run. Each load has a process of its own, whose peak memory is printed too; both
take turns, and the best of each counts. Then: loading the same days again, as a refresh does, and
how memory grows with the number of campaigns.
"""

import argparse
import json
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, date, datetime, timedelta
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from soundlink_assets.schema import CAMPAIGN_ENGAGEMENT_DAILY as EXPORT
from soundlink_assets.schema.window import Window

FIRST_DAY = date(2026, 1, 1)
COUNTRIES, TRACKS = 30, 10
SHAPES = ((50, 10), (10, 90))
MANY_CAMPAIGNS = 40
REPEATS = 3
LEAST_RATIO = 0.5

Figures = dict[str, float]
"""What one load measured: rows, seconds, cpu_seconds, base_mb, peak_mb, and of ours
spooled_seconds, until the write began."""


def main() -> None:
    """Print the figures; the other commands are the processes that this one starts."""
    arguments = argparse.ArgumentParser(description=__doc__)
    commands = arguments.add_subparsers(dest="command")
    for name, *more in (("serve", "bodies"), ("limit", "bodies"), ("platform", "bodies", "url")):
        command = commands.add_parser(name)
        for argument in more:
            command.add_argument(argument)
        if name == "platform":
            command.add_argument("--times", type=int, default=1)
    given = arguments.parse_args()
    if given.command == "serve":
        serve(Path(given.bodies))
    elif given.command == "limit":
        print(json.dumps(load_by_duckdb(Path(given.bodies))))
    elif given.command == "platform":
        print(json.dumps(load_by_platform(Path(given.bodies), given.url, given.times)))
    else:
        compare()


def compare() -> None:
    """Every shape, ours and the limit in turns."""
    peaks = {}
    for campaigns, days in SHAPES:
        with served_bodies(campaigns, days) as (bodies, url):
            pairs = [
                (measured("platform", bodies, url), measured("limit", bodies))
                for _ in range(REPEATS)
            ]
            again = measured("platform", bodies, url, "--times", "2")
        ours = min((ours for ours, _ in pairs), key=lambda load: load["seconds"])
        limit = min((limit for _, limit in pairs), key=lambda load: load["seconds"])
        print(f"{campaigns} campaigns x {days} days, {ours['rows']:,.0f} engagement rows")
        print_load("from HTTP, verified, committed", ours)
        print_load("the same days once more", again)
        print_load("limit: read_json, committed", limit)
        ratio = limit["seconds"] / ours["seconds"]
        print(f"  ratio to the limit {ratio:.2f} (aim: at least {LEAST_RATIO})")
        peaks[campaigns, days] = ours["peak_mb"]
    few, days = SHAPES[-1]
    with served_bodies(MANY_CAMPAIGNS, days) as (bodies, url):
        many = measured("platform", bodies, url)
    print(f"{MANY_CAMPAIGNS} campaigns x {days} days, {many['rows']:,.0f} engagement rows")
    print_load("from HTTP, verified, committed", many)
    print(
        f"  peak memory of {MANY_CAMPAIGNS} campaigns over that of {few}: "
        f"{many['peak_mb'] / peaks[few, days]:.2f}"
    )


def print_load(what: str, load: Figures) -> None:
    """One line of figures."""
    print(
        f"  {what:31} {load['seconds']:6.2f} s ({load['cpu_seconds']:5.2f} s of CPU), "
        f"{load['rows'] / load['seconds']:9,.0f} rows/s, "
        f"peak {load['peak_mb']:5.0f} MB, {load['base_mb']:3.0f} MB before it began"
    )
    if "spooled_seconds" in load:
        spooled = load["spooled_seconds"]
        print(
            f"  {'':31} {spooled:6.2f} s until fetched, verified and spooled, "
            f"{load['seconds'] - spooled:.2f} s under the lock"
        )


def measured(command: str, bodies: Path, *more: str) -> Figures:
    """The figures of one load, in a process of its own."""
    done = subprocess.run(
        [sys.executable, __file__, command, str(bodies), *more],
        check=True,
        capture_output=True,
        text=True,
    )
    figures: Figures = json.loads(done.stdout.splitlines()[-1])
    return figures


def load_by_platform(bodies: Path, url: str, times: int) -> Figures:
    """Fetch, verify and store all campaigns; with `times` above one, the last load counts."""
    from soundlink_assets.warehouse.connection import connect, transaction
    from soundlink_assets.warehouse.types import Deliveries
    from soundlink_assets.warehouse.writing import replace_cells

    from soundlink_assets.provider import Delivery, SoundlinkClient
    from soundlink_assets.settings import load_settings

    campaigns = [path.stem for path in sorted(bodies.iterdir())]
    window = window_of(bodies)
    with tempfile.TemporaryDirectory() as folder:
        warehouse = str(Path(folder) / "warehouse.duckdb")
        settings = load_settings(
            api_key="sk_bench_mark",
            base_url=url,
            budget_dir=folder,
            quarantine_dir=folder,
            requests_per_minute=100_000,
            requests_per_hour=1_000_000,
        )
        for _ in range(times):
            meter = Meter()
            with (
                SoundlinkClient.from_settings(settings) as client,
                Deliveries(EXPORT.table, window) as taken,
            ):
                for delivery in client.deliveries(EXPORT, campaigns, window):
                    assert isinstance(delivery, Delivery)
                    taken.add(
                        delivery.campaign_id, delivery.window, delivery.frame, delivery.fetched_at
                    )
                taken.files()
                spooled = meter.read(rows=0)["seconds"]
                with connect(warehouse, read_only=False) as connection, transaction(connection):
                    done = replace_cells(connection, taken, now=datetime.now(UTC), run_id="bench")
                figures = meter.read(done.rows) | {"spooled_seconds": spooled}
        return figures


def load_by_duckdb(bodies: Path) -> Figures:
    """The same bytes from files into the same table, and nothing else."""
    import duckdb
    from soundlink_assets.warehouse.shaping import ensure_table

    types = {column.name: column.kind.value for column in EXPORT.rows.columns}
    with tempfile.TemporaryDirectory() as folder:
        meter = Meter()
        with duckdb.connect(Path(folder) / "limit.duckdb") as connection:
            ensure_table(connection, EXPORT.table)
            inserted = connection.execute(
                f"INSERT INTO {EXPORT.table.qualified_name} BY NAME SELECT * FROM "  # noqa: S608  # constants
                "read_json($files, format = 'newline_delimited', columns = $types)".replace(
                    "$types", str(types)
                ),
                {"files": [str(path) for path in sorted(bodies.iterdir())]},
            ).fetchone()
        assert inserted is not None
        return meter.read(inserted[0])


class Meter:
    """Time and memory of this process since the meter was made."""

    def __init__(self) -> None:
        self.base_mb = _memory_mb("VmRSS")
        self.cpu = time.process_time()
        self.began = time.perf_counter()

    def read(self, rows: int) -> Figures:
        """The figures of a load that ends now."""
        return {
            "rows": rows,
            "seconds": time.perf_counter() - self.began,
            "cpu_seconds": time.process_time() - self.cpu,
            "base_mb": self.base_mb,
            "peak_mb": _memory_mb("VmHWM"),
        }


def _memory_mb(field: str) -> float:
    status = Path("/proc/self/status").read_text()
    return int(status.split(f"{field}:")[1].split()[0]) / 1024


@contextmanager
def served_bodies(campaigns: int, days: int) -> Iterator[tuple[Path, str]]:
    """A folder with one body a campaign, and the address of a process that serves them."""
    with tempfile.TemporaryDirectory() as folder:
        bodies = Path(folder)
        for number in range(campaigns):
            campaign = f"{number:08}-2591-4b94-848f-f142f5c6bba1"
            (bodies / f"{campaign}.jsonl").write_bytes(make_body(campaign, days, number))
        with subprocess.Popen(
            [sys.executable, __file__, "serve", folder], stdout=subprocess.PIPE, text=True
        ) as server:
            assert server.stdout is not None
            try:
                yield bodies, server.stdout.readline().strip()
            finally:
                server.terminate()


def make_body(campaign: str, days: int, seed: int) -> bytes:
    """A valid delivery: every track in every country on every day."""
    import polars as pl

    def noise(most: int, salt: int) -> pl.Expr:
        return pl.int_range(pl.len()).hash(seed * 10 + salt) % most

    def texts(name: str, values: list[str]) -> pl.LazyFrame:
        return pl.LazyFrame({name: values})

    dates = [str(FIRST_DAY + timedelta(days=day)) for day in range(days)]
    tracks = pl.LazyFrame(
        {
            "engaged_track_isrc": [f"DEXW625{n:05}" if n % 3 else None for n in range(TRACKS)],
            "engaged_spotify_track_id": [f"{n:022}" for n in range(TRACKS)],
            "engaged_track_name": [f"Till The Sunrise, Part {n}" for n in range(TRACKS)],
        }
    )
    texts_of_all = {
        "provider": "soundlink",
        "account_id": "a7ac3173-2f71-4e79-921f-d15d7112cc9a",
        "schema_version": "1.0",
        "report_date_timezone": "UTC",
        "exported_at": "2026-05-22T10:12:11Z",
        "campaign_id": campaign,
        "campaign_name": f"Campaign {seed}",
        "campaign_target_type": "track",
        "campaign_target_isrc": "DEXW62500272",
        "campaign_target_spotify_track_id": "2RkZ5WPkKyBf0u8vN3dNgb",
        "campaign_target_playlist_id": None,
        "status": "active",
        "engagement_context": "catalog",
        "playlist_position": None,
    }
    countries = [f"{a}{b}" for a in "ABCDE" for b in "ABCDEF"][:COUNTRIES]
    rows = (
        texts("report_date", dates)
        .join(texts("country_code", countries), how="cross")
        .join(tracks, how="cross")
        .with_columns(pl.lit(value).alias(name) for name, value in texts_of_all.items())
        .with_columns(new_listeners=noise(90, 1), returning_listeners=noise(60, 2))
        .with_columns(
            listeners=pl.col("new_listeners") + pl.col("returning_listeners"),
            new_listener_streams=pl.col("new_listeners") + noise(30, 3),
            returning_listener_streams=pl.col("returning_listeners") + noise(20, 4),
        )
        .with_columns(streams=pl.col("new_listener_streams") + pl.col("returning_listener_streams"))
        .with_columns(
            spl=pl.when(pl.col("listeners") > 0)
            .then((pl.col("streams") / pl.col("listeners")).round(2))
            .otherwise(0.0)
        )
        .select(EXPORT.rows.column_names)
        .collect()
    )
    return rows.write_ndjson().encode()


def window_of(bodies: Path) -> Window:
    """The days that the bodies hold."""
    body = next(iter(bodies.iterdir())).read_bytes()
    last = json.loads(body.splitlines()[-1])["report_date"]
    return Window(FIRST_DAY, date.fromisoformat(last))


def serve(bodies: Path) -> None:
    """Serve the bodies on loopback until terminated; print the address first."""
    held = {path.stem: path.read_bytes() for path in bodies.iterdir()}
    rows = {campaign: body.count(b"\n") for campaign, body in held.items()}

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_GET(self) -> None:  # the name that http.server calls
            campaign = urlsplit(self.path).path.split("/")[3]
            self.send_response(200)
            self.send_header("Content-Type", "application/x-ndjson")
            self.send_header("X-Row-Count", str(rows[campaign]))
            self.send_header("Content-Length", str(len(held[campaign])))
            self.end_headers()
            self.wfile.write(held[campaign])

        def log_message(self, *_: Any) -> None:
            """Nothing: the figures are the output."""

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        print(f"http://127.0.0.1:{server.server_port}", flush=True)
        server.serve_forever()


if __name__ == "__main__":
    main()
