"""`analytics.country_efficiency`: what a listener, a follower and a stream cost in each country."""

import polars as pl

from soundlink_assets.metrics.aggregation import (
    divided,
    known_sum,
    newest,
    ratio_of_sums,
    shaped,
)
from soundlink_assets.metrics.settled import with_is_settled
from soundlink_assets.schema.analytics import COUNTRY_EFFICIENCY

MEASURES = (
    "spend_media",
    "fees",
    "spend_total",
    "impressions",
    "ad_clicks",
    "link_clicks",
    "streams",
    "listeners",
    "followers",
)
"""What a country row counts, and what may be added up over countries and days."""

RATIOS: dict[str, tuple[str, str, int]] = {
    "cost_per_listener": ("spend_media", "listeners", 1),
    "cost_per_listener_all_in": ("spend_total", "listeners", 1),
    "cost_per_follower": ("spend_media", "followers", 1),
    "cost_per_stream": ("spend_media", "streams", 1),
    "cost_per_link_click": ("spend_media", "link_clicks", 1),
    "cpm": ("spend_media", "impressions", 1000),
    "ctr_link": ("link_clicks", "impressions", 1),
    "follow_rate": ("followers", "listeners", 1),
    "streams_per_listener": ("streams", "listeners", 1),
}
"""Ratio -> numerator, denominator and factor."""

_CAMPAIGN_DAY = ("report_date", "campaign_id", "currency")


def country_ratios() -> list[pl.Expr]:
    """The ratios of `RATIOS`, as aggregations of country rows."""
    return [
        (factor * ratio_of_sums(numerator, denominator)).alias(name)
        for name, (numerator, denominator, factor) in RATIOS.items()
    ]


def country_efficiency(rows: pl.DataFrame, cells: pl.DataFrame) -> pl.DataFrame:
    """The table, from rows and cells of `soundlink.campaign_country_daily`.

    The result depends on each day's rows alone, and not on their order.
    """
    per_country = (
        with_is_settled(rows, cells)
        .group_by(COUNTRY_EFFICIENCY.key)
        .agg(
            newest("campaign_name"),
            *(known_sum(name) for name in MEASURES),
            *country_ratios(),
            pl.col("is_settled").all(),
        )
    )
    spend_share = _share_of_campaign_day("spend_media")
    listener_share = _share_of_campaign_day("listeners")
    return shaped(
        per_country.with_columns(
            spend_share.alias("spend_share"),
            listener_share.alias("listener_share"),
            divided(listener_share, spend_share).alias("efficiency_index"),
        ),
        COUNTRY_EFFICIENCY,
    )


def _share_of_campaign_day(measure: str) -> pl.Expr:
    return divided(pl.col(measure), pl.col(measure).sum().over(_CAMPAIGN_DAY))
