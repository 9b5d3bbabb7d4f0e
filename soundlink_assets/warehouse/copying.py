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
_NAME = re.compile(r"\b\w+\.\w+\b")
"""Of a table, as DuckDB writes it in the text of a macro."""


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
            f"copied from {source.name}", lambda new: copy_all(old, new, target.name, told)
        )


def copy_all(
    old: Connection,
    new: Connection,
    target: str,
    told: Told = lambda _table, _rows: None,
    place: Callable[[str, str], str] = lambda schema, _table: schema,
) -> dict[str, int]:
    """`copy_warehouse` on connections; `place` tells the new schema of a table, from its old one.

    `target` is what the new warehouse is called in messages.
    """
    if taken := _tables(new):
        raise WarehouseError(f"{target} is not empty: it has {len(taken)} tables. Name a new one.")
    copied, moved = {}, {}
    for found in _tables(old):
        schema, name, _ = found
        placed = place(schema, name)
        moved[f"{schema}.{name}"] = f"{placed}.{name}"
        table = _make_table(old, new, found, placed)
        source = f"{identifier(schema)}.{identifier(name)}"
        new.register("copied_rows", old.sql(f"FROM {source}").to_arrow_reader(COPIED_ROWS))
        rows = count(new, f"INSERT INTO {table} BY NAME FROM copied_rows")
        copied[f"{schema}.{name}"] = rows
        told(f"{schema}.{name}", rows)
    macros = old.execute(
        "SELECT schema_name, function_name, parameters, macro_definition FROM duckdb_functions() "
        "WHERE database_name = current_database() AND function_type = 'table_macro'"
    ).fetchall()
    for schema, name, parameters, definition in macros:
        mark = literal(uuid.uuid4().hex)
        new.execute(
            f"CREATE MACRO {identifier(schema)}.{identifier(name)}({', '.join(parameters)}) "
            "AS TABLE "
            + _NAME.sub(lambda table: moved.get(table[0], table[0]), _MARK.sub(mark, definition))
        )
    return copied


def _make_table(
    old: Connection, new: Connection, found: tuple[str, str, str | None], placed: str
) -> str:
    schema, name, comment = found
    table = f"{identifier(placed)}.{identifier(name)}"
    columns = old.execute(
        "SELECT column_name, data_type, comment FROM duckdb_columns() "
        "WHERE database_name = current_database() AND schema_name = $schema "
        "AND table_name = $name ORDER BY column_index",
        {"schema": schema, "name": name},
    ).fetchall()
    described = ", ".join(f"{identifier(column)} {kind}" for column, kind, _ in columns)
    new.execute(f"CREATE SCHEMA IF NOT EXISTS {identifier(placed)}")
    new.execute(f"CREATE TABLE {table} ({described})")
    if comment:
        new.execute(f"COMMENT ON TABLE {table} IS {literal(comment)}")
    for column, _, text in columns:
        if text:
            new.execute(f"COMMENT ON COLUMN {table}.{identifier(column)} IS {literal(text)}")
    return table


def _tables(connection: Connection) -> list[tuple[str, str, str | None]]:
    return connection.execute(
        "SELECT schema_name, table_name, comment FROM duckdb_tables() "
        "WHERE database_name = current_database() AND schema_name <> 'main' ORDER BY ALL"
    ).fetchall()
