"""What is listened to: `analytics.spillover_share` and `analytics.playlist_track_share`.

Both are computed from an engagement export, of campaigns or of soundlinks.
"""

import polars as pl

from soundlink_assets.metrics.aggregation import (
    EXACT,
    conformed,
    divided,
    exact_sum,
    newest,
    ratio_of_columns,
)
from soundlink_assets.metrics.final import with_is_settled
from soundlink_assets.schema import CAMPAIGN_ENGAGEMENT_DAILY, Export
from soundlink_assets.schema.analytics import (
    IS_SETTLED,
    LINK_KIND,
    NEW_LISTENER_RATIO,
    NEW_SPILLOVER_RATIO,
    PLAYLIST_TRACK_SHARE,
    SPILLOVER_SHARE,
)
from soundlink_assets.schema.fields import CATALOG, PLAYLIST, TRACK
from soundlink_assets.schema.ratios import SPILLOVER_RATIOS

PROMOTED = "promoted"
SPILLOVER = "spillover"
UNDETERMINED = "undetermined"
KINDS = (PROMOTED, SPILLOVER, UNDETERMINED)

_CAMPAIGN_DAY = ("report_date", "campaign_id")


def play_kind() -> pl.Expr:
    """`promoted`, `spillover` or `undetermined`, for catalog rows where a track is promoted.

    Promoted: the played Spotify id is the target's, or both ISRCs are known and equal in upper
    case without hyphens (one recording can have several Spotify ids, and an ISRC can be missing).
    Undetermined: the target has neither id nor ISRC. For other targets the question is not defined.
    """
    target_id = _known(pl.col("campaign_target_spotify_track_id"))
    target_isrc = _isrc("campaign_target_isrc")
    same_id = (_known(pl.col("engaged_spotify_track_id")) == target_id).fill_null(False)
    same_recording = (_isrc("engaged_track_isrc") == target_isrc).fill_null(False)
    return (
        pl.when(same_id | same_recording)
        .then(pl.lit(PROMOTED))
        .when(target_id.is_null() & target_isrc.is_null())
        .then(pl.lit(UNDETERMINED))
        .otherwise(pl.lit(SPILLOVER))
    )


def _isrc(column: str) -> pl.Expr:
    return _known(pl.col(column).str.to_uppercase().str.replace_all("-", "", literal=True))


def _known(text: pl.Expr) -> pl.Expr:
    """Blank text is not a value: two blank ISRCs are not the same recording."""
    stripped = text.str.strip_chars()
    return pl.when(stripped != "").then(stripped)


def _catalog_plays(rows: pl.DataFrame) -> pl.DataFrame:
    """Catalog plays of what promotes a track, with their `kind`."""
    return rows.filter(
        pl.col("engagement_context") == CATALOG, pl.col("campaign_target_type") == TRACK
    ).with_columns(play_kind().alias("kind"))


def spillover_share(
    rows: pl.DataFrame, log: pl.DataFrame, export: Export = CAMPAIGN_ENGAGEMENT_DAILY
) -> pl.DataFrame:
    """The table, from rows and delivery log of an engagement export.

    The result depends on each day's rows alone, and not on their order. Raises OutOfRangeError.
    """
    plays = _catalog_plays(with_is_settled(rows, log, export).rename(export.as_of_campaigns))
    per_country = plays.group_by(SPILLOVER_SHARE.key).agg(
        newest("campaign_name"),
        *(
            pl.col(measure)
            .cast(EXACT)
            .filter(pl.col("kind") == kind)
            .sum()
            .alias(f"{kind}_{measure}")
            for measure in ("streams", "new_listener_streams")
            for kind in KINDS
        ),
        pl.col(IS_SETTLED).all(),
    )
    promoted = exact_sum("promoted_streams").over(_CAMPAIGN_DAY)
    return conformed(
        per_country.join(_spillover_tracks(plays), on=SPILLOVER_SHARE.key, how="left").with_columns(
            pl.col("spillover_tracks").fill_null(0),
            *(ratio_of_columns(ratio) for ratio in (*SPILLOVER_RATIOS, NEW_SPILLOVER_RATIO)),
            (promoted > 0).alias("promoted_track_seen"),
            pl.lit(export.scope.name).alias(LINK_KIND),
        ),
        SPILLOVER_SHARE,
    )


def _spillover_tracks(plays: pl.DataFrame) -> pl.DataFrame:
    """Number of other tracks that were played, and the most played, per row of the table."""
    per_track = (
        plays.filter(pl.col("kind") == SPILLOVER)
        .group_by(*SPILLOVER_SHARE.key, "engaged_spotify_track_id")
        .agg(exact_sum("streams"), newest("engaged_track_name"))
        .filter(pl.col("streams") > 0)
        .sort("streams", "engaged_spotify_track_id", descending=[True, False])
    )
    return per_track.group_by(SPILLOVER_SHARE.key).agg(
        pl.len().alias("spillover_tracks"),
        pl.col("engaged_spotify_track_id").first().alias("top_spillover_track_id"),
        pl.col("engaged_track_name").first().alias("top_spillover_track_name"),
    )


def spillover_tracks(plays: pl.DataFrame) -> pl.DataFrame:
    """Spillover plays of each campaign and track: campaign_id, track_id, track_name, streams.

    `plays` are rows of `soundlink.campaign_engagement_daily`, or such rows with `streams` already
    added up over days and countries. Of several titles, the one with the most plays counts.
    """
    return (
        _catalog_plays(plays)
        .filter(pl.col("kind") == SPILLOVER)
        .group_by("campaign_id", pl.col("engaged_spotify_track_id").alias("track_id"))
        .agg(
            pl.col("engaged_track_name")
            .sort_by("streams", "engaged_track_name")
            .last()
            .alias("track_name"),
            exact_sum("streams").cast(pl.Int128),
        )
        .filter(pl.col("streams") > 0)
        .sort("campaign_id", "streams", "track_id", descending=[False, True, False])
    )


def playlist_track_share(
    rows: pl.DataFrame, log: pl.DataFrame, export: Export = CAMPAIGN_ENGAGEMENT_DAILY
) -> pl.DataFrame:
    """The table, from rows and delivery log of an engagement export.

    The result depends on each day's rows alone, and not on their order. Raises OutOfRangeError.
    """
    per_track = (
        with_is_settled(rows, log, export)
        .filter(pl.col("engagement_context") == PLAYLIST)
        .rename(
            export.as_of_campaigns
            | {"engaged_spotify_track_id": "track_id", "engaged_track_name": "track_name"}
        )
        .group_by(PLAYLIST_TRACK_SHARE.key)
        .agg(
            newest("campaign_name"),
            newest("track_name"),
            exact_sum("streams"),
            exact_sum("new_listener_streams"),
            _first_place(),
            pl.col(IS_SETTLED).all(),
        )
    )
    # A position belongs to campaign, day and track: a country whose row lacks it has it too.
    position = pl.col("playlist_position").min()
    return conformed(
        per_track.with_columns(
            _share_within(*_CAMPAIGN_DAY).alias("stream_share"),
            _share_within(*_CAMPAIGN_DAY, "country_code").alias("country_stream_share"),
            ratio_of_columns(NEW_LISTENER_RATIO),
            position.over(*_CAMPAIGN_DAY, "track_id"),
            position.over(_CAMPAIGN_DAY).is_not_null().alias("positions_known"),
            pl.lit(export.scope.name).alias(LINK_KIND),
        ),
        PLAYLIST_TRACK_SHARE,
    )


def _first_place() -> pl.Expr:
    """The smallest position; less than 1 is not a place, and must not win against one that is."""
    position = pl.col("playlist_position")
    return position.filter(position >= 1).min()


def _share_within(*columns: str) -> pl.Expr:
    return divided(pl.col("streams"), exact_sum("streams").over(columns))
