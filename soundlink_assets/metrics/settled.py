"""Which cells are settled: the flag that every derived row carries."""

import polars as pl

from soundlink_assets.schema.window import BATCH_LAG_DAYS, REVISION_DAYS

CELL = ("requested_campaign_id", "report_date")
IS_SETTLED = "is_settled"


def settled_cells(cells: pl.DataFrame) -> pl.DataFrame:
    """One row per cell, with `is_settled` (never null).

    `cells` has `requested_campaign_id`, `report_date`, `fetched_at` and `oldest_exported_at` (null
    if the delivery was empty). A cell is settled once it was fetched at or after D+8 00:00 UTC and
    nothing in it was exported before, or once it was fetched at or after D+10 00:00 UTC.
    """
    day = pl.col("report_date").cast(pl.Datetime("us")).dt.replace_time_zone("UTC")
    final_at = day.dt.offset_by(f"{REVISION_DAYS + 1}d")
    whatever_the_batch_at = final_at.dt.offset_by(f"{BATCH_LAG_DAYS}d")
    exported_after = (pl.col("oldest_exported_at") >= final_at).fill_null(True)
    return cells.select(
        *CELL,
        (
            ((pl.col("fetched_at") >= final_at) & exported_after)
            | (pl.col("fetched_at") >= whatever_the_batch_at)
        ).alias(IS_SETTLED),
    )


def with_is_settled(rows: pl.DataFrame, cells: pl.DataFrame) -> pl.DataFrame:
    """The rows with the flag of their cell; a row whose cell is unknown is open."""
    return rows.join(
        settled_cells(cells), on=CELL, how="left", validate="m:1", maintain_order="left"
    ).with_columns(pl.col(IS_SETTLED).fill_null(False))
