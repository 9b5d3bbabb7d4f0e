"""How a table is described: its columns, their units, its grain and its key.

Every table of the platform is one `Table`; its stored columns, its page in the Dagster catalog, its
documentation and, for an export, its reader and its sandbox are made from that. What a particular
table holds does not belong here. Standard library only.
"""

from collections.abc import Iterable
from dataclasses import dataclass, replace
from enum import StrEnum
from typing import Any


class Kind(StrEnum):
    """What a column holds; the value is its SQL type, in DuckDB and in DuckLake."""

    TEXT = "VARCHAR"
    DATE = "DATE"
    TIMESTAMP = "TIMESTAMPTZ"
    COUNT = "BIGINT"
    MONEY = "DECIMAL(18,6)"
    FINE_MONEY = "DECIMAL(38,18)"
    RATIO = "DOUBLE"
    FLAG = "BOOLEAN"


@dataclass(frozen=True, slots=True, kw_only=True)
class Column:
    """One column.

    `unit` is what the number counts (`people`, `plays`, `currency`, `fraction`, ...), or empty.
    `required` says that a delivered line must have the key; a column that is not required is
    nullable too, because the provider treats a missing key as null.
    `minimum` is the least value that can be stored at all.
    `sources` are the columns that a derived column is computed from, as `table.column`.
    """

    name: str
    kind: Kind
    description: str
    unit: str = ""
    nullable: bool = False
    required: bool = True
    minimum: int | None = None
    sources: tuple[str, ...] = ()


def column(name: str, kind: Kind, description: str, *sources: str, **options: Any) -> Column:
    """A `Column` in one line; `options` are its further fields."""
    return Column(name=name, kind=kind, description=description, sources=sources, **options)


def optional(name: str, kind: Kind, description: str, **options: Any) -> Column:
    """A column that may be null, and whose key a delivered line may lack."""
    return column(name, kind, description, nullable=True, required=False, **options)


@dataclass(frozen=True, slots=True, kw_only=True)
class Table:
    """One table: `schema.name` in the warehouse, `schema/name` as an asset key.

    `key` are the columns that identify a row. `day_column` is the column that daily partitions
    are cut by; None for a table that is not partitioned.
    """

    schema: str
    name: str
    grain: str
    description: str
    columns: tuple[Column, ...]
    key: tuple[str, ...]
    day_column: str | None = None

    @property
    def qualified_name(self) -> str:
        """The name in SQL, unquoted: `soundlink.campaigns`."""
        return f"{self.schema}.{self.name}"

    @property
    def column_names(self) -> tuple[str, ...]:
        """The names of its columns, in their order."""
        return tuple(column.name for column in self.columns)

    def column(self, name: str) -> Column:
        """The column of that name; KeyError if there is none."""
        for column in self.columns:
            if column.name == name:
                return column
        raise KeyError(f"{self.qualified_name} has no column {name!r}")

    def with_columns(self, more: Iterable[Column]) -> "Table":
        """The same table with further columns at its end."""
        return replace(self, columns=(*self.columns, *more))
