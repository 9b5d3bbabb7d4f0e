"""Pieces of SQL made from table descriptions. Values never stand here: they are bound."""

from collections.abc import Iterable

from soundlink_assets.schema.tables import Column, Kind, Table


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


def typed_null(column: Column) -> str:
    """A null of the column's type, under its name."""
    return f"CAST(NULL AS {column.kind.value}) AS {identifier(column.name)}"


def stored_type(kind: Kind) -> str:
    """The type as DuckDB's catalogue spells it."""
    return "TIMESTAMP WITH TIME ZONE" if kind is Kind.TIMESTAMP else kind.value
