"""Inclusive ranges of report dates, and when a report date is final."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from itertools import groupby

MAX_WINDOW_DAYS = 90
"""The provider's cap on the days of one export request, both ends counted."""

REVISION_DAYS = 7
"""The provider may revise a day for this many days after it closed (contract, revision window)."""

BATCH_LAG_DAYS = 2
"""Exports may be built in batches that lag the request by up to this many days."""


@dataclass(frozen=True, slots=True, order=True)
class Window:
    """The report dates from `first` to `last`, both included. ValueError if reversed."""

    first: date
    last: date

    def __post_init__(self) -> None:
        if self.last < self.first:
            raise ValueError(f"the window ends ({self.last}) before it begins ({self.first})")

    @property
    def days(self) -> int:
        """How many report dates it holds."""
        return (self.last - self.first).days + 1

    def dates(self) -> Iterator[date]:
        """Its report dates, oldest first."""
        for offset in range(self.days):
            yield self.first + timedelta(days=offset)

    def __contains__(self, day: date) -> bool:
        return self.first <= day <= self.last

    def split(self, max_days: int = MAX_WINDOW_DAYS) -> tuple["Window", ...]:
        """Contiguous windows of at most `max_days` that together are this one, oldest first."""
        return tuple(
            Window(first, min(first + timedelta(days=max_days - 1), self.last))
            for first in (
                self.first + timedelta(days=offset) for offset in range(0, self.days, max_days)
            )
        )

    def __str__(self) -> str:
        return str(self.first) if self.first == self.last else f"{self.first}..{self.last}"


def consecutive(days: Iterable[date], max_days: int = MAX_WINDOW_DAYS) -> Iterator[Window]:
    """The days as windows without gaps, oldest first, none longer than `max_days`."""
    ordered = sorted(days)
    for _, run in groupby(enumerate(ordered), lambda pair: pair[1].toordinal() - pair[0]):
        together = [day for _, day in run]
        yield from Window(together[0], together[-1]).split(max_days)


def final_at(day: date) -> datetime:
    """The moment from which the provider no longer revises `day`: D+8 00:00 UTC.

    The day closes at D+1 00:00 UTC and may change for seven days after that.
    """
    return datetime.combine(day + timedelta(days=REVISION_DAYS + 1), time.min, UTC)


def final_at_latest(day: date) -> datetime:
    """The moment from which a fetch makes `day` final even if its rows were exported before: D+10.

    Exports may be built in batches, so rows fetched after `final_at` can have an older
    `exported_at`; after two more days no newer batch is to be expected.
    """
    return final_at(day) + timedelta(days=BATCH_LAG_DAYS)
