"""The read copy of a warehouse file: what people and their tools read, so that no run waits.

DuckDB lets nobody write a file that anybody reads. At the end of a run that changed the file, a
copy takes its place beside it by a rename: who has the old copy open keeps it, who opens next gets
the new one. What is superseded, and the delivery logs, are in a schema of their own.
"""

import os
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from typing_extensions import override

from soundlink_assets.schema.tables import Table
from soundlink_assets.schema.window import Window
from soundlink_assets.warehouse.copying import copy_all
from soundlink_assets.warehouse.duckdb_warehouse import DuckDBReader, explained
from soundlink_assets.warehouse.file import EXPLANATIONS, FileWarehouse, open_file
from soundlink_assets.warehouse.protocol import WAIT_SECONDS
from soundlink_assets.warehouse.tables import Connection, transaction

if TYPE_CHECKING:
    import polars as pl

HISTORY = "history"
"""The schema of what is superseded and of the delivery logs, in a read copy."""

_OF_HISTORY = ("_superseded", "_delivery_log")


class ReadCopy(FileWarehouse):
    """The read copy beside a warehouse file, which nobody writes: no lock, and no waiting."""

    @override
    @contextmanager
    def connect(
        self, *, writes: bool, purpose: str, wait_seconds: float = WAIT_SECONDS
    ) -> Iterator[Connection]:
        assert not writes  # noqa: S101 - see the class
        with explained(self.name, EXPLANATIONS), open_file(self.file, writes=False) as connection:
            yield connection

    @override
    @contextmanager
    def reader(
        self, purpose: str = "", wait_seconds: float = WAIT_SECONDS
    ) -> Iterator[DuckDBReader]:
        with self.connect(writes=False, purpose=purpose) as connection, transaction(connection):
            yield _Reader(connection)


class _Reader(DuckDBReader):
    @override
    def load(
        self, table: Table, window: Window | None = None, columns: Sequence[str] | None = None
    ) -> "pl.DataFrame":
        placed = replace(table, schema=schema_in_copy(table.schema, table.name))
        return super().load(placed, window, columns)


def schema_in_copy(schema: str, name: str) -> str:
    """The schema that a table of the warehouse has in its read copy."""
    return HISTORY if name.endswith(_OF_HISTORY) else schema


def read_copy_of(file: Path) -> Path:
    """Where the read copy of a warehouse file is."""
    return file.with_name(f"{file.stem}.read.duckdb")


def publish(warehouse: FileWarehouse) -> bool:
    """Publish the warehouse's state as its read copy; whether there was anything new.

    If it fails or is killed, the copy stays as it was, and the next one is made as if nothing had
    been. OSError, duckdb.Error or WarehouseError if it fails.
    """
    copy = read_copy_of(warehouse.file)
    half = copy.with_name(f"{copy.name}.part")
    if not warehouse.file.exists() or _modified(copy) == _modified(warehouse.file):
        return False
    with warehouse.connect(writes=True, purpose="publishing the read copy") as old:
        old.execute("CHECKPOINT")
        # The copy gets the modification time of its original, which tells whether it is the newest.
        modified = _modified(warehouse.file)
        _remove(half)
        try:
            with open_file(half, writes=True) as new, transaction(new):
                copy_all(old, new, half.name, place=schema_in_copy)
            os.utime(half, ns=(modified, modified))
            half.chmod(0o444)  # a tool that opens it for writing would leave a log beside it
            half.replace(copy)
        finally:
            _remove(half)
    return True


def _modified(file: Path) -> int:
    return file.stat().st_mtime_ns if file.exists() else 0


def _remove(file: Path) -> None:
    for each in (file, Path(f"{file}.wal")):
        each.unlink(missing_ok=True)
