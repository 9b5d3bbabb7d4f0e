"""What the columns of `analytics.playlist_track_share` mean."""

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
    text,
    total,
)
from soundlink_assets.tables import Column, Kind, Table

_ROWS = "campaign_engagement_daily"

PLAYLIST_TRACK_SHARE = Table(
    schema=SCHEMA,
    name="playlist_track_share",
    grain="one row per UTC day, campaign, country and track",
    description="How the plays from a promoted playlist divide over its tracks. Only playlist "
    "plays. Listeners are absent on purpose: one person plays several tracks.",
    key=("report_date", "campaign_id", "country_code", "track_id"),
    day_column="report_date",
    columns=(
        day(_ROWS),
        *campaign(_ROWS),
        country(_ROWS),
        text(
            "track_id",
            "Spotify id of the track that was played.",
            *columns_of(_ROWS, "engaged_spotify_track_id"),
        ),
        text(
            "track_name",
            "Title of the track that was played.",
            *columns_of(_ROWS, "engaged_track_name"),
        ),
        total(
            Kind.COUNT,
            "streams",
            "plays",
            "Plays of the track from the playlist. May be added up.",
            *columns_of(_ROWS, "streams"),
        ),
        total(
            Kind.COUNT,
            "new_listener_streams",
            "plays",
            "Plays by people new to the track. May be added up.",
            *columns_of(_ROWS, "new_listener_streams"),
        ),
        ratio(
            "stream_share",
            "fraction",
            "Part of the playlist's plays on that day, all countries together. Sums to one over "
            "the campaign and day; null if nothing was played.",
            *columns_of(_ROWS, "streams"),
        ),
        ratio(
            "country_stream_share",
            "fraction",
            "Part of the playlist's plays on that day in that country. Sums to one over the "
            "country; null if nothing was played there.",
            *columns_of(_ROWS, "streams"),
        ),
        ratio(
            "new_listener_stream_share",
            "fraction",
            f"new_listener_streams / streams. {UNDEFINED} {NOT_SUMMED}",
            *columns_of(_ROWS, "new_listener_streams", "streams"),
        ),
        Column(
            name="playlist_position",
            kind=Kind.COUNT,
            unit="slot",
            nullable=True,
            minimum=1,
            description="Place of the track in the playlist on that day, 1 at the top, the same "
            "for all countries. Null is unknown, also where less than 1 was delivered. Never add "
            "up or average; take the smallest. May be filled in later than seven days.",
            sources=columns_of(_ROWS, "playlist_position"),
        ),
        Column(
            name="positions_known",
            kind=Kind.FLAG,
            description="Some track of the playlist has a position on that day. Then a null "
            "position means that the track was not listed; otherwise that the playlist was not "
            "looked at.",
            sources=columns_of(_ROWS, "playlist_position"),
        ),
        settled(_ROWS),
    ),
)
