"""How much of a day's final figures an export of a given moment shows.

Figures are complete from eight days after the day began, when its revision window closes, and do
not change after that. Before, plays are missing that are reported late, and spend is still being
corrected, up or down. A few rows appear late and a few are withdrawn.
"""

from dataclasses import dataclass
from datetime import UTC, date, datetime, time
from math import exp

from soundlink_assets.schema.window import final_at

_PLAYS_AT_CLOSE = 0.8
_PLAYS_FADE_HOURS = 45.0
_SPEND_FADE_HOURS = 60.0
_DAY_HOURS = 24.0


@dataclass(frozen=True, slots=True)
class Stage:
    """How far a day has come in one export.

    `hours` since the day began, `plays` the fraction of plays and people that is reported,
    `spend` the fraction of the spend, `correction` how much of the later correction of the spend
    is still to come (1 at the day's close, 0 when settled).
    """

    hours: float
    plays: float
    spend: float
    correction: float

    def seen(self, final: int, luck: float) -> int:
        """The part of `final` reported so far; `luck` in [0, 1) decides who is reported first."""
        return int(final * self.plays + luck)

    def days(self) -> float:
        """Days since the day began."""
        return self.hours / _DAY_HOURS


SETTLED = Stage(hours=float("inf"), plays=1.0, spend=1.0, correction=0.0)


def stage_of(day: date, exported_at: datetime) -> Stage | None:
    """The stage of `day` in an export built at `exported_at`; None before the day began."""
    if exported_at >= final_at(day):
        return SETTLED
    hours = (exported_at - datetime.combine(day, time.min, UTC)).total_seconds() / 3600
    if hours <= 0:
        return None
    if hours < _DAY_HOURS:
        elapsed = hours / _DAY_HOURS
        return Stage(hours, _PLAYS_AT_CLOSE * elapsed, elapsed, 1.0)
    after = hours - _DAY_HOURS
    return Stage(
        hours,
        1 - (1 - _PLAYS_AT_CLOSE) * exp(-after / _PLAYS_FADE_HOURS),
        1.0,
        exp(-after / _SPEND_FADE_HOURS),
    )
