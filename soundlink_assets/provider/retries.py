"""How often, after how long and until when a request is tried again, and how waiting is stopped.

Only errors marked `retryable` are tried again: connection faults, timeouts, 429, 5xx, cut bodies,
pages of a gateway. The wait is our own backoff, or what the provider asks for if that is longer.
Every wait stands in the log, and ends at once when the work is stopped.
"""

import logging
import random
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from datetime import timedelta
from itertools import count
from typing import TypeVar

from soundlink_assets.clock import Clock
from soundlink_assets.provider.errors import (
    RateLimitError,
    SoundlinkError,
)

log = logging.getLogger(__name__)

T = TypeVar("T")

LONGEST_BACKOFF_SECONDS = 60.0
SAY_AGAIN_SECONDS = 1800.0
"""A wait that lasts longer stands in the log again this often, so that nothing seems to hang."""

Wait = Callable[[float, threading.Event], None]
"""Waits for so many seconds; raises StoppedError as soon as the event is set."""


class StoppedError(Exception):
    """The client was closed, or whoever asked for this work no longer wants it."""


def check_stop(stop: threading.Event) -> None:
    """StoppedError if `stop` is set."""
    if stop.is_set():
        raise StoppedError("the work was stopped")


def wait_unless_stopped(seconds: float, stop: threading.Event) -> None:
    """Sleep for `seconds`, without using the processor; StoppedError once `stop` is set."""
    stop.wait(max(seconds, 0))
    check_stop(stop)


class Deadline:
    """When one request must be done, all its attempts together, and the wish to stop it earlier.

    Waits that the provider asked for and waits for the request budget do not count: whoever waits
    moves the deadline on. `stop` ends the work from another thread.
    """

    def __init__(self, max_seconds: float, stop: threading.Event) -> None:
        self.max_seconds = max_seconds
        self.stop = stop
        self._started = time.monotonic()
        self._ends = self._started + max_seconds

    def extend(self, seconds: float) -> None:
        """Move the end on by so many seconds."""
        self._ends += seconds

    @property
    def seconds(self) -> float:
        """Seconds since the beginning, all waits included."""
        return time.monotonic() - self._started

    @property
    def left(self) -> float:
        """Seconds left; negative once it has passed."""
        return self._ends - time.monotonic()


@dataclass(frozen=True, slots=True, kw_only=True)
class RetryPolicy:
    """At most `max_attempts`, within about `max_seconds` without the waits that we are told."""

    max_attempts: int
    max_seconds: float
    wait: Wait
    clock: Clock

    def run(self, attempt: Callable[[int, Deadline], T], stop: threading.Event) -> T:
        """What `attempt(number, deadline)` returns, once it succeeds; attempts count from 1.

        Raises its last error when that is not retryable, or when nothing more may be tried.
        """
        deadline = Deadline(self.max_seconds, stop)
        for number in count(1):
            try:
                return attempt(number, deadline)
            except SoundlinkError as error:
                check_stop(stop)  # whoever stops the work also cuts its connections
                if not error.retryable or number >= self.max_attempts:
                    raise
                told = error.retry_after or 0.0
                seconds = max(_backoff(error, number), told)
                if deadline.left < seconds - told:
                    raise
                deadline.extend(told)
                self._sleep(seconds, stop, f"attempt {number} of {self.max_attempts}", error)
        raise AssertionError("the last attempt returns or raises")

    def _sleep(
        self, seconds: float, stop: threading.Event, what: str, error: SoundlinkError
    ) -> None:
        until = f"{self.clock() + timedelta(seconds=seconds):%H:%M:%S}"
        why = str(error).partition("\n")[0]
        log.warning("%s failed, the next one in %.1f s, at %s UTC: %s", what, seconds, until, why)
        while seconds > SAY_AGAIN_SECONDS:
            self.wait(SAY_AGAIN_SECONDS, stop)
            seconds -= SAY_AGAIN_SECONDS
            until = f"{self.clock() + timedelta(seconds=seconds):%H:%M:%S}"
            log.warning("still waiting, the next attempt in %.0f s, at %s UTC", seconds, until)
        self.wait(seconds, stop)


def _backoff(error: SoundlinkError, number: int) -> float:
    """Our own wait after attempt `number`: doubling, with jitter, longer for a rate limit."""
    unit = 4.0 if isinstance(error, RateLimitError) else 1.0
    jitter = random.uniform(0, unit)  # noqa: S311 - spreads clients, hides nothing
    return min(unit * 2.0 ** (number - 1) + jitter, LONGEST_BACKOFF_SECONDS)
