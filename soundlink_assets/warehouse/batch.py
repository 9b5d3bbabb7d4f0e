"""What assets hand to the warehouse and get from it: batches of deliveries, days of tables.

Light: polars is imported when rows come.
"""

import shutil
import tempfile
import time
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from pathlib import Path
from typing import IO, TYPE_CHECKING, Self, cast

from soundlink_assets.schema.exports import RUN_ID, SUPERSEDED_AT, Export
from soundlink_assets.schema.tables import Table
from soundlink_assets.schema.window import Window
from soundlink_assets.warehouse.errors import FullDiskError, SchemaMismatchError

if TYPE_CHECKING:
    import polars as pl

    from soundlink_assets.warehouse.protocol import Replaced

EXPORTED_AT = "exported_at"
WRITTEN_AT = "written_at"

SPOOL_ROWS = 100_000
"""Rows that are gathered in memory before they go to a file."""

ROW_NUMBER = "spooled_row"
"""Column of the spooled files: the row's number among all rows of the batch."""


@dataclass(frozen=True, slots=True, eq=False)
class StoredDays:
    """The stored rows of an export for the days of a window, and their current delivery log.

    `log` has one row for each campaign-day that was ever delivered, also if it is empty.
    """

    rows: "pl.DataFrame"
    log: "pl.DataFrame"
    export: Export

    @property
    def written_until(self) -> datetime | None:
        """When the newest delivery among them was stored; None if there is none."""
        return cast("datetime | None", self.log.get_column(WRITTEN_AT).max())


@dataclass(frozen=True, slots=True, eq=False)
class DerivedDays:
    """What was computed from the `stored` days of one export or several.

    It is written only as long as these days hold what it was computed from.
    """

    frame: "pl.DataFrame"
    stored: Sequence[StoredDays]


class DeliveryBatch:
    """What the campaigns of one run delivered of one export, spooled to a temporary folder.

    `add` takes one verified delivery after the other, so that memory does not grow with their
    number. The IO manager writes and closes it; close it yourself when nothing is to be written.
    Not for several threads at once.

    `on_stored` is called with what the write did before it is committed (and again, should the
    write have to be repeated); if it raises, nothing is stored.
    """

    def __init__(
        self,
        export: Export,
        window: Window,
        on_stored: "Callable[[Replaced], None] | None" = None,
    ) -> None:
        self.export = export
        self.window = window
        self.on_stored = on_stored
        self._spool = _Spool()
        self._days: list[pl.DataFrame] = []
        self._windows: dict[str, list[Window]] = {}

    def add(
        self, requested_id: str, window: Window, frame: "pl.DataFrame", fetched_at: datetime
    ) -> None:
        """Take the delivery of one campaign (or soundlink) for one window of days.

        `frame` holds the columns of `export.delivered` in their types, in any order; `fetched_at`
        is when the request was sent. SchemaMismatchError if the frame has other columns or types;
        ValueError if a row lies outside `window` or a campaign-day is delivered twice;
        FullDiskError if there is no room.
        """
        import polars as pl

        self._check_window(requested_id, window)
        frame = conformed(frame, self.export.delivered)
        days = frame.get_column(self.export.day)
        if days.null_count() or not days.is_between(window.first, window.last).all():
            raise ValueError(f"{self.export.table.qualified_name}: a row lies outside {window}")
        self._days.append(self._days_of(requested_id, window, frame, fetched_at))
        self._windows.setdefault(requested_id, []).append(window)
        if not frame.is_empty():
            requested = pl.lit(requested_id).alias(self.export.scope.requested_column)
            self._spool.add(frame.with_columns(requested))

    @property
    def requested_ids(self) -> tuple[str, ...]:
        """Whose deliveries it holds, in the order in which they came."""
        return tuple(self._windows)

    def files(self) -> list[Path]:
        """The Parquet files with all rows so far.

        Beside the delivered columns they have the requested id and `ROW_NUMBER`.
        """
        return self._spool.files()

    def days(self) -> "pl.DataFrame":
        """One row per delivered campaign-day: the delivery log without what the write fills in."""
        import polars as pl

        return pl.concat([self._no_days(), *self._days])

    def rows_by_day(self) -> dict[date, int]:
        """Delivered rows of each day of the window, days without rows included."""
        counts: Counter[date] = Counter(dict.fromkeys(self.window.dates(), 0))
        for days in self._days:
            for day, rows in days.select(self.export.day, "row_count").iter_rows():
                counts[day] += rows
        return dict(counts)

    def close(self) -> None:
        """Remove the spooled rows. More than once is harmless."""
        self._spool.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_error: object) -> None:
        self.close()

    def _check_window(self, requested_id: str, window: Window) -> None:
        if window.first < self.window.first or window.last > self.window.last:
            raise ValueError(f"the delivery's window {window} is not within {self.window}")
        for taken in self._windows.get(requested_id, ()):
            if window.first <= taken.last and taken.first <= window.last:
                raise ValueError(
                    f"{self.export.scope.name} {requested_id}: {window} overlaps {taken}, "
                    "which was delivered before"
                )

    def _days_of(
        self, requested_id: str, window: Window, frame: "pl.DataFrame", fetched_at: datetime
    ) -> "pl.DataFrame":
        import polars as pl

        day = self.export.day
        found = frame.group_by(day).agg(
            pl.col(EXPORTED_AT).max(),
            pl.col(EXPORTED_AT).min().alias("oldest_exported_at"),
            pl.len().cast(pl.Int64).alias("row_count"),
        )
        moment = pl.Datetime("us", "UTC")
        return (
            pl.Series(day, list(window.dates()), dtype=pl.Date)
            .to_frame()
            .join(found, on=day, how="left")
            .with_columns(
                pl.lit(requested_id).alias(self.export.scope.requested_column),
                pl.lit(fetched_at).cast(moment).alias("fetched_at"),
                pl.lit(frame.get_column(EXPORTED_AT).max())
                .cast(moment)
                .alias("delivery_exported_at"),
                pl.col("row_count").fill_null(0),
            )
            .select(self._no_days().columns)
        )

    def _no_days(self) -> "pl.DataFrame":
        from soundlink_assets.schema.frames import empty_frame

        return empty_frame(self.export.delivery_log).drop(WRITTEN_AT, RUN_ID, SUPERSEDED_AT)


def conformed(frame: "pl.DataFrame", table: Table) -> "pl.DataFrame":
    """The frame with its columns in the table's order.

    SchemaMismatchError if a column is missing, is one too many or has another type; nothing is ever
    cast, except a column that is all null and has no type of its own.
    """
    import polars as pl

    from soundlink_assets.schema.frames import polars_schema

    schema = polars_schema(table)
    mismatches = [
        f"{name} is {found}, the table has {schema.get(name, 'no such column')}"
        for name, found in frame.schema.items()
        if found not in {pl.Null(), schema.get(name)} or name not in schema
    ]
    mismatches += [f"{name} is missing" for name in schema if name not in frame.columns]
    if mismatches:
        raise SchemaMismatchError(
            f"{table.qualified_name}: in the frame, {'; '.join(mismatches)}. Nothing was written."
        )
    return frame.select(pl.col(name).cast(dtype) for name, dtype in schema.items())


_PREFIX = "soundlink-batch-"
_LOCK = "in-use"
_SETTLING_SECONDS = 60.0
"""A folder younger than this may not have its lock yet."""


class _Spool:
    """Frames of one schema, in files of about `SPOOL_ROWS` rows. A frame is never split.

    The folder is made with the first file and goes with `close`, with the object, or with the
    interpreter. What a killed process left behind goes when a later spool writes its first file:
    the kernel has freed the lock in it.
    """

    def __init__(self) -> None:
        self._folder: tempfile.TemporaryDirectory[str] | None = None
        self._lock: IO[str] | None = None
        self._files: list[Path] = []
        self._pending: list[pl.DataFrame] = []
        self._pending_rows = 0
        self._filed_rows = 0

    def add(self, frame: "pl.DataFrame") -> None:
        """Take the rows of one frame; FullDiskError if there is no room for them."""
        self._pending.append(frame)
        self._pending_rows += frame.height
        if self._pending_rows >= SPOOL_ROWS:
            self._file()

    def files(self) -> list[Path]:
        """The files with all rows so far; FullDiskError if there is no room for the last ones."""
        if self._pending:
            self._file()
        return list(self._files)

    def close(self) -> None:
        """Remove the files. More than once is harmless."""
        self._pending.clear()
        if self._lock is not None:
            self._lock.close()
        if self._folder is not None:
            self._folder.cleanup()

    def _made_folder(self) -> Path:
        import portalocker

        if self._folder is None:
            _remove_abandoned(time.time())
            self._folder = tempfile.TemporaryDirectory(prefix=_PREFIX, ignore_cleanup_errors=True)
            self._lock = (Path(self._folder.name) / _LOCK).open("w", encoding="utf-8")
            portalocker.lock(self._lock, portalocker.LockFlags.EXCLUSIVE)
        return Path(self._folder.name)

    def _file(self) -> None:
        import polars as pl

        rows = pl.concat(self._pending).with_row_index(ROW_NUMBER, offset=self._filed_rows)
        folder = Path(tempfile.gettempdir())
        try:
            path = self._made_folder() / f"{len(self._files):05}.parquet"
            rows.write_parquet(path, compression="lz4", statistics=False)
        except (OSError, pl.exceptions.ComputeError) as error:
            if not any(words in str(error) for words in ("No space left", "File too large")):
                raise
            raise FullDiskError(
                f"The disk of {folder}, where deliveries wait to be stored, is full. Make room "
                "there or set TMPDIR to a folder with more; nothing was stored."
            ) from error
        self._files.append(path)
        self._filed_rows += self._pending_rows
        self._pending.clear()
        self._pending_rows = 0


def _remove_abandoned(now: float) -> None:
    import portalocker

    for folder in Path(tempfile.gettempdir()).glob(f"{_PREFIX}*"):
        try:
            if now - folder.stat().st_mtime < _SETTLING_SECONDS:
                continue
            with (folder / _LOCK).open("a", encoding="utf-8") as lock:
                portalocker.lock(
                    lock, portalocker.LockFlags.EXCLUSIVE | portalocker.LockFlags.NON_BLOCKING
                )
        except (OSError, portalocker.exceptions.LockException):
            continue  # in use, gone meanwhile, or of another user
        shutil.rmtree(folder, ignore_errors=True)
