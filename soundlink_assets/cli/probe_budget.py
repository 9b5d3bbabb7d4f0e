"""The request budget as the doctor takes it: it says when a request is free, and does not wait."""

from datetime import UTC, datetime
from math import ceil

from typing_extensions import override

from soundlink_assets.provider import RequestBudget
from soundlink_assets.cli.app import UserError

MOMENT_SECONDS = 2.0
"""A wait so short is none: while a run uses the minute's limit up, a place is free every second."""

MINUTE_SECONDS = 60


class ImpatientBudget(RequestBudget):
    """The budget of the key; UserError where a run would wait."""

    @override
    def announce(self, now: float, until: float, reason: str) -> None:
        if until - now <= MOMENT_SECONDS:
            return
        clock = datetime.fromtimestamp(until, UTC)
        raise UserError(
            f"the request budget of the key is used up until {clock:%H:%M:%S} UTC, for "
            f"{_span(until - now)}: a wait {reason}\n"
            "Ask again then, or see what else uses the key; runs wait by themselves."
        )


def _span(seconds: float) -> str:
    if seconds <= MINUTE_SECONDS:
        return f"{ceil(seconds)} s"
    return f"{ceil(seconds / MINUTE_SECONDS)} min"
