"""What Dagster remembers of each day: its rows, and whether anything can still change."""

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import dagster as dg
import pytest

from soundlink_assets.assets.catalog import asset_key
from soundlink_assets.schema import CAMPAIGN_COUNTRY_DAILY
from soundlink_assets.schema.window import Window
from soundlink_assets_tests.assets.checked_runs import DAYS, NOW, Platform, over, platform_in

COUNTRY = CAMPAIGN_COUNTRY_DAILY
STILL_OPEN = datetime(2024, 4, 10, 12, tzinfo=UTC)


@pytest.fixture
def platform(tmp_path: Path) -> Iterator[Platform]:
    with platform_in(tmp_path) as platform:
        yield platform


def remembered(platform: Platform, name: str) -> list[object]:
    """One entry of the metadata of the latest materialisation of each of `DAYS`, in order."""
    values: list[object] = []
    for day in DAYS.dates():
        (record,) = platform.instance.fetch_materializations(
            dg.AssetRecordsFilter(
                asset_key=asset_key(COUNTRY.table), asset_partitions=[day.isoformat()]
            ),
            limit=1,
        ).records
        assert record.asset_materialization is not None
        values.append(record.asset_materialization.metadata[name].value)
    return values


def test_days_settle_once_all_their_campaigns_are_final(platform: Platform) -> None:
    platform.sandbox.set_clock(STILL_OPEN)
    platform.run()
    assert remembered(platform, "is_settled") == [False, False, False]

    platform.sandbox.set_clock(NOW)
    platform.run()
    assert remembered(platform, "is_settled") == [True, True, True]


def test_a_run_for_one_campaign_does_not_settle_the_others(platform: Platform) -> None:
    platform.sandbox.set_clock(STILL_OPEN)
    platform.run()
    first, *_ = platform.campaigns_with_rows(COUNTRY)

    platform.sandbox.set_clock(NOW)
    platform.only(first).run()

    assert remembered(platform, "is_settled") == [False, False, False]


def test_campaign_days_that_kept_an_earlier_export_are_not_final(platform: Platform) -> None:
    platform.sandbox.set_clock(STILL_OPEN)
    platform.run()

    platform.sandbox.set_clock(NOW)
    hours = (NOW - STILL_OPEN) / timedelta(hours=1) + 24
    platform.sandbox.fail(f"*{COUNTRY.segment}/export", "stale_export", count=None, hours=hours)
    platform.run()

    assert remembered(platform, "is_settled") == [False, False, False]


def test_a_campaign_that_failed_and_was_never_stored_keeps_its_days_open(
    platform: Platform,
) -> None:
    first, *_ = platform.campaigns_with_rows(COUNTRY)
    platform.fail(COUNTRY, first, "internal_error")
    platform.run()
    assert remembered(platform, "is_settled") == [False, False, False]


def test_a_campaign_that_failed_and_was_final_before_leaves_its_days_settled(
    platform: Platform,
) -> None:
    platform.run()
    first, *_ = platform.campaigns_with_rows(COUNTRY)
    platform.fail(COUNTRY, first, "internal_error")
    platform.run()
    assert remembered(platform, "is_settled") == [True, True, True]


def test_the_rows_of_a_day_are_those_that_are_stored(platform: Platform) -> None:
    platform.run()
    first, *_ = platform.campaigns_with_rows(COUNTRY)
    platform.only(first).run()

    stored = platform.read(
        f"SELECT count(*) FROM {COUNTRY.table.qualified_name} "
        "GROUP BY report_date ORDER BY report_date"
    )
    assert remembered(platform, "dagster/partition_row_count") == stored.to_series().to_list()


def test_a_range_that_reaches_a_day_to_come_is_refused_before_any_request(
    platform: Platform,
) -> None:
    today = datetime.now(UTC).date()

    checked = platform.run(over(Window(today - timedelta(days=2), today + timedelta(days=2))))

    assert platform.instance.get_run_by_id(checked.run.run_id).is_failure  # type: ignore[union-attr]
    assert not [served for served in platform.sandbox.requests if "export" in served.path]
