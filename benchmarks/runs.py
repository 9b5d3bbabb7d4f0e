"""What runs cost, from a fresh interpreter to recorded verdicts: `python benchmarks/runs.py`.

CPU seconds (user and system) of one process per scenario, which serving the sandbox is not part of:
a run of 1 day and of 90 days of 3 campaigns, a refresh of 8 days and what it leaves in
`DAGSTER_HOME`, and a refresh of 7 days of 50 campaigns. With `--year`, also a year of 3 campaigns.
"""

import argparse
import json
import os
import sqlite3
import subprocess
import sys
import tempfile
import time
from contextlib import closing
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any

UNLIMITED = {
    "SOUNDLINK_REQUESTS_PER_MINUTE": "100000",
    "SOUNDLINK_REQUESTS_PER_HOUR": "1000000",
}
RUN = [sys.executable, __file__, "--run"]

Figures = dict[str, Any]
"""What one process measured: cpu (seconds), run_cpu (seconds, without imports), runs, rows, events
(in the logs of the runs), verdicts, history (bytes added to `DAGSTER_HOME`), warehouse (bytes)."""


def main() -> None:
    """Print the figures; with `--run`, be the process that is measured."""
    arguments = argparse.ArgumentParser(description=__doc__)
    arguments.add_argument("--year", action="store_true")
    arguments.add_argument("--run", nargs=3, metavar=("HOME", "FIRST", "LAST"))
    given = arguments.parse_args()
    if given.run is not None:
        home, first, last = given.run
        print(json.dumps(run(Path(home), date.fromisoformat(first), date.fromisoformat(last))))
        return
    compare(year=given.year)


def compare(*, year: bool) -> None:
    """Every scenario, each with a warehouse and a history of its own."""
    (one,) = measured("1 day", campaigns=3, days=1)
    (ninety,) = measured("90 days", campaigns=3, days=90)
    print(
        f"90 days over 1 day: {ninety['cpu'] / one['cpu']:.2f}, "
        f"without the interpreter's start and imports {ninety['run_cpu'] / one['run_cpu']:.2f}"
    )
    measured("8 days", campaigns=3, days=8, times=2)
    measured("7 days", campaigns=50, days=7, times=2)
    if year:
        measured("365 days", campaigns=3, days=365)


def measured(what: str, *, campaigns: int, days: int, times: int = 1) -> list[Figures]:
    """Load the days up to yesterday, `times` in a row; the second time is a refresh."""
    from soundlink_assets.cli.home import prepare_home
    from soundlink_assets.sandbox import SandboxConfig, serving

    last = datetime.now(UTC).date() - timedelta(days=1)
    first = last - timedelta(days=days - 1)
    config = SandboxConfig(campaign_count=campaigns, history_days=max(days, 210))
    with tempfile.TemporaryDirectory() as folder, serving(config) as sandbox:
        home = prepare_home(Path(folder) / "home")
        environment = UNLIMITED | {
            "SOUNDLINK_API_KEY": sandbox.api_key,
            "SOUNDLINK_BASE_URL": sandbox.base_url,
            "SOUNDLINK_START_DATE": first.isoformat(),
            "SOUNDLINK_WAREHOUSE": f"{folder}/warehouse.duckdb",
            "SOUNDLINK_QUARANTINE_DIR": f"{folder}/quarantine",
            "SOUNDLINK_BUDGET_DIR": f"{folder}/budget",
        }
        taken = []
        for turn in range(times):
            before = bytes_in(home)
            figures = process(environment, str(home), first.isoformat(), last.isoformat())
            figures["history"] = bytes_in(home) - before
            figures["warehouse"] = Path(environment["SOUNDLINK_WAREHOUSE"]).stat().st_size
            print_figures(f"{what} x {campaigns} campaigns{', refresh' * (turn > 0)}", figures)
            taken.append(figures)
    return taken


def process(environment: dict[str, str], *arguments: str) -> Figures:
    """The figures of one process, with the CPU seconds of it and of all that it started."""
    before = os.times()
    done = subprocess.run(
        [*RUN, *arguments],
        check=True,
        stdout=subprocess.PIPE,
        text=True,
        env=os.environ | environment,
    )
    after = os.times()
    cpu = after.children_user + after.children_system
    figures: Figures = json.loads(done.stdout.splitlines()[-1])
    return figures | {"cpu": cpu - before.children_user - before.children_system}


def run(home: Path, first: date, last: date) -> Figures:
    """Materialise the days as the command `backfill` does, in this process."""
    from soundlink_assets.cli.home import open_history
    from soundlink_assets.cli.runs import Listener, run_days
    from soundlink_assets.schema.window import Window
    from soundlink_assets.settings import load_settings

    def ignore(_text: str) -> None:
        """Progress is not measured."""

    with open_history(home) as instance:
        began = time.process_time()
        outcomes = list(
            run_days(load_settings(), Window(first, last), instance, Listener(ignore, ignore))
        )
        spent = time.process_time() - began
        assert all(outcome.succeeded for outcome in outcomes)
        events = sum(len(instance.all_logs(outcome.run_id)) for outcome in outcomes)
    run_ids = [outcome.run_id for outcome in outcomes]
    return {
        "run_cpu": spent,
        "runs": len(outcomes),
        "rows": sum(sum(outcome.rows.values()) for outcome in outcomes),
        "events": events,
        "verdicts": verdicts_of(home, run_ids),
    }


def verdicts_of(home: Path, run_ids: list[str]) -> int:
    """Evaluations that the runs recorded; those of single days are in no run's log."""
    with closing(sqlite3.connect(home / "history" / "runs" / "index.db")) as history:
        (count,) = history.execute(
            "SELECT count(*) FROM asset_check_executions WHERE evaluation_event IS NOT NULL "
            "AND run_id IN (SELECT value FROM json_each(?))",
            [json.dumps(run_ids)],
        ).fetchone()
    return int(count)


def bytes_in(folder: Path) -> int:
    return sum(path.stat().st_size for path in folder.rglob("*") if path.is_file())


def print_figures(what: str, figures: Figures) -> None:
    print(
        f"{what:32} {figures['cpu']:6.2f} s of CPU ({figures['run_cpu']:.2f} s without imports), "
        f"{figures['runs']} runs, {figures['rows']:,} rows, {figures['events']:,} events "
        f"in logs, {figures['verdicts']:,} verdicts, {figures['history'] / 1e6:.2f} MB of history, "
        f"{figures['warehouse'] / 1e6:.1f} MB of warehouse"
    )


if __name__ == "__main__":
    main()
