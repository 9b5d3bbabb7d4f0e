"""The main job over real HTTP: what the tables hold is what the sandbox served."""

from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import dagster as dg
import polars as pl
import pytest
from pydantic import SecretStr

from soundlink_assets.definitions import build_definitions
from soundlink_assets.sandbox import Sandbox, SandboxConfig, serving
from soundlink_assets.schema import CAMPAIGN_EXPORTS, Export
from soundlink_assets.schema.window import Window
from soundlink_assets.settings import Settings
from soundlink_assets.warehouse import MissingTableError, open_warehouse
from soundlink_assets_tests.postgres import Postgres, postgres
from soundlink_assets_tests.warehouse.processes import DEADLINE, event, queue, start

__all__ = ["postgres"]

YESTERDAY = datetime.now(UTC).date() - timedelta(days=1)
WEEK = Window(YESTERDAY - timedelta(days=6), YESTERDAY)
TWO_DAYS = Window(YESTERDAY - timedelta(days=1), YESTERDAY)


@dataclass
class Platform:
    """The real wiring on a sandbox, with a Dagster instance of its own."""

    sandbox: Sandbox
    settings: Settings
    instance: dg.DagsterInstance

    def run(self, window: Window) -> dg.ExecuteInProcessResult:
        job = build_definitions(self.settings).resolve_job_def("daily_exports")
        return job.execute_in_process(
            instance=self.instance,
            raise_on_error=False,
            run_config={"loggers": {"console": {"config": {"log_level": "ERROR"}}}},
            tags={
                "dagster/asset_partition_range_start": window.first.isoformat(),
                "dagster/asset_partition_range_end": window.last.isoformat(),
            },
        )

    def read(self, sql: str) -> pl.DataFrame:
        return open_warehouse(self.settings.warehouse).query(sql)

    def truth(self, export: Export, window: Window) -> pl.DataFrame:
        """What the sandbox serves for the window, all campaigns, as one frame."""
        rows = [
            row
            for campaign in self.sandbox.world.campaigns
            for row in self.sandbox.world.rows(
                export.name, campaign.campaign_id, window, self.sandbox.now()
            )
        ]
        return pl.DataFrame(rows, infer_schema_length=None).with_columns(
            pl.col("report_date").cast(pl.String)
        )


@contextmanager
def running_platform(folder: Path, **given: Any) -> Iterator[Platform]:
    with (
        serving(SandboxConfig(campaign_count=4)) as sandbox,
        dg.DagsterInstance.ephemeral(str(folder)) as instance,
    ):
        settings = Settings(
            api_key=SecretStr(sandbox.api_key),
            base_url=sandbox.base_url,
            quarantine_dir=folder / "quarantine",
            budget_dir=folder / "budget",
            requests_per_minute=10_000,
            requests_per_hour=10_000,
            **({"warehouse": str(folder / "warehouse.duckdb")} | given),
        )
        yield Platform(sandbox, settings, instance)


@pytest.fixture
def platform(tmp_path: Path) -> Iterator[Platform]:
    """A platform that nothing was loaded into."""
    with running_platform(tmp_path) as platform:
        yield platform


@pytest.fixture(scope="module")
def week(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Platform]:
    """A platform after one run over a week, to be looked at only."""
    with running_platform(tmp_path_factory.mktemp("week")) as platform:
        assert platform.run(WEEK).success
        yield platform


def stored_and_served(platform: Platform, export: Export, window: Window) -> None:
    """AssertionError unless rows and sums of the table equal what the sandbox serves."""
    served = platform.truth(export, window)
    sums = ", ".join(f"sum({column})::double as {column}" for column in SUMS[export.name])
    (stored,) = platform.read(
        f"select count(*) as rows, {sums} from {export.table.qualified_name}"
    ).rows(named=True)

    assert stored.pop("rows") == served.height > 0
    for column, total in stored.items():
        assert total == pytest.approx(float(served[column].sum()), abs=0.005), column


SUMS = {
    "campaign_country_daily": ["spend_media", "spend_total", "fees", "streams", "listeners"],
    "campaign_engagement_daily": ["streams", "listeners", "new_listeners"],
}


@pytest.mark.parametrize("export", CAMPAIGN_EXPORTS, ids=lambda export: export.name)
def test_a_run_over_a_week_stores_exactly_what_was_served_to_the_cent(
    week: Platform, export: Export
) -> None:
    stored_and_served(week, export, WEEK)


def test_a_run_over_a_week_sends_one_request_for_each_campaign_and_export_and_one_list(
    week: Platform,
) -> None:
    campaigns = len(week.sandbox.world.campaigns)
    paths = [request.path for request in week.sandbox.requests]

    assert sum(path.endswith("/export") for path in paths) == 2 * campaigns
    assert paths.count("/v1/campaigns") == 1
    assert len(paths) == 2 * campaigns + 1


def test_the_derived_tables_follow_in_the_same_run(week: Platform) -> None:
    efficiency = week.read(
        "select sum(spend_media) as spend, count(distinct report_date) as days "
        "from analytics.country_efficiency"
    )
    exported = week.read("select sum(spend_media) as spend from soundlink.campaign_country_daily")
    spillover = week.read("select count(*) as rows from analytics.spillover_share")

    assert efficiency["spend"][0] == exported["spend"][0]
    assert efficiency["days"][0] == WEEK.days
    assert spillover["rows"][0] > 0


@pytest.mark.parametrize("export", CAMPAIGN_EXPORTS, ids=lambda export: export.name)
def test_the_events_of_a_run_count_the_rows_of_each_day(week: Platform, export: Export) -> None:
    served = week.truth(export, WEEK)
    by_day = dict(served.group_by("report_date").len().iter_rows())
    key = dg.AssetKey([export.table.schema, export.table.name])
    events = week.instance.fetch_materializations(key, limit=100).records
    counted = {
        str(event.partition_key): event.asset_materialization.metadata[
            "dagster/partition_row_count"
        ].value
        for event in events
        if event.asset_materialization
    }

    assert counted == {str(day): by_day.get(str(day), 0) for day in WEEK.dates()}


def test_a_run_over_one_day_stores_that_day_and_again_changes_nothing(platform: Platform) -> None:
    day = Window(YESTERDAY, YESTERDAY)
    assert platform.run(day).success
    for export in CAMPAIGN_EXPORTS:
        stored_and_served(platform, export, day)

    before = platform.read("from soundlink.campaign_country_daily order by all")
    assert platform.run(day).success
    after = platform.read("from soundlink.campaign_country_daily order by all")

    assert after.equals(before)
    assert platform.read("from soundlink.campaign_country_daily_superseded").is_empty()


def test_a_campaign_created_after_the_window_is_not_asked_for(platform: Platform) -> None:
    campaigns = platform.sandbox.world.campaigns
    earliest = min(campaign.created_at.date() for campaign in campaigns)
    settings = {"start_date": min(earliest, platform.settings.start_date)}
    platform.settings = platform.settings.model_copy(update=settings)

    platform.run(Window(earliest, earliest))

    asked = {
        request.path.split("/")[3]
        for request in platform.sandbox.requests
        if request.path.endswith("/export")
    }
    existing = {
        campaign.campaign_id for campaign in campaigns if campaign.created_at.date() <= earliest
    }
    assert asked == existing
    assert len(existing) < len(campaigns)


def test_named_campaigns_replace_the_list(platform: Platform) -> None:
    chosen = platform.sandbox.world.campaigns[0].campaign_id
    platform.settings = platform.settings.model_copy(update={"campaign_ids": (chosen,)})

    assert platform.run(Window(YESTERDAY, YESTERDAY)).success

    paths = [request.path for request in platform.sandbox.requests]
    assert "/v1/campaigns" not in paths
    assert all(chosen in path for path in paths)


def test_a_run_without_a_key_ends_in_one_clear_sentence(platform: Platform) -> None:
    platform.settings = platform.settings.model_copy(update={"api_key": None})

    result = platform.run(Window(YESTERDAY, YESTERDAY))

    assert not result.success
    messages = [
        event.step_failure_data.error.to_string()
        for event in result.get_step_failure_events()
        if event.step_failure_data.error
    ]
    assert any("SOUNDLINK_API_KEY is not set" in message for message in messages)


def read_until(setting: str, stop: Any, answers: Any) -> None:
    """Read without a pause; answer how often, and what did not agree with the delivery log."""
    warehouse, reads, torn = open_warehouse(setting), 0, list[Any]()
    while not stop.is_set():
        for export in CAMPAIGN_EXPORTS:
            day = f"{export.scope.requested_column}, {export.day}"
            with suppress(MissingTableError):
                torn += warehouse.query(
                    f"SELECT {day}, row_count, count(rows.{export.day}) AS stored "
                    f"FROM {export.delivery_log.qualified_name} AS log "
                    f"LEFT JOIN {export.table.qualified_name} AS rows USING ({day}) "
                    "WHERE log.superseded_at IS NULL GROUP BY ALL HAVING row_count <> stored"
                ).rows()
                reads += 1
    answers.put((reads, torn))


@pytest.mark.slow
def test_on_a_lake_two_days_are_what_was_served_and_a_reader_sees_whole_days_only(
    tmp_path: Path, postgres: Postgres
) -> None:
    setting = f"ducklake:postgres:{postgres.new_database()}"
    with running_platform(tmp_path, warehouse=setting, lake_data=str(tmp_path / "lake")) as lake:
        stop, answers = event(), queue()
        start(read_until, setting, stop, answers)
        assert lake.run(TWO_DAYS).success
        stop.set()
        reads, torn = answers.get(timeout=DEADLINE)

        assert reads > 0
        assert torn == []
        for export in CAMPAIGN_EXPORTS:
            stored_and_served(lake, export, TWO_DAYS)
    assert not (tmp_path / "budget").exists()
