"""What part of a recording's streams campaigns brought, month by month."""

from datetime import date
from typing import Any

import polars as pl
import pytest

from soundlink_assets.metrics.campaign_return import monthly_spend
from soundlink_assets.metrics.track_month_share import monthly_plays, track_month_share
from soundlink_assets_tests.metrics.rows import country_rows, engagement_rows, log_of, midnight
from soundlink_assets_tests.metrics.statement_frames import ISRCS, statements

APRIL = date(2026, 4, 1)


def _play(streams: int, **more: Any) -> dict[str, Any]:
    return {"engaged_track_isrc": ISRCS[0], "report_date": APRIL, "streams": streams, **more}


def _shares(
    sales: pl.DataFrame, *plays: dict[str, Any], spend: tuple[dict[str, Any], ...] = ()
) -> pl.DataFrame:
    rows, costs = engagement_rows(*plays), country_rows(*spend)
    return track_month_share(
        sales, monthly_plays(rows, log_of(rows)), monthly_spend(costs, log_of(costs))
    )


def test_the_share_is_observed_streams_of_all_that_were_paid() -> None:
    sales = statements({"streams": 600}, {"country_code": "ZZ", "streams": 400})
    plays = [_play(100), _play(50, engagement_context="playlist")]
    row = _shares(sales, *plays).row(0, named=True)
    assert (row["catalogue_streams"], row["playlist_streams"]) == (100, 50)
    assert (row["statement_streams"], row["attributed_share"]) == (1000, 0.15)
    assert not row["is_flagged"]


def test_one_recording_is_one_however_its_isrc_is_written() -> None:
    plays = [_play(1, engaged_track_isrc=isrc) for isrc in ("de-xw6-25-00000", "DEXW62500000")]
    assert _shares(statements(), *plays)["catalogue_streams"].to_list() == [2]


def test_streams_without_a_statement_have_no_share() -> None:
    row = _shares(statements(), _play(100)).row(0, named=True)
    assert (row["statement_streams"], row["attributed_share"]) == (None, None)
    assert not row["is_flagged"]


def test_revenue_without_streams_has_no_share_and_is_flagged_beside_observed_ones() -> None:
    row = _shares(statements({"revenue": "9"}), _play(1)).row(0, named=True)
    assert (row["statement_streams"], row["attributed_share"], row["is_flagged"]) == (0, None, True)


def test_a_recording_that_no_campaign_touched_is_there_with_a_share_of_zero() -> None:
    row = _shares(statements({"streams": 10})).row(0, named=True)
    assert (row["attributed_share"], row["campaign_count"], row["phase"]) == (0, 0, None)


@pytest.mark.parametrize(
    ("sales", "above"),
    [
        pytest.param([{"streams": 90}], 10, id="in total"),
        pytest.param(
            [{"streams": 60}, {"country_code": "DE", "streams": 900}], 40, id="in a country"
        ),
        pytest.param([{"country_code": "ZZ", "streams": 90}], 10, id="without countries"),
    ],
)
def test_a_share_above_one_is_flagged_and_not_hidden(
    sales: list[dict[str, Any]], above: int
) -> None:
    row = _shares(statements(*sales), _play(100)).row(0, named=True)
    assert (row["streams_above_statement"], row["is_flagged"]) == (above, True)
    assert row["attributed_share"] == 100 / row["statement_streams"]


def test_a_statement_that_takes_back_is_flagged() -> None:
    sales = statements({"streams": 500}, {"country_code": "DE", "streams": 9, "revenue": "-2"})
    assert _shares(sales, _play(100))["is_flagged"].all()


def test_months_are_before_during_between_and_after_those_with_spend() -> None:
    months = [date(2026, month, 1) for month in range(2, 7)]
    sales = statements(*({"month": month, "streams": 10} for month in months))
    spend = [
        {"report_date": date(2026, 3, 31), "spend_total": "5"},
        {"report_date": date(2026, 4, 1), "spend_total": "0"},
        {"report_date": date(2026, 5, 1), "spend_total": "5"},
    ]
    shares = _shares(sales, _play(1), spend=tuple(spend))
    assert shares["phase"].to_list() == ["before", "during", "between", "during", "after"]


def test_plays_of_open_days_are_counted_apart() -> None:
    rows = engagement_rows(_play(100), _play(7, report_date=date(2026, 4, 9)))
    nothing = monthly_spend(country_rows(), log_of(country_rows()))
    fetched = midnight(date(2026, 4, 9), 7)
    row = track_month_share(statements(), monthly_plays(rows, log_of(rows, fetched)), nothing)
    found = row.select("catalogue_streams", "open_streams", "is_settled").row(0)
    assert found == (100, 7, False)
