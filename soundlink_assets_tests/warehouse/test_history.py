"""What the past was: the rows of any moment, from their own warehouse, and the delivery log."""

import shutil
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Any

import duckdb
import polars as pl
import pytest

from soundlink_assets.schema import CAMPAIGN_ENGAGEMENT_DAILY
from soundlink_assets.warehouse import DeliveryBatch, Warehouse, open_warehouse
from soundlink_assets_tests.warehouse.deliveries import (
    DAY,
    EXPORT,
    HISTORY,
    LOG,
    NAME,
    NOON,
    ONE_DAY,
    batch,
    frame,
    hour,
    write,
)


def as_of(warehouse: Warehouse, moment: Any, columns: str = "streams") -> list[tuple[Any, ...]]:
    return warehouse.query(
        f"SELECT {columns} FROM {NAME}_as_of($moment) ORDER BY ALL", {"moment": moment}
    ).rows()


def deliver(
    warehouse: Warehouse, at: float, rows: dict[str, tuple[int, float]], run_id: str = "run"
) -> None:
    """Store a day of campaign a, fetched at that hour: streams and export hour by country."""
    taken = DeliveryBatch(EXPORT, ONE_DAY)
    frames = [frame("a", {(DAY, c): n}, hour(exported)) for c, (n, exported) in rows.items()]
    taken.add("a", ONE_DAY, pl.concat(frames), hour(at))
    write(warehouse, taken, now=hour(at), run_id=run_id)


def test_the_state_of_any_past_moment_can_be_read(warehouse: Warehouse) -> None:
    for number in (1, 2):
        write(warehouse, batch(ONE_DAY, {"a": {(DAY, "US"): number}}), now=hour(number))
    write(warehouse, batch(ONE_DAY, {"a": {}}), now=hour(3))

    found = [as_of(warehouse, hour(h)) for h in (0.5, 1, 1.5, 2, 2.5, 3, 9)]
    assert found == [[], [(1,)], [(1,)], [(2,)], [(2,)], [], []]
    assert as_of(warehouse, "2026-05-20 14:30:00+00") == [(2,)]
    assert as_of(warehouse, datetime(2026, 5, 20, tzinfo=UTC).date()) == []


def test_rows_that_came_again_show_the_export_time_of_the_moment(warehouse: Warehouse) -> None:
    for number in (1, 2, 3):
        deliver(warehouse, number, {"US": (7, number), "DE": (number, number)})

    stamps = "country_code, streams, exported_at"
    for number in (1, 2, 3):
        assert as_of(warehouse, hour(number + 0.5), stamps) == [
            ("DE", number, hour(number)),
            ("US", 7, hour(number)),
        ]
    history = warehouse.query(f"SELECT country_code, streams FROM {HISTORY} ORDER BY ALL")
    assert history.rows() == [("DE", 1), ("DE", 2)]


def test_rows_of_a_day_with_several_export_times_keep_each_its_own(warehouse: Warehouse) -> None:
    deliver(warehouse, 1, {"US": (7, 0), "DE": (7, 1)})
    deliver(warehouse, 3, {"US": (7, 2), "DE": (7, 2)})
    deliver(warehouse, 5, {"US": (7, 4), "DE": (7, 4)})

    stamps = "country_code, exported_at"
    assert as_of(warehouse, hour(1), stamps) == [("DE", hour(1)), ("US", hour(0))]
    assert as_of(warehouse, hour(3), stamps) == [("DE", hour(2)), ("US", hour(2))]
    assert as_of(warehouse, hour(5), stamps) == [("DE", hour(4)), ("US", hour(4))]


def test_the_delivery_log_keeps_what_was_superseded(warehouse: Warehouse) -> None:
    for number in (1, 2):
        deliver(warehouse, number, {"US": (7, number)}, run_id=f"run {number}")

    log = warehouse.query(
        f"SELECT exported_at, written_at, superseded_at, run_id FROM {LOG} ORDER BY written_at"
    )
    assert log.rows() == [
        (hour(1), hour(1), hour(2), "run 1"),
        (hour(2), hour(2), None, "run 2"),
    ]


def test_every_export_has_its_own_history(warehouse: Warehouse) -> None:
    write(warehouse, batch(ONE_DAY, {"a": {}}))
    write(warehouse, DeliveryBatch(CAMPAIGN_ENGAGEMENT_DAILY, ONE_DAY))

    found = warehouse.query("SELECT count(*) FROM soundlink.campaign_engagement_daily_as_of(now())")
    assert found.item() == 0


# ---- several warehouses at once ----


@pytest.fixture
def clients(tmp_path: Path) -> duckdb.DuckDBPyConnection:
    """Two warehouses, attached as client_a and client_b; client_c has no rows."""
    connection = duckdb.connect()
    for name, streams in (("a", {(DAY, "US"): 1}), ("b", {(DAY, "US"): 2}), ("c", {})):
        file = tmp_path / f"{name}.duckdb"
        write(open_warehouse(str(file)), batch(ONE_DAY, {"x": streams}), now=NOON)
        connection.execute(f"ATTACH '{file}' AS client_{name} (READ_ONLY)")
    return connection


def read(connection: duckdb.DuckDBPyConnection, client: str, what: str = "streams") -> list[Any]:
    found = connection.execute(
        f"SELECT {what} FROM client_{client}.{NAME}_as_of('{hour(1)}')"
    ).fetchall()
    return [value for (value,) in found]


def test_the_past_of_the_database_in_use_is_read(clients: duckdb.DuckDBPyConnection) -> None:
    for client, rows in (("a", [1]), ("b", [2]), ("c", []), ("a", [1])):
        clients.execute(f"USE client_{client}")
        assert read(clients, client) == rows
        assert read(clients, client, "count(*)") == [len(rows)]
        clients.execute(f"USE client_{client}.soundlink")
        assert read(clients, client) == rows


@pytest.mark.parametrize("what", ["streams", "count(*)", "1 LIMIT 1"])
@pytest.mark.parametrize(("used", "read_from"), [("a", "b"), ("b", "a"), ("c", "a"), ("a", "c")])
def test_the_past_of_another_database_is_an_error_that_says_what_to_do(
    clients: duckdb.DuckDBPyConnection, used: str, read_from: str, what: str
) -> None:
    clients.execute(f"USE client_{used}")

    what, _, limit = what.partition(" ")
    with pytest.raises(duckdb.Error, match=f"USE client_{read_from} first"):
        clients.execute(
            f"SELECT {what} FROM client_{read_from}.{NAME}_as_of('{hour(1)}') {limit}"
        ).fetchall()


def test_without_a_database_in_use_it_is_an_error(clients: duckdb.DuckDBPyConnection) -> None:
    clients.execute("USE memory")

    with pytest.raises(duckdb.Error, match="does not exist"):
        read(clients, "b")


def test_a_copy_beside_its_original_is_an_error(
    clients: duckdb.DuckDBPyConnection, tmp_path: Path
) -> None:
    copy = shutil.copy(tmp_path / "a.duckdb", tmp_path / "copy.duckdb")
    clients.execute(f"ATTACH '{copy}' AS backup (READ_ONLY)")

    for used in ("client_a", "backup"):
        clients.execute(f"USE {used}")
        with pytest.raises(duckdb.Error, match="attach no copy of it beside it"):
            read(clients, "a")
    clients.execute("USE client_b")
    assert read(clients, "b") == [2]
    clients.execute("DETACH backup")
    clients.execute("USE client_a")
    assert read(clients, "a") == [1]


def test_the_past_of_a_file_that_is_opened_directly_is_its_own(
    setting: str, warehouse: Warehouse
) -> None:
    write(warehouse, batch(ONE_DAY, {"x": {(DAY, "US"): 1}}), now=NOON)

    with duckdb.connect(setting, read_only=True) as connection:
        found = connection.execute(f"SELECT streams FROM {NAME}_as_of('{hour(1)}')").fetchall()
    assert found == [(1,)]


def test_many_moments_can_be_read_in_one_query(clients: duckdb.DuckDBPyConnection) -> None:
    clients.execute("USE client_a")
    moments = [datetime(2026, 5, 20, 11, tzinfo=UTC), hour(1)]
    rows = clients.execute(
        "SELECT m, count(past.streams) FROM unnest($moments) AS moments(m) "
        f"LEFT JOIN LATERAL (SELECT * FROM {NAME}_as_of(m)) AS past ON true GROUP BY m ORDER BY m",
        {"moments": moments},
    ).fetchall()
    assert [number for _, number in rows] == [0, 1]


def test_days_are_moments_too(warehouse: Warehouse) -> None:
    write(warehouse, batch(ONE_DAY, {"a": {(DAY, "US"): 1}}), now=NOON)

    assert as_of(warehouse, date(2026, 5, 20)) == []
    assert as_of(warehouse, date(2026, 5, 21)) == [(1,)]
