"""Which of the artist's other tracks are played because of a campaign."""

import polars as pl

from soundlink_assets.schema.fields import CATALOG
from soundlink_assets.metrics.spillover_share import TRACK
from soundlink_assets.metrics.tracks import SPILLOVER, play_kind


def spillover_tracks(plays: pl.DataFrame) -> pl.DataFrame:
    """Spillover plays of each campaign and track: campaign_id, track_id, track_name, streams.

    `plays` are rows of `soundlink.campaign_engagement_daily`, or such rows with `streams` already
    added up over days and countries. Of several titles, the one with the most plays counts.
    """
    spillover = plays.filter(
        pl.col("engagement_context") == CATALOG,
        pl.col("campaign_target_type") == TRACK,
        play_kind() == SPILLOVER,
    )
    return (
        spillover.group_by("campaign_id", pl.col("engaged_spotify_track_id").alias("track_id"))
        .agg(
            pl.col("engaged_track_name")
            .sort_by("streams", "engaged_track_name")
            .last()
            .alias("track_name"),
            pl.col("streams").sum(),
        )
        .filter(pl.col("streams") > 0)
        .sort("campaign_id", "streams", "track_id", descending=[False, True, False])
    )
