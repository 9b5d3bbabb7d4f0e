"""Time that passes only when someone waits."""

import threading

from soundlink_assets.provider.retries import check_stop

NOON = 1_775_044_800.0
"""2026-04-01 12:00:00 UTC."""


class Time:
    """A clock in seconds since the epoch that moves only when someone waits or it is told to."""

    def __init__(self, now: float = NOON) -> None:
        self.now = now
        self.waits: list[float] = []

    def __call__(self) -> float:
        return self.now

    def wait(self, seconds: float, stop: threading.Event) -> None:
        assert seconds >= 0
        check_stop(stop)
        self.waits.append(seconds)
        self.now += seconds
