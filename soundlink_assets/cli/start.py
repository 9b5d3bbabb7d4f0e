"""`soundlink-assets start`: from a key to the answers in a browser, in one command."""

import os
from contextlib import ExitStack
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated

import typer

from soundlink_assets.cli.app import app, read_settings

REPORT = Path("campaign_report.html")
KEY = "SOUNDLINK_API_KEY"

NEEDED = ("settings", "key", "provider")
"""What the doctor calls that without which nothing can be loaded."""


@app.command()
def start(
    ctx: typer.Context,
    *,
    sandbox: Annotated[
        bool, typer.Option("--sandbox", help="Try it on a sandbox with synthetic data.")
    ] = False,
    browser: Annotated[
        bool, typer.Option("--open/--no-open", help="Open the report in the browser.")
    ] = True,
) -> None:
    """Ask for the key, check everything, load 90 days, print the answers, open the report.

    Works in the current folder: the key is kept in its file `.env`, which only you can read. Ninety
    days cost one request for each campaign and export, as many as one day. Can be repeated.
    """
    import webbrowser

    from soundlink_assets.cli.backfill import closed_days, load_days
    from soundlink_assets.cli.doctor import examine, print_findings
    from soundlink_assets.cli.home import default_home
    from soundlink_assets.cli.report import write_current_report
    from soundlink_assets.cli.sandbox import sandbox_environment
    from soundlink_assets.schema.window import MAX_WINDOW_DAYS

    with ExitStack() as stack:
        if sandbox:
            os.environ.update(stack.enter_context(sandbox_environment(MAX_WINDOW_DAYS)))
        is_asked = not os.environ.get(KEY)
        if is_asked:
            _ask_for_key(Path(".env"))
        now = datetime.now(UTC)
        findings = examine(dict(os.environ), now)
        print_findings(findings)
        if any(each.verdict == "broken" and each.about in NEEDED for each in findings):
            if is_asked:
                _write_key(Path(".env"), "")
            raise typer.Exit(1)
        settings = read_settings()
        window = closed_days(None, None, settings.start_date, now.date(), MAX_WINDOW_DAYS)
        typer.echo(f"\nLoading {window} ...")
        is_clean = load_days(settings, window, verbose=ctx.obj["verbose"])
        if not is_clean:
            typer.echo("\nNot everything could be loaded; run the same command again.", err=True)
        write_current_report(settings, default_home(), REPORT)
    page = REPORT.absolute().as_uri()
    typer.echo(f"\nThe report is {page}")
    typer.echo(
        f"Next: `soundlink-assets dev{' --sandbox' if sandbox else ''}` keeps it up to date."
    )
    if browser:
        webbrowser.open(page)
    if not is_clean:
        raise typer.Exit(1)


def _ask_for_key(path: Path) -> None:
    """Ask until it can be a key, and keep it in the file and for this process."""
    from soundlink_assets.cli.home import default_home
    from soundlink_assets.cli.init import env_file, first_usual_day, write_new

    key = _typed_key()
    if not path.exists():
        first = first_usual_day()
        write_new(path, env_file(default_home().absolute(), {"start_date": str(first)}))
        os.environ.setdefault("SOUNDLINK_START_DATE", str(first))
    _write_key(path, key)
    os.environ[KEY] = key


def _typed_key() -> str:
    from soundlink_assets.settings import clean_key

    while True:
        try:
            return clean_key(typer.prompt("Your Soundlink API key (not shown)", hide_input=True))
        except ValueError as error:
            typer.echo(f"{error}.")


def _write_key(env_file: Path, key: str) -> None:
    from dotenv import set_key

    set_key(env_file, KEY, key)
