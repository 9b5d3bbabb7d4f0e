"""The breakdown export: one row per campaign, UTC day and country."""

from decimal import Decimal

from soundlink_assets.contract.export import Export
from soundlink_assets.contract.rules import Format, KnownValues, RatioIdentity, SumIdentity
from soundlink_assets.contract.shared_fields import (
    COUNTRY_CODE,
    COUNTRY_CODE_FORMAT,
    CURRENCY,
    ISRC,
    KNOWN_SHARED_VALUES,
    SHARED_FIELDS,
    SPOTIFY_ID,
    UUID_FORMAT,
)
from soundlink_assets.tables import Column, Kind, Table

RESULT_TYPES = ("lp_click", "stream", "follow")

MONEY_DECIMALS = 2
"""Decimals to which the provider rounds money before it publishes it."""

_FIELDS = (
    *SHARED_FIELDS,
    COUNTRY_CODE,
    Column(
        name="impressions",
        kind=Kind.COUNT,
        unit="impressions",
        nullable=True,
        required=False,
        minimum=0,
        description="Times Meta showed the ad. Null means not reported, not zero.",
    ),
    Column(
        name="ad_clicks",
        kind=Kind.COUNT,
        unit="clicks",
        nullable=True,
        required=False,
        minimum=0,
        description="Clicks of every kind on the Meta ad. Null means not reported.",
    ),
    Column(
        name="link_clicks",
        kind=Kind.COUNT,
        unit="clicks",
        nullable=True,
        required=False,
        minimum=0,
        description="Presses of the landing page's Spotify button (later: of any streaming "
        "service's). Null means not reported.",
    ),
    Column(
        name="streams",
        kind=Kind.COUNT,
        unit="plays",
        minimum=0,
        description="Spotify plays attributed to the campaign: seven-day click-through window, "
        "observed, not modelled.",
    ),
    Column(
        name="listeners",
        kind=Kind.COUNT,
        unit="people",
        minimum=0,
        description="Distinct attributed Spotify listeners of that country and day.",
    ),
    Column(
        name="followers",
        kind=Kind.COUNT,
        unit="people",
        minimum=0,
        description="Artist followers gained that are attributed to the campaign.",
    ),
    Column(
        name="streams_per_listener",
        kind=Kind.RATIO,
        unit="plays per person",
        description="Published ratio: streams / listeners; 0 without listeners.",
    ),
    Column(
        name="spend_media",
        kind=Kind.MONEY,
        unit="currency",
        description="Billed by Meta for delivery, without the provider's fee.",
    ),
    Column(
        name="spend_total",
        kind=Kind.MONEY,
        unit="currency",
        description="Media spend and fees together.",
    ),
    Column(
        name="fees",
        kind=Kind.MONEY,
        unit="currency",
        description="The provider's fee on the media spend.",
    ),
    Column(
        name="currency",
        kind=Kind.TEXT,
        unit="ISO 4217",
        description="Currency of every amount in this row. Never add amounts across currencies.",
    ),
    Column(
        name="currency_account",
        kind=Kind.TEXT,
        unit="ISO 4217",
        description="Currency in which the organisation is billed.",
    ),
    Column(
        name="cpl",
        kind=Kind.RATIO,
        unit="currency per person",
        description="Published ratio: spend_media / listeners; 0 without listeners (not free).",
    ),
    Column(
        name="cpf",
        kind=Kind.RATIO,
        unit="currency per person",
        description="Published ratio: spend_media / followers; 0 without followers (not free).",
    ),
    Column(
        name="cpc_linkclick",
        kind=Kind.RATIO,
        unit="currency per click",
        nullable=True,
        required=False,
        description="Published ratio: spend_media / link_clicks; null without clicks.",
    ),
    Column(
        name="ctr_linkclick",
        kind=Kind.RATIO,
        unit="fraction",
        nullable=True,
        required=False,
        description="Published ratio: link_clicks / impressions; null without impressions.",
    ),
    Column(
        name="ctr_adclick",
        kind=Kind.RATIO,
        unit="fraction",
        nullable=True,
        required=False,
        description="Published ratio: ad_clicks / impressions; null without impressions.",
    ),
    Column(
        name="cost_per_result",
        kind=Kind.RATIO,
        unit="currency per result",
        description="Published ratio: spend_media per result of `result_type`; equals cpf for now.",
    ),
    Column(
        name="result_type",
        kind=Kind.TEXT,
        nullable=True,
        required=False,
        description="What counts as a result: `lp_click`, `stream` or `follow`.",
    ),
)

CAMPAIGN_COUNTRY_DAILY = Export(
    rows=Table(
        schema="soundlink",
        name="campaign_country_daily",
        grain="one row per campaign, UTC day and country",
        description="What each campaign spent on Meta and what it brought on Spotify, by country "
        "and day, as the provider delivered it.",
        columns=_FIELDS,
        key=("provider", "account_id", "report_date", "campaign_id", "country_code"),
        day_column="report_date",
    ),
    segment="breakdown",
    line_order=("report_date", "country_code"),
    rules=(
        SumIdentity(
            total="spend_total",
            parts=("spend_media", "fees"),
            meaning="Total spend is media spend and fees together.",
            warn_over=Decimal("0.01"),
            error_over=Decimal("0.02"),
        ),
        RatioIdentity(
            ratio="streams_per_listener",
            numerator="streams",
            denominator="listeners",
            meaning="Streams per listener are streams divided by listeners.",
            decimals=2,
        ),
        RatioIdentity(
            ratio="cpl",
            numerator="spend_media",
            denominator="listeners",
            meaning="Cost per listener is media spend divided by listeners.",
            decimals=3,
            numerator_decimals=MONEY_DECIMALS,
        ),
        RatioIdentity(
            ratio="cpf",
            numerator="spend_media",
            denominator="followers",
            meaning="Cost per follower is media spend divided by followers gained.",
            decimals=3,
            numerator_decimals=MONEY_DECIMALS,
        ),
        RatioIdentity(
            ratio="cost_per_result",
            numerator="spend_media",
            denominator="followers",
            meaning="Cost per result is, for the result `follow`, the cost per follower.",
            decimals=3,
            numerator_decimals=MONEY_DECIMALS,
            only_when=("result_type", ("follow", None)),
        ),
        RatioIdentity(
            ratio="cpc_linkclick",
            numerator="spend_media",
            denominator="link_clicks",
            meaning="Cost per link click is media spend divided by link clicks.",
            decimals=3,
            numerator_decimals=MONEY_DECIMALS,
            undefined=None,
        ),
        RatioIdentity(
            ratio="ctr_linkclick",
            numerator="link_clicks",
            denominator="impressions",
            meaning="Link click rate is link clicks divided by ad impressions.",
            decimals=4,
            undefined=None,
        ),
        RatioIdentity(
            ratio="ctr_adclick",
            numerator="ad_clicks",
            denominator="impressions",
            meaning="Ad click rate is clicks on the ad divided by ad impressions.",
            decimals=4,
            undefined=None,
        ),
        COUNTRY_CODE_FORMAT,
        Format(
            name="isrc_format",
            columns=("campaign_target_isrc",),
            pattern=ISRC,
            meaning="an ISRC: country, registrant, year, number",
        ),
        Format(
            name="spotify_id_format",
            columns=("campaign_target_spotify_track_id", "campaign_target_playlist_id"),
            pattern=SPOTIFY_ID,
            meaning="a Spotify id: 22 letters and digits",
        ),
        UUID_FORMAT,
        Format(
            name="currency_format",
            columns=("currency", "currency_account"),
            pattern=CURRENCY,
            meaning="three upper-case letters (ISO 4217)",
        ),
        KnownValues(
            name="known_values",
            values=(*KNOWN_SHARED_VALUES, ("result_type", RESULT_TYPES)),
            meaning="one of the values that the contract names",
        ),
    ),
)
