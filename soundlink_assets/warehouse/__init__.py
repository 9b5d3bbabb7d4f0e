"""The warehouse: where deliveries and derived tables are stored, whole or not at all.

Belongs here: opening a warehouse of any kind, its lock, the SQL that writes and reads, the history
and the delivery log beside an export table, the IO manager. Does not belong here: HTTP, the rules
of an export, what a metric is. No other package sees a connection, a path or SQL of a dialect.

The way of a write: `batch` collects deliveries, `file` (or `lake`) opens the warehouse and
its lock, `writer` replaces campaign-days or days in one transaction, `tables` makes and reads the
tables. `read_copy` is what others read of a file. `io_manager` is what Dagster sees of it.

Light: DuckDB and polars are imported when a warehouse is used.
"""

from soundlink_assets.warehouse.batch import DeliveryBatch, DerivedDays, StoredDays
from soundlink_assets.warehouse.errors import (
    DoubledRowsError,
    FullDiskError,
    LockedWarehouseError,
    MissingTableError,
    NewerWarehouseError,
    NotAWarehouseError,
    OutdatedError,
    OutOfRangeError,
    ReadOnlyWarehouseError,
    RefusedQueryError,
    SchemaMismatchError,
    UnreachableWarehouseError,
    UnsupportedWarehouseError,
    WarehouseError,
)
from soundlink_assets.warehouse.protocol import (
    WAIT_SECONDS,
    Reader,
    Replaced,
    Warehouse,
    WarehouseFacts,
    open_for_reading,
    open_warehouse,
)

__all__ = [
    "WAIT_SECONDS",
    "DeliveryBatch",
    "DerivedDays",
    "DoubledRowsError",
    "FullDiskError",
    "LockedWarehouseError",
    "MissingTableError",
    "NewerWarehouseError",
    "NotAWarehouseError",
    "OutOfRangeError",
    "OutdatedError",
    "ReadOnlyWarehouseError",
    "Reader",
    "RefusedQueryError",
    "Replaced",
    "SchemaMismatchError",
    "StoredDays",
    "UnreachableWarehouseError",
    "UnsupportedWarehouseError",
    "Warehouse",
    "WarehouseError",
    "WarehouseFacts",
    "open_for_reading",
    "open_warehouse",
]
