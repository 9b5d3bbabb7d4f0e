"""What the checks cost: their share of a run that loads 7 days of 50 campaigns.

Two costs are told apart: evaluating all checks (one read of the warehouse per asset, then polars),
and recording a verdict per check and day in Dagster's history. The run is measured without the
provider's request budget; what the budget makes of it is computed.
"""

import tempfile
import time
import warnings
from datetime import UTC, datetime, timedelta
from pathlib import Path

import dagster as dg

from soundlink_assets.assets.checks import export_checks
from soundlink_assets.assets.derived_checks import INVARIANTS, derived_checks
from soundlink_assets.assets.partitions import daily_partitions, range_tags
from soundlink_assets.assets.run_history import JOB_NAME
from soundlink_assets.definitions import build_definitions
from soundlink_assets.sandbox import PROVIDER_LIMITS, SandboxConfig, serving
from soundlink_assets.schema import EXPORTS
from soundlink_assets.schema.window import Window
from soundlink_assets.settings import Settings, load_settings
from soundlink_assets.warehouse import open_warehouse

DAYS = 7
CAMPAIGNS = 50
UNLIMITED = 100_000

YESTERDAY = datetime.now(UTC).date() - timedelta(days=1)
WINDOW = Window(YESTERDAY - timedelta(days=DAYS - 1), YESTERDAY)


def main() -> None:
    """Print seconds and shares of the steps of one run."""
    warnings.simplefilter("ignore")
    with (
        tempfile.TemporaryDirectory() as folder,
        serving(SandboxConfig(campaign_count=CAMPAIGNS)) as sandbox,
        dg.DagsterInstance.local_temp(folder) as instance,
    ):
        settings = load_settings(
            api_key=sandbox.api_key,
            base_url=sandbox.base_url,
            warehouse=str(Path(folder) / "warehouse.duckdb"),
            quarantine_dir=Path(folder) / "quarantine",
            budget_dir=Path(folder) / "budget",
            requests_per_minute=UNLIMITED,
            requests_per_hour=UNLIMITED,
        )
        result = run(settings, instance)
        assert result.success
        seconds = step_seconds(instance, result.run_id)
        requests = len(sandbox.requests)
        evaluating = seconds_to_evaluate(settings)
    checks = {step: spent for step, spent in seconds.items() if step.endswith("_checks")}
    total = sum(seconds.values())
    steps = sum(checks.values())
    print(f"{CAMPAIGNS} campaigns x {DAYS} days, {requests} requests")
    for step, spent in sorted(seconds.items(), key=lambda item: -item[1]):
        print(f"  {spent:7.2f} s  {spent / total:6.1%}  {step}")
    print(f"evaluating all checks: {evaluating:.2f} s, {evaluating / total:.1%} of the run")
    print(f"evaluating and recording: {steps:.2f} s, {steps / total:.1%} of the run")
    waiting = 60 * ((requests - 1) // PROVIDER_LIMITS[0].requests)
    print(
        f"with the provider's {PROVIDER_LIMITS[0].requests} requests a minute the run waits "
        f"{waiting} s more: evaluating {evaluating / (total + waiting):.1%}, "
        f"with recording {steps / (total + waiting):.1%}"
    )


def seconds_to_evaluate(settings: Settings) -> float:
    """Wall time of all check steps of the window without Dagster: read, then judge."""
    partitions = daily_partitions(settings.start_date)
    steps = (
        *(export_checks(export, partitions) for export in EXPORTS),
        *(derived_checks(invariants, EXPORTS, partitions) for invariants in INVARIANTS),
    )
    warehouse = open_warehouse(settings.warehouse)
    start = time.perf_counter()
    for step in steps:
        stored = step.read(warehouse, WINDOW)
        judged = [check.judge(stored, list(WINDOW.dates())) for check in step.checks]
        assert all(len(verdicts.days) == DAYS for verdicts in judged)
    return time.perf_counter() - start


def run(settings: Settings, instance: dg.DagsterInstance) -> dg.ExecuteInProcessResult:
    """The main job over the window, in this process."""
    job = build_definitions(settings).resolve_job_def(JOB_NAME)
    return job.execute_in_process(
        instance=instance,
        run_config={"loggers": {"console": {"config": {"log_level": "ERROR"}}}},
        tags=range_tags(WINDOW),
    )


def step_seconds(instance: dg.DagsterInstance, run_id: str) -> dict[str, float]:
    """Wall time of each step, from its start to its success, in seconds."""
    ends = {dg.DagsterEventType.STEP_START: -1, dg.DagsterEventType.STEP_SUCCESS: 1}
    seconds: dict[str, float] = {}
    for event in instance.all_logs(run_id, of_type=set(ends)):
        if event.step_key and event.dagster_event_type:
            sign = ends[event.dagster_event_type]
            seconds[event.step_key] = seconds.get(event.step_key, 0) + sign * event.timestamp
    return seconds


if __name__ == "__main__":
    main()
