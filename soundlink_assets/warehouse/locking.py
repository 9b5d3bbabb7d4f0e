"""The lock beside the warehouse file: one writer or several readers, freed when a holder dies.

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
    HeldWarehouseError,
    ReadOnlyWarehouseError,
)

WAIT_SECONDS = 600.0
SAY_EVERY_SECONDS = 30.0
SHORTEST_PAUSE, LONGEST_PAUSE = 0.005, 0.1

_Kind = portalocker.LockFlags


class Patience:
    """A bounded wait with jitter that says what it waits for.

    `wait_seconds` bounds the whole wait, whatever there is to wait for.
    """

    def __init__(self, wait_seconds: float, log: logging.Logger) -> None:
        self.wait_seconds = wait_seconds
        self.log = log
        self.began = time.monotonic()
        self.said: float | None = None

    def pause(self, reason: str) -> None:
        """Sleep a little; HeldWarehouseError with the reason once the wait is used up."""
        now = time.monotonic()
        if now - self.began >= self.wait_seconds:
            raise HeldWarehouseError(
                f"Waited {self.wait_seconds:.0f} s for the warehouse, {reason}. Nothing was "
                "written. Close what holds it, a DuckDB shell or a notebook also if it only reads, "
                "then run again."
            )
        if self.said is None or now - self.said >= SAY_EVERY_SECONDS:
            self.said = now
            self.log.info("waiting for the warehouse, %s", reason)
        time.sleep(random.uniform(SHORTEST_PAUSE, LONGEST_PAUSE))  # noqa: S311  # jitter


def lock_path(file: Path) -> Path:
    """The lock of a warehouse file; it also says who writes."""
    return file.with_name(f"{file.name}.lock")


def queue_path(file: Path) -> Path:
    """The lock that one must hold to take the lock.

    A writer that waits keeps it, so that readers who come and go without a gap cannot starve it.
    """
    return file.with_name(f"{file.name}.queue")


@contextmanager
def locked(file: Path, *, exclusive: bool, purpose: str, patience: Patience) -> Iterator[None]:
    """Hold the lock of `file`, alone or with other readers.

    Raises HeldWarehouseError when the wait is used up, ReadOnlyWarehouseError or FullDiskError
    when a writer cannot create the lock. A reader that cannot create it goes on without: DuckDB's
    own lock still keeps it from reading while somebody writes.
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
            _acquire(queue, _Kind.EXCLUSIVE, lock, patience)
            _acquire(lock, _Kind.EXCLUSIVE if exclusive else _Kind.SHARED, lock, patience)
        if not exclusive:
            yield
            return
        _note(lock, purpose)
        try:
            yield
        finally:
            _note(lock, "")


def _acquire(
    handle: IO[str], kind: portalocker.LockFlags, noted: IO[str], patience: Patience
) -> None:
    while True:
        try:
            portalocker.lock(handle, kind | _Kind.NON_BLOCKING)
        except portalocker.AlreadyLocked:
            patience.pause(_holder(noted))
        else:
            return


def _note(lock: IO[str], purpose: str) -> None:
    with suppress(OSError):  # the note is a courtesy; a full disk must not stop a write over it
        lock.truncate(0)
        if purpose:
            moment = datetime.now(UTC).isoformat(timespec="seconds")
            noted = f"process {os.getpid()} on {socket.gethostname()}, {purpose} since {moment}"
            os.write(lock.fileno(), noted.encode())  # buffered, it would fail again at the close


def _holder(lock: IO[str]) -> str:
    lock.seek(0)
    return f"held by {lock.read().strip() or 'others that read it'}"


def _cannot_lock(file: Path, error: OSError) -> FullDiskError | ReadOnlyWarehouseError:
    if error.errno in {errno.ENOSPC, errno.EDQUOT}:
        return FullDiskError(f"The disk of {file} is full. Make room, then run again.")
    return ReadOnlyWarehouseError(
        f"{file.parent} cannot be written ({error.strerror}). Give this user write access to the "
        "folder, or set SOUNDLINK_WAREHOUSE to a file elsewhere."
    )
