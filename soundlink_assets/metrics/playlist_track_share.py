"""`analytics.playlist_track_share`: how a playlist's plays divide over its tracks."""

import polars as pl

from soundlink_assets.schema.fields import PLAYLIST
from soundlink_assets.metrics.aggregation import divided, newest, shaped
from soundlink_assets.metrics.settled import with_is_settled
from soundlink_assets.schema.analytics import PLAYLIST_TRACK_SHARE

_CAMPAIGN_DAY = ("report_date", "campaign_id")


def playlist_track_share(rows: pl.DataFrame, cells: pl.DataFrame) -> pl.DataFrame:
    """The table, from rows and cells of `soundlink.campaign_engagement_daily`.

    The result depends on each day's rows alone, and not on their order.
    """
    per_track = (
        with_is_settled(rows, cells)
        .filter(pl.col("engagement_context") == PLAYLIST)
        .rename({"engaged_spotify_track_id": "track_id", "engaged_track_name": "track_name"})
        .group_by(PLAYLIST_TRACK_SHARE.key)
        .agg(
            newest("campaign_name"),
            newest("track_name"),
            pl.col("streams").sum(),
            pl.col("new_listener_streams").sum(),
            _first_place(),
            pl.col("is_settled").all(),
        )
    )
    # A position belongs to campaign, day and track: a country whose row lacks it has it too.
    position = pl.col("playlist_position").min()
    return shaped(
        per_track.with_columns(
            _share_within(*_CAMPAIGN_DAY).alias("stream_share"),
            _share_within(*_CAMPAIGN_DAY, "country_code").alias("country_stream_share"),
            divided(pl.col("new_listener_streams"), pl.col("streams")).alias(
                "new_listener_stream_share"
            ),
            position.over(*_CAMPAIGN_DAY, "track_id"),
            position.over(_CAMPAIGN_DAY).is_not_null().alias("positions_known"),
        ),
        PLAYLIST_TRACK_SHARE,
    )


def _first_place() -> pl.Expr:
    """The smallest position; less than 1 is no place, and must not win against one that is."""
    position = pl.col("playlist_position")
    return position.filter(position >= 1).min()


def _share_within(*columns: str) -> pl.Expr:
    return divided(pl.col("streams"), pl.col("streams").sum().over(columns))
