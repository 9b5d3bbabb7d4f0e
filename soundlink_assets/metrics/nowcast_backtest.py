"""`analytics.nowcast_backtest`: how good nowcasts of days that are final by now were.

Every nowcast is made again as at the end of a UTC day, from fetches until then only, by the code
that makes today's. Scores after Bracher et al. (2021) PLOS Computational Biology 17:e1008618.
"""

from datetime import UTC, date, datetime, time, timedelta

import polars as pl

from soundlink_assets.metrics.aggregation import conformed, divided
from soundlink_assets.metrics.nowcast import NO_CURRENCY, SERIES, NowcastHistory
from soundlink_assets.schema import nowcast as schema
from soundlink_assets.schema.analytics import IS_SETTLED
from soundlink_assets.schema.frames import empty_frame
from soundlink_assets.schema.window import REVISION_DAYS

CALIBRATED = (0.90, 0.99)
"""Between these, the coverage of a 95 percent interval is what it says."""

ENOUGH_CASES = 60
"""With fewer nowcasts, coverage says little."""

MUCH_MISSING = 2.0
"""Mean count that reported figures lack, from which on intervals can be told to be too wide."""

_SERIES_DAY = (*SERIES[1:], "report_date")


def nowcast_backtest(observed: pl.DataFrame, days: int = schema.BACKTEST_DAYS) -> pl.DataFrame:
    """The table, from the `revisions` of all exports, over the newest `days` final days."""
    judged = judged_nowcasts(observed, days)
    if judged.is_empty():
        return empty_frame(schema.NOWCAST_BACKTEST)
    covered = {
        level: pl.col("final").is_between(f"low{suffix}", f"high{suffix}")
        for level, suffix in (("95", ""), ("50", "_50"))
    }
    score, reported = pl.col("interval_score"), pl.col("interval_score_reported")
    by = schema.NOWCAST_BACKTEST.key
    return conformed(
        judged.with_columns(
            _size().alias("size"),
            interval_score().alias("interval_score"),
            (pl.col("final") - pl.col("reported")).abs().alias("interval_score_reported"),
        )
        .group_by(by)
        .agg(
            pl.len().alias("cases"),
            pl.col("report_date").min().alias("first_day"),
            pl.col("report_date").max().alias("last_day"),
            *(inside.sum().alias(f"covered_{level}") for level, inside in covered.items()),
            *(inside.mean().alias(f"coverage_{level}") for level, inside in covered.items()),
            score.mean(),
            reported.mean(),
        )
        .with_columns(
            (1 - divided(score, reported)).alias("gain"),
            pl.col("currency").replace(NO_CURRENCY, None),
        ),
        schema.NOWCAST_BACKTEST,
    )


def judged_nowcasts(observed: pl.DataFrame, days: int) -> pl.DataFrame:
    """The nowcasts of the newest `days` final days, at each age, with the `final` value of each."""
    final = (
        observed.filter(IS_SETTLED)
        .sort("fetched_at")
        .group_by(_SERIES_DAY, maintain_order=True)
        .agg(pl.col("value").last().alias("final"))
    )
    last = final["report_date"].max()
    if not isinstance(last, date):
        return pl.DataFrame()
    first = last - timedelta(days=days - 1)
    history = NowcastHistory(observed)
    ends = (
        datetime.combine(first + timedelta(days=offset + 1), time.max, UTC)
        for offset in range(days + REVISION_DAYS)
    )
    said = pl.concat(history.nowcast(end) for end in ends)
    return (
        said.filter(pl.col("report_date") >= first, pl.col("expected").is_not_null())
        .join(final, on=_SERIES_DAY)
        .unique((*_SERIES_DAY, "as_of"))
    )


def interval_score() -> pl.Expr:
    """The weighted interval score of `expected` and both intervals, for `final`."""
    median = 0.5 * (pl.col("final") - pl.col("expected")).abs()
    return (median + _interval_score("", 0.05) + _interval_score("_50", 0.5)) / 2.5


def _interval_score(suffix: str, outside: float) -> pl.Expr:
    """Half of `outside` times the interval score: its width, and what a miss costs."""
    final, low, high = pl.col("final"), pl.col(f"low{suffix}"), pl.col(f"high{suffix}")
    missed = (low - final).clip(0) + (final - high).clip(0)
    return outside / 2 * (high - low) + missed


def _size() -> pl.Expr:
    size = pl.lit(schema.LARGEST)
    for bound, name in reversed(schema.SIZES):
        size = pl.when(pl.col("usual") < bound).then(pl.lit(name)).otherwise(size)
    return size


def miscalibrated(backtest: pl.DataFrame) -> pl.DataFrame:
    """The measures whose 95 percent intervals held too few or too many final values.

    One row per measure and currency with at least `ENOUGH_CASES` nowcasts: `measure`, `currency`,
    `cases`, `coverage`. Too many counts only where much was missing: where hardly anything is, the
    narrowest interval of whole counts holds nearly all of them.
    """
    least, most = CALIBRATED
    much = pl.when(pl.col("currency").is_null()).then(MUCH_MISSING).otherwise(0.0)
    by = ("measure", "currency")
    cases, covered = pl.col("cases").sum(), pl.col("covered_95").sum()
    return pl.concat(
        backtest.filter(rows)
        .group_by(by)
        .agg(cases, divided(covered, cases).alias("coverage"))
        .filter(pl.col("cases") >= ENOUGH_CASES, off)
        for rows, off in (
            (pl.lit(True), pl.col("coverage") < least),
            (pl.col("interval_score_reported") > much, pl.col("coverage") > most),
        )
    ).sort(by)
