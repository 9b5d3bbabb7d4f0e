"""The shape of stored tables: made from their descriptions, extended, never cast."""

from collections.abc import Iterable, Mapping

import duckdb

from soundlink_assets.schema.tables import Column, Table
from soundlink_assets.warehouse.errors import MisfitError
from soundlink_assets.warehouse.sql import identifier, literal, qualified, stored_type


def stored_columns(connection: duckdb.DuckDBPyConnection, table: Table) -> dict[str, str]:
    """Name and type of each column that is stored; empty if the table does not exist."""
    rows = connection.execute(
        "SELECT column_name, data_type FROM information_schema.columns "
        "WHERE table_catalog = current_database() AND table_schema = $schema "
        "AND table_name = $name ORDER BY ordinal_position",
        {"schema": table.schema, "name": table.name},
    ).fetchall()
    return dict(rows)


def ensure_table(connection: duckdb.DuckDBPyConnection, table: Table) -> bool:
    """Make the table, or add to it the columns that it lacks; whether anything was done.

    MisfitError if a stored column has another type than its description.
    """
    stored = stored_columns(connection, table)
    if not stored:
        columns = ", ".join(f"{identifier(c.name)} {c.kind.value}" for c in table.columns)
        connection.execute(f"CREATE SCHEMA IF NOT EXISTS {identifier(table.schema)}")
        connection.execute(f"CREATE TABLE {qualified(table)} ({columns})")
        _describe(connection, table, table.columns)
        return True
    check_types(table, stored)
    missing = [column for column in table.columns if column.name not in stored]
    for column in missing:
        connection.execute(
            f"ALTER TABLE {qualified(table)} ADD COLUMN "
            f"{identifier(column.name)} {column.kind.value}"
        )
    _describe(connection, table, missing)
    return bool(missing)


def _describe(
    connection: duckdb.DuckDBPyConnection, table: Table, columns: Iterable[Column]
) -> None:
    description = literal(f"{table.description} Grain: {table.grain}.")
    connection.execute(f"COMMENT ON TABLE {qualified(table)} IS {description}")
    for column in columns:
        unit = f" [{column.unit}]" if column.unit else ""
        connection.execute(
            f"COMMENT ON COLUMN {qualified(table)}.{identifier(column.name)} "
            f"IS {literal(column.description + unit)}"
        )


def check_types(table: Table, stored: Mapping[str, str]) -> None:
    """MisfitError that names each stored column whose type is not the described one.

    Columns that are stored and not described, or described and not stored, are not judged here.
    """
    misfits = [
        f"{column.name} is stored as {stored[column.name]}, and is {stored_type(column.kind)} here"
        for column in table.columns
        if column.name in stored and stored[column.name] != stored_type(column.kind)
    ]
    if misfits:
        raise MisfitError(
            f"{table.qualified_name}: {'; '.join(misfits)}. Nothing was written. Convert the "
            "column (ALTER TABLE ... ALTER ... TYPE ...), or move the table away."
        )
