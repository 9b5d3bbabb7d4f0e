"""When a derived row is settled."""

from datetime import datetime, timedelta
from typing import Any

import polars as pl
from hypothesis import given
from hypothesis import strategies as st

from soundlink_assets.schema.window import final_at_latest, final_at
from soundlink_assets.metrics.country_efficiency import country_efficiency
from soundlink_assets.metrics.settled import settled_cells, with_is_settled
from soundlink_assets_tests.metrics.rows import DAY, cells_of, country_rows, midnight


def _cell(fetched_at: datetime, oldest_exported_at: datetime | None) -> pl.DataFrame:
    return pl.DataFrame(
        {
            "requested_campaign_id": ["c1"],
            "report_date": [DAY],
            "fetched_at": [fetched_at],
            "oldest_exported_at": [oldest_exported_at],
        },
        schema_overrides={
            "fetched_at": pl.Datetime("us", "UTC"),
            "oldest_exported_at": pl.Datetime("us", "UTC"),
        },
    )


def _is_settled(fetched_at: datetime, oldest_exported_at: datetime | None) -> Any:
    return settled_cells(_cell(fetched_at, oldest_exported_at))["is_settled"].item()


def test_a_day_fetched_and_exported_after_eight_days_is_settled() -> None:
    assert _is_settled(midnight(DAY, 8), midnight(DAY, 8)) is True


def test_a_day_fetched_one_moment_before_is_open() -> None:
    just_before = midnight(DAY, 8) - timedelta(microseconds=1)
    assert _is_settled(just_before, just_before) is False


def test_a_day_fetched_in_time_from_an_older_batch_is_open_for_two_more_days() -> None:
    older_batch = midnight(DAY, 8) - timedelta(hours=1)
    assert _is_settled(midnight(DAY, 9), older_batch) is False
    assert _is_settled(midnight(DAY, 10), older_batch) is True


def test_an_empty_delivery_settles_by_its_fetch_alone() -> None:
    assert _is_settled(midnight(DAY, 8), None) is True
    assert _is_settled(midnight(DAY, 7), None) is False


@given(fetched=st.integers(0, 12 * 24), exported=st.one_of(st.none(), st.integers(0, 12 * 24)))
def test_the_frames_agree_with_the_contract(fetched: int, exported: int | None) -> None:
    fetched_at = midnight(DAY) + timedelta(hours=fetched)
    exported_at = None if exported is None else midnight(DAY) + timedelta(hours=exported)
    expected = (
        fetched_at >= final_at(DAY) and (exported_at is None or exported_at >= final_at(DAY))
    ) or fetched_at >= final_at_latest(DAY)
    assert _is_settled(fetched_at, exported_at) is expected


def test_a_row_without_a_known_cell_is_open() -> None:
    rows = country_rows({"country_code": "US"})
    assert with_is_settled(rows, cells_of(rows).clear())["is_settled"].to_list() == [False]


def test_a_derived_row_is_settled_when_every_cell_behind_it_is() -> None:
    rows = country_rows(
        {"requested_campaign_id": "alias", "account_id": "a"},
        {"requested_campaign_id": "c1", "account_id": "b"},
    )
    cells = cells_of(rows)
    open_alias = cells.with_columns(
        fetched_at=pl.when(pl.col("requested_campaign_id") == "alias")
        .then(pl.lit(midnight(DAY, 3)))
        .otherwise("fetched_at")
    )
    assert country_efficiency(rows, cells)["is_settled"].to_list() == [True]
    assert country_efficiency(rows, open_alias)["is_settled"].to_list() == [False]


def test_cells_are_matched_by_the_requested_id() -> None:
    rows = country_rows({"requested_campaign_id": "camp_abc123", "campaign_id": "uuid"})
    assert country_efficiency(rows, cells_of(rows))["is_settled"].to_list() == [True]
