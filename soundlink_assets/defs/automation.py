"""The job, its schedule, and the sensor that keeps the days true that may still change."""

import dagster as dg
from dagster._core.definitions.unresolved_asset_job_definition import UnresolvedAssetJobDefinition

JOB_NAME = "daily_exports"


def daily_exports_job(assets: dg.AssetSelection) -> UnresolvedAssetJobDefinition:
    """The campaigns, every export, everything derived, and their checks."""
    return dg.define_asset_job(
        JOB_NAME,
        selection=assets,
        description="Fetch the campaigns and both exports for the chosen days, verify and store "
        "them, compute everything derived, and run the checks.",
        executor_def=dg.in_process_executor,
    )
