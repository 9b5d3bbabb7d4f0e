"""Lists, clocks and keys of the independent provider: days end true, or a check is red."""

from collections.abc import Iterator
from datetime import date, datetime, timedelta
from pathlib import Path

import dagster as dg
import pytest

from soundlink_assets.assets.automation import policy_of
from soundlink_assets.assets.run_history import history_of
from soundlink_assets.definitions import build_definitions
from soundlink_assets.schema import EXPORTS
from soundlink_assets_tests.assets.checked_runs import ERROR, Checked, Platform, over
from soundlink_assets_tests.independent_faults import LOADED, answered, body
from soundlink_assets_tests.independent_platform import (
    ASSETS,
    FINAL,
    WINDOW,
    platform_on,
    stored,
    truth,
)
from soundlink_assets_tests.independent_provider import (
    COUNTRY,
    CREATED,
    Answer,
    Provider,
    Row,
    error,
    stamp,
)

LIST = "soundlink/campaigns"
Small = tuple[Platform, Provider]


@pytest.fixture
def small(tmp_path: Path) -> Iterator[Small]:
    with platform_on(tmp_path, ["a", "b", "c", "d"]) as small:
        yield small


def country(small: Small, at: datetime) -> Checked:
    """A run of the list and the country rows alone."""
    small[1].time = at
    assets = {dg.AssetKey.from_user_string(asset) for asset in (LIST, ASSETS[COUNTRY])}
    return small[0].run(over(WINDOW), assets)


def rows_of(small: Small) -> dict[str, list[Row]]:
    platform, provider = small
    return stored(platform, provider, COUNTRY)


def final_days(small: Small) -> set[date]:
    """The days of the country export that Dagster remembers as final."""
    platform, provider = small
    history = history_of(platform.instance, EXPORTS, provider.now(), policy_of(platform.settings))
    fetches = history.fetches["campaign_country_daily"]
    return {day for day, fetch in fetches.items() if fetch.is_final}


def test_a_list_that_lost_most_campaigns_settles_and_loses_nothing(small: Small) -> None:
    country(small, LOADED)
    small[1].unlisted = {"b", "c", "d"}

    checked = country(small, FINAL)

    assert checked.for_run(LIST, "row_loss").severity is ERROR
    assert rows_of(small) == truth(small[1], COUNTRY)
    assert final_days(small) == set()
    small[1].unlisted = set()
    assert country(small, FINAL).not_passed() == {}
    assert final_days(small) == set(WINDOW.dates())


def test_campaigns_that_left_or_are_gone_end_as_the_provider_last_had_them(small: Small) -> None:
    _, provider = small
    country(small, LOADED)
    before = truth(provider, COUNTRY)
    provider.unlisted = {"a", "b"}
    left, gone, *_ = provider.campaigns
    provider.faults[provider.path(gone, COUNTRY)] = answered(error(404, "campaign_not_found"))
    left.revision = 1

    checked = country(small, FINAL)

    assert set(checked.not_passed()) == {
        (LIST, "row_loss"),
        (ASSETS[COUNTRY], "every_campaign_delivered"),
    }
    assert rows_of(small) == truth(provider, COUNTRY) | {"b": before["b"]}
    assert final_days(small) == set(WINDOW.dates())


def test_a_campaign_that_is_listed_late_gets_the_days_of_its_life(small: Small) -> None:
    platform, provider = small
    provider.unlisted = {"c"}
    country(small, FINAL)
    assert rows_of(small)["c"] == []
    provider.unlisted = set()

    assert "backfill 2024-04-02 2024-04-04" in str(platform.list_again().description)

    assert final_days(small) == set()
    country(small, FINAL)
    assert rows_of(small) == truth(provider, COUNTRY)
    assert final_days(small) == set(WINDOW.dates())


@pytest.mark.parametrize("hours", [7, -12 * 24])
def test_a_wrong_clock_settles_nothing_and_its_correction_heals(small: Small, hours: int) -> None:
    platform, provider = small
    wrong, by = platform.having(), timedelta(hours=hours)
    wrong.definitions = build_definitions(wrong.settings, clock=lambda: provider.now() + by)
    (first, *_) = provider.campaigns
    first.has_rows = False

    checked = country((wrong, provider), LOADED)

    assert not checked.for_run(LIST, "clock").passed
    assert final_days(small) == set()
    first.has_rows = True
    country(small, LOADED + timedelta(minutes=10))
    assert rows_of(small) == truth(provider, COUNTRY)


def test_a_campaign_without_rows_and_without_a_count_becomes_final(small: Small) -> None:
    platform, provider = small
    (first, *_) = provider.campaigns
    first.has_rows = False
    for export in ASSETS:
        provider.faults[provider.path(first, export)] = body(bytes, X_Row_Count=None)

    assert country((platform.having(max_attempts=2), provider), FINAL).not_passed() == {}

    assert final_days(small) == set(WINDOW.dates())


LISTS: dict[str, tuple[bytes, str]] = {
    "half a character in a name": (b'"trackName": "\\ud83d"', ""),
    "half a character in an id": (b'"campaignId": "\\udc00"', "campaignId"),
    "a number beyond all": (b'"totalBudget": 1e99999999999999999999', "totalBudget"),
    "a moment beyond the calendar": (b'"createdAt": "9999-12-31T23:59:59-23:00"', "createdAt"),
}


@pytest.mark.parametrize("name", LISTS)
def test_a_list_that_cannot_be_held_is_named_by_its_field(small: Small, name: str) -> None:
    platform, provider = small
    text, field = LISTS[name]

    def fault(answer: Answer) -> None:
        head, key, rest = answer.body.partition(text.partition(b":")[0] + b":")
        assert key
        answer.body = head + text + b", " + rest.partition(b", ")[2]

    provider.faults["/v1/campaigns"] = fault

    checked = country(small, FINAL)

    assert checked.run.status is (
        dg.DagsterRunStatus.FAILURE if field else dg.DagsterRunStatus.SUCCESS
    )
    logs = platform.instance.all_logs(checked.run.run_id, of_type=dg.DagsterEventType.STEP_FAILURE)
    said = [str(log.get_dagster_event().step_failure_data.error) for log in logs]
    assert bool(said) == bool(field)
    assert all(field in text for text in said)


def test_a_campaign_that_claims_to_be_created_in_the_future_is_asked_for(small: Small) -> None:
    _, provider = small
    created = stamp(CREATED).encode()
    provider.faults["/v1/campaigns"] = body(
        lambda content: content.replace(created, b"2099-01-01T00:00:00Z")
    )

    assert country(small, FINAL).not_passed() == {}

    assert rows_of(small) == truth(provider, COUNTRY)
    assert final_days(small) == set(WINDOW.dates())


def test_where_every_campaign_is_refused_the_run_fails_and_nothing_changes(small: Small) -> None:
    _, provider = small
    country(small, LOADED)
    before = rows_of(small)
    for campaign in provider.campaigns:
        campaign.revision = 1
        refusal = answered(error(403, "access_denied"))
        provider.faults[provider.path(campaign, COUNTRY)] = refusal

    checked = country(small, FINAL)

    assert checked.run.status is dg.DagsterRunStatus.FAILURE
    assert rows_of(small) == before
    assert final_days(small) == set()


def test_the_key_of_another_organisation_is_refused(small: Small) -> None:
    _, provider = small
    country(small, LOADED)
    before = rows_of(small)
    for campaign in provider.campaigns:
        campaign.organisation = "third"

    checked = country(small, FINAL)

    assert checked.run.status is dg.DagsterRunStatus.FAILURE
    assert rows_of(small) == before
