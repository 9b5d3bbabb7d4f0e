"""`soundlink-assets backfill`: materialise a range of days here and now."""

from datetime import UTC, date, datetime, timedelta
from typing import TYPE_CHECKING, Annotated

import typer

from soundlink_assets.cli.app import UserError, app

if TYPE_CHECKING:
    from rich.console import Console

    from soundlink_assets.cli.runs import RunOutcome
    from soundlink_assets.contract.window import Window


@app.command()
def backfill(
    start: Annotated[str, typer.Argument(help="First day, YYYY-MM-DD (UTC).")],
    end: Annotated[str, typer.Argument(help="Last day, included; at most yesterday.")],
    select: Annotated[
        str | None,
        typer.Option(help="Assets, in Dagster's selection syntax. Everything by default."),
    ] = None,
) -> None:
    """Fetch, verify, store and derive a range of days, in runs of at most 90 days.

    Runs in this process and is recorded in `DAGSTER_HOME`; needs no daemon. Ends with 1 if a run
    or a check of severity ERROR failed.
    """
    from dagster import DagsterInstance
    from rich.console import Console

    from soundlink_assets.cli.home import default_home, prepare_home
    from soundlink_assets.cli.runs import run_days
    from soundlink_assets.settings import SettingsError, load_settings

    console = Console(stderr=True)
    try:
        settings = load_settings()
        settings.require_api_key()
        window = closed_days(start, end, settings.start_date, datetime.now(UTC).date())
    except (SettingsError, ValueError) as error:
        raise UserError(str(error)) from None
    home = prepare_home(default_home())
    clean = True
    with DagsterInstance.from_config(str(home)) as instance, console.status("starting") as status:
        try:
            for outcome in run_days(settings, window, instance, status.update, select):
                clean = clean and outcome.clean
                _report(console, outcome)
        except ValueError as error:
            raise UserError(str(error)) from None
    if not clean:
        raise typer.Exit(1)


def closed_days(start: str, end: str, earliest: date, today: date) -> "Window":
    """The window that was typed; ValueError that says what is allowed."""
    from soundlink_assets.contract.window import Window

    days = []
    for text in (start, end):
        try:
            days.append(date.fromisoformat(text))
        except ValueError:
            raise ValueError(f"{text!r} is not a day: give YYYY-MM-DD") from None
    window = Window(*days)
    if window.first < earliest:
        raise ValueError(
            f"{window.first} is before SOUNDLINK_START_DATE ({earliest}); set it to an earlier day"
        )
    if window.last >= today:
        raise ValueError(
            f"{window.last} is not closed yet: the last day is {today - timedelta(days=1)}"
        )
    return window


def _report(console: "Console", outcome: "RunOutcome") -> None:
    mark = "[green]done[/]" if outcome.clean else "[red]failed[/]"
    console.print(f"{mark}  {outcome.window}  run {outcome.run_id}")
    for error in outcome.errors:
        console.print(f"  {error}", markup=False)
    for check in outcome.failed_checks:
        console.print(
            f"  {check.severity}  {check.asset}  {check.check}: {check.description}", markup=False
        )
