"""Rows on their way to the warehouse: Parquet files in a folder of their own, gone afterwards.

Light: polars is imported when rows come.
"""

import shutil
import tempfile
import time
from pathlib import Path
from typing import TYPE_CHECKING

from soundlink_assets.warehouse.errors import FullDiskError

if TYPE_CHECKING:
    import polars as pl

SPOOL_ROWS = 100_000
"""Rows that are gathered in memory before they go to a file."""

ROW_NUMBER = "spooled_row"
"""Column of the files: the row's number among all rows of the spool."""

_PREFIX = "soundlink-spool-"
_ABANDONED_AFTER_SECONDS = 24 * 3600


class Spool:
    """Frames of one schema, in files of about `SPOOL_ROWS` rows. A frame is never split.

    The folder goes with `close`, with the object, or with the interpreter; what a killed process
    left behind goes when a later spool is made and it has been untouched for a day.
    """

    def __init__(self) -> None:
        _remove_abandoned(time.time())
        self._folder = tempfile.TemporaryDirectory(prefix=_PREFIX, ignore_cleanup_errors=True)
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
        self._folder.cleanup()

    def _file(self) -> None:
        import polars as pl

        rows = pl.concat(self._pending).with_row_index(ROW_NUMBER, offset=self._filed_rows)
        path = Path(self._folder.name) / f"{len(self._files):05}.parquet"
        try:
            rows.write_parquet(path, compression="lz4", statistics=False)
        except (OSError, pl.exceptions.ComputeError) as error:
            if not any(words in str(error) for words in ("No space left", "File too large")):
                raise
            raise FullDiskError(
                f"The disk of {path.parent.parent}, where deliveries wait to be stored, is full. "
                "Make room there or set TMPDIR to a folder with more; nothing was stored."
            ) from error
        self._files.append(path)
        self._filed_rows += self._pending_rows
        self._pending.clear()
        self._pending_rows = 0


def _remove_abandoned(now: float) -> None:
    for folder in Path(tempfile.gettempdir()).glob(f"{_PREFIX}*"):
        try:
            untouched = now - folder.stat().st_mtime
        except FileNotFoundError:
            continue
        if untouched > _ABANDONED_AFTER_SECONDS:
            shutil.rmtree(folder, ignore_errors=True)
