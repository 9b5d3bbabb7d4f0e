"""The engagement export: one row per campaign, UTC day, context, country and played track."""

from soundlink_assets.contract.export import Export
from soundlink_assets.contract.rules import (
    Format,
    KnownValues,
    PlaylistPosition,
    RatioIdentity,
    SumIdentity,
)
from soundlink_assets.contract.shared_fields import (
    COUNTRY_CODE,
    COUNTRY_CODE_FORMAT,
    ISRC,
    KNOWN_SHARED_VALUES,
    SHARED_FIELDS,
    SPOTIFY_ID,
    UUID_FORMAT,
)
from soundlink_assets.tables import Column, Kind, Table

CATALOG = "catalog"
PLAYLIST = "playlist"
CONTEXTS = (CATALOG, PLAYLIST)
ROW_STATUSES = ("active", "ended", "scheduled")

_FIELDS = (
    *SHARED_FIELDS,
    Column(
        name="status",
        kind=Kind.TEXT,
        description="State of the campaign on `report_date`: `active`, `ended` (finished or "
        "refunded) or `scheduled` (before its start).",
    ),
    Column(
        name="engagement_context",
        kind=Kind.TEXT,
        description="`catalog`: plays of a track campaign's artist. `playlist`: plays from a "
        "playlist campaign's playlist.",
    ),
    COUNTRY_CODE,
    Column(
        name="engaged_track_isrc",
        kind=Kind.TEXT,
        nullable=True,
        required=False,
        description="ISRC of the track that was played; null if the provider could not resolve it.",
    ),
    Column(
        name="engaged_spotify_track_id",
        kind=Kind.TEXT,
        description="Spotify id of the track that was played.",
    ),
    Column(
        name="engaged_track_name",
        kind=Kind.TEXT,
        description="Title of the track that was played.",
    ),
    Column(
        name="playlist_position",
        kind=Kind.COUNT,
        unit="slot",
        nullable=True,
        required=False,
        description="Place in the promoted playlist on that day, 1 at the top; null means unknown. "
        "Belongs to campaign, day and track, not to a country: never sum it. May be filled in "
        "later than seven days.",
    ),
    Column(
        name="new_listeners",
        kind=Kind.COUNT,
        unit="people",
        minimum=0,
        description="People whose first play of this track through this smart link was this day.",
    ),
    Column(
        name="returning_listeners",
        kind=Kind.COUNT,
        unit="people",
        minimum=0,
        description="People who played it on this day and first played it on an earlier day.",
    ),
    Column(
        name="listeners",
        kind=Kind.COUNT,
        unit="people",
        minimum=0,
        description="New and returning listeners of this track. Never add up across tracks or "
        "days: one person plays several.",
    ),
    Column(
        name="new_listener_streams",
        kind=Kind.COUNT,
        unit="plays",
        minimum=0,
        description="Plays by the new listeners.",
    ),
    Column(
        name="returning_listener_streams",
        kind=Kind.COUNT,
        unit="plays",
        minimum=0,
        description="Plays by the returning listeners.",
    ),
    Column(
        name="streams",
        kind=Kind.COUNT,
        unit="plays",
        minimum=0,
        description="Plays by new and returning listeners together.",
    ),
    Column(
        name="spl",
        kind=Kind.RATIO,
        unit="plays per person",
        description="Published ratio: streams / listeners; 0 without listeners.",
    ),
)

CAMPAIGN_ENGAGEMENT_DAILY = Export(
    rows=Table(
        schema="soundlink",
        name="campaign_engagement_daily",
        grain="one row per campaign, UTC day, context, country and played track",
        description="Who played which track because of each campaign, by country and day, during "
        "the campaign and after it, as the provider delivered it.",
        columns=_FIELDS,
        key=(
            "provider",
            "account_id",
            "report_date",
            "campaign_id",
            "engagement_context",
            "country_code",
            "engaged_spotify_track_id",
        ),
        day_column="report_date",
    ),
    segment="engagement",
    line_order=(
        "report_date",
        "engagement_context",
        "country_code",
        "engaged_spotify_track_id",
    ),
    rules=(
        SumIdentity(
            total="listeners",
            parts=("new_listeners", "returning_listeners"),
            meaning="Listeners are new and returning listeners together.",
            blocking=True,
        ),
        SumIdentity(
            total="streams",
            parts=("new_listener_streams", "returning_listener_streams"),
            meaning="Streams are the plays of new and of returning listeners together.",
            blocking=True,
        ),
        RatioIdentity(
            ratio="spl",
            numerator="streams",
            denominator="listeners",
            meaning="Streams per listener are streams divided by listeners of the track.",
            decimals=2,
        ),
        COUNTRY_CODE_FORMAT,
        Format(
            name="isrc_format",
            columns=("campaign_target_isrc", "engaged_track_isrc"),
            pattern=ISRC,
            meaning="an ISRC: country, registrant, year, number",
        ),
        Format(
            name="spotify_id_format",
            columns=(
                "campaign_target_spotify_track_id",
                "campaign_target_playlist_id",
                "engaged_spotify_track_id",
            ),
            pattern=SPOTIFY_ID,
            meaning="a Spotify id: 22 letters and digits",
        ),
        UUID_FORMAT,
        KnownValues(
            name="known_values",
            values=(
                *KNOWN_SHARED_VALUES,
                ("status", ROW_STATUSES),
                ("engagement_context", CONTEXTS),
            ),
            meaning="one of the values that the contract names",
        ),
        PlaylistPosition(
            name="playlist_position",
            column="playlist_position",
            context_column="engagement_context",
            context_without=CATALOG,
            meaning="1 or more, and absent on catalog rows",
        ),
    ),
)
