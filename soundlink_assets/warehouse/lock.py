"""The lock beside a warehouse file: one writer or several readers, freed when a holder dies.

DuckDB lets one process write and refuses everybody else at once; with this lock ours queue.
See docs/decisions/0006-own-lock.md.
"""

import errno
import logging
import os
import random
import socket
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from datetime import UTC, datetime
from pathlib import Path
from typing import IO

import portalocker

from soundlink_assets.warehouse.errors import (
    FullDiskError,
    LockedWarehouseError,
    ReadOnlyWarehouseError,
)

LOG_EVERY_SECONDS = 30.0
SHORTEST_PAUSE, LONGEST_PAUSE = 0.005, 0.1

_Kind = portalocker.LockFlags


class Deadline:
    """A bounded wait with jitter that logs what it waits for.

    `wait_seconds` bounds the whole wait, however many things there are to wait for.
    """

    def __init__(self, wait_seconds: float, log: logging.Logger) -> None:
        self.wait_seconds = wait_seconds
        self.log = log
        self.began = time.monotonic()
        self.logged: float | None = None

    def pause(self, reason: str) -> None:
        """Sleep a little; LockedWarehouseError with the reason once the time is up."""
        now = time.monotonic()
        if now - self.began >= self.wait_seconds:
            raise LockedWarehouseError(
                f"Waited {self.wait_seconds:.0f} s for the warehouse, {reason}. Nothing was "
                "written. Close what holds it, a DuckDB shell or a notebook also if it only reads, "
                "then run again."
            )
        if self.logged is None or now - self.logged >= LOG_EVERY_SECONDS:
            self.logged = now
            self.log.info("waiting for the warehouse, %s", reason)
        time.sleep(random.uniform(SHORTEST_PAUSE, LONGEST_PAUSE))  # noqa: S311  # jitter


def process_note(purpose: str) -> str:
    """Who holds a lock, for those who wait for it."""
    moment = datetime.now(UTC).isoformat(timespec="seconds")
    return f"process {os.getpid()} on {socket.gethostname()}, {purpose} since {moment}"


def lock_path(file: Path) -> Path:
    """The lock of a warehouse file; its content names the writer."""
    return file.with_name(f"{file.name}.lock")


def queue_path(file: Path) -> Path:
    """The lock that one must hold to take the lock.

    A writer that waits keeps it, so that readers who come and go without a gap cannot starve it.
    """
    return file.with_name(f"{file.name}.queue")


@contextmanager
def locked(file: Path, *, exclusive: bool, purpose: str, deadline: Deadline) -> Iterator[None]:
    """Hold the lock of `file`, alone or with other readers.

    Raises LockedWarehouseError when the time is up, ReadOnlyWarehouseError or FullDiskError when a
    writer cannot create the lock. A reader that cannot create it goes on without: DuckDB's own lock
    still keeps it from reading while somebody writes.
    """
    try:
        lock = lock_path(file).open("a+", encoding="utf-8")
    except OSError as error:
        if exclusive:
            raise _cannot_lock(file, error) from error
        yield
        return
    with lock:
        with queue_path(file).open("a+", encoding="utf-8") as queue:
            _acquire(queue, _Kind.EXCLUSIVE, lock, deadline)
            _acquire(lock, _Kind.EXCLUSIVE if exclusive else _Kind.SHARED, lock, deadline)
        if not exclusive:
            yield
            return
        _write_note(lock, process_note(purpose))
        try:
            yield
        finally:
            _write_note(lock, "")


def _acquire(
    handle: IO[str], kind: portalocker.LockFlags, noted: IO[str], deadline: Deadline
) -> None:
    while True:
        try:
            portalocker.lock(handle, kind | _Kind.NON_BLOCKING)
        except portalocker.AlreadyLocked:
            deadline.pause(_holder(noted))
        else:
            return


def _write_note(lock: IO[str], note: str) -> None:
    with suppress(OSError):  # the note is a courtesy; a full disk must not stop a write over it
        lock.truncate(0)
        os.write(lock.fileno(), note.encode())  # buffered, it would fail again at the close


def _holder(lock: IO[str]) -> str:
    lock.seek(0)
    return f"locked by {lock.read().strip() or 'others that read it'}"


def _cannot_lock(file: Path, error: OSError) -> FullDiskError | ReadOnlyWarehouseError:
    if error.errno in {errno.ENOSPC, errno.EDQUOT}:
        return FullDiskError(f"The disk of {file} is full. Make room, then run again.")
    return ReadOnlyWarehouseError(
        f"{file.parent} cannot be written ({error.strerror}). Give this user write access to the "
        "folder, or set SOUNDLINK_WAREHOUSE to a file elsewhere."
    )
