"""Sums are exact, and one that does not fit its column is refused with its value."""

from decimal import Decimal
from typing import Any

import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from soundlink_assets.metrics.aggregation import OutOfRangeError, exact_sum, ratio_of_sums
from soundlink_assets.metrics.country_efficiency import country_efficiency
from soundlink_assets.metrics.engagement import playlist_track_share, spillover_share
from soundlink_assets.metrics.scorecards import campaign_scorecard
from soundlink_assets.schema.analytics import SPILLOVER_SHARE
from soundlink_assets.schema.frames import empty_frame
from soundlink_assets.schema.ratios import Ratio
from soundlink_assets_tests.metrics.rows import DAY, country_rows, engagement_rows, log_of

HALF = 2**62
TWICE = ({"account_id": "a"}, {"account_id": "b"})


@given(st.lists(st.integers(-(2**63), 2**63 - 1), max_size=8))
def test_sums_of_counts_are_exact_beyond_64_bits(counts: list[int]) -> None:
    frame = pl.DataFrame({"n": counts}, schema={"n": pl.Int64})
    assert int(frame.select(exact_sum("n")).item()) == sum(counts)


@given(st.lists(st.decimals(-999_999_999_999, 999_999_999_999, places=6), max_size=8))
def test_sums_of_money_are_exact_beyond_18_digits(amounts: list[Decimal]) -> None:
    frame = pl.DataFrame({"n": amounts}, schema={"n": pl.Decimal(18, 6)})
    assert frame.select(exact_sum("n")).item() == sum(amounts)


def test_a_ratio_adds_up_the_rows_that_have_all_of_its_columns() -> None:
    frame = pl.DataFrame({"a": [4, 2, None], "b": [1, None, 5], "c": [3, 1, 1]})
    ratio = Ratio("r", "a", ("b", "c"), "fraction", factor=10)
    assert frame.select(ratio_of_sums(ratio)).item() == pytest.approx(10 * 4 / (1 + 3))


@pytest.mark.parametrize(
    ("measure", "value", "total"),
    [
        ("impressions", HALF, str(2**63)),
        ("listeners", HALF, str(2**63)),
        ("spend_media", "600000000000.5", "1200000000001"),
    ],
)
def test_a_sum_beyond_its_column_is_refused_with_its_value(
    measure: str, value: Any, total: str
) -> None:
    rows = country_rows(*({**row, measure: value} for row in TWICE))
    with pytest.raises(OutOfRangeError) as refused:
        country_efficiency(rows, log_of(rows))
    error = refused.value
    assert (error.table, error.column) == ("analytics.country_efficiency", measure)
    assert error.key["campaign_id"] == "c1"
    assert error.value == Decimal(total)
    assert total in str(error)
    assert "campaign_id c1" in str(error)


def test_plays_beyond_64_bits_are_refused() -> None:
    plays = engagement_rows(*({**row, "streams": HALF} for row in TWICE))
    with pytest.raises(OutOfRangeError, match=f"spillover_streams comes to {2**63} for"):
        spillover_share(plays, log_of(plays))
    playlist = plays.with_columns(engagement_context=pl.lit("playlist"))
    with pytest.raises(OutOfRangeError, match=f"streams comes to {2**63} for"):
        playlist_track_share(playlist, log_of(playlist))


def test_a_share_of_sums_beyond_64_bits_is_right() -> None:
    rows = country_rows(
        *({"country_code": code, "listeners": HALF} for code in ("US", "DE", "FR", "BR"))
    )
    assert country_efficiency(rows, log_of(rows))["listener_share"].to_list() == [0.25] * 4


def test_a_scorecard_refuses_a_sum_over_days_beyond_its_column() -> None:
    rows = country_rows(
        *({"country_code": code, "spend_media": "600000000000"} for code in ("US", "DE"))
    )
    daily = country_efficiency(rows, log_of(rows))
    with pytest.raises(OutOfRangeError, match="spend_media comes to 1200000000000 for"):
        campaign_scorecard(daily, empty_frame(SPILLOVER_SHARE), DAY)
