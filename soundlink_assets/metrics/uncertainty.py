"""How sure a cost or a rate is: intervals, and costs shrunk to their campaign.

Counts are taken as Poisson, clicks as binomial, both with a dispersion that is estimated from the
days: listeners who return, and days that resemble one another, make a sum vary more than its
number suggests. Arrays in, arrays out; NaN where a figure is undefined.
"""

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

# Not `scipy.stats`: importing it takes a second, and every run would pay it.
from scipy import optimize, special

Array = npt.NDArray[np.float64]

CONFIDENCE = 0.95
_TAIL = (1 - CONFIDENCE) / 2
_Z = float(-special.ndtri(_TAIL))

LEAST_DAYS = 7
"""With fewer days of spend (or impressions) no dispersion is estimated: it is taken as 1."""

MOST_LAG = 10
"""Days this far apart are taken to resemble one another, in a long series."""

PRIOR_SHAPES = (0.1, 100.0)
"""Least and greatest shape of a prior. Its inverse root is how much the countries of a campaign
differ: by 10 percent at least, so that no country is ever taken for exactly average."""

_GRID: Array = np.linspace(np.log(PRIOR_SHAPES[0]), np.log(PRIOR_SHAPES[1]), 70)


def dispersion(counts: Array, exposure: Array, *, is_share: bool = False) -> Array:
    """The variance of a sum over days, in variances of a Poisson count as large; at least 1.

    `counts` and `exposure` (spend, or impressions with `is_share`) have a row per series and a
    column per calendar day; days without exposure are left out. The variance of the sum, given the
    exposure, is that of a ratio estimator with neighbouring days correlated (Newey and West 1987,
    Bartlett weights up to a third of the days and at most `MOST_LAG`), over that of independent
    counts (McCullagh and Nelder 1989, chapter 6). It is raised by what a Student quantile has over
    a normal one, since it is estimated from a few days. 1 below `LEAST_DAYS` days.

    What the intervals then cover is simulated in the tests: 95 percent where days vary each on its
    own; 90 or more from 28 days on where listeners return, or good days follow good days; less on
    fewer such days.
    """
    paid = exposure > 0
    amount, count = np.where(paid, exposure, 0.0), np.where(paid, counts, 0.0)
    total = count.sum(axis=1)
    days = paid.sum(axis=1)
    rate = _quotient(total, amount.sum(axis=1))
    residual = count - rate[:, None] * amount

    lags = np.minimum(MOST_LAG, days // 3)
    variance = (residual**2).sum(axis=1)
    for lag in range(1, min(MOST_LAG, counts.shape[1] - 1) + 1):
        weight = np.maximum(0.0, 1 - lag / (lags + 1))
        variance += 2 * weight * (residual[:, lag:] * residual[:, :-lag]).sum(axis=1)
    enough = days >= LEAST_DAYS
    free = np.where(enough, days - lags - 1, 1)
    student = special.stdtrit(np.minimum(days - 1, 1.5 * days / (lags + 1)).clip(1), 1 - _TAIL)
    independent = total * (1 - rate) if is_share else total
    found = _quotient(variance * days / free, independent) * (student / _Z) ** 2
    return np.where(enough & (found > 1), found, 1.0)


def poisson_interval(count: Array) -> tuple[Array, Array]:
    """Exact 95 percent interval of a Poisson mean, after Garwood, from gamma quantiles."""
    low = np.where(count > 0, special.gammaincinv(count, _TAIL), 0.0)
    high = special.gammainccinv(count + 1, _TAIL)
    return np.where(np.isnan(count), np.nan, low), high


def cost_interval(spend: Array, count: Array, dispersed: Array) -> tuple[Array, Array]:
    """95 percent interval of spend / count, the spend being exact.

    `dispersed` is the `dispersion` of the count: it is worth that many times fewer. The upper end
    is NaN (unbounded) where nothing was counted; both are NaN without spend.
    """
    fewest, most = (dispersed * end for end in poisson_interval(count / dispersed))
    paid = np.where(spend > 0, spend, np.nan)
    return paid / most, _quotient(paid, fewest)


def wilson_interval(successes: Array, trials: Array, dispersed: Array) -> tuple[Array, Array]:
    """95 percent interval of a proportion, after Wilson, of trials worth `dispersed` times fewer.

    NaN without trials, and where there are more successes than trials: then it is not a proportion.
    """
    valid = (trials > 0) & (successes <= trials)
    share = _quotient(np.where(valid, successes, np.nan), trials)
    n = np.where(valid, trials, np.nan) / dispersed
    centre = share + _Z**2 / (2 * n)
    half = _Z * np.sqrt(share * (1 - share) / n + _Z**2 / (4 * n**2))
    scale = 1 + _Z**2 / n
    return np.maximum((centre - half) / scale, 0.0), np.minimum((centre + half) / scale, 1.0)


def _quotient(numerator: Array, denominator: Array) -> Array:
    """NaN where the denominator is not positive."""
    return numerator / np.where(denominator > 0, denominator, np.nan)


@dataclass(frozen=True, slots=True)
class GammaPrior:
    """How the countries of a campaign differ in listeners per amount spent.

    The mean, shape / rate, is the campaign's own, all its countries together; the smaller the
    shape, the more those with spend differ.
    """

    shape: float
    rate: float


def fit_prior(spend: Array, count: Array, mean: float) -> GammaPrior:
    """The prior of a campaign from the spend (all positive) and counts of its countries with spend.

    `mean` is the campaign's count per spend. It is given, because the campaign also counts people
    in countries without spend, of which a cost says nothing. The shape maximises the marginal
    (negative binomial) likelihood within `PRIOR_SHAPES`. That can have several maxima: a grid finds
    the greatest.
    """

    def loss(log_shape: Any) -> Any:
        shape = np.exp(np.atleast_1d(log_shape))[:, None]
        rate = shape / mean
        likelihood = (
            special.gammaln(shape + count)
            - special.gammaln(shape)
            + shape * np.log(rate)
            - (shape + count) * np.log(rate + spend)
        )
        return -likelihood.sum(axis=1)

    best = int(np.argmin(loss(_GRID)))
    around = (_GRID[max(best - 1, 0)], _GRID[min(best + 1, _GRID.size - 1)])
    found: Any = optimize.minimize_scalar(
        lambda log_shape: loss(log_shape).item(), bounds=around, method="bounded"
    )
    shape = float(np.exp(found.x))
    return GammaPrior(shape, shape / mean)


@dataclass(frozen=True, slots=True)
class ShrunkCosts:
    """Per country: its cost shrunk to the campaign's, and the chance that it beats the campaign."""

    cost: Array
    beats_campaign: Array


def shrink(spend: Array, count: Array, dispersed: Array) -> ShrunkCosts:
    """Costs of the countries of one campaign, pulled to the campaign the more the less they spent.

    Spend and count of a country are worth `dispersed` (its `dispersion`) times less. The campaign's
    cost is all its spend over all its count, countries without spend included, as a reader sees it;
    it is taken as known. `beats_campaign` is the probability that a country's true cost is below
    it; NaN if only one country has spend. Both are NaN for a country without spend, and for all if
    the campaign has no spend or nothing was counted.
    """
    cost = np.full(spend.shape, np.nan)
    beats = np.full(spend.shape, np.nan)
    paid = spend > 0
    if spend.sum() > 0 and count.sum() > 0:
        campaign = float(count.sum() / spend.sum())
        worth_spend, worth_count = (spend / dispersed)[paid], (count / dispersed)[paid]
        prior = fit_prior(worth_spend, worth_count, campaign)
        shape, rate = prior.shape + worth_count, prior.rate + worth_spend
        cost[paid] = rate / shape
        if paid.sum() > 1:
            beats[paid] = special.gammaincc(shape, rate * campaign)
    return ShrunkCosts(cost, beats)
