"""The daily partitions that every partitioned asset shares, and the window of a run."""

from datetime import date

import dagster as dg

from soundlink_assets.contract.window import MAX_WINDOW_DAYS, Window

RUN_LENGTH = dg.BackfillPolicy.multi_run(max_partitions_per_run=MAX_WINDOW_DAYS)
"""One run spans at most what one request may ask for."""


def daily_partitions(start: date) -> dg.DailyPartitionsDefinition:
    """One partition a UTC day from `start` to yesterday: only days that are closed."""
    return dg.DailyPartitionsDefinition(start_date=start.isoformat(), timezone="UTC")


def window_of(context: dg.AssetExecutionContext) -> Window:
    """The days that this run materialises. ValueError if its range is reversed."""
    keys = context.partition_key_range
    return Window(date.fromisoformat(keys.start), date.fromisoformat(keys.end))
