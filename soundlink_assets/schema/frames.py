"""The columns of a `Table` as polars dtypes and as dataframely schemas.

Only the translation: what the columns are stands in the descriptions, how a body becomes a frame
in `parsing`.
"""

from collections.abc import Callable
from functools import cache, partial
from types import new_class
from typing import cast

import dataframely as dy
import polars as pl

from soundlink_assets.schema.exports import Export
from soundlink_assets.schema.tables import Column, Kind, Table

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

_SCHEMA_COLUMNS: dict[Kind, Callable[..., dy.Column]] = {
    Kind.TEXT: dy.String,
    Kind.DATE: dy.Date,
    Kind.TIMESTAMP: partial(dy.Datetime, time_unit="us", time_zone="UTC"),
    Kind.COUNT: dy.Int64,
    Kind.MONEY: partial(dy.Decimal, MONEY_PRECISION, MONEY_SCALE),
    Kind.FINE_MONEY: partial(dy.Decimal, 38, 18),
    Kind.RATIO: dy.Float64,
    Kind.FLAG: dy.Bool,
}


def polars_schema(table: Table) -> pl.Schema:
    """The dtypes of the table's columns, in their order."""
    return pl.Schema({column.name: _DTYPES[column.kind] for column in table.columns})


def empty_frame(table: Table) -> pl.DataFrame:
    """A frame of that table without rows."""
    return pl.DataFrame(schema=polars_schema(table))


@cache
def row_schema(export: Export) -> type[dy.Schema]:
    """The delivered rows of an export, `extra` included, as a dataframely schema.

    It holds the dtypes, what may be null, the least values and the primary key; each column has
    its description, and its unit in `metadata`.
    """
    columns = {
        column.name: _schema_column(column, primary_key=column.name in export.delivered.key)
        for column in export.delivered.columns
    }
    body = {"__doc__": export.delivered.grain, **columns}
    return cast(
        "type[dy.Schema]",
        new_class(export.name, (dy.Schema,), exec_body=lambda namespace: namespace.update(body)),
    )


def _schema_column(column: Column, *, primary_key: bool) -> dy.Column:
    least = {} if column.minimum is None else {"min": column.minimum}
    return _SCHEMA_COLUMNS[column.kind](
        nullable=column.nullable,
        primary_key=primary_key,
        description=column.description,
        metadata={"unit": column.unit},
        **least,
    )
