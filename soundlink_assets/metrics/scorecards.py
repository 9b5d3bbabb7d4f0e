"""`analytics.campaign_scorecard` and `analytics.country_scorecard`, from the daily tables.

Sums of the daily rows, ratios of the sums, and how sure they are: to date, and (suffix `_28d`)
over the last 28 final days.
"""

from collections.abc import Sequence
from datetime import date, timedelta

import numpy as np
import polars as pl

from soundlink_assets.metrics.aggregation import (
    conformed,
    divided,
    exact_sum,
    known_sum,
    ratio_of_sums,
)
from soundlink_assets.metrics.uncertainty import (
    LEAST_DAYS,
    Array,
    cost_interval,
    dispersion,
    shrink,
    wilson_interval,
)
from soundlink_assets.schema.analytics import (
    CAMPAIGN_SCORECARD,
    COUNTRY_SCORECARD,
    EXPECTED,
    EXPECTED_PREFIX,
    FINAL_DAYS,
    FINAL_SUFFIX,
    INTERVALS,
    IS_SETTLED,
    LINK_KIND,
    MEASURES,
    PLAY_KINDS,
)
from soundlink_assets.schema.nowcast import NOTHING_REPORTED
from soundlink_assets.schema.ratios import COUNTRY_RATIOS, SPILLOVER_RATIOS
from soundlink_assets.schema.tables import Kind

_CAMPAIGN = ("campaign_id", "currency")
_COUNTRY = ("campaign_id", "country_code", "currency")

COUNTRY_VALUE = ("revenue_per_stream", "break_even_cost_per_listener")
"""What a country earns by statements, see `campaign_return.country_value`."""


def campaign_scorecard(
    efficiency: pl.DataFrame,
    spillover: pl.DataFrame,
    as_of: date,
    nowcast: pl.DataFrame | None = None,
) -> pl.DataFrame:
    """One row per campaign (and currency), from `country_efficiency` and `spillover_share`.

    Days after `as_of`, and plays of soundlinks, are left out. `nowcast` is `revision_nowcast`, from
    which the columns of what is expected are made; null without it. Raises OutOfRangeError.
    """
    card = _scorecard(efficiency, spillover, as_of, _CAMPAIGN)
    if nowcast is None:
        card = card.with_columns(
            pl.lit(None, pl.Float64).alias(f"{EXPECTED_PREFIX}{name}") for name in EXPECTED
        )
    else:
        days = efficiency.filter(~pl.col(IS_SETTLED), pl.col("report_date") <= as_of)
        card = _with_expected(card, days.select(*_CAMPAIGN, "report_date").unique(), nowcast)
    return conformed(card, CAMPAIGN_SCORECARD)


def _with_expected(
    card: pl.DataFrame, open_days: pl.DataFrame, nowcast: pl.DataFrame
) -> pl.DataFrame:
    """The card with what its sums to date will come to.

    An amount of which nothing is reported yet is expected to stay nothing.
    """
    is_nothing = pl.col("reason") == NOTHING_REPORTED
    more = pl.when(is_nothing).then(0.0).otherwise(pl.col("expected") - pl.col("reported"))
    said = nowcast.with_columns(more.alias("more"))
    currencies = pl.col("currency").n_unique().over("campaign_id")
    for name in EXPECTED:
        is_amount = MEASURES[name][0] is Kind.MONEY
        on = ["campaign_id", "report_date", *(["currency"] if is_amount else [])]
        growth = (
            open_days.join(said.filter(measure=name).select(*on, "more"), on=on, how="left")
            .with_columns(pl.when((currencies == 1) | is_amount).then("more").alias("more"))
            .group_by(_CAMPAIGN)
            .agg(pl.col("more").sum(), (pl.col("more").null_count() == 0).alias("known"))
        )
        total = pl.col(name).cast(pl.Float64) + pl.col("more").fill_null(0.0)
        card = (
            card.join(growth, on=_CAMPAIGN, how="left", nulls_equal=True)
            .with_columns(
                pl.when(pl.col("known").fill_null(True))
                .then(total)
                .alias(f"{EXPECTED_PREFIX}{name}")
            )
            .drop("more", "known")
        )
    return card


def country_scorecard(
    efficiency: pl.DataFrame,
    spillover: pl.DataFrame,
    as_of: date,
    value: pl.DataFrame | None = None,
) -> pl.DataFrame:
    """One row per campaign and country (and currency); as `campaign_scorecard`, ranked.

    `value` is what `campaign_return.country_value` gives; None without statements.
    """
    card = _scorecard(efficiency, spillover, as_of, _COUNTRY)
    if value is None:
        card = card.with_columns(pl.lit(None, pl.Float64).alias(name) for name in COUNTRY_VALUE)
    else:
        card = card.join(value, on=_COUNTRY, how="left")
    return conformed(card, COUNTRY_SCORECARD)


def _scorecard(
    efficiency: pl.DataFrame, spillover: pl.DataFrame, as_of: date, by: Sequence[str]
) -> pl.DataFrame:
    until = pl.col("report_date") <= as_of
    spend = efficiency.filter(until)
    of_campaigns = pl.col(LINK_KIND).ne_missing(pl.lit("soundlink"))
    plays = _with_currency(spillover.filter(until, of_campaigns), spend)
    newest = newest_final_day(spend, plays)
    card = (
        _identity([spend, plays], by)
        .join(_final_part(spend, by), on=by, how="left", nulls_equal=True)
        .with_columns(
            pl.lit(as_of).alias("as_of"), pl.lit(newest, pl.Date).alias("last_settled_day")
        )
    )
    for suffix, period in (("", pl.lit(True)), (FINAL_SUFFIX, _last_final_days(newest))):
        figures = _figures(spend.filter(period), plays.filter(period), by)
        card = card.join(
            figures.rename({name: name + suffix for name in figures.columns if name not in by}),
            on=by,
            how="left",
            nulls_equal=True,
        ).with_columns(pl.col(f"days{suffix}").fill_null(0))
    return card.with_columns(pl.col("settled_days").fill_null(0))


def newest_final_day(*tables: pl.DataFrame) -> date | None:
    """The newest day of which any row is final."""
    final = [frame.filter(IS_SETTLED).select("report_date") for frame in tables]
    newest = pl.concat(final).to_series().max()
    return newest if isinstance(newest, date) else None


def _last_final_days(newest: date | None) -> pl.Expr:
    if newest is None:
        return pl.lit(False)
    first = newest - timedelta(days=FINAL_DAYS - 1)
    return pl.col(IS_SETTLED) & (pl.col("report_date") >= first)


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


def _final_part(spend: pl.DataFrame, by: Sequence[str]) -> pl.DataFrame:
    final_spend = pl.col("spend_media").filter(IS_SETTLED).sum()
    return spend.group_by(by).agg(
        pl.col("report_date").filter(IS_SETTLED).n_unique().alias("settled_days"),
        divided(final_spend, exact_sum("spend_media")).alias("settled_spend_share"),
    )


def _figures(spend: pl.DataFrame, plays: pl.DataFrame, by: Sequence[str]) -> pl.DataFrame:
    totals = spend.group_by(by).agg(
        pl.col("report_date").n_unique().alias("days"),
        *(known_sum(name) for name in MEASURES),
        *(ratio_of_sums(ratio) for ratio in COUNTRY_RATIOS),
    )
    streams = plays.group_by(by).agg(
        *(exact_sum(name) for name in PLAY_KINDS),
        *(ratio_of_sums(ratio) for ratio in SPILLOVER_RATIOS),
    )
    # Sorted, so that the order of rows does not move the last digit of a sum.
    return _with_intervals(totals.sort(by), spend, by).join(
        streams, on=by, how="full", coalesce=True, nulls_equal=True
    )


def _with_intervals(totals: pl.DataFrame, spend: pl.DataFrame, by: Sequence[str]) -> pl.DataFrame:
    """The totals with the ends of all intervals; those of countries ranked as well."""
    columns = []
    dispersed = {}
    for name, (numerator, denominator, method) in INTERVALS.items():
        is_share = method.startswith("Wilson")
        above, below, open_rows = _by_day(totals, spend, by, numerator, denominator)
        counted, exposed = (above, below) if is_share else (below, above)
        exposed = _final_if_enough(exposed, open_rows)
        dispersed[name] = dispersion(counted, exposed, is_share=is_share)
        interval = wilson_interval if is_share else cost_interval
        ends = interval(above.sum(axis=1), below.sum(axis=1), dispersed[name])
        columns += [
            _series(f"{name}_{end}", values)
            for end, values in zip(("low", "high"), ends, strict=True)
        ]
    figures = totals.with_columns(columns)
    if "country_code" not in by:
        return figures
    return _ranked(figures.with_columns(_series("dispersed", dispersed["cost_per_listener"])))


def _final_if_enough(exposed: Array, open_rows: Array) -> Array:
    """The exposure of final days alone, in the series that have enough of them.

    Late listeners are missing on open days: that is not how much days differ.
    """
    final = np.where(open_rows > 0, 0.0, exposed)
    is_enough = (final > 0).sum(axis=1) >= LEAST_DAYS
    return np.where(is_enough[:, None], final, exposed)


def _by_day(
    totals: pl.DataFrame, spend: pl.DataFrame, by: Sequence[str], *columns: str
) -> list[Array]:
    """Each column, and the number of open rows, as arrays of the rows of `totals` by calendar day.

    Of the rows that have both columns.
    """
    known = (
        spend.drop_nulls(list(columns))
        .with_columns(
            (pl.col("report_date") - pl.col("report_date").min()).dt.total_days(),
            (~pl.col(IS_SETTLED)).alias("open"),
        )
        .join(totals.select(by).with_row_index("row"), on=by)
        .sort("row", "report_date", "country_code")
    )
    place = known["row"].to_numpy(), known["report_date"].to_numpy()
    size = totals.height, int(place[1].max(initial=0)) + 1
    grids = []
    for column in (*columns, "open"):
        grid = np.zeros(size)
        np.add.at(grid, place, known[column].cast(pl.Float64).to_numpy())
        grids.append(grid)
    return grids


def _ranked(totals: pl.DataFrame) -> pl.DataFrame:
    """The totals of countries with shrunk cost, probability and rank within their campaign."""
    campaigns = totals.partition_by(_CAMPAIGN, maintain_order=True)
    shrunk = pl.concat([_with_shrunk(campaign) for campaign in (totals.clear(), *campaigns)])
    return shrunk.with_columns(
        pl.col("cost_per_listener_shrunk").rank("min").over(_CAMPAIGN).alias("rank")
    )


def _with_shrunk(campaign: pl.DataFrame) -> pl.DataFrame:
    spend, listeners, dispersed = (
        campaign[name].cast(pl.Float64).to_numpy()
        for name in ("spend_media", "listeners", "dispersed")
    )
    costs = shrink(spend, listeners, dispersed)
    return campaign.with_columns(
        _series("cost_per_listener_shrunk", costs.cost),
        _series("probability_beats_campaign", costs.beats_campaign),
    )


def _series(name: str, values: Array) -> pl.Series:
    return pl.Series(name, values, pl.Float64).fill_nan(None)
