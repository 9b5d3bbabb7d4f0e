"""Inclusive ranges of report dates, and when a report date can no longer change."""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta

MAX_WINDOW_DAYS = 90
"""The provider's cap on the days of one export request, both ends counted."""

REVISION_DAYS = 7
"""The provider may revise a day for this many days after it closed (contract, revision window)."""

BATCH_SLACK_DAYS = 2
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


def settles_at(day: date) -> datetime:
    """The moment from which the provider no longer revises `day`: D+8 00:00 UTC.

    The day closes at D+1 00:00 UTC and may change for seven days after that.
    """
    return datetime.combine(day + timedelta(days=REVISION_DAYS + 1), time.min, UTC)


def settled_whatever_the_batch_at(day: date) -> datetime:
    """The moment from which a fetch settles `day` even if its rows were exported before.

    Exports may be built in batches, so rows fetched after `settles_at` can bear an older
    `exported_at`; after two more days no newer batch is to be expected.
    """
    return settles_at(day) + timedelta(days=BATCH_SLACK_DAYS)
