"""Figures as people read them. What is unknown or undefined is shown as a dash, never as zero."""

from collections.abc import Iterable
from datetime import date
from decimal import Decimal
from itertools import pairwise

UNKNOWN = "\N{EN DASH}"
_SYMBOLS = {"USD": "$", "EUR": "€", "GBP": "£"}


def money(amount: Decimal | float | None, currency: str | None) -> str:
    """An amount without cents: `$12,345`; with cents below 100."""
    if amount is None:
        return UNKNOWN
    amount = float(amount)
    return _with_currency(f"{amount:,.0f}" if abs(amount) >= 100 else f"{amount:,.2f}", currency)  # noqa: PLR2004 - cents say nothing about hundreds


def cost(amount: float | None, currency: str | None) -> str:
    """A cost of one thing, to three figures or to the cent: `$0.113`, `$1.25`."""
    if amount is None:
        return UNKNOWN
    return _with_currency(f"{amount:,.3f}" if amount < 1 else f"{amount:,.2f}", currency)


def count(number: int | None) -> str:
    """A number of things: `12,345`."""
    return UNKNOWN if number is None else f"{number:,}"


def percent(fraction: float | None) -> str:
    """A fraction as a percentage: `31%`, below ten with a decimal."""
    if fraction is None:
        return UNKNOWN
    return f"{fraction:.1%}" if 0 < fraction < 0.1 else f"{fraction:.0%}"  # noqa: PLR2004 - ten percent


def ratio(number: float | None) -> str:
    """A ratio of like things: `0.46`."""
    return UNKNOWN if number is None else f"{number:.2f}"


def chance(probability: float | None) -> str:
    """A probability, never said to be certain: `>99%`."""
    if probability is None:
        return UNKNOWN
    whole = round(100 * probability)
    if whole < 1:
        return "<1%"
    return ">99%" if whole > 99 else f"{whole}%"  # noqa: PLR2004 - percent


def interval(low: float | None, high: float | None, currency: str | None) -> str:
    """A 95 percent interval of a cost; `or more` without an upper end."""
    if low is None:
        return UNKNOWN
    if high is None:
        return f"{cost(low, currency)} or more"
    return f"{cost(low, currency)} to {cost(high, currency)}"


def day(value: date) -> str:
    """`3 Apr 2026`."""
    return f"{value.day} {value:%b %Y}"


def span(first: date, last: date) -> str:
    """`3 to 20 Apr 2026`, naming month and year once where both ends share them."""
    if first == last:
        return day(first)
    if (first.year, first.month) == (last.year, last.month):
        return f"{first.day} to {day(last)}"
    if first.year == last.year:
        return f"{first.day} {first:%b} to {day(last)}"
    return f"{day(first)} to {day(last)}"


def runs(days: Iterable[date]) -> list[tuple[date, date]]:
    """First and last day of each run of consecutive days."""
    ordered = sorted(set(days))
    breaks = [place for place, (a, b) in enumerate(pairwise(ordered), 1) if (b - a).days > 1]
    edges = [0, *breaks, len(ordered)]
    return [(ordered[a], ordered[b - 1]) for a, b in pairwise(edges)] if ordered else []


def spans(days: Iterable[date]) -> str:
    """Runs of consecutive days as text: `3 to 5 Apr 2026, 9 Apr 2026`."""
    return ", ".join(span(first, last) for first, last in runs(days))


def _with_currency(number: str, currency: str | None) -> str:
    symbol = _SYMBOLS.get(currency or "")
    return f"{symbol}{number}" if symbol else f"{number} {currency or ''}".strip()
