"""What assets hand to the IO manager and get from it. Light: polars is imported when rows come."""

from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import date, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Self, cast

from soundlink_assets.schema.exports import OWN_COLUMNS
from soundlink_assets.schema.window import Window
from soundlink_assets.schema.tables import Table
from soundlink_assets.warehouse.companions import (
    EXPORTED_AT,
    REQUESTED_CAMPAIGN,
    STAMPS,
    WRITTEN_AT,
    cells_table,
)
from soundlink_assets.warehouse.fitting import fitted
from soundlink_assets.warehouse.spool import Spool
from soundlink_assets.warehouse.sql import day_column

if TYPE_CHECKING:
    import polars as pl


@dataclass(frozen=True, slots=True, eq=False)
class StoredDays:
    """The stored rows of an export table for the days of a partition window, and their cells.

    `cells` is the ledger of those days: one row for each campaign and day that was ever delivered,
    also if it is empty (see `companions.cells_table`).
    """

    rows: "pl.DataFrame"
    cells: "pl.DataFrame"


@dataclass(frozen=True, slots=True, eq=False)
class DerivedDays:
    """What was computed from the `stored` days of the export table `source`.

    It is written only as long as these days hold what it was computed from.
    """

    frame: "pl.DataFrame"
    source: Table
    stored: StoredDays

    @property
    def seen_until(self) -> datetime | None:
        """When the newest delivery that went into it was written; None if there was none."""
        return cast("datetime | None", self.stored.cells.get_column(WRITTEN_AT).max())


class Deliveries:
    """What the campaigns of one run delivered of one export, spooled to a temporary folder.

    `add` takes one verified delivery after the other, so that memory does not grow with the number
    of campaigns. The IO manager writes and closes it; close it yourself when nothing is to be
    written. Not for several threads at once.

    Set `when_written` to be told the ledger of the window as the write leaves it, with the cells
    of other deliveries, before the write is committed.
    """

    def __init__(self, table: Table, window: Window) -> None:
        self.table = table
        self.window = window
        self.when_written: Callable[[pl.DataFrame], None] = lambda _ledger: None
        own = {column.name for column in OWN_COLUMNS}
        columns = tuple(column for column in table.columns if column.name not in own)
        self._delivered = replace(table, columns=columns)
        self._day = day_column(table)
        self._spool = Spool()
        self._cells: list[pl.DataFrame] = []
        self._windows: dict[str, list[Window]] = {}

    def add(
        self,
        requested_campaign_id: str,
        window: Window,
        frame: "pl.DataFrame",
        fetched_at: datetime,
    ) -> None:
        """Take the delivery of one campaign for one window of days.

        `frame` holds the contract's columns in their types, in any order; `fetched_at` is when the
        request was sent. MisfitError if the frame has other columns or types; ValueError if a row
        lies outside `window` or a cell is delivered twice; FullDiskError if there is no room.
        """
        import polars as pl

        self._check_window(requested_campaign_id, window)
        frame = self._checked(frame, window)
        self._cells.append(self._cells_of(requested_campaign_id, window, frame, fetched_at))
        self._windows.setdefault(requested_campaign_id, []).append(window)
        if not frame.is_empty():
            requested = pl.lit(requested_campaign_id).alias(REQUESTED_CAMPAIGN)
            self._spool.add(frame.with_columns(requested))

    @property
    def campaign_ids(self) -> tuple[str, ...]:
        """The campaigns that delivered, in the order in which they came."""
        return tuple(self._windows)

    def files(self) -> list[Path]:
        """The Parquet files with all rows so far.

        Beside the contract's columns they have `requested_campaign_id` and `spool.ROW_NUMBER`.
        """
        return self._spool.files()

    def cells(self) -> "pl.DataFrame":
        """One row per delivered cell: the ledger's columns without those that the write fills."""
        import polars as pl

        return pl.concat([self._no_cells(), *self._cells])

    def rows_by_day(self) -> dict[date, int]:
        """Delivered rows of each day of the window, days without rows included."""
        counts: Counter[date] = Counter(dict.fromkeys(self.window.dates(), 0))
        for cells in self._cells:
            for day, rows in cells.select(self._day, "row_count").iter_rows():
                counts[day] += rows
        return dict(counts)

    def close(self) -> None:
        """Remove the spooled rows. More than once is harmless."""
        self._spool.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_error: object) -> None:
        self.close()

    def _check_window(self, requested_campaign_id: str, window: Window) -> None:
        if window.first < self.window.first or window.last > self.window.last:
            raise ValueError(f"the delivery's window {window} is not within {self.window}")
        for taken in self._windows.get(requested_campaign_id, ()):
            if window.first <= taken.last and taken.first <= window.last:
                raise ValueError(
                    f"campaign {requested_campaign_id}: {window} overlaps {taken}, "
                    "which was delivered before"
                )

    def _checked(self, frame: "pl.DataFrame", window: Window) -> "pl.DataFrame":
        frame = fitted(frame, self._delivered)
        days = frame.get_column(self._day)
        if days.null_count() or not days.is_between(window.first, window.last).all():
            raise ValueError(f"{self.table.qualified_name}: a row lies outside {window}")
        return frame

    def _cells_of(
        self,
        requested_campaign_id: str,
        window: Window,
        frame: "pl.DataFrame",
        fetched_at: datetime,
    ) -> "pl.DataFrame":
        import polars as pl

        found = frame.group_by(self._day).agg(
            pl.col(EXPORTED_AT).max(),
            pl.col(EXPORTED_AT).min().alias("oldest_exported_at"),
            pl.len().cast(pl.Int64).alias("row_count"),
        )
        return (
            pl.Series(self._day, list(window.dates()), dtype=pl.Date)
            .to_frame()
            .join(found, on=self._day, how="left")
            .with_columns(
                pl.lit(requested_campaign_id).alias(REQUESTED_CAMPAIGN),
                pl.lit(fetched_at).cast(pl.Datetime("us", "UTC")).alias("fetched_at"),
                pl.col("row_count").fill_null(0),
            )
            .select(self._no_cells().columns)
        )

    def _no_cells(self) -> "pl.DataFrame":
        from soundlink_assets.schema.frames import empty_frame

        filled_by_the_write = {*STAMPS, WRITTEN_AT}
        ledger = empty_frame(cells_table(self.table))
        return ledger.select(name for name in ledger.columns if name not in filled_by_the_write)
