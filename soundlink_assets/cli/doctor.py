"""`soundlink-assets doctor`: one screen on whether everything is as it should be."""

from collections.abc import Iterator
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Annotated

import typer

from soundlink_assets.cli.app import app

if TYPE_CHECKING:
    from soundlink_assets.cli.findings import Finding

COLOURS = {"ok": "green", "warning": "yellow", "broken": "red"}
SIGNS = {"ok": "✓", "warning": "!", "broken": "✗", "advice": "→"}
ASCII_SIGNS = {"ok": "+", "warning": "!", "broken": "x", "advice": "->"}

LIBRARIES = ("dagster", "duckdb", "polars", "dataframely", "httpx")


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
    import os

    findings = examine(dict(os.environ), datetime.now(UTC))
    healthy = all(finding.verdict != "broken" for finding in findings)
    if as_json:
        text = {"healthy": healthy, "findings": [finding.as_json() for finding in findings]}
        typer.echo(json.dumps(text, indent=2))
    else:
        _print(findings)
    raise typer.Exit(0 if healthy else 1)


def examine(environment: dict[str, str], now: datetime) -> "list[Finding]":
    """What every probe finds; none of them raises."""
    from soundlink_assets.cli.findings import probed
    from soundlink_assets.cli.home import default_home
    from soundlink_assets.cli.probe_cost import probe_cost
    from soundlink_assets.cli.probe_history import probe_history, probe_home
    from soundlink_assets.cli.probe_provider import campaign_count, probe_provider
    from soundlink_assets.cli.probe_quarantine import probe_quarantine
    from soundlink_assets.cli.probe_settings import probe_settings, usable_settings
    from soundlink_assets.cli.probe_warehouse import probe_organisations, probe_warehouse

    settings, wrong = usable_settings()
    home = default_home()
    provider = probed("provider", lambda: probe_provider(settings, now))
    campaigns = campaign_count(provider)
    warehouse = probed("warehouse", lambda: probe_warehouse(settings))
    opens = all(finding.verdict == "ok" for finding in warehouse)
    return [
        *probed("settings", lambda: probe_settings(settings, wrong, environment)),
        *provider,
        *probed("cost", lambda: probe_cost(settings, campaigns, now)),
        *warehouse,
        *(probed("organisations", lambda: probe_organisations(settings)) if opens else []),
        *probed("quarantine", lambda: probe_quarantine(settings, now)),
        *probed("DAGSTER_HOME", lambda: probe_home(home, environment)),
        *probed("history", lambda: probe_history(settings, home, now, warehouse_opens=opens)),
        *probed("versions", _versions),
    ]


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

    An output that knows few letters, as an ASCII one, gets a question mark for any other.
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


def _print(findings: "list[Finding]") -> None:
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    signs = _signs()
    console = Console()
    table = Table.grid(padding=(0, 1))
    for _ in range(3):
        table.add_column(overflow="fold")
    for finding in findings:
        text = Text(finding.said)
        if finding.verdict != "ok" and finding.advice:
            text.append(f"\n{signs['advice']} {finding.advice}", style="bold")
        mark = Text(signs[finding.verdict], style=COLOURS[finding.verdict])
        table.add_row(mark, Text(finding.about), text)
    console.print(table)
    broken = sum(finding.verdict == "broken" for finding in findings)
    console.print(f"\n{broken} to put right." if broken else "\nNothing is broken.")
