"""The checks at the door in real runs: what is refused, what lands, what is told."""

import json
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import dagster as dg
import pytest

from soundlink_assets.schema import CAMPAIGN_COUNTRY_DAILY
from soundlink_assets_tests.assets.checked_runs import (
    DAYS,
    ERROR,
    Checked,
    Platform,
    number,
    on,
    platform_in,
    table,
)

COUNTRY = CAMPAIGN_COUNTRY_DAILY
ASSET = "soundlink/campaign_country_daily"
OTHER_ASSET = "soundlink/campaign_engagement_daily"
DAY_KEYS = [day.isoformat() for day in DAYS.dates()]
CHECKS = ("schema_version", "valid_rows", "every_campaign_delivered")


def evaluations_of_each_day(checked: Checked, check: str) -> list[dg.AssetCheckEvaluation]:
    recorded = checked.of(ASSET, check)
    assert set(recorded) == {*DAY_KEYS, None}
    return list(recorded.values())


# Some campaigns are refused or fail, the others land


@dataclass(frozen=True)
class Mixed:
    """A clean run, then one in which campaigns go wrong in different ways."""

    platform: Platform
    clean: Checked
    mixed: Checked
    stored_before: dict[str, int]
    by_fault: dict[str, str]


REFUSED = (
    "conflicting_duplicates",
    "two_currencies",
    "other_campaign",
    "other_day",
    "negative_count",
    "required_key_missing",
    "unparsable_line",
)
FAILED = {"internal_error": "internal_error", "campaign_not_found": "campaign_not_found"}


@pytest.fixture(scope="module")
def mixed(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Mixed]:
    with platform_in(tmp_path_factory.mktemp("mixed"), 12) as platform:
        clean = platform.run()
        stored_before = rows_by_campaign(platform)
        platform.write("UPDATE soundlink.campaign_country_daily SET campaign_name = 'as before'")
        faults = [*REFUSED, *FAILED]
        by_fault = dict(zip(faults, platform.campaigns_with_rows(COUNTRY), strict=False))
        assert len(by_fault) == len(faults)
        for fault, campaign_id in by_fault.items():
            platform.fail(COUNTRY, campaign_id, fault)
        yield Mixed(platform, clean, platform.run(), stored_before, by_fault)


def rows_by_campaign(platform: Platform, having: str = "true") -> dict[str, int]:
    rows = platform.read(
        "SELECT requested_campaign_id, count(*) FROM soundlink.campaign_country_daily "
        f"WHERE {having} GROUP BY ALL"
    )
    return dict(rows.iter_rows())


@pytest.mark.parametrize("check", CHECKS)
def test_a_clean_run_passes_the_checks_of_the_delivery_on_each_day(
    mixed: Mixed, check: str
) -> None:
    evaluations = evaluations_of_each_day(mixed.clean, check)
    assert all(evaluation.passed for evaluation in evaluations)
    assert not any(evaluation.blocking for evaluation in evaluations)


def test_refused_deliveries_fail_their_check_on_each_day_and_link_the_bodies(mixed: Mixed) -> None:
    culprits = {mixed.by_fault[fault] for fault in REFUSED}
    for evaluation in evaluations_of_each_day(mixed.mixed, "valid_rows"):
        assert not evaluation.passed
        assert evaluation.severity is ERROR
        assert number(evaluation, "refused") == len(culprits)
        refused = table(evaluation, "refusals")
        assert {row["requested_id"] for row in refused} == culprits
        for row in refused:
            body = Path(row["body"])
            assert body.read_bytes().startswith(b'{"provider"')
            reason = json.loads(body.with_suffix(".reason.json").read_text())
            assert reason["check"] == "valid_rows"
        linked = evaluation.metadata[f"{'' if evaluation.partition else 'run_'}quarantined_body"]
        assert isinstance(linked, dg.PathMetadataValue)
        assert linked.path in {row["body"] for row in refused}


def test_schema_version_is_fine_where_other_checks_fail(mixed: Mixed) -> None:
    assert all(each.passed for each in evaluations_of_each_day(mixed.mixed, "schema_version"))


def test_every_campaign_that_failed_is_listed_with_its_code_and_request(mixed: Mixed) -> None:
    for evaluation in evaluations_of_each_day(mixed.mixed, "every_campaign_delivered"):
        assert not evaluation.passed
        assert evaluation.severity is ERROR
        assert not evaluation.blocking
        assert number(evaluation, "failed") == len(REFUSED) + len(FAILED)
        listed = {row["requested_id"]: row for row in table(evaluation, "failures")}
        codes = dict.fromkeys(REFUSED, "valid_rows") | FAILED
        assert {campaign_id: row["code"] for campaign_id, row in listed.items()} == {
            mixed.by_fault[fault]: code for fault, code in codes.items()
        }
        for fault in FAILED:
            assert listed[mixed.by_fault[fault]]["request_id"]
            assert listed[mixed.by_fault[fault]]["status"] in {404, 500}


def test_what_was_refused_or_failed_stays_as_it_was_and_the_others_land(mixed: Mixed) -> None:
    wrong = {mixed.by_fault[fault] for fault in (*REFUSED, *FAILED)}
    untouched = rows_by_campaign(mixed.platform, "campaign_name = 'as before'")
    assert untouched == {
        campaign_id: rows
        for campaign_id, rows in mixed.stored_before.items()
        if campaign_id in wrong
    }
    assert rows_by_campaign(mixed.platform) == mixed.stored_before


def test_derived_days_follow_what_was_stored_though_some_campaigns_were_refused(
    mixed: Mixed,
) -> None:
    assert mixed.mixed.run.status is dg.DagsterRunStatus.SUCCESS
    assert "analytics/country_efficiency" in mixed.mixed.materialized
    listeners = mixed.platform.read(
        "SELECT (SELECT sum(listeners) FROM soundlink.campaign_country_daily) AS stored, "
        "(SELECT sum(listeners) FROM analytics.country_efficiency) AS derived"
    )
    assert listeners["stored"].item() == listeners["derived"].item() > 0


# Nothing can be trusted, or nothing came


@dataclass(frozen=True)
class Unreadable:
    fault: str
    check: str
    options: dict[str, Any]


@pytest.mark.parametrize(
    "wrong",
    [
        Unreadable("other_schema_version", "schema_version", {"value": "2.0"}),
    ],
    ids=lambda wrong: wrong.fault,
)
def test_an_unreadable_body_fails_its_check_on_each_day_and_nothing_is_stored(
    tmp_path: Path, wrong: Unreadable
) -> None:
    with platform_in(tmp_path, 2) as platform:
        (campaign_id, *_) = platform.campaigns_with_rows(COUNTRY)
        platform.fail(COUNTRY, campaign_id, wrong.fault, **wrong.options)

        checked = platform.run()

        for evaluation in evaluations_of_each_day(checked, wrong.check):
            assert not evaluation.passed
            assert evaluation.severity is ERROR
            assert evaluation.description is not None
            assert evaluation.description.startswith("Nothing of this export was stored.")
            (row,) = table(evaluation, "refusals")
            assert row["requested_id"] == campaign_id
            body = evaluation.metadata[f"{'' if evaluation.partition else 'run_'}quarantined_body"]
            assert isinstance(body, dg.PathMetadataValue)
            assert body.path == row["body"]
            assert Path(row["body"]).stat().st_size > 0
        for check in set(CHECKS) - {wrong.check}:
            for evaluation in evaluations_of_each_day(checked, check):
                assert evaluation.passed
                assert (evaluation.description or "").startswith("Not judged: ")
        assert checked.run.status is dg.DagsterRunStatus.FAILURE
        assert ASSET not in checked.materialized
        assert "analytics/country_efficiency" not in checked.materialized
        tables = platform.read("SELECT table_name FROM information_schema.tables")
        assert "campaign_country_daily" not in tables.to_series().to_list()


def test_the_key_is_in_no_verdict(mixed: Mixed) -> None:
    key = mixed.platform.settings.require_api_key().get_secret_value()
    for evaluation in mixed.mixed.evaluations:
        assert key not in repr(evaluation)


def test_a_run_in_which_nothing_came_fails_and_says_which_campaigns_failed(tmp_path: Path) -> None:
    with platform_in(tmp_path, 2) as platform:
        platform.sandbox.fail("*/breakdown/export", "bad_gateway", count=None)

        checked = platform.run(on(DAYS.first))

        evaluation = checked.of(ASSET, "every_campaign_delivered")[DAY_KEYS[0]]
        assert not evaluation.passed
        asked = [request.path for request in platform.sandbox.requests]
        assert number(evaluation, "failed") == sum(
            path.endswith("breakdown/export") for path in asked
        )
        assert {row["status"] for row in table(evaluation, "failures")} == {502}
        assert checked.run.status is dg.DagsterRunStatus.FAILURE
        assert ASSET not in checked.materialized
        assert {each.check_name for each in checked.evaluations if not each.passed} == {
            "every_campaign_delivered"
        }
