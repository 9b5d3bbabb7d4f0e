"""`analytics.campaign_scorecard` and `analytics.country_scorecard`, from the daily tables.

Sums of the daily rows, ratios of the sums, and how sure they are: to date, and (suffix `_28d`)
over the last 28 settled days.
"""

from collections.abc import Sequence
from datetime import date, timedelta

import polars as pl

from soundlink_assets.metrics.aggregation import divided, known_sum, ratio_of_sums, shaped
from soundlink_assets.metrics.country_efficiency import MEASURES, country_ratios
from soundlink_assets.schema.analytics import CAMPAIGN_SCORECARD, COUNTRY_SCORECARD
from soundlink_assets.schema.analytics import FINAL_DAYS, SUFFIX
from soundlink_assets.metrics.uncertainty import Array, cost_interval, shrink, wilson_interval
from soundlink_assets.schema.tables import Table

_STREAM_KINDS = ("promoted_streams", "spillover_streams", "undetermined_streams")
_CAMPAIGN = ("campaign_id", "currency")
_COUNTRY = ("campaign_id", "country_code", "currency")


def campaign_scorecard(
    efficiency: pl.DataFrame, spillover: pl.DataFrame, as_of: date
) -> pl.DataFrame:
    """One row per campaign (and currency), from `country_efficiency` and `spillover_share`.

    Days after `as_of` are left out.
    """
    return _scorecard(CAMPAIGN_SCORECARD, efficiency, spillover, as_of, by=_CAMPAIGN)


def country_scorecard(
    efficiency: pl.DataFrame, spillover: pl.DataFrame, as_of: date
) -> pl.DataFrame:
    """One row per campaign and country (and currency); as `campaign_scorecard`, ranked."""
    return _scorecard(COUNTRY_SCORECARD, efficiency, spillover, as_of, by=_COUNTRY)


def _scorecard(
    table: Table,
    efficiency: pl.DataFrame,
    spillover: pl.DataFrame,
    as_of: date,
    by: Sequence[str],
) -> pl.DataFrame:
    until = pl.col("report_date") <= as_of
    spend = efficiency.filter(until)
    plays = _with_currency(spillover.filter(until), spend)
    newest = newest_settled_day(spend, plays)
    recent = _last_settled_days(newest)
    card = (
        _identity([spend, plays], by)
        .join(_settled_part(spend, by), on=by, how="left", nulls_equal=True)
        .with_columns(
            pl.lit(as_of).alias("as_of"), pl.lit(newest, pl.Date).alias("last_settled_day")
        )
    )
    for suffix, period in (("", pl.lit(True)), (SUFFIX, recent)):
        figures = _figures(spend.filter(period), plays.filter(period), by)
        card = card.join(
            figures.rename({name: name + suffix for name in figures.columns if name not in by}),
            on=by,
            how="left",
            nulls_equal=True,
        ).with_columns(pl.col(f"days{suffix}").fill_null(0))
    return shaped(card.with_columns(pl.col("settled_days").fill_null(0)), table)


def newest_settled_day(*tables: pl.DataFrame) -> date | None:
    """The newest day of which any row is settled."""
    settled = [frame.filter("is_settled").select("report_date") for frame in tables]
    newest = pl.concat(settled).to_series().max()
    return newest if isinstance(newest, date) else None


def _last_settled_days(newest: date | None) -> pl.Expr:
    if newest is None:
        return pl.lit(False)
    first = newest - timedelta(days=FINAL_DAYS - 1)
    return pl.col("is_settled") & (pl.col("report_date") >= first)


def _with_currency(plays: pl.DataFrame, spend: pl.DataFrame) -> pl.DataFrame:
    """Plays have no currency: they take their campaign's, once for each that it spent in."""
    currencies = spend.select(_CAMPAIGN).unique()
    return plays.join(currencies, on="campaign_id", how="left")


def _identity(tables: Sequence[pl.DataFrame], by: Sequence[str]) -> pl.DataFrame:
    columns = ("report_date", "campaign_name")
    rows = pl.concat([table.select(*by, *columns) for table in tables])
    return rows.group_by(by).agg(
        pl.col("campaign_name").sort_by(*columns).last(),
        pl.col("report_date").min().alias("first_day"),
        pl.col("report_date").max().alias("last_day"),
    )


def _settled_part(spend: pl.DataFrame, by: Sequence[str]) -> pl.DataFrame:
    settled_spend = pl.col("spend_media").filter("is_settled").sum()
    return spend.group_by(by).agg(
        pl.col("report_date").filter("is_settled").n_unique().alias("settled_days"),
        divided(settled_spend, pl.col("spend_media").sum()).alias("settled_spend_share"),
    )


def _figures(spend: pl.DataFrame, plays: pl.DataFrame, by: Sequence[str]) -> pl.DataFrame:
    clicked = pl.col("link_clicks").is_not_null() & pl.col("impressions").is_not_null()
    totals = spend.group_by(by).agg(
        pl.col("report_date").n_unique().alias("days"),
        *(known_sum(name) for name in MEASURES),
        *country_ratios(),
        pl.col("link_clicks").filter(clicked).sum().alias("clicks_of_shown"),
        pl.col("impressions").filter(clicked).sum().alias("shown"),
    )
    streams = plays.group_by(by).agg(
        *(pl.col(name).sum() for name in _STREAM_KINDS),
        _catalogue_ratio("spillover_stream_share", "promoted_streams", "spillover_streams"),
        ratio_of_sums("spillover_streams", "promoted_streams").alias("halo_multiplier"),
    )
    return _with_intervals(_ranked(totals, by)).join(
        streams, on=by, how="full", coalesce=True, nulls_equal=True
    )


def _catalogue_ratio(name: str, promoted: str, spillover: str) -> pl.Expr:
    total = pl.col(promoted).sum() + pl.col(spillover).sum()
    return divided(pl.col(spillover).sum(), total).alias(name)


def _with_intervals(totals: pl.DataFrame) -> pl.DataFrame:
    spend = _floats(totals, "spend_media")
    intervals = {
        "cost_per_listener": cost_interval(spend, _floats(totals, "listeners")),
        "cost_per_follower": cost_interval(spend, _floats(totals, "followers")),
        "ctr_link": wilson_interval(_floats(totals, "clicks_of_shown"), _floats(totals, "shown")),
    }
    return totals.with_columns(
        _series(f"{name}_{end}", values)
        for name, ends in intervals.items()
        for end, values in zip(("low", "high"), ends, strict=True)
    )


def _ranked(totals: pl.DataFrame, by: Sequence[str]) -> pl.DataFrame:
    """The totals of countries with shrunk cost, probability and rank within their campaign."""
    if "country_code" not in by:
        return totals
    # Sorted, so that the order of rows does not move the last digit of a sum.
    campaigns = totals.sort(by).partition_by(_CAMPAIGN, maintain_order=True)
    shrunk = pl.concat([_with_shrunk(campaign) for campaign in (totals.clear(), *campaigns)])
    return shrunk.with_columns(
        pl.col("cost_per_listener_shrunk").rank("min").over(_CAMPAIGN).alias("rank")
    )


def _with_shrunk(campaign: pl.DataFrame) -> pl.DataFrame:
    costs = shrink(_floats(campaign, "spend_media"), _floats(campaign, "listeners"))
    return campaign.with_columns(
        _series("cost_per_listener_shrunk", costs.cost),
        _series("probability_beats_campaign", costs.beats_campaign),
    )


def _floats(frame: pl.DataFrame, column: str) -> Array:
    """A column as floats, NaN for null."""
    return frame[column].cast(pl.Float64).fill_null(float("nan")).to_numpy()


def _series(name: str, values: Array) -> pl.Series:
    return pl.Series(name, values, pl.Float64).fill_nan(None)
