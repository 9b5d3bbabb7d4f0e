"""Figures, days and places as people read them; text that any page can hold."""

import sys
from datetime import date
from decimal import Decimal

import pytest

from soundlink_assets.report import formats


@pytest.mark.parametrize(
    ("amount", "currency", "shown"),
    [
        (Decimal("1234.5"), "USD", "$1,234"),
        (Decimal("99.5"), "USD", "$99.50"),
        (0, "EUR", "€0.00"),
        (12, "CHF", "CHF12.00"),
        (12, None, "12.00"),
        (-1234, "USD", "-$1,234"),
        (None, "USD", formats.UNKNOWN),
    ],
)
def test_money_has_cents_only_where_they_matter(
    amount: Decimal | None, currency: str, shown: str
) -> None:
    assert formats.money(amount, currency) == shown


@pytest.mark.parametrize(
    ("amount", "shown"),
    [(0.1134, "$0.113"), (1.2345, "$1.23"), (None, formats.UNKNOWN), (0.0, "$0.000")],
)
def test_costs_have_three_figures(amount: float | None, shown: str) -> None:
    assert formats.cost(amount, "USD") == shown


@pytest.mark.parametrize(
    ("fraction", "shown"),
    [(0.316, "32%"), (0.086, "8.6%"), (0.0, "0%"), (1.0, "100%"), (None, formats.UNKNOWN)],
)
def test_percentages(fraction: float | None, shown: str) -> None:
    assert formats.percent(fraction) == shown


@pytest.mark.parametrize(
    ("probability", "shown"),
    [(1.0, ">99%"), (0.0, "<1%"), (0.5, "50%"), (0.994, "99%"), (None, formats.UNKNOWN)],
)
def test_a_chance_is_never_certain(probability: float | None, shown: str) -> None:
    assert formats.chance(probability) == shown


def test_an_interval_without_an_upper_end_says_so() -> None:
    assert formats.interval(0.5, None, "USD") == "$0.500 or more"
    assert formats.interval(0.5, 2.0, "USD") == "$0.500 to $2.00"
    assert formats.interval(None, None, "USD") == formats.UNKNOWN


def test_unknown_numbers_are_a_dash_and_zero_is_zero() -> None:
    assert (formats.count(None), formats.count(0), formats.count(12345)) == (
        formats.UNKNOWN,
        "0",
        "12,345",
    )
    assert (formats.ratio(None), formats.ratio(0.456)) == (formats.UNKNOWN, "0.46")


def test_days_are_shown_as_runs() -> None:
    days = [date(2026, 4, 3), date(2026, 4, 1), date(2026, 4, 2), date(2026, 4, 9)]
    assert formats.spans(days) == "1 to 3 Apr 2026, 9 Apr 2026"
    assert formats.spans([]) == ""
    assert formats.span(date(2026, 3, 30), date(2026, 4, 2)) == "30 Mar to 2 Apr 2026"
    assert formats.span(date(2025, 12, 30), date(2026, 1, 2)) == "30 Dec 2025 to 2 Jan 2026"


def test_countries_have_their_english_names_and_unknown_codes_stay() -> None:
    assert [formats.country(code) for code in ("NA", "NO", "GB", "", "Q1", "usa")] == [
        "Namibia",
        "Norway",
        "United Kingdom",
        "",
        "Q1",
        "usa",
    ]


def _allowed_in_xml(code: int) -> bool:
    """The production `Char` of XML 1.0."""
    return (
        code in {0x9, 0xA, 0xD}
        or 0x20 <= code <= 0xD7FF
        or 0xE000 <= code <= 0xFFFD
        or code >= 0x10000
    )


def test_exactly_what_xml_forbids_is_replaced() -> None:
    codes = [code for code in range(sys.maxunicode + 1) if code not in {0x2028, 0x2029}]
    shown = formats.printable("".join(map(chr, codes)))
    expected = [chr(code) if _allowed_in_xml(code) else "\ufffd" for code in codes]
    assert shown == "".join(expected)


@pytest.mark.parametrize("line_end", ["\u2028", "\u2029"])
def test_line_ends_of_unicode_become_spaces(line_end: str) -> None:
    assert formats.printable(f"a{line_end}b") == "a b"
