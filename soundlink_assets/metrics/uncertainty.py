"""How sure a cost or a rate is, from counts alone: intervals, and costs shrunk to their campaign.

Counts are taken as Poisson, clicks as binomial. People who come back on later days and days that
resemble one another make real uncertainty larger, so the intervals are a lower bound of it.
Arrays in, arrays out; NaN where a figure is undefined.
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

PRIOR_SHAPES = (0.1, 100.0)
"""Least and greatest shape of a prior. Its inverse root is how much the countries of a campaign
differ: by 10 percent at least, so that no country is ever taken for exactly average."""


def poisson_interval(count: Array) -> tuple[Array, Array]:
    """Exact 95 percent interval of a Poisson mean, after Garwood, from gamma quantiles."""
    low = np.where(count > 0, special.gammaincinv(count, _TAIL), 0.0)
    high = special.gammainccinv(count + 1, _TAIL)
    return np.where(np.isnan(count), np.nan, low), high


def cost_interval(spend: Array, count: Array) -> tuple[Array, Array]:
    """95 percent interval of spend / count, the spend being exact.

    Its upper end is NaN (unbounded) where nothing was counted; both are NaN without spend.
    """
    fewest, most = poisson_interval(count)
    paid = np.where(spend > 0, spend, np.nan)
    return paid / most, np.divide(paid, fewest, out=np.full_like(paid, np.nan), where=fewest > 0)


def wilson_interval(successes: Array, trials: Array) -> tuple[Array, Array]:
    """95 percent interval of a proportion, after Wilson.

    NaN without trials, and where there are more successes than trials: then it is no proportion.
    """
    valid = (trials > 0) & (successes <= trials)
    n = np.where(valid, trials, np.nan)
    share = successes / n
    z = -special.ndtri(_TAIL)
    centre = share + z**2 / (2 * n)
    half = z * np.sqrt(share * (1 - share) / n + z**2 / (4 * n**2))
    scale = 1 + z**2 / n
    return np.maximum((centre - half) / scale, 0.0), np.minimum((centre + half) / scale, 1.0)


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
    (negative binomial) likelihood within `PRIOR_SHAPES`.
    """

    def misfit(log_shape: float) -> float:
        shape = np.exp(log_shape)
        rate = shape / mean
        likelihood = (
            special.gammaln(shape + count)
            - special.gammaln(shape)
            + shape * np.log(rate)
            - (shape + count) * np.log(rate + spend)
        )
        return -float(likelihood.sum())

    found: Any = optimize.minimize_scalar(misfit, bounds=np.log(PRIOR_SHAPES), method="bounded")
    shape = float(np.exp(found.x))
    return GammaPrior(shape, shape / mean)


@dataclass(frozen=True, slots=True)
class ShrunkCosts:
    """Per country: its cost shrunk to the campaign's, and the chance that it beats the campaign."""

    cost: Array
    beats_campaign: Array


def shrink(spend: Array, count: Array) -> ShrunkCosts:
    """Costs of the countries of one campaign, pulled to the campaign the more the less they spent.

    The campaign's cost is all its spend over all its count, countries without spend included, as a
    reader sees it; it is taken as known. `beats_campaign` is the probability that a country's true
    cost is below it; NaN if only one country has spend. Both are NaN for a country without spend,
    and for all if the campaign has no spend or nothing was counted.
    """
    cost = np.full(spend.shape, np.nan)
    beats = np.full(spend.shape, np.nan)
    paid = spend > 0
    if spend.sum() > 0 and count.sum() > 0:
        campaign = float(count.sum() / spend.sum())
        prior = fit_prior(spend[paid], count[paid], campaign)
        shape, rate = prior.shape + count[paid], prior.rate + spend[paid]
        cost[paid] = rate / shape
        if paid.sum() > 1:
            beats[paid] = special.gammaincc(shape, rate * campaign)
    return ShrunkCosts(cost, beats)
