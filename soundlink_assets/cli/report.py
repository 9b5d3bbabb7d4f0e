"""`soundlink-assets report`: the report of one campaign or of all, as an HTML file."""

from datetime import date, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from soundlink_assets.cli.app import UserError, app, read_settings

if TYPE_CHECKING:
    from soundlink_assets.report.content import CheckResult
    from soundlink_assets.schema.window import Window
    from soundlink_assets.settings import Settings
    from soundlink_assets.warehouse import Warehouse

DAY = "%Y-%m-%d"


@app.command()
def report(
    campaign: Annotated[
        str | None,
        typer.Option(metavar="NAME", help="Only this campaign, by name or id. All by default."),
    ] = None,
    first: Annotated[
        datetime | None, typer.Option("--from", formats=[DAY], help="First day. By default, all.")
    ] = None,
    last: Annotated[
        datetime | None, typer.Option("--to", formats=[DAY], help="Last day, included.")
    ] = None,
    out: Annotated[
        Path, typer.Option(metavar="FILE", help="Where to write it.", dir_okay=False)
    ] = Path("campaign_report.html"),
    *,
    show: Annotated[bool, typer.Option("--open", help="Open it in the browser.")] = False,
) -> None:
    """Write the report from what the warehouse holds: one HTML file that opens without a network.

    Sends no request and needs no key. Check results are those that `DAGSTER_HOME` remembers.

    Example: `soundlink-assets report --campaign "Summer single" --from 2026-05-01 --open`
    """
    import webbrowser

    from soundlink_assets.cli.home import default_home
    from soundlink_assets.schema.window import Window

    days = None
    if first or last:
        begin, end = first.date() if first else date.min, last.date() if last else date.max
        if end < begin:
            raise UserError(f"--to ({end}) is before --from ({begin}).")
        days = Window(begin, end)
    write_current_report(read_settings(), default_home(), out, campaign, days)
    typer.echo(f"Wrote {out}")
    if show:
        webbrowser.open(out.absolute().as_uri())


def write_current_report(
    settings: "Settings",
    home: Path,
    out: Path,
    campaign: str | None = None,
    days: "Window | None" = None,
) -> None:
    """Write the report of what the warehouse holds now; UserError if it holds nothing."""
    from dataclasses import replace

    from soundlink_assets.assets.report import read_report_content, write_report
    from soundlink_assets.clock import utc_now
    from soundlink_assets.warehouse import open_warehouse

    warehouse = open_warehouse(settings.warehouse)
    chosen = None if campaign is None else _campaign_id(warehouse, campaign)
    content = read_report_content(warehouse, made_at=utc_now(), campaign_id=chosen, days=days)
    if content.campaign_scorecard.is_empty():
        if days is None:
            raise UserError(*nothing_in(warehouse.name))
        raise UserError(f"{warehouse.name} holds no figures of these days.")
    write_report(replace(content, checks=_check_results(settings, home)), out)


def _campaign_id(warehouse: "Warehouse", named: str) -> str:
    """The id of the campaign with this id or name, in any case; UserError unless there is one."""
    from soundlink_assets.schema.analytics import CAMPAIGN_SCORECARD

    cards = warehouse.load(CAMPAIGN_SCORECARD, columns=("campaign_id", "campaign_name"))
    names = dict(cards.iter_rows())
    found = [
        campaign_id
        for campaign_id, name in names.items()
        if named.casefold() in {campaign_id.casefold(), name.casefold()}
    ]
    if len(found) == 1:
        return str(found[0])
    if found:
        raise UserError(f"{len(found)} campaigns are called {named!r}.", f"Ids: {', '.join(found)}")
    if not names:
        raise UserError(*nothing_in(warehouse.name))
    raise UserError(
        f"{warehouse.name} holds no figures of a campaign {named!r}.",
        f"There are: {', '.join(sorted(names.values()))}",
    )


def nothing_in(warehouse: str) -> tuple[str, str]:
    """What to say of a warehouse without figures."""
    advice = (
        "Load some days first, for example with soundlink-assets backfill, or try the synthetic "
        "ones: make demo"
    )
    return f"{warehouse} holds no campaign figures yet.", advice


def _check_results(settings: "Settings", home: Path) -> "tuple[CheckResult, ...]":
    """What the history of this machine has; nothing if there is none."""
    from soundlink_assets.assets.report import last_check_results
    from soundlink_assets.cli.home import open_history
    from soundlink_assets.definitions import build_definitions

    if not (home / "dagster.yaml").exists():
        return ()
    graph = build_definitions(settings).resolve_asset_graph()
    with open_history(home) as instance:
        return last_check_results(instance, graph.asset_check_keys)
