"""Sums and ratios of sums, as polars expressions, with the rules on zero and null."""

import polars as pl

from soundlink_assets.schema.frames import polars_schema
from soundlink_assets.schema.tables import Table


def known_sum(column: str) -> pl.Expr:
    """The sum of what is known; null if nothing is."""
    return pl.when(pl.col(column).count() > 0).then(pl.col(column).sum()).alias(column)


def divided(numerator: pl.Expr, denominator: pl.Expr) -> pl.Expr:
    """A ratio as Float64; null if the denominator is zero or null."""
    return pl.when(denominator != 0).then(numerator.cast(pl.Float64) / denominator.cast(pl.Float64))


def ratio_of_sums(numerator: str, denominator: str) -> pl.Expr:
    """Sum over sum, of the rows that have both columns."""
    both = pl.col(numerator).is_not_null() & pl.col(denominator).is_not_null()
    return divided(
        pl.col(numerator).filter(both).sum(),
        pl.col(denominator).filter(both).sum(),
    )


def newest(column: str) -> pl.Expr:
    """The column's value in the row that was exported last; of equals, the greatest.

    For names, which may differ between rows of one group.
    """
    return pl.col(column).sort_by("exported_at", column).last()


def shaped(frame: pl.DataFrame, table: Table) -> pl.DataFrame:
    """The table's columns, in its order and types, ordered by its key."""
    return frame.select(table.column_names).cast(polars_schema(table)).sort(table.key)
