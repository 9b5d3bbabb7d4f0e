"""The twelve fields that every export row begins with, and rules on them."""

from soundlink_assets.contract.rules import Format
from soundlink_assets.tables import Column, Kind

UUID = r"[0-9a-fA-F]{8}(-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}"
ISRC = r"[A-Z]{2}-?[A-Z0-9]{3}-?[0-9]{2}-?[0-9]{5}"
SPOTIFY_ID = r"[0-9A-Za-z]{22}"
COUNTRY = r"[A-Z]{2}"
CURRENCY = r"[A-Z]{3}"

TARGET_TYPES = ("track", "playlist")

SHARED_FIELDS = (
    Column(
        name="provider", kind=Kind.TEXT, description="Who exported the row: always `soundlink`."
    ),
    Column(
        name="account_id", kind=Kind.TEXT, description="Organisation that owns the campaign (UUID)."
    ),
    Column(
        name="schema_version",
        kind=Kind.TEXT,
        description="Version of the row schema. This platform stores `1.0` only.",
    ),
    Column(
        name="report_date",
        kind=Kind.DATE,
        unit="UTC day",
        description="Day that the figures belong to. They may change until eight days later, "
        "00:00 UTC.",
    ),
    Column(
        name="report_date_timezone",
        kind=Kind.TEXT,
        description="Time zone of `report_date`: always `UTC`.",
    ),
    Column(
        name="exported_at",
        kind=Kind.TIMESTAMP,
        unit="UTC",
        description="When the provider produced the row. For one key, the newest wins.",
    ),
    Column(
        name="campaign_id",
        kind=Kind.TEXT,
        description="Campaign (UUID), the same for its whole life.",
    ),
    Column(
        name="campaign_name",
        kind=Kind.TEXT,
        description="Display name of the campaign. Take no meaning from it.",
    ),
    Column(
        name="campaign_target_type",
        kind=Kind.TEXT,
        nullable=True,
        description="What the campaign promotes: `track`, `playlist`, or null while undetermined.",
    ),
    Column(
        name="campaign_target_isrc",
        kind=Kind.TEXT,
        nullable=True,
        required=False,
        description="ISRC of the promoted track; only on track campaigns.",
    ),
    Column(
        name="campaign_target_spotify_track_id",
        kind=Kind.TEXT,
        nullable=True,
        required=False,
        description="Spotify id of the promoted track; only on track campaigns.",
    ),
    Column(
        name="campaign_target_playlist_id",
        kind=Kind.TEXT,
        nullable=True,
        required=False,
        description="Spotify id of the promoted playlist; only on playlist campaigns.",
    ),
)

COUNTRY_CODE = Column(
    name="country_code",
    kind=Kind.TEXT,
    unit="ISO 3166-1 alpha-2",
    description="Country of the listener, from the IP address at engagement. Unknown places have "
    "no documented code, so any text is kept.",
)

COUNTRY_CODE_FORMAT = Format(
    name="country_code_format",
    columns=("country_code",),
    pattern=COUNTRY,
    meaning="two upper-case letters (ISO 3166-1 alpha-2)",
)

UUID_FORMAT = Format(
    name="uuid_format",
    columns=("account_id", "campaign_id"),
    pattern=UUID,
    meaning="a UUID",
)

KNOWN_SHARED_VALUES: tuple[tuple[str, tuple[str, ...]], ...] = (
    ("provider", ("soundlink",)),
    ("report_date_timezone", ("UTC",)),
    ("campaign_target_type", TARGET_TYPES),
)
