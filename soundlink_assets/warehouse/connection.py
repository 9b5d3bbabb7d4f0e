"""The one place that opens the warehouse: where it is, its lock, its settings, its errors."""

import logging
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import duckdb

from soundlink_assets.warehouse.errors import (
    FullDiskError,
    MissingTableError,
    NewerWarehouseError,
    NotAWarehouseError,
    ReadOnlyWarehouseError,
    UnsupportedWarehouseError,
    WarehouseError,
)
from soundlink_assets.warehouse.locking import WAIT_SECONDS, Patience, locked
from soundlink_assets.warehouse.sql import literal

CATALOG = "warehouse"
"""The name under which the file is attached; no schema of ours has it."""

WRITER_MEMORY = "512MiB"
"""Memory of DuckDB in a write, whatever its size; what needs more goes to disk beside the file."""

WRITER_THREADS = 4
"""Most threads of a write: each holds a row group, and all must fit into `WRITER_MEMORY`."""

ROWS_PER_THREAD = 500_000
"""Rows that an insert should have for each thread.

Each thread leaves a row group that is not full, and the commit compresses those again: for fewer
rows, a second thread costs more than it saves.
"""

_LOG = logging.getLogger(__name__)
_SHELVES = ("md", "motherduck", "ducklake")


def warehouse_file(warehouse: str) -> Path:
    """The file that `SOUNDLINK_WAREHOUSE` names; UnsupportedWarehouseError if it names none."""
    scheme, colon, _ = warehouse.partition(":")
    if not warehouse.strip() or (colon and scheme.lower() in {"", *_SHELVES}):
        raise UnsupportedWarehouseError(
            f"SOUNDLINK_WAREHOUSE is {warehouse!r}: only a DuckDB file is supported so far."
        )
    if "?" in warehouse:
        raise UnsupportedWarehouseError(
            f"SOUNDLINK_WAREHOUSE is {warehouse!r}: DuckDB keeps no write-ahead log beside a file "
            "whose path has a question mark. Choose a path without."
        )
    return Path(warehouse).expanduser().absolute()


@contextmanager
def connect(
    warehouse: str,
    *,
    read_only: bool,
    purpose: str = "",
    wait_seconds: float = WAIT_SECONDS,
    log: logging.Logger = _LOG,
) -> Iterator[duckdb.DuckDBPyConnection]:
    """A connection to the warehouse, under its lock: several readers, or one writer alone.

    The folder is created for a writer; a reader of a file that does not exist yet gets an empty
    database. `purpose` is what waiting processes are told. Raises WarehouseError; what DuckDB
    raises inside is translated too, where there is something to say.
    """
    file = warehouse_file(warehouse)
    patience = Patience(wait_seconds, log)
    if not read_only:
        _make_folder(file.parent)
    elif not file.exists():
        with _translated(file), _open(None, read_only=True) as connection:
            yield connection
        return
    with (
        locked(file, exclusive=not read_only, purpose=purpose, patience=patience),
        _translated(file),
        _open_patiently(file, read_only=read_only, patience=patience) as connection,
    ):
        yield connection


@contextmanager
def transaction(connection: duckdb.DuckDBPyConnection) -> Iterator[None]:
    """All statements inside, or none of them."""
    connection.begin()
    try:
        yield
        connection.commit()
    except BaseException:
        _roll_back(connection)
        raise


def use_threads_for(connection: duckdb.DuckDBPyConnection, rows: int) -> None:
    """Limit the threads of a writer to what an insert of that many rows makes use of."""
    most = max(1, rows // ROWS_PER_THREAD)
    connection.execute(f"SET threads = least({most:d}, current_setting('threads'))")


def count(connection: duckdb.DuckDBPyConnection, statement: str, parameters: Any = None) -> int:
    """The one number that a statement returns: a count, or the rows that it touched."""
    row = connection.execute(statement, parameters).fetchone()
    if row is None:
        raise RuntimeError("a statement that counts returned nothing")
    return int(row[0])


def _roll_back(connection: duckdb.DuckDBPyConnection) -> None:
    try:
        connection.rollback()
    except duckdb.Error:
        # A failed commit has ended the transaction; its own error is the one to report.
        _LOG.debug("nothing to roll back", exc_info=True)


def _make_folder(folder: Path) -> None:
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise ReadOnlyWarehouseError(
            f"The folder {folder} of the warehouse cannot be made ({error.strerror}). Create it, "
            "or set SOUNDLINK_WAREHOUSE to a file elsewhere."
        ) from error


def _open_patiently(
    file: Path, *, read_only: bool, patience: Patience
) -> duckdb.DuckDBPyConnection:
    while True:
        try:
            return _open(file, read_only=read_only)
        except duckdb.Error as error:
            reason = _holder(error)
            if reason is None:
                raise
            patience.pause(reason)


def _holder(error: duckdb.Error) -> str | None:
    """Who keeps us from opening the file, if that is what the error says."""
    if "Could not set lock on file" in str(error):
        return f"which a process outside the platform holds ({_without_link(error)})"
    if "Unique file handle conflict" in str(error):
        return "held by another thread of this process"
    return None


def _open(file: Path | None, *, read_only: bool) -> duckdb.DuckDBPyConnection:
    """A database in memory, with the file attached under a name of ours.

    Opened directly, its name would be the file's, and `soundlink.campaigns` is ambiguous in a
    file called soundlink.duckdb.
    """
    # Without replacement scans, a table that does not exist is an error, never a Python variable.
    connection = duckdb.connect(config={"python_enable_replacements": "false"})
    try:
        connection.execute("SET TimeZone = 'UTC'")
        if file is not None:
            _attach(connection, file, read_only=read_only)
        if not read_only:
            connection.execute("SET preserve_insertion_order = false")
            connection.execute("SET memory_limit = $memory", {"memory": WRITER_MEMORY})
            connection.execute(f"SET threads = least({WRITER_THREADS}, current_setting('threads'))")
    except BaseException:
        connection.close()
        raise
    return connection


def _attach(connection: duckdb.DuckDBPyConnection, file: Path, *, read_only: bool) -> None:
    mode = ", READ_ONLY" if read_only else ""
    connection.execute("SET temp_directory = $folder", {"folder": f"{file}.tmp"})
    connection.execute(f"ATTACH {literal(str(file))} AS {CATALOG} (TYPE duckdb{mode})")
    connection.execute(f"USE {CATALOG}")


def _first_line(error: BaseException) -> str:
    return str(error).strip().splitlines()[0]


def _without_link(error: BaseException) -> str:
    """What DuckDB says, without the page of its documentation at the end."""
    return _first_line(error).partition(". See also http")[0]


@contextmanager
def _translated(file: Path) -> Iterator[None]:
    try:
        yield
    except duckdb.Error as error:
        explained = _explain(error, file)
        if explained is None:
            raise
        raise explained from error


def _explain(error: duckdb.Error, file: Path) -> WarehouseError | None:
    text = str(error)
    for kind, signs, advice in _EXPLANATIONS:
        if any(sign in text for sign in signs):
            return kind(f"SOUNDLINK_WAREHOUSE: {file} {advice} ({_first_line(error)})")
    if isinstance(error, duckdb.CatalogException) and "does not exist" in text:
        return MissingTableError(
            f"{_first_line(error)} Tables appear with the first materialisation of their asset."
        )
    return None


_EXPLANATIONS: tuple[tuple[type[WarehouseError], tuple[str, ...], str], ...] = (
    (
        NotAWarehouseError,
        ("not a valid DuckDB database file",),
        "is no DuckDB database and was left as it is. Move it away, or set another file.",
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
    (
        FullDiskError,
        ("No space left on device", "File too large"),
        "is on a disk that is full; it holds what it held before. Make room, then run again.",
    ),
    (
        ReadOnlyWarehouseError,
        ("Permission denied", "Read-only file system"),
        "cannot be opened: this user lacks the rights to it or its folder. Set another file.",
    ),
)
"""What DuckDB says, and what that means to whoever set SOUNDLINK_WAREHOUSE."""
