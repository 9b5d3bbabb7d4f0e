"""The lock beside the warehouse file: one writer or several readers, freed when a holder dies.

DuckDB lets one process write and refuses everybody else at once; with this lock ours queue.
See docs/decisions/0002-own-lock.md.
"""

import logging
import os
import random
import socket
import time
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import IO

import portalocker

from soundlink_assets.warehouse.errors import HeldWarehouseError, ReadOnlyWarehouseError

WAIT_SECONDS = 600.0
SAY_EVERY_SECONDS = 30.0
SHORTEST_PAUSE, LONGEST_PAUSE = 0.01, 0.15


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
                "written. Close what holds it (a DuckDB shell can open it with -readonly), then "
                "run again."
            )
        if self.said is None or now - self.said >= SAY_EVERY_SECONDS:
            self.said = now
            self.log.info("waiting for the warehouse, %s", reason)
        time.sleep(random.uniform(SHORTEST_PAUSE, LONGEST_PAUSE))  # noqa: S311  # jitter


def lock_path(file: Path) -> Path:
    """The lock file of a warehouse file."""
    return file.with_name(file.name + ".lock")


@contextmanager
def locked(file: Path, *, exclusive: bool, purpose: str, patience: Patience) -> Iterator[None]:
    """Hold the lock of `file`, alone or with other readers.

    Raises HeldWarehouseError when the wait is used up, ReadOnlyWarehouseError when a writer may
    not create the lock file. A reader that may not create it goes on without: where it cannot
    write, it cannot disturb a writer that DuckDB's own lock does not stop.
    """
    try:
        handle = lock_path(file).open("a+", encoding="utf-8")
    except OSError as error:
        if exclusive:
            raise ReadOnlyWarehouseError(
                f"{lock_path(file)} cannot be written ({error.strerror}). Give this user write "
                "access to the folder, or set SOUNDLINK_WAREHOUSE to a file elsewhere."
            ) from error
        yield
        return
    with handle:
        _acquire(handle, exclusive=exclusive, patience=patience)
        if exclusive:
            _note(handle, purpose)
        yield
        if exclusive:
            _note(handle, "")


def _acquire(handle: IO[str], *, exclusive: bool, patience: Patience) -> None:
    kind = portalocker.LockFlags.EXCLUSIVE if exclusive else portalocker.LockFlags.SHARED
    while True:
        try:
            portalocker.lock(handle, kind | portalocker.LockFlags.NON_BLOCKING)
        except portalocker.AlreadyLocked:
            patience.pause(_holder(handle))
        else:
            return


def _note(handle: IO[str], purpose: str) -> None:
    handle.seek(0)
    handle.truncate()
    if purpose:
        moment = datetime.now(UTC).isoformat(timespec="seconds")
        handle.write(f"process {os.getpid()} on {socket.gethostname()}: {purpose} since {moment}")
    handle.flush()


def _holder(handle: IO[str]) -> str:
    handle.seek(0)
    return f"held by {handle.read().strip() or 'another run that reads it'}"
