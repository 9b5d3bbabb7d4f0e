"""How much of a day's final figures an export of a given moment shows.

Figures are final from eight days after the day began, when its revision window closes, and do not
change after that. Before, plays are missing that are reported late, and spend is still being
corrected, up or down.
"""

from dataclasses import dataclass
from datetime import UTC, date, datetime, time
from math import exp

from soundlink_assets.sandbox import draws
from soundlink_assets.sandbox.config import Completeness
from soundlink_assets.schema.window import final_at

_SPEND_FADE_DAYS = 2.5
_DAY_HOURS = 24.0


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
