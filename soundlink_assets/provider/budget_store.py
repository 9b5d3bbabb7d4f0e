"""Where the requests of a key are counted: a file of this machine, or the database of a lake.

Both hold the same two tables, locked against every other process and thread while a transaction
lasts. A connection for each transaction: nothing to share between threads, or to carry over a fork.
"""

import hashlib
import re
import sqlite3
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import closing, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pydantic import SecretStr

from soundlink_assets.provider.errors import BudgetError
from soundlink_assets.settings import LAKE, Settings

_LOCK_SECONDS = 30

_TABLES = (
    """create table if not exists requests
       (id {number} primary key, sent_at {seconds} not null, answered_at {seconds})""",
    "create table if not exists pause (until {seconds} not null)",
)


@dataclass(frozen=True, slots=True)
class Counts:
    """The two tables within a transaction; `now` is the store's clock, in seconds since the epoch.

    Values are bound to the `:names` of a statement; `execute` returns its rows.
    """

    now: float
    execute: Callable[[str, Mapping[str, float]], list[Any]]


class SqliteStore:
    """A file that the processes of one machine share; `clock` must be the same for all."""

    def __init__(self, file: Path, clock: Callable[[], float] = time.time) -> None:
        self._file = file
        self._clock = clock

    @contextmanager
    def transaction(self) -> Iterator[Counts]:
        """The counts, locked against all others; BudgetError if they cannot be used."""
        try:
            self._file.parent.mkdir(parents=True, exist_ok=True)
            with closing(
                sqlite3.connect(self._file, timeout=_LOCK_SECONDS, isolation_level=None)
            ) as connection:
                # The counts need not survive a power cut, only a killed process.
                connection.execute("pragma synchronous = off")
                connection.execute("begin immediate")
                for table in _TABLES:
                    connection.execute(table.format(number="integer", seconds="real"))
                yield Counts(
                    self._clock(),
                    lambda statement, values: connection.execute(statement, values).fetchall(),
                )
                connection.execute("commit")
        except (OSError, sqlite3.Error) as error:
            raise BudgetError(
                f"the request budget cannot be kept in {self._file}: {error}",
                hint="Set SOUNDLINK_BUDGET_DIR to a folder that this user may write to. A damaged "
                "file can be deleted.",
            ) from None


class PostgresStore:
    """A schema of a PostgreSQL database, which several hosts share; its clock holds for all.

    `words` are those that libpq connects with; they may hold a password.
    """

    def __init__(self, words: str, schema: str) -> None:
        self._words = words
        self._schema = schema

    @contextmanager
    def transaction(self) -> Iterator[Counts]:
        """The counts, locked against all others; BudgetError if they cannot be used."""
        import psycopg2  # noqa: PLC0415 - of the extra `lake`
        from psycopg2.sql import SQL, Identifier  # noqa: PLC0415

        schema = Identifier(self._schema)
        try:
            with (
                closing(psycopg2.connect(self._words)) as connection,
                connection,
                connection.cursor() as cursor,
            ):
                cursor.execute("set local synchronous_commit = off")  # as in the file
                cursor.execute(f"set local lock_timeout = '{_LOCK_SECONDS}s'")
                cursor.execute(
                    "select pg_advisory_xact_lock(hashtextextended(%s, 0))", [self._schema]
                )
                cursor.execute(SQL("create schema if not exists {}").format(schema))
                cursor.execute(SQL("set local search_path = {}").format(schema))
                for table in _TABLES:
                    number = "bigint generated always as identity"
                    cursor.execute(table.format(number=number, seconds="double precision"))
                cursor.execute("select extract(epoch from clock_timestamp())::double precision")

                def execute(statement: str, values: Mapping[str, float]) -> list[Any]:
                    cursor.execute(re.sub(r":(\w+)", r"%(\1)s", statement), values)
                    return list(cursor.fetchall()) if cursor.description else []

                yield Counts(cursor.fetchone()[0], execute)
        except psycopg2.Error as error:
            # What libpq says of words that it cannot read may hold the password.
            reason = error.diag.message_primary or type(error).__name__
            raise BudgetError(
                f"the request budget cannot be kept in the database of the lake: {reason}",
                hint="See what is wrong with the warehouse: soundlink-assets doctor. Its user must "
                "be allowed to create a schema in its database.",
            ) from None


BudgetStore = SqliteStore | PostgresStore


def budget_store(settings: Settings, key: SecretStr) -> BudgetStore:
    """The store of that key: beside the lake if the warehouse is one, else a file.

    It is named by a one-way hash, so that it does not give the key away.
    """
    digest = hashlib.sha256(f"{settings.base_url}\n{key.get_secret_value()}".encode()).hexdigest()
    name = f"requests-{digest[:32]}"
    if settings.warehouse.startswith(LAKE):
        return PostgresStore(settings.warehouse.removeprefix(LAKE), name)
    return SqliteStore(settings.budget_dir / f"{name}.sqlite")
