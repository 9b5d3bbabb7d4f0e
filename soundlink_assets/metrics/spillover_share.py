"""`analytics.spillover_share`: how much of the catalogue listening is not the promoted track."""

import polars as pl

from soundlink_assets.schema.fields import CATALOG
from soundlink_assets.metrics.aggregation import divided, newest, shaped
from soundlink_assets.metrics.settled import with_is_settled
from soundlink_assets.schema.analytics import SPILLOVER_SHARE
from soundlink_assets.metrics.tracks import PROMOTED, SPILLOVER, UNDETERMINED, play_kind

TRACK = "track"

_KINDS = (PROMOTED, SPILLOVER, UNDETERMINED)
_CAMPAIGN_DAY = ("report_date", "campaign_id")


def spillover_share(rows: pl.DataFrame, cells: pl.DataFrame) -> pl.DataFrame:
    """The table, from rows and cells of `soundlink.campaign_engagement_daily`.

    The result depends on each day's rows alone, and not on their order.
    """
    plays = with_is_settled(rows, cells).filter(
        pl.col("engagement_context") == CATALOG, pl.col("campaign_target_type") == TRACK
    )
    plays = plays.with_columns(play_kind().alias("kind"))
    per_country = plays.group_by(SPILLOVER_SHARE.key).agg(
        newest("campaign_name"),
        *_split_of("streams"),
        *_split_of("new_listener_streams"),
        pl.col("is_settled").all(),
    )
    return shaped(
        per_country.join(_spillover_tracks(plays), on=SPILLOVER_SHARE.key, how="left").with_columns(
            pl.col("spillover_tracks").fill_null(0),
            _spillover_part("streams").alias("spillover_stream_share"),
            _spillover_part("new_listener_streams").alias("spillover_new_listener_stream_share"),
            divided(pl.col("spillover_streams"), pl.col("promoted_streams")).alias(
                "halo_multiplier"
            ),
            (pl.col("promoted_streams").sum().over(_CAMPAIGN_DAY) > 0).alias("promoted_track_seen"),
        ),
        SPILLOVER_SHARE,
    )


def _split_of(measure: str) -> list[pl.Expr]:
    return [
        pl.col(measure).filter(pl.col("kind") == kind).sum().alias(f"{kind}_{measure}")
        for kind in _KINDS
    ]


def _spillover_part(measure: str) -> pl.Expr:
    promoted, spillover = pl.col(f"{PROMOTED}_{measure}"), pl.col(f"{SPILLOVER}_{measure}")
    return divided(spillover, promoted + spillover)


def _spillover_tracks(plays: pl.DataFrame) -> pl.DataFrame:
    """Number of other tracks that were played, and the most played, per row of the table."""
    per_track = (
        plays.filter(pl.col("kind") == SPILLOVER)
        .group_by(*SPILLOVER_SHARE.key, "engaged_spotify_track_id")
        .agg(pl.col("streams").sum(), newest("engaged_track_name"))
        .filter(pl.col("streams") > 0)
        .sort("streams", "engaged_spotify_track_id", descending=[True, False])
    )
    return per_track.group_by(SPILLOVER_SHARE.key).agg(
        pl.len().alias("spillover_tracks"),
        pl.col("engaged_spotify_track_id").first().alias("top_spillover_track_id"),
        pl.col("engaged_track_name").first().alias("top_spillover_track_name"),
    )
