"""Figures, days and places as people read them, in English; and text that any page can hold.

What is unknown or undefined is shown as a dash, never as zero.
"""

import re
from collections.abc import Iterable
from datetime import date
from decimal import Decimal
from itertools import pairwise

from babel import Locale
from babel.numbers import format_currency, format_decimal, format_percent

UNKNOWN = "\N{EN DASH}"
_ENGLISH = Locale("en")
_NOT_IN_XML = re.compile("[^\t\n\r\u0020-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")
_LINE_ENDS = re.compile("[\u2028\u2029]")


def money(amount: Decimal | float | None, currency: str | None) -> str:
    """An amount without cents: `$12,345`; with cents below 100."""
    if amount is None:
        return UNKNOWN
    return _amount(amount, 0 if not -100 < amount < 100 else 2, currency)  # noqa: PLR2004 - cents say nothing about hundreds


def cost(amount: float | None, currency: str | None) -> str:
    """A cost of one thing, to three figures or to the cent: `$0.113`, `$1.25`."""
    return UNKNOWN if amount is None else _amount(amount, 3 if amount < 1 else 2, currency)


def _amount(amount: Decimal | float, decimals: int, currency: str | None) -> str:
    number = "#,##0" + ("." + "0" * decimals if decimals else "")
    if currency is None:
        return format_decimal(amount, number, _ENGLISH)
    return format_currency(amount, currency, f"¤{number}", _ENGLISH, currency_digits=False)


def count(number: int | None) -> str:
    """A number of things: `12,345`."""
    return UNKNOWN if number is None else format_decimal(number, locale=_ENGLISH)


def percent(fraction: float | None) -> str:
    """A fraction as a percentage: `31%`, below ten with a decimal."""
    if fraction is None:
        return UNKNOWN
    return format_percent(fraction, "0.0%" if 0 < fraction < 0.1 else "0%", _ENGLISH)  # noqa: PLR2004 - ten percent


def ratio(number: float | None) -> str:
    """A ratio of like things: `0.46`."""
    return UNKNOWN if number is None else format_decimal(number, "0.00", _ENGLISH)


def chance(probability: float | None) -> str:
    """A probability, never shown as certain: `>99%`."""
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


def country(code: str) -> str:
    """The English name, or the code itself for places that have none."""
    return str(_ENGLISH.territories.get(code, code))


def day(value: date) -> str:
    """`3 Apr 2026`."""
    return f"{_day_and_month(value)} {value.year}"


def month(value: date) -> str:
    """`April 2026`."""
    return f"{_ENGLISH.months['format']['wide'][value.month]} {value.year}"


def _day_and_month(value: date) -> str:
    return f"{value.day} {_ENGLISH.months['format']['abbreviated'][value.month]}"


def span(first: date, last: date) -> str:
    """`3 to 20 Apr 2026`, naming month and year once where both ends share them."""
    if first == last:
        return day(first)
    if (first.year, first.month) == (last.year, last.month):
        return f"{first.day} to {day(last)}"
    if first.year == last.year:
        return f"{_day_and_month(first)} to {day(last)}"
    return f"{day(first)} to {day(last)}"


def spans(days: Iterable[date]) -> str:
    """Runs of consecutive days as text: `3 to 5 Apr 2026, 9 Apr 2026`."""
    return ", ".join(span(first, last) for first, last in runs(days))


def runs(days: Iterable[date]) -> list[tuple[date, date]]:
    """First and last day of each run of consecutive days."""
    ordered = sorted(set(days))
    breaks = [place for place, (a, b) in enumerate(pairwise(ordered), 1) if (b - a).days > 1]
    edges = [0, *breaks, len(ordered)]
    return [(ordered[a], ordered[b - 1]) for a, b in pairwise(edges)] if ordered else []


def number_of(number: int, noun: str) -> str:
    """`1 check`, `3 checks`."""
    return f"{count(number)} {noun}{'' if number == 1 else 's'}"


def printable(text: str) -> str:
    """The text without characters that XML 1.0 forbids, and with spaces for Unicode's line ends.

    A forbidden one aborts the process in the chart renderer; a line end breaks its expressions.
    """
    return _LINE_ENDS.sub(" ", _NOT_IN_XML.sub("\N{REPLACEMENT CHARACTER}", text))
