"""How a table is described: its columns, their units, its grain and its key.

Every table of the platform is one `Table`; its DuckDB columns, its dataframely schema, its page
in the Dagster catalogue and its documentation are made from that. Standard library only, so that
the definitions load without polars or DuckDB. What a particular table holds does not belong here:
see `contract` and `metrics.tables`.
"""

from collections.abc import Iterable
from dataclasses import dataclass, replace
from enum import StrEnum


class Kind(StrEnum):
    """What a column holds; the value is its DuckDB type.

    DuckLake and MotherDuck take all of these too.
    """

    TEXT = "VARCHAR"
    DATE = "DATE"
    TIMESTAMP = "TIMESTAMPTZ"
    COUNT = "BIGINT"
    MONEY = "DECIMAL(18,6)"
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
