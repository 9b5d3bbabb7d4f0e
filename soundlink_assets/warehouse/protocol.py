"""What every kind of warehouse can do, and how one is opened from its setting.

How a kind does it is in the module of that kind. Light: neither DuckDB nor polars.
"""

import logging
from collections.abc import Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Protocol

from soundlink_assets.schema.exports import Export
from soundlink_assets.schema.tables import Table
from soundlink_assets.schema.window import Window
from soundlink_assets.settings import LAKE
from soundlink_assets.warehouse.batch import DeliveryBatch, StoredDays
from soundlink_assets.warehouse.errors import UnsupportedWarehouseError

if TYPE_CHECKING:
    import polars as pl

WAIT_SECONDS = 600.0
"""How long a locked warehouse is waited for."""

Parameters = Mapping[str, object] | Sequence[object]
"""Values that are bound to the `$names` of a query or, in order, to its `?`."""

_LOG = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True, kw_only=True)
class Replaced:
    """What the write of a batch did.

    `rows` were stored for the campaign-days that were replaced; `unchanged_rows` of them were
    stored before with the same figures. `superseded_rows` moved to the history. `kept_days`
    campaign-days hold a newer delivery and stayed as they were; `kept_ids` are theirs. `log` is the
    current delivery log of the batch's window after the write, `table_rows` the rows of the table.
    """

    rows: int
    unchanged_rows: int
    superseded_rows: int
    replaced_days: int
    kept_days: int
    kept_ids: tuple[str, ...]
    written_at: datetime
    table_rows: int
    log: "pl.DataFrame"


@dataclass(frozen=True, slots=True, kw_only=True)
class WarehouseFacts:
    """What the doctor wants to know, found without waiting for long.

    `location` is what the setting means, without a password. `writable` is None if nobody could
    tell; `problem` says why the warehouse cannot be used, `locked_by` who uses it right now (then
    `tables` is empty). `bytes` and `bytes_free` (of its disk) are None where they have no meaning.
    `tables` has the rows of each table by qualified name.
    """

    kind: str
    location: str
    exists: bool
    bytes: int | None = None
    bytes_free: int | None = None
    writable: bool | None = None
    locked_by: str | None = None
    problem: Exception | None = None
    tables: Mapping[str, int] = field(default_factory=dict)


class Reader(Protocol):
    """Reads that all see the warehouse at one moment."""

    def load(
        self, table: Table, window: Window | None = None, columns: Sequence[str] | None = None
    ) -> "pl.DataFrame":
        """The described columns (or some of them) of a table, for a window of days or all of it.

        A table that nothing has written yet is a typed frame without rows, a column that the
        stored table lacks is null. SchemaMismatchError if a stored type is another.
        """

    def stored_days(
        self, export: Export, window: Window, columns: Sequence[str] | None = None
    ) -> StoredDays:
        """The rows of an export for a window, and the current delivery log of these days."""

    def delivery_log(self, export: Export, window: Window | None = None) -> "pl.DataFrame":
        """Which delivery each campaign-day holds: the current entries of the delivery log."""

    def previous_rows(self, export: Export, window: Window) -> "pl.DataFrame":
        """The rows that the newest write of each campaign-day changed or withdrew.

        Together with the rows of those days that were ingested before that write, they are what
        the days held before it. Columns are those of `export.superseded`.
        """

    def query(self, sql: str, parameters: Parameters = ()) -> "pl.DataFrame":
        """The result of one query; RefusedQueryError unless it is one statement that only reads.

        MissingTableError if a table has not been written yet.
        """

    def distinct(self, table: Table, column: str) -> set[str]:
        """The values of a column of text; none if table or column has not been written yet."""


class Warehouse(Protocol):
    """A place for tables. Every method that writes is one transaction; all raise WarehouseError."""

    @property
    def name(self) -> str:
        """What it is called in messages; never with a password."""

    def write(self, batch: DeliveryBatch, *, now: datetime, run_id: str) -> Replaced:
        """Replace the campaign-days of a batch, except those that hold a newer delivery.

        `now` stamps the write; it is moved on if the clock went back, so that stamps follow the
        order of the writes. `batch.on_stored` is called before the commit. DoubledRowsError if a
        campaign is stored under two requested ids.
        """

    def replace_days(
        self,
        table: Table,
        frame: "pl.DataFrame",
        window: Window,
        based_on: Sequence[StoredDays] = (),
    ) -> int:
        """Replace the days of a window, those without rows included; the rows of the table.

        OutdatedError if some of `based_on`, which the frame was computed from, was replaced since;
        SchemaMismatchError if the frame is not like the table or has rows outside the window.
        """

    def replace_table(self, table: Table, frame: "pl.DataFrame") -> int:
        """Replace all rows of a table; how many there are. SchemaMismatchError as above."""

    def reader(
        self, purpose: str = "", wait_seconds: float = WAIT_SECONDS
    ) -> AbstractContextManager[Reader]:
        """Several reads of one moment. `purpose` is what waiting processes are told."""

    def load(
        self, table: Table, window: Window | None = None, columns: Sequence[str] | None = None
    ) -> "pl.DataFrame":
        """`Reader.load` for one read."""

    def query(self, sql: str, parameters: Parameters = ()) -> "pl.DataFrame":
        """`Reader.query` for one read."""

    def maintain(self, older_than: timedelta) -> Mapping[str, int]:
        """Compact it, and remove what it no longer needs; how much of each was done.

        Nothing is done, and said, about a warehouse that does not exist yet.

        What readers of a state that is younger than `older_than` need stays.
        """

    def facts(self) -> WarehouseFacts:
        """What is to be known about it, for the doctor; raises nothing."""


def open_warehouse(
    setting: str, *, log: logging.Logger = _LOG, lake_data: str | None = None
) -> Warehouse:
    """The warehouse that `SOUNDLINK_WAREHOUSE` names; UnsupportedWarehouseError if it names none.

    Cheap: it connects when it is used. `log` is told what is waited for; `lake_data` is
    `SOUNDLINK_LAKE_DATA`, which the first write to a lake needs.
    """
    if setting.startswith(LAKE):
        try:
            from soundlink_assets.warehouse.lake import LakeWarehouse
        except ModuleNotFoundError as error:
            raise UnsupportedWarehouseError(
                f"A lake needs {error.name}: install soundlink-assets[lake]."
            ) from error
        return LakeWarehouse(setting, log, lake_data)
    from soundlink_assets.warehouse.file import FileWarehouse

    return FileWarehouse(setting, log)


def open_for_reading(setting: str) -> Warehouse:
    """What may be read as often and as long as one likes: a lake, or the read copy of a file.

    Of a file without a read copy the file itself: it is locked for each read.
    """
    if not setting.startswith(LAKE):
        from soundlink_assets.warehouse.file import warehouse_file
        from soundlink_assets.warehouse.read_copy import ReadCopy, read_copy_of

        copy = read_copy_of(warehouse_file(setting))
        if copy.exists():
            return ReadCopy(str(copy), _LOG)
    return open_warehouse(setting)
