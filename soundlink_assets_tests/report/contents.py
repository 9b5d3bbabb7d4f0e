"""Report content from a few export rows, through the real metrics."""

from datetime import UTC, date, datetime, timedelta
from typing import Any

import polars as pl

from soundlink_assets.metrics.country_efficiency import country_efficiency
from soundlink_assets.metrics.engagement import (
    playlist_track_share,
    spillover_share,
    spillover_tracks,
)
from soundlink_assets.metrics.scorecards import campaign_scorecard, country_scorecard
from soundlink_assets.report.content import ReportContent
from soundlink_assets_tests.metrics.rows import (
    DAY,
    PROMOTED_ID,
    country_rows,
    engagement_rows,
    log_of,
    midnight,
)

AS_OF = DAY + timedelta(days=2)
OPEN_FROM = DAY + timedelta(days=2)


def content_of(
    spend: list[dict[str, Any]], plays: list[dict[str, Any]] | None = None, **changed: Any
) -> ReportContent:
    """Content as it would be read from a warehouse with these rows; days from `OPEN_FROM` open."""
    return content_from(country_rows(*spend), engagement_rows(*(plays or [])), **changed)


def content_from(country: pl.DataFrame, engagement: pl.DataFrame, **changed: Any) -> ReportContent:
    """The same, from frames of export rows."""
    efficiency = country_efficiency(country, _log(country))
    spillover = spillover_share(engagement, _log(engagement))
    playlist = playlist_track_share(engagement, _log(engagement))
    cards = campaign_scorecard(efficiency, spillover, AS_OF)
    given: dict[str, Any] = {
        "as_of": AS_OF,
        "made_at": datetime(2026, 4, 12, 5, tzinfo=UTC),
        "campaigns": cards.select(
            "campaign_id",
            pl.lit("track").alias("target_type"),
            pl.lit("The Artist").alias("artist_name"),
            pl.lit("The Song").alias("promoted_name"),
        ).unique(),
        "campaign_scorecard": cards,
        "country_scorecard": country_scorecard(efficiency, spillover, AS_OF),
        "spend_by_day": efficiency.group_by("campaign_id", "currency", "report_date").agg(
            pl.col("spend_media", "listeners").sum(), pl.col("is_settled").all()
        ),
        "plays_by_day": spillover.group_by("campaign_id", "report_date").agg(
            pl.col("promoted_streams", "spillover_streams").sum(), pl.col("is_settled").all()
        ),
        "spillover_tracks": spillover_tracks(engagement),
        "playlist_tracks": playlist.group_by("campaign_id", "report_date", "track_id").agg(
            pl.col("track_name").last(),
            pl.col("streams").sum(),
            pl.col("playlist_position").min(),
            pl.col("is_settled").all(),
        ),
    }
    return ReportContent(**(given | changed))


def _log(rows: pl.DataFrame) -> pl.DataFrame:
    return log_of(rows).with_columns(
        fetched_at=pl.when(pl.col("report_date") >= OPEN_FROM)
        .then(pl.lit(midnight(OPEN_FROM, 1)))
        .otherwise("fetched_at")
    )


def day(offset: int) -> date:
    """The day that is `offset` days after the first."""
    return DAY + timedelta(days=offset)


SPEND = [
    {
        "report_date": day(offset),
        "country_code": country,
        "spend_media": amount,
        "spend_total": amount,
        "impressions": 1000,
        "link_clicks": 50,
        "streams": 2 * listeners,
        "listeners": listeners,
        "followers": 3,
    }
    for offset in range(3)
    for country, amount, listeners in (("US", "40.00", 80), ("BR", "10.00", 170), ("NO", "9.00", 9))
]

PLAYS = [
    {"report_date": day(offset), "engaged_spotify_track_id": track, "engaged_track_name": name}
    | {"streams": streams}
    for offset in range(3)
    for track, name, streams in (
        (PROMOTED_ID, "The Song", 60),
        ("a", "Another", 30),
        ("b", "B", 10),
    )
]

PLAYLIST_PLAYS = [
    {
        "report_date": day(offset),
        "engagement_context": "playlist",
        "campaign_target_type": "playlist",
        "engaged_spotify_track_id": track,
        "engaged_track_name": name,
        "streams": streams,
        "playlist_position": position,
    }
    for offset in range(3)
    for track, name, streams, position in (("a", "First", 50, 1), ("b", "Second", 30, None))
]
