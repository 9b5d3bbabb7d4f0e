"""The time that one request may take, all its attempts together, and the wish to stop it."""

import threading
import time

from soundlink_assets.provider.stopping import check_stop


class Effort:
    """What is spent on one request, from its first attempt on.

    Waits that the provider asked for and waits for the request budget are excused: they do not
    use up `max_seconds`. `stop` ends the work from another thread.
    """

    def __init__(self, max_seconds: float, stop: threading.Event) -> None:
        self.max_seconds = max_seconds
        self.stop = stop
        self._started = time.monotonic()
        self._excused = 0.0

    def excuse(self, seconds: float) -> None:
        """Do not count so many seconds."""
        self._excused += seconds

    def check_stop(self) -> None:
        """StoppedError if the work is no longer wanted."""
        check_stop(self.stop)

    @property
    def seconds(self) -> float:
        """Seconds since the beginning, all waits included."""
        return time.monotonic() - self._started

    @property
    def left(self) -> float:
        """Seconds left of `max_seconds`; negative when it is used up."""
        return self.max_seconds + self._excused - self.seconds
