"""How fast deliveries come from HTTP into the warehouse: `python benchmarks/loading.py`.

Rows per second from bytes on loopback to committed rows, through the real client, parser and write,
against the limit: DuckDB's own `read_json` of the same bytes, from files, into the same table. Each
load has a process of its own, whose peak memory is printed too; both take turns, and the best of
each counts. Then the same days again, as a refresh loads them, and memory with more campaigns.
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

from parsing import DAYS, make_body

from soundlink_assets.schema import CAMPAIGN_ENGAGEMENT_DAILY as EXPORT
from soundlink_assets.schema.window import Window

WINDOW = Window(date(2026, 1, 1), date(2026, 1, 1) + timedelta(days=DAYS - 1))
CAMPAIGN = b"f1e28d31-c358-4284-9bef-00a2334625fd"
SHAPES = ((50, 3_000), (10, 27_000))
MANY_CAMPAIGNS = 40
REPEATS = 3
LEAST_RATIO = 0.5

Figures = dict[str, float]
"""What one load measured: rows, seconds, cpu_seconds, base_mb, peak_mb."""


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
    peak = 0.0
    for campaigns, rows in SHAPES:
        with served_bodies(campaigns, rows) as (bodies, url):
            pairs = [
                (measured("platform", bodies, url), measured("limit", bodies))
                for _ in range(REPEATS)
            ]
            again = measured("platform", bodies, url, "--times", "2")
        ours = min((ours for ours, _ in pairs), key=lambda load: load["seconds"])
        limit = min((limit for _, limit in pairs), key=lambda load: load["seconds"])
        print(f"{campaigns} campaigns x {DAYS} days, {ours['rows']:,.0f} engagement rows")
        print_load("from HTTP, verified, committed", ours)
        print_load("the same days once more", again)
        print_load("limit: read_json, committed", limit)
        ratio = limit["seconds"] / ours["seconds"]
        print(f"  ratio to the limit {ratio:.2f} (aim: at least {LEAST_RATIO})")
        peak = ours["peak_mb"]
    few, rows = SHAPES[-1]
    with served_bodies(MANY_CAMPAIGNS, rows) as (bodies, url):
        many = measured("platform", bodies, url)
    print_load(f"{MANY_CAMPAIGNS} campaigns, {many['rows']:,.0f} rows", many)
    print(f"  peak memory of {MANY_CAMPAIGNS} campaigns over {few}: {many['peak_mb'] / peak:.2f}")


def print_load(what: str, load: Figures) -> None:
    print(
        f"  {what:31} {load['seconds']:6.2f} s ({load['cpu_seconds']:5.2f} s of CPU), "
        f"{load['rows'] / load['seconds']:9,.0f} rows/s, "
        f"peak {load['peak_mb']:5.0f} MB, {load['base_mb']:3.0f} MB before it began"
    )


def measured(command: str, bodies: Path, *more: str) -> Figures:
    """The figures of one load, in a process of its own."""
    done = subprocess.run(
        [sys.executable, __file__, command, str(bodies), *more],
        check=True,
        stdout=subprocess.PIPE,
        text=True,
    )
    figures: Figures = json.loads(done.stdout.splitlines()[-1])
    return figures


def load_by_platform(bodies: Path, url: str, times: int) -> Figures:
    """Fetch, verify and store all campaigns; with `times` above one, the last load counts."""
    from soundlink_assets.provider import Delivery, SoundlinkClient
    from soundlink_assets.settings import load_settings
    from soundlink_assets.warehouse import DeliveryBatch, open_warehouse

    campaigns = [path.stem for path in sorted(bodies.iterdir())]
    with tempfile.TemporaryDirectory() as folder:
        warehouse = open_warehouse(str(Path(folder) / "warehouse.duckdb"))
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
                DeliveryBatch(EXPORT, WINDOW) as batch,
            ):
                for delivery in client.deliveries(EXPORT, campaigns, WINDOW):
                    assert isinstance(delivery, Delivery)
                    batch.add(
                        delivery.requested_id, delivery.window, delivery.frame, delivery.fetched_at
                    )
                stored = warehouse.write(batch, now=datetime.now(UTC), run_id="bench")
            figures = meter.read(stored.rows)
        return figures


def load_by_duckdb(bodies: Path) -> Figures:
    """The same bytes from files into the same table, and nothing else."""
    import duckdb

    from soundlink_assets.warehouse.tables import ensure_table

    types = {column.name: column.kind.value for column in EXPORT.rows.columns}
    with tempfile.TemporaryDirectory() as folder:
        meter = Meter()
        with duckdb.connect(Path(folder) / "limit.duckdb") as connection:
            ensure_table(connection, EXPORT.table)
            inserted = connection.execute(
                f"INSERT INTO {EXPORT.table.qualified_name} BY NAME SELECT * FROM "  # noqa: S608 - constants
                f"read_json($files, format = 'newline_delimited', columns = {types})",
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
def served_bodies(campaigns: int, rows: int) -> Iterator[tuple[Path, str]]:
    """A folder with a body of so many rows per campaign, and the address that serves them."""
    body = make_body(EXPORT, rows)
    assert CAMPAIGN in body
    with tempfile.TemporaryDirectory() as folder:
        for number in range(campaigns):
            campaign = f"{number:08}-2591-4b94-848f-f142f5c6bba1"
            path = Path(folder) / f"{campaign}.jsonl"
            path.write_bytes(body.replace(CAMPAIGN, campaign.encode()))
        with subprocess.Popen(
            [sys.executable, __file__, "serve", folder], stdout=subprocess.PIPE, text=True
        ) as server:
            assert server.stdout is not None
            try:
                yield Path(folder), server.stdout.readline().strip()
            finally:
                server.terminate()


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
