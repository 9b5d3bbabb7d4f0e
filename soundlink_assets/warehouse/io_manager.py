"""The IO manager as the definitions see it: light until a run uses it."""

from collections.abc import Sequence

import dagster as dg

from soundlink_assets.clock import Clock, utc_now
from soundlink_assets.schema.tables import Table


def warehouse_io_manager(
    warehouse: str,
    tables: Sequence[Table],
    *,
    clock: Clock = utc_now,
) -> dg.IOManagerDefinition:
    """The IO manager that stores assets as the tables of their keys.

    Outputs: `Deliveries` replace cells; a `pl.DataFrame` replaces the days of the partition window
    (or, unpartitioned, the whole table), and so do `DerivedDays`, which are computed again if
    another run has replaced what they were computed from. Inputs: `StoredDays` or `pl.DataFrame`,
    by annotation. Partitioned assets need the metadata `partition_expr`: their day column's name.
    """

    @dg.io_manager(
        description="Stores each asset as the DuckDB table of its key, in one transaction."
    )
    def io_manager(_context: dg.InitResourceContext) -> dg.IOManager:
        from soundlink_assets.warehouse.handlers import build_io_manager

        return build_io_manager(warehouse, tables, clock)

    return io_manager
