"""Lists that shrink, campaigns that leave or come late, wrong clocks: nothing is lost by them."""

from collections.abc import Iterator
from datetime import UTC, date, datetime, timedelta
from pathlib import Path

import dagster as dg
import pytest

from soundlink_assets.assets.automation import policy_of
from soundlink_assets.assets.catalog import asset_key
from soundlink_assets.assets.listing import INCOMPLETE_DAYS
from soundlink_assets.assets.run_history import history_of
from soundlink_assets.definitions import build_definitions
from soundlink_assets.schema import CAMPAIGN_COUNTRY_DAILY, CAMPAIGNS, EXPORTS
from soundlink_assets.schema.window import Window
from soundlink_assets_tests.assets.checked_runs import (
    DAYS,
    ERROR,
    NOW,
    WARN,
    Checked,
    Platform,
    over,
    platform_in,
)

COUNTRY = CAMPAIGN_COUNTRY_DAILY
ASSET = "soundlink/campaign_country_daily"
LIST = "soundlink/campaigns"
STILL_OPEN = datetime(2024, 4, 10, 12, tzinfo=UTC)
FROM_DAY_TEN_ON = datetime(2024, 4, 17, tzinfo=UTC)
"""D+10 of 7 April, the last of `DAYS`."""


@pytest.fixture
def platform(tmp_path: Path) -> Iterator[Platform]:
    with platform_in(tmp_path) as platform:
        yield platform


def final_days(platform: Platform) -> set[date]:
    """The days that Dagster remembers as final, as schedule and sensor read them."""
    history = history_of(
        platform.instance, EXPORTS, platform.sandbox.now(), policy_of(platform.settings)
    )
    return {day for day, fetch in history.fetches[COUNTRY.name].items() if fetch.is_final}


def rows(platform: Platform, where: str = "true") -> int:
    return int(
        platform.read(f"SELECT count(*) FROM soundlink.campaign_country_daily WHERE {where}").item()
    )


def open_rows(platform: Platform) -> int:
    return int(
        platform.read("SELECT count(*) FROM analytics.country_efficiency WHERE NOT is_settled")
        .to_series()
        .item()
    )


def listed(platform: Platform) -> set[str]:
    return set(platform.read("SELECT campaign_id FROM soundlink.campaigns").to_series())


def asked(platform: Platform) -> set[str]:
    """Whose country rows were asked for since the requests were forgotten."""
    return {
        request.path.split("/")[3]
        for request in platform.sandbox.requests
        if request.path.endswith("breakdown/export")
    }


def of_list(checked: Checked, check: str) -> dg.AssetCheckEvaluation:
    return checked.for_run(LIST, check)


def again(platform: Platform, at: datetime) -> Checked:
    platform.sandbox.set_clock(at)
    platform.sandbox.forget_requests()
    return platform.run()


# Lists that shrink


def test_a_list_that_is_empty_once_is_not_believed_and_nothing_is_lost_by_it(
    platform: Platform,
) -> None:
    again(platform, STILL_OPEN)
    campaigns = listed(platform)
    platform.sandbox.fail("/v1/campaigns", "empty", count=None)

    checked = again(platform, NOW)

    loss = of_list(checked, "row_loss")
    assert not loss.passed
    assert loss.severity is ERROR
    assert listed(platform) == campaigns
    assert asked(platform) == campaigns, "all are asked for by their ids"
    assert all(rows(platform, f"campaign_id = '{each}'") for each in campaigns)
    assert final_days(platform) == set()

    platform.sandbox.clear()
    assert of_list(again(platform, NOW), "row_loss").passed
    assert final_days(platform) == set(DAYS.dates())


def test_a_list_that_stays_small_is_believed_after_ten_days(platform: Platform) -> None:
    again(platform, STILL_OPEN)
    platform.sandbox.fail("/v1/campaigns", "empty", count=None)

    first_seen = STILL_OPEN + timedelta(days=1)
    again(platform, first_seen)
    before = again(platform, first_seen + timedelta(days=9, hours=23))
    after = again(platform, first_seen + timedelta(days=10))

    assert of_list(before, "row_loss").severity is ERROR
    assert not of_list(before, "row_loss").passed
    assert listed(platform) == set()
    assert of_list(after, "row_loss").severity is WARN


def test_without_any_campaign_no_day_becomes_final(platform: Platform) -> None:
    platform.sandbox.fail("/v1/campaigns", "empty", count=None)

    checked = again(platform, NOW)

    assert checked.run.status is dg.DagsterRunStatus.SUCCESS
    assert final_days(platform) == set()


def test_a_campaign_that_left_the_list_is_asked_for_by_its_id_and_becomes_final(
    platform: Platform,
) -> None:
    again(platform, STILL_OPEN)
    (left, *_) = platform.campaigns_with_rows(COUNTRY)
    platform.sandbox.fail("/v1/campaigns", "vanished_rows", count=None, value=[left])

    checked = again(platform, NOW)

    loss = of_list(checked, "row_loss")
    assert not loss.passed
    assert loss.severity is WARN
    assert left in str(loss.description)
    assert left in asked(platform)
    assert left not in listed(platform)
    assert final_days(platform) == set(DAYS.dates())
    assert open_rows(platform) == 0

    again(platform, NOW)
    assert left not in asked(platform), "it is final: there is nothing left to ask for"


def test_a_campaign_that_is_gone_is_final_as_it_is_stored_from_day_ten_on(
    platform: Platform,
) -> None:
    again(platform, STILL_OPEN)
    (gone, *_) = platform.campaigns_with_rows(COUNTRY)
    before = platform.read(f"from soundlink.campaign_country_daily where campaign_id = '{gone}'")
    platform.sandbox.fail("/v1/campaigns", "vanished_rows", count=None, value=[gone])
    platform.sandbox.fail(f"*{gone}*", "campaign_not_found", count=None)

    checked = again(platform, FROM_DAY_TEN_ON - timedelta(minutes=1))
    delivered = checked.for_run(ASSET, "every_campaign_delivered")
    assert not delivered.passed
    assert delivered.severity is WARN
    assert gone in str(delivered.description)
    assert checked.run.status is dg.DagsterRunStatus.SUCCESS
    assert DAYS.last not in final_days(platform)

    again(platform, FROM_DAY_TEN_ON)
    assert final_days(platform) == set(DAYS.dates())
    assert open_rows(platform) == 0
    kept = platform.read(f"from soundlink.campaign_country_daily where campaign_id = '{gone}'")
    assert kept.sort(kept.columns).equals(before.sort(before.columns))

    assert again(platform, FROM_DAY_TEN_ON).for_run(ASSET, "every_campaign_delivered").passed
    assert gone not in asked(platform)


def test_a_listed_campaign_that_is_not_found_is_a_failure(platform: Platform) -> None:
    (first, *_) = platform.campaigns_with_rows(COUNTRY)
    platform.fail(COUNTRY, first, "campaign_not_found")

    delivered = platform.run().for_run(ASSET, "every_campaign_delivered")

    assert not delivered.passed
    assert delivered.severity is ERROR


# Campaigns that come late


def test_a_campaign_that_is_listed_late_reopens_the_days_that_lack_it(platform: Platform) -> None:
    late = platform.campaigns_with_rows(COUNTRY)[0]
    platform.sandbox.fail("/v1/campaigns", "vanished_rows", count=None, value=[late])
    again(platform, NOW)
    assert final_days(platform) == set(DAYS.dates())
    assert rows(platform, f"campaign_id = '{late}'") == 0

    platform.sandbox.clear()
    platform.list_again()
    assert final_days(platform) == set()

    checked = again(platform, NOW)
    assert final_days(platform) == set(DAYS.dates())
    assert rows(platform, f"campaign_id = '{late}'") > 0
    loaded = of_list(checked, "every_day_loaded")
    assert not loaded.passed, "the list was read before the days were fetched"
    assert loaded.severity is WARN
    assert late in str(loaded.description)
    assert f"soundlink-assets backfill {DAYS.first} {DAYS.last}" in str(loaded.description)
    assert of_list(again(platform, NOW), "every_day_loaded").passed


def test_older_days_are_named_with_the_command_and_not_fetched_by_themselves(
    platform: Platform,
) -> None:
    late = platform.campaigns_with_rows(COUNTRY)[0]
    platform.sandbox.fail("/v1/campaigns", "vanished_rows", count=None, value=[late])
    again(platform, NOW)
    platform.sandbox.clear()
    few_days = platform.having(catch_up_days=8)

    verdict = few_days.list_again()

    assert INCOMPLETE_DAYS not in few_days.metadata_of_list()
    assert "soundlink-assets backfill" in str(verdict.description)


# Clocks


def ahead(platform: Platform, by: timedelta) -> Platform:
    """The platform with a machine's clock that is ahead of the provider's."""
    wrong = platform.having()
    wrong.definitions = build_definitions(wrong.settings, clock=lambda: platform.sandbox.now() + by)
    return wrong


def test_a_clock_that_is_ahead_makes_nothing_final_and_is_told(platform: Platform) -> None:
    wrong = ahead(platform, timedelta(days=12))

    clock = of_list(again(wrong, STILL_OPEN), "clock")

    assert not clock.passed
    assert clock.severity is WARN
    assert "12 days, 0:00:00 ahead of the provider's" in str(clock.description)
    assert final_days(platform) == set()
    again(platform, NOW)
    assert final_days(platform) == set(DAYS.dates())


@pytest.mark.parametrize(("seconds", "passed"), [(-110, True), (110, True), (-130, False)])
def test_clocks_may_differ_by_two_minutes(
    platform: Platform,
    seconds: int,
    passed: bool,  # noqa: FBT001 - a parameter of the test
) -> None:
    wrong = ahead(platform, timedelta(seconds=seconds))
    assert of_list(again(wrong, NOW), "clock").passed == passed


def test_a_day_that_has_not_closed_by_the_providers_clock_is_refused(platform: Platform) -> None:
    wrong = ahead(platform, timedelta(days=12))
    platform.sandbox.set_clock(STILL_OPEN)
    today = STILL_OPEN.date()

    checked = wrong.run(over(Window(today - timedelta(days=1), today)))

    assert checked.run.status is dg.DagsterRunStatus.FAILURE
    assert asked(platform) == set()


def test_a_fetch_that_a_wrong_clock_put_into_the_future_is_not_believed(
    platform: Platform,
) -> None:
    tomorrow = datetime.now(UTC) + timedelta(days=1)
    day = platform.settings.start_date
    platform.instance.report_runless_asset_event(
        dg.AssetMaterialization(
            asset_key(COUNTRY.table),
            partition=str(day),
            metadata={"fetched_at": dg.MetadataValue.timestamp(tomorrow), "is_settled": True},
        )
    )

    def is_final(now: datetime) -> bool:
        policy = policy_of(platform.having(catch_up_days=3660).settings)
        history = history_of(platform.instance, EXPORTS, now, policy)
        return history.fetches[COUNTRY.name][day].is_final

    assert not is_final(datetime.now(UTC) - timedelta(days=1))
    assert is_final(datetime.now(UTC)), "it was recorded now: only its stamp is the provider's"


# Organisations


def test_figures_of_another_organisation_are_refused_unless_they_are_allowed(
    platform: Platform,
) -> None:
    again(platform, NOW)
    stored = rows(platform)
    (first, *_) = platform.campaigns_with_rows(COUNTRY)
    platform.fail(COUNTRY, first, "other_account", count=None)

    refused = again(platform, NOW)

    assert refused.run.status is dg.DagsterRunStatus.FAILURE
    assert rows(platform) == stored
    accounts = "SELECT count(DISTINCT account_id) FROM soundlink.campaign_country_daily"
    assert platform.read(accounts).item() == 1

    allowed = again(platform.having(allow_several_organisations=True), NOW)
    assert allowed.run.status is dg.DagsterRunStatus.SUCCESS
    assert platform.read(accounts).item() == 2


# What the list is a version of


def test_the_list_keeps_its_data_version_as_long_as_the_same_is_listed(platform: Platform) -> None:
    def version() -> str:
        platform.list_again()
        event = platform.instance.get_latest_materialization_event(asset_key(CAMPAIGNS))
        assert event is not None
        assert event.asset_materialization is not None
        tags = event.asset_materialization.tags
        assert tags is not None
        return tags["dagster/data_version"]

    first = version()
    assert version() == first
    gone = platform.campaigns_with_rows(COUNTRY)[0]
    platform.sandbox.fail("/v1/campaigns", "vanished_rows", count=None, value=[gone])
    assert version() != first
