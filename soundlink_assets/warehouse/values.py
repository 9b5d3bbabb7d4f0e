"""What distinct values a stored column has."""

import duckdb

from soundlink_assets.schema.tables import Table
from soundlink_assets.warehouse.shaping import stored_columns
from soundlink_assets.warehouse.sql import identifier, qualified


def distinct_texts(connection: duckdb.DuckDBPyConnection, table: Table, column: str) -> set[str]:
    """The values of a column of text; none if the table or the column has not been written yet."""
    if column not in stored_columns(connection, table):
        return set()
    name = identifier(column)
    rows = connection.execute(
        f"SELECT DISTINCT {name} FROM {qualified(table)} WHERE {name} IS NOT NULL"
    ).fetchall()
    return {str(value) for (value,) in rows}
