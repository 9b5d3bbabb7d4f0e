"""What a failed command prints: a line or two, with the words that help, and no stack trace."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta

from typer.testing import Result

CLOSED_DAY = datetime.now(UTC).date() - timedelta(days=2)
"""Closed before these tests begin and when they end, whichever midnight passes meanwhile."""

BACKFILL = ("backfill", str(CLOSED_DAY), str(CLOSED_DAY))
ONE_ASSET = ("--select", "soundlink/campaign_country_daily")
KEY = {"SOUNDLINK_API_KEY": "sk_test_0123456789abcdef"}

MOST_LINES = 2


@dataclass(frozen=True)
class Mistake:
    """A command that cannot work: its arguments, settings, and words that have to be printed."""

    name: str
    words: tuple[str, ...]
    arguments: tuple[str, ...] = BACKFILL
    settings: Mapping[str, str] = field(default_factory=dict)

    def __str__(self) -> str:
        return self.name


def lines_of_error(result: Result) -> list[str]:
    """What is printed about the failure itself, without the run's line and the checks' verdicts."""
    others = ("failed  ", "done  ", "Not done: ", "  ERROR  ", "  WARN  ", "...  ")
    return [line for line in result.stderr.splitlines() if line and not line.startswith(others)]


def assert_explained(result: Result, *words: str) -> None:
    lines = lines_of_error(result)
    assert result.exit_code == 1, result.output
    assert 1 <= len(lines) <= MOST_LINES, result.output
    assert "Traceback" not in result.output
    for word in words:
        assert word in "\n".join(lines)
