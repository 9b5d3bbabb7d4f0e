"""Waiting that ends at once when the work it belongs to is stopped."""

import threading
from collections.abc import Callable

Wait = Callable[[float, threading.Event], None]
"""Waits for so many seconds; raises StoppedError as soon as the event is set."""


SAY_AGAIN_SECONDS = 1800.0
"""A wait that lasts longer stands in the log again this often, so that nothing seems to hang."""


class StoppedError(Exception):
    """The client was closed, or whoever asked for this work no longer wants it."""


def wait_unless_stopped(seconds: float, stop: threading.Event) -> None:
    """Sleep for `seconds`, without using the processor; StoppedError once `stop` is set."""
    stop.wait(max(seconds, 0))
    check_stop(stop)


def check_stop(stop: threading.Event) -> None:
    """StoppedError if `stop` is set."""
    if stop.is_set():
        raise StoppedError("the work was stopped")
