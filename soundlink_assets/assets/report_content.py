"""Reads from the warehouse what the report shows. How it is shown is in `report`."""

from datetime import date, datetime, timedelta
from typing import TYPE_CHECKING

from soundlink_assets.schema import CAMPAIGN_ENGAGEMENT_DAILY
from soundlink_assets.schema.campaigns import CAMPAIGNS
from soundlink_assets.schema.window import Window
from soundlink_assets.schema.analytics import (
    CAMPAIGN_SCORECARD,
    COUNTRY_EFFICIENCY,
    COUNTRY_SCORECARD,
    PLAYLIST_TRACK_SHARE,
    SPILLOVER_SHARE,
)

if TYPE_CHECKING:
    import polars as pl

    from soundlink_assets.report.content import ReportContent

_PLAYS = f"""
SELECT campaign_id, campaign_target_type, campaign_target_isrc, campaign_target_spotify_track_id,
    engagement_context, engaged_track_isrc, engaged_spotify_track_id, engaged_track_name,
    sum(streams)::BIGINT AS streams, max(report_date) AS last_day
FROM {CAMPAIGN_ENGAGEMENT_DAILY.table.qualified_name}
WHERE report_date BETWEEN $first AND $last
GROUP BY ALL
"""  # noqa: S608 - a name of ours


def read_report_content(
    warehouse: str,
    *,
    made_at: datetime,
    campaign_id: str | None = None,
) -> "ReportContent":
    """The stored figures, of one campaign or of all; empty frames where nothing is stored yet.

    The scorecards are taken as they were last computed, and the days until then. Raises
    WarehouseError.
    """
    from soundlink_assets.report.content import SHOWN_DAYS, ReportContent
    from soundlink_assets.warehouse.connection import connect
    from soundlink_assets.warehouse.reading import load_table

    with connect(warehouse, read_only=True, purpose="the report") as connection:
        cards = load_table(connection, CAMPAIGN_SCORECARD)
        as_of = _as_of(cards) or made_at.date() - timedelta(days=1)
        window = Window(as_of - timedelta(days=SHOWN_DAYS - 1), as_of)
        frames = {
            "campaign_scorecard": cards,
            "country_scorecard": load_table(connection, COUNTRY_SCORECARD),
            "campaigns": load_table(connection, CAMPAIGNS),
            "spend": load_table(connection, COUNTRY_EFFICIENCY, window),
            "spillover": load_table(connection, SPILLOVER_SHARE, window),
            "playlist": load_table(connection, PLAYLIST_TRACK_SHARE, window),
        }
    is_synthetic = _is_synthetic(frames["campaigns"])
    plays = _plays(warehouse, window)
    if campaign_id is not None:
        plays = plays.filter(campaign_id=campaign_id)
        frames = {name: frame.filter(campaign_id=campaign_id) for name, frame in frames.items()}
    return ReportContent(
        is_synthetic=is_synthetic,
        as_of=as_of,
        made_at=made_at,
        campaigns=_campaigns(frames["campaign_scorecard"], frames["campaigns"], plays),
        campaign_scorecard=frames["campaign_scorecard"],
        country_scorecard=frames["country_scorecard"],
        spend_by_day=_by_day(
            frames["spend"], ["campaign_id", "currency"], ["spend_media", "listeners"]
        ),
        plays_by_day=_by_day(
            frames["spillover"], ["campaign_id"], ["promoted_streams", "spillover_streams"]
        ),
        spillover_tracks=_spillover_tracks(plays),
        playlist_tracks=_playlist_tracks(frames["playlist"]),
    )


def _as_of(cards: "pl.DataFrame") -> date | None:
    newest = cards["as_of"].max()
    return newest if isinstance(newest, date) else None


def _is_synthetic(campaigns: "pl.DataFrame") -> bool:
    """Whether the campaigns are the sandbox's: their pages are on a domain that cannot exist."""
    pages = campaigns.get_column("campaign_url").drop_nulls()
    on_no_domain = pages.str.contains(r"^https?://[^/]+\.invalid(/|$)")
    return not pages.is_empty() and on_no_domain.all()


def _plays(warehouse: str, window: Window) -> "pl.DataFrame":
    """Plays of each campaign and track over all countries and days of the window."""
    import polars as pl

    from soundlink_assets.schema.frames import empty_frame
    from soundlink_assets.warehouse.errors import MissingTableError
    from soundlink_assets.warehouse.reading import read_frame

    try:
        return read_frame(warehouse, _PLAYS, {"first": window.first, "last": window.last})
    except MissingTableError:
        nothing = empty_frame(CAMPAIGN_ENGAGEMENT_DAILY.rows)
        return nothing.with_columns(pl.col("report_date").alias("last_day"))


def _campaigns(
    cards: "pl.DataFrame", listed: "pl.DataFrame", plays: "pl.DataFrame"
) -> "pl.DataFrame":
    """What each campaign promotes: the target type as delivered last, names as listed."""
    import polars as pl

    types = plays.group_by("campaign_id").agg(
        pl.col("campaign_target_type").sort_by("last_day").last().alias("target_type")
    )
    return (
        cards.select("campaign_id")
        .unique()
        .join(types, on="campaign_id", how="left")
        .join(
            listed.select("campaign_id", "artist_name", "track_name"), on="campaign_id", how="left"
        )
        .rename({"track_name": "promoted_name"})
    )


def _by_day(frame: "pl.DataFrame", of: list[str], measures: list[str]) -> "pl.DataFrame":
    import polars as pl

    return frame.group_by(*of, "report_date").agg(
        pl.col(measures).sum(), pl.col("is_settled").all()
    )


def _spillover_tracks(plays: "pl.DataFrame") -> "pl.DataFrame":
    from soundlink_assets.metrics.spillover_tracks import spillover_tracks

    return spillover_tracks(plays)


def _playlist_tracks(frame: "pl.DataFrame") -> "pl.DataFrame":
    import polars as pl

    return frame.group_by("campaign_id", "report_date", "track_id").agg(
        pl.col("track_name").sort().last(),
        pl.col("streams").sum(),
        pl.col("playlist_position").min(),
        pl.col("is_settled").all(),
    )
