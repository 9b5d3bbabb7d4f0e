"""What holds for the daily tables with any rows."""

import random
from collections.abc import Callable
from datetime import date

import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from polars.testing import assert_frame_equal

from soundlink_assets.metrics.country_efficiency import country_efficiency
from soundlink_assets.metrics.engagement import playlist_track_share, spillover_share
from soundlink_assets.schema.analytics import COUNTRY_EFFICIENCY, MEASURES
from soundlink_assets.schema.ratios import COUNTRY_RATIOS
from soundlink_assets_tests.metrics.rows import log_of, midnight
from soundlink_assets_tests.metrics.strategies import DAYS, country_frames, engagement_frames

Metric = Callable[[pl.DataFrame, pl.DataFrame], pl.DataFrame]

_modest = settings(max_examples=25, deadline=None)

TABLES = [
    pytest.param(country_efficiency, country_frames, id="country_efficiency"),
    pytest.param(spillover_share, engagement_frames, id="spillover_share"),
    pytest.param(playlist_track_share, engagement_frames, id="playlist_track_share"),
]


def _of_day(frame: pl.DataFrame, day: date) -> pl.DataFrame:
    return frame.filter(pl.col("report_date") == day)


def _mixed_log(rows: pl.DataFrame) -> pl.DataFrame:
    """A delivery log of which some days are open."""
    return log_of(rows).with_columns(
        fetched_at=pl.when(pl.col("report_date") > DAYS[0])
        .then(pl.lit(midnight(DAYS[1], 8)))
        .otherwise("fetched_at"),
        oldest_exported_at=pl.lit(midnight(DAYS[1], 8)),
    )


@pytest.mark.parametrize(("metric", "frames"), TABLES)
@given(data=st.data(), seed=st.integers(0, 1000))
@_modest
def test_the_order_of_rows_changes_nothing(
    metric: Metric, frames: st.SearchStrategy[pl.DataFrame], data: st.DataObject, seed: int
) -> None:
    rows = data.draw(frames)
    order = list(range(rows.height))
    random.Random(seed).shuffle(order)  # noqa: S311  # not for secrets
    log = _mixed_log(rows)
    assert_frame_equal(metric(rows, log), metric(rows[order], log.reverse()))


@pytest.mark.parametrize(("metric", "frames"), TABLES)
@given(data=st.data())
@_modest
def test_a_range_of_days_is_its_days_one_by_one(
    metric: Metric, frames: st.SearchStrategy[pl.DataFrame], data: st.DataObject
) -> None:
    rows = data.draw(frames)
    log = _mixed_log(rows)
    one_by_one = [metric(_of_day(rows, day), _of_day(log, day)) for day in DAYS]
    assert_frame_equal(metric(rows, log), pl.concat(one_by_one))


@pytest.mark.parametrize(("metric", "frames"), TABLES)
@given(data=st.data())
@_modest
def test_no_ratio_is_infinite_or_not_a_number(
    metric: Metric, frames: st.SearchStrategy[pl.DataFrame], data: st.DataObject
) -> None:
    rows = data.draw(frames)
    ratios = metric(rows, log_of(rows)).select(pl.col(pl.Float64))
    assert ratios.filter(~pl.all_horizontal(pl.all().fill_null(0).is_finite())).is_empty()


@given(rows=country_frames)
@_modest
def test_spend_and_counts_are_conserved(rows: pl.DataFrame) -> None:
    result = country_efficiency(rows, log_of(rows))
    keys = ["report_date", "campaign_id", "currency"]
    assert_frame_equal(
        result.group_by(keys).agg(pl.col(list(MEASURES)).sum()),
        rows.group_by(keys).agg(pl.col(list(MEASURES)).sum()),
        check_row_order=False,
    )


@given(rows=country_frames)
@_modest
def test_country_shares_lie_in_zero_to_one_and_sum_to_one(rows: pl.DataFrame) -> None:
    result = country_efficiency(rows, log_of(rows))
    for share in ("spend_share", "listener_share"):
        _assert_shares(result, share, ["report_date", "campaign_id", "currency"])


@given(rows=country_frames)
@_modest
def test_a_ratio_is_null_exactly_where_its_known_denominator_is_zero(rows: pl.DataFrame) -> None:
    result = country_efficiency(rows, log_of(rows))
    for ratio in COUNTRY_RATIOS:
        (denominator,) = ratio.denominator
        known = rows.drop_nulls(list(ratio.inputs)).group_by(COUNTRY_EFFICIENCY.key)
        positive = known.agg(pl.col(denominator).sum()).filter(pl.col(denominator) > 0).height
        assert result[ratio.name].count() == positive


@given(rows=engagement_frames)
@_modest
def test_catalog_plays_are_conserved(rows: pl.DataFrame) -> None:
    result = spillover_share(rows, log_of(rows))
    catalog = rows.filter(
        pl.col("engagement_context") == "catalog", pl.col("campaign_target_type") == "track"
    )
    for measure in ("streams", "new_listener_streams"):
        parts = [f"{kind}_{measure}" for kind in ("promoted", "spillover", "undetermined")]
        assert sum(result[part].sum() for part in parts) == catalog[measure].sum()


@given(rows=engagement_frames)
@_modest
def test_spillover_shares_lie_in_zero_to_one(rows: pl.DataFrame) -> None:
    result = spillover_share(rows, log_of(rows))
    for share in ("spillover_stream_share", "spillover_new_listener_stream_share"):
        assert result.filter(~pl.col(share).is_between(0, 1)).is_empty()


@given(rows=engagement_frames)
@_modest
def test_playlist_plays_are_conserved_and_their_shares_sum_to_one(rows: pl.DataFrame) -> None:
    result = playlist_track_share(rows, log_of(rows))
    playlist = rows.filter(pl.col("engagement_context") == "playlist")
    assert result["streams"].sum() == playlist["streams"].sum()
    _assert_shares(result, "stream_share", ["report_date", "campaign_id"])
    _assert_shares(result, "country_stream_share", ["report_date", "campaign_id", "country_code"])


def _assert_shares(frame: pl.DataFrame, share: str, within: list[str]) -> None:
    assert frame.filter(~pl.col(share).is_between(0, 1)).is_empty()
    sums = frame.drop_nulls(share).group_by(within).agg(pl.col(share).sum())
    assert sums.filter((pl.col(share) - 1).abs() > 1e-9).is_empty()
