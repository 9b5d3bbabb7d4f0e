"""The asset that writes the report: what is stored, and what the checks last said of it.

How it is shown is in `soundlink_assets.report`, which knows neither Dagster nor the warehouse.
"""

import base64
from collections import defaultdict
from collections.abc import Collection, Iterable
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, cast
from uuid import uuid4

import dagster as dg

from soundlink_assets.assets.catalog import OWNERS, asset_key
from soundlink_assets.assets.conditions import follows_any_day
from soundlink_assets.assets.derived import GROUP
from soundlink_assets.clock import Clock
from soundlink_assets.dagster_internals import CheckStatus, PartitionKeyFilter
from soundlink_assets.schema import CAMPAIGN_COUNTRY_DAILY, CAMPAIGN_ENGAGEMENT_DAILY, CAMPAIGNS
from soundlink_assets.schema.analytics import (
    CAMPAIGN_SCORECARD,
    COUNTRY_EFFICIENCY,
    COUNTRY_SCORECARD,
    PLAYLIST_TRACK_SHARE,
    SCHEMA,
    SPILLOVER_SHARE,
)
from soundlink_assets.schema.nowcast import REVISION_NOWCAST
from soundlink_assets.schema.statements import CAMPAIGN_RETURN, TRACK_MONTH_SHARE
from soundlink_assets.schema.window import Window
from soundlink_assets.settings import LAKE, Settings

if TYPE_CHECKING:
    import polars as pl

    from soundlink_assets.report.content import CheckResult, ReportContent
    from soundlink_assets.warehouse import Reader, Warehouse

REPORT_KEY = dg.AssetKey([SCHEMA, "campaign_report"])
REPORT_FILE = "campaign_report.html"

JUDGED = {CheckStatus.SUCCEEDED, CheckStatus.FAILED}

_SOURCES = (
    CAMPAIGNS,
    CAMPAIGN_ENGAGEMENT_DAILY.table,
    COUNTRY_EFFICIENCY,
    SPILLOVER_SHARE,
    PLAYLIST_TRACK_SHARE,
    CAMPAIGN_SCORECARD,
    COUNTRY_SCORECARD,
    REVISION_NOWCAST,
    TRACK_MONTH_SHARE,
    CAMPAIGN_RETURN,
)


def check_keys_of(definitions: Iterable[dg.AssetsDefinition]) -> set[dg.AssetCheckKey]:
    """The checks that these definitions of assets and of checks declare."""
    return {spec.key for definition in definitions for spec in definition.check_specs}


def report_asset(
    warehouse: "Warehouse", path: Path, clock: Clock, checks: Collection[dg.AssetCheckKey]
) -> dg.AssetsDefinition:
    """The report of all campaigns, written to `path`, with the results of `checks`."""

    @dg.asset(
        key=REPORT_KEY,
        deps=[asset_key(table) for table in _SOURCES],
        description="One HTML page for people: spend against listeners, what a listener costs in "
        "each country and how sure that is, plays of other tracks, playlist positions, check "
        f"results and what is still provisional. Written to `{REPORT_FILE}` beside the warehouse; "
        "opens without a network. Of one campaign: `soundlink-assets report --campaign NAME`. Not "
        "part of the runs that fetch: it follows them.",
        group_name=GROUP,
        owners=OWNERS,
        kinds={"html"},
        automation_condition=follows_any_day(),
    )
    def campaign_report(context: dg.AssetExecutionContext) -> dg.MaterializeResult[None]:
        content = read_report_content(warehouse, made_at=clock())
        content = replace(content, checks=last_check_results(context.instance, checks))
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


def report_path(settings: Settings) -> Path:
    """Where the asset writes the report: by default beside the file of the warehouse."""
    if settings.report_dir is not None:
        return settings.report_dir.absolute() / REPORT_FILE
    if settings.warehouse.startswith(LAKE):
        return Path("data").absolute() / REPORT_FILE
    return Path(settings.warehouse).expanduser().absolute().with_name(REPORT_FILE)


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
    from soundlink_assets.report.page import preview_jpeg

    image = preview_jpeg(content)
    if image is None:
        return {}
    encoded = base64.b64encode(image).decode("ascii")
    return {
        "picture": dg.MetadataValue.md(
            f"![Spend and listeners by day](data:image/jpeg;base64,{encoded})"
        )
    }


# ---- what is stored ----


def read_report_content(
    warehouse: "Warehouse",
    *,
    made_at: datetime,
    campaign_id: str | None = None,
    days: Window | None = None,
) -> "ReportContent":
    """The stored figures, of one campaign or of all; empty frames where nothing is stored yet.

    The scorecards are taken as they were last computed, and the days until then; of `days`, they
    are computed anew. Raises WarehouseError.
    """
    import polars as pl

    from soundlink_assets.metrics.engagement import spillover_tracks
    from soundlink_assets.metrics.scorecards import campaign_scorecard, country_scorecard
    from soundlink_assets.report.content import SHOWN_DAYS, ReportContent

    country = CAMPAIGN_COUNTRY_DAILY
    with warehouse.reader("the report") as reader:
        nowcast = reader.load(REVISION_NOWCAST)
        returns = reader.load(CAMPAIGN_RETURN)
        if days is None:
            cards, countries = reader.load(CAMPAIGN_SCORECARD), reader.load(COUNTRY_SCORECARD)
            as_of = cast("date | None", cards["as_of"].max()) or made_at.date() - timedelta(days=1)
        else:
            daily = reader.load(COUNTRY_EFFICIENCY, days), reader.load(SPILLOVER_SHARE, days)
            as_of = cast("date | None", daily[0]["report_date"].max()) or days.last
            cards = campaign_scorecard(*daily, as_of, nowcast)
            countries = country_scorecard(*daily, as_of)
            returns = returns.clear()  # known for whole campaigns only
        shown = as_of - timedelta(days=SHOWN_DAYS - 1)
        window = Window(max(shown, days.first) if days else shown, as_of)
        frames = {
            "campaign_scorecard": cards,
            "country_scorecard": countries,
            "campaigns": reader.load(CAMPAIGNS),
            "spend": reader.load(COUNTRY_EFFICIENCY, window),
            "spillover": reader.load(SPILLOVER_SHARE, window),
            "playlist": reader.load(PLAYLIST_TRACK_SHARE, window),
            "plays": _plays(reader, window),
            "nowcast": nowcast.filter(pl.col("report_date").is_between(window.first, as_of)),
            "campaign_return": returns,
        }
        shares = reader.load(TRACK_MONTH_SHARE)
        loaded = reader.load(country.delivery_log, columns=(country.day,)).to_series()
    is_synthetic = _is_synthetic(frames["campaigns"])
    frames["track_months"] = _track_months(frames["plays"], shares)
    if campaign_id is not None:
        mine = pl.col("campaign_id") == campaign_id
        frames = {name: frame.filter(mine) for name, frame in frames.items()}
    return ReportContent(
        is_synthetic=is_synthetic,
        as_of=as_of,
        made_at=made_at,
        campaigns=_campaigns(frames["campaign_scorecard"], frames["campaigns"], frames["plays"]),
        campaign_scorecard=frames["campaign_scorecard"],
        country_scorecard=frames["country_scorecard"],
        spend_by_day=_by_day(
            frames["spend"], ["campaign_id", "currency"], ["spend_media", "listeners"]
        ),
        plays_by_day=_by_day(
            frames["spillover"], ["campaign_id"], ["promoted_streams", "spillover_streams"]
        ),
        spillover_tracks=spillover_tracks(frames["plays"]),
        playlist_tracks=frames["playlist"]
        .group_by("campaign_id", "report_date", "track_id")
        .agg(
            pl.col("track_name").sort().last(),
            pl.col("streams").sum(),
            pl.col("playlist_position").min(),
            pl.col("is_settled").all(),
        ),
        nowcast=frames["nowcast"],
        campaign_return=frames["campaign_return"],
        track_months=frames["track_months"],
        loaded_days=frozenset(loaded),
        days=days,
    )


def _track_months(plays: "pl.DataFrame", shares: "pl.DataFrame") -> "pl.DataFrame":
    """The months of the recording that each campaign promotes."""
    import polars as pl

    from soundlink_assets.report.content import TRACK_MONTHS

    target = pl.col("campaign_target_isrc").str.to_uppercase().str.replace_all(r"[\s-]", "")
    promoted = plays.select("campaign_id", target.alias("isrc")).drop_nulls().unique()
    return promoted.join(shares, on="isrc").select(*TRACK_MONTHS)


def _is_synthetic(campaigns: "pl.DataFrame") -> bool:
    """Whether the campaigns are the sandbox's: their pages are on a domain that cannot exist."""
    pages = campaigns.get_column("campaign_url").drop_nulls()
    on_no_domain = pages.str.contains(r"^https?://[^/]+\.invalid(/|$)")
    return not pages.is_empty() and on_no_domain.all()


_PLAYED = (
    "campaign_id",
    "campaign_target_type",
    "campaign_target_isrc",
    "campaign_target_spotify_track_id",
    "status",
    "engagement_context",
    "engaged_track_isrc",
    "engaged_spotify_track_id",
    "engaged_track_name",
)


def _plays(reader: "Reader", window: Window) -> "pl.DataFrame":
    """Plays of each campaign and track over all countries and days of the window."""
    import polars as pl

    rows = reader.load(
        CAMPAIGN_ENGAGEMENT_DAILY.table, window, columns=(*_PLAYED, "streams", "report_date")
    )
    return rows.group_by(_PLAYED).agg(
        pl.col("streams").sum(), pl.col("report_date").max().alias("last_day")
    )


def _campaigns(
    cards: "pl.DataFrame", listed: "pl.DataFrame", plays: "pl.DataFrame"
) -> "pl.DataFrame":
    """What each campaign promotes, those without figures too.

    Type and status are as delivered last, names as listed.
    """
    import polars as pl

    delivered = plays.group_by("campaign_id").agg(
        pl.col("campaign_target_type").sort_by("last_day").last().alias("target_type"),
        pl.col("status").sort_by("last_day").last(),
    )
    names = listed.select("campaign_id", "artist_name", pl.col("track_name").alias("promoted_name"))
    ids = pl.concat([cards["campaign_id"], listed["campaign_id"]]).unique()
    return (
        ids.to_frame()
        .join(delivered, on="campaign_id", how="left")
        .join(names, on="campaign_id", how="left")
    )


def _by_day(frame: "pl.DataFrame", of: list[str], measures: list[str]) -> "pl.DataFrame":
    import polars as pl

    return frame.group_by(*of, "report_date").agg(
        pl.col(measures).sum(), pl.col("is_settled").all()
    )


# ---- what the checks last said ----


def last_check_results(
    instance: dg.DagsterInstance,
    keys: Iterable[dg.AssetCheckKey],
    days: Collection[str] | None = None,
) -> tuple["CheckResult", ...]:
    """The last verdict of each check that ever gave one, over all days that it judged, or `days`.

    A check that judges days has failed if the last verdict of any day is a failure; what it says is
    that of the newest such day. Days whose check is only planned are left out.
    """
    by_key: dict[dg.AssetCheckKey, dict[str | None, CheckStatus]] = defaultdict(dict)
    storage = instance.event_log_storage
    for info in storage.get_asset_check_partition_info(
        list(keys), partition_keys=None if days is None else list(days)
    ):
        if info.latest_execution_status in JUDGED:
            by_key[info.check_key][info.partition_key] = info.latest_execution_status
    return tuple(_result(instance, key, found) for key, found in sorted(by_key.items()))


def _result(
    instance: dg.DagsterInstance, key: dg.AssetCheckKey, found: dict[str | None, CheckStatus]
) -> "CheckResult":
    from soundlink_assets.report import formats
    from soundlink_assets.report.content import CheckResult

    days = {day: status for day, status in found.items() if day is not None}
    judged = days or found
    failed = sorted(
        (day for day, status in judged.items() if status is CheckStatus.FAILED), key=str
    )
    shown = failed[-1] if failed else max(judged, key=str)
    (record,) = instance.event_log_storage.get_asset_check_execution_history(
        key, limit=1, status=JUDGED, partition_filter=PartitionKeyFilter(key=shown)
    )
    evaluation = record.event.asset_check_evaluation if record.event else None
    description = (evaluation.description or "") if evaluation else ""
    if failed and days:
        which = formats.spans(date.fromisoformat(day) for day in failed if day)
        description = f"{which}. {description}".strip()
    return CheckResult(
        asset=key.asset_key.to_user_string(),
        check=key.name,
        passed=not failed,
        severity=evaluation.severity.value if evaluation else "ERROR",
        description=description,
        failed_days=tuple(day for day in failed if day),
        checked_at=datetime.fromtimestamp(record.create_timestamp, UTC),
        is_outdated=not days and _is_outdated(instance, key, evaluation),
    )


def _is_outdated(
    instance: dg.DagsterInstance,
    key: dg.AssetCheckKey,
    evaluation: dg.AssetCheckEvaluation | None,
) -> bool:
    """Whether an unpartitioned asset was written again since it was judged.

    Nothing orders the report after the checks of its sources: it may run before they judge anew.
    """
    written = instance.get_latest_materialization_event(key.asset_key)
    materialization = written.asset_materialization if written else None
    if written is None or materialization is None or materialization.partition is not None:
        return False
    target = evaluation.target_materialization_data if evaluation else None
    return target is not None and target.timestamp < written.timestamp
