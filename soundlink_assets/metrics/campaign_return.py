"""`analytics.campaign_return`: what a campaign's streams were worth by the statements.

A stream is priced in each currency at revenue in that currency over streams in all of them, so
that it is never paid twice where a store pays in two currencies. Amounts are never converted.
"""

from collections.abc import Iterable

import polars as pl

from soundlink_assets.metrics.aggregation import (
    conformed,
    divided,
    exact_sum,
    newest,
    ratio_of_columns,
)
from soundlink_assets.metrics.final import with_is_settled
from soundlink_assets.metrics.track_month_share import month_of_day
from soundlink_assets.schema import CAMPAIGN_COUNTRY_DAILY
from soundlink_assets.schema.analytics import IS_SETTLED
from soundlink_assets.schema.fields import CATALOG
from soundlink_assets.schema.statements import (
    CAMPAIGN_RETURN,
    RATES,
    RETURN_RATIOS,
    SPOTIFY,
    UNKNOWN_COUNTRY,
)

_LEVELS = {
    "country": ("isrc", "month", "country_code"),
    "month": ("isrc", "month"),
    "isrc": ("isrc",),
    "catalogue": ("all",),
}
"""What the revenue and streams of a rate are added up by; the finest first."""

_AVERAGED = {"month": "country_code", "isrc": "month", "catalogue": "isrc"}
"""What a coarser rate is an average over."""

_SPEND = ("spend_media", "spend_total", "listeners")

SPEND_COLUMNS = (
    "requested_campaign_id",
    "report_date",
    "exported_at",
    "campaign_id",
    "campaign_name",
    "country_code",
    "currency",
    *_SPEND,
)
"""What `monthly_spend` needs of the rows."""

_REVENUES = ("attributed_revenue", "attributed_revenue_low", "attributed_revenue_high")
_BY_MONTH = "attributed_revenue_by_month"
_EXACT = pl.Decimal(38, 12)


def monthly_spend(rows: pl.DataFrame, log: pl.DataFrame) -> pl.DataFrame:
    """Rows of `soundlink.campaign_country_daily` by month; the months may be put together.

    One row per campaign, currency, month and country, with sums over final days, `open_rows` on the
    others, and whether any day has spend (`has_spend`).
    """
    final = pl.col(IS_SETTLED)
    return (
        with_is_settled(rows, log, CAMPAIGN_COUNTRY_DAILY)
        .with_columns(month_of_day())
        .group_by("campaign_id", "currency", "month", "country_code")
        .agg(
            newest("campaign_name"),
            pl.col(_SPEND).filter(final).sum(),
            (~final).sum().alias("open_rows"),
            (pl.col("spend_total") > 0).any().alias("has_spend"),
        )
    )


def campaign_return(
    statements: pl.DataFrame, plays: pl.DataFrame, spend: pl.DataFrame
) -> pl.DataFrame:
    """The table, from `distributor.statements`, `monthly_plays` and `monthly_spend` of all months.

    Raises OutOfRangeError.
    """
    sales = _sales(statements)
    priced = _with_rate(sales, plays)
    months = _covered_months(sales, plays)
    earned = _earned(sales, priced, months)
    sums = ("campaign_id", "currency")
    money = earned.group_by(sums).agg(pl.col(_REVENUES).sum())
    by_month = _by_month(sales, plays).group_by(sums).agg(pl.col(_BY_MONTH).sum())
    spent = spend.group_by(sums).agg(exact_sum(name) for name in _SPEND)
    card = (
        spent.join(money, on=sums, how="full", coalesce=True)
        .join(by_month, on=sums, how="left")
        .join(_campaigns(plays, spend), on="campaign_id", how="left")
        .join(_shares(priced), on="campaign_id", how="left")
        .join(_coverage(plays, spend, months), on="campaign_id", how="left")
        .with_columns(
            pl.col("streams", "priced_streams", "missing_months").fill_null(0),
            pl.col("covers_campaign").fill_null(False),
        )
    )
    for ratio in RETURN_RATIOS:
        card = card.with_columns(ratio_of_columns(ratio))
    return conformed(card, CAMPAIGN_RETURN)


def country_value(
    statements: pl.DataFrame, plays: pl.DataFrame, spend: pl.DataFrame
) -> pl.DataFrame:
    """What a campaign's streams earned in each country, and what a listener may have cost at most.

    Per campaign, country and currency: `revenue_per_stream`, `break_even_cost_per_listener` (null
    without spend in that currency).
    """
    sales = _sales(statements)
    earned = _earned(sales, _with_rate(sales, plays), _covered_months(sales, plays))
    country = ("campaign_id", "country_code", "currency")
    revenue = pl.col("attributed_revenue")
    return (
        earned.group_by(country)
        .agg(pl.col("streams").sum(), revenue.sum())
        .join(spend.group_by(country).agg(pl.col("listeners").sum()), on=country, how="left")
        .select(
            *country,
            divided(revenue, pl.col("streams")).alias("revenue_per_stream"),
            divided(revenue, pl.col("listeners")).alias("break_even_cost_per_listener"),
        )
    )


def _sales(statements: pl.DataFrame) -> pl.DataFrame:
    return statements.filter(pl.col("store") == SPOTIFY).with_columns(pl.lit(True).alias("all"))


def _of_level(sales: pl.DataFrame, level: str) -> pl.DataFrame:
    """A country's rate needs a country; the other rates average over unknown ones too."""
    return sales.filter(pl.col("country_code") != UNKNOWN_COUNTRY) if level == "country" else sales


def _with_rate(sales: pl.DataFrame, plays: pl.DataFrame) -> pl.DataFrame:
    """The streams on final days with the `rate` that prices them; null if none does."""
    rest = plays.filter(pl.col("streams") > 0).with_columns(pl.lit(True).alias("all"))
    parts = []
    for level, by in _LEVELS.items():
        paid = _of_level(sales, level).group_by(by).agg(exact_sum("streams").alias("paid"))
        rest = rest.join(paid.filter(pl.col("paid") > 0), on=by, how="left")
        has_price = pl.col("paid").is_not_null()
        if level == "catalogue":
            # Another artist's track of a promoted playlist earns this catalogue nothing.
            has_price &= pl.col("engagement_context") == CATALOG
        parts.append(rest.filter(has_price).with_columns(pl.lit(level).alias("rate")))
        rest = rest.filter(~has_price).drop("paid")
    return pl.concat([*parts, rest], how="diagonal")


def _earned(sales: pl.DataFrame, priced: pl.DataFrame, months: pl.DataFrame) -> pl.DataFrame:
    """The priced streams, once for each currency that pays them, with what they earned."""
    missing = pl.col("covered").is_null()
    parts = []
    for level, by in _LEVELS.items():
        streams = pl.col("streams").cast(pl.Float64)
        point = streams / pl.col("paid").cast(pl.Float64) * pl.col("revenue").cast(pl.Float64)
        parts.append(
            priced.filter(pl.col("rate") == level)
            .join(_rates(sales, level), on=by)
            .join(months, on=["campaign_id", "month"], how="left")
            .with_columns(point.alias("attributed_revenue"))
            .with_columns(
                pl.when(missing)
                .then(0.0)
                .otherwise(pl.min_horizontal("attributed_revenue", streams * pl.col("lowest")))
                .alias("attributed_revenue_low"),
                pl.max_horizontal("attributed_revenue", streams * pl.col("highest")).alias(
                    "attributed_revenue_high"
                ),
            )
            .select(
                "campaign_id",
                "country_code",
                "currency",
                "streams",
                pl.col(_REVENUES).round(12).cast(_EXACT),
            )
        )
    return pl.concat(parts)


def _rates(sales: pl.DataFrame, level: str) -> pl.DataFrame:
    """Revenue per key of the level and currency, and the `lowest` and `highest` rate in it."""
    by = _LEVELS[level]
    sales = _of_level(sales, level)
    revenue = sales.group_by(*by, "currency").agg(pl.col("revenue").sum())
    if level not in _AVERAGED:
        return revenue.with_columns(
            pl.lit(None, pl.Float64).alias("lowest"), pl.lit(None, pl.Float64).alias("highest")
        )
    cell = (*by, _AVERAGED[level])
    cells = sales.group_by(cell).agg(exact_sum("streams").alias("cell_streams"))
    cell_revenue = sales.group_by(*cell, "currency").agg(
        pl.col("revenue").sum().alias("cell_revenue")
    )
    rate = divided(pl.col("cell_revenue").fill_null(0), pl.col("cell_streams"))
    ends = (
        cells.filter(pl.col("cell_streams") > 0)
        .join(revenue.select(*by, "currency"), on=by)
        .join(cell_revenue, on=[*cell, "currency"], how="left")
        .group_by(*by, "currency")
        .agg(rate.min().alias("lowest"), rate.max().alias("highest"))
    )
    return revenue.join(ends, on=[*by, "currency"], how="left")


def _by_month(sales: pl.DataFrame, plays: pl.DataFrame) -> pl.DataFrame:
    """What the provider's formula gives: streams of the statements' ISRCs and months, no more."""
    by = _LEVELS["month"]
    paid = sales.group_by(by).agg(exact_sum("streams").alias("paid"))
    revenue = sales.group_by(*by, "currency").agg(pl.col("revenue").sum())
    earned = divided(pl.col("streams"), pl.col("paid")) * pl.col("revenue").cast(pl.Float64)
    return (
        plays.filter(pl.col("streams") > 0)
        .join(paid.filter(pl.col("paid") > 0), on=by)
        .join(revenue, on=by)
        .select("campaign_id", "currency", earned.round(12).cast(_EXACT).alias(_BY_MONTH))
    )


def _covered_months(sales: pl.DataFrame, plays: pl.DataFrame) -> pl.DataFrame:
    """The months for which statements pay streams of a recording that the campaign brought."""
    recordings = plays.filter(pl.col("streams") > 0).select("campaign_id", "isrc").unique()
    paid = sales.filter(pl.col("streams") > 0).select("isrc", "month").unique()
    covered = recordings.join(paid, on="isrc").select("campaign_id", "month").unique()
    return covered.with_columns(pl.lit(True).alias("covered"))


def _coverage(plays: pl.DataFrame, spend: pl.DataFrame, months: pl.DataFrame) -> pl.DataFrame:
    played = plays.filter(pl.col("streams") > 0).select("campaign_id", "month").unique()
    last_spend = spend.filter("has_spend").group_by("campaign_id").agg(last=pl.col("month").max())
    return (
        months.group_by("campaign_id")
        .agg(covers_until=pl.col("month").max())
        .join(
            played.join(months, on=["campaign_id", "month"], how="anti")
            .group_by("campaign_id")
            .agg(missing_months=pl.len()),
            on="campaign_id",
            how="full",
            coalesce=True,
        )
        .join(last_spend, on="campaign_id", how="left")
        .select(
            "campaign_id",
            "covers_until",
            "missing_months",
            ((pl.col("covers_until") > pl.col("last")) & pl.col("missing_months").is_null())
            .fill_null(False)
            .alias("covers_campaign"),
        )
    )


def _shares(priced: pl.DataFrame) -> pl.DataFrame:
    """How the streams of a campaign divide over the rates."""
    parts = {rate: pl.col("streams").filter(pl.col("rate") == rate).sum() for rate in RATES}
    unpriced = pl.col("streams").filter(pl.col("rate").is_null()).sum()
    total = pl.col("streams").sum()
    by_rate = priced.filter(pl.col("rate").is_not_null())
    order = pl.col("rate").replace_strict({rate: at for at, rate in enumerate(RATES)})
    most = (
        by_rate.group_by("campaign_id", "rate")
        .agg(pl.col("streams").sum())
        .sort(pl.col("streams"), order, descending=[True, False])
        .group_by("campaign_id", maintain_order=True)
        .agg(pl.col("rate").first().alias("rate_source"))
    )
    return (
        priced.group_by("campaign_id")
        .agg(
            total,
            (total - unpriced).alias("priced_streams"),
            *(divided(part, total).alias(f"{rate}_rate_share") for rate, part in parts.items()),
            divided(unpriced, total).alias("unpriced_share"),
        )
        .join(most, on="campaign_id", how="left")
    )


def _campaigns(plays: pl.DataFrame, spend: pl.DataFrame) -> pl.DataFrame:
    """Each campaign's newest name, and whether no day of it was left out."""
    both: Iterable[pl.DataFrame] = (
        plays.select("campaign_id", "campaign_name", "month", open=pl.col("open_streams") > 0),
        spend.select("campaign_id", "campaign_name", "month", open=pl.col("open_rows") > 0),
    )
    return (
        pl.concat(both)
        .group_by("campaign_id")
        .agg(
            pl.col("campaign_name").sort_by("month", "campaign_name").last(),
            (~pl.col("open").any()).alias(IS_SETTLED),
        )
    )
