"""Which days a backfill loads."""

from datetime import date

import pytest

from soundlink_assets.cli.app import UserError
from soundlink_assets.cli.backfill import closed_days
from soundlink_assets.schema.window import Window

EARLIEST, TODAY = date(2026, 1, 1), date(2026, 6, 20)
YESTERDAY = date(2026, 6, 19)


@pytest.mark.parametrize(
    ("start", "end", "window"),
    [
        (None, None, Window(date(2026, 6, 6), YESTERDAY)),
        ("2026-06-10", None, Window(date(2026, 6, 10), YESTERDAY)),
        ("2026-03-01", "2026-03-31", Window(date(2026, 3, 1), date(2026, 3, 31))),
    ],
)
def test_the_days_that_were_typed_or_else_the_last_fourteen(
    start: str | None, end: str | None, window: Window
) -> None:
    assert closed_days(start, end, EARLIEST, TODAY) == window


def test_the_usual_days_begin_no_earlier_than_the_first_partition() -> None:
    assert closed_days(None, None, date(2026, 6, 18), TODAY) == Window(date(2026, 6, 18), YESTERDAY)


def test_start_loads_as_many_days_as_one_request_gives() -> None:
    assert closed_days(None, None, EARLIEST, TODAY, 90) == Window(date(2026, 3, 22), YESTERDAY)


def test_before_the_first_day_has_closed_there_is_nothing_to_load() -> None:
    with pytest.raises(UserError, match="no day since then has closed"):
        closed_days(None, None, TODAY, TODAY)


@pytest.mark.parametrize("text", ["20260601", "2026-W23-1", "1.6.2026", ""])
def test_a_day_is_written_in_one_way(text: str) -> None:
    with pytest.raises(UserError, match="YYYY-MM-DD"):
        closed_days(text, None, EARLIEST, TODAY)
