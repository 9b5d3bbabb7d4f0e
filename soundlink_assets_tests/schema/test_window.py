"""Windows: splitting loses no day, doubles none, and stays within the provider's cap."""

from datetime import UTC, date, datetime, timedelta
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from soundlink_assets.schema.window import (
    MAX_WINDOW_DAYS,
    Window,
    consecutive,
    final_at,
    final_at_latest,
)

windows = st.builds(
    lambda first, length: Window(first, first + timedelta(days=length)),
    st.dates(date(1990, 1, 1), date(2090, 1, 1)),
    st.integers(0, 1500),
)


@given(window=windows, most=st.integers(1, 120))
def test_the_parts_are_the_window_day_by_day(window: Window, most: int) -> None:
    parts = window.split(most)

    assert [day for part in parts for day in part.dates()] == list(window.dates())
    assert all(1 <= part.days <= most for part in parts)
    assert len(parts) == -(-window.days // most)


@given(window=windows)
def test_by_default_no_part_is_over_the_cap(window: Window) -> None:
    assert max(part.days for part in window.split()) <= MAX_WINDOW_DAYS == 90


def test_the_cap_counts_both_ends() -> None:
    assert len(Window(date(2026, 1, 1), date(2026, 3, 31)).split()) == 1
    assert len(Window(date(2026, 4, 1), date(2026, 6, 30)).split()) == 2


@given(window=windows, offset=st.integers(-5, 1505))
def test_a_window_contains_its_days_and_no_others(window: Window, offset: int) -> None:
    day = window.first + timedelta(days=offset)

    assert (day in window) is (day in set(window.dates()))


def test_a_reversed_window_is_refused() -> None:
    with pytest.raises(ValueError, match="ends"):
        Window(date(2026, 1, 2), date(2026, 1, 1))


def test_a_day_settles_eight_days_later_and_whatever_the_batch_two_days_after() -> None:
    assert final_at(date(2026, 4, 1)) == datetime(2026, 4, 9, tzinfo=UTC)
    assert final_at_latest(date(2026, 4, 1)) == datetime(2026, 4, 11, tzinfo=UTC)


@given(st.sets(st.dates(date(2025, 1, 1), date(2026, 1, 1)), max_size=200))
def test_consecutive_days_are_those_days_in_windows_that_neither_touch_nor_exceed_a_request(
    days: set[date],
) -> None:
    windows = list(consecutive(days))

    assert [day for window in windows for day in window.dates()] == sorted(days)
    for window, following in pairwise(windows):
        assert window.days == 90 or following.first > window.last + timedelta(days=1)
