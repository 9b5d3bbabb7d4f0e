"""A sandbox at work: its worlds, clock, limits, planned faults, and the log of requests."""

import threading
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

from soundlink_assets.sandbox.access import OTHERS, OURS, Key, RateLimits
from soundlink_assets.sandbox.config import SandboxConfig
from soundlink_assets.sandbox.faults import Fault, FaultPlan, PlannedFault
from soundlink_assets.sandbox.world import World, anchor_of


@dataclass(frozen=True, slots=True)
class ServedRequest:
    """A request and its response.

    `key_tail` are the last four characters of the key. `at` is the sandbox's time, `moment` the
    machine's steady clock in seconds. `status` 0: the connection was dropped instead. `faults`
    names those that it met.
    """

    method: str
    path: str
    query: dict[str, str]
    status: int
    key_tail: str
    at: datetime
    moment: float
    faults: tuple[str, ...] = ()


class SandboxClock:
    """Follows the machine's clock until it is set; then it stands still, or runs on from there."""

    def __init__(self, now: datetime | None = None) -> None:
        self._lock = threading.Lock()
        self._frozen: datetime | None = None
        self._offset = timedelta(0)
        if now is not None:
            self.set(now)

    def now(self) -> datetime:
        """The time in the sandbox, UTC."""
        with self._lock:
            return self._frozen or datetime.now(UTC) + self._offset

    def set(self, now: datetime, *, ticking: bool = False) -> None:
        """Set the time; it stands still unless `ticking`. ValueError without a time zone."""
        if now.tzinfo is None:
            raise ValueError("give a time with its zone, such as 2026-04-09T03:00:00Z")
        with self._lock:
            self._frozen = None if ticking else now.astimezone(UTC)
            self._offset = now - datetime.now(UTC)

    def advance(self, span: timedelta) -> None:
        """Move the time on by `span`. A clock that ticks goes on ticking."""
        with self._lock:
            self._offset += span
            if self._frozen is not None:
                self._frozen += span


class Sandbox:
    """Everything that the routes work on; shared by the serving thread and whoever started it.

    `world` is what the key `api_key` opens. A second organisation owns what the key
    `Key.OTHER_ORGANISATION` opens.
    """

    def __init__(self, config: SandboxConfig | None = None, now: datetime | None = None) -> None:
        self.config = config or SandboxConfig()
        self.clock = SandboxClock(now)
        anchor = anchor_of(self.config, self.clock.now())
        self.worlds = {name: World(self.config, anchor, name) for name in (OURS, OTHERS)}
        self.limits = RateLimits(self.config.limits)
        self.faults = FaultPlan()
        self._log: list[ServedRequest] = []
        self._log_lock = threading.Lock()

    @property
    def world(self) -> World:
        """The world of the organisation that `api_key` belongs to."""
        return self.worlds[OURS]

    @property
    def api_key(self) -> str:
        """A key with all scopes."""
        return Key.FULL.value

    @property
    def requests(self) -> tuple[ServedRequest, ...]:
        """The requests so far, in the order in which they came."""
        with self._log_lock:
            return tuple(self._log)

    def record(self, served: ServedRequest) -> None:
        """Add a request to the log."""
        with self._log_lock:
            self._log.append(served)

    def forget_requests(self) -> None:
        """Empty the log."""
        with self._log_lock:
            self._log.clear()

    def now(self) -> datetime:
        """The sandbox's time, UTC."""
        return self.clock.now()

    def set_clock(self, now: datetime, *, ticking: bool = False) -> None:
        """Set the sandbox's time; it stands still unless `ticking`."""
        self.clock.set(now, ticking=ticking)

    def fail(
        self,
        path: str,
        fault: Fault | str,
        *,
        count: int | None = 1,
        after: int = 0,
        **options: Any,
    ) -> None:
        """Plan a fault for requests whose path matches the shell pattern `path`.

        It meets `count` of those that can show it (None: all), after the first `after` of them.
        `options` are the other fields of `PlannedFault`. ValueError for an unknown fault or option.
        """
        if isinstance(fault, str):
            fault = Fault.named(fault, self.config.exports)
        self.faults.add(PlannedFault(path=path, fault=fault, count=count, after=after, **options))

    def clear(self) -> None:
        """Forget all planned faults."""
        self.faults.clear()
