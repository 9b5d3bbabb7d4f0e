"""The checks at the door in real runs: what is refused, what lands, what is told."""

import json
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import dagster as dg
import pytest

from soundlink_assets.schema import CAMPAIGN_COUNTRY_DAILY
from soundlink_assets.sandbox import Fault
from soundlink_assets_tests.assets.checked_runs import (
    DAYS,
    ERROR,
    WARN,
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
CONTRACT = ("schema_version", "required_fields", "primary_key", "request_match")
DELIVERY = ("every_campaign_delivered", "unexpected_fields")


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
    by_fault: dict[Fault, str]


REFUSED = {
    Fault.CONFLICTING_DUPLICATES: "primary_key",
    Fault.OTHER_CAMPAIGN: "request_match",
    Fault.OTHER_DAY: "request_match",
    Fault.NEGATIVE_COUNT: "required_fields",
}
FAILED = {Fault.INTERNAL_ERROR: "internal_error", Fault.CAMPAIGN_NOT_FOUND: "campaign_not_found"}


@pytest.fixture(scope="module")
def mixed(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Mixed]:
    with platform_in(tmp_path_factory.mktemp("mixed"), 12) as platform:
        clean = platform.run()
        stored_before = rows_by_campaign(platform)
        platform.write("UPDATE soundlink.campaign_country_daily SET campaign_name = 'as before'")
        faults = [*REFUSED, *FAILED, Fault.EXTRA_KEYS]
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


@pytest.mark.parametrize("check", [*CONTRACT, *DELIVERY])
def test_a_clean_run_passes_the_checks_at_the_door_on_each_day(mixed: Mixed, check: str) -> None:
    evaluations = evaluations_of_each_day(mixed.clean, check)
    assert all(evaluation.passed for evaluation in evaluations)
    assert all(evaluation.blocking == (check in CONTRACT) for evaluation in evaluations)


@pytest.mark.parametrize("check", ["primary_key", "request_match", "required_fields"])
def test_a_refused_delivery_fails_its_check_on_each_day_and_links_the_body(
    mixed: Mixed, check: str
) -> None:
    culprits = {mixed.by_fault[fault] for fault, failing in REFUSED.items() if failing == check}
    for evaluation in evaluations_of_each_day(mixed.mixed, check):
        assert not evaluation.passed
        assert evaluation.severity is ERROR
        assert number(evaluation, "refused_deliveries") == len(culprits)
        refused = table(evaluation, "refused")
        assert {row["campaign_id"] for row in refused} == culprits
        for row in refused:
            body = Path(row["body"])
            assert body.read_bytes().startswith(b'{"provider"')
            reason = json.loads(body.with_suffix(".reason.json").read_text())
            assert (reason["check"], reason["campaign"]) == (check, row["campaign_id"])
        linked = evaluation.metadata["quarantined_body"]
        assert isinstance(linked, dg.PathMetadataValue)
        assert linked.path in {row["body"] for row in refused}


def test_schema_version_is_fine_where_other_checks_fail(mixed: Mixed) -> None:
    assert all(each.passed for each in evaluations_of_each_day(mixed.mixed, "schema_version"))


def test_every_campaign_that_failed_is_listed_with_its_code_and_request(mixed: Mixed) -> None:
    wrong = REFUSED | FAILED
    for evaluation in evaluations_of_each_day(mixed.mixed, "every_campaign_delivered"):
        assert not evaluation.passed
        assert evaluation.severity is ERROR
        assert not evaluation.blocking
        assert number(evaluation, "campaigns_failed") == len(wrong)
        listed = {row["campaign_id"]: row for row in table(evaluation, "failed")}
        assert {campaign_id: row["code"] for campaign_id, row in listed.items()} == {
            mixed.by_fault[fault]: code for fault, code in wrong.items()
        }
        for fault in FAILED:
            assert listed[mixed.by_fault[fault]]["request_id"]
            assert listed[mixed.by_fault[fault]]["status"] in {404, 500}


def test_unexpected_fields_are_a_warning_that_names_them(mixed: Mixed) -> None:
    for evaluation in evaluations_of_each_day(mixed.mixed, "unexpected_fields"):
        assert not evaluation.passed
        assert evaluation.severity is WARN
        assert number(evaluation, "unexpected_fields") == 1
        assert evaluation.metadata["names"].value == ["mood"]


def test_what_was_refused_or_failed_stays_as_it_was_and_the_others_land(mixed: Mixed) -> None:
    wrong = {mixed.by_fault[fault] for fault in REFUSED | FAILED}
    untouched = rows_by_campaign(mixed.platform, "campaign_name = 'as before'")
    assert untouched == {
        campaign_id: rows
        for campaign_id, rows in mixed.stored_before.items()
        if campaign_id in wrong
    }
    assert rows_by_campaign(mixed.platform) == mixed.stored_before


def test_a_refused_delivery_stops_what_is_downstream_of_its_export_only(mixed: Mixed) -> None:
    assert mixed.mixed.run.status is dg.DagsterRunStatus.FAILURE
    assert mixed.mixed.materialized == {
        ASSET,
        OTHER_ASSET,
        "analytics/spillover_share",
        "analytics/playlist_track_share",
    }


# Nothing can be trusted, or nothing came


@dataclass(frozen=True)
class Unreadable:
    fault: Fault
    check: str
    options: dict[str, Any]


@pytest.mark.parametrize(
    "wrong",
    [
        Unreadable(Fault.OTHER_SCHEMA_VERSION, "schema_version", {"value": "2.0"}),
        Unreadable(Fault.REQUIRED_KEY_MISSING, "required_fields", {"field": "spend_media"}),
        Unreadable(Fault.WRONG_TYPE, "required_fields", {"field": "streams", "value": 2.5}),
        Unreadable(Fault.UNPARSABLE_LINE, "required_fields", {}),
    ],
    ids=lambda wrong: wrong.fault.name.lower(),
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
            (row,) = table(evaluation, "refused")
            assert row["campaign_id"] == campaign_id
            body = evaluation.metadata["quarantined_body"]
            assert isinstance(body, dg.PathMetadataValue)
            assert body.path == row["body"]
            assert Path(row["body"]).stat().st_size > 0
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
        platform.sandbox.fail("*/breakdown/export", Fault.BAD_GATEWAY, count=None)

        checked = platform.run(on(DAYS.first))

        evaluation = checked.of(ASSET, "every_campaign_delivered")[DAY_KEYS[0]]
        assert not evaluation.passed
        asked = [request.path for request in platform.sandbox.requests]
        assert number(evaluation, "campaigns_failed") == sum(
            path.endswith("breakdown/export") for path in asked
        )
        assert {row["status"] for row in table(evaluation, "failed")} == {502}
        assert checked.run.status is dg.DagsterRunStatus.FAILURE
        assert ASSET not in checked.materialized
        assert {each.check_name for each in checked.evaluations if not each.passed} == {
            "every_campaign_delivered"
        }
