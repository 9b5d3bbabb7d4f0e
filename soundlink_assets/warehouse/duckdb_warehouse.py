"""What the kinds of warehouse have in common: all are reached over a DuckDB connection.

A kind says how it connects (`DuckDBWarehouse.connect`) and what its errors mean.
"""

import abc
import logging
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, contextmanager
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, TypeVar

import duckdb

from soundlink_assets.schema.exports import Export
from soundlink_assets.schema.tables import Table
from soundlink_assets.schema.window import Window
from soundlink_assets.warehouse import tables, writer
from soundlink_assets.warehouse.batch import DeliveryBatch, StoredDays
from soundlink_assets.warehouse.errors import (
    FullDiskError,
    MissingTableError,
    OutOfRangeError,
    ReadOnlyWarehouseError,
    RefusedQueryError,
    WarehouseError,
)
from soundlink_assets.warehouse.protocol import (
    WAIT_SECONDS,
    Parameters,
    Replaced,
    WarehouseFacts,
)
from soundlink_assets.warehouse.tables import Connection, transaction

if TYPE_CHECKING:
    import polars as pl

WRITER_MEMORY = "512MiB"
"""Memory of DuckDB in a write, whatever its size; what needs more goes to disk."""

WRITER_THREADS = 4
"""Most threads of a write: each holds a row group, and all must fit into `WRITER_MEMORY`."""

FACTS_WAIT_SECONDS = 3.0
"""How long the doctor waits for a warehouse that is locked."""

_READS = {duckdb.StatementType.SELECT, duckdb.StatementType.EXPLAIN}

Explanations = tuple[tuple[type[WarehouseError], tuple[str, ...], str], ...]
"""Kind of error, signs of it in DuckDB's message, and what follows the name of the warehouse."""

T = TypeVar("T")


class DuckDBReader:
    """A `Reader` on a connection inside a transaction."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection

    def load(
        self, table: Table, window: Window | None = None, columns: Sequence[str] | None = None
    ) -> "pl.DataFrame":
        """See `Reader`."""
        return tables.load_table(self._connection, table, window, columns)

    def stored_days(
        self, export: Export, window: Window, columns: Sequence[str] | None = None
    ) -> StoredDays:
        """See `Reader`."""
        rows = self.load(export.table, window, columns)
        return StoredDays(rows, self.delivery_log(export, window), export)

    def delivery_log(self, export: Export, window: Window | None = None) -> "pl.DataFrame":
        """See `Reader`."""
        return tables.load_log(self._connection, export, window)

    def previous_rows(self, export: Export, window: Window) -> "pl.DataFrame":
        """See `Reader`."""
        return tables.load_previous_rows(self._connection, export, window)

    def query(self, sql: str, parameters: Parameters = ()) -> "pl.DataFrame":
        """See `Reader`."""
        kinds = [statement.type for statement in self._connection.extract_statements(sql)]
        if len(kinds) != 1 or kinds[0] not in _READS:
            named = ", ".join(kind.name for kind in kinds) or "none"
            raise RefusedQueryError(
                f"A query is one statement that reads (SELECT, FROM, WITH); this is {named}."
            )
        return self._connection.sql(sql, params=parameters).pl()

    def distinct(self, table: Table, column: str) -> set[str]:
        """See `Reader`."""
        if column not in tables.stored_columns(self._connection, table):
            return set()
        name = tables.identifier(column)
        found = self._connection.execute(
            f"SELECT DISTINCT {name} FROM {tables.qualified(table)} WHERE {name} IS NOT NULL"
        ).fetchall()
        return {str(value) for (value,) in found}


class DuckDBWarehouse(abc.ABC):
    """A `Warehouse` that is reached over DuckDB connections."""

    def __init__(self, log: logging.Logger) -> None:
        self.log = log

    @property
    @abc.abstractmethod
    def name(self) -> str:
        """See `Warehouse`."""

    @abc.abstractmethod
    def connect(
        self, *, writes: bool, purpose: str, wait_seconds: float = WAIT_SECONDS
    ) -> AbstractContextManager[Connection]:
        """A connection whose current database is the warehouse, under its lock; for this package.

        A reader of a warehouse that does not exist yet gets an empty database.
        """

    @abc.abstractmethod
    def maintain(self, older_than: timedelta) -> Mapping[str, int]:
        """See `Warehouse`."""

    @abc.abstractmethod
    def facts(self) -> WarehouseFacts:
        """See `Warehouse`."""

    def in_transaction(self, purpose: str, work: Callable[[Connection], T]) -> T:
        """What `work` returns; all that it writes is committed, or nothing of it."""
        with self.connect(writes=True, purpose=purpose) as connection, transaction(connection):
            return work(connection)

    def write(self, batch: DeliveryBatch, *, now: datetime, run_id: str) -> Replaced:
        """See `Warehouse`."""
        batch.files()  # written out before the warehouse is locked
        return self.in_transaction(
            f"writing {batch.export.table.qualified_name}",
            lambda connection: writer.replace_campaign_days(
                connection, batch, now=now, run_id=run_id
            ),
        )

    def replace_days(
        self,
        table: Table,
        frame: "pl.DataFrame",
        window: Window,
        based_on: Sequence[StoredDays] = (),
    ) -> int:
        """See `Warehouse`."""
        return self.in_transaction(
            f"writing {table.qualified_name}",
            lambda connection: writer.replace_days(connection, table, frame, window, based_on),
        )

    def replace_table(self, table: Table, frame: "pl.DataFrame") -> int:
        """See `Warehouse`."""
        return self.in_transaction(
            f"writing {table.qualified_name}",
            lambda connection: writer.replace_table(connection, table, frame),
        )

    @contextmanager
    def reader(
        self, purpose: str = "", wait_seconds: float = WAIT_SECONDS
    ) -> Iterator[DuckDBReader]:
        """See `Warehouse`."""
        with (
            self.connect(writes=False, purpose=purpose, wait_seconds=wait_seconds) as connection,
            transaction(connection),
        ):
            yield DuckDBReader(connection)

    def load(
        self, table: Table, window: Window | None = None, columns: Sequence[str] | None = None
    ) -> "pl.DataFrame":
        """See `Warehouse`."""
        with self.reader(f"reading {table.qualified_name}") as reader:
            return reader.load(table, window, columns)

    def query(self, sql: str, parameters: Parameters = ()) -> "pl.DataFrame":
        """See `Warehouse`."""
        with self.reader("a query") as reader:
            return reader.query(sql, parameters)

    def rows_of_tables(self, wait_seconds: float) -> Mapping[str, int]:
        """The rows of each table, by qualified name."""
        with self.connect(
            writes=False, purpose="counting rows", wait_seconds=wait_seconds
        ) as connection:
            names = connection.execute(
                "SELECT schema_name, table_name FROM duckdb_tables() "
                "WHERE database_name = current_database() AND schema_name <> 'main' ORDER BY ALL"
            ).fetchall()
            return {
                f"{schema}.{name}": tables.count(
                    connection,
                    f"SELECT count(*) FROM {tables.identifier(schema)}.{tables.identifier(name)}",
                )
                for schema, name in names
            }


def tune_for_writes(connection: Connection) -> None:
    """Bound what a write takes of the machine."""
    connection.execute("SET preserve_insertion_order = false")
    connection.execute("SET memory_limit = $memory", {"memory": WRITER_MEMORY})
    connection.execute(f"SET threads = least({WRITER_THREADS}, current_setting('threads'))")


def first_line(error: BaseException) -> str:
    """What DuckDB reports, without the statement that it prints below."""
    return str(error).strip().partition("\n")[0]


@contextmanager
def explained(name: str, explanations: Explanations) -> Iterator[None]:
    """Turn DuckDB's errors into WarehouseErrors, where there is something to say about them."""
    try:
        yield
    except duckdb.Error as error:
        explanation = _explanation(error, name, (*explanations, *_COMMON))
        if explanation is None:
            raise
        raise explanation from error


def _explanation(
    error: duckdb.Error, name: str, explanations: Explanations
) -> WarehouseError | None:
    text = str(error)
    for kind, signs, advice in explanations:
        if any(sign in text for sign in signs):
            return kind(f"SOUNDLINK_WAREHOUSE: {name} {advice} ({first_line(error)})")
    if isinstance(error, duckdb.CatalogException) and "does not exist" in text:
        return MissingTableError(
            f"{first_line(error)} Tables appear with the first materialisation of their asset."
        )
    if isinstance(error, duckdb.OutOfRangeException | duckdb.ConversionException):
        return OutOfRangeError(
            f"{first_line(error)}. A number is too large for its type, or not a number: cast it "
            "in the query, or look for the row that holds it. Nothing was written."
        )
    return None


_COMMON: Explanations = (
    (
        FullDiskError,
        ("No space left on device", "File too large"),
        "is on a disk that is full; it holds what it held before. Make room, then run again.",
    ),
    (
        ReadOnlyWarehouseError,
        ("Permission denied", "Read-only file system"),
        "cannot be opened: this user lacks the rights to it or its folder. Set another file.",
    ),
)
