"""A platform whose time is the sandbox's: real wiring, a real Dagster instance, real HTTP.

The driver stands in for Dagster's daemon: it ticks the sensor and the schedule, and executes what
they request. Dagster's own clock is set as well, so that runs and events have simulated times.
"""

import json
import signal
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, date, datetime
from pathlib import Path

import dagster as dg
import polars as pl
from dagster._core.instance import InstanceRef
from dagster._core.test_utils import freeze_time

from soundlink_assets.assets.catalog import asset_key
from soundlink_assets.assets.derived import DERIVATIONS
from soundlink_assets.assets.exports import FETCHED_AT, IS_FINAL
from soundlink_assets.definitions import build_definitions
from soundlink_assets.sandbox import RunningSandbox, SandboxConfig, serving
from soundlink_assets.schema import CAMPAIGN_EXPORTS, Export
from soundlink_assets.schema.campaigns import CAMPAIGNS
from soundlink_assets.schema.frames import polars_schema
from soundlink_assets.schema.window import Window
from soundlink_assets.settings import Settings
from soundlink_assets_tests.assets.instances import instance_in_files

ROOT = Path(__file__).parents[2]
DAILY = (
    asset_key(CAMPAIGNS),
    *(asset_key(export.table) for export in CAMPAIGN_EXPORTS),
    *(asset_key(derivation.table) for derivation in DERIVATIONS),
)
"""The campaigns and every daily table; not the summaries, which take no part in the automation."""

QUIET = {"loggers": {"console": {"config": {"log_level": "CRITICAL"}}}}


def settings_for(sandbox_url: str, api_key: str, folder: Path, **given: object) -> Settings:
    """Settings on a sandbox, with everything that is written in `folder` and no retries."""
    return Settings.model_validate(
        {
            "api_key": api_key,
            "base_url": sandbox_url,
            "warehouse": str(folder / "warehouse.duckdb"),
            "quarantine_dir": folder / "quarantine",
            "budget_dir": folder / "budget",
            "read_copy": False,
            "requests_per_minute": 100_000,
            "requests_per_hour": 1_000_000,
            "max_attempts": 1,
        }
        | given
    )


@dataclass
class Platform:
    """The whole platform on a sandbox; `with_checks` also runs the checks of stored figures."""

    sandbox: RunningSandbox
    settings: Settings
    instance: dg.DagsterInstance
    with_checks: bool = False
    runs: list[dg.RunRequest] = field(default_factory=list)
    skips: list[str] = field(default_factory=list)

    def __post_init__(self) -> None:
        definitions = build_definitions(self.settings, clock=self.sandbox.now)
        self.repository = definitions.get_repository_def()
        self.job = self.repository.get_job("daily_exports")

    @property
    def now(self) -> datetime:
        return self.sandbox.now()

    @contextmanager
    def frozen(self) -> Iterator[None]:
        with freeze_time(self.now):
            yield

    def tick_sensor(self) -> list[dg.RunRequest]:
        """One tick of the sensor; what it requests, without running it."""
        sensor = self.repository.get_sensor_def("revision_window_sensor")
        context = dg.build_sensor_context(instance=self.instance, repository_def=self.repository)
        with self.frozen():
            tick = sensor.evaluate_tick(context)
            for verdict in tick.asset_events:
                self.instance.report_runless_asset_event(verdict)
        if not tick.run_requests:
            self.skips.append(tick.skip_message or "")
        return list(tick.run_requests or ())

    def tick_schedule(self, planned_for: datetime) -> list[dg.RunRequest]:
        """One tick of the schedule; what it requests, without running it."""
        schedule = self.repository.get_schedule_def("daily_exports_schedule")
        context = dg.build_schedule_context(
            instance=self.instance,
            repository_def=self.repository,
            scheduled_execution_time=planned_for,
        )
        with self.frozen():
            tick = schedule.evaluate_tick(context)
        if not tick.run_requests:
            self.skips.append(tick.skip_message or "")
        return list(tick.run_requests or ())

    def execute(self, request: dg.RunRequest) -> bool:
        """Run what was requested, in this process; whether it succeeded."""
        self.runs.append(request)
        return self.materialize(
            request.tags, request.asset_selection, partition_key=request.partition_key
        )

    def fetch(self, window: Window, selection: Sequence[dg.AssetKey] | None = None) -> bool:
        """Materialise a range of days, as somebody would by hand."""
        return self.materialize(
            {
                "dagster/asset_partition_range_start": window.first.isoformat(),
                "dagster/asset_partition_range_end": window.last.isoformat(),
            },
            selection,
        )

    def materialize(
        self,
        tags: Mapping[str, str],
        selection: Sequence[dg.AssetKey] | None = None,
        partition_key: str | None = None,
    ) -> bool:
        with self.frozen():
            result = self._subset(selection).execute_in_process(
                instance=self.instance,
                tags=dict(tags),
                partition_key=partition_key,
                raise_on_error=False,
                run_config=QUIET,
            )
        return result.success

    def _subset(self, selection: Sequence[dg.AssetKey] | None) -> dg.JobDefinition:
        keys = set(selection or DAILY)
        if self.with_checks:
            return self.job.get_subset(asset_selection=keys)
        own_checks = {
            check
            for assets in self.repository.assets_defs_by_key.values()
            if assets.keys & keys
            for check in assets.check_keys
        }
        return self.job.get_subset(asset_selection=keys, asset_check_selection=own_checks)

    def fetched(self, export: Export) -> dict[date, list[tuple[datetime, bool]]]:
        """By day: when it was fetched, oldest first, and whether that settled it."""
        found: dict[date, list[tuple[datetime, bool]]] = {}
        cursor = None
        while True:
            page = self.instance.fetch_materializations(
                asset_key(export.table), limit=1000, cursor=cursor, ascending=True
            )
            for record in page.records:
                event = record.asset_materialization
                assert event is not None
                assert event.partition is not None
                moment = event.metadata[FETCHED_AT].value
                assert isinstance(moment, float)
                found.setdefault(date.fromisoformat(event.partition), []).append(
                    (datetime.fromtimestamp(moment, UTC), bool(event.metadata[IS_FINAL].value))
                )
            if not page.has_more:
                return found
            cursor = page.cursor

    def truth(self, export: Export, window: Window) -> pl.DataFrame:
        """What the sandbox serves now for the window, all campaigns, under our column types."""
        rows = [
            row
            for campaign in self.sandbox.world.campaigns_at(self.now)
            for row in self.sandbox.world.rows(export.name, campaign.campaign_id, window, self.now)
        ]
        return pl.DataFrame(rows, schema=polars_schema(export.rows))

    def kill_a_run(self, request: dg.RunRequest, after_requests: int) -> None:
        """Run what was requested in a process of its own, and SIGKILL it in mid-fetch."""
        self.runs.append(request)
        asked = len(self.sandbox.requests)
        order = {
            "instance": dg.serialize_value(self.instance.get_ref()),
            "settings": self.settings.model_dump(mode="json") | {"api_key": self.sandbox.api_key},
            "now": self.now.isoformat(),
            "tags": dict(request.tags),
            "partition_key": request.partition_key,
        }
        child = subprocess.Popen(
            [sys.executable, "-m", "soundlink_assets_tests.assets.simulation", json.dumps(order)],
            cwd=ROOT,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
        deadline = time.monotonic() + 120
        while len(self.sandbox.requests) < asked + after_requests:
            assert child.poll() is None, "the run ended before it could be killed"
            assert time.monotonic() < deadline
            time.sleep(0.005)
        child.send_signal(signal.SIGKILL)
        child.wait()


@contextmanager
def platform(
    folder: Path, now: datetime, config: SandboxConfig | None = None, **given: object
) -> Iterator[Platform]:
    """A platform in `folder` whose sandbox stands at `now`; `given` are settings."""
    with (
        serving(config or SandboxConfig(campaign_count=2), now=now) as sandbox,
        instance_in_files(folder) as instance,
    ):
        settings = settings_for(sandbox.base_url, sandbox.api_key, folder, **given)
        yield Platform(sandbox, settings, instance)


def _run_as_child(order: dict[str, object]) -> None:
    """What the process that is to be killed does."""
    now = datetime.fromisoformat(str(order["now"]))
    given = dict(order["settings"])  # type: ignore[call-overload]
    given["campaign_ids"] = tuple(given["campaign_ids"])
    job = build_definitions(Settings(**given), clock=lambda: now).resolve_job_def("daily_exports")
    ref = dg.deserialize_value(str(order["instance"]), InstanceRef)
    with freeze_time(now), dg.DagsterInstance.from_ref(ref) as instance:
        job.execute_in_process(
            instance=instance,
            tags=order["tags"],  # type: ignore[arg-type]
            partition_key=order["partition_key"],  # type: ignore[arg-type]
        )


if __name__ == "__main__":
    _run_as_child(json.loads(sys.argv[1]))
