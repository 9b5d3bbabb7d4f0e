"""What a campaign earned back, and how much of the answer is estimated."""

from datetime import date
from decimal import Decimal
from typing import Any

import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from polars.testing import assert_frame_equal

from soundlink_assets.metrics.campaign_return import (
    campaign_return,
    country_value,
    monthly_spend,
)
from soundlink_assets.metrics.track_month_share import monthly_plays, track_month_share
from soundlink_assets.schema.frames import polars_schema
from soundlink_assets.schema.statements import CAMPAIGN_RETURN, STATEMENTS
from soundlink_assets_tests.metrics.rows import (
    country_rows,
    engagement_rows,
    log_of,
    midnight,
)
from soundlink_assets_tests.metrics.statement_frames import (
    DAYS,
    ISRCS,
    mixed_sale_frames,
    play_frames,
    sale_frames,
    spend_frames,
    statements,
)

APRIL, MAY = date(2026, 4, 1), date(2026, 5, 1)
_modest = settings(max_examples=15, deadline=None)

US_APRIL = {"streams": 1000, "revenue": "4"}


def _play(streams: int = 100, **more: Any) -> dict[str, Any]:
    return {"engaged_track_isrc": ISRCS[0], "report_date": APRIL, "streams": streams, **more}


def _return(
    sales: pl.DataFrame, *plays: dict[str, Any], spend: list[dict[str, Any]] | None = None
) -> dict[str, Any]:
    """The one row of the campaign, in US dollars."""
    rows, costs = engagement_rows(*plays), country_rows(*(spend or []))
    table = campaign_return(
        sales, monthly_plays(rows, log_of(rows)), monthly_spend(costs, log_of(costs))
    )
    return table.row(by_predicate=pl.col("currency") == "USD", named=True)


def test_a_stream_is_worth_what_its_country_and_month_paid() -> None:
    sales = statements(US_APRIL, {"country_code": "DE", "streams": 1000, "revenue": "1"})
    result = _return(sales, _play(100), _play(100, country_code="DE"))
    assert result["attributed_revenue"] == Decimal("0.5")
    assert (result["rate_source"], result["country_rate_share"]) == ("country", 1)
    assert result["attributed_revenue_low"] == result["attributed_revenue_high"] == Decimal("0.5")


@pytest.mark.parametrize(
    ("sales", "source", "revenue", "low", "high"),
    [
        pytest.param(
            [US_APRIL, {"country_code": "FR", "streams": 1000, "revenue": "2"}],
            "month",
            "0.3",
            "0.2",
            "0.4",
            id="the month where the country is lacking",
        ),
        pytest.param(
            [
                {"country_code": "DE", "revenue": "7"},
                {"month": MAY, "streams": 1000, "revenue": "5"},
            ],
            "isrc",
            "1.2",
            "0",
            "1.2",
            id="the ISRC where the month has no streams",
        ),
        pytest.param(
            [
                {"isrc": ISRCS[1], "streams": 1000, "revenue": "1"},
                {"isrc": ISRCS[2], "streams": 1000, "revenue": "3"},
            ],
            "catalogue",
            "0.2",
            "0",
            "0.3",
            id="the catalogue where the ISRC is lacking",
        ),
    ],
)
def test_a_coarser_rate_is_used_and_told_with_a_range(
    sales: list[dict[str, Any]], source: str, revenue: str, low: str, high: str
) -> None:
    result = _return(statements(*sales), _play(100, country_code="DE"))
    assert result["rate_source"] == source
    assert result[f"{source}_rate_share"] == 1
    assert result["attributed_revenue"] == Decimal(revenue)
    assert result["attributed_revenue_low"] == Decimal(low)
    assert result["attributed_revenue_high"] == Decimal(high)


def test_a_playlists_tracks_that_no_statement_knows_earn_nothing() -> None:
    result = _return(
        statements(US_APRIL),
        _play(100, engagement_context="playlist"),
        _play(300, engagement_context="playlist", engaged_track_isrc=ISRCS[1]),
    )
    assert result["attributed_revenue"] == Decimal("0.4")
    assert (result["unpriced_share"], result["priced_streams"]) == (0.75, 100)


def test_other_stores_neither_pay_nor_price() -> None:
    sales = statements(US_APRIL, {"store": "Apple Music", "streams": 1, "revenue": "1000"})
    assert _return(sales, _play(100))["attributed_revenue"] == Decimal("0.4")


def test_currencies_are_never_mixed_and_no_stream_is_paid_twice() -> None:
    sales = statements(US_APRIL, {"currency": "EUR", "streams": 3000, "revenue": "8"})
    rows = engagement_rows(_play(100))
    costs = country_rows({"report_date": APRIL, "spend_total": "10", "spend_media": "8"})
    table = campaign_return(
        sales, monthly_plays(rows, log_of(rows)), monthly_spend(costs, log_of(costs))
    )
    assert table.select("currency", "attributed_revenue", "spend_total").rows() == [
        ("EUR", Decimal("0.2"), None),
        ("USD", Decimal("0.1"), Decimal(10)),
    ]


def test_spend_is_beside_revenue_with_and_without_fees() -> None:
    spend = {"report_date": APRIL, "spend_media": "1.6", "spend_total": "2", "listeners": 40}
    result = _return(statements(US_APRIL), _play(100), spend=[spend])
    assert result["recoup_ratio"] == pytest.approx(0.2)
    assert result["recoup_ratio_media"] == pytest.approx(0.25)
    assert result["streams_to_break_even"] == pytest.approx(500)
    assert result["cost_per_listener_all_in"] == pytest.approx(0.05)
    assert result["revenue_per_listener"] == pytest.approx(0.01)


def test_open_days_are_left_out_of_streams_and_spend() -> None:
    rows = engagement_rows(_play(100, report_date=DAYS[0]), _play(900, report_date=DAYS[2]))
    costs = country_rows(
        {"report_date": DAYS[0], "spend_total": "1"}, {"report_date": DAYS[2], "spend_total": "9"}
    )
    fetched = midnight(DAYS[2], 7)
    table = campaign_return(
        statements({**US_APRIL, "month": date(2026, 3, 1)}),
        monthly_plays(rows, log_of(rows, fetched)),
        monthly_spend(costs, log_of(costs, fetched)),
    )
    assert table.select("streams", "spend_total", "is_settled").row(0) == (100, Decimal(1), False)


def test_without_statements_there_is_spend_and_no_revenue() -> None:
    result = _return(statements(), _play(100), spend=[{"spend_total": "5"}])
    assert result["spend_total"] == Decimal(5)
    assert result["attributed_revenue"] is None
    assert result["recoup_ratio"] is None
    assert result["unpriced_share"] == 1


@pytest.mark.parametrize(
    ("months", "covers_until", "missing", "covers"),
    [([APRIL], APRIL, 0, False), ([APRIL, MAY], MAY, 0, True), ([MAY], MAY, 1, False)],
)
def test_it_says_until_when_statements_cover_the_campaign(
    months: list[date], covers_until: date, missing: int, *, covers: bool
) -> None:
    sales = statements(*({**US_APRIL, "month": month} for month in months))
    spend = [{"report_date": APRIL, "spend_total": "5"}]
    result = _return(sales, _play(100), spend=spend)
    found = (result["covers_until"], result["missing_months"], result["covers_campaign"])
    assert found == (covers_until, missing, covers)


def test_the_value_of_a_country_is_what_its_streams_earn_per_stream_and_per_listener() -> None:
    rows = engagement_rows(_play(100), _play(50, country_code="DE"))
    costs = country_rows({"listeners": 40}, {"listeners": 7, "currency": "EUR"})
    value = country_value(
        statements(US_APRIL),
        monthly_plays(rows, log_of(rows)),
        monthly_spend(costs, log_of(costs)),
    )
    assert value.sort("country_code", descending=True).rows() == [
        ("c1", "US", "USD", pytest.approx(0.004), pytest.approx(0.01)),
        ("c1", "DE", "USD", pytest.approx(0.004), None),
    ]


@given(sales=mixed_sale_frames, plays=play_frames, spend=spend_frames, seed=st.integers(0, 99))
@_modest
def test_the_order_of_rows_changes_nothing(
    sales: pl.DataFrame, plays: pl.DataFrame, spend: pl.DataFrame, seed: int
) -> None:
    def shuffled(frame: pl.DataFrame) -> pl.DataFrame:
        return frame.sample(fraction=1, shuffle=True, seed=seed)

    def computed(*frames: pl.DataFrame) -> list[pl.DataFrame]:
        sold, rows, costs = frames
        monthly = (monthly_plays(rows, log_of(plays)), monthly_spend(costs, log_of(spend)))
        return [track_month_share(sold, *monthly), campaign_return(sold, *monthly)]

    for one, other in zip(
        computed(sales, plays, spend),
        computed(shuffled(sales), shuffled(plays), shuffled(spend)),
        strict=True,
    ):
        assert_frame_equal(one, other)


@given(sales=mixed_sale_frames, plays=play_frames, spend=spend_frames)
@_modest
def test_shares_of_rates_sum_to_one_and_the_revenue_is_in_its_range(
    sales: pl.DataFrame, plays: pl.DataFrame, spend: pl.DataFrame
) -> None:
    table = campaign_return(
        sales, monthly_plays(plays, log_of(plays)), monthly_spend(spend, log_of(spend))
    )
    shares = table.filter(pl.col("streams") > 0).select(
        pl.sum_horizontal("^.*_rate_share$", "unpriced_share").alias("sum")
    )
    assert shares.filter((pl.col("sum") - 1).abs() > 1e-9).is_empty()
    low, high = (pl.col(f"attributed_revenue_{end}") for end in ("low", "high"))
    assert table.filter(
        (low > pl.col("attributed_revenue")) | (high < pl.col("attributed_revenue"))
    ).is_empty()
    assert table.select(pl.col(pl.Float64).is_finite().all()).to_series().all()
    assert table.schema == polars_schema(CAMPAIGN_RETURN)
    assert not table.select(CAMPAIGN_RETURN.key).is_duplicated().any()


@given(sales=sale_frames, plays=play_frames)
@_modest
def test_a_month_earns_no_more_than_was_paid_unless_its_share_is_flagged(
    sales: pl.DataFrame, plays: pl.DataFrame
) -> None:
    monthly = monthly_plays(plays, log_of(plays))
    nothing = monthly_spend(country_rows(), log_of(country_rows()))
    trusted = track_month_share(sales, monthly, nothing).filter(
        ~pl.col("is_flagged"), pl.col("statement_streams").is_not_null()
    )
    paid = sales.filter(pl.col("store") == "Spotify")
    for isrc, month in trusted.select("isrc", "month").rows():
        played = monthly.filter(isrc=isrc, month=month)
        earned = sum(campaign_return(sales, played, nothing)["attributed_revenue"].drop_nulls())
        revenue = sum(paid.filter(isrc=isrc, month=month)["revenue"])
        assert earned <= revenue + Decimal("0.000002"), (isrc, month)


def test_the_key_of_statements_in_the_tests_is_that_of_the_table() -> None:
    assert statements(US_APRIL).schema == polars_schema(STATEMENTS)
