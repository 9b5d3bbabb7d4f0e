"""A DuckDB file as the warehouse: where it is, its lock, its connection, its errors."""

import logging
import shutil
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import duckdb
from typing_extensions import override

from soundlink_assets.settings import LAKE
from soundlink_assets.warehouse.duckdb_warehouse import (
    FACTS_WAIT_SECONDS,
    DuckDBWarehouse,
    Explanations,
    explained,
    first_line,
    tune_for_writes,
)
from soundlink_assets.warehouse.errors import (
    LockedWarehouseError,
    NewerWarehouseError,
    NotAWarehouseError,
    ReadOnlyWarehouseError,
    UnsupportedWarehouseError,
)
from soundlink_assets.warehouse.lock import Deadline, locked
from soundlink_assets.warehouse.protocol import WAIT_SECONDS, WarehouseFacts
from soundlink_assets.warehouse.tables import Connection, literal

CATALOG = "warehouse"
"""The name under which the file is attached; no schema of ours has it."""

_OTHER_SCHEMES = ("md", "motherduck", "ducklake", "postgres", "postgresql")


class FileWarehouse(DuckDBWarehouse):
    """One DuckDB file: several processes may read it at once, or one alone write it."""

    def __init__(self, setting: str, log: logging.Logger) -> None:
        super().__init__(log)
        self.file = warehouse_file(setting)

    @property
    @override
    def name(self) -> str:
        return str(self.file)

    @override
    @contextmanager
    def connect(
        self, *, writes: bool, purpose: str, wait_seconds: float = WAIT_SECONDS
    ) -> Iterator[Connection]:
        deadline = Deadline(wait_seconds, self.log)
        if writes:
            _make_folder(self.file.parent)
        elif not self.file.exists():
            with explained(self.name, EXPLANATIONS), open_file(None, writes=False) as connection:
                yield connection
            return
        with (
            locked(self.file, exclusive=writes, purpose=purpose, deadline=deadline),
            explained(self.name, EXPLANATIONS),
            _open_in_time(self.file, writes=writes, deadline=deadline) as connection,
        ):
            yield connection

    @override
    def maintain(self, older_than: timedelta) -> Mapping[str, int]:
        """Write what the log beside the file holds into the file; there is nothing to remove."""
        if not self.file.exists():
            return {}
        before = self._bytes()
        with self.connect(writes=True, purpose="maintenance") as connection:
            connection.execute("CHECKPOINT")
        return {"bytes_freed": max(0, before - self._bytes())}

    def _bytes(self) -> int:
        log = Path(f"{self.file}.wal")
        return sum(file.stat().st_size for file in (self.file, log) if file.exists())

    @override
    def facts(self) -> WarehouseFacts:
        folder = next(parent for parent in self.file.parents if parent.exists())
        exists = self.file.is_file()
        facts = WarehouseFacts(
            kind="DuckDB file",
            location=self.name,
            exists=exists,
            bytes=self.file.stat().st_size if exists else 0,
            bytes_free=shutil.disk_usage(folder).free,
        )
        try:
            rows = self._usable_tables(folder)
        except LockedWarehouseError as error:
            return replace(facts, locked_by=str(error).partition(". Nothing was written")[0])
        except Exception as error:  # noqa: BLE001 - the doctor says what it is
            return replace(facts, writable=False, problem=error)
        return replace(facts, writable=True, tables=rows)

    def _usable_tables(self, folder: Path) -> Mapping[str, int]:
        if not self.file.exists():
            with tempfile.TemporaryFile(dir=folder):
                return {}
        with self.connect(writes=True, purpose="the doctor", wait_seconds=FACTS_WAIT_SECONDS):
            pass
        return self.rows_of_tables(FACTS_WAIT_SECONDS)


def warehouse_file(setting: str) -> Path:
    """The file that `SOUNDLINK_WAREHOUSE` names; UnsupportedWarehouseError if it names none."""
    scheme, colon, _ = setting.partition(":")
    if not setting.strip() or (colon and scheme.lower() in {"", *_OTHER_SCHEMES}):
        raise UnsupportedWarehouseError(
            f"SOUNDLINK_WAREHOUSE names no DuckDB file: give a path, or {LAKE} and the words that "
            "libpq connects with."
        )
    if "?" in setting:
        raise UnsupportedWarehouseError(
            f"SOUNDLINK_WAREHOUSE is {setting!r}: DuckDB keeps no write-ahead log beside a file "
            "whose path has a question mark. Choose a path without."
        )
    return Path(setting).expanduser().absolute()


def _make_folder(folder: Path) -> None:
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise ReadOnlyWarehouseError(
            f"The folder {folder} of the warehouse cannot be made ({error.strerror}). Create it, "
            "or set SOUNDLINK_WAREHOUSE to a file elsewhere."
        ) from error


def _open_in_time(file: Path, *, writes: bool, deadline: Deadline) -> Connection:
    while True:
        try:
            return open_file(file, writes=writes)
        except duckdb.Error as error:
            reason = _holder(error)
            if reason is None:
                raise
            deadline.pause(reason)


def _holder(error: duckdb.Error) -> str | None:
    """Who keeps us from opening the file, if that is what the error says."""
    if "Could not set lock on file" in str(error):
        found = first_line(error).partition(". See also http")[0]
        return f"which a process outside the platform has locked ({found})"
    if "Unique file handle conflict" in str(error):
        return "locked by another thread of this process"
    return None


def open_file(file: Path | None, *, writes: bool) -> Connection:
    """A database in memory, with the file attached under a name of ours.

    Opened directly, its name would be the file's, and `soundlink.campaigns` is ambiguous in a
    file called soundlink.duckdb.
    """
    # Without replacement scans, a table that does not exist is an error, never a Python variable.
    connection = duckdb.connect(config={"python_enable_replacements": "false"})
    try:
        connection.execute("SET TimeZone = 'UTC'")
        if file is not None:
            mode = "" if writes else ", READ_ONLY"
            connection.execute("SET temp_directory = $folder", {"folder": f"{file}.tmp"})
            connection.execute(f"ATTACH {literal(str(file))} AS {CATALOG} (TYPE duckdb{mode})")
            connection.execute(f"USE {CATALOG}")
        if writes:
            tune_for_writes(connection)
    except BaseException:
        connection.close()
        raise
    return connection


EXPLANATIONS: Explanations = (
    (
        NotAWarehouseError,
        ("not a valid DuckDB database file",),
        "is not a DuckDB database and was left as it is. Move it away, or set another file.",
    ),
    (
        NotAWarehouseError,
        ("Is a directory",),
        "is a folder. Set the path of a file, such as one in that folder.",
    ),
    (
        NotAWarehouseError,
        ("Corrupt database file", "Could not read enough bytes"),
        "is damaged and was left as it is. Restore a backup, or move it away and backfill.",
    ),
    (
        NewerWarehouseError,
        ("with version number", "newer version of DuckDB"),
        f"was written by a newer DuckDB than {duckdb.__version__}. Upgrade, or set another file.",
    ),
)
"""What DuckDB reports, and what that means to the one who set SOUNDLINK_WAREHOUSE."""
