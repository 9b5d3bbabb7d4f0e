"""The daily partitions that every partitioned asset shares, and the window of a run."""

from datetime import date

import dagster as dg

from soundlink_assets.schema.window import MAX_WINDOW_DAYS, Window

RUN_LENGTH = dg.BackfillPolicy.multi_run(max_partitions_per_run=MAX_WINDOW_DAYS)
"""One run spans at most what one request may ask for."""


def daily_partitions(start: date) -> dg.DailyPartitionsDefinition:
    """One partition a UTC day from `start` to yesterday: only days that are closed."""
    return dg.DailyPartitionsDefinition(start_date=start.isoformat(), timezone="UTC")


def window_of(context: dg.AssetExecutionContext) -> Window:
    """The days that this run materialises.

    dagster.Failure if one of them is no partition, as a day that has not closed: Dagster itself
    takes any range that somebody puts into a run's tags. ValueError if the range is reversed.
    """
    keys = context.partition_key_range
    window = Window(date.fromisoformat(keys.start), date.fromisoformat(keys.end))
    partitions = context.assets_def.partitions_def
    for key in (keys.start, keys.end):
        if partitions is not None and not partitions.has_partition_key(key):
            raise dg.Failure(
                f"{key} is no partition: it has not closed yet (UTC), or lies before "
                "SOUNDLINK_START_DATE. Nothing was fetched.",
                allow_retries=False,
            )
    return window
