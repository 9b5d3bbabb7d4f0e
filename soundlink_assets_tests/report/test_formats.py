"""Figures as people read them."""

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
        (12, "CHF", "12.00 CHF"),
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
