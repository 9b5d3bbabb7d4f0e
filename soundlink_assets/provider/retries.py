"""How often and after how long a request is tried again.

Only errors marked `retryable` are: connection faults, timeouts, 429, 5xx, cut bodies, pages of a
gateway. The wait is our own backoff, or what the provider asks for if that is longer. Every wait
stands in the log, and ends at once when the work is stopped.
"""

import logging
import threading
from collections.abc import Callable
from dataclasses import dataclass
from datetime import timedelta
from typing import TypeVar

from tenacity import (
    RetryCallState,
    Retrying,
    retry_if_exception,
    stop_after_attempt,
    stop_any,
    wait_exponential_jitter,
)
from tenacity.stop import stop_base
from typing_extensions import override

from soundlink_assets.provider.effort import Effort
from soundlink_assets.provider.errors import RateLimitError, ServerError, SoundlinkError, TransportError
from soundlink_assets.provider.stopping import SAY_AGAIN_SECONDS, Wait
from soundlink_assets.clock import Clock

log = logging.getLogger(__name__)

T = TypeVar("T")

LONGEST_BACKOFF_SECONDS = 60.0

_backoff = wait_exponential_jitter(multiplier=1, max=LONGEST_BACKOFF_SECONDS, jitter=1)
_rate_limit_backoff = wait_exponential_jitter(multiplier=4, max=LONGEST_BACKOFF_SECONDS, jitter=4)


OUTAGE_AFTER = 5
"""So many deliveries in a row that failed after all attempts are taken for an outage."""


class OutageWatch:
    """Sees when the provider is down altogether, so that retries stop spending the budget.

    During an outage every request is still tried, but once; the first success ends it.
    """

    def __init__(self) -> None:
        self._failures_in_a_row = 0

    @property
    def is_outage(self) -> bool:
        """Whether the last deliveries all failed for the provider's or the network's fault."""
        return self._failures_in_a_row >= OUTAGE_AFTER

    def note(self, error: SoundlinkError | None) -> None:
        """Take a delivery into account: its error, or None if it came."""
        if isinstance(error, ServerError | TransportError):
            self._failures_in_a_row += 1
        else:
            self._failures_in_a_row = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class RetryPolicy:
    """At most `max_attempts`, within about `max_seconds` without the waits that we are told."""

    max_attempts: int
    max_seconds: float
    wait: Wait
    clock: Clock

    def run(self, attempt: Callable[[int, Effort], T], stop: threading.Event) -> T:
        """What `attempt(number, effort)` returns, once it succeeds.

        Raises its last error when it is not retryable, or when nothing more may be tried.
        """
        effort = Effort(self.max_seconds, stop)
        retrying = Retrying(
            retry=retry_if_exception(_is_retryable),
            stop=stop_any(stop_after_attempt(self.max_attempts), _OutOfTime(effort)),
            wait=_seconds_to_wait,
            sleep=lambda seconds: self._sleep(seconds, stop),
            before_sleep=self._before_sleep(effort),
            reraise=True,
        )
        for try_ in retrying:
            with try_:
                return attempt(try_.retry_state.attempt_number, effort)
        raise AssertionError("tenacity returns or raises")

    def _before_sleep(self, effort: Effort) -> Callable[[RetryCallState], None]:
        def announce(state: RetryCallState) -> None:
            effort.check_stop()  # whoever stops the work also cuts its connections
            seconds = state.upcoming_sleep
            effort.excuse(_told_to_wait(state))
            until = self.clock() + timedelta(seconds=seconds)
            log.warning(
                "attempt %d of %d failed, the next one in %.1f s, at %s UTC: %s",
                state.attempt_number,
                self.max_attempts,
                seconds,
                f"{until:%H:%M:%S}",
                str(_error(state)).partition("\n")[0],
            )

        return announce

    def _sleep(self, seconds: float, stop: threading.Event) -> None:
        left = seconds
        while left > SAY_AGAIN_SECONDS:
            self.wait(SAY_AGAIN_SECONDS, stop)
            left -= SAY_AGAIN_SECONDS
            until = self.clock() + timedelta(seconds=left)
            log.warning(
                "still waiting, the next attempt in %.0f s, at %s UTC", left, f"{until:%H:%M:%S}"
            )
        self.wait(left, stop)


def _is_retryable(error: BaseException) -> bool:
    return isinstance(error, SoundlinkError) and error.retryable


class _OutOfTime(stop_base):
    """Stops when the next attempt would begin after the effort has used up its time.

    Of the wait before it, only what exceeds the told one counts; see `Effort`.
    """

    def __init__(self, effort: Effort) -> None:
        self._effort = effort

    @override
    def __call__(self, retry_state: RetryCallState) -> bool:
        return self._effort.left < retry_state.upcoming_sleep - _told_to_wait(retry_state)


def _seconds_to_wait(state: RetryCallState) -> float:
    limited = isinstance(_error(state), RateLimitError)
    ours = (_rate_limit_backoff if limited else _backoff)(state)
    return max(ours, _told_to_wait(state))


def _told_to_wait(state: RetryCallState) -> float:
    """The seconds that the provider asked for; 0 if it asked for none."""
    error = _error(state)
    asked = error.retry_after if isinstance(error, SoundlinkError) else None
    return asked or 0.0


def _error(state: RetryCallState) -> BaseException | None:
    return state.outcome.exception() if state.outcome is not None else None
