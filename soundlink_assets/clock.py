"""What a clock is here, and the machine's own. Whoever needs the time is handed one."""

from collections.abc import Callable
from datetime import UTC, datetime
from typing import TypeAlias

Clock: TypeAlias = Callable[[], datetime]
"""Tells the time, in UTC and with its zone."""


def utc_now() -> datetime:
    """The machine's time."""
    return datetime.now(UTC)
