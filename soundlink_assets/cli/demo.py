"""`soundlink-assets demo`: the whole platform on the sandbox, results printed."""

import sys
import time
from datetime import UTC, datetime, timedelta
from typing import Annotated

import typer

from soundlink_assets.cli.app import app
from soundlink_assets.cli.sandbox import SANDBOX_FOLDER

DEMO_DAYS = 14


@app.command()
def demo(
    days: Annotated[int, typer.Option(min=1, max=90, help="Closed days to load.")] = DEMO_DAYS,
) -> None:
    """Run the main job on the sandbox: fetch, verify, store, derive, check, and print the results.

    Synthetic data, no key needed. Everything stays in `data/sandbox`, where `dev --sandbox` shows
    it in the UI.
    """
    from soundlink_assets.assets.report import report_path
    from soundlink_assets.cli import summary
    from soundlink_assets.cli.console import console_on, print_plainly, showing_progress
    from soundlink_assets.cli.home import open_history, prepare_home
    from soundlink_assets.cli.report import write_current_report
    from soundlink_assets.cli.runs import Listener, mark_killed_runs, run_days
    from soundlink_assets.cli.sandbox import (
        first_partition,
        lasting_world,
        sandbox_settings,
        write_statements,
    )
    from soundlink_assets.sandbox import serving
    from soundlink_assets.schema.window import Window
    from soundlink_assets.warehouse import open_warehouse

    console = console_on(sys.stdout)
    yesterday = datetime.now(UTC).date() - timedelta(days=1)
    window = Window(yesterday - timedelta(days=days - 1), yesterday)
    home = prepare_home(SANDBOX_FOLDER / "dagster_home")
    with (
        serving(lasting_world(SANDBOX_FOLDER, yesterday)) as sandbox,
        open_history(home) as instance,
        showing_progress(console) as progress,
    ):
        mark_killed_runs(instance)
        start_date = first_partition(SANDBOX_FOLDER, window.first)
        settings = sandbox_settings(sandbox.base_url, sandbox.api_key, SANDBOX_FOLDER, start_date)
        write_statements(sandbox.world, settings.statements_dir, window)
        started = time.monotonic()
        listener = Listener(progress, warning=lambda text: print_plainly(console, text))
        outcomes = list(run_days(settings, window, instance, listener))
        seconds = time.monotonic() - started
        requests = len(sandbox.requests)
    if not all(outcome.succeeded for outcome in outcomes):
        summary.print_checks(console, outcomes)
        raise typer.Exit(1)
    warehouse = open_warehouse(settings.warehouse)
    summary.print_loaded(console, warehouse, window, requests, seconds)
    summary.print_answers(console, warehouse, window)
    summary.print_returns(console, warehouse)
    summary.print_checks(console, outcomes)
    compared, different = summary.differing_rows(warehouse, window)
    summary.print_agreement(console, compared, different)
    console.print(f"\nThe warehouse is the DuckDB file [bold]{settings.warehouse}[/].")
    page = SANDBOX_FOLDER / report_path(settings).name
    write_current_report(settings, home, page)
    console.print(f"The report to look at in a browser is [bold]{page}[/].")
    console.print("Look at it in the Dagster UI: [bold]make dev[/] (on the sandbox, no key needed)")
    if different or not all(outcome.is_clean for outcome in outcomes):
        raise typer.Exit(1)
