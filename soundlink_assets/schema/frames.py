"""The columns of a `Table` as polars dtypes.

Only the translation: what the columns are stands in the descriptions, how a body becomes a frame
in `parsing`.
"""

import polars as pl

from soundlink_assets.schema.tables import Kind, Table

MONEY_PRECISION = 18
MONEY_SCALE = 6

MONEY = pl.Decimal(MONEY_PRECISION, MONEY_SCALE)
FINE_MONEY = pl.Decimal(38, 18)
TIMESTAMP = pl.Datetime("us", "UTC")

_DTYPES: dict[Kind, pl.DataType] = {
    Kind.TEXT: pl.String(),
    Kind.DATE: pl.Date(),
    Kind.TIMESTAMP: TIMESTAMP,
    Kind.COUNT: pl.Int64(),
    Kind.MONEY: MONEY,
    Kind.FINE_MONEY: FINE_MONEY,
    Kind.RATIO: pl.Float64(),
    Kind.FLAG: pl.Boolean(),
}


def polars_schema(table: Table) -> pl.Schema:
    """The dtypes of the table's columns, in their order."""
    return pl.Schema({column.name: _DTYPES[column.kind] for column in table.columns})


def empty_frame(table: Table) -> pl.DataFrame:
    """A frame of that table without rows."""
    return pl.DataFrame(schema=polars_schema(table))
