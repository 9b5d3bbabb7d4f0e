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

from soundlink_assets.warehouse.connection import connect
from soundlink_assets.warehouse.errors import HeldWarehouseError
from soundlink_assets.warehouse.locking import Patience, locked
from soundlink_assets.warehouse.reading import read_frame
from soundlink_assets_tests.warehouse.deliveries import NAME, write
from soundlink_assets_tests.warehouse.processes import (
    COUNTRIES,
    PATIENCE,
    event,
    full_cell,
    hold_like_a_shell,
    hold_with_lock,
    queue,
    read_until,
    read_with_lock,
    start,
    write_some,
)

WRITERS = 4
WRITES = 5


def test_several_writers_and_readers_lose_nothing_and_double_nothing(warehouse: str) -> None:
    numbers = list(range(1, WRITERS * WRITES + 1))
    random.Random(4).shuffle(numbers)  # noqa: S311  # the order in which deliveries are written
    write(warehouse, full_cell("z", 1))
    stop, answers = event(), queue()
    readers = [start(read_until, warehouse, stop, answers) for _ in range(2)]
    writers = [start(write_some, warehouse, n, numbers[n::WRITERS]) for n in range(WRITERS)]
    for process in writers:
        process.join(PATIENCE)
    stop.set()
    for reads, broken in (answers.get(timeout=PATIENCE) for _ in readers):
        assert reads > 0
        assert broken == []
    assert [process.exitcode for process in writers] == [0] * WRITERS

    newest = {f"own {n}": max(numbers[n::WRITERS]) for n in range(WRITERS)}
    rows = read_frame(
        warehouse,
        f"SELECT requested_campaign_id, streams, count(*) FROM {NAME} "
        "WHERE requested_campaign_id <> 'z' GROUP BY ALL",
    ).rows()
    assert sorted(rows) == sorted(
        (campaign, number, len(COUNTRIES))
        for campaign, number in {**newest, "shared": max(numbers)}.items()
    )
    history = read_frame(
        warehouse,
        "SELECT streams, count(*) AS rows, count(DISTINCT superseded_at) AS moments "
        f"FROM {NAME}_superseded WHERE requested_campaign_id = 'shared' GROUP BY ALL",
    )
    assert set(history.get_column("rows")) <= {len(COUNTRIES)}
    assert set(history.get_column("moments")) <= {1}


HOLDERS = [hold_like_a_shell, hold_with_lock]


@pytest.mark.parametrize("hold", HOLDERS)
@pytest.mark.parametrize("exclusive", [True, False])
def test_a_held_file_is_waited_for(
    warehouse: str,
    hold: Callable[..., None],
    caplog: pytest.LogCaptureFixture,
    *,
    exclusive: bool,
) -> None:
    write(warehouse, full_cell("a", 1))
    held, release = event(), event()
    holder = start(hold, warehouse, held, release)
    held.wait(PATIENCE)

    class ReleaseWhenSaid(logging.Handler):
        def emit(self, _record: logging.LogRecord) -> None:
            release.set()

    log = _log("run")
    log.addHandler(ReleaseWhenSaid())
    log.addHandler(caplog.handler)
    with connect(warehouse, read_only=not exclusive, wait_seconds=PATIENCE, log=log) as connection:
        rows = connection.execute(f"SELECT count(*) FROM {NAME}").fetchall()

    assert rows == [(len(COUNTRIES),)]
    holder.join(PATIENCE)
    if hold is hold_with_lock:
        assert f"held by process {holder.pid} on" in caplog.text
        assert "writing in a test since" in caplog.text
    else:
        assert "which a process outside the platform holds" in caplog.text
        assert f"PID {holder.pid}" in caplog.text


@pytest.mark.parametrize("hold", HOLDERS)
def test_waiting_is_bounded_and_says_who_holds_the_file(
    warehouse: str, hold: Callable[..., None]
) -> None:
    write(warehouse, full_cell("a", 1))
    held, release = event(), event()
    holder = start(hold, warehouse, held, release)
    held.wait(PATIENCE)

    with (
        pytest.raises(HeldWarehouseError, match=rf"Waited 0 s .*{holder.pid}.*Close what holds it"),
        connect(warehouse, read_only=False, wait_seconds=0.2),
    ):
        pass
    release.set()
    holder.join(PATIENCE)


def test_readers_share_the_file(warehouse: str) -> None:
    write(warehouse, full_cell("a", 1))
    held, release = event(), event()
    reader = start(read_with_lock, warehouse, held, release)
    held.wait(PATIENCE)

    with connect(warehouse, read_only=True, wait_seconds=0) as connection:
        assert connection.execute(f"SELECT count(*) FROM {NAME}").fetchall() == [(len(COUNTRIES),)]
    release.set()
    reader.join(PATIENCE)


def test_threads_of_one_process_wait_for_each_other(warehouse: str) -> None:
    write(warehouse, full_cell("a", 1))

    def work(number: int) -> int:
        if number % 3 == 0:
            return write(warehouse, full_cell("a", number + 2)).kept_cells
        return int(read_frame(warehouse, f"SELECT count(*) FROM {NAME}").item())

    with ThreadPoolExecutor(6) as threads:
        results = list(threads.map(work, range(12)))

    assert {results[n] for n in range(12) if n % 3} == {len(COUNTRIES)}
    newest = read_frame(warehouse, f"SELECT DISTINCT streams FROM {NAME}").item()
    assert newest == max(n + 2 for n in range(12) if n % 3 == 0)


def test_a_writer_that_waits_goes_before_readers_that_come_later(tmp_path: Path) -> None:
    file = tmp_path / "warehouse.duckdb"
    order: list[str] = []

    class LateReader(logging.Handler):
        """Comes while the writer waits for the first reader, and is turned away."""

        def emit(self, _record: logging.LogRecord) -> None:
            with pytest.raises(HeldWarehouseError), _reading(file):
                order.append("late reader")
            first_reader.__exit__(None, None, None)

    log = _log("writer")
    log.addHandler(LateReader())
    first_reader = _reading(file)
    first_reader.__enter__()
    with locked(file, exclusive=True, purpose="", patience=Patience(PATIENCE, log)):
        order.append("writer")

    assert order == ["writer"]


def _log(name: str) -> logging.Logger:
    log = logging.getLogger(f"{__name__}.{name}")
    log.setLevel(logging.INFO)
    return log


def _reading(file: Path) -> AbstractContextManager[None]:
    patience = Patience(0, logging.getLogger(__name__))
    return locked(file, exclusive=False, purpose="", patience=patience)


def test_a_duckdb_shell_may_read_while_our_runs_read(warehouse: str) -> None:
    write(warehouse, full_cell("a", 1))

    with connect(warehouse, read_only=True):
        # Another process, because DuckDB shares one database within a process.
        answers = queue()
        process = start(_read_only_shell, warehouse, answers)
        assert answers.get(timeout=PATIENCE) == len(COUNTRIES)
        process.join(PATIENCE)


def _read_only_shell(warehouse: str, answers: Any) -> None:
    with duckdb.connect(warehouse, read_only=True) as connection:
        row = connection.execute(f"SELECT count(*) FROM {NAME}").fetchone()
        answers.put(row[0] if row else None)
