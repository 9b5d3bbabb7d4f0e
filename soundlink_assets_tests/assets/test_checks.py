"""The rules of exports as checks in real runs: what each records, and what it stops."""

from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import dagster as dg
import pytest

from soundlink_assets.assets.catalog import asset_key, known_beta_features
from soundlink_assets.assets.checks import delivery_checks, export_checks
from soundlink_assets.assets.partitions import daily_partitions
from soundlink_assets.schema import CAMPAIGN_COUNTRY_DAILY, CAMPAIGN_ENGAGEMENT_DAILY, Export
from soundlink_assets.schema.rules import RatioIdentity, SumIdentity
from soundlink_assets_tests.assets.checked_runs import (
    ANCHOR,
    DAYS,
    ERROR,
    WARN,
    Checked,
    Platform,
    number,
    on,
    over,
    platform_in,
    table,
)

COUNTRY, ENGAGEMENT = CAMPAIGN_COUNTRY_DAILY, CAMPAIGN_ENGAGEMENT_DAILY
COUNTRY_ASSET = "soundlink/campaign_country_daily"
ENGAGEMENT_ASSET = "soundlink/campaign_engagement_daily"
DAY_KEYS = [day.isoformat() for day in DAYS.dates()]


@dataclass(frozen=True)
class Breach:
    """A fault of the sandbox that breaks one rule in one row of a campaign."""

    rule: str
    severity: dg.AssetCheckSeverity
    fault: str
    options: dict[str, Any]


def breaks(rule: SumIdentity | RatioIdentity, by: float = 1.0) -> Breach:
    return Breach(rule.name, ERROR, f"broken_{rule.name}", {"by": by})


def has(field: str, value: Any, severity: dg.AssetCheckSeverity = WARN) -> Breach:
    return Breach("formats", severity, "wrong_type", {"field": field, "value": value})


FORMATS = {
    COUNTRY.name: [
        has("country_code", "xx"),
        has("campaign_target_isrc", "no isrc"),
        has("campaign_target_spotify_track_id", "short"),
        has("account_id", "org_xyz"),
        has("currency_account", "usd"),
        has("result_type", "purchase"),
        has("campaign_target_type", "album"),
        has("provider", "somebody"),
    ],
    ENGAGEMENT.name: [
        has("country_code", "xx"),
        has("engaged_track_isrc", "no isrc"),
        has("engaged_spotify_track_id", "short"),
        has("account_id", "org_xyz"),
        has("status", "paused"),
        has("playlist_position", 0),
        has("engagement_context", "radio"),
    ],
}


def identities(export: Export) -> list[Breach]:
    return [breaks(rule) for rule in export.identities]


UNKNOWN_FIELD = Breach("formats", WARN, "extra_keys", {"field": "mood", "value": "sunny"})
CAMPAIGNS = 24
EACH_BREACH = [
    pytest.param(export, index, id=f"{export.name}-{breach.rule}")
    for export in (COUNTRY, ENGAGEMENT)
    for index, breach in enumerate(identities(export))
]
EACH_FORMAT = [
    pytest.param(export, breach.options["field"], breach.options["value"])
    for export in (COUNTRY, ENGAGEMENT)
    for breach in FORMATS[export.name]
]


@dataclass(frozen=True)
class Runs:
    """A clean run, then one in which every rule is broken by another campaign."""

    platform: Platform
    clean: Checked
    broken: Checked
    culprits: dict[str, list[str]]


@pytest.fixture(scope="module")
def runs(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Runs]:
    folder = tmp_path_factory.mktemp("rules")
    # An account that is not a UUID is also another organisation.
    with platform_in(folder, CAMPAIGNS, allow_several_organisations=True) as platform:
        clean = platform.run()
        culprits = {}
        for export in (COUNTRY, ENGAGEMENT):
            wrong = [*identities(export), *FORMATS[export.name], UNKNOWN_FIELD]
            culprits[export.name] = platform.campaigns_with_rows(export)[: len(wrong)]
            for campaign_id, breach in zip(culprits[export.name], wrong, strict=True):
                platform.fail(export, campaign_id, breach.fault, **breach.options)
        broken = platform.run()
        assert not platform.sandbox.faults.pending()
        yield Runs(platform, clean, broken, culprits)


def rule_asset(export: Export) -> str:
    return asset_key(export.table).to_user_string()


@pytest.mark.parametrize("export", [COUNTRY, ENGAGEMENT], ids=lambda export: export.name)
def test_an_export_has_these_checks_and_each_identity_is_one(export: Export) -> None:
    with known_beta_features():
        stored = export_checks(export, daily_partitions(ANCHOR)).checks
        delivered = delivery_checks(export, daily_partitions(ANCHOR))
    assert [*delivered, *(check.spec.name for check in stored)] == [
        *("schema_version", "valid_rows", "every_campaign_delivered", "row_loss", "formats"),
        *(rule.name for rule in export.identities),
    ]


def test_a_rule_that_is_added_to_an_export_becomes_a_check() -> None:
    rule = RatioIdentity(
        ratio="streams_per_listener",
        numerator="streams",
        denominator="followers",
        unit="plays per person",
        meaning="A rule that the export does not have.",
        decimals=1,
    )
    with known_beta_features():
        step = export_checks(
            replace(COUNTRY, rules=(*COUNTRY.rules, rule)), daily_partitions(ANCHOR)
        )
    added = [check.spec for check in step.checks if check.spec.description == rule.description]
    assert [(spec.name, spec.asset_key) for spec in added] == [
        (rule.name, dg.AssetKey(["soundlink", "campaign_country_daily"]))
    ]


# A clean run


def test_a_clean_run_passes_every_check_of_every_day(runs: Runs) -> None:
    assert runs.clean.run.status is dg.DagsterRunStatus.SUCCESS
    assert runs.clean.not_passed() == {}
    for export in (COUNTRY, ENGAGEMENT):
        for check in ("formats", *(rule.name for rule in export.identities)):
            recorded = runs.clean.of(rule_asset(export), check)
            assert sorted(recorded, key=str) == sorted([*DAY_KEYS, None], key=str)
            assert all(each.passed for each in recorded.values())


def test_a_verdict_counts_the_rows_that_are_stored_for_its_day(runs: Runs) -> None:
    rows = dict(
        runs.platform.read(
            "SELECT report_date, count(*) FROM soundlink.campaign_country_daily GROUP BY ALL"
        ).iter_rows()
    )
    recorded = runs.clean.of(COUNTRY_ASSET, "cpl_identity")
    assert {day: number(recorded[str(day)], "rows") for day in rows} == rows
    assert number(recorded[None], "rows") == sum(rows.values())


def test_a_verdict_that_passed_has_little_to_say(runs: Runs) -> None:
    recorded = runs.clean.of(COUNTRY_ASSET, "cpl_identity")
    assert {tuple(each.metadata) for day, each in recorded.items() if day} == {("rows",)}
    assert list(recorded[None].metadata) == ["run_rows"]


# A run in which every rule is broken once


@pytest.mark.parametrize(("export", "index"), EACH_BREACH)
def test_a_broken_rule_fails_its_check_on_the_day_of_the_row_and_names_the_row(
    runs: Runs, export: Export, index: int
) -> None:
    breach = identities(export)[index]
    recorded = runs.broken.of(rule_asset(export), breach.rule)
    for_run = recorded.pop(None)

    assert not for_run.passed
    assert for_run.severity is breach.severity
    assert number(for_run, "days_failed") == 1
    (failed_day,) = [day for day, each in recorded.items() if not each.passed]
    assert str(failed_day) in str(for_run.description)

    of_day = recorded[failed_day]
    assert of_day.severity is breach.severity
    offender = table(of_day, "findings")[0]
    assert offender["campaign_id"] == runs.culprits[export.name][index]
    assert offender["report_date"] == failed_day
    assert set(export.rows.key) <= set(offender)
    assert {"campaign_name", "field", "published", "expected", "difference"} <= set(offender)
    assert abs(offender["difference"]) == pytest.approx(1.0, abs=0.02)
    assert number(of_day, "largest_difference") == pytest.approx(1.0, abs=0.02)
    assert of_day.description is not None
    assert str(offender["published"]) in of_day.description
    # The broken sums are parts of spl, which breaks with them.
    assert number(of_day, "failing_rows") == (3 if breach.rule == "spl_identity" else 1)


@pytest.mark.parametrize(("export", "field", "value"), EACH_FORMAT)
def test_each_code_word_and_position_that_is_not_as_documented_is_named(
    runs: Runs, export: Export, field: str, value: object
) -> None:
    for_run = runs.broken.for_run(rule_asset(export), "formats")

    assert for_run.severity is WARN
    found = {(row["field"], row["published"]) for row in table(for_run, "findings")}
    assert (field, str(value)) in found


@pytest.mark.parametrize("export", [COUNTRY, ENGAGEMENT], ids=lambda export: export.name)
def test_a_field_that_the_schema_does_not_know_is_named(runs: Runs, export: Export) -> None:
    for_run = runs.broken.for_run(rule_asset(export), "formats")

    assert "`mood` is unknown" in str(for_run.description)
    assert ("mood", '"sunny"') in {
        (row["field"], row["published"]) for row in table(for_run, "findings")
    }


def test_only_the_rules_that_were_broken_fail(runs: Runs) -> None:
    expected = {
        (rule_asset(export), breach.rule): breach.severity
        for export in (COUNTRY, ENGAGEMENT)
        for breach in (*identities(export), UNKNOWN_FIELD)
    }
    # The rows that changed their key are gone under the old one.
    loss = {(COUNTRY_ASSET, "row_loss"): WARN, (ENGAGEMENT_ASSET, "row_loss"): WARN}
    assert runs.broken.not_passed() == expected | loss


def test_broken_exact_identities_stop_what_is_computed_from_them_and_nothing_else(
    runs: Runs,
) -> None:
    assert runs.broken.run.status is dg.DagsterRunStatus.FAILURE
    assert runs.broken.materialized == {
        COUNTRY_ASSET,
        ENGAGEMENT_ASSET,
        "analytics/country_efficiency",
    }


def test_rows_that_break_a_rule_are_stored_all_the_same(runs: Runs) -> None:
    stored = runs.platform.read(
        "SELECT count(*) FROM soundlink.campaign_country_daily WHERE country_code = 'xx'"
    )
    assert stored.item() == 1


def test_only_the_exact_identities_of_the_engagement_export_block() -> None:
    with known_beta_features():
        blocking = {
            check.spec.name
            for export in (COUNTRY, ENGAGEMENT)
            for check in export_checks(export, daily_partitions(ANCHOR)).checks
            if check.spec.blocking
        }
    assert blocking == {"listeners_identity", "streams_identity"}


# Checks alone, on what the broken run stored

CPL = dg.AssetCheckKey(asset_key(COUNTRY.table), "cpl_identity")


def test_a_check_alone_judges_every_stored_day_and_fetches_nothing(runs: Runs) -> None:
    runs.platform.sandbox.forget_requests()

    alone = runs.platform.check([CPL])

    assert alone.run.status is dg.DagsterRunStatus.SUCCESS
    assert {each.check_name for each in alone.evaluations} == {CPL.name}
    again = {day: said(each) for day, each in alone.of(COUNTRY_ASSET, CPL.name).items()}
    before = {day: said(each) for day, each in runs.broken.of(COUNTRY_ASSET, CPL.name).items()}
    assert again == before
    assert runs.platform.sandbox.requests == ()


def test_a_check_alone_judges_one_day_or_a_range(runs: Runs) -> None:
    of_day = runs.platform.check([CPL], on(DAYS.last))
    of_range = runs.platform.check([CPL], over(DAYS))

    assert list(of_day.of(COUNTRY_ASSET, CPL.name)) == [DAY_KEYS[-1]]
    assert set(of_range.of(COUNTRY_ASSET, CPL.name)) == {*DAY_KEYS, None}


def test_a_blocking_check_alone_fails_its_run(runs: Runs) -> None:
    key = dg.AssetCheckKey(asset_key(ENGAGEMENT.table), "listeners_identity")
    alone = runs.platform.check([key], over(DAYS))

    assert alone.run.status is dg.DagsterRunStatus.FAILURE
    assert alone.for_run(ENGAGEMENT_ASSET, key.name).severity is ERROR


def said(evaluation: dg.AssetCheckEvaluation) -> tuple[bool, str | None, Any]:
    return evaluation.passed, evaluation.description, evaluation.metadata


def test_checks_of_an_empty_warehouse_pass_and_say_so(
    tmp_path_factory: pytest.TempPathFactory,
) -> None:
    with platform_in(tmp_path_factory.mktemp("empty"), 1) as platform:
        alone = platform.check([CPL])

    (evaluation,) = alone.evaluations
    assert evaluation.passed
    assert evaluation.description == "Not judged: nothing is stored yet."


# A run of one day, and the two severities of spend_total_identity


def test_a_run_of_one_day_records_its_verdicts_for_the_day(
    tmp_path_factory: pytest.TempPathFactory,
) -> None:
    with platform_in(tmp_path_factory.mktemp("day")) as platform:
        (campaign_id, *_) = platform.campaigns_with_rows(COUNTRY)
        platform.fail(COUNTRY, campaign_id, "broken_cpl_identity")
        checked = platform.run(on(DAYS.first))

    recorded = checked.of(COUNTRY_ASSET, "cpl_identity")
    assert list(recorded) == [DAY_KEYS[0]]
    assert recorded[DAY_KEYS[0]].severity is ERROR
    assert checked.materialized >= {"analytics/country_efficiency", "analytics/spillover_share"}


@pytest.mark.parametrize(
    ("by", "severity"), [("0.02", WARN), ("-0.02", WARN), ("0.03", ERROR), ("0.01", None)]
)
def test_total_spend_may_be_off_by_a_cent_two_are_a_warning_three_an_error(
    spend_platform: Platform, by: str, severity: dg.AssetCheckSeverity | None
) -> None:
    (campaign_id, *_) = spend_platform.campaigns_with_rows(COUNTRY)
    spend_platform.write(
        "UPDATE soundlink.campaign_country_daily SET spend_total = spend_media + fees"
    )
    spend_platform.write(
        "UPDATE soundlink.campaign_country_daily SET spend_total = spend_total + "
        f"CAST({by} AS DECIMAL(18, 6)) WHERE campaign_id = '{campaign_id}'"
    )
    key = dg.AssetCheckKey(asset_key(COUNTRY.table), "spend_total_identity")
    recorded = spend_platform.check([key], over(DAYS)).for_run(COUNTRY_ASSET, key.name)

    assert recorded.passed == (severity is None)
    if severity is not None:
        assert recorded.severity is severity


@pytest.fixture(scope="module")
def spend_platform(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Platform]:
    with platform_in(tmp_path_factory.mktemp("spend"), 2) as platform:
        platform.run()
        yield platform


def test_days_of_another_time_zone_are_an_error(tmp_path: Path) -> None:
    with platform_in(tmp_path, 2) as platform:
        (campaign_id, *_) = platform.campaigns_with_rows(COUNTRY)
        platform.fail(COUNTRY, campaign_id, "other_timezone")
        for_run = platform.run().for_run(COUNTRY_ASSET, "formats")

    assert for_run.severity is ERROR
    assert "`report_date_timezone` is America/New_York" in str(for_run.description)
