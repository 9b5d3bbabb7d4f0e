"""What the warehouse holds, for notebooks, pages and scripts: `soundlink_assets.open()`."""

import difflib
from typing import TYPE_CHECKING

from soundlink_assets.warehouse import MissingTableError, Reader, Warehouse
from soundlink_assets.warehouse.protocol import Parameters

if TYPE_CHECKING:
    import polars as pl

    from soundlink_assets.settings import Settings


class Tables:
    """The tables of a warehouse, as polars frames.

    Each call sees the newest state; or, of a reader, the reader's.
    """

    def __init__(self, warehouse: Warehouse | Reader, name: str) -> None:
        self._warehouse = warehouse
        self._name = name

    def names(self) -> list[str]:
        """The names of all tables, such as `analytics.country_scorecard`."""
        found = self._warehouse.query(
            "SELECT schema_name || '.' || table_name AS name FROM duckdb_tables() "
            "WHERE database_name = current_database() AND schema_name <> 'main' ORDER BY name"
        )
        return found["name"].to_list()

    def frame(self, name: str) -> "pl.DataFrame":
        """All rows of a table; MissingTableError, which names those there are, if it is none."""
        self.require(name)
        quoted = ".".join(f'"{part}"' for part in name.split(".", 1))
        return self._warehouse.query(f"FROM {quoted}")

    def require(self, name: str) -> None:
        """MissingTableError, as of `frame`, if there is no such table."""
        names = self.names()
        if name not in names:
            raise self._missing(f"There is no table {name}.", name, names)

    def sql(self, query: str, parameters: Parameters = ()) -> "pl.DataFrame":
        """The result of one query in DuckDB's SQL.

        `parameters` are bound to its `$name`s or, in order, to its `?`s. MissingTableError for a
        table that there is not; RefusedQueryError if it is not one statement that only reads.
        """
        try:
            return self._warehouse.query(query, parameters)
        except MissingTableError as error:
            raise self._missing(str(error).partition("!")[0] + ".", "", self.names()) from None

    def __repr__(self) -> str:
        return f"<tables of {self._name}>"

    def _missing(self, what: str, name: str, names: list[str]) -> MissingTableError:
        if not names:
            return MissingTableError(
                f"{self._name} holds no tables yet. Load some days with "
                "`soundlink-assets backfill`, or synthetic ones with `soundlink-assets demo`; or "
                "name another warehouse: soundlink_assets.open('path/to/warehouse.duckdb')."
            )
        near = difflib.get_close_matches(name, names, n=1)
        meant = f" Did you mean {near[0]}?" if near else ""
        return MissingTableError(f"{what}{meant} Tables: {', '.join(names)}.")


def settings_here(**given: str) -> "Settings":
    """The settings of the environment and of the file `.env` in this folder, as in commands."""
    from dotenv import load_dotenv

    from soundlink_assets.settings import load_settings

    load_dotenv(".env", override=False)
    return load_settings(**given)
