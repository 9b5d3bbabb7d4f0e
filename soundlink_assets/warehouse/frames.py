"""How a derived frame replaces whole days, or the whole of a table, inside a transaction.

And when it must not: what it was computed from has been replaced.
"""

from typing import TYPE_CHECKING

import duckdb

from soundlink_assets.schema.window import Window
from soundlink_assets.schema.tables import Table
from soundlink_assets.warehouse.companions import WRITTEN_AT, cells_table
from soundlink_assets.warehouse.connection import count
from soundlink_assets.warehouse.errors import MisfitError, OutdatedError
from soundlink_assets.warehouse.fitting import fitted
from soundlink_assets.warehouse.shaping import ensure_table, stored_columns
from soundlink_assets.warehouse.sql import day_column, identifier, qualified

if TYPE_CHECKING:
    import polars as pl

    from soundlink_assets.warehouse.types import DerivedDays

_FRAME = "derived_frame"


def replace_days(
    connection: duckdb.DuckDBPyConnection, table: Table, frame: "pl.DataFrame", window: Window
) -> None:
    """Replace the days of the window, those without rows included.

    MisfitError if the frame does not fit the table or has rows outside the window.
    """
    _register(connection, table, frame)
    day = identifier(day_column(table))
    days = {"first": window.first, "last": window.last}
    outside = count(
        connection,
        f"SELECT count(*) FROM {_FRAME} WHERE ({day} BETWEEN $first AND $last) IS NOT true",
        days,
    )
    if outside:
        raise MisfitError(
            f"{table.qualified_name}: {outside} rows have a {day} outside {window}. "
            "Nothing was written."
        )
    connection.execute(f"DELETE FROM {qualified(table)} WHERE {day} BETWEEN $first AND $last", days)
    _insert(connection, table)


def refuse_outdated(
    connection: duckdb.DuckDBPyConnection, derived: "DerivedDays", window: Window
) -> None:
    """OutdatedError if the source's days of the window were written since they were read.

    Of two runs that overlap, the slower one would otherwise put the older figures back.
    """
    ledger = cells_table(derived.source)
    if not stored_columns(connection, ledger):
        return
    newer = count(
        connection,
        f"SELECT count(*) FROM {qualified(ledger)} "
        f"WHERE {identifier(day_column(ledger))} BETWEEN $first AND $last "
        f"AND {WRITTEN_AT} > coalesce($seen_until, '-infinity'::TIMESTAMPTZ)",
        {"first": window.first, "last": window.last, "seen_until": derived.seen_until},
    )
    if newer:
        raise OutdatedError(
            f"{derived.source.qualified_name}: another run has written {newer} cells of {window} "
            "since they were read. Nothing was written."
        )


def replace_all(connection: duckdb.DuckDBPyConnection, table: Table, frame: "pl.DataFrame") -> None:
    """Replace all rows of the table; MisfitError if the frame does not fit it."""
    _register(connection, table, frame)
    connection.execute(f"DELETE FROM {qualified(table)}")
    _insert(connection, table)


def row_count(connection: duckdb.DuckDBPyConnection, table: Table) -> int:
    """Rows of the whole table."""
    return count(connection, f"SELECT count(*) FROM {qualified(table)}")


def _register(connection: duckdb.DuckDBPyConnection, table: Table, frame: "pl.DataFrame") -> None:
    ensure_table(connection, table)
    connection.register(_FRAME, fitted(frame, table).to_arrow())


def _insert(connection: duckdb.DuckDBPyConnection, table: Table) -> None:
    connection.execute(f"INSERT INTO {qualified(table)} BY NAME SELECT * FROM {_FRAME}")
