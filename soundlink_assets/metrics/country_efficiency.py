"""`analytics.country_efficiency`: what a listener, a follower and a stream cost in each country."""

import polars as pl

from soundlink_assets.metrics.aggregation import (
    conformed,
    divided,
    exact_sum,
    known_sum,
    newest,
    ratio_of_sums,
)
from soundlink_assets.metrics.final import with_is_settled
from soundlink_assets.schema import CAMPAIGN_COUNTRY_DAILY
from soundlink_assets.schema.analytics import COUNTRY_EFFICIENCY, IS_SETTLED, MEASURES
from soundlink_assets.schema.ratios import COUNTRY_RATIOS

_CAMPAIGN_DAY = ("report_date", "campaign_id", "currency")


def country_efficiency(rows: pl.DataFrame, log: pl.DataFrame) -> pl.DataFrame:
    """The table, from rows and delivery log of `soundlink.campaign_country_daily`.

    The result depends on each day's rows alone, and not on their order. Raises OutOfRangeError.
    """
    per_country = (
        with_is_settled(rows, log, CAMPAIGN_COUNTRY_DAILY)
        .group_by(COUNTRY_EFFICIENCY.key)
        .agg(
            newest("campaign_name"),
            *(known_sum(name) for name in MEASURES),
            *(ratio_of_sums(ratio) for ratio in COUNTRY_RATIOS),
            pl.col(IS_SETTLED).all(),
        )
    )
    spend_share = _share_of_campaign_day("spend_media")
    listener_share = _share_of_campaign_day("listeners")
    return conformed(
        per_country.with_columns(
            spend_share.alias("spend_share"),
            listener_share.alias("listener_share"),
            divided(listener_share, spend_share).alias("efficiency_index"),
        ),
        COUNTRY_EFFICIENCY,
    )


def _share_of_campaign_day(measure: str) -> pl.Expr:
    return divided(pl.col(measure), exact_sum(measure).over(_CAMPAIGN_DAY))
