"""The warehouse as Dagster sees it: an IO manager of dagster-duckdb-polars with handlers of ours.

Each output and each input is one transaction of the `Warehouse`; which days an output replaces
depends on its type, so the deletion of slices that Dagster calls before a handler does nothing.
Not light: dagster-duckdb-polars imports DuckDB and polars.
"""

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, nullcontext
from datetime import datetime, timedelta
from typing import Any, TypeVar, cast

import dagster as dg
import duckdb
import polars as pl
from dagster_duckdb.io_manager import DuckDbClient
from dagster_duckdb_polars import DuckDBPolarsIOManager, DuckDBPolarsTypeHandler
from typing_extensions import override

from soundlink_assets.clock import Clock, utc_now
from soundlink_assets.dagster_internals import DbClient, DbIOManager, DbTypeHandler, TableSlice
from soundlink_assets.schema.exports import Export
from soundlink_assets.schema.tables import Table
from soundlink_assets.schema.window import Window
from soundlink_assets.settings import LAKE
from soundlink_assets.warehouse.batch import EXPORTED_AT, DeliveryBatch, DerivedDays, StoredDays
from soundlink_assets.warehouse.duckdb_warehouse import DuckDBWarehouse
from soundlink_assets.warehouse.errors import OutdatedError, WarehouseError
from soundlink_assets.warehouse.file import FileWarehouse
from soundlink_assets.warehouse.protocol import Replaced, open_warehouse
from soundlink_assets.warehouse.read_copy import publish
from soundlink_assets.warehouse.tables import Connection, identifier, listed

OUTDATED_RETRIES = 5
"""So often is a derived day computed again because its source changed meanwhile."""

SHOWN_IDS = 5

_RUN_FIGURES = ("rows", "rows_unchanged", "rows_superseded")

T = TypeVar("T")


class WarehouseIOManager(DuckDBPolarsIOManager):
    """Stores each asset as the table of its key, in one transaction.

    `database` is what `SOUNDLINK_WAREHOUSE` holds. Outputs: a `DeliveryBatch` replaces
    campaign-days; a `pl.DataFrame` replaces the days of the partition window (or, unpartitioned,
    the whole table), and so do `DerivedDays`, which are computed again if another run has replaced
    what they were computed from. Inputs: `StoredDays` or `pl.DataFrame`, by annotation.
    Partitioned assets need the metadata `partition_expr`: their day column's name.

    Frames of tables that are not described are stored as `DuckDBPolarsIOManager` does; which ones
    are described is told to `warehouse_io_manager`.
    """

    @staticmethod
    @override
    def type_handlers() -> Sequence[DbTypeHandler[Any]]:
        return handlers((), (), utc_now)

    @staticmethod
    def setting() -> str | None:
        """The setting of the warehouse if `database`, which the UI shows, hides its password."""
        return None

    @staticmethod
    def lake_data() -> str | None:
        """Where the files of a lake that does not exist yet will be."""
        return None

    @staticmethod
    def has_read_copy() -> bool:
        """Whether a read copy of a file is published at the end of a run."""
        return False

    @override
    def teardown_after_execution(self, context: dg.InitResourceContext) -> None:
        warehouse = open_warehouse(self.setting() or self.database)
        if self.has_read_copy() and isinstance(warehouse, FileWarehouse):
            try:
                publish(warehouse)
            except (OSError, duckdb.Error, WarehouseError) as error:
                log = context.log or warehouse.log
                log.warning("The read copy stays as it was, until the next run: %s", error)

    @override
    def create_io_manager(self, context: dg.InitResourceContext) -> DbIOManager:
        return _BatchClosingIOManager(
            db_client=WarehouseClient(self.lake_data()),
            database=self.setting() or self.database,
            schema=self.schema_,
            type_handlers=self.type_handlers(),
            default_load_type=self.default_load_type(),
            io_manager_name=type(self).__name__,
        )


def warehouse_io_manager(  # noqa: PLR0913 - one keyword for each setting
    database: str,
    exports: Sequence[Export],
    tables: Sequence[Table],
    *,
    clock: Clock = utc_now,
    lake_data: str | None = None,
    read_copy: bool = False,
) -> WarehouseIOManager:
    """The IO manager for the tables of `exports` and further `tables`; `clock` stamps the writes.

    `lake_data` is `SOUNDLINK_LAKE_DATA`, `read_copy` whether runs publish one of a file.

    Dagster makes a resource anew from its configuration in every run, so what is not configuration
    belongs to its class.
    """
    data = lake_data
    shown = open_warehouse(database).name if database.startswith(LAKE) else database

    class Described(WarehouseIOManager):
        __doc__ = WarehouseIOManager.__doc__

        @staticmethod
        @override
        def type_handlers() -> Sequence[DbTypeHandler[Any]]:
            return handlers(exports, tables, clock)

        @staticmethod
        @override
        def lake_data() -> str | None:
            return data

        @staticmethod
        @override
        def has_read_copy() -> bool:
            return read_copy

        @staticmethod
        @override
        def setting() -> str | None:
            return None if shown == database else database

    Described.__name__ = Described.__qualname__ = WarehouseIOManager.__name__
    return Described(database=shown)


def handlers(
    exports: Sequence[Export], tables: Sequence[Table], clock: Clock
) -> Sequence[DbTypeHandler[Any]]:
    """The type handlers for these exports and tables."""
    described = {table.qualified_name: table for table in tables}
    described |= {export.table.qualified_name: export.table for export in exports}
    return [
        DeliveryBatchHandler(clock),
        StoredDaysHandler({export.table.qualified_name: export for export in exports}),
        DerivedDaysHandler(described),
        FrameHandler(described),
    ]


class WarehouseClient(DbClient[DuckDBWarehouse]):
    """Hands the warehouse to the handlers, each of whose calls is one transaction."""

    def __init__(self, lake_data: str | None) -> None:
        self._lake_data = lake_data

    @override
    @contextmanager
    def connect(  # type: ignore[override]  # static in the base, which calls it on an instance
        self, context: dg.OutputContext | dg.InputContext, table_slice: TableSlice
    ) -> Iterator[DuckDBWarehouse]:
        setting = cast("str", table_slice.database)
        yield cast(
            "DuckDBWarehouse", open_warehouse(setting, log=context.log, lake_data=self._lake_data)
        )

    @staticmethod
    @override
    def get_select_statement(table_slice: TableSlice) -> str:
        """The query of what is stored, to be pasted into any DuckDB client."""
        selected = listed(table_slice.columns) if table_slice.columns else "*"
        name = f"{identifier(table_slice.schema)}.{identifier(table_slice.table)}"
        window = window_of(table_slice)
        if window is None:
            return f"SELECT {selected} FROM {name}"
        day = cast("Any", table_slice.partition_dimensions)[0].partition_expr
        return (
            f"SELECT {selected} FROM {name} WHERE {identifier(day)} "
            f"BETWEEN DATE '{window.first}' AND DATE '{window.last}'"
        )

    @staticmethod
    @override
    def get_table_name(table_slice: TableSlice) -> str:
        return _name(table_slice)

    @staticmethod
    def _left_to_the_handlers(
        context: dg.OutputContext, table_slice: TableSlice, connection: DuckDBWarehouse
    ) -> None: ...

    ensure_schema_exists = delete_table_slice = _left_to_the_handlers


class _WrittenOnly(DbTypeHandler[T]):
    @override
    def load_input(
        self, context: dg.InputContext, table_slice: TableSlice, connection: DuckDBWarehouse
    ) -> T:
        raise TypeError(
            f"{_name(table_slice)}: this type is only written; take StoredDays or pl.DataFrame"
        )


class DeliveryBatchHandler(_WrittenOnly[DeliveryBatch]):
    """Replaces the campaign-days of a batch."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock

    @property
    @override
    def supported_types(self) -> Sequence[type[object]]:
        return [DeliveryBatch]

    @override
    def handle_output(
        self,
        context: dg.OutputContext,
        table_slice: TableSlice,
        obj: DeliveryBatch,
        connection: DuckDBWarehouse,
    ) -> Mapping[str, Any]:
        stored_as = obj.export.table.qualified_name
        if stored_as != _name(table_slice):
            raise ValueError(f"deliveries of {stored_as} cannot be stored as {_name(table_slice)}")
        replaced = connection.write(obj, now=self._clock(), run_id=context.run_id)
        if replaced.kept_days:
            context.log.warning(_kept_message(obj.export, replaced))
        exported_at = cast("datetime | None", obj.days().get_column(EXPORTED_AT).max())
        newest = dg.MetadataValue.timestamp(exported_at) if exported_at else None
        return {
            "dagster/row_count": replaced.table_rows,
            "rows": replaced.rows,
            "rows_unchanged": replaced.unchanged_rows,
            "rows_superseded": replaced.superseded_rows,
            f"{obj.export.scope.name}_days_replaced": replaced.replaced_days,
            f"{obj.export.scope.name}_days_kept": replaced.kept_days,
            f"{obj.export.scope.plural}_delivered": len(obj.requested_ids),
            **({"newest_exported_at": newest} if newest else {}),
        }


class DerivedDaysHandler(_WrittenOnly[DerivedDays]):
    """Writes what was computed from stored days; computed again if these have changed since."""

    def __init__(self, described: Mapping[str, Table]) -> None:
        self._described = described

    @property
    @override
    def supported_types(self) -> Sequence[type[object]]:
        return [DerivedDays]

    @override
    def handle_output(
        self,
        context: dg.OutputContext,
        table_slice: TableSlice,
        obj: DerivedDays,
        connection: DuckDBWarehouse,
    ) -> Mapping[str, Any]:
        window = window_of(table_slice)
        if window is None:
            raise ValueError(f"{_name(table_slice)} holds derived days and is not partitioned")
        try:
            rows = connection.replace_days(
                _described(self._described, table_slice), obj.frame, window, obj.stored
            )
        except OutdatedError as error:
            context.log.info("%s It is computed again.", error)
            raise dg.RetryRequested(max_retries=OUTDATED_RETRIES) from error
        return {"dagster/row_count": rows, "rows": obj.frame.height}


class StoredDaysHandler(DbTypeHandler[StoredDays]):
    """Loads the rows of an export and their delivery log, both from one moment."""

    def __init__(self, exports: Mapping[str, Export]) -> None:
        self._exports = exports

    @property
    @override
    def supported_types(self) -> Sequence[type[object]]:
        return [StoredDays]

    @override
    def handle_output(
        self,
        context: dg.OutputContext,
        table_slice: TableSlice,
        obj: StoredDays,
        connection: DuckDBWarehouse,
    ) -> Mapping[str, Any]:
        raise TypeError(
            f"{_name(table_slice)}: stored days are only read; return DeliveryBatch or pl.DataFrame"
        )

    @override
    def load_input(
        self, context: dg.InputContext, table_slice: TableSlice, connection: DuckDBWarehouse
    ) -> StoredDays:
        export, window = _described(self._exports, table_slice), window_of(table_slice)
        if window is None:
            raise ValueError(f"{_name(table_slice)} is not partitioned: no days to load")
        with connection.reader(f"reading {_name(table_slice)}") as reader:
            return reader.stored_days(export, window, table_slice.columns)


class FrameHandler(DuckDBPolarsTypeHandler):
    """Writes frames, their days or the whole table at once, and loads any table.

    A described table is written by name and in its types; for others, the handler of
    dagster-duckdb-polars does its work, inside a transaction.
    """

    def __init__(self, described: Mapping[str, Table]) -> None:
        self._described = described

    @override
    def handle_output(
        self,
        context: dg.OutputContext,
        table_slice: TableSlice,
        obj: pl.DataFrame,
        connection: DuckDBWarehouse,
    ) -> Mapping[str, Any] | None:
        table, window = self._described.get(_name(table_slice)), window_of(table_slice)
        if table is None:
            return connection.in_transaction(
                f"writing {_name(table_slice)}",
                lambda opened: self._write_undescribed(context, table_slice, obj, opened),
            )
        if window is None:
            rows = connection.replace_table(table, obj)
        else:
            rows = connection.replace_days(table, obj, window)
        return {"dagster/row_count": rows, "rows": obj.height}

    @override
    def load_input(
        self, context: dg.InputContext, table_slice: TableSlice, connection: DuckDBWarehouse
    ) -> pl.DataFrame:
        table = self._described.get(_name(table_slice))
        if table is not None:
            return connection.load(table, window_of(table_slice), table_slice.columns)
        with connection.connect(writes=False, purpose=f"reading {_name(table_slice)}") as opened:
            return super().load_input(context, table_slice, opened)

    def _write_undescribed(
        self,
        context: dg.OutputContext,
        table_slice: TableSlice,
        obj: pl.DataFrame,
        opened: Connection,
    ) -> None:
        DuckDbClient.delete_table_slice(context, table_slice, opened)
        # The stock handler finds its frame as a Python variable; our connections do not look there.
        opened.register("obj_arrow", obj.to_arrow())
        super().handle_output(context, table_slice, obj, opened)


class _BatchClosingIOManager(DbIOManager):
    """Closes a batch once it is stored, or could not be; tells of a run what is of the run."""

    @override
    def handle_output(self, context: dg.OutputContext, obj: object) -> None:
        with obj if isinstance(obj, DeliveryBatch) else nullcontext():
            super().handle_output(context, obj)
        if context.has_asset_partitions and len(context.asset_partition_keys) > 1:
            # Dagster would repeat it in the materialisation of every day, as if it were of the day.
            of_the_run = context.consume_logged_metadata()
            figures = {name: of_the_run[name].value for name in of_the_run if name in _RUN_FIGURES}
            context.log.info("%s: %s", context.asset_key.to_user_string(), figures)


def window_of(table_slice: TableSlice) -> Window | None:
    """The days of the slice; None for a table that is not partitioned."""
    if not table_slice.partition_dimensions:
        return None
    start, end = cast("Any", table_slice.partition_dimensions[0].partitions)
    return Window(start.date(), (end - timedelta(days=1)).date())


def _name(table_slice: TableSlice) -> str:
    return f"{table_slice.schema}.{table_slice.table}"


def _described(described: Mapping[str, T], table_slice: TableSlice) -> T:
    try:
        return described[_name(table_slice)]
    except KeyError:
        raise ValueError(f"no table is described for {_name(table_slice)}") from None


def _kept_message(export: Export, replaced: Replaced) -> str:
    shown = ", ".join(replaced.kept_ids[:SHOWN_IDS])
    more = len(replaced.kept_ids) - SHOWN_IDS
    return (
        f"{export.table.qualified_name}: {replaced.kept_days} {export.scope.name}-days kept what "
        "they hold, because it was exported (or, exported at the same moment, fetched) later than "
        f"this delivery; {export.scope.plural} {shown}{f' and {more} more' if more > 0 else ''}"
    )
