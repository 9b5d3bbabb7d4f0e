"""Derived assets follow their sources, on small assets in a real Dagster instance."""

from collections.abc import Iterator
from dataclasses import dataclass

import dagster as dg
import pytest
from dagster._core.events import DagsterEventType, StepMaterializationData

from soundlink_assets.assets.conditions import follows_its_sources

DAYS = dg.DailyPartitionsDefinition("2025-01-01", end_date="2025-03-01")
OLD, OTHER = "2025-01-05", "2025-01-09"


@dg.asset(partitions_def=DAYS, backfill_policy=dg.BackfillPolicy.multi_run(90))
def source() -> None: ...


@dg.asset(
    partitions_def=DAYS,
    deps=[source],
    automation_condition=follows_its_sources(),
    backfill_policy=dg.BackfillPolicy.multi_run(90),
)
def derived() -> None: ...


class Verdict:
    passes = True


@dg.asset_check(asset=source, blocking=True)
def exact() -> dg.AssetCheckResult:
    return dg.AssetCheckResult(passed=Verdict.passes)


@dataclass
class Following:
    """The automation condition sensor's part, tick by tick."""

    instance: dg.DagsterInstance
    cursor: object = None

    def __post_init__(self) -> None:
        self.definitions = dg.Definitions(
            assets=[source, derived],
            asset_checks=[exact],
            jobs=[dg.define_asset_job("both", dg.AssetSelection.all())],
        )

    def tick(self) -> set[str]:
        """The days of the derived asset that this tick requests."""
        result = dg.evaluate_automation_conditions(
            self.definitions,
            self.instance,
            cursor=self.cursor,  # type: ignore[arg-type]
        )
        self.cursor = result.cursor
        return set(result.get_requested_partitions(derived.key)) - {None}  # type: ignore[return-value]

    def run(self, *keys: dg.AssetKey, day: str) -> bool:
        job = self.definitions.resolve_job_def("both")
        return job.execute_in_process(
            instance=self.instance,
            partition_key=day,
            asset_selection=list(keys),
            raise_on_error=False,
        ).success


@pytest.fixture
def following() -> Iterator[Following]:
    Verdict.passes = True
    with dg.DagsterInstance.ephemeral() as instance:
        started = Following(instance)
        assert started.tick() == set()
        yield started


def test_an_old_day_of_the_source_is_followed_once(following: Following) -> None:
    following.run(source.key, day=OLD)

    assert following.tick() == {OLD}
    assert following.tick() == set()


def test_every_day_that_was_materialised_is_followed(following: Following) -> None:
    following.run(source.key, day=OLD)
    following.run(source.key, day=OTHER)

    assert following.tick() == {OLD, OTHER}


def test_materialising_the_source_again_is_followed_again(following: Following) -> None:
    for _ in range(2):
        following.run(source.key, day=OLD)
        assert following.tick() == {OLD}
        following.run(derived.key, day=OLD)
        assert following.tick() == set()


def test_a_run_that_contains_both_is_not_followed(following: Following) -> None:
    assert following.run(source.key, derived.key, day=OLD)

    assert following.tick() == set()
    assert following.tick() == set()


def test_a_tick_in_the_middle_of_such_a_run_waits_and_a_run_that_died_there_is_followed(
    following: Following,
) -> None:
    run = following.instance.create_run_for_job(
        following.definitions.resolve_job_def("both"),
        status=dg.DagsterRunStatus.STARTED,
        tags={"dagster/partition": OLD},
    )
    following.instance.report_dagster_event(materialised(OLD), run.run_id)

    assert following.tick() == set()
    following.instance.report_run_failed(run)
    assert following.tick() == {OLD}


def materialised(day: str) -> "dg.DagsterEvent":
    return dg.DagsterEvent(
        event_type_value=DagsterEventType.ASSET_MATERIALIZATION.value,
        job_name="both",
        event_specific_data=StepMaterializationData(
            dg.AssetMaterialization(source.key, partition=day)
        ),
    )


def test_a_source_whose_blocking_check_failed_is_not_followed_until_it_passes(
    following: Following,
) -> None:
    Verdict.passes = False
    following.run(source.key, day=OLD)
    assert following.tick() == set()

    Verdict.passes = True
    following.run(source.key, day=OLD)
    assert following.tick() == {OLD}
