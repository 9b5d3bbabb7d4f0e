"""Intervals and shrinkage, against tables, definitions and simulations."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import integrate, stats

from soundlink_assets.metrics.uncertainty import (
    PRIOR_SHAPES,
    Array,
    cost_interval,
    fit_prior,
    poisson_interval,
    shrink,
    wilson_interval,
)


def _array(*values: float) -> Array:
    return np.array(values, dtype=np.float64)


def test_poisson_intervals_are_those_of_published_tables() -> None:
    low, high = poisson_interval(_array(0, 1, 10, 100))
    assert low == pytest.approx([0, 0.0253, 4.7954, 81.3640], abs=1e-4)
    assert high == pytest.approx([3.6889, 5.5716, 18.3904, 121.6268], abs=1e-4)


@given(count=st.integers(1, 5000))
@settings(max_examples=40, deadline=None)
def test_a_poisson_interval_leaves_a_fortieth_at_each_end(count: int) -> None:
    low, high = poisson_interval(_array(count))
    assert stats.poisson.sf(count - 1, low[0]) == pytest.approx(0.025)
    assert stats.poisson.cdf(count, high[0]) == pytest.approx(0.025)


def test_a_cost_interval_is_spend_over_the_bounds_of_the_count() -> None:
    low, high = cost_interval(_array(50), _array(10))
    assert low[0] == pytest.approx(50 / 18.3904, rel=1e-4)
    assert high[0] == pytest.approx(50 / 4.7954, rel=1e-4)


def test_a_cost_without_any_count_has_no_upper_bound() -> None:
    low, high = cost_interval(_array(50), _array(0))
    assert low[0] == pytest.approx(50 / 3.6889, rel=1e-4)
    assert np.isnan(high[0])


def test_no_spend_and_unknown_counts_have_no_cost_interval() -> None:
    low, high = cost_interval(_array(0, np.nan, 5), _array(3, 3, np.nan))
    assert np.isnan(low).all()
    assert np.isnan(high).all()


@given(trials=st.integers(1, 10_000), share=st.floats(0, 1))
@settings(max_examples=40, deadline=None)
def test_wilson_intervals_are_those_of_scipy(trials: int, share: float) -> None:
    successes = round(trials * share)
    low, high = wilson_interval(_array(successes), _array(trials))
    expected = stats.binomtest(successes, trials).proportion_ci(0.95, method="wilson")
    assert low[0] == pytest.approx(expected.low, abs=1e-9)
    assert high[0] == pytest.approx(expected.high, abs=1e-9)


def test_more_clicks_than_impressions_and_no_impressions_have_no_interval() -> None:
    low, high = wilson_interval(_array(5, 0, np.nan), _array(4, 0, 10))
    assert np.isnan(low).all()
    assert np.isnan(high).all()


def test_countries_that_are_alike_are_pooled() -> None:
    costs = shrink(_array(100, 100, 1), _array(200, 200, 2)).cost
    assert costs == pytest.approx([0.5, 0.5, 0.5])


def test_little_data_is_pulled_to_the_campaign_and_much_data_hardly() -> None:
    spend, count = _array(1000, 1000, 1), _array(1000, 4000, 4)
    campaign = spend.sum() / count.sum()
    costs = shrink(spend, count).cost
    raw = spend / count
    pulled = (costs - raw) / (campaign - raw)
    assert pulled[0] < 0.01
    assert pulled[1] < 0.01
    assert pulled[2] > 0.2


def test_a_country_without_listeners_has_a_finite_shrunk_cost() -> None:
    costs = shrink(_array(100, 100, 5), _array(100, 50, 0))
    assert np.isfinite(costs.cost).all()
    assert costs.cost[2] > 200 / 150
    assert costs.beats_campaign[2] < 0.5


def test_one_country_is_its_campaign_and_cannot_beat_it() -> None:
    costs = shrink(_array(30), _array(12))
    assert costs.cost == pytest.approx([2.5])
    assert np.isnan(costs.beats_campaign).all()


def test_a_campaign_without_listeners_has_nothing_to_shrink_to() -> None:
    costs = shrink(_array(30, 20), _array(0, 0))
    assert np.isnan(costs.cost).all()
    assert np.isnan(costs.beats_campaign).all()


def test_a_country_without_spend_is_left_out_of_the_fit() -> None:
    costs = shrink(_array(30, 20, 0), _array(12, 10, 500))
    alone = shrink(_array(30, 20), _array(12, 10))
    assert costs.cost[:2] == pytest.approx(alone.cost)
    assert np.isnan(costs.cost[2])
    assert np.isnan(costs.beats_campaign[2])


def test_no_countries_give_no_costs() -> None:
    assert shrink(_array(), _array()).cost.size == 0


def test_the_probability_is_the_posterior_mass_above_the_campaigns_rate() -> None:
    spend, count = _array(100, 60, 40), _array(120, 90, 20)
    prior = fit_prior(spend, count)
    assert prior is not None
    campaign = count.sum() / spend.sum()

    def posterior(rate: float) -> float:
        return float(
            stats.gamma.pdf(rate, prior.shape, scale=1 / prior.rate)
            * stats.poisson.pmf(20, rate * 40)
        )

    above, _ = integrate.quad(posterior, campaign, 20)
    below, _ = integrate.quad(posterior, 0, campaign)
    assert shrink(spend, count).beats_campaign[2] == pytest.approx(above / (above + below))


def test_the_fitted_shape_maximises_the_negative_binomial_likelihood() -> None:
    spend, count = _array(100, 60, 40, 90), _array(150, 50, 60, 60)
    prior = fit_prior(spend, count)
    assert prior is not None
    mean = count.sum() / spend.sum()

    def likelihood(shape: float) -> float:
        rate = shape / mean
        return float(stats.nbinom.logpmf(count, shape, rate / (rate + spend)).sum())

    assert PRIOR_SHAPES[0] < prior.shape < PRIOR_SHAPES[1]
    assert likelihood(prior.shape) > likelihood(prior.shape * 1.05)
    assert likelihood(prior.shape) > likelihood(prior.shape / 1.05)
    assert prior.shape / prior.rate == pytest.approx(mean)


def test_shrunk_costs_are_nearer_the_truth_than_raw_ones() -> None:
    generator = np.random.default_rng(1)
    raw_error = shrunk_error = 0.0
    for _ in range(20):
        truth = generator.gamma(8, 1 / 4, size=30)
        spend = generator.uniform(2, 40, size=30)
        count = generator.poisson(truth * spend).astype(np.float64)
        raw_error += float(((count / spend - truth) ** 2).sum())
        shrunk_error += float(((1 / shrink(spend, count).cost - truth) ** 2).sum())
    assert shrunk_error < 0.8 * raw_error


def test_the_fit_finds_how_much_countries_differ() -> None:
    generator = np.random.default_rng(2)
    truth = generator.gamma(5, 1 / 2, size=400)
    spend = generator.uniform(20, 200, size=400)
    prior = fit_prior(spend, generator.poisson(truth * spend).astype(np.float64))
    assert prior is not None
    assert prior.shape == pytest.approx(5, rel=0.2)


@given(
    st.lists(st.tuples(st.floats(0.01, 10_000), st.integers(0, 10_000)), min_size=1, max_size=12)
)
@settings(max_examples=60, deadline=None)
def test_a_shrunk_cost_lies_between_the_countrys_and_the_campaigns(
    countries: list[tuple[float, int]],
) -> None:
    spend = _array(*(amount for amount, _ in countries))
    count = _array(*(people for _, people in countries))
    costs = shrink(spend, count)
    if count.sum() == 0:
        assert np.isnan(costs.cost).all()
        return
    campaign = spend.sum() / count.sum()
    for country, cost in zip(countries, costs.cost, strict=True):
        raw = country[0] / country[1] if country[1] else np.inf
        assert min(raw, campaign) * (1 - 1e-9) <= cost <= max(raw, campaign) * (1 + 1e-9)
        assert np.isfinite(cost)
    known = costs.beats_campaign[~np.isnan(costs.beats_campaign)]
    assert ((known >= 0) & (known <= 1)).all()
    assert known.size == (len(countries) if len(countries) > 1 else 0)
