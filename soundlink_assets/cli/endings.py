"""How a command is asked to end, and whether it has been."""

import signal
import socket
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from types import FrameType

_BESIDES_CTRL_C = ("SIGTERM", "SIGHUP")
"""`kill`, and a terminal that is closed. Windows lacks the second."""

_MANY_SIGNALS = 4096


def end_as_by_ctrl_c() -> None:
    """Let `kill` and a closed terminal end this command as Ctrl-C does.

    A run that dies without a word would hold its days for hours. What is ignored, as by `nohup`,
    stays ignored.
    """
    for name in _BESIDES_CTRL_C:
        number = getattr(signal, name, None)
        if number is not None and signal.getsignal(number) is signal.SIG_DFL:
            signal.signal(number, _as_ctrl_c)


def _as_ctrl_c(_signal: int, frame: FrameType | None) -> None:
    # Dagster has a handler of its own for Ctrl-C while a run is under way.
    handler = signal.getsignal(signal.SIGINT)
    if callable(handler):
        handler(signal.SIGINT, frame)
    else:
        raise KeyboardInterrupt


@contextmanager
def noticing_endings() -> Iterator[Callable[[], bool]]:
    """Yields a function that tells whether such a signal has come since.

    While a run is under way Dagster has a handler of its own, which now and then drops a signal:
    before the first step, and after the last. Python writes the number of every signal to this
    socket, whatever its handler does. Off the main thread nothing is noticed, nor handled.
    """
    if threading.current_thread() is not threading.main_thread():
        yield lambda: False
        return
    ours, pythons = socket.socketpair()
    with ours, pythons:
        ours.setblocking(False)
        pythons.setblocking(False)
        before = signal.set_wakeup_fd(pythons.fileno(), warn_on_full_buffer=False)
        seen: set[int] = set()

        def has_been_asked() -> bool:
            with suppress(BlockingIOError):
                seen.update(ours.recv(_MANY_SIGNALS))
            return any(getattr(signal, name, None) in seen for name in ("SIGINT", *_BESIDES_CTRL_C))

        try:
            yield has_been_asked
        finally:
            signal.set_wakeup_fd(before)
