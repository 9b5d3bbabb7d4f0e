"""What an open day will come to: the estimate behind `nowcast`, arrays in and arrays out.

**Counts** grow as late reports come in. The part of the final count that is reported at an age is
the chain ladder's: sum of reported over sum of final counts of past final days (Mack 1993). It is
shrunk to the organisation's by `PRIOR_COUNT` counts. What is still missing combines the day's own
count with the level of the campaign's days, the more of the latter the fewer were counted and the
more alike the days are (Bornhuetter-Ferguson credibility, Mack 2000; equivalently, the posterior
mean of a Gamma-Poisson day). Its error is negative binomial (Johnson et al. 2025, baselinenowcast):
what the day's level and the estimated completeness leave open, plus an excess dispersion by age.
That comes from its likelihood on past nowcasts, each of a final day from those that were final when
it was open; other campaigns of the organisation count for `PRIOR_DAYS` days in it (power prior,
Ibrahim and Chen 2000). The same likelihood decides how far completeness goes by weekday.

**Downward revisions** are a separate case: the share of days that fell, and by how much. A day's
revision is a mixture of the two.

**Money** is corrected in both directions and in proportion: final = factor x reported, with a
Student t error from past days.

References: Mack (1993) ASTIN Bulletin 23:213; Mack (2000) ASTIN Bulletin 30:333; Höhle and an der
Heiden (2014) Biometrics 70:993; Ibrahim and Chen (2000) Statistical Science 15:46; Bracher et al.
(2021) PLOS Computational Biology 17:e1008618; Johnson et al. (2025) baselinenowcast.

What is read from tables, and when there is too little history to speak, is in `nowcast`.
"""

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

# Not `scipy.stats`: importing it takes a second, and every run would pay it.
from scipy import special

Array = npt.NDArray[np.float64]
Index = npt.NDArray[np.int64]
Flags = npt.NDArray[np.bool_]

AGES = 7
"""Ages of an open day: 0 to 6 whole days since it closed."""

PRIOR_COUNT = 50.0
"""Final counts that the organisation's completeness is worth in that of a campaign."""

PRIOR_DAYS = 14.0
"""Days that the other campaigns are worth in the dispersion of one, and in its share of falls."""

STEADIEST = 30.0
UNSTEADY = 0.5
"""Most and least counts that a campaign's level is worth beside those of the day itself."""

TRUST = 0.999
"""Probability that a day is like the campaign's other days."""

LEVEL_DAYS = 14
FEW_DAYS = 7
"""Newest days that make a campaign's level, and the fewest final ones among them."""

LEAST_LEVEL = 0.05

_DISPERSIONS = np.geomspace(0.001, 2.0, 10)


@dataclass(frozen=True, slots=True)
class History:
    """Final days of several series (a measure of a campaign each), and how they came about.

    `reported[s, d, a]` is the value of day d at age a, NaN where it was not fetched then;
    `final[s, d]` the final one, NaN where the day is not final. `group[s]` numbers the
    organisation (and measure) whose series are alike; `weekday[d]` is 0 to 6.
    """

    reported: Array
    final: Array
    group: Index
    weekday: Index

    @property
    def known(self) -> Flags:
        """Where both the reported and the final value are known."""
        return np.isfinite(self.reported) & np.isfinite(self.final)[:, :, None]

    def of_group(self, values: Array) -> Array:
        """Sums of the first axis over the series of each one's group."""
        sums = np.zeros((int(self.group.max(initial=-1)) + 1, *values.shape[1:]))
        np.add.at(sums, self.group, values)
        return np.asarray(sums[self.group], np.float64)

    def of(self, chosen: Flags) -> "History":
        """The chosen series."""
        return History(self.reported[chosen], self.final[chosen], self.group[chosen], self.weekday)


@dataclass(frozen=True, slots=True)
class OpenDays:
    """What is reported of open days: index of the series, age, weekday and value of each."""

    series: Index
    age: Index
    weekday: Index
    value: Array


@dataclass(frozen=True, slots=True)
class Expectation:
    """Mean of the final value, and the ends of its 95 and 50 percent intervals."""

    mean: Array
    low: Array
    high: Array
    low_50: Array
    high_50: Array


def expected_counts(history: History, days: OpenDays) -> Expectation:
    """What open days of counts will come to. Intervals hold at least what they say."""
    known = history.known
    final = np.broadcast_to(history.final[:, :, None], known.shape)
    fell = known & (final < history.reported)
    s, a = days.series, days.age
    missing, size = _missing_counts(history, known & ~fell, days)
    share, part, fall_size = (values[s, a] for values in _falls(history, known, fell))
    share = np.where(days.value > 0, share, 0.0)  # nothing cannot fall
    withdrawn = np.minimum(np.maximum(part * days.value, share > 0), days.value)

    def ends(confidence: float) -> tuple[Array, Array]:
        """From the lower quantile up to where the interval holds that much."""

        def quantile(level: Array) -> Array:
            falls = (level <= share) | (share == 1)
            down = _quantile(1 - level / np.where(falls, share, 1.0), withdrawn, fall_size)
            up = _quantile((level - share) / (1 - np.where(falls, 0.0, share)), missing, size)
            return np.where(falls, -np.minimum(down, days.value), up)

        low = quantile(np.full(len(s), (1 - confidence) / 2))
        below = np.where(
            low > 0,
            share + (1 - share) * _cumulative(low - 1, missing, size),
            np.where(low < 0, share * (1 - _cumulative(-low, withdrawn, fall_size)), share),
        )
        # No day falls below zero.
        below = np.where((days.value > 0) & (low == -days.value), 0.0, below)
        return days.value + low, days.value + quantile(below + confidence)

    mean = days.value + (1 - share) * missing - share * withdrawn
    return Expectation(mean, *ends(0.95), *ends(0.5))


def expected_amounts(history: History, days: OpenDays) -> Expectation:
    """What open days of money will come to; NaN where nothing is reported."""
    usable = history.known & (history.reported > 0)
    y = np.where(usable, history.reported, 0.0)
    final = np.where(usable, history.final[:, :, None], 0.0)
    n, sum_y, sum_f = usable.sum(1).astype(float), y.sum(1), final.sum(1)
    group_factor = _ratio(history.of_group(sum_f), history.of_group(sum_y))
    others = history.of_group(n) - n
    weight = np.minimum(others, PRIOR_DAYS)
    factor = (n * _ratio(sum_f, sum_y) + weight * group_factor) / np.maximum(n + weight, 1)
    error = np.where(usable, final / np.where(usable, y, 1.0) - factor[:, None, :], 0.0)
    squares = (error**2).sum(1)
    other_squares = (history.of_group(squares) - squares) / np.maximum(others, 1)
    freedom = np.maximum(n + weight - 1, 1)
    spread = np.sqrt((squares + weight * other_squares) / freedom * (1 + 1 / (n + weight + 1)))
    s, a, value = days.series, days.age, np.where(days.value > 0, days.value, np.nan)

    def ends(confidence: float) -> tuple[Array, Array]:
        half = special.stdtrit(freedom[s, a], (1 + confidence) / 2) * spread[s, a]
        return np.maximum(value * (factor[s, a] - half), 0.0), value * (factor[s, a] + half)

    return Expectation(value * factor[s, a], *ends(0.95), *ends(0.5))


def _missing_counts(history: History, rose: Flags, days: OpenDays) -> tuple[Array, Array]:
    """Mean and size of the negative binomial of what is missing from each open day, if it rises."""
    y = np.where(rose, history.reported, 0.0)
    f = np.where(rose, history.final[:, :, None], 0.0)
    level = _Level.of(history.final)
    sum_y, sum_f = y.sum(1), f.sum(1)
    other_y, other_f = history.of_group(sum_y) - sum_y, history.of_group(sum_f) - sum_f
    prior = (other_y + 0.5) / (other_f + 1)
    weight = np.clip(other_f, 1.0, PRIOR_COUNT)
    share = (sum_y + weight * prior) / (sum_f + weight)

    # Completeness for all weekdays together, then for each; and both as each day found them, from
    # the days that were final when it was open.
    alike = (history.weekday[:, None] == np.arange(7)).astype(float)[:, :, None]
    week_y, week_f = ((values[:, :, None] * alike).sum(1) for values in (y, f))
    week_share = (week_y + PRIOR_COUNT * share[:, None]) / (week_f + PRIOR_COUNT)
    past_y, past_f = _before(y), _before(f)
    past_share = (past_y + (weight * prior)[:, None]) / (past_f + weight[:, None])
    past_week_y, past_week_f = (
        (_before(values[:, :, None] * alike) * alike).sum(2) for values in (y, f)
    )
    past_week_share = (past_week_y + PRIOR_COUNT * past_share) / (past_week_f + PRIOR_COUNT)
    models = ((past_share, past_f + weight[:, None]), (past_week_share, past_week_f + PRIOR_COUNT))
    of_days = level[:, None, None]
    likelihoods = np.stack(
        [_likelihoods(f - y, *of_days.missing(y, *model), rose) for model in models]
    )
    posterior = _posterior(history, likelihoods, rose)
    s, a, w = days.series, days.age, days.weekday
    by_week = posterior[1].sum(-1)[s, a]
    here = share[s, a] + by_week * (week_share[s, w, a] - share[s, a])
    counts = (sum_f + weight)[s, a]
    counts += by_week * (week_f[s, w, a] + PRIOR_COUNT - counts)
    mean, variance = level[s].missing(days.value, here, counts)
    return mean, 1 / (variance + _dispersion(posterior)[s, a])


@dataclass(frozen=True, slots=True)
class _Level:
    """What is expected of a day before it is counted, by series.

    `mean` is the final value of a day; `steadiness` how many counts it is worth, the more the more
    alike the days are; `trust` the probability that a day is like the others at all.
    """

    mean: Array
    steadiness: Array
    trust: Array

    @classmethod
    def of(cls, final: Array) -> "_Level":
        final = final[:, -LEVEL_DAYS:]
        known = np.isfinite(final)
        n = known.sum(1)
        mean = np.where(known, final, 0.0).sum(1) / np.maximum(n, 1)
        squares = np.where(known, (final - mean[:, None]) ** 2, 0.0).sum(1)
        excess = np.maximum(squares / np.maximum(n - 1, 1) - mean, 1e-9)
        steadiness = np.clip(mean**2 / excess, UNSTEADY, STEADIEST)
        return cls(np.maximum(mean, LEAST_LEVEL), steadiness, np.where(n < FEW_DAYS, 0.0, TRUST))

    def __getitem__(self, at: Any) -> "_Level":
        return _Level(self.mean[at], self.steadiness[at], self.trust[at])

    def missing(self, value: Array, share: Array, counts: Array) -> tuple[Array, Array]:
        """Mean of what is missing, and its squared relative error without the excess dispersion.

        `share` is the completeness, estimated from `counts` final counts. A day that would be
        surprising at this level (a budget was raised, the campaign stopped) is judged by itself.
        """
        seen = share * self.mean
        like = self.trust * np.exp(_log_chance(value, seen, self.steadiness))
        unlike = (1 - self.trust) * np.exp(_log_chance(value, seen, np.array(UNSTEADY)))
        trust = np.divide(like, like + unlike, out=np.zeros_like(like), where=like + unlike > 0)
        worth = UNSTEADY + trust * (self.steadiness - UNSTEADY)
        left = np.maximum(1 - share, 1e-12)  # a share next to one is rounded to it
        mean = left * (value + worth) / (share + trust * self.steadiness / self.mean)
        return mean, 1 / (value + worth) + 1 / (share * left * counts)


def _before(values: Array) -> Array:
    """Sums over the days that were final when each day was open: those a week or more before it."""
    sums = np.zeros_like(values)
    sums[:, AGES:] = values.cumsum(1)[:, :-AGES]
    return sums


def _falls(history: History, known: Flags, fell: Flags) -> tuple[Array, Array, Array]:
    """Per series and age: share of days that fell, part that a fall withdrew, size of its error."""
    n, falls = known.sum(1).astype(float), fell.sum(1).astype(float)
    others, other_falls = history.of_group(n) - n, history.of_group(falls) - falls
    weight = np.minimum(others, PRIOR_DAYS)
    share = (falls + weight * _ratio(other_falls, others)) / np.maximum(n + weight, 1)
    y = np.where(fell, history.reported, 0.0)
    drop = np.where(fell, history.reported - history.final[:, :, None], 0.0)
    part = _ratio(history.of_group(drop.sum(1)), history.of_group(y.sum(1)))
    mean = np.maximum(part[:, None] * y, 1.0)
    posterior = _posterior(history, _likelihoods(drop, mean, np.zeros_like(y), fell)[None], fell)
    return share, part, 1 / _dispersion(posterior)


def _likelihoods(count: Array, mean: Array, variance: Array, where: Flags) -> Array:
    """Negative binomial log likelihood per series, age and excess dispersion, over the days."""
    size = 1 / (variance[..., None] + _DISPERSIONS)
    likelihood = _log_chance(count[..., None], mean[..., None], size)
    return np.asarray(np.where(where[..., None], likelihood, 0.0).sum(1), np.float64)


def _log_chance(count: Array, mean: Array, size: Array) -> Array:
    """Log probability of a negative binomial count."""
    return np.asarray(
        special.gammaln(count + size)
        - special.gammaln(size)
        - special.gammaln(count + 1)
        - size * np.log1p(mean / size)
        + special.xlogy(count, mean / (mean + size))
    )


def _posterior(history: History, likelihoods: Array, where: Flags) -> Array:
    """Weights over models and dispersions [model, series, age, dispersion]; they sum to one."""
    n = where.sum(1).astype(float)
    others = history.of_group(n) - n
    discount = np.minimum(PRIOR_DAYS / np.maximum(others, 1), 1.0)[..., None]
    log = np.stack([own + discount * (history.of_group(own) - own) for own in likelihoods])
    weight = np.exp(log - log.max((0, -1), keepdims=True))
    return np.asarray(weight / weight.sum((0, -1), keepdims=True), np.float64)


def _dispersion(posterior: Array) -> Array:
    """The excess dispersion [series, age]: 1.5 standard deviations above its posterior mean.

    Above, because reports of one day have causes in common, which makes past days look more alike
    than they are.
    """
    weight = posterior.sum(0)
    mean = weight @ _DISPERSIONS
    return np.asarray(mean + 1.5 * np.sqrt(np.maximum(weight @ _DISPERSIONS**2 - mean**2, 0)))


def _ratio(above: Array, below: Array) -> Array:
    return np.divide(above, below, out=np.zeros_like(above), where=below > 0)


def _cumulative(count: Array, mean: Array, size: Array) -> Array:
    """Probability that a negative binomial count is at most `count`."""
    chance = size / (size + mean)
    return np.asarray(
        np.where(count < 0, 0.0, special.betainc(size, np.maximum(count, 0) + 1, chance))
    )


def _quantile(level: Array, mean: Array, size: Array) -> Array:
    """Least count whose cumulative probability reaches `level`; 0 for a level of at most 0."""
    low = np.full(mean.shape, -1.0)
    high = np.ones(mean.shape)
    while (short := _cumulative(high, mean, size) < np.minimum(level, 1 - 1e-9)).any():
        high = np.where(short, 2 * high + 1, high)
    while (high - low > 1).any():
        middle = np.floor((low + high) / 2)
        reached = _cumulative(middle, mean, size) >= np.minimum(level, 1 - 1e-9)
        low, high = np.where(reached, low, middle), np.where(reached, middle, high)
    return high
