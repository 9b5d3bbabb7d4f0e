"""What the sums of a campaign scorecard will come to, beside the sums themselves."""

from datetime import date, timedelta
from typing import Any

import polars as pl

from soundlink_assets.metrics.country_efficiency import country_efficiency
from soundlink_assets.metrics.scorecards import campaign_scorecard
from soundlink_assets.schema.analytics import SPILLOVER_SHARE
from soundlink_assets.schema.frames import empty_frame, polars_schema
from soundlink_assets.schema.nowcast import NOTHING_REPORTED, REVISION_NOWCAST, TOO_FEW_DAYS
from soundlink_assets_tests.metrics.rows import DAY, country_rows, log_of, midnight

NEXT = DAY + timedelta(days=1)
AS_OF = DAY + timedelta(days=1)
NO_PLAYS = empty_frame(SPILLOVER_SHARE)
NAMES = ("expected_listeners", "expected_streams", "expected_followers", "expected_spend_media")


def daily(*rows: dict[str, Any]) -> pl.DataFrame:
    """`country_efficiency` of two days, the second of which is open."""
    frame = country_rows(*rows)
    log = log_of(frame, midnight(NEXT, 1)).with_columns(
        oldest_exported_at=pl.lit(midnight(NEXT, 9)),
        fetched_at=pl.when(pl.col("report_date") == DAY)
        .then(pl.lit(midnight(DAY, 9)))
        .otherwise("fetched_at"),
    )
    return country_efficiency(frame, log)


def said(measure: str, expected: float | None, reported: float, **more: Any) -> dict[str, Any]:
    return {
        "report_date": NEXT,
        "campaign_id": "c1",
        "measure": measure,
        "currency": "USD" if measure == "spend_media" else None,
        "reported": reported,
        "expected": expected,
        **more,
    }


def nowcast(*rows: dict[str, Any]) -> pl.DataFrame:
    schema = polars_schema(REVISION_NOWCAST)
    return pl.DataFrame([{name: row.get(name) for name in schema} for row in rows], schema=schema)


FINAL = {"listeners": 10, "streams": 20, "followers": 1, "spend_media": "5"}
OPEN = {"report_date": NEXT, "listeners": 4, "streams": 8, "spend_media": "2"}
ALL_SAID = (
    said("listeners", 6.5, 4),
    said("streams", 12.25, 8),
    said("followers", 0.5, 0),
    said("spend_media", 1.75, 2),
)


def expected(days: pl.DataFrame, *rows: dict[str, Any], as_of: date = AS_OF) -> tuple[Any, ...]:
    card = campaign_scorecard(days, NO_PLAYS, as_of, nowcast(*rows))
    return card.select(NAMES).row(0)


def test_open_days_count_as_expected_and_final_ones_as_they_are() -> None:
    assert expected(daily(FINAL, OPEN), *ALL_SAID) == (16.5, 32.25, 1.5, 6.75)


def test_sums_and_costs_are_those_of_reported_figures() -> None:
    days = daily(FINAL, OPEN)
    with_nowcast = campaign_scorecard(days, NO_PLAYS, AS_OF, nowcast(*ALL_SAID)).drop(NAMES)
    assert with_nowcast.equals(campaign_scorecard(days, NO_PLAYS, AS_OF).drop(NAMES))
    assert with_nowcast["listeners"].to_list() == [14]
    assert with_nowcast["cost_per_listener"].to_list() == [0.5]


def test_several_countries_of_a_day_are_expected_once() -> None:
    other = OPEN | {"country_code": "DE", "listeners": 2, "streams": 1, "spend_media": "1"}
    assert expected(daily(FINAL, OPEN, other), *ALL_SAID) == (18.5, 33.25, 1.5, 7.75)


def test_without_an_expectation_of_an_open_day_there_is_none_of_the_sum() -> None:
    silent = said("streams", None, 8, reason=TOO_FEW_DAYS)
    assert expected(daily(FINAL, OPEN), ALL_SAID[0], silent) == (16.5, None, None, None)


def test_an_amount_of_which_nothing_is_reported_stays_nothing() -> None:
    unpaid = said("spend_media", None, 0, reason=NOTHING_REPORTED)
    days = daily(FINAL, OPEN | {"spend_media": "0"})
    assert expected(days, *ALL_SAID[:3], unpaid) == (16.5, 32.25, 1.5, 5.0)


def test_a_campaign_whose_days_are_all_final_is_expected_to_stay() -> None:
    assert expected(daily(FINAL)) == (10.0, 20.0, 1.0, 5.0)
    assert expected(daily(FINAL, OPEN), *ALL_SAID, as_of=DAY) == (10.0, 20.0, 1.0, 5.0)


def test_counts_of_two_currencies_have_no_expectation_and_amounts_have() -> None:
    euros = OPEN | {"country_code": "DE", "currency": "EUR", "spend_media": "3"}
    rows = (*ALL_SAID, said("spend_media", 4.0, 3, currency="EUR"))
    card = campaign_scorecard(daily(FINAL, OPEN, euros), NO_PLAYS, AS_OF, nowcast(*rows))
    assert card.sort("currency").select("currency", *NAMES).rows() == [
        ("EUR", None, None, None, 4.0),
        ("USD", None, None, None, 6.75),
    ]


def test_nothing_is_expected_without_a_nowcast() -> None:
    card = campaign_scorecard(daily(FINAL, OPEN), NO_PLAYS, AS_OF)
    assert card.select(NAMES).row(0) == (None, None, None, None)
