"""How a delivery replaces cells: the steps of the write, in their order, in one transaction.

Derived frames are written by `frames`. SQL stays within what DuckLake and MotherDuck take as well:
no keys, no upserts, no types of DuckDB alone.
"""

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

import duckdb

from soundlink_assets.schema.tables import Table
from soundlink_assets.warehouse.companions import (
    CAMPAIGN,
    EXPORTED_AT,
    INGESTED_AT,
    REQUESTED_CAMPAIGN,
    RUN_ID,
    STAMPS,
    SUPERSEDED_AT,
    WRITTEN_AT,
    as_of_macro,
    cells_table,
    superseded_table,
)
from soundlink_assets.warehouse.connection import count, use_threads_for
from soundlink_assets.warehouse.errors import DoubledRowsError
from soundlink_assets.warehouse.shaping import ensure_table
from soundlink_assets.warehouse.spool import ROW_NUMBER
from soundlink_assets.warehouse.sql import day_column, identifier, listed, qualified
from soundlink_assets.warehouse.types import Deliveries

_CELLS = "delivered_cells"
_REPLACED = "replaced_cells"
_UNCHANGED = "unchanged_rows"
_SPOOL = "read_parquet($files)"


@dataclass(frozen=True, slots=True, kw_only=True)
class Replaced:
    """What a write of deliveries did.

    `rows` were delivered for the cells that were replaced; `unchanged_rows` of them were stored
    before with the same figures. `superseded_rows` moved to the history. `kept_cells` hold a newer
    delivery and stayed as they were; `kept_campaigns` are theirs.
    """

    rows: int
    unchanged_rows: int
    superseded_rows: int
    replaced_cells: int
    kept_cells: int
    kept_campaigns: tuple[str, ...]
    written_at: datetime


def replace_cells(
    connection: duckdb.DuckDBPyConnection, deliveries: Deliveries, *, now: datetime, run_id: str
) -> Replaced:
    """Replace the delivered cells, except those that hold a newer delivery.

    Call it inside a transaction. `now` stamps the write; it is moved on if the clock went back, so
    that stamps follow the order of the writes.
    """
    table = deliveries.table
    ensure_export_tables(connection, table)
    connection.register(_CELLS, deliveries.cells().to_arrow())
    find_replaced_cells(connection, table)
    written_at = next_stamp(connection, table, now)
    stamp = {"written_at": written_at, "run_id": run_id}
    days = {"first": deliveries.window.first, "last": deliveries.window.last}
    files = [str(path) for path in deliveries.files()]
    unchanged = find_unchanged_rows(connection, table, files, days)
    superseded = archive_superseded_rows(connection, table, days, written_at)
    delete_cells(connection, table, days)
    use_threads_for(connection, sum(deliveries.rows_by_day().values()))
    rows = insert_rows(connection, table, files, stamp)
    refuse_doubled_rows(connection, table, days)
    record_cells(connection, table, days, stamp)
    kept = _kept(connection, table)
    return Replaced(
        rows=rows,
        unchanged_rows=unchanged,
        superseded_rows=superseded,
        replaced_cells=count(connection, f"SELECT count(*) FROM {_REPLACED}"),
        kept_cells=sum(kept.values()),
        kept_campaigns=tuple(kept),
        written_at=written_at,
    )


def ensure_export_tables(connection: duckdb.DuckDBPyConnection, table: Table) -> None:
    """The table, its history, its ledger and its `_as_of` macro, all in today's shape."""
    done = [
        ensure_table(connection, each)
        for each in (table, superseded_table(table), cells_table(table))
    ]
    if any(done):
        connection.execute(as_of_macro(table))


def next_stamp(connection: duckdb.DuckDBPyConnection, table: Table, now: datetime) -> datetime:
    """`now`, or the next microsecond after the last write if that is later."""
    row = connection.execute(
        f"SELECT epoch_us(max({WRITTEN_AT})) FROM {qualified(cells_table(table))}"
    ).fetchone()
    if row is None or row[0] is None:
        return now
    last = datetime.fromtimestamp(0, UTC) + timedelta(microseconds=row[0])
    return max(now, last + timedelta(microseconds=1))


def find_replaced_cells(connection: duckdb.DuckDBPyConnection, table: Table) -> None:
    """The delivered cells that hold nothing newer.

    The newer export wins. Where that does not decide (the same export again, or one of the two is
    empty), the later request does.
    """
    day = identifier(day_column(table))
    connection.execute(
        f"CREATE OR REPLACE TEMP TABLE {_REPLACED} AS "
        f"SELECT new.* FROM {_CELLS} AS new LEFT JOIN {qualified(cells_table(table))} AS held "
        f"ON new.{REQUESTED_CAMPAIGN} = held.{REQUESTED_CAMPAIGN} AND new.{day} = held.{day} "
        "WHERE CASE WHEN held.fetched_at IS NULL THEN true "
        f"WHEN new.{EXPORTED_AT} > held.{EXPORTED_AT} THEN true "
        f"WHEN new.{EXPORTED_AT} < held.{EXPORTED_AT} THEN false "
        "ELSE new.fetched_at >= held.fetched_at END"
    )


def find_unchanged_rows(
    connection: duckdb.DuckDBPyConnection, table: Table, files: list[str], days: dict[str, Any]
) -> int:
    """Pair the stored rows that come again with the same figures; how many there are.

    `exported_at` and our own stamps may differ. Pairs are kept by row id and spooled row.
    """
    stamps = listed(STAMPS, "stored")
    stored = f"{qualified(table)} AS stored"
    if not files:
        connection.execute(
            f"CREATE OR REPLACE TEMP TABLE {_UNCHANGED} AS "
            f"SELECT stored.rowid AS stored_row FROM {stored} WHERE false"
        )
        return 0
    compared = [name for name in table.column_names if name not in {EXPORTED_AT, *STAMPS}]
    same = " AND ".join(
        f"stored.{identifier(name)} IS NOT DISTINCT FROM new.{identifier(name)}"
        for name in compared
    )
    return count(
        connection,
        f"CREATE OR REPLACE TEMP TABLE {_UNCHANGED} AS "
        f"SELECT stored.rowid AS stored_row, {stamps}, new.{ROW_NUMBER} "
        f"FROM {stored} JOIN {_SPOOL} AS new ON {same} "
        f"WHERE {_in_replaced_cells(table, 'stored')}",
        {"files": files, **days},
    )


def archive_superseded_rows(
    connection: duckdb.DuckDBPyConnection,
    table: Table,
    days: dict[str, Any],
    written_at: datetime,
) -> int:
    """Copy to the history what the replaced cells hold and does not come again; how many rows."""
    return count(
        connection,
        f"INSERT INTO {qualified(superseded_table(table))} BY NAME "
        f"SELECT {listed(table.column_names, 'stored')}, $written_at AS {SUPERSEDED_AT} "
        f"FROM {qualified(table)} AS stored WHERE {_in_replaced_cells(table, 'stored')} "
        f"AND stored.rowid NOT IN (SELECT stored_row FROM {_UNCHANGED})",
        {"written_at": written_at, **days},
    )


def delete_cells(connection: duckdb.DuckDBPyConnection, table: Table, days: dict[str, Any]) -> None:
    """Empty the replaced cells."""
    connection.execute(
        f"DELETE FROM {qualified(table)} WHERE {_in_replaced_cells(table, '')}", days
    )


def insert_rows(
    connection: duckdb.DuckDBPyConnection, table: Table, files: list[str], stamp: dict[str, Any]
) -> int:
    """Insert the delivered rows of the replaced cells; how many."""
    if not files:
        return 0
    delivered = listed(_delivered_columns(table), "new")
    cell = listed((REQUESTED_CAMPAIGN, day_column(table)))
    return count(
        connection,
        f"INSERT INTO {qualified(table)} BY NAME SELECT {delivered}, "
        f"coalesce(same.{INGESTED_AT}, $written_at) AS {INGESTED_AT}, "
        f"coalesce(same.{RUN_ID}, $run_id) AS {RUN_ID} "
        f"FROM {_SPOOL} AS new LEFT JOIN {_UNCHANGED} AS same USING ({ROW_NUMBER}) "
        f"SEMI JOIN {_REPLACED} AS replaced USING ({cell})",
        {"files": files, **stamp},
    )


def refuse_doubled_rows(
    connection: duckdb.DuckDBPyConnection, table: Table, days: dict[str, Any]
) -> None:
    """DoubledRowsError if one campaign is stored under two requested ids on the same day.

    A row's key is unique within a delivery; only this could double it across deliveries.
    """
    if CAMPAIGN not in table.key:
        return
    day = identifier(day_column(table))
    doubled = connection.execute(
        f"SELECT min({REQUESTED_CAMPAIGN}), max({REQUESTED_CAMPAIGN}) "
        f"FROM {qualified(table)} WHERE {day} BETWEEN $first AND $last "
        f"GROUP BY {CAMPAIGN}, {day} HAVING min({REQUESTED_CAMPAIGN}) < max({REQUESTED_CAMPAIGN}) "
        "LIMIT 1",
        days,
    ).fetchone()
    if doubled is not None:
        raise DoubledRowsError(
            f"{table.qualified_name}: {doubled[0]} and {doubled[1]} deliver the same campaign, and "
            "its rows would count twice. Nothing was written. Ask for it under one of the two ids "
            "(SOUNDLINK_CAMPAIGN_IDS) and delete the rows and cells of the other."
        )


def record_cells(
    connection: duckdb.DuckDBPyConnection,
    table: Table,
    days: dict[str, Any],
    stamp: dict[str, Any],
) -> None:
    """Write the replaced cells to the ledger."""
    ledger = cells_table(table)
    connection.execute(
        f"DELETE FROM {qualified(ledger)} WHERE {_in_replaced_cells(table, '')}", days
    )
    connection.execute(
        f"INSERT INTO {qualified(ledger)} BY NAME "
        f"SELECT *, $written_at AS {WRITTEN_AT}, $run_id AS {RUN_ID} FROM {_REPLACED}",
        stamp,
    )


def _delivered_columns(table: Table) -> tuple[str, ...]:
    return tuple(name for name in table.column_names if name not in STAMPS)


def _in_replaced_cells(table: Table, alias: str) -> str:
    prefix = f"{alias}." if alias else ""
    day = identifier(day_column(table))
    return (
        f"{prefix}{day} BETWEEN $first AND $last AND ({prefix}{REQUESTED_CAMPAIGN}, {prefix}{day}) "
        f"IN (SELECT ({REQUESTED_CAMPAIGN}, {day}) FROM {_REPLACED})"
    )


def _kept(connection: duckdb.DuckDBPyConnection, table: Table) -> dict[str, int]:
    cell = listed((REQUESTED_CAMPAIGN, day_column(table)))
    rows = connection.execute(
        f"SELECT {REQUESTED_CAMPAIGN}, count(*) FROM {_CELLS} AS new "
        f"ANTI JOIN {_REPLACED} AS replaced USING ({cell}) "
        f"GROUP BY ALL ORDER BY {REQUESTED_CAMPAIGN}"
    ).fetchall()
    return dict(rows)
