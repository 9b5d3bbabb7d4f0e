"""The asset that writes the report, and a picture of it for the UI."""

import base64
from collections.abc import Collection, Iterable
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING
from uuid import uuid4

import dagster as dg

from soundlink_assets.clock import Clock
from soundlink_assets.schema import CAMPAIGN_ENGAGEMENT_DAILY
from soundlink_assets.schema.campaigns import CAMPAIGNS
from soundlink_assets.assets.catalogue import OWNERS, asset_key
from soundlink_assets.assets.check_results import JUDGED, last_check_results
from soundlink_assets.assets.derived import GROUP
from soundlink_assets.assets.following import follows_any_day
from soundlink_assets.assets.report_content import read_report_content
from soundlink_assets.schema.analytics import (
    CAMPAIGN_SCORECARD,
    COUNTRY_EFFICIENCY,
    COUNTRY_SCORECARD,
    PLAYLIST_TRACK_SHARE,
    SCHEMA,
    SPILLOVER_SHARE,
)

if TYPE_CHECKING:
    from soundlink_assets.report.content import CheckResult, ReportContent

REPORT_KEY = dg.AssetKey([SCHEMA, "campaign_report"])
REPORT_FILE = "campaign_report.html"

_SOURCES = (
    CAMPAIGNS,
    CAMPAIGN_ENGAGEMENT_DAILY.table,
    COUNTRY_EFFICIENCY,
    SPILLOVER_SHARE,
    PLAYLIST_TRACK_SHARE,
    CAMPAIGN_SCORECARD,
    COUNTRY_SCORECARD,
)


def check_keys_of(definitions: Iterable[dg.AssetsDefinition]) -> set[dg.AssetCheckKey]:
    """The checks that these definitions of assets and of checks declare."""
    return {spec.key for definition in definitions for spec in definition.check_specs}


def report_asset(
    warehouse: str, clock: Clock, checks: Collection[dg.AssetCheckKey]
) -> dg.AssetsDefinition:
    """The report of all campaigns, written beside the warehouse, with the results of `checks`."""

    @dg.asset(
        key=REPORT_KEY,
        deps=[asset_key(table) for table in _SOURCES],
        description="One HTML page for people: spend against listeners, what a listener costs in "
        "each country and how sure that is, plays of other tracks, playlist positions, check "
        f"results and what is still provisional. Written to `{REPORT_FILE}` beside the warehouse; "
        "opens without a network. Of one campaign: `soundlink-assets report --campaign ID`.",
        group_name=GROUP,
        owners=OWNERS,
        kinds={"html", "altair"},
        automation_condition=follows_any_day(),
    )
    def campaign_report(context: dg.AssetExecutionContext) -> dg.MaterializeResult[None]:
        content = read_report_content(warehouse, made_at=clock())
        results = last_check_results(context.instance, checks)
        content = replace(content, checks=with_outdated(context.instance, results))
        path = report_path(warehouse)
        write_report(content, path)
        return dg.MaterializeResult(
            metadata={
                "path": dg.MetadataValue.path(str(path)),
                "campaigns": content.campaign_scorecard["campaign_id"].n_unique(),
                "checks_failed": sum(not check.passed for check in content.checks),
                "bytes": path.stat().st_size,
                **_picture(content),
            }
        )

    return campaign_report


def with_outdated(
    instance: dg.DagsterInstance, results: Iterable["CheckResult"]
) -> tuple["CheckResult", ...]:
    """The results, each with whether its asset was written again since.

    Nothing orders the report after the checks of its sources: it may run before they judge anew.
    """
    return tuple(replace(result, is_outdated=_is_outdated(instance, result)) for result in results)


def _is_outdated(instance: dg.DagsterInstance, result: "CheckResult") -> bool:
    """Never so of an asset by days: there, what was written since may be other days."""
    asset = dg.AssetKey.from_user_string(result.asset)
    written = instance.get_latest_materialization_event(asset)
    materialization = written.asset_materialization if written else None
    if written is None or materialization is None or materialization.partition is not None:
        return False
    judged = _judged_write_at(instance, dg.AssetCheckKey(asset, result.check))
    return judged is not None and judged < written.timestamp


def _judged_write_at(instance: dg.DagsterInstance, key: dg.AssetCheckKey) -> float | None:
    """When that was written which the check's last verdict is about."""
    records = instance.event_log_storage.get_asset_check_execution_history(
        key, limit=1, status=JUDGED
    )
    event = records[0].event if records else None
    evaluation = event.asset_check_evaluation if event else None
    target = evaluation.target_materialization_data if evaluation else None
    return target.timestamp if target else None


def report_path(warehouse: str) -> Path:
    """Where the asset writes the report."""
    return Path(warehouse).expanduser().absolute().with_name(REPORT_FILE)


def write_report(content: "ReportContent", path: Path) -> None:
    """Write the page; a reader of the file sees the old page or the new one, never half of it."""
    from soundlink_assets.report.page import render_page

    page = render_page(content)
    path.parent.mkdir(parents=True, exist_ok=True)
    # A name of its own: two runs may write at once.
    half = path.with_name(f".{uuid4().hex}.part")
    try:
        half.write_text(page, encoding="utf-8")
        half.replace(path)
    finally:
        half.unlink(missing_ok=True)


def _picture(content: "ReportContent") -> dict[str, dg.MetadataValue]:
    from soundlink_assets.report.preview import preview_png

    image = preview_png(content)
    if image is None:
        return {}
    encoded = base64.b64encode(image).decode("ascii")
    return {
        "picture": dg.MetadataValue.md(
            f"![Spend and listeners by day](data:image/png;base64,{encoded})"
        )
    }
