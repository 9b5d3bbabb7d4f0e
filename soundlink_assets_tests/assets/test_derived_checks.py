"""The derived tables against their exports: a clean run, and one that was tampered with."""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import dagster as dg
import pytest

from soundlink_assets.assets.catalog import asset_key, known_beta_features
from soundlink_assets.assets.derived_checks import INVARIANTS, derived_checks
from soundlink_assets.assets.partitions import daily_partitions
from soundlink_assets.schema import EXPORTS
from soundlink_assets.schema.analytics import CAMPAIGN_SCORECARD, COUNTRY_EFFICIENCY, DAILY_TABLES
from soundlink_assets_tests.assets.checked_runs import (
    ANCHOR,
    DAYS,
    ERROR,
    Checked,
    number,
    over,
    platform_in,
    table,
)

DAY_KEYS = [day.isoformat() for day in DAYS.dates()]
FIRST, SECOND, THIRD = DAY_KEYS

with known_beta_features():
    CHECKS = {
        invariants.table.name: [
            check.spec
            for check in derived_checks(invariants, EXPORTS, daily_partitions(ANCHOR)).checks
        ]
        for invariants in INVARIANTS
    }


@dataclass(frozen=True)
class Tampering:
    """A change of one row of a day, and the checks that then name the field."""

    table: str
    checks: tuple[str, ...]
    day: str
    change: str
    field: str

    def statement(self) -> str:
        defined = self.field.split(" + ")[0]
        return (
            f"UPDATE analytics.{self.table} SET {self.change} WHERE rowid = (SELECT min(rowid) "
            f"FROM analytics.{self.table} WHERE report_date = '{self.day}' "
            f"AND {defined} IS NOT NULL)"
        )


TOTALS, RATIOS, SHARES = "totals_equal_export", "no_infinite_ratio", "shares_sum_to_one"
SPLIT = "promoted_streams + spillover_streams + undetermined_streams"

TAMPERINGS = [
    Tampering("country_efficiency", (TOTALS,), FIRST, "streams = streams + 1", "streams"),
    Tampering("country_efficiency", (TOTALS,), SECOND, "fees = fees + 0.01", "fees"),
    Tampering("country_efficiency", (RATIOS,), FIRST, "cpm = 'inf'", "cpm"),
    Tampering(
        "country_efficiency",
        (SHARES,),
        SECOND,
        "spend_share = spend_share + 0.001",
        "spend_share",
    ),
    Tampering(
        "country_efficiency",
        (SHARES, RATIOS),
        THIRD,
        "listener_share = 'nan'",
        "listener_share",
    ),
    Tampering(
        "spillover_share",
        (TOTALS,),
        FIRST,
        "undetermined_streams = undetermined_streams + 1",
        SPLIT,
    ),
    Tampering("spillover_share", (RATIOS,), SECOND, "halo_multiplier = 'inf'", "halo_multiplier"),
    Tampering("playlist_track_share", (TOTALS,), FIRST, "streams = streams - 1", "streams"),
    Tampering(
        "playlist_track_share",
        (SHARES, RATIOS),
        SECOND,
        "stream_share = '-inf'",
        "stream_share",
    ),
    Tampering(
        "playlist_track_share",
        (SHARES,),
        THIRD,
        "country_stream_share = country_stream_share * 1.5",
        "country_stream_share",
    ),
]


@dataclass(frozen=True)
class Runs:
    """A clean run, then derived checks alone: of tampered tables, and of an emptied export."""

    clean: Checked
    tampered: Checked
    emptied: Checked


@pytest.fixture(scope="module")
def runs(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Runs]:
    with platform_in(tmp_path_factory.mktemp("derived"), 7) as platform:
        clean = platform.run()
        for tampering in TAMPERINGS:
            platform.write(tampering.statement())
        keys = [spec.key for specs in CHECKS.values() for spec in specs]
        tampered = platform.check(keys, over(DAYS))
        platform.write(
            f"DELETE FROM soundlink.campaign_country_daily WHERE report_date = '{THIRD}'"
        )
        key = dg.AssetCheckKey(asset_key(COUNTRY_EFFICIENCY), TOTALS)
        yield Runs(clean, tampered, platform.check([key]))


def test_every_daily_table_has_invariants() -> None:
    assert {invariants.table for invariants in INVARIANTS} == set(DAILY_TABLES)


@pytest.mark.parametrize("name", CHECKS)
def test_a_clean_run_passes_every_derived_check_of_every_day(runs: Runs, name: str) -> None:
    for spec in CHECKS[name]:
        recorded = runs.clean.of(f"analytics/{name}", spec.name)
        assert set(recorded) == {*DAY_KEYS, None}
        assert all(each.passed for each in recorded.values())
        assert number(recorded[None], "rows") > 0


@pytest.mark.parametrize("tampering", TAMPERINGS, ids=lambda each: f"{each.table}-{each.field}")
def test_a_wrong_figure_fails_its_checks_on_its_day_and_is_named(
    runs: Runs, tampering: Tampering
) -> None:
    for check in tampering.checks:
        recorded = runs.tampered.of(f"analytics/{tampering.table}", check)
        of_day = recorded[tampering.day]
        assert not of_day.passed
        assert of_day.severity is ERROR
        offenders = table(of_day, "findings")
        assert tampering.field in {offender["field"] for offender in offenders}
        assert {offender["report_date"] for offender in offenders} == {tampering.day}
        assert all(offender["campaign_id"] for offender in offenders)
        assert not recorded[None].passed
        assert number(recorded[None], "days_failed") >= 1


@pytest.mark.parametrize("name", CHECKS)
def test_the_days_that_nobody_touched_still_pass(runs: Runs, name: str) -> None:
    for spec in CHECKS[name]:
        recorded = runs.tampered.of(f"analytics/{name}", spec.name)
        failed = {day for day, each in recorded.items() if day and not each.passed}
        assert failed == {
            each.day for each in TAMPERINGS if each.table == name and spec.name in each.checks
        }


def test_a_day_that_the_export_no_longer_has_is_found(runs: Runs) -> None:
    recorded = runs.emptied.of("analytics/country_efficiency", TOTALS)

    assert not recorded[THIRD].passed
    assert number(recorded[THIRD], "failing_rows") == number(recorded[THIRD], "rows")


def test_sums_that_no_column_holds_are_exact_or_end_the_run_in_a_sentence(tmp_path: Path) -> None:
    with platform_in(tmp_path, 2) as platform:
        platform.run()
        card = asset_key(CAMPAIGN_SCORECARD)
        scorecards = platform.definitions.resolve_assets_def(card).keys
        platform.run(assets=scorecards)
        before = platform.read("from analytics.campaign_scorecard order by all")
        platform.write(f"UPDATE soundlink.campaign_country_daily SET streams = {2**62}")

        derived = platform.run(assets={asset_key(COUNTRY_EFFICIENCY)})
        summed = platform.run(assets=scorecards)

        verdict = derived.for_run("analytics/country_efficiency", TOTALS)
        assert verdict.passed, verdict.description
        assert summed.run.status is dg.DagsterRunStatus.FAILURE
        (failed,) = platform.instance.all_logs(
            summed.run.run_id, of_type=dg.DagsterEventType.STEP_FAILURE
        )
        error = str(failed.get_dagster_event().step_failure_data.error)
        assert "streams comes to" in error
        assert "Nothing was written." in error
        assert platform.read("from analytics.campaign_scorecard order by all").equals(before)
