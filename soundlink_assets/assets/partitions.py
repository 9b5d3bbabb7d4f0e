"""The daily partitions that every partitioned asset shares, and the days of a run."""

from datetime import date

import dagster as dg

from soundlink_assets.schema.window import MAX_WINDOW_DAYS, Window

RUN_LENGTH = dg.BackfillPolicy.multi_run(max_partitions_per_run=MAX_WINDOW_DAYS)
"""One run spans at most what one request may ask for."""

PARTITION_TAG = "dagster/partition"
RANGE_START_TAG = "dagster/asset_partition_range_start"
RANGE_END_TAG = "dagster/asset_partition_range_end"

Context = dg.AssetExecutionContext | dg.AssetCheckExecutionContext


def daily_partitions(start: date) -> dg.DailyPartitionsDefinition:
    """One partition a UTC day from `start` to yesterday: only days that have closed."""
    return dg.DailyPartitionsDefinition(start_date=start.isoformat(), timezone="UTC")


def range_tags(window: Window) -> dict[str, str]:
    """The run tags that make a run materialise the days of the window."""
    return {RANGE_START_TAG: window.first.isoformat(), RANGE_END_TAG: window.last.isoformat()}


def window_of_run(context: Context) -> Window | None:
    """The days of the run; None for a run without days, as the UI starts checks alone.

    ValueError if the range is reversed.
    """
    step = context.op_execution_context
    if not step.has_partition_key and not step.has_partition_key_range:
        return None
    keys = step.partition_key_range
    return Window(date.fromisoformat(keys.start), date.fromisoformat(keys.end))


def window_to_fetch(context: dg.AssetExecutionContext) -> Window:
    """The days that this run materialises.

    dagster.Failure if one of them is not a partition, as a day that has not closed: Dagster itself
    takes any range that somebody puts into a run's tags. ValueError if the range is reversed.
    """
    window = window_of_run(context)
    partitions = context.assets_def.partitions_def
    assert window is not None  # noqa: S101 - Dagster does not run a partitioned asset without days
    for day in (window.first, window.last):
        if partitions is not None and not partitions.has_partition_key(day.isoformat()):
            raise dg.Failure(
                f"{day} is not a partition: it has not closed yet (UTC), or lies before "
                "SOUNDLINK_START_DATE. Nothing was fetched.",
                allow_retries=False,
            )
    return window
