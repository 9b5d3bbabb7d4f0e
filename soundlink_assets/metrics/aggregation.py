"""Exact sums and ratios of sums as polars expressions, and frames in the form of their table."""

from decimal import Decimal
from typing import Any

import polars as pl

from soundlink_assets.schema.frames import polars_schema
from soundlink_assets.schema.ratios import Ratio
from soundlink_assets.schema.tables import Kind, Table

EXACT = pl.Decimal(38, 6)
"""Holds any sum of counts (64 bits) or of money (18 digits, 6 of them decimals)."""


class OutOfRangeError(ValueError):
    """A figure does not fit the column that should hold it.

    `table` and `column` name the place, `key` the row, `value` is the exact figure.
    """

    def __init__(self, table: Table, column: str, key: dict[str, Any], value: Decimal) -> None:
        self.table, self.column, self.key, self.value = table.qualified_name, column, key, value
        row = ", ".join(f"{name} {part}" for name, part in key.items())
        super().__init__(
            f"{self.table}: {column} comes to {value.normalize():f} for {row}; "
            f"{table.column(column).kind} cannot hold that"
        )


def exact_sum(column: str) -> pl.Expr:
    """The sum of a count or an amount, as `EXACT`: beyond 64 bits it does not wrap."""
    return pl.col(column).cast(EXACT).sum()


def known_sum(column: str) -> pl.Expr:
    """The exact sum of what is known; null if nothing is."""
    return pl.when(pl.col(column).count() > 0).then(exact_sum(column)).alias(column)


def divided(numerator: pl.Expr, denominator: pl.Expr) -> pl.Expr:
    """A ratio as Float64; null if the denominator is zero or null."""
    return pl.when(denominator != 0).then(numerator.cast(pl.Float64) / denominator.cast(pl.Float64))


def ratio_of_sums(ratio: Ratio) -> pl.Expr:
    """The ratio as an aggregation: sum over sum, of the rows that have all of its columns."""
    known = pl.all_horizontal(pl.col(name).is_not_null() for name in ratio.inputs)
    numerator, *denominator = (
        pl.col(name).filter(known).cast(EXACT).sum()
        for name in (ratio.numerator, *ratio.denominator)
    )
    return _ratio(ratio, numerator, denominator)


def ratio_of_columns(ratio: Ratio) -> pl.Expr:
    """The ratio of each row, from columns that are sums already."""
    return _ratio(ratio, pl.col(ratio.numerator), [pl.col(name) for name in ratio.denominator])


def _ratio(ratio: Ratio, numerator: pl.Expr, denominator: list[pl.Expr]) -> pl.Expr:
    below = pl.sum_horizontal(denominator)
    return (ratio.factor * divided(numerator, below)).alias(ratio.name)


def newest(column: str) -> pl.Expr:
    """The column's value in the row that was exported last; of equals, the greatest.

    For names, which may differ between rows of one group.
    """
    return pl.col(column).sort_by("exported_at", column).last()


def conformed(frame: pl.DataFrame, table: Table) -> pl.DataFrame:
    """The table's columns, in its order and types, ordered by its key.

    Raises OutOfRangeError if a sum does not fit its column.
    """
    schema = polars_schema(table)
    figures = [column.name for column in table.columns if column.kind in {Kind.COUNT, Kind.MONEY}]
    fitting = frame.with_columns(pl.col(name).cast(schema[name], strict=False) for name in figures)
    for name in figures:
        lost = frame.filter(fitting[name].is_null() & frame[name].is_not_null())
        if not lost.is_empty():
            row = lost.sort(table.key).row(0, named=True)
            key = {part: row[part] for part in table.key}
            raise OutOfRangeError(table, name, key, Decimal(row[name]))
    return fitting.select(table.column_names).cast(schema).sort(table.key)
