"""A verdict for every day: what of Dagster's preview of partitioned checks the platform relies on.

A small asset and check stand for the real ones: what is told here is Dagster's part.
"""

import asyncio
import warnings
from collections.abc import Iterator, Mapping
from datetime import date
from pathlib import Path

import dagster as dg
import pytest
from dagster._core.loader import LoadingContextForTest
from dagster._core.storage.asset_check_execution_record import (
    AssetCheckExecutionRecord,
    AssetCheckExecutionResolvedStatus,
)

from soundlink_assets.assets.catalog import known_beta_features
from soundlink_assets.assets.partitions import RUN_LENGTH, daily_partitions, window_of_run
from soundlink_assets.assets.verdicts import (
    Verdict,
    Verdicts,
    check_spec,
    report,
)
from soundlink_assets.schema.window import Window

ERROR, WARN = dg.AssetCheckSeverity.ERROR, dg.AssetCheckSeverity.WARN
START = date(2026, 1, 1)
DAYS = [date(2026, 1, day) for day in range(1, 8)]
WEEK = Window(DAYS[0], DAYS[-1])
ASSET = dg.AssetKey("plays")
CHECK = dg.AssetCheckKey(ASSET, "in_tune")
AT_DOOR = dg.AssetCheckKey(ASSET, "at_door")

GOOD = Verdict(passed=True, description="good", metadata={"rows": 3})
BAD = Verdict(passed=False, description="bad", metadata={"rows": 2})
DOUBTFUL = Verdict(passed=False, severity=WARN, description="doubtful")

Said = dict[date, Verdict]


class Stage:
    """An asset with a check at its door, a check step, and an asset downstream; one instance."""

    def __init__(self, instance: dg.DagsterInstance) -> None:
        self.instance = instance
        self.at_door: Said = {}
        self.stored: Said = {}
        self.door_closed = False
        with warnings.catch_warnings():
            warnings.simplefilter("error")  # no preview warns but those that are known
            with known_beta_features():
                self.definitions = self._definitions()

    def _definitions(self) -> dg.Definitions:
        partitions = daily_partitions(START)
        door = check_spec(ASSET, AT_DOOR.name, "At the door.", partitions, blocking=True)
        spec = check_spec(ASSET, CHECK.name, "In tune.", partitions, blocking=True)

        @dg.asset(partitions_def=partitions, backfill_policy=RUN_LENGTH, check_specs=[door])
        def plays(context: dg.AssetExecutionContext) -> Iterator[object]:
            verdicts = {door.name: verdicts_of(self.at_door, context)}
            if self.door_closed:
                yield from report(context, {door.name: door}, verdicts)
                raise dg.Failure("nothing was stored")
            yield dg.MaterializeResult()
            yield from report(context, {door.name: door}, verdicts)

        @dg.multi_asset_check(specs=[spec], can_subset=True)
        def check_step(context: dg.AssetCheckExecutionContext) -> Iterator[object]:
            verdicts = {spec.name: verdicts_of(self.stored, context)}
            yield from report(context, {spec.name: spec}, verdicts)

        @dg.asset(deps=[plays], partitions_def=partitions, backfill_policy=RUN_LENGTH)
        def chart() -> None:
            """Downstream."""

        return dg.Definitions(
            assets=[plays, chart],
            asset_checks=[check_step],
            jobs=[
                dg.define_asset_job("all", dg.AssetSelection.all()),
                dg.define_asset_job("checks_alone", dg.AssetSelection.checks(CHECK)),
            ],
            executor=dg.in_process_executor,
        )

    def run(self, job: str = "all", tags: Mapping[str, str] | None = None) -> dg.DagsterRun:
        result = self.definitions.resolve_job_def(job).execute_in_process(
            instance=self.instance,
            raise_on_error=False,
            tags=tags or over(WEEK),
            run_config={"loggers": {"console": {"config": {"log_level": "CRITICAL"}}}},
        )
        return result.dagster_run

    def records(
        self, run: dg.DagsterRun, check: dg.AssetCheckKey
    ) -> list[AssetCheckExecutionRecord]:
        history = self.instance.event_log_storage.get_asset_check_execution_history(check, limit=99)
        return [record for record in history if record.run_id == run.run_id]

    def verdicts(self, run: dg.DagsterRun, check: dg.AssetCheckKey) -> dict[str | None, str]:
        """What a run recorded, by partition."""
        return {
            record.partition: said(record.evaluation) if record.evaluation else record.status.value
            for record in self.records(run, check)
        }

    def partitions_shown(self, check: dg.AssetCheckKey) -> dict[str, set[str]]:
        """The days by status, from the query behind the UI's list of a check's partitions."""
        partitions = daily_partitions(START)
        state = self.instance.event_log_storage.get_asset_check_state([(check, partitions)])[check]
        return {
            status.value: set(subset.subset_value.get_partition_keys())
            for status, subset in state.subsets.items()
            if not subset.is_empty
        }

    def shown_first(self, check: dg.AssetCheckKey) -> str:
        """The evaluation that the UI's list of checks shows for the asset."""
        latest = self.instance.event_log_storage.get_latest_asset_check_execution_by_key([check])
        evaluation = latest[check].evaluation
        assert evaluation is not None
        return said(evaluation)

    def materialized(self, asset: str) -> set[str]:
        return self.instance.get_materialized_partitions(dg.AssetKey(asset))


def verdicts_of(
    said_of: Said, context: dg.AssetExecutionContext | dg.AssetCheckExecutionContext
) -> Verdicts:
    window = window_of_run(context) or WEEK
    days = {day: said_of.get(day, GOOD) for day in window.dates()}
    bad = [verdict for verdict in days.values() if not verdict.passed]
    errors = [verdict for verdict in bad if verdict.severity is ERROR]
    return Verdicts(days=days, run=next(iter([*errors, *bad]), GOOD))


def said(evaluation: dg.AssetCheckEvaluation) -> str:
    return evaluation.description or ""


def over(window: Window) -> dict[str, str]:
    return {
        "dagster/asset_partition_range_start": window.first.isoformat(),
        "dagster/asset_partition_range_end": window.last.isoformat(),
    }


def keys(days: list[date]) -> set[str]:
    return {day.isoformat() for day in days}


@pytest.fixture(params=["in memory", "in files"])
def stage(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Stage]:
    """The same on Dagster's storage in files, where each run has a database of its own."""
    in_files = request.param == "in files"
    temporary = dg.DagsterInstance.local_temp(str(tmp_path))
    with temporary if in_files else dg.DagsterInstance.ephemeral() as instance:
        yield Stage(instance)


def test_a_run_over_a_week_records_a_verdict_for_each_day_and_one_for_the_run(
    stage: Stage,
) -> None:
    stage.stored = {DAYS[2]: DOUBTFUL}

    run = stage.run()

    expected: dict[str | None, str] = {day.isoformat(): "good" for day in DAYS}
    expected |= {DAYS[2].isoformat(): "doubtful", None: "doubtful"}
    assert stage.verdicts(run, CHECK) == expected
    assert stage.verdicts(run, AT_DOOR) == dict.fromkeys(expected, "good")
    assert stage.shown_first(CHECK) == "doubtful"


@pytest.mark.parametrize("check", [CHECK, AT_DOOR], ids=lambda check: check.name)
def test_after_a_week_the_partitions_of_a_check_show_which_days_are_good(
    stage: Stage, check: dg.AssetCheckKey
) -> None:
    stage.stored = stage.at_door = {DAYS[2]: DOUBTFUL, DAYS[5]: DOUBTFUL}

    stage.run()

    bad = [DAYS[2], DAYS[5]]
    good = [day for day in DAYS if day not in bad]
    assert stage.partitions_shown(check) == {"SUCCEEDED": keys(good), "FAILED": keys(bad)}


@pytest.mark.parametrize("check", [CHECK, AT_DOOR], ids=lambda check: check.name)
def test_a_run_of_one_day_records_one_verdict_that_belongs_to_the_day(
    stage: Stage, check: dg.AssetCheckKey
) -> None:
    stage.stored = stage.at_door = {DAYS[0]: DOUBTFUL}

    run = stage.run(tags={"dagster/partition": DAYS[0].isoformat()})

    assert stage.verdicts(run, check) == {DAYS[0].isoformat(): "doubtful"}
    assert stage.partitions_shown(check) == {"FAILED": keys([DAYS[0]])}


def test_a_day_that_is_run_again_shows_its_new_verdict(stage: Stage) -> None:
    stage.stored = stage.at_door = dict.fromkeys(DAYS, DOUBTFUL)
    stage.run()
    stage.stored = stage.at_door = {}

    stage.run(tags={"dagster/partition": DAYS[0].isoformat()})

    for check in (CHECK, AT_DOOR):
        assert stage.partitions_shown(check) == {
            "SUCCEEDED": keys(DAYS[:1]),
            "FAILED": keys(DAYS[1:]),
        }


def test_checks_alone_without_days_record_a_verdict_for_each_day(stage: Stage) -> None:
    """How the UI runs checks of a partitioned asset alone: without any partition."""
    stage.run()
    stage.stored = {DAYS[1]: BAD, DAYS[4]: DOUBTFUL}

    run = stage.run("checks_alone", tags={"any": "tag"})

    assert stage.verdicts(run, CHECK)[None] == "bad"
    assert len(stage.verdicts(run, CHECK)) == len(DAYS) + 1
    assert stage.partitions_shown(CHECK) == {
        "SUCCEEDED": keys([day for day in DAYS if day not in stage.stored]),
        "FAILED": keys([DAYS[1], DAYS[4]]),
    }
    assert stage.shown_first(CHECK) == "bad"


@pytest.mark.parametrize("window", [Window(DAYS[1], DAYS[3]), Window(DAYS[1], DAYS[1])])
def test_checks_alone_for_a_range_judge_its_days_only(stage: Stage, window: Window) -> None:
    stage.run()
    stage.stored = dict.fromkeys(DAYS, DOUBTFUL)

    run = stage.run("checks_alone", tags=over(window))

    chosen = list(window.dates())
    assert set(stage.verdicts(run, CHECK)) == {*keys(chosen), None}
    assert stage.partitions_shown(CHECK) == {
        "SUCCEEDED": keys([day for day in DAYS if day not in chosen]),
        "FAILED": keys(chosen),
    }


def test_checks_alone_for_one_day_judge_that_day(stage: Stage) -> None:
    stage.run()
    stage.stored = dict.fromkeys(DAYS, DOUBTFUL)

    run = stage.run("checks_alone", tags={"dagster/partition": DAYS[3].isoformat()})

    assert stage.verdicts(run, CHECK) == {DAYS[3].isoformat(): "doubtful"}


def test_verdicts_survive_an_asset_that_fails_right_after_it_reported_them(stage: Stage) -> None:
    stage.at_door, stage.door_closed = dict.fromkeys(DAYS, BAD), True

    run = stage.run()

    assert run.status is dg.DagsterRunStatus.FAILURE
    assert stage.verdicts(run, AT_DOOR) == dict.fromkeys([*keys(DAYS), None], "bad")
    assert stage.partitions_shown(AT_DOOR) == {"FAILED": keys(DAYS)}
    assert stage.materialized("plays") == stage.materialized("chart") == set()
    statuses = {
        asyncio.run(record.resolve_status(LoadingContextForTest(stage.instance)))
        for record in stage.records(run, CHECK)
    }
    assert statuses == {AssetCheckExecutionResolvedStatus.EXECUTION_FAILED}


def test_a_failed_reload_of_stored_days_turns_their_verdicts_at_the_door(stage: Stage) -> None:
    stage.run()
    stage.at_door, stage.door_closed = dict.fromkeys(DAYS, BAD), True

    stage.run()

    assert stage.partitions_shown(AT_DOOR) == {"FAILED": keys(DAYS)}


@pytest.mark.parametrize("where", ["at_door", "stored"])
def test_an_error_on_one_day_of_a_blocking_check_stops_what_is_downstream(
    stage: Stage, where: str
) -> None:
    setattr(stage, where, {DAYS[6]: BAD})

    run = stage.run()

    assert run.status is dg.DagsterRunStatus.FAILURE
    assert stage.materialized("plays") == keys(DAYS)
    assert stage.materialized("chart") == set()


def test_a_warning_of_a_blocking_check_stops_nothing(stage: Stage) -> None:
    stage.stored = stage.at_door = {DAYS[6]: DOUBTFUL}

    run = stage.run()

    assert run.status is dg.DagsterRunStatus.SUCCESS
    assert stage.materialized("chart") == keys(DAYS)


def test_a_verdict_carries_severity_metadata_and_what_it_is_about(stage: Stage) -> None:
    stage.stored = {DAYS[0]: BAD, DAYS[1]: DOUBTFUL}

    run = stage.run()

    by_day = {record.partition: record.evaluation for record in stage.records(run, CHECK)}
    first, second = by_day[DAYS[0].isoformat()], by_day[DAYS[1].isoformat()]
    assert first is not None
    assert second is not None
    assert (first.severity, second.severity) == (ERROR, WARN)
    assert first.blocking
    assert first.metadata == {"rows": dg.MetadataValue.int(2)}
    (materialization,) = stage.instance.fetch_materializations(
        dg.AssetRecordsFilter(ASSET, asset_partitions=[DAYS[0].isoformat()]), limit=2
    ).records
    assert first.target_materialization_data is not None
    assert first.target_materialization_data.storage_id == materialization.storage_id
    assert first.target_materialization_data.run_id == run.run_id
