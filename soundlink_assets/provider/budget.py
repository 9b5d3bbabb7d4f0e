"""The request budget of a key, shared by every process that uses the key.

Guarantees that the provider receives no more requests in any span than the limits allow, whatever
the number of processes and threads. A request occupies its place from the moment it was let go
until one span after its answer began: it reached the provider at some moment between the two. So
if N requests arrive within one span, the last of them to be let go found the other N - 1 counted.

What the provider asks for with `Retry-After` is kept here too, because it holds for the key.
Where the counts are, and whose clock they follow, is in `budget_store`.
"""

import logging
import math
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Self

from soundlink_assets.provider.budget_store import BudgetStore, Counts, budget_store
from soundlink_assets.provider.errors import BudgetUsedUpError
from soundlink_assets.provider.responses import LONGEST_RETRY_AFTER_SECONDS
from soundlink_assets.provider.retries import (
    SAY_AGAIN_SECONDS,
    Wait,
    check_stop,
    wait_unless_stopped,
)
from soundlink_assets.settings import Settings

log = logging.getLogger(__name__)

MINUTE_SECONDS = 60.0
HOUR_SECONDS = 3600.0

FLIGHT_SECONDS = 60.0
"""A request reaches the provider within this long, or never: its process died."""

_LOOK_AGAIN_SECONDS = 60.0
"""Longest single sleep, so that a machine that was suspended does not oversleep for long."""

_TAKEN_UNTIL = (
    "coalesce(answered_at, case when sent_at + :flight < :now then sent_at + :flight else :now end)"
)
_FORGET = f"delete from requests where {_TAKEN_UNTIL} <= :old"  # noqa: S608 - of constants
_TAKEN_BEFORE = (
    f"select {_TAKEN_UNTIL} as taken_until from requests "  # noqa: S608 - of constants
    "order by taken_until desc limit 1 offset :newer"
)


@dataclass(frozen=True, slots=True)
class Limit:
    """At most `requests` in any `seconds`."""

    requests: int
    seconds: float

    def __str__(self) -> str:
        return f"{self.requests} requests in {self.seconds:g} s"


def provider_limits(per_minute: int, per_hour: int) -> tuple[Limit, ...]:
    """The provider's two limits; both hold at once."""
    return Limit(per_minute, MINUTE_SECONDS), Limit(per_hour, HOUR_SECONDS)


class RequestBudget:
    """Lets requests go, one by one, as the limits allow. Safe for threads and processes.

    A request that would have to wait longer than `longest_wait_seconds` is refused instead: runs
    wait, the doctor does not.
    """

    def __init__(
        self,
        store: BudgetStore,
        limits: Sequence[Limit],
        *,
        wait: Wait = wait_unless_stopped,
        longest_wait_seconds: float = math.inf,
    ) -> None:
        self._longest_wait_seconds = longest_wait_seconds
        self._store = store
        self._limits = tuple(limits)
        self._wait = wait
        self._announced_at = self._announced_until = 0.0

    @classmethod
    def from_settings(cls, settings: Settings, longest_wait_seconds: float = math.inf) -> Self:
        """The budget of the key in the settings. Raises SettingsError if there is none."""
        return cls(
            budget_store(settings, settings.require_api_key()),
            provider_limits(settings.requests_per_minute, settings.requests_per_hour),
            longest_wait_seconds=longest_wait_seconds,
        )

    @contextmanager
    def request(self, stop: threading.Event) -> Iterator[float]:
        """Waits until a request may go; leave the block when its answer has begun or failed.

        Gives the seconds waited. Raises StoppedError once `stop` is set, and BudgetError if the
        store cannot be used; BudgetUsedUpError if the wait would be too long.
        """
        ticket, waited = self._admit(stop)
        try:
            yield waited
        finally:
            with self._store.transaction() as counts:
                counts.execute(
                    "update requests set answered_at = :now where id = :id",
                    {"now": counts.now, "id": ticket},
                )

    def pause(self, seconds: float) -> None:
        """Let nothing go for `seconds`, at most LONGEST_RETRY_AFTER_SECONDS: we were told to."""
        with self._store.transaction() as counts:
            until = counts.now + min(seconds, LONGEST_RETRY_AFTER_SECONDS)
            counts.execute("insert into pause values (:until)", {"until": until})

    def _admit(self, stop: threading.Event) -> tuple[int, float]:
        """The ticket of a request that may go, and the seconds waited for it."""
        asked_at = None
        while True:
            check_stop(stop)
            with self._store.transaction() as counts:
                now = counts.now
                asked_at = now if asked_at is None else asked_at
                self._tidy(counts)
                free_at, reason = self._free_at(counts)
                if free_at <= now:
                    ((ticket,),) = counts.execute(
                        "insert into requests (sent_at) values (:now) returning id", {"now": now}
                    )
                    return int(ticket), now - asked_at
            if free_at - now > self._longest_wait_seconds:
                raise _used_up(now, free_at, reason)
            self._announce(now, free_at, reason)
            self._wait(min(free_at - now, _LOOK_AGAIN_SECONDS), stop)

    def _tidy(self, counts: Counts) -> None:
        """Forget what no limit counts any more; a clock that was set back must not block us."""
        longest = max(limit.seconds for limit in self._limits)
        now = {"now": counts.now}
        counts.execute("update requests set sent_at = :now where sent_at > :now", now)
        counts.execute("update requests set answered_at = :now where answered_at > :now", now)
        counts.execute(_FORGET, now | {"flight": FLIGHT_SECONDS, "old": counts.now - longest})
        counts.execute(
            "delete from pause where until <= :now or until > :latest",
            now | {"latest": counts.now + LONGEST_RETRY_AFTER_SECONDS},
        )

    def _free_at(self, counts: Counts) -> tuple[float, str]:
        """When the next request may go at the earliest, and what it waits for."""
        ((paused_until,),) = counts.execute("select max(until) from pause", {})
        waits = [(counts.now, "")]
        if paused_until is not None:
            waits.append((paused_until, "because the provider asked for it"))
        for limit in self._limits:
            taken = counts.execute(
                _TAKEN_BEFORE,
                {"now": counts.now, "flight": FLIGHT_SECONDS, "newer": limit.requests - 1},
            )
            for (taken_until,) in taken:
                waits.append((taken_until + limit.seconds, f"for the request budget ({limit})"))
        return max(waits)

    def _announce(self, now: float, until: float, reason: str) -> None:
        """Say, once in a while, that a request has to wait for `reason`; Unix seconds."""
        is_said = abs(until - self._announced_until) < 1
        if until - now < 1 or (is_said and now - self._announced_at < SAY_AGAIN_SECONDS):
            return
        self._announced_at, self._announced_until = now, until
        clock = datetime.fromtimestamp(until, UTC)
        log.warning("waiting %.0f s %s, until %s UTC", until - now, reason, f"{clock:%H:%M:%S}")


def _used_up(now: float, free_at: float, reason: str) -> BudgetUsedUpError:
    seconds = free_at - now
    span = f"{math.ceil(seconds)} s" if seconds <= 60 else f"{math.ceil(seconds / 60)} min"  # noqa: PLR2004
    clock = datetime.fromtimestamp(free_at, UTC)
    return BudgetUsedUpError(
        f"the request budget of the key is used up until {clock:%H:%M:%S} UTC, for {span}: a wait "
        f"{reason}",
        free_at=free_at,
    )
