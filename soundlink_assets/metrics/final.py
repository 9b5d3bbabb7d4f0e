"""Which campaign-days and days are final: the provider no longer revises them.

By the delivery log, which says when each campaign-day was fetched and when its rows were exported.
"""

from collections.abc import Collection
from datetime import date

import polars as pl

from soundlink_assets.schema.analytics import IS_SETTLED
from soundlink_assets.schema.exports import Export
from soundlink_assets.schema.window import BATCH_LAG_DAYS, REVISION_DAYS


def final_campaign_days(log: pl.DataFrame, export: Export) -> pl.DataFrame:
    """One row per campaign-day: the requested id, the day, and `is_settled` (never null).

    `log` has the current entries of the export's delivery log. A campaign-day is final once it was
    fetched at or after D+8 00:00 UTC and nothing in it was exported before, or once it was fetched
    at or after D+10 00:00 UTC. A day without rows is as old as the newest row of its delivery, and
    as its fetch if the delivery was empty.
    """
    day = pl.col(export.day).cast(pl.Datetime("us")).dt.replace_time_zone("UTC")
    final_at = day.dt.offset_by(f"{REVISION_DAYS + 1}d")
    final_at_latest = final_at.dt.offset_by(f"{BATCH_LAG_DAYS}d")
    exported_at = pl.coalesce("oldest_exported_at", "delivery_exported_at", "fetched_at")
    return log.select(
        export.scope.requested_column,
        export.day,
        (
            ((pl.col("fetched_at") >= final_at) & (exported_at >= final_at))
            | (pl.col("fetched_at") >= final_at_latest)
        ).alias(IS_SETTLED),
    )


def final_days(log: pl.DataFrame, export: Export, required: Collection[str] = ()) -> set[date]:
    """The days on which every campaign-day is final.

    A day is left out without an entry in the log, and without an entry of each id in `required`.
    """
    requested = pl.col(export.scope.requested_column)
    required = set(required)
    by_day = (
        final_campaign_days(log, export)
        .group_by(export.day)
        .agg(
            pl.col(IS_SETTLED).all(),
            requested.filter(requested.is_in(required)).n_unique().alias("found"),
        )
    )
    return set(by_day.filter(IS_SETTLED, pl.col("found") == len(required))[export.day])


def with_is_settled(rows: pl.DataFrame, log: pl.DataFrame, export: Export) -> pl.DataFrame:
    """The rows with the flag of their campaign-day; a row that the log does not know is open."""
    return rows.join(
        final_campaign_days(log, export),
        on=[export.scope.requested_column, export.day],
        how="left",
        validate="m:1",
        maintain_order="left",
    ).with_columns(pl.col(IS_SETTLED).fill_null(False))
