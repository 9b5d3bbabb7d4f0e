"""The weekly job that compacts the warehouse: needed on a lake, idle on a file."""

from datetime import timedelta
from typing import TYPE_CHECKING

import dagster as dg

from soundlink_assets.settings import LAKE, Settings

if TYPE_CHECKING:
    from soundlink_assets.warehouse import Warehouse

MAINTENANCE_JOB = "maintain_warehouse"
WEEKLY = "10 3 * * 0"
"""Sundays, 03:10 UTC: before the daily run."""


def maintenance_job(settings: Settings) -> dg.JobDefinition:
    """Compacts the warehouse and removes what it no longer needs, while writers wait."""

    @dg.op(out=dg.Out(dg.Nothing))
    def compact(context: dg.OpExecutionContext) -> None:
        from soundlink_assets.warehouse import open_warehouse

        warehouse: Warehouse = open_warehouse(
            settings.warehouse, log=context.log, lake_data=settings.lake_data
        )
        context.add_output_metadata(warehouse.maintain(timedelta(days=settings.snapshot_days)))

    @dg.job(
        name=MAINTENANCE_JOB,
        executor_def=dg.in_process_executor,
        description="Compact the warehouse and remove files that no reader needs any more; the "
        "command `soundlink-assets maintain` does the same.",
    )
    def maintain_warehouse() -> None:
        compact()

    return maintain_warehouse


def maintenance_schedule(settings: Settings, job: dg.JobDefinition) -> dg.ScheduleDefinition:
    """Weekly; stopped by default on a file, which compacts itself."""
    running = settings.automation and settings.warehouse.startswith(LAKE)
    status = dg.DefaultScheduleStatus
    return dg.ScheduleDefinition(
        name=f"{MAINTENANCE_JOB}_schedule",
        job=job,
        cron_schedule=WEEKLY,
        execution_timezone="UTC",
        default_status=status.RUNNING if running else status.STOPPED,
        description="Needed on a lake only.",
    )
