"""Columns and rules that several exports have in common.

Campaign and soundlink exports begin with the same fields under other names, and both engagement
exports count plays in the same way.
"""

from soundlink_assets.schema.rules import (
    Format,
    FormatRule,
    KnownValues,
    PlaylistPosition,
    RatioIdentity,
    SumIdentity,
)
from soundlink_assets.schema.tables import Column, Kind, column, optional

UUID = r"[0-9a-fA-F]{8}(-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}"
ISRC = r"[A-Z]{2}-?[A-Z0-9]{3}-?[0-9]{2}-?[0-9]{5}"
SPOTIFY_ID = r"[0-9A-Za-z]{22}"
COUNTRY = r"[A-Z]{2}"
CURRENCY = r"[A-Z]{3}"

MONEY_DECIMALS = 2
"""Decimals to which the provider rounds money before it publishes it."""

CATALOG = "catalog"
PLAYLIST = "playlist"
TRACK = "track"

LISTENERS = "people"


def identity_fields(scope: str, target_types: str) -> tuple[Column, ...]:
    """The fields that rows of a scope (`campaign`, `soundlink`) begin with."""
    return (
        column("provider", Kind.TEXT, "Who exported the row: always `soundlink`."),
        column("account_id", Kind.TEXT, f"Organisation that owns the {scope} (UUID)."),
        column(
            "schema_version",
            Kind.TEXT,
            "Version of the row schema. This platform stores `1.0` only.",
        ),
        column(
            "report_date",
            Kind.DATE,
            "Day that the figures belong to. They may change until eight days later, 00:00 UTC.",
            unit="UTC day",
        ),
        column("report_date_timezone", Kind.TEXT, "Time zone of `report_date`: always `UTC`."),
        column(
            "exported_at",
            Kind.TIMESTAMP,
            "When the provider produced the row. For one key, the newest wins.",
            unit="UTC",
        ),
        column(f"{scope}_id", Kind.TEXT, f"The {scope}, the same for its whole life."),
        column(
            f"{scope}_name",
            Kind.TEXT,
            f"Display name of the {scope}. Take no meaning from it.",
        ),
        column(
            f"{scope}_target_type",
            Kind.TEXT,
            f"What the {scope} promotes: {target_types}, or null while undetermined.",
            nullable=True,
        ),
        optional(f"{scope}_target_isrc", Kind.TEXT, "ISRC of the promoted track; only for tracks."),
        optional(
            f"{scope}_target_spotify_track_id",
            Kind.TEXT,
            "Spotify id of the promoted track; only for tracks.",
        ),
        optional(
            f"{scope}_target_playlist_id",
            Kind.TEXT,
            "Spotify id of the promoted playlist; only for playlists.",
        ),
    )


COUNTRY_CODE = column(
    "country_code",
    Kind.TEXT,
    "Country of the listener, from the IP address at engagement. Unknown places have no documented "
    "code, so any text is kept.",
    unit="ISO 3166-1 alpha-2",
)


def count(name: str, unit: str, description: str, **options: object) -> Column:
    """A count that the provider always fills and that is never negative."""
    return column(name, Kind.COUNT, description, unit=unit, minimum=0, **options)


def unreported_count(name: str, unit: str, description: str) -> Column:
    """A count that is null where the platform did not report it."""
    return optional(
        name, Kind.COUNT, f"{description} Null means not reported, not zero.", unit=unit, minimum=0
    )


def identity_formats(
    scope: str, *isrcs: str, spotify_ids: tuple[str, ...] = ()
) -> tuple[FormatRule, ...]:
    """What codes and words of the fields of `identity_fields` look like, and of further columns."""
    return (
        KnownValues(column="provider", values=("soundlink",)),
        # Days of another zone are other days: they must not be added to ours.
        KnownValues(column="report_date_timezone", values=("UTC",), is_error=True),
        Format(
            name="country_code_format",
            columns=("country_code",),
            pattern=COUNTRY,
            meaning="two upper-case letters (ISO 3166-1 alpha-2)",
        ),
        Format(
            name="isrc_format",
            columns=(f"{scope}_target_isrc", *isrcs),
            pattern=ISRC,
            meaning="an ISRC: country, registrant, year, number",
        ),
        Format(
            name="spotify_id_format",
            columns=(
                f"{scope}_target_spotify_track_id",
                f"{scope}_target_playlist_id",
                *spotify_ids,
            ),
            pattern=SPOTIFY_ID,
            meaning="a Spotify id: 22 letters and digits",
        ),
    )


SPL = RatioIdentity(
    ratio="spl",
    numerator="streams",
    denominator="listeners",
    unit="plays per person",
    meaning="Streams per listener are streams divided by listeners of the track.",
    decimals=2,
)

STREAMS_PER_LISTENER = RatioIdentity(
    ratio="streams_per_listener",
    numerator="streams",
    denominator="listeners",
    unit="plays per person",
    meaning="Streams per listener are streams divided by listeners.",
    decimals=2,
)

ENGAGEMENT_FIELDS = (
    column(
        "engagement_context",
        Kind.TEXT,
        "`catalog`: plays of the artist of a promoted track. `playlist`: plays from a promoted "
        "playlist.",
    ),
    COUNTRY_CODE,
    optional(
        "engaged_track_isrc",
        Kind.TEXT,
        "ISRC of the track that was played; null if the provider could not resolve it.",
    ),
    column("engaged_spotify_track_id", Kind.TEXT, "Spotify id of the track that was played."),
    column("engaged_track_name", Kind.TEXT, "Title of the track that was played."),
    optional(
        "playlist_position",
        Kind.COUNT,
        "Place in the promoted playlist on that day, 1 at the top; null means unknown. Belongs to "
        "day and track, not to a country: never sum it. May be filled in later than seven days.",
        unit="slot",
    ),
    count(
        "new_listeners",
        LISTENERS,
        "People whose first play of this track through this smart link was this day.",
    ),
    count(
        "returning_listeners",
        LISTENERS,
        "People who played it on this day and first played it on an earlier day.",
    ),
    count(
        "listeners",
        LISTENERS,
        "New and returning listeners of this track on this day. Never add up across tracks or "
        "days: one person plays several.",
    ),
    count("new_listener_streams", "plays", "Plays by the new listeners."),
    count("returning_listener_streams", "plays", "Plays by the returning listeners."),
    count("streams", "plays", "Plays by new and returning listeners together."),
    SPL.column,
)
"""The fields of an engagement row after those of its scope."""

SPLIT_IDENTITIES = (
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
)
"""What new and returning listeners come to, wherever both are given."""

ENGAGEMENT_RULES = (
    *SPLIT_IDENTITIES,
    SPL,
    KnownValues(column="engagement_context", values=(CATALOG, PLAYLIST)),
    PlaylistPosition(
        name="playlist_position",
        column="playlist_position",
        context_column="engagement_context",
        context_without=CATALOG,
    ),
)
"""The rules of an engagement row, whatever its scope."""
