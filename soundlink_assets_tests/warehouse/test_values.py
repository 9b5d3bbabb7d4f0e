"""The distinct values of a stored column."""

import polars as pl

from soundlink_assets.schema import CAMPAIGN_COUNTRY_DAILY
from soundlink_assets.warehouse.connection import connect
from soundlink_assets.warehouse.sql import qualified
from soundlink_assets.warehouse.values import distinct_texts

TABLE = CAMPAIGN_COUNTRY_DAILY.table


def accounts(warehouse: str) -> set[str]:
    with connect(warehouse, read_only=True) as connection:
        return distinct_texts(connection, TABLE, "account_id")


def stored(warehouse: str, frame: pl.DataFrame) -> None:
    columns = ", ".join(f"unnest({frame[name].to_list()!r}) AS {name}" for name in frame.columns)
    with connect(warehouse, read_only=False) as connection:
        connection.execute(f"CREATE SCHEMA {TABLE.schema}")
        connection.execute(f"CREATE TABLE {qualified(TABLE)} AS SELECT {columns}")


def test_a_table_that_is_not_there_has_none(warehouse: str) -> None:
    assert accounts(warehouse) == set()


def test_a_column_that_is_not_there_has_none(warehouse: str) -> None:
    stored(warehouse, pl.DataFrame({"campaign_id": ["a"]}))

    assert accounts(warehouse) == set()


def test_each_value_counts_once(warehouse: str) -> None:
    stored(warehouse, pl.DataFrame({"account_id": ["b", "a", "b"]}))

    assert accounts(warehouse) == {"a", "b"}
