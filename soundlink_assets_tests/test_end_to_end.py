"""The main job over real HTTP: what the tables hold is what the sandbox served."""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from pathlib import Path

import dagster as dg
import polars as pl
import pytest

from soundlink_assets.contract import EXPORTS, Export
from soundlink_assets.contract.window import Window
from soundlink_assets.definitions import build_definitions
from soundlink_assets.sandbox import Sandbox, serving
from soundlink_assets.settings import Settings
from soundlink_assets.warehouse import read_frame

YESTERDAY = datetime.now(UTC).date() - timedelta(days=1)
WEEK = Window(YESTERDAY - timedelta(days=6), YESTERDAY)


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
        return read_frame(self.settings.warehouse, sql)

    def truth(self, export: Export, window: Window) -> pl.DataFrame:
        """What the sandbox serves for the window, all campaigns, as one frame."""
        rows = [
            row
            for campaign in self.sandbox.world.campaigns
            for row in self.sandbox.world.rows(
                export.name, campaign.campaign_id, window, self.sandbox.now()
            )
        ]
        return pl.DataFrame(rows, infer_schema_length=None)


@pytest.fixture
def platform(tmp_path: Path) -> Iterator[Platform]:
    with serving() as sandbox, dg.DagsterInstance.ephemeral(str(tmp_path)) as instance:
        settings = Settings(
            api_key=sandbox.api_key,
            base_url=sandbox.base_url,
            warehouse=str(tmp_path / "warehouse.duckdb"),
            quarantine_dir=tmp_path / "quarantine",
            budget_dir=tmp_path / "budget",
            requests_per_minute=10_000,
            requests_per_hour=10_000,
        )
        yield Platform(sandbox, settings, instance)


SUMS = {
    "campaign_country_daily": ["spend_media", "spend_total", "fees", "streams", "listeners"],
    "campaign_engagement_daily": ["streams", "listeners", "new_listeners"],
}


@pytest.mark.parametrize("window", [Window(YESTERDAY, YESTERDAY), WEEK], ids=["day", "week"])
def test_a_run_stores_exactly_what_was_served_to_the_cent(
    platform: Platform, window: Window
) -> None:
    result = platform.run(window)

    assert result.success
    for export in EXPORTS:
        served = platform.truth(export, window)
        sums = ", ".join(f"sum({column})::double as {column}" for column in SUMS[export.name])
        (stored,) = platform.read(
            f"select count(*) as rows, {sums} from {export.table.qualified_name}"
        ).rows(named=True)

        assert stored.pop("rows") == served.height > 0
        for column, total in stored.items():
            assert total == pytest.approx(float(served[column].sum()), abs=0.005), column


def test_a_run_over_a_week_sends_one_request_for_each_campaign_and_export_and_one_list(
    platform: Platform,
) -> None:
    platform.run(WEEK)

    campaigns = len(platform.sandbox.world.campaigns)
    paths = [request.path for request in platform.sandbox.requests]
    assert sum(path.endswith("/export") for path in paths) == 2 * campaigns
    assert paths.count("/v1/campaigns") == 1
    assert len(paths) == 2 * campaigns + 1


def test_the_derived_tables_follow_in_the_same_run(platform: Platform) -> None:
    platform.run(WEEK)

    efficiency = platform.read(
        "select sum(spend_media) as spend, count(distinct report_date) as days "
        "from analytics.country_efficiency"
    )
    exported = platform.read("select sum(spend_media) as spend from soundlink.campaign_country_daily")
    spillover = platform.read("select count(*) as rows from analytics.spillover_share")

    assert efficiency["spend"][0] == exported["spend"][0]
    assert efficiency["days"][0] == WEEK.days
    assert spillover["rows"][0] > 0


def test_running_twice_changes_nothing_and_supersedes_nothing(platform: Platform) -> None:
    platform.run(WEEK)
    before = platform.read("from soundlink.campaign_country_daily order by all")
    platform.run(WEEK)
    after = platform.read("from soundlink.campaign_country_daily order by all")
    superseded = platform.read("from soundlink.campaign_country_daily_superseded")

    assert after.equals(before)
    assert superseded.is_empty()


def test_a_campaign_created_after_the_window_is_not_asked_for(platform: Platform) -> None:
    created = [campaign.created_at.date() for campaign in platform.sandbox.world.campaigns]
    early = Window(min(created), min(created))

    platform.run(early)

    asked = {
        request.path.split("/")[3]
        for request in platform.sandbox.requests
        if request.path.endswith("/export")
    }
    existing = {
        campaign.campaign_id
        for campaign in platform.sandbox.world.campaigns
        if campaign.created_at.date() <= early.last
    }
    assert asked == existing


def test_named_campaigns_replace_the_list(platform: Platform) -> None:
    chosen = platform.sandbox.world.campaigns[0].campaign_id
    platform.settings = platform.settings.model_copy(update={"campaign_ids": (chosen,)})

    assert platform.run(WEEK).success

    paths = [request.path for request in platform.sandbox.requests]
    assert "/v1/campaigns" not in paths
    assert all(chosen in path for path in paths)


def test_a_run_without_a_key_ends_in_one_clear_sentence(platform: Platform) -> None:
    platform.settings = platform.settings.model_copy(update={"api_key": None})

    result = platform.run(WEEK)

    assert not result.success
    messages = [
        str(event.step_failure_data.error.to_string()) for event in result.get_step_failure_events()
    ]
    assert any("SOUNDLINK_API_KEY is not set" in message for message in messages)


def test_the_events_of_a_run_count_the_rows_of_each_day(platform: Platform) -> None:
    platform.run(WEEK)

    for export in EXPORTS:
        served = platform.truth(export, WEEK)
        by_day = dict(served.group_by("report_date").len().iter_rows())
        key = dg.AssetKey([export.table.schema, export.table.name])
        events = platform.instance.fetch_materializations(key, limit=100).records
        counted = {
            date.fromisoformat(str(event.partition_key)): event.asset_materialization.metadata[
                "dagster/partition_row_count"
            ].value
            for event in events
            if event.asset_materialization
        }
        assert counted == {
            day: by_day.get(day.isoformat(), 0) for day in WEEK.dates()
        }
