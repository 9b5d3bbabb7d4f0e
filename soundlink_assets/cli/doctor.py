"""`soundlink-assets doctor`: one screen on whether everything is as it should be.

Here is the screen, and what needs no look beyond the settings; the probes of other places are in
modules of their own.
"""

import os
import stat
from collections.abc import Iterator, Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from soundlink_assets.cli.app import app, differing

if TYPE_CHECKING:
    from soundlink_assets.cli.findings import Finding
    from soundlink_assets.settings import SettingProblem, Settings

COLOURS = {"ok": "green", "warning": "yellow", "broken": "red"}
SIGNS = {"ok": "✓", "warning": "!", "broken": "✗", "advice": "→"}
ASCII_SIGNS = {"ok": "+", "warning": "!", "broken": "x", "advice": "->"}

LIBRARIES = ("dagster", "duckdb", "polars", "httpx")

OTHERS_MAY_READ = stat.S_IRGRP | stat.S_IROTH


@app.command()
def doctor(
    *,
    as_json: Annotated[
        bool, typer.Option("--json", help="Print the findings as JSON, for machines.")
    ] = False,
) -> None:
    """Check settings, key, scopes, costs, warehouse, days and daemon, and say what to do.

    Sends at most four requests to the API, and changes nothing. Ends with 1 if something is broken.
    """
    import json

    findings = examine(dict(os.environ), datetime.now(UTC))
    healthy = all(finding.verdict != "broken" for finding in findings)
    if as_json:
        text = {"healthy": healthy, "findings": [finding.as_json() for finding in findings]}
        typer.echo(json.dumps(text, indent=2))
    else:
        print_findings(findings)
    raise typer.Exit(0 if healthy else 1)


def examine(environment: Mapping[str, str], now: datetime) -> "list[Finding]":
    """What every probe finds; none of them raises."""
    from soundlink_assets.cli.findings import probed
    from soundlink_assets.cli.home import default_home
    from soundlink_assets.cli.probe_history import probe_history, probe_home
    from soundlink_assets.cli.probe_provider import listed_counts, probe_cost, probe_provider
    from soundlink_assets.cli.probe_warehouse import (
        probe_campaigns,
        probe_organisations,
        probe_quarantine,
        probe_warehouse,
    )

    settings, problems = usable_settings()
    home = default_home()
    provider = probed("provider", lambda: probe_provider(settings, now))
    warehouse = probed("warehouse", lambda: probe_warehouse(settings))
    opens = all(finding.verdict == "ok" for finding in warehouse)
    return [
        *probed("settings", lambda: probe_settings(settings, problems, environment)),
        *provider,
        *probed("cost", lambda: probe_cost(settings, listed_counts(provider))),
        *warehouse,
        *(probed("organisations", lambda: probe_organisations(settings)) if opens else []),
        *(probed("campaigns", lambda: probe_campaigns(settings, now)) if opens else []),
        *probed("quarantine", lambda: probe_quarantine(settings, now)),
        *probed("DAGSTER_HOME", lambda: probe_home(home, environment)),
        *probed("history", lambda: probe_history(settings, home, now, warehouse_opens=opens)),
        *probed("versions", _versions),
    ]


def usable_settings() -> "tuple[Settings, tuple[SettingProblem, ...]]":
    """The settings, wrong ones at their defaults, and what is wrong."""
    from soundlink_assets.settings import Settings, SettingsError, load_settings, variable_of

    try:
        return load_settings(), ()
    except SettingsError as error:
        wrong = {problem.variable for problem in error.problems}
        defaults = {
            name: field.default
            for name, field in Settings.model_fields.items()
            if variable_of(name) in wrong
        }
        return load_settings(**defaults), error.problems


def probe_settings(
    settings: "Settings", problems: "tuple[SettingProblem, ...]", environment: Mapping[str, str]
) -> "Iterator[Finding]":
    """What is set, what is wrong, what is misspelt, and whether the key is there."""
    from soundlink_assets.cli.findings import broken, ok, warning
    from soundlink_assets.settings import Settings, SettingsError, unknown_variables, variable_of

    for problem in problems:
        advice = f"Allowed: {problem.allowed}" if problem.allowed else "Unset it."
        yield broken("settings", problem.what, advice)
    for problem in unknown_variables(environment):
        yield warning("settings", problem.what, "Correct the name, or unset the variable.")
    if not problems:
        given = [name for name in map(variable_of, Settings.model_fields) if environment.get(name)]
        shown = ", ".join(given) or "none, all at their defaults"
        yield ok("settings", f"set: {shown}", set=given)
    yield from _env_file(Path(".env"), environment)
    if any(problem.variable == variable_of("api_key") for problem in problems):
        return
    try:
        settings.require_api_key()
    except SettingsError as error:
        (missing,) = error.problems
        yield broken("key", missing.what, f"Set {missing.allowed}")
    else:
        yield ok("key", "is there and well-formed")


def _env_file(path: Path, environment: Mapping[str, str]) -> "Iterator[Finding]":
    from soundlink_assets.cli.findings import warning

    if not path.exists():
        return
    if path.is_dir():
        what = f"{path} is a folder, so no setting is read from it"
        yield warning("settings", what, f"Move it away; init writes {path} as a file.")
        return
    if os.name == "posix" and path.stat().st_mode & OTHERS_MAY_READ:
        yield warning("settings", "other users may read .env", "chmod 600 .env")
    for name in differing(path, environment):
        yield warning(
            "settings",
            f"{name} differs between .env and the environment",
            "Unset one of them: our commands take the environment's, `dagster` takes .env's.",
        )


def _versions() -> "Iterator[Finding]":
    import platform
    from importlib.metadata import version

    from soundlink_assets.cli.findings import ok

    versions = {"soundlink-assets": version("soundlink-assets")}
    versions |= {"Python": platform.python_version()}
    versions |= {library: version(library) for library in LIBRARIES}
    shown = ", ".join(f"{name} {found}" for name, found in versions.items())
    yield ok("versions", shown, versions=versions)


def _signs() -> dict[str, str]:
    """The marks of the verdicts and of an advice, in letters that the output can show.

    An output with few letters, as an ASCII one, gets a question mark for any other.
    """
    import io
    import sys

    if isinstance(sys.stdout, io.TextIOWrapper):
        sys.stdout.reconfigure(errors="replace")
    try:
        "".join(SIGNS.values()).encode(sys.stdout.encoding or "ascii")
    except UnicodeEncodeError:
        return ASCII_SIGNS
    return SIGNS


def print_findings(findings: "list[Finding]") -> None:
    """Print the screen."""
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    signs = _signs()
    console = Console()
    table = Table.grid(padding=(0, 1))
    for _ in range(3):
        table.add_column(overflow="fold")
    for finding in findings:
        text = Text(finding.what)
        if finding.verdict != "ok" and finding.advice:
            text.append(f"\n{signs['advice']} {finding.advice}", style="bold")
        mark = Text(signs[finding.verdict], style=COLOURS[finding.verdict])
        table.add_row(mark, Text(finding.about), text)
    console.print(table)
    broken = sum(finding.verdict == "broken" for finding in findings)
    console.print(f"\n{broken} to put right." if broken else "\nNothing is broken.")
