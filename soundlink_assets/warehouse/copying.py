"""Moving a warehouse to another kind: all tables and their past, in one transaction."""

import re
import uuid
from collections.abc import Callable
from typing import cast

from soundlink_assets.warehouse.duckdb_warehouse import DuckDBWarehouse
from soundlink_assets.warehouse.errors import WarehouseError
from soundlink_assets.warehouse.protocol import Warehouse
from soundlink_assets.warehouse.tables import Connection, count, identifier, literal

COPIED_ROWS = 100_000
"""Rows in memory at once."""

_MARK = re.compile(r"'[0-9a-f]{32}'")


Told = Callable[[str, int], None]
"""Is told each table that has been copied, and its rows."""


def copy_warehouse(
    source: Warehouse, target: Warehouse, told: Told = lambda _table, _rows: None
) -> dict[str, int]:
    """Copy every table of `source` to an empty `target`; the rows of each table.

    Comments and `_as_of` macros are copied too. WarehouseError if the target has tables.
    """
    read, written = cast("DuckDBWarehouse", source), cast("DuckDBWarehouse", target)
    with read.connect(writes=False, purpose=f"copied to {target.name}") as old:
        old.begin()
        return written.in_transaction(
            f"copied from {source.name}", lambda new: _copy_all(old, new, target.name, told)
        )


def _copy_all(old: Connection, new: Connection, target: str, told: Told) -> dict[str, int]:
    if taken := _tables(new):
        raise WarehouseError(f"{target} is not empty: it has {len(taken)} tables. Name a new one.")
    copied = {}
    for schema, name, comment in _tables(old):
        rows = copied[f"{schema}.{name}"] = _copy_table(old, new, schema, name, comment)
        told(f"{schema}.{name}", rows)
    macros = old.execute(
        "SELECT schema_name, function_name, parameters, macro_definition FROM duckdb_functions() "
        "WHERE database_name = current_database() AND function_type = 'table_macro'"
    ).fetchall()
    for schema, name, parameters, definition in macros:
        mark = literal(uuid.uuid4().hex)
        new.execute(
            f"CREATE MACRO {identifier(schema)}.{identifier(name)}({', '.join(parameters)}) "
            f"AS TABLE {_MARK.sub(mark, definition)}"
        )
    return copied


def _copy_table(
    old: Connection, new: Connection, schema: str, name: str, comment: str | None
) -> int:
    table = f"{identifier(schema)}.{identifier(name)}"
    columns = old.execute(
        "SELECT column_name, data_type, comment FROM duckdb_columns() "
        "WHERE database_name = current_database() AND schema_name = $schema "
        "AND table_name = $name ORDER BY column_index",
        {"schema": schema, "name": name},
    ).fetchall()
    described = ", ".join(f"{identifier(column)} {kind}" for column, kind, _ in columns)
    new.execute(f"CREATE SCHEMA IF NOT EXISTS {identifier(schema)}")
    new.execute(f"CREATE TABLE {table} ({described})")
    if comment:
        new.execute(f"COMMENT ON TABLE {table} IS {literal(comment)}")
    for column, _, text in columns:
        if text:
            new.execute(f"COMMENT ON COLUMN {table}.{identifier(column)} IS {literal(text)}")
    rows = old.sql(f"FROM {table}").to_arrow_reader(COPIED_ROWS)
    new.register("copied_rows", rows)
    return count(new, f"INSERT INTO {table} BY NAME FROM copied_rows")


def _tables(connection: Connection) -> list[tuple[str, str, str | None]]:
    return connection.execute(
        "SELECT schema_name, table_name, comment FROM duckdb_tables() "
        "WHERE database_name = current_database() AND schema_name <> 'main' ORDER BY ALL"
    ).fetchall()
