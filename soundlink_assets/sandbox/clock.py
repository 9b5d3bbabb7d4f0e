"""The sandbox's time: the machine's own, or one that was set."""

import threading
from datetime import UTC, datetime, timedelta


class SandboxClock:
    """A clock that follows the machine's until it is set; then it stands, or runs on from there."""

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

    def advance(self, span: timedelta) -> datetime:
        """Move the time on by `span`; returns the new time. A clock that ticks goes on ticking."""
        with self._lock:
            self._offset += span
            if self._frozen is not None:
                self._frozen += span
            return self._frozen or datetime.now(UTC) + self._offset
