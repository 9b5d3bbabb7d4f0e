"""Stored rows are reconciled with the provider's totals, in real runs on a sandbox."""

import re
from collections.abc import Iterator
from pathlib import Path

import dagster as dg
import pytest

from soundlink_assets.schema import CAMPAIGN_COUNTRY_DAILY
from soundlink_assets_tests.assets.checked_runs import DAYS, ERROR, Checked, Platform, platform_in

pytestmark = pytest.mark.slow

EXPORT = CAMPAIGN_COUNTRY_DAILY
OVERVIEW = "soundlink/campaign_overview"
TOTALS = "SELECT sum(streams)::BIGINT FROM soundlink.campaign_country_daily"


@pytest.fixture
def platform(tmp_path: Path) -> Iterator[Platform]:
    with platform_in(tmp_path) as platform:
        yield platform


def reconcile(platform: Platform) -> tuple[Checked, list[tuple[bool, str]]]:
    """A run of the overview: what it recorded, and what its check said one after the other.

    The run's log has each verdict; the check's history has the last of a run.
    """
    run = platform.materialize(OVERVIEW)
    log = platform.instance.all_logs(
        run.run.run_id, of_type=dg.DagsterEventType.ASSET_CHECK_EVALUATION
    )
    verdicts = [entry.get_dagster_event().asset_check_evaluation_data for entry in log]
    said = [(each.passed, each.description or "") for each in verdicts]
    assert [said[-1]] == [(each.passed, each.description) for each in run.evaluations]
    return run, said


def asked(platform: Platform, end: str, since: int = 0) -> int:
    """The requests of a route, without the first ones."""
    return sum(request.path.endswith(end) for request in platform.sandbox.requests[since:])


def test_rows_that_come_to_the_totals_pass_with_one_request_a_campaign(platform: Platform) -> None:
    platform.run()
    before = len(platform.sandbox.requests)
    _, said = reconcile(platform)
    campaigns = platform.read("SELECT count(DISTINCT campaign_id) FROM soundlink.campaigns").item()
    assert said == [(True, f"All {campaigns} campaigns come to the provider's totals.")]
    assert asked(platform, "/metrics/overview") == campaigns
    assert len(platform.sandbox.requests) == before + campaigns
    stored = platform.read("SELECT * FROM soundlink.campaign_overview")
    assert stored["first_day"].unique().to_list() == [DAYS.first]
    assert stored["last_day"].unique().to_list() == [DAYS.last]
    assert stored["refetched_at"].null_count() == campaigns


def test_rows_that_were_lost_are_named_and_fetched_again(platform: Platform) -> None:
    campaign = platform.campaigns_with_rows(EXPORT)[0]
    platform.run()
    truth = platform.read(TOTALS).item()
    truth_of = platform.read(f"{TOTALS} WHERE campaign_id = '{campaign}'").item()
    platform.fail(EXPORT, campaign, "lost_rows", value=3)
    platform.run()
    lost = platform.read(TOTALS).item() - truth
    assert lost < 0

    run, said = reconcile(platform)

    assert [passed for passed, _ in said] == [False, True]
    assert f"campaign {campaign} has" in said[0][1]
    assert f"streams {truth_of + lost} instead of {truth_of} ({lost:+})" in said[0][1]
    assert f"Fetched again, since before: campaign {campaign} has" in said[1][1]
    assert platform.read(TOTALS).item() == truth
    assert EXPORT.table.qualified_name.replace(".", "/") in run.materialized
    assert reconcile(platform)[1][-1][0]


def test_totals_that_stay_different_fail_and_are_not_fetched_for_again(platform: Platform) -> None:
    campaign = platform.campaigns_with_rows(EXPORT)[0]
    platform.run()
    path = f"*/{campaign}/metrics/overview"
    platform.sandbox.fail(path, "overview_off", count=None, field="followers", by=2)

    before = len(platform.sandbox.requests)
    _, said = reconcile(platform)
    assert [passed for passed, _ in said] == [False, False]
    assert f"campaign {campaign} has" in said[1][1]
    assert re.search(r"followers \d+ instead of \d+ \(-2\)", said[1][1])
    assert asked(platform, "/breakdown/export", before) == 1

    before = len(platform.sandbox.requests)
    again, said = reconcile(platform)
    assert [passed for passed, _ in said] == [False]
    assert asked(platform, "/breakdown/export", before) == 0
    assert again.not_passed() == {(OVERVIEW, "matches_overview"): ERROR}


def test_a_campaign_whose_totals_are_refused_keeps_its_last_ones(platform: Platform) -> None:
    campaign = platform.campaigns_with_rows(EXPORT)[0]
    platform.run()
    reconcile(platform)
    platform.sandbox.fail(f"*/{campaign}/metrics/overview", "campaign_not_found")
    _, said = reconcile(platform)
    assert said[0][0]
    stored = platform.read("SELECT campaign_id, fetched_at FROM soundlink.campaign_overview")
    assert campaign in stored["campaign_id"].to_list()


def test_without_final_days_there_is_nothing_to_compare(platform: Platform) -> None:
    run, said = reconcile(platform)
    assert run.run.is_success
    assert said == [(True, "Not judged: no campaign has final days, or none was answered.")]
    assert platform.sandbox.requests == ()


def test_a_refused_key_fails_the_run(platform: Platform) -> None:
    platform.run()
    platform.sandbox.fail("*/metrics/overview", "invalid_api_key", count=None)
    run, said = reconcile(platform)
    assert not run.run.is_success
    assert said[0][1].startswith("Not judged: nothing was answered")
