"""How Dagster's database IO manager is extended: client, type handlers, and their wiring.

The client's connection is lock, connection and transaction together; the stock slice deletion does
nothing, because what is replaced depends on the type that is written.
"""

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from datetime import datetime, timedelta
from typing import Any, cast

import dagster as dg
import duckdb
import polars as pl
from dagster._core.storage.db_io_manager import (
    DbClient,
    DbIOManager,
    DbTypeHandler,
    TableSlice,
)
from typing_extensions import override

from soundlink_assets.clock import Clock
from soundlink_assets.schema.window import Window
from soundlink_assets.schema.tables import Table
from soundlink_assets.warehouse.companions import EXPORTED_AT
from soundlink_assets.warehouse.connection import connect, transaction
from soundlink_assets.warehouse.errors import OutdatedError
from soundlink_assets.warehouse.frames import (
    refuse_outdated,
    replace_all,
    replace_days,
    row_count,
)
from soundlink_assets.warehouse.reading import load_cells, load_table, select_statement
from soundlink_assets.warehouse.types import Deliveries, DerivedDays, StoredDays
from soundlink_assets.warehouse.writing import Replaced, replace_cells

Context = dg.OutputContext | dg.InputContext
Connection = duckdb.DuckDBPyConnection

OUTDATED_RETRIES = 5
"""So often is a derived day computed again because its source changed meanwhile."""


class Catalogue:
    """The tables by schema and name; an asset whose key is none of them cannot be stored."""

    def __init__(self, tables: Sequence[Table]) -> None:
        self._tables = {(table.schema, table.name): table for table in tables}

    def table(self, table_slice: TableSlice) -> Table:
        """The table of the asset that the slice belongs to."""
        try:
            return self._tables[table_slice.schema, table_slice.table]
        except KeyError:
            raise ValueError(
                f"no table is described for the asset {table_slice.schema}/{table_slice.table}"
            ) from None


class WarehouseClient(DbClient[Connection]):
    """Opens the warehouse for one output or input; commits an output whole or not at all."""

    def __init__(self, warehouse: str, catalogue: Catalogue) -> None:
        self._warehouse = warehouse
        self._catalogue = catalogue

    @override
    @contextmanager
    def connect(  # type: ignore[override]  # static in the base, which calls it on an instance
        self, context: Context, table_slice: TableSlice
    ) -> Iterator[Connection]:
        writes = isinstance(context, dg.OutputContext)
        doing = "writing" if writes else "reading"
        with (
            connect(
                self._warehouse,
                read_only=not writes,
                purpose=f"{doing} {table_slice.schema}.{table_slice.table}",
                log=context.log,
            ) as connection,
            transaction(connection),
        ):
            yield connection

    @override
    def get_select_statement(  # type: ignore[override]  # as above
        self, table_slice: TableSlice
    ) -> str:
        window = window_of(table_slice)
        return select_statement(self._catalogue.table(table_slice), window, table_slice.columns)

    @staticmethod
    def ensure_schema_exists(
        context: dg.OutputContext, table_slice: TableSlice, connection: Connection
    ) -> None:
        """The handlers make what they need from the table's description."""

    @staticmethod
    def delete_table_slice(
        context: dg.OutputContext, table_slice: TableSlice, connection: Connection
    ) -> None:
        """The handlers replace cells or days themselves."""


class DeliveriesHandler(DbTypeHandler[Deliveries]):
    """Writes deliveries cell by cell."""

    def __init__(self, catalogue: Catalogue, clock: Clock) -> None:
        self._catalogue = catalogue
        self._clock = clock

    @property
    @override
    def supported_types(self) -> Sequence[type[object]]:
        return [Deliveries]

    @override
    def handle_output(
        self,
        context: dg.OutputContext,
        table_slice: TableSlice,
        obj: Deliveries,
        connection: Connection,
    ) -> Mapping[str, Any]:
        table = self._catalogue.table(table_slice)
        if table != obj.table:
            raise ValueError(
                f"deliveries of {obj.table.qualified_name} cannot be stored as "
                f"{table.qualified_name}"
            )
        replaced = replace_cells(connection, obj, now=self._clock(), run_id=context.run_id)
        if replaced.kept_cells:
            context.log.warning(_said_of_kept(table, replaced))
        obj.when_written(load_cells(connection, table, obj.window))
        exported_at = cast("datetime | None", obj.cells().get_column(EXPORTED_AT).max())
        return {
            "dagster/row_count": row_count(connection, table),
            "rows": replaced.rows,
            "rows_unchanged": replaced.unchanged_rows,
            "rows_superseded": replaced.superseded_rows,
            "cells_replaced": replaced.replaced_cells,
            "cells_kept": replaced.kept_cells,
            "campaigns_delivered": len(obj.campaign_ids),
            **(
                {"newest_exported_at": dg.MetadataValue.timestamp(exported_at)}
                if exported_at
                else {}
            ),
        }

    @override
    def load_input(
        self, context: dg.InputContext, table_slice: TableSlice, connection: Connection
    ) -> Deliveries:
        raise TypeError("deliveries are only written; take StoredDays or pl.DataFrame as input")


class StoredDaysHandler(DbTypeHandler[StoredDays]):
    """Loads the rows of an export table and their cells, both from one moment."""

    def __init__(self, catalogue: Catalogue) -> None:
        self._catalogue = catalogue

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
        connection: Connection,
    ) -> None:
        raise TypeError("stored days are only read; return Deliveries or pl.DataFrame")

    @override
    def load_input(
        self, context: dg.InputContext, table_slice: TableSlice, connection: Connection
    ) -> StoredDays:
        table = self._catalogue.table(table_slice)
        window = window_of(table_slice)
        return StoredDays(
            rows=load_table(connection, table, window, table_slice.columns),
            cells=load_cells(connection, table, window),
        )


class DerivedDaysHandler(DbTypeHandler[DerivedDays]):
    """Writes what was computed from stored days; computed again if these have changed since."""

    def __init__(self, catalogue: Catalogue) -> None:
        self._catalogue = catalogue

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
        connection: Connection,
    ) -> Mapping[str, Any]:
        window = window_of(table_slice)
        if window is None:
            raise ValueError(f"{table_slice.table} holds derived days and is not partitioned")
        try:
            refuse_outdated(connection, obj, window)
        except OutdatedError as error:
            context.log.info("%s It is computed again.", error)
            raise dg.RetryRequested(max_retries=OUTDATED_RETRIES) from error
        table = self._catalogue.table(table_slice)
        replace_days(connection, table, obj.frame, window)
        return {"dagster/row_count": row_count(connection, table), "rows": obj.frame.height}

    @override
    def load_input(
        self, context: dg.InputContext, table_slice: TableSlice, connection: Connection
    ) -> DerivedDays:
        raise TypeError("derived days are only written; take StoredDays or pl.DataFrame as input")


class FrameHandler(DbTypeHandler[pl.DataFrame]):
    """Writes frames, their days or the whole table at once, and loads any table."""

    def __init__(self, catalogue: Catalogue) -> None:
        self._catalogue = catalogue

    @property
    @override
    def supported_types(self) -> Sequence[type[object]]:
        return [pl.DataFrame]

    @override
    def handle_output(
        self,
        context: dg.OutputContext,
        table_slice: TableSlice,
        obj: pl.DataFrame,
        connection: Connection,
    ) -> Mapping[str, Any]:
        table = self._catalogue.table(table_slice)
        window = window_of(table_slice)
        if window is None:
            replace_all(connection, table, obj)
        else:
            replace_days(connection, table, obj, window)
        return {"dagster/row_count": row_count(connection, table), "rows": obj.height}

    @override
    def load_input(
        self, context: dg.InputContext, table_slice: TableSlice, connection: Connection
    ) -> pl.DataFrame:
        return load_table(
            connection,
            self._catalogue.table(table_slice),
            window_of(table_slice),
            table_slice.columns,
        )


class WarehouseIOManager(DbIOManager):
    """Dagster's database IO manager for what is spooled: written out before the lock, then gone."""

    @override
    def handle_output(self, context: dg.OutputContext, obj: object) -> None:
        if not isinstance(obj, Deliveries):
            super().handle_output(context, obj)
            return
        with obj:
            obj.files()
            super().handle_output(context, obj)


def build_io_manager(warehouse: str, tables: Sequence[Table], clock: Clock) -> dg.IOManager:
    """The IO manager over one warehouse and its tables; `clock` tells the time in UTC."""
    catalogue = Catalogue(tables)
    return WarehouseIOManager(
        type_handlers=[
            DeliveriesHandler(catalogue, clock),
            StoredDaysHandler(catalogue),
            DerivedDaysHandler(catalogue),
            FrameHandler(catalogue),
        ],
        db_client=WarehouseClient(warehouse, catalogue),
        database="",
        default_load_type=pl.DataFrame,
    )


def window_of(table_slice: TableSlice) -> Window | None:
    """The days of the slice; None for a table that is not partitioned."""
    if not table_slice.partition_dimensions:
        return None
    start, end = cast("Any", table_slice.partition_dimensions[0].partitions)
    return Window(start.date(), (end - timedelta(days=1)).date())


def _said_of_kept(table: Table, replaced: Replaced) -> str:
    shown = ", ".join(replaced.kept_campaigns[:5])
    more = len(replaced.kept_campaigns) - 5
    return (
        f"{table.qualified_name}: {replaced.kept_cells} cells kept what they hold, because it was "
        f"exported (or, empty or exported at the same moment, fetched) later than this delivery; "
        f"campaigns {shown}{f' and {more} more' if more > 0 else ''}"
    )
