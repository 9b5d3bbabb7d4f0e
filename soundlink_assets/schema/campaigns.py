"""Campaigns: their list and their two exports.

The provider's campaign objects are camelCase and differ between its revisions; absent fields become
null. The list has no campaign name, no dates of the run and no target type: those are in the rows.
"""

from decimal import Decimal

from soundlink_assets.schema.exports import Export, Scope
from soundlink_assets.schema.fields import (
    COUNTRY_CODE,
    CURRENCY,
    ENGAGEMENT_FIELDS,
    ENGAGEMENT_RULES,
    MONEY_DECIMALS,
    STREAMS_PER_LISTENER,
    UUID,
    count,
    identity_fields,
    identity_formats,
    unreported_count,
)
from soundlink_assets.schema.rules import Format, KnownValues, RatioIdentity, SumIdentity
from soundlink_assets.schema.tables import Kind, Table, column, optional

CAMPAIGNS = Table(
    schema="soundlink",
    name="campaigns",
    grain="one row per campaign",
    description="The organisation's campaigns, as the provider lists them now. With "
    "`SOUNDLINK_CAMPAIGN_IDS` set, only those ids, and nothing else is known of them.",
    key=("campaign_id",),
    columns=(
        column("campaign_id", Kind.TEXT, "Campaign, the same for its whole life."),
        optional("organization_id", Kind.TEXT, "Organisation that owns the campaign."),
        optional(
            "status",
            Kind.TEXT,
            "State of the campaign now, in the provider's own and changing words. Not the `status` "
            "of engagement rows.",
        ),
        optional("social_platform", Kind.TEXT, "Where the ads run: `meta`."),
        optional("daily_budget", Kind.MONEY, "Budget of a day.", unit="USD"),
        optional("total_budget", Kind.MONEY, "Budget of the whole campaign.", unit="USD"),
        optional(
            "campaign_duration",
            Kind.COUNT,
            "Length of one cycle; renewals extend the run.",
            unit="days",
        ),
        optional("created_at", Kind.TIMESTAMP, "When the campaign was created.", unit="UTC"),
        optional("updated_at", Kind.TIMESTAMP, "When the campaign was last changed.", unit="UTC"),
        optional("generation", Kind.COUNT, "Provider's product generation: 1, 2 or 3."),
        optional("artist_id", Kind.TEXT, "Spotify artist credited with follows."),
        optional("artist_name", Kind.TEXT, "Name of that artist."),
        optional("track_id", Kind.TEXT, "Promoted Spotify track; null on playlist campaigns."),
        optional("track_name", Kind.TEXT, "Title of the promoted track."),
        optional("playlist_id", Kind.TEXT, "Promoted Spotify playlist; null on track campaigns."),
        optional("campaign_url", Kind.TEXT, "The provider's insights page of the campaign."),
        column("ingested_at", Kind.TIMESTAMP, "When the list was fetched.", unit="UTC"),
        column("run_id", Kind.TEXT, "Dagster run that fetched the list."),
    ),
)

CAMPAIGN = Scope(
    name="campaign",
    path="/v1/campaigns",
    listing=CAMPAIGNS,
    source_fields={
        "campaign_id": "campaignId",
        "organization_id": "organizationId",
        "status": "status",
        "social_platform": "socialPlatform",
        "daily_budget": "dailyBudget",
        "total_budget": "totalBudget",
        "campaign_duration": "campaignDuration",
        "created_at": "createdAt",
        "updated_at": "updatedAt",
        "generation": "generation",
        "artist_id": "artistId",
        "artist_name": "artistName",
        "track_id": "trackId",
        "track_name": "trackName",
        "playlist_id": "playlistId",
        "campaign_url": "campaignUrl",
    },
    list_permission="campaigns:read",
    export_permission="metrics:read",
    not_found_code="campaign_not_found",
)

_FIELDS = identity_fields("campaign", "`track`, `playlist`")
_TARGET_TYPES = KnownValues(column="campaign_target_type", values=("track", "playlist"))
_UUIDS = Format(
    name="uuid_format",
    columns=("account_id", "campaign_id"),
    pattern=UUID,
    meaning="a UUID",
)


def _cost(
    ratio: str, denominator: str, unit: str, meaning: str, **options: object
) -> RatioIdentity:
    return RatioIdentity(
        ratio=ratio,
        numerator="spend_media",
        denominator=denominator,
        unit=unit,
        meaning=meaning,
        decimals=3,
        numerator_decimals=MONEY_DECIMALS,
        **options,  # type: ignore[arg-type]
    )


def _click_rate(ratio: str, numerator: str, meaning: str) -> RatioIdentity:
    return RatioIdentity(
        ratio=ratio,
        numerator=numerator,
        denominator="impressions",
        unit="fraction",
        meaning=meaning,
        decimals=4,
        undefined=None,
    )


_CPL = _cost(
    "cpl",
    "listeners",
    "currency per person",
    "Cost per listener is media spend divided by listeners.",
)
_CPF = _cost(
    "cpf",
    "followers",
    "currency per person",
    "Cost per follower is media spend divided by followers gained.",
)
_COST_PER_RESULT = _cost(
    "cost_per_result",
    "followers",
    "currency per result",
    "Cost per result is, for the result `follow`, the cost per follower.",
    only_when=("result_type", ("follow", None)),
)
_CPC = _cost(
    "cpc_linkclick",
    "link_clicks",
    "currency per click",
    "Cost per link click is media spend divided by link clicks.",
    undefined=None,
)
_CTR_LINK = _click_rate(
    "ctr_linkclick", "link_clicks", "Link click rate is link clicks divided by ad impressions."
)
_CTR_AD = _click_rate(
    "ctr_adclick", "ad_clicks", "Ad click rate is clicks on the ad divided by ad impressions."
)

CAMPAIGN_COUNTRY_DAILY = Export(
    scope=CAMPAIGN,
    segment="breakdown",
    line_order=("report_date", "country_code"),
    rows=Table(
        schema="soundlink",
        name="campaign_country_daily",
        grain="one row per campaign, UTC day and country",
        description="What each campaign spent on Meta and what it brought on Spotify, by country "
        "and day, as the provider delivered it.",
        key=("provider", "account_id", "report_date", "campaign_id", "country_code"),
        day_column="report_date",
        columns=(
            *_FIELDS,
            COUNTRY_CODE,
            unreported_count("impressions", "impressions", "Times Meta showed the ad."),
            unreported_count("ad_clicks", "clicks", "Clicks of every kind on the Meta ad."),
            unreported_count(
                "link_clicks",
                "clicks",
                "Presses of the landing page's Spotify button (later: of any streaming service's).",
            ),
            count(
                "streams",
                "plays",
                "Spotify plays attributed to the campaign: seven-day click-through window, "
                "observed, not modelled.",
            ),
            count(
                "listeners",
                "people",
                "Distinct attributed Spotify listeners of that country and day. Later revisions of "
                "the provider count only the new ones: the population may change.",
            ),
            count(
                "followers",
                "people",
                "Artist followers gained that are attributed to the campaign.",
            ),
            STREAMS_PER_LISTENER.column,
            column(
                "spend_media",
                Kind.MONEY,
                "Billed by Meta for delivery, without the provider's fee.",
                unit="currency",
            ),
            column("spend_total", Kind.MONEY, "Media spend and fees together.", unit="currency"),
            column("fees", Kind.MONEY, "The provider's fee on the media spend.", unit="currency"),
            column(
                "currency",
                Kind.TEXT,
                "Currency of every amount in this row. Never add amounts across currencies.",
                unit="ISO 4217",
            ),
            column(
                "currency_account",
                Kind.TEXT,
                "Currency in which the organisation is billed.",
                unit="ISO 4217",
            ),
            _CPL.column,
            _CPF.column,
            _CPC.column,
            _CTR_LINK.column,
            _CTR_AD.column,
            _COST_PER_RESULT.column,
            optional(
                "result_type",
                Kind.TEXT,
                "What counts as a result: `lp_click`, `stream` or `follow`.",
            ),
        ),
    ),
    rules=(
        SumIdentity(
            total="spend_total",
            parts=("spend_media", "fees"),
            meaning="Total spend is media spend and fees together.",
            warn_over=Decimal("0.01"),
            error_over=Decimal("0.02"),
        ),
        STREAMS_PER_LISTENER,
        _CPL,
        _CPF,
        _COST_PER_RESULT,
        _CPC,
        _CTR_LINK,
        _CTR_AD,
        *identity_formats("campaign"),
        _UUIDS,
        _TARGET_TYPES,
        KnownValues(column="result_type", values=("lp_click", "stream", "follow")),
        Format(
            name="currency_format",
            columns=("currency", "currency_account"),
            pattern=CURRENCY,
            meaning="three upper-case letters (ISO 4217)",
        ),
    ),
)

CAMPAIGN_ENGAGEMENT_DAILY = Export(
    scope=CAMPAIGN,
    segment="engagement",
    line_order=("report_date", "engagement_context", "country_code", "engaged_spotify_track_id"),
    rows=Table(
        schema="soundlink",
        name="campaign_engagement_daily",
        grain="one row per campaign, UTC day, context, country and played track",
        description="Who played which track because of each campaign, by country and day, during "
        "the campaign and after it, as the provider delivered it. Listening is observed while the "
        "provider looks: a decline after the end of a campaign is not churn.",
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
        columns=(
            *_FIELDS,
            column(
                "status",
                Kind.TEXT,
                "State of the campaign on `report_date`: `active`, `ended` (finished or refunded) "
                "or `scheduled` (before its start).",
            ),
            *ENGAGEMENT_FIELDS,
        ),
    ),
    rules=(
        *ENGAGEMENT_RULES,
        *identity_formats(
            "campaign", "engaged_track_isrc", spotify_ids=("engaged_spotify_track_id",)
        ),
        _UUIDS,
        _TARGET_TYPES,
        KnownValues(column="status", values=("active", "ended", "scheduled")),
    ),
)

CAMPAIGN_EXPORTS = (CAMPAIGN_COUNTRY_DAILY, CAMPAIGN_ENGAGEMENT_DAILY)
