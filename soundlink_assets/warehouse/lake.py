"""A DuckLake as the warehouse: its catalog in PostgreSQL, its rows in Parquet files.

Several hosts share it. One writer at a time holds an advisory lock of the catalog's database, taken
before anything else; readers take none and never wait. Should the lock's connection be lost while
its holder still writes, the fence decides: every write updates one row of a table, so that the
second of two commits fails and is repeated. See docs/decisions/0012-ducklake.md.
"""

import importlib.util
import logging
import os
import tempfile
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import closing, contextmanager
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, TypeVar
from urllib.parse import quote

import duckdb
import psycopg2
from typing_extensions import override

from soundlink_assets.settings import LAKE
from soundlink_assets.warehouse.duckdb_warehouse import (
    FACTS_WAIT_SECONDS,
    WRITER_MEMORY,
    DuckDBWarehouse,
    Explanations,
    explained,
    first_line,
)
from soundlink_assets.warehouse.errors import (
    LockedWarehouseError,
    UnreachableWarehouseError,
    UnsupportedWarehouseError,
    WarehouseError,
)
from soundlink_assets.warehouse.lock import Deadline, process_note
from soundlink_assets.warehouse.protocol import WAIT_SECONDS, WarehouseFacts
from soundlink_assets.warehouse.tables import Connection, literal, transaction

CATALOG = "warehouse"
FENCE = "main.write_fence"
LOCK_KEY = 7_368_621
"""The advisory lock of writers, in the database of the catalog."""

COMMIT_ATTEMPTS = 5
"""So often is a write tried whose commit conflicts with another one."""

ORPHANED_AFTER = timedelta(days=1)
"""Files that no snapshot knows are removed at this age: a younger one may belong to a write."""

REWRITTEN_FROM = ", delete_threshold => 0.5"
"""A file is written anew once this share of its rows has been deleted."""

_QUEUE_SECONDS = 10.0
"""How long a writer waits in PostgreSQL's queue before it looks again for whom it waits."""

_CONFLICTS = ("conflict", "Conflict")

_EXPLANATIONS: Explanations = (
    (
        UnreachableWarehouseError,
        (
            "Unable to connect to Postgres",
            "server closed the connection",
            "terminating connection",
            'Failed to execute query "ROLLBACK"',
        ),
        "lost its connection to PostgreSQL. A write is there as a whole or not at all. Run again.",
    ),
)

_instances: dict[tuple[int, str], Connection] = {}
_instances_lock = threading.Lock()

T = TypeVar("T")


class LakeWarehouse(DuckDBWarehouse):
    """A DuckLake with its catalog in PostgreSQL; `data` is needed by the first write only."""

    def __init__(self, setting: str, log: logging.Logger, data: str | None) -> None:
        super().__init__(log)
        self.words = setting[len(LAKE) :].strip()
        self.data = data
        self._parsed = _parsed(self.words)

    @property
    @override
    def name(self) -> str:
        return LAKE + self._words_without_password

    @override
    @contextmanager
    def connect(
        self, *, writes: bool, purpose: str, wait_seconds: float = WAIT_SECONDS
    ) -> Iterator[Connection]:
        with self._explained():
            if writes:
                deadline = Deadline(wait_seconds, self.log)
                with self._locked(purpose, deadline), self._cursor(writes=True) as connection:
                    yield connection
            elif self._exists():
                with self._cursor(writes=False) as connection:
                    yield connection
            else:
                with closing(_new_instance()) as connection:
                    yield connection

    @override
    def in_transaction(self, purpose: str, work: Callable[[Connection], T]) -> T:
        for attempt in range(1, COMMIT_ATTEMPTS + 1):
            with self.connect(writes=True, purpose=purpose) as connection:
                try:
                    with transaction(connection):
                        _pass_fence(connection)
                        return work(connection)
                except (duckdb.TransactionException, duckdb.IOException) as error:
                    if attempt == COMMIT_ATTEMPTS or not _is_conflict(error):
                        raise
                    self.log.warning(
                        "%s: another write was committed at the same time; tried again (%s)",
                        purpose,
                        self._hidden(first_line(error)),
                    )
        raise AssertionError("the last attempt returns or raises")

    @override
    def maintain(self, older_than: timedelta) -> Mapping[str, int]:
        before = datetime.now(UTC) - older_than
        orphaned = datetime.now(UTC) - max(older_than, ORPHANED_AFTER)
        purpose, deadline = "maintenance", Deadline(WAIT_SECONDS, self.log)
        with self._explained():
            if not self._exists():
                return {}
            with (
                self._locked(purpose, deadline) as lock,
                self._cursor(writes=True) as connection,
            ):

                def call(function: str, option: str = "") -> list[tuple[Any, ...]]:
                    # Compaction beside a writer loses deletes, and cannot be fenced: DuckLake
                    # takes no change and compaction in one transaction.
                    lock.execute("SELECT 1")
                    return connection.execute(f"CALL {function}('{CATALOG}'{option})").fetchall()

                def older(moment: datetime) -> str:
                    return f", older_than => '{moment}'::TIMESTAMPTZ"

                flushed = call("ducklake_flush_inlined_data")
                expired = call("ducklake_expire_snapshots", older(before))
                merged = call("ducklake_merge_adjacent_files")
                rewritten = call("ducklake_rewrite_data_files", REWRITTEN_FROM)
                removed = call("ducklake_cleanup_old_files", older(before))
                orphans = call("ducklake_delete_orphaned_files", older(orphaned))
        return {
            "rows_flushed": sum(rows for _, _, rows in flushed),
            "snapshots_expired": len(expired),
            "files_merged": sum(files for _, _, files, _ in merged),
            "files_rewritten": sum(files for _, _, files, _ in rewritten),
            "files_removed": len(removed),
            "orphans_removed": len(orphans),
        }

    @override
    def facts(self) -> WarehouseFacts:
        facts = WarehouseFacts(kind="DuckLake", location=self.name, exists=False)
        try:
            with self._explained():
                facts = replace(facts, exists=self._exists())
                deadline = Deadline(FACTS_WAIT_SECONDS, self.log)
                with self._locked("the doctor", deadline):
                    pass
            rows = self.rows_of_tables(FACTS_WAIT_SECONDS)
        except LockedWarehouseError as error:
            return replace(facts, locked_by=str(error).partition(". Nothing was written")[0])
        except Exception as error:  # noqa: BLE001 - the doctor says what it is
            return replace(facts, writable=False, problem=error)
        return replace(facts, writable=True, tables=rows)

    def _exists(self) -> bool:
        with closing(self._postgres("looking")) as postgres, postgres.cursor() as cursor:
            cursor.execute("SELECT to_regclass('public.ducklake_metadata') IS NOT NULL")
            return bool(cursor.fetchone()[0])

    def _postgres(self, purpose: str) -> Any:
        # A server keeps 63 bytes of the name, which waiting processes are told.
        note = process_note(purpose or "reading").encode()[:63].decode(errors="ignore")
        postgres = psycopg2.connect(self.words, application_name=note)
        postgres.autocommit = True
        return postgres

    @contextmanager
    def _locked(self, purpose: str, deadline: Deadline) -> Iterator[Any]:
        """The lock of writers, for as long as the yielded cursor's connection lives."""
        with closing(self._postgres(purpose)) as postgres, postgres.cursor() as cursor:
            cursor.execute("SELECT pg_try_advisory_lock(%s)", [LOCK_KEY])
            if not cursor.fetchone()[0]:
                _queue(cursor, deadline)
            yield cursor

    @contextmanager
    def _cursor(self, *, writes: bool) -> Iterator[Connection]:
        instance = self._instance(writes=writes)
        connection = instance.cursor()
        try:
            connection.execute("SET TimeZone = 'UTC'")
            connection.execute(f"USE {CATALOG}")
            yield connection
            if writes:  # a write limits the threads of the whole instance
                connection.execute("RESET threads")
        except duckdb.Error:
            self._forget(instance)  # its connections to PostgreSQL may be gone
            raise
        finally:
            connection.close()

    def _instance(self, *, writes: bool) -> Connection:
        """The one DuckDB instance of this process; loading the extensions takes a while."""
        key = (os.getpid(), self.words)
        with _instances_lock:
            if key not in _instances:
                _instances[key] = self._attached(writes=writes)
            return _instances[key]

    def _attached(self, *, writes: bool) -> Connection:
        connection = _new_instance()
        try:
            for extension in ("ducklake", "postgres_scanner"):
                load_extension(connection, extension)
            if (self.data or "").startswith("s3:"):
                load_extension(connection, "httpfs")
            folder = Path(tempfile.gettempdir()) / f"soundlink-lake-{os.getpid()}"
            connection.execute("SET temp_directory = $folder", {"folder": str(folder)})
            connection.execute("SET memory_limit = $memory", {"memory": WRITER_MEMORY})
            connection.execute("SET preserve_insertion_order = false")
            if password := self._parsed.get("password"):
                # Not in the words, which DuckDB shows to whoever asks.
                connection.execute(f"CREATE SECRET (TYPE postgres, PASSWORD {literal(password)})")
            options = self._options() if writes and not self._exists() else ""
            attached = literal(self.name)
            connection.execute(f"ATTACH {attached} AS {CATALOG}{options}")
            if writes:
                connection.execute(f"USE {CATALOG}")
                connection.execute(f"CREATE TABLE IF NOT EXISTS {FENCE} AS SELECT 0::BIGINT AS n")
        except BaseException:
            connection.close()
            raise
        return connection

    def _options(self) -> str:
        """What the first ATTACH of all says; later ones find it in the catalog."""
        if not self.data:
            raise UnsupportedWarehouseError(
                f"{self.name} is new: set SOUNDLINK_LAKE_DATA to the folder or bucket of its "
                "files. Later on, the catalog knows it."
            )
        folder = self.data if "://" in self.data else str(Path(self.data).expanduser().absolute())
        return f" (DATA_PATH {literal(folder.rstrip('/') + '/')})"

    def _forget(self, instance: Connection) -> None:
        with _instances_lock:
            for key, known in list(_instances.items()):
                if known is instance:
                    del _instances[key]

    @property
    def _words_without_password(self) -> str:
        shown = {word: value for word, value in self._parsed.items() if word != "password"}
        return str(psycopg2.extensions.make_dsn(**shown))

    def _hidden(self, text: str) -> str:
        """The text without the password, also where it is quoted as in an URI."""
        password = self._parsed.get("password")
        for secret in {password, quote(password, safe="")} if password else ():
            text = text.replace(secret, "***")
        return text

    @contextmanager
    def _explained(self) -> Iterator[None]:
        """Errors of DuckDB and PostgreSQL as WarehouseErrors, without the password."""
        try:
            with explained(self.name, _EXPLANATIONS):
                yield
        except (psycopg2.Error, duckdb.Error, WarehouseError) as error:
            hidden = self._hidden(str(error))
            if hidden == str(error) and not isinstance(error, psycopg2.Error):
                raise
            if isinstance(error, WarehouseError):
                raise type(error)(hidden) from None
            line = hidden.strip().partition("\n")[0]
            raise UnreachableWarehouseError(
                f"SOUNDLINK_WAREHOUSE: {self.name} cannot be used ({line}). Look whether "
                "PostgreSQL runs there and takes this user, then run again."
            ) from None


def _parsed(words: str) -> dict[str, str]:
    """The words, or the URI, as libpq reads them; UnsupportedWarehouseError if it cannot.

    What cannot be read may hold a password anywhere, and is not repeated. So may an URI whose
    password has an @ or / that is not quoted: libpq takes the rest for a host, port or database.
    """
    try:
        parsed: dict[str, str] = psycopg2.extensions.parse_dsn(words)
    except psycopg2.Error:
        parsed = {}
    is_uri = "://" in words.partition("=")[0]
    misread = [parsed.get(word, "") for word in ("host", "port", "dbname")]
    if not parsed or (is_uri and "@" in "".join(misread)):
        raise UnsupportedWarehouseError(
            f"SOUNDLINK_WAREHOUSE: libpq cannot read what follows {LAKE}; give words such as "
            "dbname=soundlink host=db user=soundlink. In an URI, a password is percent-encoded."
        ) from None
    return parsed


def _new_instance() -> Connection:
    connection = duckdb.connect(config={"python_enable_replacements": "false"})
    connection.execute("SET TimeZone = 'UTC'")
    return connection


def _queue(cursor: Any, deadline: Deadline) -> None:
    """Wait in PostgreSQL's queue for the lock, and log for whom."""
    while True:
        cursor.execute(
            "SELECT application_name FROM pg_locks JOIN pg_stat_activity USING (pid) "
            "WHERE locktype = 'advisory' AND granted AND objid = %s "
            "AND pg_locks.database = (SELECT oid FROM pg_database "
            "WHERE datname = current_database())",
            [LOCK_KEY],
        )
        holder = cursor.fetchone()
        deadline.pause(f"locked by {holder[0] if holder else 'a process that is just done'}")
        left = deadline.wait_seconds - (time.monotonic() - deadline.began)
        wait_ms = max(1, int(min(left, _QUEUE_SECONDS) * 1000))
        cursor.execute(f"SET lock_timeout = {wait_ms:d}")
        try:
            cursor.execute("SELECT pg_advisory_lock(%s)", [LOCK_KEY])
        except psycopg2.errors.LockNotAvailable:
            continue
        return


def _pass_fence(connection: Connection) -> None:
    connection.execute(f"UPDATE {FENCE} SET n = n + 1")


def _is_conflict(error: duckdb.Error) -> bool:
    return any(word in str(error) for word in _CONFLICTS)


def load_extension(connection: Connection, extension: str) -> None:
    """Load an extension: from a wheel of this very version, installed before, or from DuckDB."""
    spec = importlib.util.find_spec(f"duckdb_extension_{extension}")
    for folder in (spec.submodule_search_locations or ()) if spec else ():
        versioned = Path(folder) / "extensions" / f"v{duckdb.__version__}"
        file = versioned / f"{extension}.duckdb_extension"
        if file.is_file():
            connection.execute(f"LOAD {literal(str(file))}")
            return
    try:
        connection.execute(f"LOAD {extension}")
    except duckdb.Error:
        try:
            connection.execute(f"INSTALL {extension}")
            connection.execute(f"LOAD {extension}")
        except duckdb.Error as error:
            raise UnsupportedWarehouseError(
                f"A DuckLake needs DuckDB's extension {extension}, and none can be had "
                f"({first_line(error)}). Install soundlink-assets[lake] with duckdb "
                f"{duckdb.__version__}, or allow DuckDB to download it."
            ) from error
