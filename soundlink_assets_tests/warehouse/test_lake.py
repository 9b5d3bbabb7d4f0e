"""What only a lake has: writers on several hosts, readers that never wait, a password."""

import os
import re
import signal
import sys
import threading
from datetime import timedelta
from pathlib import Path
from typing import Any, cast

import dagster as dg
import duckdb
import polars as pl
import pytest

from soundlink_assets.settings import Settings, SettingsError, load_settings
from soundlink_assets.warehouse import (
    DeliveryBatch,
    LockedWarehouseError,
    UnreachableWarehouseError,
    UnsupportedWarehouseError,
    Warehouse,
    WarehouseError,
    open_warehouse,
)
from soundlink_assets.warehouse import lake as lakes
from soundlink_assets.warehouse.copying import copy_warehouse
from soundlink_assets.warehouse.io_manager import warehouse_io_manager
from soundlink_assets.warehouse.lake import LakeWarehouse
from soundlink_assets_tests.postgres import Postgres
from soundlink_assets_tests.warehouse import stress
from soundlink_assets_tests.warehouse.deliveries import (
    DAY,
    EXPORT,
    HISTORY,
    LOG,
    NAME,
    ONE_DAY,
    batch,
    frame,
    hour,
    write,
)
from soundlink_assets_tests.warehouse.processes import (
    DEADLINE,
    event,
    full_day,
    queue,
    run,
    start,
    write_and_die,
    write_for_ever,
)
from soundlink_assets_tests.warehouse.test_killed import state, whole

LAKE_ONLY = True
SECRET = "s3cr3t-of-the-lake"  # noqa: S105  # looked for in what is shown


@pytest.fixture
def words(postgres: Postgres) -> str:
    return postgres.new_database()


@pytest.fixture
def data(tmp_path: Path) -> str:
    return str(tmp_path / "lake")


@pytest.fixture
def warehouse(words: str, data: str) -> Warehouse:
    return open_warehouse(f"ducklake:postgres:{words}", lake_data=data)


def streams(warehouse: Warehouse, table: str = NAME) -> list[tuple[Any, ...]]:
    return warehouse.query(
        f"SELECT requested_campaign_id, streams, count(*) FROM {table} GROUP BY ALL ORDER BY ALL"
    ).rows()


def test_any_client_reads_it_with_a_plain_attach(
    warehouse: Warehouse, words: str, tmp_path: Path
) -> None:
    file = open_warehouse(str(tmp_path / "warehouse.duckdb"))
    for each in (warehouse, file):
        write(each, batch(ONE_DAY, {"a": {(DAY, "US"): 1}}), now=hour(1))

    with duckdb.connect() as connection:
        for extension in ("ducklake", "postgres_scanner"):
            lakes.load_extension(connection, extension)
        connection.execute(f"ATTACH 'ducklake:postgres:{words}' AS lake")
        found = connection.execute(f"SELECT streams FROM lake.{NAME}").fetchall()
        connection.execute("USE lake")
        past = connection.execute(f"SELECT streams FROM {NAME}_as_of('{hour(1)}')").fetchall()
        tables = connection.execute(
            "SELECT table_schema, table_name FROM information_schema.tables "
            "WHERE table_catalog = 'lake' AND table_schema <> 'main'"
        ).fetchall()
    assert found == past == [(1,)]
    assert {".".join(table) for table in tables} == set(file.facts().tables)


def test_a_lake_that_does_not_exist_yet_is_empty(words: str) -> None:
    warehouse = open_warehouse(f"ducklake:postgres:{words}")

    assert warehouse.load(EXPORT.table).is_empty()
    facts = warehouse.facts()
    assert (facts.exists, facts.writable, facts.tables) == (False, True, {})
    with pytest.raises(UnsupportedWarehouseError, match="SOUNDLINK_LAKE_DATA"):
        write(warehouse, batch(ONE_DAY, {"a": {}}))


def test_the_catalog_remembers_where_the_files_are(warehouse: Warehouse, words: str) -> None:
    write(warehouse, batch(ONE_DAY, {"a": {(DAY, "US"): 1}}))

    again = open_warehouse(f"ducklake:postgres:{words}")
    write(again, batch(ONE_DAY, {"a": {(DAY, "US"): 2}}, exported_at=hour(1)))
    assert streams(again) == [("a", 2, 1)]


# ---- one writer at a time ----


@pytest.mark.slow
def test_writers_maintenance_and_readers_at_once_leave_no_wrong_day(
    warehouse: Warehouse, words: str
) -> None:
    """The long version is benchmarks/lake.py."""
    stress.deliver(warehouse, 0, *stress.SHARED)
    stop, told, maintained, seen = event(), queue(), queue(), queue()
    writers = [start(stress.replace_days, words, number, 200, told) for number in range(4)]
    start(stress.maintain_until, words, timedelta(seconds=3), stop, maintained)
    start(stress.read_until, words, stop, seen)
    last = {writer: number for writer, number, _ in (told.get(timeout=DEADLINE) for _ in writers)}
    stop.set()

    assert maintained.get(timeout=DEADLINE)[0] > 0
    assert seen.get(timeout=DEADLINE)[1] == []
    assert stress.wrong_days(warehouse, last) == []


@pytest.mark.slow
def test_a_killed_writer_leaves_the_old_rows_or_the_new_ones_and_files_that_go(
    warehouse: Warehouse, words: str, data: str
) -> None:
    setting = f"ducklake:postgres:{words}"
    write(warehouse, full_day("ab", 1))
    files = set(Path(data).rglob("*.parquet"))
    assert run(write_and_die, setting, 2, "record_deliveries", "after", data) == -signal.SIGKILL
    assert state(warehouse) == whole("ab", 1)
    orphans = set(Path(data).rglob("*.parquet")) - files

    began = queue()
    process = start(write_for_ever, setting, began, data)
    began.get(timeout=DEADLINE)
    process.kill()
    process.join()
    ((number,),) = warehouse.query(f"SELECT DISTINCT streams FROM {NAME}").rows()
    assert state(warehouse) == whole("ab", number)

    for file in Path(data).rglob("*.parquet"):
        os.utime(file, (0, 0))
    assert warehouse.maintain(timedelta(days=1))["orphans_removed"] >= len(orphans) > 0
    assert not [file for file in orphans if file.exists()]
    write(warehouse, full_day("ab", number + 1))
    assert state(warehouse) == whole("ab", number + 1)


def test_a_server_that_ends_every_connection_ends_the_write_and_not_the_next_one(
    warehouse: Warehouse, words: str, postgres: Postgres
) -> None:
    write(warehouse, batch(ONE_DAY, {"a": {(DAY, "US"): 1}}))

    def end_connections(_replaced: object) -> None:
        postgres.execute(
            "SELECT pg_terminate_backend(pid) FROM pg_stat_activity "
            "WHERE datname = current_database() AND pid <> pg_backend_pid()",
            words,
        )

    def delivery(on_stored: Any = None) -> DeliveryBatch:
        taken = DeliveryBatch(EXPORT, ONE_DAY, on_stored=on_stored)
        taken.add("a", ONE_DAY, frame("a", {(DAY, "US"): 2}, hour(1)), hour(1))
        return taken

    with pytest.raises(UnreachableWarehouseError):
        write(warehouse, delivery(end_connections))
    assert streams(warehouse) == [("a", 1, 1)]
    write(warehouse, delivery())
    assert streams(warehouse) == [("a", 2, 1)]
    assert streams(warehouse, HISTORY) == [("a", 1, 1)]


def test_a_reader_holds_up_no_write_and_sees_one_moment(warehouse: Warehouse) -> None:
    rows = f"SELECT streams FROM {NAME}"
    write(warehouse, batch(ONE_DAY, {"a": {(DAY, "US"): 1}}))

    with warehouse.reader() as reader:
        assert reader.query(rows).rows() == [(1,)]
        write(warehouse, batch(ONE_DAY, {"a": {(DAY, "US"): 2}}, exported_at=hour(1)))
        assert reader.query(rows).rows() == [(1,)]
    assert warehouse.query(rows).rows() == [(2,)]


def hold(words: str, data: str, held: Any, release: Any) -> None:
    warehouse = open_warehouse(f"ducklake:postgres:{words}", lake_data=data)
    with cast("LakeWarehouse", warehouse).connect(writes=True, purpose="writing in a test"):
        held.set()
        release.wait(DEADLINE)


@pytest.mark.slow
def test_a_writer_waits_for_a_while_and_a_reader_not_at_all(
    warehouse: Warehouse, words: str, data: str
) -> None:
    write(warehouse, batch(ONE_DAY, {"a": {(DAY, "US"): 1}}))
    held, release = event(), event()
    holder = start(hold, words, data, held, release)
    held.wait(DEADLINE)

    assert streams(warehouse) == [("a", 1, 1)]
    with (
        pytest.raises(LockedWarehouseError, match=f"locked by process {holder.pid} on"),
        cast("LakeWarehouse", warehouse).connect(writes=True, purpose="", wait_seconds=0),
    ):
        pass
    assert holder.pid is not None
    os.kill(holder.pid, signal.SIGKILL)
    holder.join(DEADLINE)
    write(warehouse, batch(ONE_DAY, {"a": {(DAY, "US"): 2}}, exported_at=hour(1)))
    assert streams(warehouse) == [("a", 2, 1)]


def test_a_writer_that_lost_its_lock_writes_again(
    warehouse: Warehouse, words: str, postgres: Postgres
) -> None:
    write(warehouse, batch(ONE_DAY, {"a": {(DAY, "US"): 1}}))
    attempts = []

    def lose_the_lock(_replaced: object) -> None:
        attempts.append(1)
        if len(attempts) > 1:
            return
        postgres.execute(
            "SELECT pg_terminate_backend(pid) FROM pg_locks WHERE locktype = 'advisory'", words
        )
        other = batch(ONE_DAY, {"b": {(DAY, "US"): 2}})
        thread = threading.Thread(target=write, args=(warehouse, other))
        thread.start()
        thread.join(DEADLINE)

    taken = DeliveryBatch(EXPORT, ONE_DAY, on_stored=lose_the_lock)
    taken.add("b", ONE_DAY, frame("b", {(DAY, "US"): 3}, hour(1)), hour(1))
    write(warehouse, taken)

    assert len(attempts) == 2
    assert streams(warehouse) == [("a", 1, 1), ("b", 3, 1)]
    assert streams(warehouse, HISTORY) == [("b", 2, 1)]


# ---- maintenance and moving ----


def test_maintenance_keeps_every_row_and_removes_files(warehouse: Warehouse, data: str) -> None:
    for number in range(1, 5):
        write(warehouse, full_day("ab", number))
    before = [streams(warehouse, table) for table in (NAME, HISTORY, NAME)]

    first = warehouse.maintain(timedelta(0))
    files = len(list(Path(data).rglob("*.parquet")))
    second = warehouse.maintain(timedelta(0))

    assert first["snapshots_expired"] > 0
    # A file goes once it has been unused for that age: not in the run that found it unused.
    assert second["files_removed"] > 0
    assert len(list(Path(data).rglob("*.parquet"))) < files
    assert [streams(warehouse, table) for table in (NAME, HISTORY, NAME)] == before


def test_a_warehouse_moves_to_a_lake_and_back(warehouse: Warehouse, tmp_path: Path) -> None:
    first = open_warehouse(str(tmp_path / "first.duckdb"))
    for number in (1, 2):
        write(first, full_day("ab", number), now=hour(number))
    second = open_warehouse(str(tmp_path / "second.duckdb"))

    copied = copy_warehouse(first, warehouse)
    copy_warehouse(warehouse, second)

    assert copied == {NAME: 200, HISTORY: 200, LOG: 4}
    for table in (NAME, HISTORY, LOG, f"{NAME}_as_of('{hour(1)}')"):
        expected = first.query(f"FROM {table} ORDER BY ALL")
        assert warehouse.query(f"FROM {table} ORDER BY ALL").equals(expected)
        assert second.query(f"FROM {table} ORDER BY ALL").equals(expected)
    comments = "SELECT column_name, comment FROM duckdb_columns() WHERE schema_name = 'soundlink'"
    assert sorted(warehouse.query(comments).rows()) == sorted(first.query(comments).rows())
    with pytest.raises(WarehouseError, match="is not empty"):
        copy_warehouse(first, warehouse)
    write(warehouse, full_day("ab", 3))
    assert streams(warehouse) == [("a", 3, 100), ("b", 3, 100)]


# ---- what is said ----


@pytest.mark.parametrize(
    "words",
    [
        f"host=127.0.0.1 port=1 dbname=x user=u password={SECRET}",
        f"host=127.0.0.1 port=1 dbname=x user=u password = '{SECRET} \\' b'",
        f"postgresql://u:{SECRET}@127.0.0.1:1/x",
        f"postgresql://u:{SECRET}%40b@127.0.0.1:1/x",
        f"postgresql://u@127.0.0.1:1/x?password={SECRET}&connect_timeout=1",
    ],
)
def test_the_password_is_shown_nowhere(
    words: str, data: str, caplog: pytest.LogCaptureFixture
) -> None:
    warehouse = open_warehouse(f"ducklake:postgres:{words}", lake_data=data)

    facts = warehouse.facts()
    with pytest.raises(UnreachableWarehouseError, match="Look whether PostgreSQL runs") as raised:
        write(warehouse, batch(ONE_DAY, {"a": {}}))

    shown = [warehouse.name, repr(warehouse), repr(facts), str(facts.problem), caplog.text]
    error: BaseException | None = raised.value
    while error is not None:
        shown.append(repr(error))
        error = error.__cause__ or (None if error.__suppress_context__ else error.__context__)
    assert not [text for text in shown if SECRET in text]
    assert "127.0.0.1" in warehouse.name


def test_duckdb_does_not_show_the_password(words: str, data: str) -> None:
    with_password = open_warehouse(f"ducklake:postgres:{words} password={SECRET}", lake_data=data)
    write(with_password, batch(ONE_DAY, {"a": {(DAY, "US"): 1}}))

    for function in ("duckdb_databases()", "duckdb_secrets()", "duckdb_settings()"):
        assert SECRET not in str(with_password.query(f"FROM {function}").rows())


def test_the_io_manager_does_not_show_the_password_and_uses_it(words: str, data: str) -> None:
    setting = f"ducklake:postgres:{words} password={SECRET}"
    manager = warehouse_io_manager(setting, [EXPORT], [], lake_data=data)

    assert SECRET not in repr(manager)
    assert SECRET not in str(manager.database)
    assert "host=" in manager.database

    @dg.asset(key=["soundlink", "notes"])
    def notes() -> Any:
        return pl.DataFrame({"note": ["x"]})

    done = dg.materialize([notes], resources={"io_manager": manager})
    assert open_warehouse(setting).query("FROM soundlink.notes").rows() == [("x",)]
    assert SECRET not in str(done.all_events)


@pytest.mark.parametrize(
    "setting",
    [
        "ducklake:postgres: ",
        f"ducklake:postgres:dbname=x password=begun {SECRET}",
        f"ducklake:postgres:postgresql://u:begun@{SECRET}@127.0.0.1/x",
        f"ducklake:postgres:postgresql://u:begun/{SECRET}@127.0.0.1/x",
        f"postgresql://u:{SECRET}@127.0.0.1/x",
        f"DuckLake:postgres:dbname=x password={SECRET}",
    ],
)
def test_what_libpq_cannot_read_is_refused_and_not_repeated(setting: str) -> None:
    with pytest.raises(UnsupportedWarehouseError, match="libpq") as raised:
        open_warehouse(setting)

    assert SECRET not in str(raised.value)
    assert raised.value.__cause__ is None
    assert raised.value.__suppress_context__ or raised.value.__context__ is None


def test_settings_do_not_show_the_password() -> None:
    setting = f"ducklake:mysql:dbname=x password={SECRET}"

    assert SECRET not in repr(Settings(warehouse=f"ducklake:postgres:dbname=x password={SECRET}"))
    with pytest.raises(SettingsError, match="SOUNDLINK_WAREHOUSE") as raised:
        load_settings(warehouse=setting)
    assert SECRET not in str(raised.value)


def test_without_the_extra_it_is_said_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "psycopg2", None)
    monkeypatch.delitem(sys.modules, lakes.__name__)

    with pytest.raises(UnsupportedWarehouseError, match=r"install soundlink-assets\[lake\]"):
        open_warehouse("ducklake:postgres:dbname=x")


def test_an_extension_that_cannot_be_had_is_named() -> None:
    with duckdb.connect() as connection:
        connection.execute("SET extension_directory = '/nowhere'")
        with pytest.raises(
            UnsupportedWarehouseError, match=re.escape("Install soundlink-assets[lake]")
        ):
            lakes.load_extension(connection, "no_such_extension")
