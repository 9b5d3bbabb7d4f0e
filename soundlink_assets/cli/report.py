"""`soundlink-assets report`: the report of one campaign or of all, as an HTML file."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from soundlink_assets.cli.app import UserError, app, read_settings

if TYPE_CHECKING:
    from soundlink_assets.report.content import CheckResult
    from soundlink_assets.settings import Settings


@app.command()
def report(
    campaign: Annotated[
        str | None, typer.Option(metavar="ID", help="Only this campaign. All by default.")
    ] = None,
    out: Annotated[
        Path, typer.Option(metavar="FILE", help="Where to write it.", dir_okay=False)
    ] = Path("campaign_report.html"),
) -> None:
    """Write the report from what the warehouse holds: one HTML file that opens without a network.

    Sends no request and needs no key. Check results are those that `DAGSTER_HOME` remembers.

    Example: `soundlink-assets report --out report.html`
    """
    from soundlink_assets.cli.home import default_home

    write_current_report(read_settings(), default_home(), out, campaign)
    typer.echo(f"Wrote {out}")


def write_current_report(
    settings: "Settings", home: Path, out: Path, campaign: str | None = None
) -> None:
    """Write the report of what the warehouse holds now; UserError if it holds nothing."""
    from dataclasses import replace

    from soundlink_assets.assets.report import read_report_content, write_report
    from soundlink_assets.clock import utc_now
    from soundlink_assets.warehouse import open_warehouse

    warehouse = open_warehouse(settings.warehouse)
    content = read_report_content(warehouse, made_at=utc_now(), campaign_id=campaign)
    if content.campaign_scorecard.is_empty():
        raise UserError(*nothing_in(warehouse.name, campaign))
    write_report(replace(content, checks=_check_results(settings, home)), out)


def nothing_in(warehouse: str, campaign: str | None = None) -> tuple[str, str]:
    """What to say of a warehouse without figures, or without those of a campaign."""
    if campaign is None:
        advice = (
            "Load some days first, for example with soundlink-assets backfill, or try the "
            "synthetic ones: make demo"
        )
        return f"{warehouse} holds no campaign figures yet.", advice
    return (
        f"{warehouse} holds no figures of a campaign {campaign!r}.",
        "Ids are in the column campaign_id of analytics.campaign_scorecard.",
    )


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
