"""How much of a day's final figures an export of a given moment shows.

Figures are final from eight days after the day began, when its revision window closes, and do not
change after that. Before, plays are missing that are reported late, and spend is still being
corrected, up or down.
"""

from dataclasses import dataclass
from datetime import UTC, date, datetime, time
from itertools import pairwise
from math import exp

from soundlink_assets.sandbox import draws
from soundlink_assets.schema.window import REVISION_DAYS, final_at

_SPEND_FADE_DAYS = 2.5
_DAY_HOURS = 24.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Completeness:
    """How much of a day's final plays and people an export shows while the day is open.

    `curve` are the fractions that are reported 0, 1, 2, ... days after the day closed, linear in
    between; after its last number, and at the latest when the day is final, all is reported.
    `spread` is how much campaigns differ: each raises the curve to a power of its own, between
    e^-spread and e^spread. `noise` is the standard deviation (of the logarithm) by which the
    fraction varies from export to export, so that figures are also revised downwards.
    `overreported` is the chance that a campaign-day is reported up to a tenth too high until it is
    final.
    """

    curve: tuple[float, ...] = (0.8, 0.883, 0.931, 0.96, 0.976, 0.986, 0.992)
    spread: float = 0.0
    noise: float = 0.0
    overreported: float = 0.0

    def __post_init__(self) -> None:
        if not 1 <= len(self.curve) <= REVISION_DAYS:
            raise ValueError(f"a completeness curve has 1 to {REVISION_DAYS} fractions")

    def fraction(self, age: float) -> float:
        """The fraction reported `age` days after the day closed, of a campaign with power 1."""
        for days, (earlier, later) in enumerate(pairwise((*self.curve, 1.0))):
            if age < days + 1:
                return earlier + (later - earlier) * (age - days)
        return 1.0


AS_USUAL = Completeness()


@dataclass(frozen=True, slots=True)
class Stage:
    """How far a day has come in one export.

    `days` since the day began, `plays` the fraction of plays and people that is reported, `spend`
    the fraction of the spend, `correction` how much of the later correction of the spend is still
    to come (1 at the day's close, 0 when it is final).
    """

    days: float
    plays: float
    spend: float
    correction: float

    def seen(self, final: int, draw: float) -> int:
        """The part of `final` reported so far; `draw` in [0, 1) decides who is reported first."""
        return int(final * self.plays + draw)


FINAL = Stage(days=float("inf"), plays=1.0, spend=1.0, correction=0.0)


def stage_of(
    day: date, exported_at: datetime, completeness: Completeness, *key: object
) -> Stage | None:
    """The stage of `day` in an export built at `exported_at`; None before the day began.

    `key` names the campaign (or soundlink), for what differs between them.
    """
    if exported_at >= final_at(day):
        return FINAL
    days = (exported_at - datetime.combine(day, time.min, UTC)).total_seconds() / 3600 / _DAY_HOURS
    if days <= 0:
        return None
    age = max(0.0, days - 1)
    elapsed = min(1.0, days)
    plays = completeness.fraction(age) ** exp(
        completeness.spread * (2 * draws.unit(*key, "speed") - 1)
    )
    if draws.unit(*key, "overreported", day) < completeness.overreported:
        plays = 1 + 0.1 * draws.unit(*key, "overreported by", day)
    if completeness.noise:
        plays *= exp(completeness.noise * draws.generator(*key, day, exported_at).gauss())
    return Stage(days, plays * elapsed, elapsed, exp(-age / _SPEND_FADE_DAYS))
