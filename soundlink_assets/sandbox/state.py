"""A sandbox at work: its world, clock, limits, planned faults and the log of requests."""

import threading
from datetime import datetime
from typing import Any

from soundlink_assets.sandbox.clock import SandboxClock
from soundlink_assets.sandbox.config import SandboxConfig
from soundlink_assets.sandbox.faults import Fault, FaultPlan, PlannedFault
from soundlink_assets.sandbox.keys import OTHERS, OURS, Key
from soundlink_assets.sandbox.limits import RateLimits
from soundlink_assets.sandbox.requests_log import ServedRequest
from soundlink_assets.sandbox.world import World, anchor_of


class Sandbox:
    """Everything that the routes work on; shared by the serving thread and whoever started it.

    `world` is what the key `api_key` opens. A second organisation owns the campaigns of
    `Key.OTHER_ORGANISATION`.
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
        `options` are those of `PlannedFault`. ValueError for a fault or an option that is none.
        """
        self.faults.add(
            PlannedFault(path=path, fault=Fault.named(fault), count=count, after=after, **options)
        )

    def clear(self) -> None:
        """Forget all planned faults."""
        self.faults.clear()
