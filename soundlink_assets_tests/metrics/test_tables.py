"""The descriptions of the derived tables: complete, with lineage that exists."""

import subprocess
import sys

import pytest

from soundlink_assets.schema import EXPORTS
from soundlink_assets.schema.analytics import DAILY_TABLES, SCORECARDS
from soundlink_assets.schema.nowcast import NOWCAST_TABLES
from soundlink_assets.schema.statements import CAMPAIGN_RETURN, STATEMENTS, TRACK_MONTH_SHARE
from soundlink_assets.schema.tables import Kind, Table

TABLES = (
    *DAILY_TABLES,
    *SCORECARDS,
    *NOWCAST_TABLES,
    TRACK_MONTH_SHARE,
    CAMPAIGN_RETURN,
)
SOURCES = {
    table.name: table
    for table in (*(export.table for export in EXPORTS), *DAILY_TABLES, *NOWCAST_TABLES, STATEMENTS)
}

EVERY_TABLE = pytest.mark.parametrize("table", TABLES, ids=lambda table: table.name)


@EVERY_TABLE
def test_every_source_is_a_column_that_exists(table: Table) -> None:
    for column in table.columns:
        for source in column.sources:
            table_name, column_name = source.split(".")
            assert column_name in SOURCES[table_name].column_names


@EVERY_TABLE
def test_every_column_says_what_it_means_and_where_it_comes_from(table: Table) -> None:
    for column in table.columns:
        assert column.description.endswith("."), column.name
        assert column.sources or column.name == "as_of", column.name


@EVERY_TABLE
def test_every_number_has_a_unit(table: Table) -> None:
    numbers = {Kind.COUNT, Kind.MONEY, Kind.RATIO}
    assert not [
        column.name for column in table.columns if column.kind in numbers and not column.unit
    ]


@EVERY_TABLE
def test_no_derived_column_comes_from_a_published_ratio(table: Table) -> None:
    published = {
        f"{export.name}.{column.name}"
        for export in EXPORTS
        for column in export.rows.columns
        if column.kind is Kind.RATIO
    }
    assert not published & {source for column in table.columns for source in column.sources}


@EVERY_TABLE
def test_the_key_is_made_of_columns(table: Table) -> None:
    assert set(table.key) <= set(table.column_names)
    assert len(set(table.column_names)) == len(table.columns)


def test_the_descriptions_load_without_polars() -> None:
    code = (
        "import sys, soundlink_assets.schema.analytics; "
        "print([m for m in ('polars', 'numpy', 'scipy', 'duckdb') if m in sys.modules])"
    )
    found = subprocess.run([sys.executable, "-c", code], check=True, capture_output=True, text=True)
    assert found.stdout.strip() == "[]"
