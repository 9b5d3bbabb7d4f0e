"""What the doctor finds: one line each, with a verdict and, where something is amiss, what to do.

Probes yield findings; `probed` runs one so that nothing it meets can end the others.
"""

import re
from collections.abc import Callable, Iterable
from dataclasses import asdict, dataclass, field
from enum import StrEnum
from typing import Any

from soundlink_assets.cli.failures import explain

MEGABYTE = 1_000_000


class Verdict(StrEnum):
    """How a finding is to be taken."""

    OK = "ok"
    WARNING = "warning"
    BROKEN = "broken"


@dataclass(frozen=True, slots=True)
class Finding:
    """One line of the doctor's screen.

    `facts` are the same figures for machines, in units that their names say.
    """

    about: str
    verdict: Verdict
    said: str
    advice: str = ""
    facts: dict[str, Any] = field(default_factory=dict)

    def as_json(self) -> dict[str, Any]:
        """The finding as JSON knows it."""
        return asdict(self)


def ok(about: str, said: str, **facts: Any) -> Finding:
    """Something is as it should be."""
    return Finding(about, Verdict.OK, said, facts=facts)


def warning(about: str, said: str, advice: str, **facts: Any) -> Finding:
    """Something works, but not as somebody may expect."""
    return Finding(about, Verdict.WARNING, said, advice, facts)


def broken(about: str, said: str, advice: str, **facts: Any) -> Finding:
    """Something does not work."""
    return Finding(about, Verdict.BROKEN, said, advice, facts)


def probed(about: str, probe: Callable[[], Iterable[Finding]]) -> list[Finding]:
    """What the probe finds; an error of the probe is a finding too, never an exception."""
    found: list[Finding] = []
    try:
        found.extend(probe())
    except Exception as error:  # noqa: BLE001 - a broken probe must not hide what the others find
        found.append(_of(about, error))
    return found


def _of(about: str, error: Exception) -> Finding:
    said = explain(error)
    if said is None:
        first = (str(error).strip().splitlines() or [""])[0]
        return broken(
            about,
            f"cannot be examined ({type(error).__name__}: {first})",
            "Run the command that uses it with --verbose for the stack trace.",
        )
    first, advice = _said_and_advised(said)
    return broken(about, first, advice)


def _said_and_advised(text: str) -> tuple[str, str]:
    """What is wrong and what to do: on two lines, or in the first sentence and those after it."""
    first, line_break, advice = text.partition("\n")
    if line_break:
        return first, advice
    said, *rest = re.split(r"\.\s+(?=[A-Z])", text, maxsplit=1)
    return (said, rest[0]) if rest else (text, "")
