"""Intervals and shrinkage, against tables, definitions and simulations."""

from collections.abc import Callable

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import integrate, stats

from soundlink_assets.metrics.uncertainty import (
    PRIOR_SHAPES,
    Array,
    cost_interval,
    dispersion,
    fit_prior,
    poisson_interval,
    shrink,
    wilson_interval,
)


def _array(*values: float) -> Array:
    return np.array(values, dtype=np.float64)


ONE = _array(1)
"""Counts that vary as chance alone lets them."""


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
    low, high = cost_interval(_array(50), _array(10), ONE)
    assert low[0] == pytest.approx(50 / 18.3904, rel=1e-4)
    assert high[0] == pytest.approx(50 / 4.7954, rel=1e-4)


def test_a_cost_without_any_count_has_no_upper_bound() -> None:
    low, high = cost_interval(_array(50), _array(0), ONE)
    assert low[0] == pytest.approx(50 / 3.6889, rel=1e-4)
    assert np.isnan(high[0])


def test_no_spend_and_unknown_counts_have_no_cost_interval() -> None:
    low, high = cost_interval(_array(0, np.nan, 5), _array(3, 3, np.nan), ONE)
    assert np.isnan(low).all()
    assert np.isnan(high).all()


@given(trials=st.integers(1, 10_000), share=st.floats(0, 1))
@settings(max_examples=40, deadline=None)
def test_wilson_intervals_are_those_of_scipy(trials: int, share: float) -> None:
    successes = round(trials * share)
    low, high = wilson_interval(_array(successes), _array(trials), ONE)
    expected = stats.binomtest(successes, trials).proportion_ci(0.95, method="wilson")
    assert low[0] == pytest.approx(expected.low, abs=1e-9)
    assert high[0] == pytest.approx(expected.high, abs=1e-9)


def test_more_clicks_than_impressions_and_no_impressions_have_no_interval() -> None:
    low, high = wilson_interval(_array(5, 0, np.nan), _array(4, 0, 10), ONE)
    assert np.isnan(low).all()
    assert np.isnan(high).all()


def test_countries_that_are_alike_are_pooled() -> None:
    costs = shrink(_array(100, 100, 1), _array(200, 200, 2), ONE).cost
    assert costs == pytest.approx([0.5, 0.5, 0.5])


def test_little_data_is_pulled_to_the_campaign_and_much_data_hardly() -> None:
    spend, count = _array(1000, 1000, 1), _array(1000, 4000, 4)
    campaign = spend.sum() / count.sum()
    costs = shrink(spend, count, ONE).cost
    raw = spend / count
    pulled = (costs - raw) / (campaign - raw)
    assert pulled[0] < 0.01
    assert pulled[1] < 0.01
    assert pulled[2] > 0.2


def test_a_country_without_listeners_has_a_finite_shrunk_cost() -> None:
    costs = shrink(_array(100, 100, 5), _array(100, 50, 0), ONE)
    assert np.isfinite(costs.cost).all()
    assert costs.cost[2] > 200 / 150
    assert costs.beats_campaign[2] < 0.5


def test_one_country_is_its_campaign_and_cannot_beat_it() -> None:
    costs = shrink(_array(30), _array(12), ONE)
    assert costs.cost == pytest.approx([2.5])
    assert np.isnan(costs.beats_campaign).all()


def test_a_campaign_without_listeners_has_nothing_to_shrink_to() -> None:
    costs = shrink(_array(30, 20), _array(0, 0), ONE)
    assert np.isnan(costs.cost).all()
    assert np.isnan(costs.beats_campaign).all()


def test_a_country_without_spend_has_no_cost_but_lowers_that_of_its_campaign() -> None:
    """400 spent on 2,000 people: 0.20 each. Both paid countries are dearer than that."""
    costs = shrink(_array(217, 183, 0), _array(1000, 600, 400), ONE)
    assert (costs.beats_campaign[:2] < 0.01).all()
    assert 0.2 < costs.cost[0] < 0.217
    assert 0.2 < costs.cost[1] < 0.305
    assert np.isnan(costs.cost[2])
    assert np.isnan(costs.beats_campaign[2])


def test_countries_without_spend_are_one_or_many_all_the_same() -> None:
    together = shrink(_array(30, 20, 0), _array(12, 10, 8), ONE)
    apart = shrink(_array(30, 20, 0, 0), _array(12, 10, 5, 3), ONE)
    assert apart.cost[:2] == pytest.approx(together.cost[:2])
    assert apart.beats_campaign[:2] == pytest.approx(together.beats_campaign[:2])


def test_the_spread_is_fitted_to_the_countries_with_spend() -> None:
    spend, count = _array(30, 20), _array(12, 30)
    prior = fit_prior(spend, count, 50 / 50)
    costs = shrink(_array(30, 20, 0), _array(12, 30, 8), ONE).cost[:2]
    assert costs == pytest.approx((prior.rate + spend) / (prior.shape + count))


def test_a_paid_country_without_listeners_is_dearer_than_a_campaign_that_has_some() -> None:
    costs = shrink(_array(30, 20, 0), _array(0, 0, 10), ONE)
    assert (costs.cost[:2] > 50 / 10).all()
    assert (costs.beats_campaign[:2] < 0.5).all()


def test_a_campaign_without_spend_has_no_costs() -> None:
    costs = shrink(_array(0, 0), _array(12, 10), ONE)
    assert np.isnan(costs.cost).all()
    assert np.isnan(costs.beats_campaign).all()


def test_a_campaign_whose_spend_was_taken_back_has_no_costs() -> None:
    costs = shrink(_array(30, -30), _array(12, 10), ONE)
    assert np.isnan(costs.cost).all()
    assert np.isnan(costs.beats_campaign).all()


def test_no_countries_give_no_costs() -> None:
    assert shrink(_array(), _array(), ONE).cost.size == 0


def test_the_probability_is_the_posterior_mass_above_the_campaigns_rate() -> None:
    spend, count = _array(100, 60, 40), _array(120, 90, 20)
    campaign = count.sum() / spend.sum()
    prior = fit_prior(spend, count, campaign)

    def posterior(rate: float) -> float:
        return float(
            stats.gamma.pdf(rate, prior.shape, scale=1 / prior.rate)
            * stats.poisson.pmf(20, rate * 40)
        )

    above, _ = integrate.quad(posterior, campaign, 20)
    below, _ = integrate.quad(posterior, 0, campaign)
    assert shrink(spend, count, ONE).beats_campaign[2] == pytest.approx(above / (above + below))


def test_the_fitted_shape_maximises_the_negative_binomial_likelihood() -> None:
    spend, count = _array(100, 60, 40, 90), _array(150, 50, 60, 60)
    mean = count.sum() / spend.sum()
    prior = fit_prior(spend, count, mean)

    def likelihood(shape: float) -> float:
        rate = shape / mean
        return float(stats.nbinom.logpmf(count, shape, rate / (rate + spend)).sum())

    assert PRIOR_SHAPES[0] < prior.shape < PRIOR_SHAPES[1]
    assert likelihood(prior.shape) > likelihood(prior.shape * 1.05)
    assert likelihood(prior.shape) > likelihood(prior.shape / 1.05)
    assert prior.shape / prior.rate == pytest.approx(mean)


def test_the_fit_is_never_worse_than_a_grid() -> None:
    """Also where the likelihood has several maxima, as on countries of very different size."""
    generator = np.random.default_rng(4)
    for _ in range(1500):
        size = generator.integers(2, 9)
        spend = 10 ** generator.uniform(-2, 4, size)
        count = generator.poisson(spend * 10 ** generator.uniform(-3, 2, size)).astype(np.float64)
        if not count.sum():
            continue
        mean = count.sum() / spend.sum()

        def likelihood(shapes: Array, spend: Array, count: Array, mean: float) -> Array:
            rate = (shapes / mean)[:, None]
            terms = stats.nbinom.logpmf(count, shapes[:, None], rate / (rate + spend))
            return np.asarray(terms.sum(axis=1), dtype=np.float64)

        found = likelihood(_array(fit_prior(spend, count, mean).shape), spend, count, mean).item()
        grid = likelihood(np.geomspace(*PRIOR_SHAPES, 200), spend, count, mean)
        assert found >= grid.max() - 1e-3


def test_a_country_counts_the_less_the_more_its_days_differ() -> None:
    spend, count = _array(100, 100, 100), _array(150, 80, 100)
    surer, less_sure = shrink(spend, count, ONE), shrink(spend, count, _array(5, 5, 5))
    campaign = 300 / 330
    assert (np.abs(less_sure.cost - campaign) < np.abs(surer.cost - campaign)).all()
    assert 0.5 < less_sure.beats_campaign[0] < surer.beats_campaign[0]


# Dispersion of days

DAYS, SERIES = 28, 1500
SPEND = np.random.default_rng(5).uniform(0.5, 1.5, DAYS) * np.ones((SERIES, 1))


def _on_their_own(size: float) -> Array:
    """Days that vary each on its own: five times the variance of chance."""
    generator = np.random.default_rng(6)
    return generator.poisson(generator.gamma(size * SPEND / 4, 4)).astype(np.float64)


def _following_one_another(size: float) -> Array:
    """Good days follow good days: a first-order process with a standard deviation of 20 percent."""
    generator = np.random.default_rng(7)
    state = generator.normal(size=(SERIES, 1))
    states = [state := 0.6 * state + 0.8 * generator.normal(size=(SERIES, 1)) for _ in range(DAYS)]
    level = np.exp(0.2 * np.concatenate(states, axis=1) - 0.02)
    return generator.poisson(size * SPEND * level).astype(np.float64)


def _of_people_who_return(size: float) -> Array:
    """Each new listener comes again on the next day with a probability of two thirds."""
    generator = np.random.default_rng(8)
    before = 30
    spend = np.concatenate([np.ones((SERIES, before)), SPEND], axis=1)
    present = np.zeros(SERIES, dtype=np.int64)
    days = []
    for day in range(before + DAYS):
        present = generator.binomial(present, 2 / 3) + generator.poisson(size * spend[:, day] / 3)
        days.append(present)
    return np.stack(days[before:], axis=1).astype(np.float64)


def _covered(counts: Array, dispersed: Array) -> float:
    """How often the interval of the cost holds the true one."""
    low, high = cost_interval(SPEND.sum(axis=1), counts.sum(axis=1), dispersed)
    truth = SPEND.sum() / counts.sum()
    return float(((low <= truth) & (truth <= np.nan_to_num(high, nan=np.inf))).mean())


@pytest.mark.parametrize("size", [2.0, 5.0, 30.0, 200.0])
@pytest.mark.parametrize(
    ("counts_of", "least"),
    [(_on_their_own, 0.94), (_following_one_another, 0.90), (_of_people_who_return, 0.90)],
)
def test_intervals_cover_what_they_say_where_those_of_chance_alone_do_not(
    counts_of: Callable[[float], Array], least: float, size: float
) -> None:
    counts = counts_of(size)
    assert least <= _covered(counts, dispersion(counts, SPEND)) <= 0.999
    if counts_of is not _following_one_another or size > 5:
        assert _covered(counts, ONE) < 0.85


@pytest.mark.parametrize("size", [2.0, 30.0, 200.0])
def test_days_that_vary_by_chance_alone_are_hardly_widened(size: float) -> None:
    counts = np.random.default_rng(9).poisson(size * SPEND).astype(np.float64)
    dispersed = dispersion(counts, SPEND)
    assert 0.94 <= _covered(counts, dispersed) <= 0.99
    assert np.median(dispersed) < 1.8


def test_a_share_of_trials_is_as_dispersed_as_its_days() -> None:
    generator = np.random.default_rng(10)
    shown = generator.integers(500, 1500, (SERIES, DAYS)).astype(np.float64)
    rates = generator.beta(20, 980, (SERIES, DAYS))
    clicks = generator.binomial(shown.astype(np.int64), rates).astype(np.float64)
    truth = clicks.sum() / shown.sum()
    covered = []
    for dispersed in (dispersion(clicks, shown, is_share=True), ONE):
        low, high = wilson_interval(clicks.sum(axis=1), shown.sum(axis=1), dispersed)
        covered.append(float(((low <= truth) & (truth <= high)).mean()))
    assert covered[0] >= 0.94
    assert covered[1] < 0.9


def test_nothing_is_estimated_from_fewer_than_seven_days_of_spend() -> None:
    wild = np.array([[1, 90, 2, 80, 1, 70, 500, 600]], dtype=np.float64)
    spend = np.array([[1, 1, 1, 1, 1, 1, 0, 0]], dtype=np.float64)
    assert dispersion(wild, spend).tolist() == [1.0]
    assert dispersion(wild, np.ones_like(wild))[0] > 10


def test_days_without_spend_and_series_without_counts_add_nothing() -> None:
    counts, spend = _on_their_own(5)[:20], SPEND[:20]
    apart = np.zeros((20, 2 * DAYS))
    apart[:, :DAYS] = counts
    apart[:, DAYS:] = 7
    beside = np.concatenate([spend, np.zeros_like(spend)], axis=1)
    assert dispersion(apart, beside) == pytest.approx(dispersion(counts, spend))
    assert dispersion(np.zeros((1, 9)), np.ones((1, 9))).tolist() == [1.0]
    assert dispersion(np.zeros((0, 0)), np.zeros((0, 0))).size == 0


def test_shrunk_costs_are_nearer_the_truth_than_raw_ones() -> None:
    generator = np.random.default_rng(1)
    raw_error = shrunk_error = 0.0
    for _ in range(20):
        truth = generator.gamma(8, 1 / 4, size=30)
        spend = generator.uniform(2, 40, size=30)
        count = generator.poisson(truth * spend).astype(np.float64)
        raw_error += float(((count / spend - truth) ** 2).sum())
        shrunk_error += float(((1 / shrink(spend, count, ONE).cost - truth) ** 2).sum())
    assert shrunk_error < 0.8 * raw_error


def test_the_fit_finds_how_much_countries_differ() -> None:
    generator = np.random.default_rng(2)
    truth = generator.gamma(5, 1 / 2, size=400)
    spend = generator.uniform(20, 200, size=400)
    prior = fit_prior(spend, generator.poisson(truth * spend).astype(np.float64), 5 / 2)
    assert prior.shape == pytest.approx(5, rel=0.2)


_amount = st.just(0.0) | st.floats(0.01, 10_000)
_countries = st.lists(st.tuples(_amount, st.integers(0, 10_000)), min_size=1, max_size=12).map(
    lambda countries: _array(*(figure for country in countries for figure in country)).reshape(
        -1, 2
    )
)


@given(_countries)
@settings(max_examples=60, deadline=None)
def test_a_shrunk_cost_lies_between_the_countrys_and_the_campaigns(countries: Array) -> None:
    spend, count = countries.T
    costs = shrink(spend, count, ONE)
    if count.sum() == 0 or spend.sum() == 0:
        assert np.isnan(costs.cost).all()
        return
    campaign = spend.sum() / count.sum()
    paid = spend > 0
    assert np.isnan(costs.cost[~paid]).all()
    for amount, people, cost in zip(spend[paid], count[paid], costs.cost[paid], strict=True):
        raw = amount / people if people else np.inf
        assert min(raw, campaign) * (1 - 1e-9) <= cost <= max(raw, campaign) * (1 + 1e-9)
        assert np.isfinite(cost)


@given(_countries)
@settings(max_examples=60, deadline=None)
def test_what_is_called_cheaper_or_dearer_than_the_campaign_is(countries: Array) -> None:
    """The words of the report: from 95 percent, and up to 5 percent, beside the raw cost."""
    spend, count = countries.T
    beats = shrink(spend, count, ONE).beats_campaign
    known = ~np.isnan(beats)
    paid = int((spend > 0).sum())
    assert known.sum() == (paid if paid > 1 and count.sum() else 0)
    assert ((beats[known] >= 0) & (beats[known] <= 1)).all()
    cheaper = count * spend.sum() > spend * count.sum()
    assert cheaper[known & (beats >= 0.95)].all()
    assert not cheaper[known & (beats <= 0.05)].any()
