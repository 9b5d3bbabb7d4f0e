"""Stored rows against the provider's own totals."""

from datetime import timedelta
from typing import Any

import polars as pl
import pytest
from hypothesis import given

from soundlink_assets.metrics.reconciliation import DIFFERENCES, differences, final_windows
from soundlink_assets.schema import CAMPAIGN_COUNTRY_DAILY
from soundlink_assets.schema.frames import polars_schema
from soundlink_assets.schema.overview import CAMPAIGN_OVERVIEW
from soundlink_assets_tests.metrics.rows import DAY, country_rows, midnight
from soundlink_assets_tests.metrics.strategies import country_frames

EXPORT = CAMPAIGN_COUNTRY_DAILY
NEXT = DAY + timedelta(days=1)
ROWS = (
    {"country_code": "US", "streams": 9, "listeners": 5, "spend_media": "4.25", "impressions": 70},
    {"country_code": "DE", "streams": 3, "listeners": 2, "spend_media": "1.10"},
    {"country_code": "DE", "report_date": NEXT, "streams": 1, "listeners": 1, "followers": 1},
)
TOTALS: dict[str, Any] = {
    "campaign_id": "c1",
    "first_day": DAY,
    "last_day": NEXT,
    "fetched_at": midnight(DAY, 30),
    "listeners": 8,
    "total_listeners": None,
    "streams": 13,
    "followers": 1,
    "impressions": 70,
    "ad_clicks": 0,
    "link_clicks": None,
    "spend_media": "5.35",
    "spend_total": "0",
    "fees": "0",
    "currency": "USD",
    "refetched_at": None,
}


def overview(**totals: Any) -> pl.DataFrame:
    schema = polars_schema(CAMPAIGN_OVERVIEW)
    as_text = dict.fromkeys(("spend_media", "spend_total", "fees"), pl.String)
    return pl.DataFrame([{**TOTALS, **totals}], schema={**schema, **as_text}).cast(schema)


def found(*rows: dict[str, Any], **totals: Any) -> dict[str, float]:
    """Measure -> difference of the one campaign."""
    differing = differences(overview(**totals), country_rows(*(rows or ROWS)), EXPORT)
    assert differing.schema == DIFFERENCES
    return {row["measure"]: float(row["difference"]) for row in differing.iter_rows(named=True)}


def test_equal_totals_do_not_differ() -> None:
    assert found() == {}


@pytest.mark.parametrize("measure", ["streams", "followers", "impressions", "ad_clicks"])
def test_counts_are_compared_exactly(measure: str) -> None:
    assert found(**{measure: TOTALS[measure] + 1}) == {measure: -1}


@pytest.mark.parametrize(
    ("spend", "difference"), [("5.36", None), ("5.34", None), ("5.37", -0.02), ("5.33", 0.02)]
)
def test_money_is_compared_to_the_cent(spend: str, difference: float | None) -> None:
    assert found(spend_media=spend) == ({} if difference is None else {"spend_media": difference})


def test_what_the_platform_did_not_report_is_no_difference_from_nothing() -> None:
    assert found(ad_clicks=None, link_clicks=None) == {}
    assert found(impressions=None) == {"impressions": 70}


def test_a_campaign_without_stored_rows_differs_by_all_of_its_totals() -> None:
    assert found({"campaign_id": "another", "streams": 4}) == {
        "streams": -13,
        "followers": -1,
        "impressions": -70,
        "listeners": -8,
        "spend_media": -5.35,
    }


def test_days_outside_the_totals_are_not_counted() -> None:
    after = {"report_date": NEXT + timedelta(days=1), "streams": 100, "listeners": 1}
    assert found(*ROWS, after) == {}


def test_amounts_of_another_currency_are_not_added() -> None:
    euros = {"country_code": "FR", "spend_media": "70", "currency": "EUR"}
    assert found(*ROWS, euros) == {}


def test_listeners_may_be_those_of_countries_and_days() -> None:
    assert found(listeners=7) == {"listeners": 1}
    assert found(listeners=9) == {"listeners": -1}


@pytest.mark.parametrize(
    ("new", "people", "equal"),
    [(4, 6, True), (6, 6, True), (7, 6, False), (4, 9, False), (9, None, False), (4, None, False)],
)
def test_listeners_may_be_new_people_where_the_provider_tells_all_people_too(
    new: int,
    people: int | None,
    equal: bool,  # noqa: FBT001
) -> None:
    assert ("listeners" not in found(listeners=new, total_listeners=people)) is equal


def test_new_listeners_are_compared_with_those_of_rows_that_tell_them() -> None:
    told = [row | {"extra": '{"new_listeners":1}'} for row in ROWS]
    assert found(*told, listeners=3, total_listeners=6) == {}
    assert found(*told, listeners=4, total_listeners=6) == {"listeners": 4}


@given(country_frames)
def test_the_totals_of_any_rows_do_not_differ_from_them(rows: pl.DataFrame) -> None:
    totals = {
        name: rows.filter(campaign_id="c1")[name].sum()
        for name in ("streams", "followers", "listeners", "impressions", "ad_clicks", "link_clicks")
    }
    amounts = {
        name: str(rows.filter(campaign_id="c1", currency="USD")[name].sum())
        for name in ("spend_media", "spend_total", "fees")
    }
    last_day = DAY + timedelta(days=9)
    assert differences(overview(**totals, **amounts, last_day=last_day), rows, EXPORT).is_empty()


# ---- which days are compared ----


def log(*entries: tuple[str, int, int]) -> pl.DataFrame:
    """Campaign, day and days until its fetch."""
    rows = [
        {
            "requested_campaign_id": campaign,
            "report_date": DAY + timedelta(days=day),
            "fetched_at": midnight(DAY, day + fetched),
            "oldest_exported_at": midnight(DAY, day + fetched),
            "delivery_exported_at": midnight(DAY, day + fetched),
        }
        for campaign, day, fetched in entries
    ]
    times = ("fetched_at", "oldest_exported_at", "delivery_exported_at")
    return pl.DataFrame(rows).cast(dict.fromkeys(times, pl.Datetime("us", "UTC")))


def test_a_campaign_is_compared_from_its_first_day_to_its_last_final_one() -> None:
    windows = final_windows(
        log(("a", 0, 8), ("a", 1, 9), ("a", 2, 7), ("b", 5, 20), ("b", 8, 20), ("c", 0, 3)), EXPORT
    )
    assert windows.rows() == [
        ("a", DAY, NEXT),
        ("b", DAY + timedelta(days=5), DAY + timedelta(days=8)),
    ]


def test_days_after_an_open_one_wait_for_it() -> None:
    windows = final_windows(log(("a", 0, 8), ("a", 1, 2), ("a", 2, 12)), EXPORT)
    assert windows.rows() == [("a", DAY, DAY)]
