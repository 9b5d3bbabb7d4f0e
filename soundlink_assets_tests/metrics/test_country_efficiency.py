"""`country_efficiency` on small cases that are computed by hand."""

from datetime import date
from decimal import Decimal
from typing import Any

import polars as pl
import pytest

from soundlink_assets.metrics.country_efficiency import country_efficiency
from soundlink_assets.schema.analytics import COUNTRY_EFFICIENCY
from soundlink_assets.schema.frames import polars_schema
from soundlink_assets.schema.ratios import COUNTRY_RATIOS
from soundlink_assets_tests.metrics.rows import DAY, country_rows, log_of

TWO_COUNTRIES = (
    {
        "country_code": "US",
        "spend_media": "30.00",
        "fees": "7.50",
        "spend_total": "37.50",
        "impressions": 6000,
        "ad_clicks": 150,
        "link_clicks": 120,
        "streams": 90,
        "listeners": 60,
        "followers": 6,
    },
    {
        "country_code": "DE",
        "spend_media": "10.00",
        "fees": "2.50",
        "spend_total": "12.50",
        "impressions": 1000,
        "ad_clicks": 50,
        "link_clicks": 40,
        "streams": 60,
        "listeners": 40,
        "followers": 8,
    },
)


def _efficiency(*rows: dict[str, Any]) -> pl.DataFrame:
    frame = country_rows(*rows)
    return country_efficiency(frame, log_of(frame))


def _one(frame: pl.DataFrame, **where: Any) -> dict[str, Any]:
    return frame.filter(**where).row(0, named=True) if where else frame.row(0, named=True)


def test_ratios_are_sums_divided_by_sums() -> None:
    us = _one(_efficiency(*TWO_COUNTRIES), country_code="US")
    assert us["spend_media"] == Decimal("30.00")
    assert us["spend_total"] == Decimal("37.50")
    assert us["fees"] == Decimal("7.50")
    assert us["cost_per_listener"] == pytest.approx(0.5)
    assert us["cost_per_listener_all_in"] == pytest.approx(0.625)
    assert us["cost_per_follower"] == pytest.approx(5.0)
    assert us["cost_per_stream"] == pytest.approx(1 / 3)
    assert us["cost_per_link_click"] == pytest.approx(0.25)
    assert us["cpm"] == pytest.approx(5.0)
    assert us["ctr_link"] == pytest.approx(0.02)
    assert us["follow_rate"] == pytest.approx(0.1)
    assert us["streams_per_listener"] == pytest.approx(1.5)


def test_shares_and_index_compare_a_country_with_its_campaign() -> None:
    result = _efficiency(*TWO_COUNTRIES)
    us, de = _one(result, country_code="US"), _one(result, country_code="DE")
    assert (us["spend_share"], de["spend_share"]) == (pytest.approx(0.75), pytest.approx(0.25))
    assert (us["listener_share"], de["listener_share"]) == (pytest.approx(0.6), pytest.approx(0.4))
    assert us["efficiency_index"] == pytest.approx(0.8)
    assert de["efficiency_index"] == pytest.approx(1.6)


def test_the_contract_sample_gives_its_own_ratios_anew() -> None:
    sample = {
        "country_code": "US",
        "impressions": 4821,
        "ad_clicks": 112,
        "link_clicks": 89,
        "streams": 203,
        "listeners": 145,
        "followers": 12,
        "spend_media": "42.50",
        "spend_total": "53.13",
        "fees": "10.63",
    }
    row = _one(_efficiency(sample))
    assert row["cost_per_listener"] == pytest.approx(42.50 / 145)
    assert row["cost_per_follower"] == pytest.approx(42.50 / 12)
    assert row["ctr_link"] == pytest.approx(89 / 4821)


def test_published_ratios_are_not_read() -> None:
    frame = country_rows({"spend_media": "1.00", "listeners": 4, "streams": 8})
    other = frame.with_columns(cpl=pl.lit(0.0), streams_per_listener=pl.lit(-1.0))
    result = country_efficiency(frame, log_of(frame))
    assert result.equals(country_efficiency(other, log_of(other)))
    assert _one(result)["cost_per_listener"] == pytest.approx(0.25)


def test_zero_denominators_give_null_and_never_zero_or_infinity() -> None:
    row = _one(_efficiency({"spend_media": "5.00", "fees": "1.25", "spend_total": "6.25"}))
    assert {row[ratio.name] for ratio in COUNTRY_RATIOS} == {None}
    assert row["listener_share"] is None
    assert row["efficiency_index"] is None
    assert row["spend_share"] == pytest.approx(1.0)


def test_spend_of_zero_with_listeners_costs_nothing_and_has_no_index() -> None:
    row = _one(_efficiency({"spend_media": "0", "listeners": 5}))
    assert row["cost_per_listener"] == pytest.approx(0.0)
    assert row["spend_share"] is None
    assert row["listener_share"] == pytest.approx(1.0)
    assert row["efficiency_index"] is None


def test_unreported_clicks_are_unknown_and_not_zero() -> None:
    row = _one(
        _efficiency(
            {"spend_media": "5.00", "impressions": 1000, "link_clicks": None, "ad_clicks": None}
        )
    )
    assert row["link_clicks"] is None
    assert row["ad_clicks"] is None
    assert row["cost_per_link_click"] is None
    assert row["ctr_link"] is None
    assert row["cpm"] == pytest.approx(5.0)


def test_unreported_impressions_leave_no_cpm_and_no_click_through() -> None:
    row = _one(_efficiency({"spend_media": "5.00", "impressions": None, "link_clicks": 10}))
    assert row["impressions"] is None
    assert row["cpm"] is None
    assert row["ctr_link"] is None
    assert row["cost_per_link_click"] == pytest.approx(0.5)


def test_a_ratio_over_partly_unknown_rows_uses_the_rows_that_have_both() -> None:
    """Two organisations report the same campaign, day and country: only one knows its clicks."""
    row = _one(
        _efficiency(
            {"account_id": "a", "spend_media": "8.00", "link_clicks": 20, "impressions": 400},
            {"account_id": "b", "spend_media": "2.00", "link_clicks": None, "impressions": 600},
        )
    )
    assert row["spend_media"] == Decimal("10.00")
    assert row["link_clicks"] == 20
    assert row["impressions"] == 1000
    assert row["cost_per_link_click"] == pytest.approx(8 / 20)
    assert row["ctr_link"] == pytest.approx(20 / 400)
    assert row["cpm"] == pytest.approx(10.0)


def test_two_currencies_stay_apart_in_rows_and_in_shares() -> None:
    result = _efficiency(
        {"country_code": "US", "currency": "USD", "spend_media": "30", "listeners": 10},
        {"country_code": "DE", "currency": "EUR", "spend_media": "5", "listeners": 1},
        {"country_code": "FR", "currency": "EUR", "spend_media": "15", "listeners": 3},
    )
    shares = dict(result.select("country_code", "spend_share").iter_rows())
    assert shares == {"US": 1.0, "DE": 0.25, "FR": 0.75}
    assert dict(result.select("country_code", "listener_share").iter_rows()) == {
        "US": 1.0,
        "DE": 0.25,
        "FR": 0.75,
    }


def test_one_country_in_two_currencies_is_two_rows() -> None:
    result = _efficiency(
        {"account_id": "a", "currency": "USD", "spend_media": "30", "listeners": 10},
        {"account_id": "b", "currency": "EUR", "spend_media": "5", "listeners": 1},
    )
    assert result.select("currency", "spend_media").rows() == [
        ("EUR", Decimal("5.000000")),
        ("USD", Decimal("30.000000")),
    ]


def test_namibia_and_norway_are_countries() -> None:
    result = _efficiency(
        {"country_code": "NA", "spend_media": "1", "listeners": 2},
        {"country_code": "NO", "spend_media": "1", "listeners": 2},
    )
    assert result["country_code"].to_list() == ["NA", "NO"]


def test_shares_are_within_one_day_and_one_campaign() -> None:
    result = _efficiency(
        {"spend_media": "1", "listeners": 1},
        {"spend_media": "9", "listeners": 1, "campaign_id": "c2"},
        {"spend_media": "5", "listeners": 1, "report_date": date(2026, 4, 2)},
    )
    assert result["spend_share"].to_list() == [1.0, 1.0, 1.0]


def test_a_renamed_campaign_keeps_one_row_with_the_name_exported_last() -> None:
    frame = country_rows(
        {"account_id": "a", "campaign_name": "Zebra"},
        {"account_id": "b", "campaign_name": "Aardvark"},
    ).with_columns(
        exported_at=pl.when(pl.col("account_id") == "b")
        .then(pl.col("exported_at").dt.offset_by("1h"))
        .otherwise("exported_at")
    )
    result = country_efficiency(frame, log_of(frame))
    assert result["campaign_name"].to_list() == ["Aardvark"]


def test_no_rows_give_an_empty_table_of_the_described_columns() -> None:
    result = _efficiency()
    assert result.is_empty()
    assert result.schema == polars_schema(COUNTRY_EFFICIENCY)


def test_the_result_has_the_described_columns_and_types() -> None:
    assert _efficiency(*TWO_COUNTRIES).schema == polars_schema(COUNTRY_EFFICIENCY)


def test_the_day_of_a_row_is_kept() -> None:
    assert _efficiency(*TWO_COUNTRIES)["report_date"].to_list() == [DAY, DAY]
