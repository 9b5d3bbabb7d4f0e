"""What the columns of `analytics.spillover_share` mean."""

from soundlink_assets.metrics.tables.columns import (
    NOT_SUMMED,
    SCHEMA,
    UNDEFINED,
    campaign,
    columns_of,
    country,
    day,
    ratio,
    settled,
    total,
)
from soundlink_assets.tables import Column, Kind, Table

_ROWS = "campaign_engagement_daily"

_SPLIT = columns_of(
    _ROWS,
    "engaged_spotify_track_id",
    "engaged_track_isrc",
    "campaign_target_spotify_track_id",
    "campaign_target_isrc",
)
_SPLIT_STREAMS = (*columns_of(_ROWS, "streams"), *_SPLIT)
_SPLIT_NEW = (*columns_of(_ROWS, "new_listener_streams"), *_SPLIT)
_SPLIT_TRACK = (*columns_of(_ROWS, "streams", "engaged_track_name"), *_SPLIT)

SPILLOVER_SHARE = Table(
    schema=SCHEMA,
    name="spillover_share",
    grain="one row per UTC day, campaign and country",
    description="How much of the listening that track campaigns bring goes to the artist's other "
    "tracks. Only catalogue plays of campaigns whose target is a track. People who connected "
    "Spotify through the smart link are counted, so the figures are a floor. Listeners are absent "
    "on purpose: one person plays several tracks.",
    key=("report_date", "campaign_id", "country_code"),
    day_column="report_date",
    columns=(
        day(_ROWS),
        *campaign(_ROWS),
        country(_ROWS),
        total(
            Kind.COUNT,
            "promoted_streams",
            "plays",
            "Plays of the promoted track: the same Spotify id, or the same ISRC. May be added up.",
            *_SPLIT_STREAMS,
        ),
        total(
            Kind.COUNT,
            "spillover_streams",
            "plays",
            "Plays of the artist's other tracks. May be added up.",
            *_SPLIT_STREAMS,
        ),
        total(
            Kind.COUNT,
            "undetermined_streams",
            "plays",
            "Plays while neither Spotify id nor ISRC of the promoted track was delivered. May be "
            "added up; part of no share.",
            *_SPLIT_STREAMS,
        ),
        ratio(
            "spillover_stream_share",
            "fraction",
            f"spillover_streams / (promoted_streams + spillover_streams). {UNDEFINED} {NOT_SUMMED}",
            *_SPLIT_STREAMS,
        ),
        ratio(
            "halo_multiplier",
            "plays per play",
            "spillover_streams / promoted_streams: plays of other tracks for each play of the "
            f"promoted one. {UNDEFINED} {NOT_SUMMED}",
            *_SPLIT_STREAMS,
        ),
        total(
            Kind.COUNT,
            "promoted_new_listener_streams",
            "plays",
            "Plays of the promoted track by people new to it. May be added up.",
            *_SPLIT_NEW,
        ),
        total(
            Kind.COUNT,
            "spillover_new_listener_streams",
            "plays",
            "Plays of other tracks by people new to the track that they played. May be added up.",
            *_SPLIT_NEW,
        ),
        total(
            Kind.COUNT,
            "undetermined_new_listener_streams",
            "plays",
            "Plays by new listeners while the promoted track was not identified. May be added up.",
            *_SPLIT_NEW,
        ),
        ratio(
            "spillover_new_listener_stream_share",
            "fraction",
            "spillover_new_listener_streams / (promoted_new_listener_streams + "
            f"spillover_new_listener_streams). {UNDEFINED} {NOT_SUMMED}",
            *_SPLIT_NEW,
        ),
        total(
            Kind.COUNT,
            "spillover_tracks",
            "tracks",
            "Distinct other tracks (Spotify ids) with at least one play. Never add up: countries "
            "and days share tracks.",
            *_SPLIT_STREAMS,
        ),
        Column(
            name="top_spillover_track_id",
            kind=Kind.TEXT,
            nullable=True,
            description="Spotify id of the other track with the most plays; of equals, the first "
            "in order of id. Null without spillover.",
            sources=_SPLIT_STREAMS,
        ),
        Column(
            name="top_spillover_track_name",
            kind=Kind.TEXT,
            nullable=True,
            description="Title of that track.",
            sources=_SPLIT_TRACK,
        ),
        Column(
            name="promoted_track_seen",
            kind=Kind.FLAG,
            description="The campaign had a play of its promoted track on that day, in any "
            "country. While false, the whole day's spillover may be a promoted track that was "
            "not recognised.",
            sources=_SPLIT_STREAMS,
        ),
        settled(_ROWS),
    ),
)
