"""Stored tables: made from their descriptions, migrated, described, and read.

Works on any DuckDB connection whose current database is the warehouse. SQL stays within what
DuckLake takes as well: no keys, no upserts, and comments only where they differ, because a comment
is a change of the table there. Values are bound, except where a statement takes no parameters.
"""

import uuid
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from typing import TYPE_CHECKING, Any

import duckdb

from soundlink_assets.schema.exports import INGESTED_AT, SUPERSEDED_AT, Export
from soundlink_assets.schema.tables import Column, Kind, Table
from soundlink_assets.schema.window import Window
from soundlink_assets.warehouse.batch import EXPORTED_AT, WRITTEN_AT
from soundlink_assets.warehouse.errors import SchemaMismatchError

if TYPE_CHECKING:
    import polars as pl

Connection = duckdb.DuckDBPyConnection


# ---- pieces of SQL ----


def identifier(name: str) -> str:
    """A quoted identifier."""
    return '"' + name.replace('"', '""') + '"'


def literal(text: str) -> str:
    """A quoted string, for statements that take no parameters."""
    return "'" + text.replace("'", "''") + "'"


def qualified(table: Table) -> str:
    """The quoted `schema.name` of a table."""
    return f"{identifier(table.schema)}.{identifier(table.name)}"


def listed(names: Iterable[str], alias: str = "") -> str:
    """Quoted column names, separated by commas, each of the alias if one is given."""
    prefix = f"{alias}." if alias else ""
    return ", ".join(prefix + identifier(name) for name in names)


def day_column(table: Table) -> str:
    """The name of the day column; ValueError for a table without one."""
    if table.day_column is None:
        raise ValueError(f"{table.qualified_name} is not partitioned by day")
    return table.day_column


def days_of(window: Window) -> dict[str, Any]:
    """The parameters `$first` and `$last`."""
    return {"first": window.first, "last": window.last}


def count(connection: Connection, statement: str, parameters: Any = None) -> int:
    """The one number that a statement returns: a count, or the rows that it touched."""
    row = connection.execute(statement, parameters).fetchone()
    assert row is not None  # noqa: S101 - such statements return one row
    return int(row[0])


@contextmanager
def transaction(connection: Connection) -> Iterator[None]:
    """All statements inside, or none of them."""
    connection.begin()
    try:
        yield
        connection.commit()
    except BaseException:
        with suppress(duckdb.Error):  # a failed commit has ended it; its own error is reported
            connection.rollback()
        raise


# ---- made and migrated ----


def ensure_table(connection: Connection, table: Table) -> bool:
    """Make the table, or add to it the columns that it lacks; whether its columns have changed.

    SchemaMismatchError if a stored column has another type than its description.
    """
    stored = _stored(connection, table)
    if not stored:
        columns = ", ".join(f"{identifier(c.name)} {c.kind.value}" for c in table.columns)
        connection.execute(f"CREATE SCHEMA IF NOT EXISTS {identifier(table.schema)}")
        connection.execute(f"CREATE TABLE {qualified(table)} ({columns})")
    else:
        check_types(table, {name: kind for name, (kind, _) in stored.items()})
    missing = [column for column in table.columns if column.name not in stored]
    for column in missing if stored else ():
        connection.execute(
            f"ALTER TABLE {qualified(table)} ADD COLUMN "
            f"{identifier(column.name)} {column.kind.value}"
        )
    _describe(connection, table, {name: comment for name, (_, comment) in stored.items()})
    return bool(missing)


def ensure_export(connection: Connection, export: Export) -> None:
    """The table of an export, its history, its delivery log and its `_as_of` macro, as described.

    A log of the kind that earlier versions kept is taken over.
    """
    tables = (export.table, export.superseded, export.delivery_log)
    changed = [ensure_table(connection, table) for table in tables]
    if stored_columns(connection, _cells(export)):
        log = export.delivery_log
        connection.execute(f"INSERT INTO {qualified(log)} BY NAME {_log_of_cells(export)}")
        connection.execute(f"DROP TABLE {qualified(_cells(export))}")
    if any(changed):
        connection.execute(as_of_macro(export))


def check_types(table: Table, stored: Mapping[str, str]) -> None:
    """SchemaMismatchError that names each stored column whose type is not the described one.

    Columns that are stored and not described, or described and not stored, are not judged here.
    """
    mismatches = [
        f"{column.name} is stored as {stored[column.name]}, and is {_stored_type(column.kind)} here"
        for column in table.columns
        if column.name in stored and stored[column.name] != _stored_type(column.kind)
    ]
    if mismatches:
        raise SchemaMismatchError(
            f"{table.qualified_name}: {'; '.join(mismatches)}. Nothing was written. Convert the "
            "column (ALTER TABLE ... ALTER ... TYPE ...), or move the table away."
        )


def as_of_macro(export: Export) -> str:
    """The statement that makes `<table>_as_of(moment)`: the rows as they were at that moment.

    DuckDB looks the tables of a macro up in the database that the caller uses, so that, of two
    attached warehouses, the macro of one could read the other. The macro therefore looks for itself
    (by a mark in its own text) in the database in use, and is an error elsewhere, also beside a
    copy of the same warehouse, which has the same mark.

    Figures that come again keep their row, whose `exported_at` moves on. What it was at the moment
    is in the delivery log: the day's, where all of its rows had the same; where they had not, the
    row keeps its own (see `writer`).
    """
    table, log = export.table, export.delivery_log
    name, day, mark = f"{table.name}_as_of", identifier(export.day), uuid.uuid4().hex
    requested = identifier(export.scope.requested_column)
    columns = listed(table.column_names)
    past = ", ".join(
        f"CASE WHEN log.{EXPORTED_AT} = log.oldest_exported_at THEN log.{EXPORTED_AT} "
        f"ELSE past.{EXPORTED_AT} END AS {EXPORTED_AT}"
        if each == EXPORTED_AT
        else f"past.{identifier(each)}"
        for each in table.column_names
    )
    itself = (
        f"FROM duckdb_functions() WHERE schema_name = {literal(table.schema)} "
        f"AND function_name = {literal(name)} AND contains(macro_definition, '{mark}')"
    )
    return (
        f"CREATE OR REPLACE MACRO {identifier(table.schema)}.{identifier(name)}(moment) AS TABLE "
        "WITH guard AS MATERIALIZED (SELECT CASE WHEN (SELECT count(*) = 1 "
        f"AND bool_and(database_name = current_database()) {itself}) "
        "THEN moment::TIMESTAMPTZ ELSE error("
        f"{literal(f'{name} reads the database in use, and no other. USE ')} || "
        f"(SELECT string_agg(database_name, ' or ' ORDER BY database_name) {itself}) || "
        "' first, and attach no copy of it beside it.')::TIMESTAMPTZ END AS moment), "
        f"past AS (SELECT {columns} FROM {qualified(table)}, guard "
        f"WHERE {INGESTED_AT} <= guard.moment "
        f"UNION ALL SELECT {columns} FROM {qualified(export.superseded)}, guard "
        f"WHERE {INGESTED_AT} <= guard.moment AND {SUPERSEDED_AT} > guard.moment), "
        f"log AS (SELECT * FROM {qualified(log)}, guard WHERE {WRITTEN_AT} <= guard.moment "
        f"AND coalesce({SUPERSEDED_AT}, 'infinity') > guard.moment) "
        f"SELECT {past} FROM past LEFT JOIN log "
        f"ON past.{requested} = log.{requested} AND past.{day} = log.{day} "
        # Asks the guard, also where a table without rows would not: no moment is before this one.
        f"UNION ALL SELECT {', '.join('NULL' for _ in table.columns)} FROM guard "
        "WHERE guard.moment < '-infinity'::TIMESTAMPTZ"
    )


def _describe(connection: Connection, table: Table, comments: Mapping[str, str | None]) -> None:
    text = f"{table.description} Grain: {table.grain}."
    stored = connection.execute(
        "SELECT comment FROM duckdb_tables() WHERE database_name = current_database() "
        "AND schema_name = $schema AND table_name = $name",
        {"schema": table.schema, "name": table.name},
    ).fetchone()
    if stored is None or stored[0] != text:
        connection.execute(f"COMMENT ON TABLE {qualified(table)} IS {literal(text)}")
    for column in table.columns:
        text = column.description + (f" [{column.unit}]" if column.unit else "")
        if comments.get(column.name) != text:
            connection.execute(
                f"COMMENT ON COLUMN {qualified(table)}.{identifier(column.name)} IS {literal(text)}"
            )


# ---- read ----


def stored_columns(connection: Connection, table: Table) -> dict[str, str]:
    """Name and type of each column that is stored; empty if the table does not exist."""
    return {name: kind for name, (kind, _) in _stored(connection, table).items()}


def load_table(
    connection: Connection,
    table: Table,
    window: Window | None = None,
    columns: Sequence[str] | None = None,
) -> "pl.DataFrame":
    """See `protocol.Reader.load`."""
    stored = stored_columns(connection, table)
    wanted = [table.column(name) for name in (table.column_names if columns is None else columns)]
    if not stored:
        nulls = ", ".join(_typed_null(column) for column in wanted)
        return connection.sql(f"SELECT {nulls} WHERE false").pl()
    check_types(table, stored)
    selected = ", ".join(
        identifier(column.name) if column.name in stored else _typed_null(column)
        for column in wanted
    )
    return _windowed(connection, f"SELECT {selected} FROM {qualified(table)}", table, window)


def load_log(
    connection: Connection, export: Export, window: Window | None = None
) -> "pl.DataFrame":
    """See `protocol.Reader.delivery_log`."""
    columns = listed(export.delivery_log.column_names)
    return _windowed(
        connection,
        f"SELECT {columns} FROM ({current_log(connection, export)})",
        export.delivery_log,
        window,
    )


def load_previous_rows(connection: Connection, export: Export, window: Window) -> "pl.DataFrame":
    """See `protocol.Reader.previous_rows`."""
    history = export.superseded
    if not stored_columns(connection, history):
        return load_table(connection, history)
    day, requested = identifier(export.day), identifier(export.scope.requested_column)
    stored = stored_columns(connection, history)
    selected = ", ".join(
        f"past.{identifier(column.name)}" if column.name in stored else _typed_null(column)
        for column in history.columns
    )
    return connection.sql(
        f"SELECT {selected} FROM {qualified(history)} AS past "
        f"JOIN ({current_log(connection, export)}) AS log "
        f"ON past.{requested} = log.{requested} AND past.{day} = log.{day} "
        f"AND past.{SUPERSEDED_AT} = log.{WRITTEN_AT} "
        f"WHERE past.{day} BETWEEN $first AND $last",
        params=days_of(window),
    ).pl()


def current_log(connection: Connection, export: Export) -> str:
    """The query of the current entries of an export's delivery log, whatever is stored yet."""
    log = export.delivery_log
    if stored_columns(connection, log):
        return f"SELECT * FROM {qualified(log)} WHERE {SUPERSEDED_AT} IS NULL"
    if stored_columns(connection, _cells(export)):
        return _log_of_cells(export)
    return f"SELECT {', '.join(_typed_null(column) for column in log.columns)} WHERE false"


def _windowed(
    connection: Connection, statement: str, table: Table, window: Window | None
) -> "pl.DataFrame":
    if window is None:
        return connection.sql(statement).pl()
    where = f"WHERE {identifier(day_column(table))} BETWEEN $first AND $last"
    return connection.sql(f"{statement} {where}", params=days_of(window)).pl()


def _stored(connection: Connection, table: Table) -> dict[str, tuple[str, str | None]]:
    rows = connection.execute(
        "SELECT column_name, data_type, comment FROM duckdb_columns() "
        "WHERE database_name = current_database() AND schema_name = $schema "
        "AND table_name = $name ORDER BY column_index",
        {"schema": table.schema, "name": table.name},
    ).fetchall()
    return {name: (kind, comment) for name, kind, comment in rows}


def _stored_type(kind: Kind) -> str:
    """The type as DuckDB's catalog spells it."""
    return "TIMESTAMP WITH TIME ZONE" if kind is Kind.TIMESTAMP else kind.value


def _typed_null(column: Column) -> str:
    return f"CAST(NULL AS {column.kind.value}) AS {identifier(column.name)}"


# ---- files of version 0.1: the delivery log was a table of current entries only ----


def _cells(export: Export) -> Table:
    log = export.delivery_log
    taken = {"delivery_exported_at", SUPERSEDED_AT}
    columns = tuple(column for column in log.columns if column.name not in taken)
    return Table(
        schema=log.schema,
        name=f"{export.name}_cells",
        grain=log.grain,
        description=log.description,
        columns=columns,
        key=log.key,
        day_column=log.day_column,
    )


def _log_of_cells(export: Export) -> str:
    cells = _cells(export)
    return (
        f"SELECT {listed(cells.column_names)}, {EXPORTED_AT} AS delivery_exported_at, "
        f"CAST(NULL AS TIMESTAMPTZ) AS {SUPERSEDED_AT} FROM {qualified(cells)}"
    )
