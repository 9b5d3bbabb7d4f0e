"""The one place that opens the warehouse: where it is, its lock, its settings, its errors."""

import logging
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

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
"""The name under which the warehouse is attached; no schema of ours has it."""

_LOG = logging.getLogger(__name__)
_CONFIG: dict[str, str | bool | int | float | list[str]] = {"python_enable_replacements": "false"}


def warehouse_file(warehouse: str) -> Path:
    """The file that `SOUNDLINK_WAREHOUSE` names; UnsupportedWarehouseError if it names none."""
    scheme = warehouse.partition(":")[0].lower()
    if scheme in {"md", "motherduck", "ducklake"} or warehouse.strip() in {"", ":memory:"}:
        raise UnsupportedWarehouseError(
            f"SOUNDLINK_WAREHOUSE is {warehouse!r}: only a DuckDB file is supported so far."
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
    if read_only and not file.exists():
        with _open(":memory:", read_only=False) as connection:
            yield connection
        return
    if not read_only:
        _make_folder(file.parent)
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
            return _open(str(file), read_only=read_only)
        except duckdb.IOException as error:
            if not _is_held(error):
                raise
            patience.pause(f"which a process outside the platform holds ({_first_line(error)})")


def _open(database: str, *, read_only: bool) -> duckdb.DuckDBPyConnection:
    """Attach the file under a name of ours.

    Opened directly, its name would be the file's, and `soundlink.campaigns` is ambiguous in a
    file called soundlink.duckdb.
    """
    connection = duckdb.connect(":memory:", config=_CONFIG)
    try:
        if database != ":memory:":
            mode = ", READ_ONLY" if read_only else ""
            connection.execute(f"ATTACH {literal(database)} AS {CATALOG} (TYPE duckdb{mode})")
            connection.execute(f"USE {CATALOG}")
    except BaseException:
        connection.close()
        raise
    connection.execute("SET TimeZone = 'UTC'")
    connection.execute("SET preserve_insertion_order = false")
    return connection


def _is_held(error: duckdb.Error) -> bool:
    return "Could not set lock on file" in str(error)


def _first_line(error: BaseException) -> str:
    return str(error).strip().splitlines()[0]


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
    said = _first_line(error)
    if "not a valid DuckDB database file" in text:
        return NotAWarehouseError(
            f"{file} is no DuckDB database and was left as it is. Move it away, or set "
            "SOUNDLINK_WAREHOUSE to another file."
        )
    if "with version number" in text or "newer version of DuckDB" in text:
        return NewerWarehouseError(
            f"{file} was written by a newer DuckDB than {duckdb.__version__} and was left as it "
            f"is. Upgrade the platform, or set SOUNDLINK_WAREHOUSE to another file. ({said})"
        )
    if "No space left on device" in text or "File too large" in text:
        return FullDiskError(
            f"The disk of {file} is full; the warehouse holds what it held before. Make room, "
            f"then run again. ({said})"
        )
    if any(words in text for words in ("Permission denied", "Read-only file system")):
        return ReadOnlyWarehouseError(
            f"{file} cannot be opened: this user has no access to it or to its folder. ({said})"
        )
    if isinstance(error, duckdb.CatalogException) and "does not exist" in text:
        return MissingTableError(
            f"{said}. Tables appear with the first materialisation of their asset."
        )
    return None
