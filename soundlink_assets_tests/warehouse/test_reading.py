"""Reads: of one moment, of what nobody has written yet, and never a write. What the doctor sees."""

import os
from dataclasses import replace
from decimal import Decimal
from pathlib import Path

import polars as pl
import pytest

from soundlink_assets.schema.tables import Kind
from soundlink_assets.warehouse import (
    LockedWarehouseError,
    NotAWarehouseError,
    OutOfRangeError,
    RefusedQueryError,
    SchemaMismatchError,
    Warehouse,
    open_warehouse,
)
from soundlink_assets_tests.warehouse.deliveries import (
    DAY,
    EXPORT,
    LOG,
    NAME,
    ONE_DAY,
    TABLE,
    batch,
    hour,
    write,
)
from soundlink_assets_tests.warehouse.processes import DEADLINE, event, hold_with_lock, start


def test_all_reads_of_a_reader_see_one_moment(warehouse: Warehouse) -> None:
    write(warehouse, batch(ONE_DAY, {"a": {(DAY, "US"): 1}}))

    with warehouse.reader("reading in a test") as reader:
        days = reader.stored_days(EXPORT, ONE_DAY)
        assert reader.load(TABLE, ONE_DAY, ["streams"]).rows() == [(1,)]
        assert reader.query(f"SELECT streams FROM {NAME}").rows() == [(1,)]
    assert days.export == EXPORT
    assert days.written_until == days.log.get_column("written_at").item()


def test_previous_rows_are_what_the_newest_write_changed_or_withdrew(warehouse: Warehouse) -> None:
    for number in (1, 2, 3):
        rows = {(DAY, "DE"): 7, (DAY, "US"): number, (DAY, f"X{number}"): 1}
        write(
            warehouse,
            batch(ONE_DAY, {"a": rows}, exported_at=hour(number), fetched_at=hour(number)),
        )

    with warehouse.reader() as reader:
        changed = reader.previous_rows(EXPORT, ONE_DAY)
    assert sorted(changed.select("country_code", "streams").rows()) == [("US", 2), ("X2", 1)]


@pytest.mark.parametrize(
    ("sql", "named"),
    [
        (f"DELETE FROM {NAME}", "DELETE"),
        (f"INSERT INTO {NAME} SELECT * FROM {NAME}", "INSERT"),
        ("CREATE TEMP TABLE t AS SELECT 1", "CREATE"),
        (f"COPY {NAME} TO 'out.csv'", "COPY"),
        ("ATTACH 'other.duckdb'", "ATTACH"),
        ("SET threads = 1", "SET"),
        ("SELECT 1; DROP SCHEMA soundlink CASCADE", "SELECT, DROP"),
        ("", "none"),
    ],
)
def test_a_query_refuses_to_write(
    warehouse: Warehouse, tmp_path: Path, sql: str, named: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    write(warehouse, batch(ONE_DAY, {"a": {(DAY, "US"): 1}}))
    files = set(os.listdir(tmp_path))  # noqa: PTH208

    with pytest.raises(RefusedQueryError, match=f"this is {named}"):
        warehouse.query(sql)

    assert set(os.listdir(tmp_path)) == files  # noqa: PTH208
    assert warehouse.query(f"FROM {NAME}").height == 1


@pytest.mark.parametrize(
    "sql",
    [
        f"FROM {NAME}",
        f"WITH t AS (FROM {NAME}) SELECT * FROM t",
        f"DESCRIBE {NAME}",
        "SHOW TABLES",
        f"SUMMARIZE {NAME}",
        f"EXPLAIN SELECT * FROM {NAME}",
        "VALUES (1)",
    ],
)
def test_whatever_reads_is_a_query(warehouse: Warehouse, sql: str) -> None:
    write(warehouse, batch(ONE_DAY, {"a": {(DAY, "US"): 1}}))

    assert warehouse.query(sql) is not None


def test_parameters_are_bound_by_name_or_in_order(warehouse: Warehouse) -> None:
    assert warehouse.query("SELECT $a + $b", {"a": 1, "b": 2}).item() == 3
    assert warehouse.query("SELECT ? - ?", [1, 2]).item() == -1


def test_distinct_values_of_a_column(warehouse: Warehouse) -> None:
    def accounts() -> set[str]:
        with warehouse.reader() as reader:
            assert reader.distinct(TABLE, "no_such_column") == set()
            return reader.distinct(TABLE, "campaign_id")

    assert accounts() == set()
    write(warehouse, batch(ONE_DAY, {"b": {(DAY, "US"): 1}, "a": {(DAY, "US"): 1}}))
    assert accounts() == {"a", "b"}


# ---- numbers that are too large ----


def test_a_sum_beyond_its_type_is_an_error_with_a_way_out(warehouse: Warehouse) -> None:
    write(warehouse, batch(ONE_DAY, {"a": {(DAY, c): 2**62 for c in ("DE", "FR", "US")}}))

    with pytest.raises(OutOfRangeError, match="too large for its type"):
        warehouse.query(f"SELECT sum(streams)::BIGINT FROM {NAME}")
    total = warehouse.query(f"SELECT sum(streams) AS total FROM {NAME}").item()
    assert int(total) == 3 * 2**62


def test_money_beyond_its_column_is_a_schema_mismatch(warehouse: Warehouse) -> None:
    money = next(c.name for c in TABLE.columns if c.kind is Kind.MONEY)
    table = replace(TABLE, columns=tuple(c for c in TABLE.columns if c.name == money))
    wide = pl.DataFrame({money: [Decimal(10) ** 13]}, schema={money: pl.Decimal(38, 6)})

    with pytest.raises(SchemaMismatchError, match="Decimal"):
        warehouse.replace_table(table, wide)


# ---- the doctor ----


def test_facts_of_a_file_that_is_not_there_yet(
    setting: str, warehouse: Warehouse, tmp_path: Path
) -> None:
    facts = warehouse.facts()

    assert (facts.exists, facts.bytes, facts.writable, facts.tables) == (False, 0, True, {})
    assert facts.location == warehouse.name == setting
    assert facts.bytes_free
    assert not list(tmp_path.iterdir())


def test_facts_of_a_warehouse_in_use(warehouse: Warehouse, setting: str) -> None:
    write(warehouse, batch(ONE_DAY, {"a": {(DAY, "US"): 1}}))

    facts = warehouse.facts()
    assert (facts.exists, facts.writable, facts.locked_by, facts.problem) == (
        True,
        True,
        None,
        None,
    )
    assert facts.bytes == Path(setting).stat().st_size
    assert facts.tables == {NAME: 1, LOG: 1, f"{NAME}_superseded": 0}


def test_facts_name_who_has_locked_it(
    warehouse: Warehouse, setting: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("soundlink_assets.warehouse.file.FACTS_WAIT_SECONDS", 0.1)
    write(warehouse, batch(ONE_DAY, {"a": {(DAY, "US"): 1}}))
    held, release = event(), event()
    holder = start(hold_with_lock, setting, held, release)
    held.wait(DEADLINE)

    facts = warehouse.facts()
    release.set()
    holder.join(DEADLINE)
    assert facts.locked_by is not None
    assert f"locked by process {holder.pid}" in facts.locked_by
    assert (facts.exists, facts.writable, facts.problem) == (True, None, None)


def test_facts_say_what_is_wrong(tmp_path: Path) -> None:
    (tmp_path / "notes.txt").write_text("figures of the week\n" * 1000)

    facts = open_warehouse(str(tmp_path / "notes.txt")).facts()
    assert isinstance(facts.problem, NotAWarehouseError)
    assert facts.writable is False
    facts = open_warehouse(str(tmp_path / "notes.txt" / "w.duckdb")).facts()
    assert facts.problem is not None
    assert open_warehouse(str(tmp_path)).facts().problem is not None


def test_a_reader_waits_no_longer_than_it_is_told(warehouse: Warehouse, setting: str) -> None:
    write(warehouse, batch(ONE_DAY, {"a": {(DAY, "US"): 1}}))
    held, release = event(), event()
    holder = start(hold_with_lock, setting, held, release)
    held.wait(DEADLINE)

    with pytest.raises(LockedWarehouseError), warehouse.reader(wait_seconds=0):
        pass
    release.set()
    holder.join(DEADLINE)
