"""Observations of campaign-days at each fetch, as `metrics.nowcast.revisions` makes them."""

from datetime import UTC, date, datetime, time, timedelta
from pathlib import Path

import numpy as np
import numpy.typing as npt
import polars as pl

from soundlink_assets.metrics.nowcast import NO_CURRENCY, REVISIONS

Array = npt.NDArray[np.float64]

START = date(2026, 1, 1)
FINAL_AGE = 7
PUBLIC_COUNTS = Path(__file__).parents[1] / "data" / "reporting_delay.csv"


def observed(  # noqa: PLR0913
    counts: Array,
    start: date = START,
    *,
    measure: str = "listeners",
    account: str = "org",
    prefix: str = "c",
    hour: int = 6,
) -> pl.DataFrame:
    """The days of several campaigns, each fetched once a day until yesterday is the last one.

    `counts[campaign, day, age]` is the value at ages 0 to 7, of which the last is final; NaN where
    there was no fetch. The campaigns are called `c0`, `c1`, ...
    """
    days, ages = counts.shape[1:]
    begun = np.add.outer(np.arange(days), np.arange(ages)) < days
    campaign, day, age = np.nonzero(begun & np.isfinite(counts))
    fetched = datetime.combine(start + timedelta(days=1), time(hour), UTC)
    is_amount = measure == "spend_media"
    return pl.DataFrame(
        {
            "campaign_id": [f"{prefix}{number}" for number in campaign],
            "report_date": [start + timedelta(days=int(each)) for each in day],
            "fetched_at": [fetched + timedelta(days=int(each)) for each in day + age],
            "value": counts[campaign, day, age],
            "is_settled": age >= FINAL_AGE,
        }
    ).select(
        pl.lit(account).alias("account_id"),
        "campaign_id",
        pl.lit(measure).alias("measure"),
        pl.lit("USD" if is_amount else NO_CURRENCY).alias("currency"),
        "report_date",
        pl.col("fetched_at").cast(REVISIONS["fetched_at"]),
        "value",
        pl.lit(is_amount).alias("is_amount"),
        "is_settled",
    )


def days_of(
    sizes: Array, days: int, curve: Array, rng: np.random.Generator, *, steady: float = 6.0
) -> Array:
    """Over-dispersed days: counts[campaign, day, age], complete at age 7.

    `sizes[campaign, day]` is what a day has on average; days differ by a Gamma of shape `steady`,
    and how complete a day is at an age by a Dirichlet around `curve` (ages 0 to 6).
    """
    final = rng.poisson(sizes * rng.gamma(steady, 1 / steady, (len(sizes), days)))
    parts = np.diff(np.concatenate([[0.0], curve, [1.0]]))
    shares = rng.gamma(np.maximum(80 * parts, 1e-6), 1.0, (*final.shape, len(parts)))
    shares /= shares.sum(-1, keepdims=True)
    return np.asarray(rng.multinomial(final, shares).cumsum(-1), np.float64)


def public_counts() -> tuple[Array, date]:
    """Three series of a public set of counts with reporting delay, and their first day."""
    table = pl.read_csv(PUBLIC_COUNTS, comment_prefix="#", try_parse_dates=True)
    states = dict.fromkeys(name.rsplit("_", 1)[0] for name in table.columns[1:])
    counts = [
        table.select(f"{state}_{age}" for age in range(FINAL_AGE + 1)).to_numpy()
        for state in states
    ]
    return np.stack(counts).astype(np.float64), table.item(0, "reference_date")
