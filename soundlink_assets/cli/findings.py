"""What the doctor finds: one line each, with a verdict and, where something is wrong, what to do.

Probes yield findings; `probed` runs one so that no error of it can end the others.
"""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import asdict, dataclass, field
from datetime import date
from enum import StrEnum
from typing import Any

from soundlink_assets.cli.failures import explain, first_line
from soundlink_assets.schema.window import Window, consecutive

MEGABYTE = 1_000_000
SHOWN_RANGES = 5

EVER = 100_000
"""More days than the provider has existed."""


class Verdict(StrEnum):
    """How a finding is to be taken."""

    OK = "ok"
    WARNING = "warning"
    BROKEN = "broken"


@dataclass(frozen=True, slots=True)
class Finding:
    """One line of the doctor's screen.

    `what` is the sentence, `advice` what to do; `facts` are the same figures for machines, in units
    that their names say.
    """

    about: str
    verdict: Verdict
    what: str
    advice: str = ""
    facts: dict[str, Any] = field(default_factory=dict)

    def as_json(self) -> dict[str, Any]:
        """The finding as JSON knows it."""
        return asdict(self)


def ok(about: str, what: str, **facts: Any) -> Finding:
    """Something is as it should be."""
    return Finding(about, Verdict.OK, what, facts=facts)


def warning(about: str, what: str, advice: str, **facts: Any) -> Finding:
    """Something works, but not as somebody may expect."""
    return Finding(about, Verdict.WARNING, what, advice, facts)


def broken(about: str, what: str, advice: str, **facts: Any) -> Finding:
    """Something does not work."""
    return Finding(about, Verdict.BROKEN, what, advice, facts)


def probed(about: str, probe: Callable[[], Iterable[Finding]]) -> list[Finding]:
    """What the probe finds; an error of the probe is a finding too, never an exception."""
    found: list[Finding] = []
    try:
        found.extend(probe())
    except Exception as error:  # noqa: BLE001 - a broken probe must not hide what the others find
        found.append(error_finding(about, error))
    return found


def error_finding(about: str, error: Exception) -> Finding:
    """The finding that something could not be examined, or is what the error says."""
    explanation = explain(error)
    if explanation is not None:
        return broken(about, explanation.what, explanation.advice)
    return broken(
        about,
        f"cannot be examined ({type(error).__name__}: {first_line(error)})",
        "Run the command that uses it with --verbose for the stack trace.",
    )


def ranges(days: Iterable[date]) -> str:
    """The days as ranges, the newest ones if there are many."""
    shown = [str(window) for window in consecutive(days, EVER)]
    more = f" and {len(shown) - SHOWN_RANGES} more" if len(shown) > SHOWN_RANGES else ""
    return ", ".join(shown[-SHOWN_RANGES:]) + more


def backfills(days: Iterable[date]) -> str:
    """The commands that fetch these days, those of the newest ones if there are many."""
    windows: Sequence[Window] = list(consecutive(days))[-SHOWN_RANGES:]
    commands = [f"`soundlink-assets backfill {window.first} {window.last}`" for window in windows]
    return " and ".join(commands)
