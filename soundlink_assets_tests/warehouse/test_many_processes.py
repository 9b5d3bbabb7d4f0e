"""Several processes on one file: all writes land whole, readers see whole states, waits end."""

import logging
import random
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Any

import duckdb
import pytest

from soundlink_assets.warehouse import LockedWarehouseError, Warehouse
from soundlink_assets.warehouse.file import FileWarehouse
from soundlink_assets.warehouse.lock import Deadline, locked
from soundlink_assets_tests.warehouse.deliveries import NAME, write
from soundlink_assets_tests.warehouse.processes import (
    COUNTRIES,
    DEADLINE,
    event,
    file_warehouse,
    full_day,
    hold_like_a_shell,
    hold_with_lock,
    queue,
    read_until,
    read_with_lock,
    start,
    write_some,
)

FILE_ONLY = True
WRITERS = 4
WRITES = 5


def test_several_writers_and_readers_lose_nothing_and_double_nothing(
    setting: str, warehouse: Warehouse
) -> None:
    numbers = list(range(1, WRITERS * WRITES + 1))
    random.Random(4).shuffle(numbers)  # noqa: S311  # the order in which deliveries are written
    write(warehouse, full_day("z", 1))
    stop, answers = event(), queue()
    readers = [start(read_until, setting, stop, answers) for _ in range(2)]
    writers = [start(write_some, setting, n, numbers[n::WRITERS]) for n in range(WRITERS)]
    for process in writers:
        process.join(DEADLINE)
    stop.set()
    for reads, broken in (answers.get(timeout=DEADLINE) for _ in readers):
        assert reads > 0
        assert broken == []
    assert [process.exitcode for process in writers] == [0] * WRITERS

    newest = {f"own {n}": max(numbers[n::WRITERS]) for n in range(WRITERS)}
    rows = warehouse.query(
        f"SELECT requested_campaign_id, streams, count(*) FROM {NAME} "
        "WHERE requested_campaign_id <> 'z' GROUP BY ALL",
    ).rows()
    assert sorted(rows) == sorted(
        (campaign, number, len(COUNTRIES))
        for campaign, number in {**newest, "shared": max(numbers)}.items()
    )
    history = warehouse.query(
        "SELECT streams, count(*) AS rows, count(DISTINCT superseded_at) AS moments "
        f"FROM {NAME}_superseded WHERE requested_campaign_id = 'shared' GROUP BY ALL",
    )
    assert set(history.get_column("rows")) <= {len(COUNTRIES)}
    assert set(history.get_column("moments")) <= {1}


HOLDERS = [hold_like_a_shell, hold_with_lock]


@pytest.mark.parametrize("hold", HOLDERS)
@pytest.mark.parametrize("exclusive", [True, False])
def test_a_held_file_is_waited_for(
    setting: str,
    warehouse: Warehouse,
    hold: Callable[..., None],
    caplog: pytest.LogCaptureFixture,
    *,
    exclusive: bool,
) -> None:
    write(warehouse, full_day("a", 1))
    held, release = event(), event()
    holder = start(hold, setting, held, release)
    held.wait(DEADLINE)

    class ReleaseWhenSaid(logging.Handler):
        def emit(self, _record: logging.LogRecord) -> None:
            release.set()

    log = _log("run")
    log.addHandler(ReleaseWhenSaid())
    log.addHandler(caplog.handler)
    with FileWarehouse(setting, log).connect(
        writes=exclusive, purpose="", wait_seconds=DEADLINE
    ) as connection:
        rows = connection.execute(f"SELECT count(*) FROM {NAME}").fetchall()

    assert rows == [(len(COUNTRIES),)]
    holder.join(DEADLINE)
    if hold is hold_with_lock:
        assert f"locked by process {holder.pid} on" in caplog.text
        assert "writing in a test since" in caplog.text
    else:
        assert "which a process outside the platform has locked" in caplog.text
        assert f"PID {holder.pid}" in caplog.text


@pytest.mark.parametrize("hold", HOLDERS)
def test_waiting_is_bounded_and_says_who_holds_the_file(
    setting: str, warehouse: Warehouse, hold: Callable[..., None]
) -> None:
    write(warehouse, full_day("a", 1))
    held, release = event(), event()
    holder = start(hold, setting, held, release)
    held.wait(DEADLINE)

    with (
        pytest.raises(
            LockedWarehouseError, match=rf"Waited 0 s .*{holder.pid}.*Close what holds it"
        ),
        file_warehouse(setting).connect(writes=True, purpose="", wait_seconds=0.2),
    ):
        pass
    release.set()
    holder.join(DEADLINE)


def test_readers_share_the_file(setting: str, warehouse: Warehouse) -> None:
    write(warehouse, full_day("a", 1))
    held, release = event(), event()
    other = start(read_with_lock, setting, held, release)
    held.wait(DEADLINE)

    with warehouse.reader(wait_seconds=0) as reader:
        assert reader.query(f"SELECT count(*) FROM {NAME}").item() == len(COUNTRIES)
    release.set()
    other.join(DEADLINE)


def test_threads_of_one_process_wait_for_each_other(warehouse: Warehouse) -> None:
    write(warehouse, full_day("a", 1))

    def work(number: int) -> int:
        if number % 3 == 0:
            return write(warehouse, full_day("a", number + 2)).kept_days
        return int(warehouse.query(f"SELECT count(*) FROM {NAME}").item())

    with ThreadPoolExecutor(6) as threads:
        results = list(threads.map(work, range(12)))

    assert {results[n] for n in range(12) if n % 3} == {len(COUNTRIES)}
    newest = warehouse.query(f"SELECT DISTINCT streams FROM {NAME}").item()
    assert newest == max(n + 2 for n in range(12) if n % 3 == 0)


def test_a_writer_that_waits_goes_before_readers_that_come_later(tmp_path: Path) -> None:
    file = tmp_path / "warehouse.duckdb"
    order: list[str] = []

    class LateReader(logging.Handler):
        """Comes while the writer waits for the first reader, and is turned away."""

        def emit(self, _record: logging.LogRecord) -> None:
            with pytest.raises(LockedWarehouseError), _reading(file):
                order.append("late reader")
            first_reader.__exit__(None, None, None)

    log = _log("writer")
    log.addHandler(LateReader())
    first_reader = _reading(file)
    first_reader.__enter__()
    with locked(file, exclusive=True, purpose="", deadline=Deadline(DEADLINE, log)):
        order.append("writer")

    assert order == ["writer"]


def _log(name: str) -> logging.Logger:
    log = logging.getLogger(f"{__name__}.{name}")
    log.setLevel(logging.INFO)
    return log


def _reading(file: Path) -> AbstractContextManager[None]:
    deadline = Deadline(0, logging.getLogger(__name__))
    return locked(file, exclusive=False, purpose="", deadline=deadline)


def test_a_duckdb_shell_may_read_while_our_runs_read(setting: str, warehouse: Warehouse) -> None:
    write(warehouse, full_day("a", 1))

    with warehouse.reader():
        # Another process, because DuckDB shares one database within a process.
        answers = queue()
        process = start(_read_only_shell, setting, answers)
        assert answers.get(timeout=DEADLINE) == len(COUNTRIES)
        process.join(DEADLINE)


def _read_only_shell(setting: str, answers: Any) -> None:
    with duckdb.connect(setting, read_only=True) as connection:
        row = connection.execute(f"SELECT count(*) FROM {NAME}").fetchone()
        answers.put(row[0] if row else None)
