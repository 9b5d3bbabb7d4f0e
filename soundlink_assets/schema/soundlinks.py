"""Self-serve soundlinks: their list and their two exports.

A soundlink is a smart link without a paid campaign: no spend, no `status` in rows, and ids that are
URL-safe text, whose case matters. The key of an organisation needs a scope of its own for them.
"""

from dataclasses import replace

from soundlink_assets.schema.exports import Export, Scope
from soundlink_assets.schema.fields import (
    COUNTRY_CODE,
    ENGAGEMENT_FIELDS,
    ENGAGEMENT_RULES,
    SPLIT_IDENTITIES,
    STREAMS_PER_LISTENER,
    UUID,
    count,
    identity_fields,
    identity_formats,
    unreported_count,
)
from soundlink_assets.schema.rules import Format, KnownValues, RatioIdentity
from soundlink_assets.schema.tables import Column, Kind, Table, column, optional

SOUNDLINKS = Table(
    schema="soundlink",
    name="soundlinks",
    grain="one row per soundlink",
    description="The organisation's self-serve soundlinks, as the provider lists them now.",
    key=("soundlink_id",),
    columns=(
        column("soundlink_id", Kind.TEXT, "Soundlink, the same for its whole life."),
        optional("organization_id", Kind.TEXT, "Organisation that owns the soundlink."),
        optional("name", Kind.TEXT, "Display name now."),
        optional("url", Kind.TEXT, "Address that is shared."),
        optional(
            "target_type", Kind.TEXT, "What it leads to: `track`, `album`, `playlist`, or null."
        ),
        optional("spotify_url", Kind.TEXT, "Address of the target on Spotify."),
        optional("status", Kind.TEXT, "State now: `draft`, `active`, `archived`."),
        optional("created_at", Kind.TIMESTAMP, "When the soundlink was created.", unit="UTC"),
        column("ingested_at", Kind.TIMESTAMP, "When the list was fetched.", unit="UTC"),
        column("run_id", Kind.TEXT, "Dagster run that fetched the list."),
    ),
)

SOUNDLINK = Scope(
    name="soundlink",
    path="/v1/soundlinks",
    listing=SOUNDLINKS,
    source_fields={
        "soundlink_id": "soundlinkId",
        "organization_id": "organizationId",
        "name": "name",
        "url": "url",
        "target_type": "targetType",
        "spotify_url": "spotifyUrl",
        "status": "status",
        "created_at": "createdAt",
    },
    list_permission="soundlinks:read",
    export_permission="soundlinks:read",
    not_found_code="not_found",
    is_optional=True,
)

_FIELDS = tuple(
    replace(each, required=False) if each.nullable else each
    for each in identity_fields("soundlink", "`track`, `album`, `playlist`")
)
_FORMATS = (
    Format(name="uuid_format", columns=("account_id",), pattern=UUID, meaning="a UUID"),
    Format(
        name="soundlink_id_format",
        columns=("soundlink_id",),
        pattern=r"[0-9A-Za-z._~-]+",
        meaning="URL-safe text: letters, digits, `.`, `_`, `~`, `-`",
    ),
    KnownValues(column="soundlink_target_type", values=("track", "album", "playlist")),
)

_CTR_LP = RatioIdentity(
    ratio="ctr_lp",
    numerator="link_clicks",
    denominator="views",
    unit="fraction",
    meaning="Click rate of the landing page is link clicks divided by its views.",
    decimals=3,
    undefined=None,
)
_SPLIT_NOTE = "Null where the provider does not tell new and returning listeners apart."


def _split(name: str, unit: str, description: str) -> Column:
    return optional(name, Kind.COUNT, f"{description} {_SPLIT_NOTE}", unit=unit, minimum=0)


SOUNDLINK_COUNTRY_DAILY = Export(
    scope=SOUNDLINK,
    segment="breakdown",
    line_order=("report_date", "country_code"),
    rows=Table(
        schema="soundlink",
        name="soundlink_country_daily",
        grain="one row per soundlink, UTC day and country",
        description="What each self-serve soundlink brought on Spotify, by country and day, as the "
        "provider delivered it. Nothing is spent on soundlinks.",
        key=("provider", "account_id", "report_date", "soundlink_id", "country_code"),
        day_column="report_date",
        columns=(
            *_FIELDS,
            COUNTRY_CODE,
            count("views", "views", "Views of the landing page."),
            unreported_count(
                "link_clicks", "clicks", "Presses of a streaming service's button on the page."
            ),
            count("streams", "plays", "Spotify plays of people who came through the soundlink."),
            count(
                "listeners",
                "people",
                "Distinct Spotify listeners of that country and day who came through the "
                "soundlink, new and returning. Never add up over days.",
            ),
            _split(
                "new_listeners",
                "people",
                "Listeners whose first play through this soundlink was this day.",
            ),
            _split(
                "returning_listeners",
                "people",
                "Listeners who first played through this soundlink on an earlier day.",
            ),
            _split("new_listener_streams", "plays", "Plays by the new listeners."),
            _split("returning_listener_streams", "plays", "Plays by the returning listeners."),
            count("followers", "people", "Artist followers gained through the soundlink."),
            STREAMS_PER_LISTENER.column,
            _CTR_LP.column,
        ),
    ),
    rules=(
        *SPLIT_IDENTITIES,
        STREAMS_PER_LISTENER,
        _CTR_LP,
        *identity_formats("soundlink"),
        *_FORMATS,
    ),
)

SOUNDLINK_ENGAGEMENT_DAILY = Export(
    scope=SOUNDLINK,
    segment="engagement",
    line_order=("report_date", "engagement_context", "country_code", "engaged_spotify_track_id"),
    rows=Table(
        schema="soundlink",
        name="soundlink_engagement_daily",
        grain="one row per soundlink, UTC day, context, country and played track",
        description="Who played which track because of each soundlink, by country and day, as the "
        "provider delivered it. Listening is observed while the provider looks: a decline is not "
        "churn.",
        key=(
            "provider",
            "account_id",
            "report_date",
            "soundlink_id",
            "engagement_context",
            "country_code",
            "engaged_spotify_track_id",
        ),
        day_column="report_date",
        columns=(*_FIELDS, *ENGAGEMENT_FIELDS),
    ),
    rules=(
        *ENGAGEMENT_RULES,
        *identity_formats(
            "soundlink", "engaged_track_isrc", spotify_ids=("engaged_spotify_track_id",)
        ),
        *_FORMATS,
    ),
)

SOUNDLINK_EXPORTS = (SOUNDLINK_COUNTRY_DAILY, SOUNDLINK_ENGAGEMENT_DAILY)
