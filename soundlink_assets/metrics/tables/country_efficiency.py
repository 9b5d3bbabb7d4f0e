"""What the columns of `analytics.country_efficiency` mean."""

from soundlink_assets.metrics.tables.columns import (
    NOT_SUMMED,
    SCHEMA,
    UNDEFINED,
    UNKNOWN,
    campaign,
    columns_of,
    country,
    day,
    ratio,
    settled,
    text,
    total,
)
from soundlink_assets.tables import Kind, Table

_ROWS = "campaign_country_daily"

COUNTRY_EFFICIENCY = Table(
    schema=SCHEMA,
    name="country_efficiency",
    grain="one row per UTC day, campaign, country and currency",
    description="What a listener, a follower and a stream cost in each country. Amounts of "
    "different currencies stay in different rows. Meta locates spend and Spotify listeners each in "
    "their own way, so costs are associations between where money was spent and where people "
    "listened, not proof that one caused the other.",
    key=("report_date", "campaign_id", "country_code", "currency"),
    day_column="report_date",
    columns=(
        day(_ROWS),
        *campaign(_ROWS),
        country(_ROWS),
        text(
            "currency",
            "Currency of every amount in this row. Never add amounts across currencies.",
            f"{_ROWS}.currency",
            unit="ISO 4217",
        ),
        total(
            Kind.MONEY,
            "spend_media",
            "currency",
            "Billed by Meta, without the provider's fee. May be added up.",
            *columns_of(_ROWS, "spend_media"),
        ),
        total(
            Kind.MONEY,
            "fees",
            "currency",
            "The provider's fee. May be added up.",
            *columns_of(_ROWS, "fees"),
        ),
        total(
            Kind.MONEY,
            "spend_total",
            "currency",
            "Media spend and fees together. May be added up.",
            *columns_of(_ROWS, "spend_total"),
        ),
        total(
            Kind.COUNT,
            "impressions",
            "impressions",
            f"Times the ad was shown. May be added up. {UNKNOWN}",
            *columns_of(_ROWS, "impressions"),
            nullable=True,
        ),
        total(
            Kind.COUNT,
            "ad_clicks",
            "clicks",
            f"Clicks of every kind on the ad. May be added up. {UNKNOWN}",
            *columns_of(_ROWS, "ad_clicks"),
            nullable=True,
        ),
        total(
            Kind.COUNT,
            "link_clicks",
            "clicks",
            f"Presses of the landing page's button. May be added up. {UNKNOWN}",
            *columns_of(_ROWS, "link_clicks"),
            nullable=True,
        ),
        total(
            Kind.COUNT,
            "streams",
            "plays",
            "Plays attributed to the campaign. May be added up. Another population than the "
            "streams of engagement tables: do not compare one by one.",
            *columns_of(_ROWS, "streams"),
        ),
        total(
            Kind.COUNT,
            "listeners",
            "people",
            "Attributed listeners of that country and day. May be added up over countries; over "
            "days the sum may count a person again.",
            *columns_of(_ROWS, "listeners"),
        ),
        total(
            Kind.COUNT,
            "followers",
            "people",
            "Artist followers gained, attributed to the campaign. May be added up.",
            *columns_of(_ROWS, "followers"),
        ),
        ratio(
            "cost_per_listener",
            "currency per person",
            f"spend_media / listeners. {UNDEFINED} {NOT_SUMMED}",
            *columns_of(_ROWS, "spend_media", "listeners"),
        ),
        ratio(
            "cost_per_listener_all_in",
            "currency per person",
            f"spend_total / listeners: what the organisation pays. {UNDEFINED} {NOT_SUMMED}",
            *columns_of(_ROWS, "spend_total", "listeners"),
        ),
        ratio(
            "cost_per_follower",
            "currency per person",
            f"spend_media / followers. {UNDEFINED} {NOT_SUMMED}",
            *columns_of(_ROWS, "spend_media", "followers"),
        ),
        ratio(
            "cost_per_stream",
            "currency per play",
            f"spend_media / streams. {UNDEFINED} {NOT_SUMMED}",
            *columns_of(_ROWS, "spend_media", "streams"),
        ),
        ratio(
            "cost_per_link_click",
            "currency per click",
            f"spend_media / link_clicks, of rows whose link_clicks are known. {UNDEFINED} "
            f"{NOT_SUMMED}",
            *columns_of(_ROWS, "spend_media", "link_clicks"),
        ),
        ratio(
            "cpm",
            "currency per thousand impressions",
            f"1000 x spend_media / impressions, of rows whose impressions are known. {UNDEFINED} "
            f"{NOT_SUMMED}",
            *columns_of(_ROWS, "spend_media", "impressions"),
        ),
        ratio(
            "ctr_link",
            "fraction",
            f"link_clicks / impressions, of rows where both are known. {UNDEFINED} {NOT_SUMMED}",
            *columns_of(_ROWS, "link_clicks", "impressions"),
        ),
        ratio(
            "follow_rate",
            "followers per listener",
            f"followers / listeners. {UNDEFINED} {NOT_SUMMED}",
            *columns_of(_ROWS, "followers", "listeners"),
        ),
        ratio(
            "streams_per_listener",
            "plays per person",
            f"streams / listeners. {UNDEFINED} {NOT_SUMMED}",
            *columns_of(_ROWS, "streams", "listeners"),
        ),
        ratio(
            "spend_share",
            "fraction",
            "Part of the media spend of the campaign on that day, in that currency. Sums to one "
            "over the countries; null if nothing was spent.",
            *columns_of(_ROWS, "spend_media"),
        ),
        ratio(
            "listener_share",
            "fraction",
            "Part of the listeners of the campaign on that day, in that currency. Sums to one "
            "over the countries; null if nobody listened.",
            *columns_of(_ROWS, "listeners"),
        ),
        ratio(
            "efficiency_index",
            "ratio of shares",
            "listener_share / spend_share: above 1, the country brings listeners for less than "
            f"the campaign does on average that day. {UNDEFINED} {NOT_SUMMED}",
            *columns_of(_ROWS, "spend_media", "listeners"),
        ),
        settled(_ROWS),
    ),
)
