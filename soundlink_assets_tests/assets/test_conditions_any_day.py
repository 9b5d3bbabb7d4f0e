"""Assets over all days follow any day of their sources, on small assets in a real instance."""

from collections.abc import Iterator

import dagster as dg
import pytest

from soundlink_assets.assets.catalog import known_beta_features
from soundlink_assets.assets.conditions import follows_any_day

BAD_DAY = "2025-02-02"
DAYS = dg.DailyPartitionsDefinition("2025-01-01", end_date="2025-03-01")


@dg.asset(partitions_def=DAYS)
def daily() -> None: ...


with known_beta_features():

    @dg.asset_check(asset=daily, blocking=True, partitions_def=DAYS)
    def good(context: dg.AssetCheckExecutionContext) -> dg.AssetCheckResult:
        return dg.AssetCheckResult(passed=context.partition_key != BAD_DAY)


@dg.asset(deps=[daily], automation_condition=follows_any_day())
def scorecard() -> None: ...


@dg.asset(deps=[daily, scorecard], automation_condition=follows_any_day())
def page() -> None: ...


DEFINITIONS = dg.Definitions(
    assets=[daily, scorecard, page],
    asset_checks=[good],
    jobs=[dg.define_asset_job("all", dg.AssetSelection.all())],
)


class Ticks:
    """The automation condition sensor's part, tick by tick."""

    def __init__(self, instance: dg.DagsterInstance) -> None:
        self.instance = instance
        self.cursor: object = None

    def requested(self) -> set[str]:
        """The assets that this tick requests."""
        result = dg.evaluate_automation_conditions(
            DEFINITIONS,
            self.instance,
            cursor=self.cursor,  # type: ignore[arg-type]  # None at first, Dagster's own after
        )
        self.cursor = result.cursor
        assets = (scorecard, page)
        return {
            asset.key.to_user_string() for asset in assets if result.get_num_requested(asset.key)
        }

    def run(self, *assets: dg.AssetsDefinition, day: str | None = None) -> None:
        DEFINITIONS.resolve_job_def("all").execute_in_process(
            instance=self.instance,
            partition_key=day,
            asset_selection=[asset.key for asset in assets],
            raise_on_error=day != BAD_DAY,
        )


@pytest.fixture
def ticks() -> Iterator[Ticks]:
    with dg.DagsterInstance.ephemeral() as instance:
        started = Ticks(instance)
        assert started.requested() == set()
        yield started


def test_an_old_day_is_followed_once_though_most_days_are_missing(ticks: Ticks) -> None:
    ticks.run(daily, day="2025-01-05")

    assert "scorecard" in ticks.requested()
    ticks.run(scorecard, page)
    assert ticks.requested() == set()
    assert ticks.requested() == set()


def test_a_day_that_a_blocking_check_refuted_does_not_hold_up_the_others(ticks: Ticks) -> None:
    ticks.run(daily, day=BAD_DAY)
    ticks.run(scorecard, page)
    ticks.requested()

    ticks.run(daily, day="2025-01-05")

    assert ticks.requested() >= {"scorecard"}


def test_what_follows_the_scorecard_is_computed_after_it(ticks: Ticks) -> None:
    ticks.run(daily, day="2025-01-05")
    ticks.run(scorecard)

    assert ticks.requested() >= {"page"}


def test_a_run_that_contains_all_is_not_followed(ticks: Ticks) -> None:
    ticks.run(daily, scorecard, page, day="2025-01-05")

    assert ticks.requested() == set()
    assert ticks.requested() == set()


def test_nothing_is_requested_while_a_day_is_in_progress(ticks: Ticks) -> None:
    ticks.run(daily, day="2025-01-05")
    run = ticks.instance.create_run_for_job(
        DEFINITIONS.resolve_job_def("all"),
        status=dg.DagsterRunStatus.STARTED,
        tags={"dagster/partition": "2025-01-06"},
        asset_selection=frozenset({daily.key}),
    )
    assert ticks.requested() == set()

    ticks.instance.report_run_failed(run)
    assert "scorecard" in ticks.requested()
