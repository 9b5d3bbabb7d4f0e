"""The read copy: what it holds, when it is published, and that no reader delays a run."""

from pathlib import Path
from typing import Any, cast

import dagster as dg
import duckdb
import pytest

from soundlink_assets.warehouse import Warehouse, open_for_reading, open_warehouse
from soundlink_assets.warehouse.file import FileWarehouse
from soundlink_assets.warehouse.io_manager import warehouse_io_manager
from soundlink_assets.warehouse.read_copy import HISTORY, ReadCopy, publish, read_copy_of
from soundlink_assets_tests.warehouse.deliveries import (
    DAY,
    EXPORT,
    NAME,
    ONE_DAY,
    TABLE,
    batch,
    hour,
    write,
)
from soundlink_assets_tests.warehouse.processes import DEADLINE, event, poll, queue, start
from soundlink_assets_tests.warehouse.test_dagster import exports

FILE_ONLY = True


@pytest.fixture
def file(warehouse: Warehouse) -> FileWarehouse:
    """A warehouse whose one row was superseded."""
    for number in (1, 2):
        delivered = {"a": {(DAY, "US"): number}}
        write(warehouse, batch(ONE_DAY, delivered, exported_at=hour(number)), now=hour(number))
    return cast("FileWarehouse", warehouse)


def streams(copy: Path) -> list[tuple[Any, ...]]:
    with duckdb.connect(copy, read_only=True) as connection:
        return connection.execute(f"SELECT streams FROM {NAME}").fetchall()


def test_people_find_their_tables_in_front_and_the_history_apart(file: FileWarehouse) -> None:
    publish(file)

    with duckdb.connect(read_copy_of(file.file), read_only=True) as copy:
        tables = copy.execute("SELECT schema_name, table_name, comment FROM duckdb_tables()")
        found = {f"{schema}.{name}": comment for schema, name, comment in tables.fetchall()}
        past = copy.execute(f"SELECT streams FROM {NAME}_as_of($then)", {"then": hour(1.5)})
        assert past.fetchall() == [(1,)]
    assert set(found) == {
        NAME,
        f"{HISTORY}.{EXPORT.superseded.name}",
        f"{HISTORY}.{EXPORT.delivery_log.name}",
    }
    assert found[NAME].startswith(TABLE.description)


def test_our_own_reads_find_every_table_in_the_copy(file: FileWarehouse) -> None:
    publish(file)
    copy = open_for_reading(file.name)

    assert isinstance(copy, ReadCopy)
    for table in (TABLE, EXPORT.superseded, EXPORT.delivery_log):
        assert copy.load(table).equals(file.load(table))


def test_without_a_copy_the_file_itself_is_read(file: FileWarehouse) -> None:
    assert type(open_for_reading(file.name)) is FileWarehouse


def test_it_is_published_only_after_a_change(file: FileWarehouse) -> None:
    assert [publish(file), publish(file)] == [True, False]
    write(file, batch(ONE_DAY, {"a": {(DAY, "US"): 3}}, exported_at=hour(3)), now=hour(3))
    assert publish(file)
    assert streams(read_copy_of(file.file)) == [(3,)]


def test_a_warehouse_that_does_not_exist_has_no_copy(warehouse: Warehouse, tmp_path: Path) -> None:
    assert not publish(cast("FileWarehouse", warehouse))
    assert not list(tmp_path.iterdir())


def test_what_a_killed_process_left_is_in_nobodys_way(file: FileWarehouse) -> None:
    copy = read_copy_of(file.file)
    for left in (f"{copy}.part", f"{copy}.part.wal"):
        Path(left).write_bytes(b"half of it")

    assert publish(file)
    assert streams(copy) == [(2,)]
    assert not list(copy.parent.glob("*.part*"))


# ---- in runs ----


def run(file: FileWarehouse, number: int, *, read_copy: bool = True) -> dg.ExecuteInProcessResult:
    return dg.materialize(
        [exports(number, exported=number)],
        resources={
            "io_manager": warehouse_io_manager(file.name, [EXPORT], [], read_copy=read_copy)
        },
        partition_key=DAY.isoformat(),
    )


@pytest.mark.slow
def test_no_run_waits_for_readers_and_no_reader_fails(
    file: FileWarehouse, capfd: pytest.CaptureFixture[str]
) -> None:
    """Over three runs: one reader stays connected, and one opens the copy without a pause."""
    publish(file)
    copy, told, done = read_copy_of(file.file), queue(), event()
    poller = start(poll, str(copy), told, done)
    assert told.get(timeout=DEADLINE) == 2  # it reads

    with duckdb.connect(copy, read_only=True) as connected:
        for number in range(3, 6):
            assert run(file, number).success
            assert connected.execute(f"SELECT max(streams) FROM {NAME}").fetchone() == (2,)
    done.set()
    opens, seen, errors = told.get(timeout=DEADLINE)
    poller.join(DEADLINE)

    assert errors == []
    assert opens > 3
    assert seen == sorted(seen)
    logged = capfd.readouterr().err
    assert "STEP_SUCCESS" in logged
    assert "waiting for the warehouse" not in logged
    assert {value for (value,) in streams(copy)} == {5}


def test_a_copy_that_cannot_be_published_fails_no_run(
    file: FileWarehouse, capfd: pytest.CaptureFixture[str]
) -> None:
    read_copy_of(file.file).mkdir()

    assert run(file, 3).success
    assert "The read copy stays as it was" in capfd.readouterr().err


def test_the_copy_can_be_switched_off(file: FileWarehouse) -> None:
    assert run(file, 3, read_copy=False).success
    assert not read_copy_of(file.file).exists()
    assert open_warehouse(file.name).query(f"SELECT max(streams) FROM {NAME}").item() == 3


def test_nobody_may_write_the_copy(file: FileWarehouse) -> None:
    publish(file)

    assert read_copy_of(file.file).stat().st_mode & 0o222 == 0
