"""Work that the tests run in processes of their own, to be killed or to compete."""

import multiprocessing
import os
import resource
import signal
import sys
import tempfile
from collections.abc import Callable
from multiprocessing.process import BaseProcess
from pathlib import Path
from typing import Any, Self, cast

import duckdb

from soundlink_assets.warehouse import DeliveryBatch, WarehouseError, open_warehouse, writer
from soundlink_assets.warehouse.file import FileWarehouse
from soundlink_assets_tests.warehouse.deliveries import (
    DAY,
    EXPORT,
    NAME,
    ONE_DAY,
    batch,
    frame,
    hour,
    write,
)

COUNTRIES = [f"{first}{second}" for first in "ABCDEFGHIJ" for second in "ABCDEFGHIJ"]
"""A hundred countries: the rows of one campaign-day in these tests."""

DEADLINE = 300
"""Seconds after which a test gives up on another process; never reached when all is well."""

STEPS = (
    "ensure_export",
    "next_stamp",
    "find_delivered_days",
    "find_stored_rows",
    "find_written_days",
    "find_unchanged_rows",
    "archive_superseded_rows",
    "delete_rows",
    "insert_rows",
    "refuse_doubled_rows",
    "record_deliveries",
)

_NOBODY = 65534

# The children of a fork server share what it has imported, and no threads or locks of the test.
_CONTEXT = multiprocessing.get_context("forkserver")
_CONTEXT.set_forkserver_preload([__name__])


def start(work: Callable[..., None], *arguments: Any) -> BaseProcess:
    """Begin `work` in a process of its own."""
    process = _CONTEXT.Process(target=work, args=arguments, daemon=True)
    process.start()
    return process


def run(work: Callable[..., None], *arguments: Any) -> int:
    """Run `work` in a process of its own to its end; its exit code, negative if killed."""
    process = start(work, *arguments)
    process.join(DEADLINE)
    if process.exitcode is None:
        process.kill()
        raise AssertionError(f"{work.__name__} did not end")
    return process.exitcode


def queue() -> Any:
    """A queue through which such processes answer."""
    return _CONTEXT.Queue()


def full_day(campaigns: str, number: int) -> DeliveryBatch:
    """A delivery of one day: every country of each campaign has `number` streams."""
    streams = {(DAY, country): number for country in COUNTRIES}
    return batch(
        ONE_DAY,
        dict.fromkeys(campaigns, streams),
        exported_at=hour(number),
        fetched_at=hour(number),
    )


def write_and_die(
    setting: str, number: int, step: str, moment: str, lake_data: str | None = None
) -> None:
    """Write deliveries, and kill this process before or after the named step."""
    _spool_beside(lake_data or setting)
    if step == "commit":
        _kill_at_commit(moment)
    else:
        original = getattr(writer, step)

        def deadly(*arguments: Any, **named: Any) -> Any:
            if moment == "before":
                _die()
            original(*arguments, **named)
            _die()

        setattr(writer, step, deadly)
    write(open_warehouse(setting, lake_data=lake_data), full_day("ab", number))


def _kill_at_commit(moment: str) -> None:
    class Deadly:
        def __init__(self, real: duckdb.DuckDBPyConnection) -> None:
            self._real = real

        def __getattr__(self, name: str) -> Any:
            return getattr(self._real, name)

        def __enter__(self) -> Self:
            return self

        def __exit__(self, *_: object) -> None:
            raise AssertionError("the process should be dead")

        def commit(self) -> None:
            if moment == "before":
                _die()
            self._real.commit()
            _die()

    original = duckdb.connect
    cast("Any", duckdb).connect = lambda *arguments, **named: Deadly(original(*arguments, **named))


def _spool_beside(setting: str) -> None:
    """Let what a killed process leaves behind go with the test's own folder."""
    tempfile.tempdir = str(Path(setting).parent)


def _die() -> None:
    os.kill(os.getpid(), signal.SIGKILL)


def write_for_ever(setting: str, began: Any, lake_data: str | None = None) -> None:
    """Write one delivery after the other until killed, and say when the first is stored."""
    _spool_beside(lake_data or setting)
    campaigns, number = "ab" if lake_data else "abcdefgh", 2
    while True:
        write(open_warehouse(setting), full_day(campaigns, number))
        began.put(number)
        number += 1


def write_some(setting: str, writer: int, numbers: list[int]) -> None:
    """Write deliveries of a campaign of one's own, and of one that all writers share."""
    for number in numbers:
        streams = {(DAY, country): number for country in COUNTRIES}
        taken = DeliveryBatch(EXPORT, ONE_DAY)
        for campaign in (f"own {writer}", "shared"):
            taken.add(campaign, ONE_DAY, frame(campaign, streams, hour(number)), hour(number))
        write(open_warehouse(setting), taken, run_id=f"writer {writer}")


def read_until(setting: str, stop: Any, answers: Any) -> None:
    """Read again and again; answer how often, and every state that was not whole."""
    reads, broken = 0, []
    while not (reads and stop.is_set()):
        rows = (
            open_warehouse(setting)
            .query(
                "SELECT requested_campaign_id, count(*), min(streams), max(streams) "
                f"FROM {NAME} GROUP BY ALL",
            )
            .rows()
        )
        reads += 1
        broken += [row for row in rows if (row[1] != len(COUNTRIES) or row[2] != row[3])]
    answers.put((reads, broken))


def hold_like_a_shell(setting: str, held: Any, release: Any) -> None:
    """Keep the file open for writing without our lock, as a DuckDB shell does."""
    with duckdb.connect(setting):
        held.set()
        release.wait(DEADLINE)


def hold_with_lock(setting: str, held: Any, release: Any) -> None:
    """Keep the file open for writing under our lock, as a run does."""
    with file_warehouse(setting).connect(writes=True, purpose="writing in a test"):
        held.set()
        release.wait(DEADLINE)


def read_with_lock(setting: str, held: Any, release: Any) -> None:
    """Keep the file open for reading under our lock, as a run does."""
    with open_warehouse(setting).reader():
        held.set()
        release.wait(60)


def file_warehouse(setting: str) -> FileWarehouse:
    """The warehouse of a file, with what only its package sees."""
    return cast("FileWarehouse", open_warehouse(setting))


def event() -> Any:
    """An event that processes share."""
    return _CONTEXT.Event()


def write_with_little_room(setting: str, room: int, answers: Any) -> None:
    """Write a delivery while no file may grow beyond `room` bytes; answer the error."""
    taken = full_day("abcdefghijklmnop", 2)
    taken.files()
    _limit_files(room)
    _answer_error(lambda: write(open_warehouse(setting), taken), answers)


def spool_with_little_room(answers: Any) -> None:
    """Spool a delivery while no file may grow beyond a few bytes; answer the error."""
    with full_day("abcdefghijklmnop", 2) as taken:
        _limit_files(100)
        _answer_error(taken.files, answers)


def _limit_files(room: int) -> None:
    sys.dont_write_bytecode = True  # it would be cut off at the limit, for all that come later
    resource.setrlimit(resource.RLIMIT_FSIZE, (room, room))


def write_to_read_only_folder(answers: Any) -> None:
    """Write into a folder without rights, as a user without privileges; answer the errors."""
    with tempfile.TemporaryDirectory() as outer:
        tempfile.tempdir = outer
        if os.geteuid() == 0:
            os.chown(outer, _NOBODY, _NOBODY)
            os.setegid(_NOBODY)
            os.seteuid(_NOBODY)
        try:
            _write_without_rights(Path(outer) / "warehouse", answers)
        finally:
            os.seteuid(os.getuid())


def _write_without_rights(folder: Path, answers: Any) -> None:
    folder.mkdir()
    stored = folder / "stored.duckdb"
    with duckdb.connect(stored) as connected:
        connected.execute("CREATE TABLE t AS SELECT 42 AS answer")
    folder.chmod(0o555)
    try:
        new, inner = str(folder / "new.duckdb"), str(folder / "a" / "b.duckdb")
        _answer_error(lambda: write(open_warehouse(new), full_day("a", 1)), answers)
        _answer_error(lambda: write(open_warehouse(inner), full_day("a", 1)), answers)
        answers.put(open_warehouse(str(stored)).query("SELECT answer FROM t").item())
        stored.chmod(0o000)
        _answer_error(lambda: open_warehouse(str(stored)).query("SELECT answer FROM t"), answers)
    finally:
        folder.chmod(0o755)


def _answer_error(work: Callable[[], object], answers: Any) -> None:
    try:
        work()
    except WarehouseError as error:
        answers.put((type(error).__name__, str(error)))
    else:
        answers.put(None)


def poll(copy: str, told: Any, done: Any) -> None:
    """Open a read copy without a pause: tells what it reads first, and in the end all of it."""
    opens, seen, errors = 0, [], []
    while not done.is_set():
        try:
            with duckdb.connect(copy, read_only=True) as connection:
                row = connection.execute(f"SELECT max(streams) FROM {NAME}").fetchone()
            seen.append(row[0] if row else None)
        except duckdb.Error as error:
            errors.append(str(error))
        if opens == 0:
            told.put(seen[0] if seen else errors)
        opens += 1
    told.put((opens, seen, errors))
