"""Runs of the real wiring on a sandbox over HTTP, and what they recorded of the checks."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from collections.abc import Set as AbstractSet
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Any

import dagster as dg
import duckdb
import polars as pl
from sqlalchemy import select

from soundlink_assets.assets.automation import freshness_key
from soundlink_assets.assets.catalog import asset_key
from soundlink_assets.assets.resource import loaded_exports
from soundlink_assets.dagster_internals import AssetCheckExecutionsTable, SqlEventLogStorage
from soundlink_assets.definitions import build_definitions
from soundlink_assets.sandbox import RunningSandbox, SandboxConfig, serving
from soundlink_assets.schema import EXPORTS, Export
from soundlink_assets.schema.analytics import DAILY_TABLES
from soundlink_assets.schema.campaigns import CAMPAIGNS
from soundlink_assets.schema.window import Window
from soundlink_assets.settings import Settings, load_settings
from soundlink_assets.warehouse import open_warehouse

ERROR, WARN = dg.AssetCheckSeverity.ERROR, dg.AssetCheckSeverity.WARN

ANCHOR = date(2024, 4, 1)
NOW = datetime(2024, 4, 20, 12, tzinfo=UTC)
DAYS = Window(date(2024, 4, 5), date(2024, 4, 7))
"""Days that are final by `NOW`."""


@dataclass(frozen=True)
class Checked:
    """What one run recorded; `materialized` are the partitioned assets that it stored."""

    run: dg.DagsterRun
    evaluations: Sequence[dg.AssetCheckEvaluation]
    materialized: set[str]

    def of(self, asset: str, check: str) -> dict[str | None, dg.AssetCheckEvaluation]:
        """The evaluations of one check by day; None is the one for the run."""
        return {
            each.partition: each
            for each in self.evaluations
            if (each.asset_key.to_user_string(), each.check_name) == (asset, check)
        }

    def for_run(self, asset: str, check: str) -> dg.AssetCheckEvaluation:
        return self.of(asset, check)[None]

    def not_passed(self) -> dict[tuple[str, str], dg.AssetCheckSeverity]:
        """The severity of each check that did not pass for the run."""
        return {
            (each.asset_key.to_user_string(), each.check_name): each.severity
            for each in self.evaluations
            if not each.passed and each.partition is None
        }


class Platform:
    """The definitions on a sandbox of their own, with a warehouse and an instance."""

    def __init__(
        self,
        folder: Path,
        sandbox: RunningSandbox,
        instance: dg.DagsterInstance,
        exports: Sequence[Export] = EXPORTS,
        **given: Any,
    ) -> None:
        self.folder = folder
        self.sandbox = sandbox
        self.instance = instance
        self.exports = exports
        self.settings: Settings = load_settings(
            base_url=sandbox.base_url,
            start_date=ANCHOR,
            warehouse=str(folder / "warehouse.duckdb"),
            quarantine_dir=folder / "quarantine",
            budget_dir=folder / "budget",
            requests_per_minute=100_000,
            requests_per_hour=100_000,
            **{"api_key": sandbox.api_key, "max_attempts": 1, "read_copy": False} | given,
        )
        self.definitions = build_definitions(self.settings, exports, clock=sandbox.now)

    def only(self, *campaign_ids: str) -> "Platform":
        """The same platform with `SOUNDLINK_CAMPAIGN_IDS` set."""
        return self.having(campaign_ids=campaign_ids)

    def having(self, **given: Any) -> "Platform":
        """The same platform with other settings."""
        return Platform(self.folder, self.sandbox, self.instance, self.exports, **given)

    def run(
        self, tags: Mapping[str, str] | None = None, assets: AbstractSet[dg.AssetKey] = frozenset()
    ) -> Checked:
        """The main job's exports and daily tables, or `assets`; over `DAYS` or as `tags` say."""
        tables = [
            CAMPAIGNS,
            *(export.table for export in loaded_exports(self.settings)),
            *DAILY_TABLES,
        ]
        assets = assets or {asset_key(table) for table in tables}
        checks = self.definitions.resolve_asset_graph().asset_check_keys
        job = self.definitions.resolve_job_def("daily_exports").get_subset(
            asset_selection=assets,
            asset_check_selection={
                key
                for key in checks - {freshness_key(export) for export in self.exports}
                if key.asset_key in assets
            },
        )
        return self._run(job, tags or over(DAYS))

    def run_all(self, window: Window) -> Checked:
        """The main job, all of it, over days."""
        return self._run(self.definitions.resolve_job_def("daily_exports"), over(window))

    def check(
        self, checks: Iterable[dg.AssetCheckKey], tags: Mapping[str, str] | None = None
    ) -> Checked:
        """Only checks, as the UI runs them: without days unless `tags` name some."""
        job = self.definitions.resolve_implicit_global_asset_job_def()
        return self._run(
            job.get_subset(asset_selection=set(), asset_check_selection=set(checks)), tags or {}
        )

    def materialize(self, *assets: str) -> Checked:
        """Only these assets, which have no days, and their checks."""
        job = self.definitions.resolve_implicit_global_asset_job_def()
        keys = {dg.AssetKey.from_user_string(asset) for asset in assets}
        return self._run(job.get_subset(asset_selection=keys), {})

    def _run(self, job: dg.JobDefinition, tags: Mapping[str, str]) -> Checked:
        result = job.execute_in_process(
            instance=self.instance,
            raise_on_error=False,
            tags=dict(tags),
            run_config={"loggers": {"console": {"config": {"log_level": "CRITICAL"}}}},
        )
        materialized = {
            event.asset_key.to_user_string()
            for event in result.all_events
            if event.is_step_materialization and event.asset_key and event.partition
        }
        return Checked(result.dagster_run, self._evaluations(result.run_id), materialized)

    def _evaluations(self, run_id: str) -> list[dg.AssetCheckEvaluation]:
        """What the run recorded in the checks' history, without what was only planned."""
        storage = self.instance.event_log_storage
        assert isinstance(storage, SqlEventLogStorage)
        rows = select(AssetCheckExecutionsTable.c.evaluation_event).where(
            AssetCheckExecutionsTable.c.run_id == run_id,
            AssetCheckExecutionsTable.c.execution_status != "PLANNED",
        )
        with storage.index_connection() as connection:
            events = connection.execute(rows).scalars().all()
        return [
            dg.deserialize_value(event, dg.EventLogEntry)
            .get_dagster_event()
            .asset_check_evaluation_data
            for event in events
        ]

    def list_again(self) -> dg.AssetCheckEvaluation:
        """Materialise the list alone; what `every_day_loaded` says."""
        job = self.definitions.resolve_implicit_global_asset_job_def()
        key = asset_key(CAMPAIGNS)
        checks = {
            check
            for check in self.definitions.resolve_asset_graph().asset_check_keys
            if check.asset_key == key
        }
        checked = self._run(job.get_subset(asset_selection={key}, asset_check_selection=checks), {})
        return checked.for_run(key.to_user_string(), "every_day_loaded")

    def metadata_of_list(self) -> Mapping[str, dg.MetadataValue]:
        """The metadata of the list's latest materialisation."""
        event = self.instance.get_latest_materialization_event(asset_key(CAMPAIGNS))
        assert event is not None
        assert event.asset_materialization is not None
        return event.asset_materialization.metadata

    def campaigns_with_rows(self, export: Export, window: Window = DAYS) -> list[str]:
        """The campaigns that the export has rows of on each day, those with most rows first."""
        counts: dict[str, int] = {}
        for campaign in self.sandbox.world.campaigns_at(self.sandbox.now()):
            rows = self.sandbox.world.rows(
                export.name, campaign.campaign_id, window, self.sandbox.now()
            )
            if {str(row["report_date"]) for row in rows} >= {str(day) for day in window.dates()}:
                counts[campaign.campaign_id] = len(rows)
        return sorted(counts, key=lambda campaign_id: -counts[campaign_id])

    def fail(self, export: Export, campaign_id: str, fault: str, **options: Any) -> None:
        """Plan a fault for the next request of the export for that campaign."""
        self.sandbox.fail(export.path(campaign_id), fault, **options)

    def read(self, sql: str) -> pl.DataFrame:
        return open_warehouse(self.settings.warehouse).query(sql)

    def write(self, sql: str) -> None:
        """Tamper with the warehouse."""
        with duckdb.connect(self.settings.warehouse) as connection:
            connection.execute(sql)


@contextmanager
def platform_in(
    folder: Path,
    campaigns: int = 3,
    exports: Sequence[Export] = EXPORTS,
    soundlinks: int = 0,
    **given: Any,
) -> Iterator[Platform]:
    """A platform on a sandbox of so many campaigns and soundlinks; `given` are settings."""
    config = SandboxConfig(
        campaign_count=campaigns,
        soundlink_count=soundlinks,
        anchor=ANCHOR,
        exports=tuple(exports),
    )
    if soundlinks:
        given = {"soundlinks": "auto"} | given
    with (
        serving(config, now=NOW) as sandbox,
        dg.DagsterInstance.ephemeral(str(folder)) as instance,
    ):
        yield Platform(folder, sandbox, instance, exports, **given)


def over(window: Window) -> dict[str, str]:
    """The tags of a run over a range of days."""
    return {
        "dagster/asset_partition_range_start": window.first.isoformat(),
        "dagster/asset_partition_range_end": window.last.isoformat(),
    }


def on(day: date) -> dict[str, str]:
    """The tags of a run of one day."""
    return {"dagster/partition": day.isoformat()}


def number(evaluation: dg.AssetCheckEvaluation, name: str) -> float:
    """A number of the evaluation's metadata."""
    value = evaluation.metadata[_name(evaluation, name)].value
    assert isinstance(value, int | float), value
    return value


def table(evaluation: dg.AssetCheckEvaluation, name: str) -> list[dict[str, Any]]:
    """A table of the evaluation's metadata."""
    value = evaluation.metadata[_name(evaluation, name)]
    assert isinstance(value, dg.TableMetadataValue)
    return [dict(record.data) for record in value.records]


def _name(evaluation: dg.AssetCheckEvaluation, name: str) -> str:
    """Figures of a run over days have a prefix."""
    return name if evaluation.partition else f"run_{name}"
