"""What assets hand to the IO manager and get from it. Light: polars is imported when rows come."""

import tempfile
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import date, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Self

from soundlink_assets.contract.export import OWN_COLUMNS
from soundlink_assets.contract.window import Window
from soundlink_assets.tables import Table
from soundlink_assets.warehouse.companions import EXPORTED_AT, REQUESTED_CAMPAIGN
from soundlink_assets.warehouse.sql import day_column

if TYPE_CHECKING:
    import polars as pl

SPOOL_ROWS = 100_000
"""Rows that are gathered in memory before they go to a file of their own."""


@dataclass(frozen=True, slots=True, eq=False)
class StoredDays:
    """The stored rows of an export table for the days of a partition window, and their cells.

    `cells` is the ledger of those days: one row for each campaign and day that was ever delivered,
    also if it is empty (see `companions.cells_table`).
    """

    rows: "pl.DataFrame"
    cells: "pl.DataFrame"


class Deliveries:
    """What the campaigns of one run delivered of one export, spooled to a temporary folder.

    `add` takes one verified delivery after the other; memory stays at `SPOOL_ROWS` rows and the
    facts about each cell. The IO manager writes and closes it; close it yourself when nothing is
    to be written. Not for several threads at once.
    """

    def __init__(self, table: Table, window: Window) -> None:
        self.table = table
        self.window = window
        own = {column.name for column in OWN_COLUMNS}
        self._delivered_columns = [name for name in table.column_names if name not in own]
        self._day = day_column(table)
        self._folder = tempfile.TemporaryDirectory(prefix="soundlink-spool-")
        self._files: list[Path] = []
        self._pending: list[pl.DataFrame] = []
        self._schema: pl.Schema | None = None
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

        `frame` holds the contract's columns, in any order. ValueError if its columns or types are
        not those of the earlier deliveries, if a row lies outside `window`, or if a cell is
        delivered twice.
        """
        self._check_window(requested_campaign_id, window)
        frame = self._checked(frame, window)
        self._cells.append(self._cells_of(requested_campaign_id, window, frame, fetched_at))
        self._windows.setdefault(requested_campaign_id, []).append(window)
        if frame.is_empty():
            return
        import polars as pl

        self._pending.append(
            frame.with_columns(pl.lit(requested_campaign_id).alias(REQUESTED_CAMPAIGN))
        )
        if sum(pending.height for pending in self._pending) >= SPOOL_ROWS:
            self._flush()

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
        if sorted(frame.columns) != sorted(self._delivered_columns):
            differing = sorted(set(frame.columns) ^ set(self._delivered_columns))
            raise ValueError(
                f"{self.table.qualified_name}: a delivery has exactly the contract's columns; "
                f"missing or extra: {', '.join(differing)}"
            )
        frame = frame.select(self._delivered_columns)
        if self._schema is None:
            self._schema = frame.schema
        elif frame.schema != self._schema:
            raise ValueError(
                f"{self.table.qualified_name}: the types {dict(frame.schema)} are not those of the "
                f"deliveries before, {dict(self._schema)}"
            )
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

        timestamp = pl.Datetime("us", "UTC")
        found = frame.group_by(self._day).agg(
            pl.col(EXPORTED_AT).max(),
            pl.col(EXPORTED_AT).min().alias("oldest_exported_at"),
            pl.len().cast(pl.Int64).alias("row_count"),
        )
        days = pl.DataFrame({self._day: list(window.dates())}, schema={self._day: pl.Date})
        return days.join(found, on=self._day, how="left").with_columns(
            pl.lit(requested_campaign_id).alias(REQUESTED_CAMPAIGN),
            pl.lit(fetched_at).cast(timestamp).alias("fetched_at"),
            pl.col(EXPORTED_AT).cast(timestamp),
            pl.col("oldest_exported_at").cast(timestamp),
            pl.col("row_count").fill_null(0),
        )

    def _flush(self) -> None:
        import polars as pl

        if self._pending:
            path = Path(self._folder.name) / f"{len(self._files):05}.parquet"
            pl.concat(self._pending).write_parquet(path, compression="lz4", statistics=False)
            self._pending.clear()
            self._files.append(path)

    @property
    def campaign_ids(self) -> tuple[str, ...]:
        """The campaigns that delivered, in the order in which they came."""
        return tuple(self._windows)

    def files(self) -> list[Path]:
        """The Parquet files with all rows so far, `requested_campaign_id` among their columns."""
        self._flush()
        return list(self._files)

    def cells(self) -> "pl.DataFrame":
        """One row per delivered cell: the ledger's columns without `written_at` and `run_id`."""
        import polars as pl

        empty = pl.DataFrame(
            schema={
                self._day: pl.Date,
                EXPORTED_AT: pl.Datetime("us", "UTC"),
                "oldest_exported_at": pl.Datetime("us", "UTC"),
                "row_count": pl.Int64,
                REQUESTED_CAMPAIGN: pl.String,
                "fetched_at": pl.Datetime("us", "UTC"),
            }
        )
        return pl.concat([empty, *self._cells])

    def rows_by_day(self) -> dict[date, int]:
        """Delivered rows of each day of the window, days without rows included."""
        counts: Counter[date] = Counter(dict.fromkeys(self.window.dates(), 0))
        for cells in self._cells:
            for day, rows in cells.select(self._day, "row_count").iter_rows():
                counts[day] += rows
        return dict(counts)

    def close(self) -> None:
        """Remove the spooled rows. More than once is harmless."""
        self._pending.clear()
        self._folder.cleanup()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_error: object) -> None:
        self.close()


@contextmanager
def closing(obj: object) -> Iterator[None]:
    """Close `obj` at the end if it is spooled deliveries, whatever happened."""
    try:
        yield
    finally:
        if isinstance(obj, Deliveries):
            obj.close()
