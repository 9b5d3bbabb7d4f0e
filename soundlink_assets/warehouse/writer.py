"""How a batch of deliveries replaces campaign-days, and a derived frame its days.

Works inside a transaction on any DuckDB connection whose current database is the warehouse; SQL
stays within what DuckLake takes as well.

**Which delivery wins.** Which rows a campaign-day has is decided by the newer of the two
deliveries: by the newest `exported_at` of the day's rows, or of the whole delivery for a day
without rows; where that does not decide, by the later request. Of a row that both have, the newer
`exported_at` stays, whichever delivery wins. What is stored from the future (see
`FUTURE_TOLERANCE`) was stored under a wrong clock or stamp, and always yields.

**What becomes history.** A row whose figures come again is the same version of that row: it keeps
its `ingested_at`, and only its `exported_at` moves on. What `exported_at` was before is in the
delivery log if all rows of the day had the same one. Once a version has been in a day with mixed
stamps, its `exported_at` is fixed: another one makes a new version.
"""

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

from soundlink_assets.schema.exports import INGESTED_AT, RUN_ID, STAMPS, SUPERSEDED_AT, Export
from soundlink_assets.schema.tables import Table
from soundlink_assets.schema.window import Window
from soundlink_assets.warehouse.batch import (
    EXPORTED_AT,
    ROW_NUMBER,
    WRITTEN_AT,
    DeliveryBatch,
    StoredDays,
    conformed,
)
from soundlink_assets.warehouse.errors import (
    DoubledRowsError,
    OutdatedError,
    SchemaMismatchError,
)
from soundlink_assets.warehouse.protocol import Replaced
from soundlink_assets.warehouse.tables import (
    Connection,
    count,
    current_log,
    day_column,
    days_of,
    ensure_export,
    ensure_table,
    identifier,
    listed,
    load_log,
    qualified,
)

if TYPE_CHECKING:
    import polars as pl

FUTURE_TOLERANCE = timedelta(minutes=10)
"""By so much a stored stamp may be ahead of now and of the newest request, clocks being clocks."""

ROWS_PER_THREAD = 500_000
"""Rows that an insert should have for each thread.

Each thread leaves a row group that is not full, and the commit compresses those again: for fewer
rows, a second thread costs more than it saves.
"""

_BATCH = "batch_days"  # the delivered campaign-days, as a frame
_DELIVERED = "delivered_days"  # the same, beside what the log has of them, and whether they win
_STORED = "stored_rows"  # their stored rows, each with the delivered row of the same key
_WRITTEN = "written_days"  # the campaign-days that change, as the log will have them
_UNCHANGED = "unchanged_rows"  # of the replaced rows, those that are the same version
_FRAME = "derived_frame"
_SPOOL = "read_parquet($files)"


def replace_campaign_days(
    connection: Connection, batch: DeliveryBatch, *, now: datetime, run_id: str
) -> Replaced:
    """Replace the delivered campaign-days; see `protocol.Warehouse.write`."""
    write = _Write(connection, batch, now)
    ensure_export(connection, batch.export)
    stamp = {"written_at": next_stamp(connection, batch.export, now), "run_id": run_id}
    find_delivered_days(write)
    find_stored_rows(write)
    find_written_days(write)
    unchanged = find_unchanged_rows(write)
    superseded = archive_superseded_rows(write, stamp)
    delete_rows(write)
    rows = insert_rows(write, stamp)
    refuse_doubled_rows(write)
    record_deliveries(write, stamp)
    replaced = _replaced(write, stamp, rows, unchanged, superseded)
    if batch.on_stored is not None:
        batch.on_stored(replaced)
    return replaced


class _Write:
    """One batch on its way: the names and parameters that the steps have in common."""

    def __init__(self, connection: Connection, batch: DeliveryBatch, now: datetime) -> None:
        self.connection = connection
        self.batch = batch
        self.export = batch.export
        self.table = qualified(batch.export.table)
        self.day = identifier(batch.export.day)
        self.requested = identifier(batch.export.scope.requested_column)
        self.campaign_day = f"{self.requested}, {self.day}"
        self.window = days_of(batch.window)
        self.files = [str(path) for path in batch.files()]
        fetched = batch.days().get_column("fetched_at")
        latest = max([now, *fetched.drop_nulls().unique().to_list()])
        self.latest = {"latest": latest + FUTURE_TOLERANCE}

    def make(self, name: str, select: str, parameters: dict[str, Any]) -> int:
        """Make a temporary table; how many rows it has."""
        statement = f"CREATE OR REPLACE TEMP TABLE {name} AS {select}"
        return count(self.connection, statement, parameters)

    def spool(self) -> tuple[str, dict[str, Any]]:
        """What delivers the batch's rows, for a FROM clause, and its parameters."""
        if self.files:
            return _SPOOL, {"files": self.files}
        columns = listed(self.export.table.column_names)
        return f"(SELECT {columns}, 0 AS {ROW_NUMBER} FROM {self.table} WHERE false)", {}


def next_stamp(connection: Connection, export: Export, now: datetime) -> datetime:
    """`now`, or the next microsecond after the last write if that is later."""
    row = connection.execute(
        f"SELECT epoch_us(max({WRITTEN_AT})) FROM {qualified(export.delivery_log)}"
    ).fetchone()
    if row is None or row[0] is None:
        return now
    last = datetime.fromtimestamp(0, UTC) + timedelta(microseconds=row[0])
    return max(now, last + timedelta(microseconds=1))


def find_delivered_days(write: _Write) -> None:
    """Put the delivered campaign-days beside their log entries, and decide which of them win.

    `mixed_at` is when the last delivery with mixed stamps was written.
    """
    day, requested = write.day, write.requested
    age = f"coalesce({{0}}.{EXPORTED_AT}, {{0}}.delivery_exported_at)"
    new_age, old_age = age.format("new"), age.format("old")
    write.connection.register(_BATCH, write.batch.days().to_arrow())
    write.make(
        _DELIVERED,
        f"SELECT new.*, old.fetched_at AS old_fetched_at, "
        "old.delivery_exported_at AS old_delivery_exported_at, mixed.at AS mixed_at, "
        f"CASE WHEN old.{WRITTEN_AT} IS NULL THEN true "
        f"WHEN greatest(old.fetched_at, old.{EXPORTED_AT}) > $latest THEN true "
        f"WHEN {new_age} <> {old_age} THEN {new_age} > {old_age} "
        "ELSE new.fetched_at >= old.fetched_at END AS wins "
        f"FROM {_BATCH} AS new LEFT JOIN ({current_log(write.connection, write.export)}) AS old "
        f"ON new.{requested} = old.{requested} AND new.{day} = old.{day} "
        f"LEFT JOIN (SELECT {write.campaign_day}, max({WRITTEN_AT}) AS at "
        f"FROM {qualified(write.export.delivery_log)} "
        f"WHERE {EXPORTED_AT} <> oldest_exported_at GROUP BY ALL) AS mixed "
        f"ON new.{requested} = mixed.{requested} AND new.{day} = mixed.{day}",
        write.latest,
    )


def find_stored_rows(write: _Write) -> None:
    """Pair the stored rows of these campaign-days with delivered ones, and see which are replaced.

    Pairs are kept by row id and spooled row.
    """
    spool, files = write.spool()
    day, requested = write.day, write.requested
    key = dict.fromkeys(
        (write.export.scope.requested_column, write.export.day, *write.export.rows.key)
    )
    same_key = " AND ".join(f"stored.{identifier(n)} = new.{identifier(n)}" for n in key)
    figures = [
        name
        for name in write.export.delivered.column_names
        if name not in key and name != EXPORTED_AT
    ]
    same = " AND ".join(
        f"stored.{identifier(n)} IS NOT DISTINCT FROM new.{identifier(n)}" for n in figures
    )
    write.make(
        _STORED,
        f"SELECT stored.{requested}, stored.{day}, stored.rowid AS stored_row, "
        f"stored.{EXPORTED_AT}, {listed((c.name for c in STAMPS), 'stored')}, new.{ROW_NUMBER}, "
        f"CASE WHEN new.{ROW_NUMBER} IS NULL THEN delivered.wins "
        f"WHEN stored.{EXPORTED_AT} > $latest THEN true "
        f"WHEN new.{EXPORTED_AT} <> stored.{EXPORTED_AT} "
        f"THEN new.{EXPORTED_AT} > stored.{EXPORTED_AT} ELSE delivered.wins END AS is_replaced, "
        f"{same} AS has_same_figures, "
        f"new.{EXPORTED_AT} = stored.{EXPORTED_AT} AS has_same_stamp "
        f"FROM {write.table} AS stored JOIN {_DELIVERED} AS delivered "
        f"ON stored.{requested} = delivered.{requested} AND stored.{day} = delivered.{day} "
        f"LEFT JOIN {spool} AS new ON {same_key} WHERE stored.{day} BETWEEN $first AND $last",
        {**files, **write.window, **write.latest},
    )


def find_written_days(write: _Write) -> None:
    """The campaign-days whose delivery or rows change, with the log entry that they will have."""
    rows, files = _inserted(write)
    day, requested = write.day, write.requested
    write.make(
        _WRITTEN,
        f"WITH content AS (SELECT {write.campaign_day}, max({EXPORTED_AT}) AS {EXPORTED_AT}, "
        f"min({EXPORTED_AT}) AS oldest_exported_at, count(*) AS row_count FROM ("
        f"SELECT {write.campaign_day}, {EXPORTED_AT} FROM {_STORED} WHERE NOT is_replaced "
        f"UNION ALL SELECT new.{requested}, new.{day}, new.{EXPORTED_AT} {rows}) GROUP BY ALL) "
        f"SELECT new.{requested}, new.{day}, new.mixed_at, "
        "CASE WHEN wins THEN new.fetched_at ELSE old_fetched_at END AS fetched_at, "
        f"content.{EXPORTED_AT}, content.oldest_exported_at, CASE WHEN wins "
        "THEN new.delivery_exported_at ELSE old_delivery_exported_at END AS delivery_exported_at, "
        f"coalesce(content.row_count, 0) AS row_count FROM {_DELIVERED} AS new "
        f"LEFT JOIN content ON new.{requested} = content.{requested} AND new.{day} = content.{day} "
        f"WHERE wins OR (new.{requested}, new.{day}) "
        f"IN (SELECT ({write.campaign_day}) FROM {_STORED} WHERE is_replaced)",
        files,
    )


def find_unchanged_rows(write: _Write) -> int:
    """The replaced rows that are the same version as their delivered row; how many."""
    return write.make(
        _UNCHANGED,
        f"SELECT stored.stored_row, stored.{ROW_NUMBER}, "
        f"{listed((c.name for c in STAMPS), 'stored')} FROM {_STORED} AS stored "
        f"JOIN {_WRITTEN} AS written ON stored.{write.requested} = written.{write.requested} "
        f"AND stored.{write.day} = written.{write.day} "
        "WHERE stored.is_replaced AND stored.has_same_figures AND (stored.has_same_stamp OR ("
        f"written.{EXPORTED_AT} = written.oldest_exported_at "
        f"AND coalesce(written.mixed_at < stored.{INGESTED_AT}, true)))",
        {},
    )


def archive_superseded_rows(write: _Write, stamp: dict[str, Any]) -> int:
    """Copy to the history the replaced rows that do not come again; how many."""
    return count(
        write.connection,
        f"INSERT INTO {qualified(write.export.superseded)} BY NAME "
        f"SELECT {listed(write.export.table.column_names, 'stored')}, "
        f"$written_at AS {SUPERSEDED_AT} FROM {write.table} AS stored "
        f"WHERE stored.{write.day} BETWEEN $first AND $last "
        f"AND stored.rowid IN (SELECT stored_row FROM {_STORED} WHERE is_replaced) "
        f"AND stored.rowid NOT IN (SELECT stored_row FROM {_UNCHANGED})",
        {"written_at": stamp["written_at"], **write.window},
    )


def delete_rows(write: _Write) -> None:
    """Remove the replaced rows."""
    write.connection.execute(
        f"DELETE FROM {write.table} WHERE {write.day} BETWEEN $first AND $last "
        f"AND rowid IN (SELECT stored_row FROM {_STORED} WHERE is_replaced)",
        write.window,
    )


def insert_rows(write: _Write, stamp: dict[str, Any]) -> int:
    """Insert the delivered rows that win; how many."""
    most = max(1, sum(write.batch.rows_by_day().values()) // ROWS_PER_THREAD)
    write.connection.execute(f"SET threads = least({most:d}, current_setting('threads'))")
    own = {column.name for column in STAMPS}
    delivered = [name for name in write.export.table.column_names if name not in own]
    rows, files = _inserted(
        write, f"LEFT JOIN {_UNCHANGED} AS same ON new.{ROW_NUMBER} = same.{ROW_NUMBER}"
    )
    return count(
        write.connection,
        f"INSERT INTO {write.table} BY NAME SELECT {listed(delivered, 'new')}, "
        f"coalesce(same.{INGESTED_AT}, $written_at) AS {INGESTED_AT}, "
        f"coalesce(same.{RUN_ID}, $run_id) AS {RUN_ID} {rows}",
        {**files, **stamp},
    )


def refuse_doubled_rows(write: _Write) -> None:
    """DoubledRowsError if one campaign is stored under two requested ids on the same day.

    A row's key is unique within a delivery; only this could double it across deliveries.
    """
    scope = write.export.scope
    doubled = write.connection.execute(
        f"SELECT min({write.requested}), max({write.requested}) FROM {write.table} "
        f"WHERE {write.day} BETWEEN $first AND $last "
        f"GROUP BY {identifier(scope.id_column)}, {write.day} "
        f"HAVING min({write.requested}) < max({write.requested}) LIMIT 1",
        write.window,
    ).fetchone()
    if doubled is not None:
        raise DoubledRowsError(
            f"{write.export.table.qualified_name}: {doubled[0]} and {doubled[1]} deliver the same "
            f"{scope.name}, and its rows would count twice. Nothing was written. Ask for it under "
            "one of the two ids (SOUNDLINK_CAMPAIGN_IDS) and delete the rows and the delivery log "
            "of the other."
        )


def record_deliveries(write: _Write, stamp: dict[str, Any]) -> None:
    """Enter the written campaign-days into the delivery log, and end the entries before them."""
    log = qualified(write.export.delivery_log)
    write.connection.execute(
        f"UPDATE {log} SET {SUPERSEDED_AT} = $written_at WHERE {SUPERSEDED_AT} IS NULL "
        f"AND {write.day} BETWEEN $first AND $last "
        f"AND ({write.campaign_day}) IN (SELECT ({write.campaign_day}) FROM {_WRITTEN})",
        {"written_at": stamp["written_at"], **write.window},
    )
    write.connection.execute(
        f"INSERT INTO {log} BY NAME SELECT * EXCLUDE (mixed_at), $written_at AS {WRITTEN_AT}, "
        f"$run_id AS {RUN_ID} FROM {_WRITTEN}",
        stamp,
    )


def _inserted(write: _Write, join: str = "") -> tuple[str, dict[str, Any]]:
    """FROM and WHERE of the delivered rows that win (`new`); `join` is one more table."""
    spool, files = write.spool()
    rows = (
        f"FROM {spool} AS new JOIN {_DELIVERED} AS delivered "
        f"ON new.{write.requested} = delivered.{write.requested} "
        f"AND new.{write.day} = delivered.{write.day} "
        f"LEFT JOIN (SELECT {ROW_NUMBER}, is_replaced FROM {_STORED} "
        f"WHERE {ROW_NUMBER} IS NOT NULL) AS stored ON new.{ROW_NUMBER} = stored.{ROW_NUMBER} "
        f"{join} WHERE coalesce(stored.is_replaced, delivered.wins)"
    )
    return rows, files


def _replaced(
    write: _Write, stamp: dict[str, Any], rows: int, unchanged: int, superseded: int
) -> Replaced:
    kept = dict(
        write.connection.execute(
            f"SELECT {write.requested}, count(*) FROM {_DELIVERED} WHERE ({write.campaign_day}) "
            f"NOT IN (SELECT ({write.campaign_day}) FROM {_WRITTEN}) GROUP BY ALL ORDER BY ALL"
        ).fetchall()
    )
    return Replaced(
        rows=rows,
        unchanged_rows=unchanged,
        superseded_rows=superseded,
        replaced_days=count(write.connection, f"SELECT count(*) FROM {_WRITTEN}"),
        kept_days=sum(kept.values()),
        kept_ids=tuple(kept),
        written_at=stamp["written_at"],
        table_rows=count(write.connection, f"SELECT count(*) FROM {write.table}"),
        log=load_log(write.connection, write.export, write.batch.window),
    )


# ---- derived frames ----


def replace_days(
    connection: Connection,
    table: Table,
    frame: "pl.DataFrame",
    window: Window,
    based_on: Sequence[StoredDays] = (),
) -> int:
    """Replace the days of the window; see `protocol.Warehouse.replace_days`."""
    for stored in based_on:
        refuse_outdated(connection, stored, window)
    _register(connection, table, frame)
    day, days = identifier(day_column(table)), days_of(window)
    outside = count(
        connection,
        f"SELECT count(*) FROM {_FRAME} WHERE ({day} BETWEEN $first AND $last) IS NOT true",
        days,
    )
    if outside:
        raise SchemaMismatchError(
            f"{table.qualified_name}: {outside} rows have a {day} outside {window}. "
            "Nothing was written."
        )
    connection.execute(f"DELETE FROM {qualified(table)} WHERE {day} BETWEEN $first AND $last", days)
    return _insert(connection, table)


def replace_table(connection: Connection, table: Table, frame: "pl.DataFrame") -> int:
    """Replace all rows of the table; see `protocol.Warehouse.replace_table`."""
    _register(connection, table, frame)
    connection.execute(f"DELETE FROM {qualified(table)}")
    return _insert(connection, table)


def refuse_outdated(connection: Connection, based_on: StoredDays, window: Window) -> None:
    """OutdatedError if the source's days of the window were written since they were read.

    Of two runs that overlap, the slower one would otherwise put the older figures back.
    """
    export = based_on.export
    newer = count(
        connection,
        f"SELECT count(*) FROM ({current_log(connection, export)}) "
        f"WHERE {identifier(export.day)} BETWEEN $first AND $last "
        f"AND {WRITTEN_AT} > coalesce($written_until, '-infinity'::TIMESTAMPTZ)",
        {**days_of(window), "written_until": based_on.written_until},
    )
    if newer:
        raise OutdatedError(
            f"{export.table.qualified_name}: another run has written {newer} "
            f"{export.scope.name}-days of {window} since they were read. Nothing was written."
        )


def _register(connection: Connection, table: Table, frame: "pl.DataFrame") -> None:
    ensure_table(connection, table)
    connection.register(_FRAME, conformed(frame, table).to_arrow())


def _insert(connection: Connection, table: Table) -> int:
    connection.execute(f"INSERT INTO {qualified(table)} BY NAME SELECT * FROM {_FRAME}")
    return count(connection, f"SELECT count(*) FROM {qualified(table)}")
