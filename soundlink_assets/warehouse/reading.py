"""Stored rows as frames. A table that nothing has written yet reads as a typed empty frame."""

import logging
from collections.abc import Mapping, Sequence

import duckdb
import polars as pl

from soundlink_assets.schema.window import Window
from soundlink_assets.schema.tables import Table
from soundlink_assets.warehouse.companions import (
    REQUESTED_CAMPAIGN,
    SUPERSEDED_AT,
    WRITTEN_AT,
    cells_table,
    superseded_table,
)
from soundlink_assets.warehouse.connection import connect
from soundlink_assets.warehouse.locking import WAIT_SECONDS
from soundlink_assets.warehouse.shaping import check_types, stored_columns
from soundlink_assets.warehouse.sql import (
    day_column,
    identifier,
    listed,
    qualified,
    typed_null,
)

_LOG = logging.getLogger(__name__)


def read_frame(
    warehouse: str,
    statement: str,
    parameters: Mapping[str, object] | Sequence[object] = (),
    *,
    wait_seconds: float = WAIT_SECONDS,
    log: logging.Logger = _LOG,
) -> pl.DataFrame:
    """The result of one query; `parameters` are bound to its `$names` or, in order, its `?`.

    Raises WarehouseError; MissingTableError if a table has not been written yet.
    """
    with connect(
        warehouse, read_only=True, purpose="a query", wait_seconds=wait_seconds, log=log
    ) as connection:
        return connection.sql(statement, params=parameters).pl()


def load_table(
    connection: duckdb.DuckDBPyConnection,
    table: Table,
    window: Window | None = None,
    columns: Sequence[str] | None = None,
) -> pl.DataFrame:
    """The described columns (or some of them) of a table, for a window of days or all of it.

    A column that the stored table lacks is null; MisfitError if a stored type is another.
    """
    stored = stored_columns(connection, table)
    names = table.column_names if columns is None else tuple(columns)
    wanted = [table.column(name) for name in names]
    if not stored:
        nulls = ", ".join(typed_null(column) for column in wanted)
        return connection.sql(f"SELECT {nulls} WHERE false").pl()
    check_types(table, stored)
    selected = ", ".join(
        identifier(column.name) if column.name in stored else typed_null(column)
        for column in wanted
    )
    statement = f"SELECT {selected} FROM {qualified(table)}"
    if window is None:
        return connection.sql(statement).pl()
    return connection.sql(
        f"{statement} WHERE {identifier(day_column(table))} BETWEEN $first AND $last",
        params={"first": window.first, "last": window.last},
    ).pl()


def load_cells(
    connection: duckdb.DuckDBPyConnection, table: Table, window: Window | None = None
) -> pl.DataFrame:
    """The ledger of an export table (see `companions.cells_table`) for a window or all of it."""
    return load_table(connection, cells_table(table), window)


def load_last_superseded(
    connection: duckdb.DuckDBPyConnection, table: Table, window: Window
) -> pl.DataFrame:
    """The rows that the newest write of each cell changed or withdrew.

    Together with the rows of those cells that were ingested before that write, they are what the
    cells held before it.
    """
    history = superseded_table(table)
    if not stored_columns(connection, history):
        return load_table(connection, history, window)
    day = identifier(day_column(table))
    return connection.sql(
        f"SELECT {listed(history.column_names, 'past')} FROM {qualified(history)} AS past "
        f"JOIN {qualified(cells_table(table))} AS cell "
        f"ON past.{REQUESTED_CAMPAIGN} = cell.{REQUESTED_CAMPAIGN} AND past.{day} = cell.{day} "
        f"AND past.{SUPERSEDED_AT} = cell.{WRITTEN_AT} "
        f"WHERE past.{day} BETWEEN $first AND $last",
        params={"first": window.first, "last": window.last},
    ).pl()


def select_statement(
    table: Table, window: Window | None = None, columns: Sequence[str] | None = None
) -> str:
    """The query that shows what is stored for a window, to be pasted into any DuckDB client."""
    selected = listed(columns) if columns else "*"
    statement = f"SELECT {selected} FROM {qualified(table)}"
    if window is None:
        return statement
    return (
        f"{statement} WHERE {identifier(day_column(table))} "
        f"BETWEEN DATE '{window.first}' AND DATE '{window.last}'"
    )
