"""Nowcasts judged by what the days came to: in simulated worlds and on public counts.

The worlds differ in how reports come in, in how days differ and in whether campaigns grow. None of
their figures is known to the method.
"""

from typing import Any

import numpy as np
import polars as pl
import pytest

from soundlink_assets.metrics.nowcast import revision_nowcast
from soundlink_assets.metrics.nowcast_backtest import nowcast_backtest
from soundlink_assets_tests.metrics.observations import Array, days_of, observed, public_counts

DAYS = 140
CAMPAIGNS = 7
SIZES = {5: "below 10", 30: "10 to 99", 200: "100 and more"}


def _fading(weight: float, days: float) -> Array:
    return 1 - (1 - weight) * np.exp(-np.arange(7) / days)


def _week(strength: float) -> Array:
    return 1 + strength * np.cos(2 * np.pi * np.arange(DAYS) / 7)


WORLDS: dict[str, dict[str, Any]] = {
    "reports fade in": {"curve": _fading(0.45, 2.0), "level": _week(0.0), "steady": 6.0},
    "most come in one batch": {
        "curve": np.array([0.50, 0.53, 0.56, 0.90, 0.93, 0.96, 0.98]),
        "level": _week(0.4),
        "steady": 12.0,
    },
    "a slow start, and campaigns grow": {
        "curve": np.array([0.25, 0.48, 0.66, 0.79, 0.88, 0.94, 0.975]),
        "level": np.linspace(0.7, 1.3, DAYS),
        "steady": 3.0,
    },
}


def _backtest(name: str) -> pl.DataFrame:
    world = WORLDS[name]
    rng = np.random.default_rng(sorted(WORLDS).index(name))
    campaigns = []
    for size in SIZES:
        sizes = np.broadcast_to(size * world["level"], (CAMPAIGNS, DAYS))
        counts = days_of(sizes, DAYS, world["curve"], rng, steady=world["steady"])
        campaigns.append(observed(counts, prefix=f"{size} a day, "))
    return nowcast_backtest(pl.concat(campaigns), days=DAYS - 28)


@pytest.fixture(scope="module", params=WORLDS)
def judged(request: pytest.FixtureRequest) -> pl.DataFrame:
    return _backtest(request.param)


@pytest.mark.slow
def test_the_95_percent_interval_covers_92_to_99_percent_at_each_age_and_size(
    judged: pl.DataFrame,
) -> None:
    assert judged.height == 7 * len(SIZES)
    assert (judged["cases"] > 500).all()
    assert judged.filter(~pl.col("coverage_95").is_between(0.92, 0.99)).is_empty(), judged


@pytest.mark.slow
def test_the_50_percent_interval_covers_half_where_counts_are_large_enough_to_halve(
    judged: pl.DataFrame,
) -> None:
    large = judged.filter(size=SIZES[200])
    assert large["coverage_50"].is_between(0.45, 0.65).all(), large


@pytest.mark.slow
@pytest.mark.parametrize("size", [30, 200])
def test_the_interval_score_is_70_percent_better_than_that_of_reported_figures(
    judged: pl.DataFrame, size: int
) -> None:
    assert _gain(judged.filter(size=SIZES[size])) > 0.7


@pytest.mark.slow
def test_small_campaigns_gain_too(judged: pl.DataFrame) -> None:
    assert _gain(judged.filter(size=SIZES[5])) > 0.4


def test_with_ten_days_of_history_it_is_silent() -> None:
    rng = np.random.default_rng(1)
    counts = days_of(np.full((6, 17), 30.0), 17, WORLDS["reports fade in"]["curve"], rng)
    nowcast = revision_nowcast(observed(counts))
    assert nowcast.height == 6 * 7
    assert nowcast["basis_days"].max() == 10
    assert nowcast.select("expected", "low", "high").null_count().row(0) == (42, 42, 42)


@pytest.mark.slow
def test_on_public_counts_too() -> None:
    """Hospital cases per day in three states: a wave that rises and falls, and few reports come in
    on weekends."""
    counts, start = public_counts()
    judged = nowcast_backtest(observed(counts, start), days=190)
    assert judged.height == 7 * len(SIZES)
    assert (judged["cases"] > 150).all()
    assert judged.filter(~pl.col("coverage_95").is_between(0.92, 0.99)).is_empty(), judged
    assert _gain(judged.filter(size=SIZES[200])) > 0.7
    assert _gain(judged.filter(size=SIZES[30])) > 0.7


def _gain(judged: pl.DataFrame) -> float:
    """The gain of all ages together."""
    score, reported = (
        np.dot(judged[name], judged["cases"])
        for name in ("interval_score", "interval_score_reported")
    )
    return float(1 - score / reported)
