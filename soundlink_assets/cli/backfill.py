"""`soundlink-assets backfill`: materialise a range of days here and now."""

import sys
import traceback
from collections.abc import Sequence
from datetime import UTC, date, datetime, timedelta
from textwrap import indent
from typing import TYPE_CHECKING, Annotated

import typer

from soundlink_assets.cli.app import UserError, app, read_settings

if TYPE_CHECKING:
    from rich.console import Console

    from soundlink_assets.cli.runs import RunOutcome
    from soundlink_assets.schema.window import Window
    from soundlink_assets.settings import Settings


USUAL_DAYS = 14
"""Half of them settled, half still open: enough to see both."""


@app.command()
def backfill(
    ctx: typer.Context,
    start: Annotated[
        str | None,
        typer.Argument(
            metavar="START",
            help="First day, YYYY-MM-DD (UTC).",
            show_default=f"the last {USUAL_DAYS} closed days",
        ),
    ] = None,
    end: Annotated[
        str | None,
        typer.Argument(metavar="END", help="Last day, included.", show_default="yesterday"),
    ] = None,
    select: Annotated[
        str | None,
        typer.Option(
            help="Assets, in Dagster's selection syntax: soundlink/campaigns, 'group:soundlink', "
            """'key:"one" or key:"another"'. Everything by default."""
        ),
    ] = None,
) -> None:
    """Fetch, verify, store and derive a range of days, in runs of at most 90 days.

    Runs in this process and is recorded in `DAGSTER_HOME`; needs no daemon. Can be repeated at any
    time: a day is replaced as a whole. Ends with 1 if a run or a check of severity ERROR failed.

    Examples: `soundlink-assets backfill`, `soundlink-assets backfill 2026-01-01 2026-03-31`
    """
    settings = read_settings()
    settings.require_api_key()
    window = closed_days(start, end, settings.start_date, datetime.now(UTC).date())
    is_clean = load_days(settings, window, select, verbose=ctx.obj["verbose"])
    if not is_clean:
        raise typer.Exit(1)
    typer.echo("\nNext: `soundlink-assets report` writes a page of it, `dev` keeps it up to date.")


def load_days(
    settings: "Settings", window: "Window", select: str | None = None, *, verbose: bool
) -> bool:
    """Run the days and print what became of them and, of all assets, the answers.

    Returns whether every run succeeded without a failed check of severity ERROR.
    """
    from soundlink_assets.cli import summary
    from soundlink_assets.cli.console import console_on, print_plainly, showing_progress
    from soundlink_assets.cli.home import default_home, open_history, prepare_home
    from soundlink_assets.cli.runs import Listener, mark_killed_runs, run_days
    from soundlink_assets.warehouse import open_warehouse

    console = console_on(sys.stderr)
    home = prepare_home(default_home())
    outcomes: list[RunOutcome] = []

    def warn(text: str) -> None:
        print_plainly(console, f"note  {text}")

    try:
        with open_history(home) as instance, showing_progress(console) as progress:
            for run_id in mark_killed_runs(instance):
                warn(f"run {run_id} was killed; it is marked as failed")
            listener = Listener(progress, warning=warn)
            for outcome in run_days(settings, window, instance, listener, select):
                outcomes.append(outcome)
                _report(console, outcome, verbose=verbose)
                if outcome.is_refused:
                    break
    except KeyboardInterrupt:
        _report_rest(console, window, outcomes)
        raise
    _report_rest(console, window, outcomes)
    if select is None and any(outcome.succeeded for outcome in outcomes):
        summary.print_answers(console_on(sys.stdout), open_warehouse(settings.warehouse), window)
    return all(outcome.is_clean for outcome in outcomes)


def closed_days(
    start: str | None, end: str | None, earliest: date, today: date, usual_days: int = USUAL_DAYS
) -> "Window":
    """The window that was typed, or the usual one; UserError that says what is allowed."""
    from soundlink_assets.schema.window import Window

    last = today - timedelta(days=1) if end is None else _day(end)
    usual = max(earliest, today - timedelta(days=usual_days))
    first = usual if start is None else _day(start)
    if earliest >= today:
        raise UserError(f"SOUNDLINK_START_DATE is {earliest}: no day since then has closed yet.")
    if last < first:
        raise UserError(f"{last} is before {first}.", "Give the first day first.")
    if first < earliest:
        raise UserError(
            f"{first} is before SOUNDLINK_START_DATE ({earliest}).", "Set that to an earlier day."
        )
    if last >= today:
        raise UserError(
            f"{last} is not closed yet.",
            f"The last day to ask for is {today - timedelta(days=1)} (UTC).",
        )
    return Window(first, last)


def _day(text: str) -> date:
    try:
        day = date.fromisoformat(text)
    except ValueError:
        day = None
    if day is None or str(day) != text:
        raise UserError(f"{text!r} is not a day.", "Give YYYY-MM-DD.")
    return day


def _report(console: "Console", outcome: "RunOutcome", *, verbose: bool) -> None:
    from soundlink_assets.cli.console import print_plainly

    mark = "[green]done[/]" if outcome.is_clean else "[red]failed[/]"
    rows = "".join(f"  {rows:,} rows of {name}" for name, rows in outcome.rows.items())
    console.print(f"{mark}  {outcome.window}{rows}  run {outcome.run_id}", soft_wrap=True)
    for text in _traces(outcome) if verbose else outcome.explanations:
        print_plainly(console, indent(text, "  "))
    for check in outcome.failed_checks:
        description = " ".join(check.description.split("\n"))
        text = f"  {check.severity}  {check.asset}  {check.check}: {description}"
        print_plainly(console, text)


def _traces(outcome: "RunOutcome") -> "Sequence[str]":
    traces = ["".join(traceback.format_exception(error)) for error in outcome.errors]
    return [*traces, *outcome.errors_outside_steps]


def _report_rest(console: "Console", window: "Window", outcomes: "Sequence[RunOutcome]") -> None:
    """Say from which day on nothing was tried, if the runs ended early."""
    from soundlink_assets.cli.console import print_plainly
    from soundlink_assets.schema.window import Window

    parts = window.split()
    if len(outcomes) < len(parts):
        rest = Window(parts[len(outcomes)].first, window.last)
        print_plainly(
            console, f"Not done: {rest}. Run the same command again, or from that day on."
        )
