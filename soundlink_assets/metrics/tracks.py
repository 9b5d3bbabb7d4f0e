"""Whether a play is of the track that its campaign promotes."""

import polars as pl

PROMOTED = "promoted"
SPILLOVER = "spillover"
UNDETERMINED = "undetermined"


def play_kind() -> pl.Expr:
    """`promoted`, `spillover` or `undetermined`, for catalogue rows of track campaigns.

    Promoted: the played Spotify id is the target's, or both ISRCs are known and equal in upper
    case without hyphens (one recording can have several Spotify ids, and an ISRC can be missing).
    Undetermined: the target has neither id nor ISRC. For other campaigns the question is not
    defined.
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
    """Blank text is no value: two blank ISRCs are not the same recording."""
    stripped = text.str.strip_chars()
    return pl.when(stripped != "").then(stripped)
