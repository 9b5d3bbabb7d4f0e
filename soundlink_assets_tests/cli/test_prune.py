"""Old runs leave Dagster's history, and what it says of each day stays."""

import os
from collections.abc import Iterator
from datetime import UTC, date, datetime, timedelta
from pathlib import Path

import dagster as dg
import pytest
from dagster._core.test_utils import freeze_time

from soundlink_assets.assets.catalog import asset_key
from soundlink_assets.assets.partitions import range_tags
from soundlink_assets.assets.run_history import JOB_NAME
from soundlink_assets.cli.home import open_history, prepare_home
from soundlink_assets.cli.prune import delete_run, replaced_runs
from soundlink_assets.schema import CAMPAIGN_EXPORTS
from soundlink_assets.schema.campaigns import CAMPAIGNS
from soundlink_assets.schema.window import Window
from soundlink_assets_tests.cli.conftest import Command
from soundlink_assets_tests.cli.refused import refused

TODAY = datetime.now(UTC).date()
FIRST, SECOND = TODAY - timedelta(days=3), TODAY - timedelta(days=2)
LONG_AGO = TODAY - timedelta(days=50)
DAYS = dg.DailyPartitionsDefinition(start_date=str(LONG_AGO))
TOMORROW = datetime.now(UTC) + timedelta(days=1)

pytestmark = [pytest.mark.filterwarnings("ignore::dagster.BetaWarning")]


@dg.asset(
    key=asset_key(CAMPAIGN_EXPORTS[0].table),
    partitions_def=DAYS,
    backfill_policy=dg.BackfillPolicy.single_run(),
)
def daily() -> None: ...


@dg.asset(key=asset_key(CAMPAIGNS))
def summary() -> None: ...


@dg.asset
def of_others() -> None: ...


@dg.asset_check(asset=daily)
def good() -> dg.AssetCheckResult:
    return dg.AssetCheckResult(passed=True)


KEYS = [daily.key, summary.key]


@pytest.fixture
def home(tmp_path: Path) -> Path:
    return prepare_home(tmp_path / "home")


@pytest.fixture
def instance(home: Path) -> Iterator[dg.DagsterInstance]:
    with open_history(home) as instance:
        yield instance


def run(instance: dg.DagsterInstance, first: date, last: date, name: str = JOB_NAME) -> str:
    """A run of both assets over some days, and its id."""
    job = dg.define_asset_job(name)
    definitions = dg.Definitions(assets=[daily, summary], asset_checks=[good], jobs=[job])
    result = definitions.resolve_job_def(name).execute_in_process(
        instance=instance,
        tags=range_tags(Window(first, last)),
        run_config={"loggers": {"console": {"config": {"log_level": "CRITICAL"}}}},
    )
    assert result.success
    return result.run_id


def latest(instance: dg.DagsterInstance) -> dict[str, int]:
    return dict(
        instance.get_latest_storage_id_by_partition(
            daily.key, dg.DagsterEventType.ASSET_MATERIALIZATION
        )
    )


def test_a_run_is_replaced_when_later_runs_hold_everything_that_it_held(
    instance: dg.DagsterInstance,
) -> None:
    replaced = run(instance, FIRST, SECOND)
    holds_the_second_day = run(instance, FIRST, SECOND)
    newest = run(instance, FIRST, FIRST)

    assert replaced_runs(instance, KEYS, TOMORROW) == [replaced]
    assert {holds_the_second_day, newest} <= {run.run_id for run in instance.get_runs()}


def test_what_is_deleted_is_gone_and_every_day_says_what_it_said(
    instance: dg.DagsterInstance, home: Path
) -> None:
    replaced = run(instance, FIRST, SECOND)
    run(instance, FIRST, SECOND)
    days = latest(instance)
    verdicts = instance.event_log_storage.get_asset_check_partition_info([good.check_key])

    delete_run(instance, replaced)

    assert instance.get_run_by_id(replaced) is None
    assert not [path for path in home.rglob("*") if replaced in path.name]
    assert latest(instance) == days
    assert instance.event_log_storage.get_asset_check_partition_info([good.check_key]) == verdicts
    newest = instance.get_latest_materialization_event(summary.key)
    assert newest is not None


def test_young_runs_and_runs_of_others_stay(instance: dg.DagsterInstance) -> None:
    for name in (JOB_NAME, "of_others"):
        run(instance, FIRST, FIRST, name)
        run(instance, FIRST, FIRST, name)
    month_ago = datetime.now(UTC) - timedelta(days=30)

    assert replaced_runs(instance, KEYS, month_ago) == []
    assert {
        instance.get_run_by_id(run_id).job_name  # type: ignore[union-attr]
        for run_id in replaced_runs(instance, KEYS, TOMORROW)
    } == {JOB_NAME}


@pytest.mark.parametrize("others", [set(), {of_others.key}], ids=["ours", "shared"])
def test_a_run_of_chosen_assets_is_replaced_if_all_of_them_are_ours(
    instance: dg.DagsterInstance, others: set[dg.AssetKey]
) -> None:
    job = dg.Definitions(assets=[summary, of_others]).resolve_implicit_global_asset_job_def()
    chosen = instance.create_run_for_job(
        job, status=dg.DagsterRunStatus.SUCCESS, asset_selection={summary.key, *others}
    )

    assert replaced_runs(instance, KEYS, TOMORROW) == ([] if others else [chosen.run_id])


def test_a_run_under_way_stays(instance: dg.DagsterInstance) -> None:
    job = dg.Definitions(assets=[summary]).resolve_implicit_global_asset_job_def()
    instance.create_run_for_job(
        job, status=dg.DagsterRunStatus.STARTED, asset_selection={summary.key}
    )

    assert replaced_runs(instance, KEYS, TOMORROW) == []


def test_the_command_counts_and_deletes(
    command: Command, instance: dg.DagsterInstance, home: Path
) -> None:
    with freeze_time(datetime.now(UTC) - timedelta(days=40)):
        replaced = run(instance, LONG_AGO, LONG_AGO)
        kept = run(instance, LONG_AGO, LONG_AGO)

    counted = command("prune", "--dry-run", DAGSTER_HOME=str(home))
    assert "replaced since: 1. Dry run" in counted.stdout
    assert {run.run_id for run in instance.get_runs()} == {replaced, kept}

    deleted = command("prune", DAGSTER_HOME=str(home))
    assert "replaced since: 1. They are deleted." in deleted.stdout
    assert {run.run_id for run in instance.get_runs()} == {kept}
    assert "replaced since: 0. Nothing to do" in command("prune", DAGSTER_HOME=str(home)).stdout


def test_old_refused_bodies_are_deleted_with_their_reasons_and_nothing_else_is(
    command: Command, home: Path, tmp_path: Path
) -> None:
    quarantine = tmp_path / "quarantine"
    quarantine.mkdir()
    partial = quarantine / ".body.partial"
    partial.touch()
    os.utime(partial, (0, 0))
    young, old = (
        refused(quarantine, datetime.now(UTC) - timedelta(days=days)).body for days in (1, 40)
    )
    notes = quarantine / "notes.jsonl"
    notes.write_text("mine", encoding="utf-8")
    there = {"DAGSTER_HOME": home, "SOUNDLINK_QUARANTINE_DIR": quarantine}

    counted = command("prune", "--dry-run", **there)
    assert "1. Dry run" in counted.stdout
    assert old.exists()

    deleted = command("prune", **there)
    assert ": 1. They are deleted." in deleted.stdout
    assert set(quarantine.iterdir()) == {young, young.with_suffix(".reason.json"), notes}


def test_without_a_history_the_command_says_so(command: Command, tmp_path: Path) -> None:
    result = command("prune", DAGSTER_HOME=str(tmp_path / "nothing"))

    assert result.exit_code == 1
    assert "There is no history of Dagster in" in result.output


def test_an_age_beyond_the_calendar_is_refused(command: Command) -> None:
    result = command("prune", "--older-than", "99999999999")

    assert result.exit_code == 2
    assert "--older-than" in result.stderr
