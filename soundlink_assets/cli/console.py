"""What a long command prints meanwhile: a line that changes on a terminal, few lines elsewhere."""

import os
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, TextIO

if TYPE_CHECKING:
    from rich.console import Console

QUIET_SECONDS = 15.0
"""How long nothing is printed to a log file before the next message gets into it."""


def console_on(stream: TextIO) -> "Console":
    """A console on standard output or error that a run does not capture if it is a terminal.

    Dagster redirects both for as long as a step lasts, and shows what was written when it ends.
    """
    from rich.console import Console

    if stream.isatty():
        stream = os.fdopen(os.dup(stream.fileno()), "w", encoding=stream.encoding)
    return Console(file=stream)


@contextmanager
def showing_progress(console: "Console") -> "Iterator[Callable[[str], None]]":
    """Shows what it is given: all of it on a terminal, in a log file a message now and then."""
    if not console.is_terminal:
        yield NowAndThen(lambda text: print_plainly(console, f"...  {text}"))
        return
    with console.status("starting") as status:
        yield status.update


@dataclass(slots=True)
class NowAndThen:
    """Passes a message on if none was for `QUIET_SECONDS`, from the beginning on."""

    show: "Callable[[str], None]"
    steady_clock: Callable[[], float] = time.monotonic
    shown_at: float = field(init=False)

    def __post_init__(self) -> None:
        self.shown_at = self.steady_clock()

    def __call__(self, text: str) -> None:
        """Show it, unless another was shown a moment ago."""
        now = self.steady_clock()
        if now - self.shown_at >= QUIET_SECONDS:
            self.shown_at = now
            self.show(text)


def print_plainly(console: "Console", text: str) -> None:
    """Print text from elsewhere: nothing in it is markup, and no line is broken."""
    console.print(text, markup=False, highlight=False, soft_wrap=True)
