"""Stored tables follow their descriptions: extended by new columns, never cast."""

from dataclasses import replace

import duckdb
import polars as pl
import pytest

from soundlink_assets.schema.tables import Column, Kind, Table
from soundlink_assets.warehouse import DeliveryBatch, SchemaMismatchError, Warehouse
from soundlink_assets_tests.warehouse.deliveries import (
    DAY,
    EXPORT,
    NAME,
    NOON,
    ONE_DAY,
    TABLE,
    batch,
    frame,
    hour,
    write,
)

NEW = Column(
    name="new_figure", kind=Kind.COUNT, description="Added by a later version.", nullable=True
)
ROWS = EXPORT.rows
LATER = replace(EXPORT, rows=replace(ROWS, columns=(*ROWS.columns[:5], NEW, *ROWS.columns[5:])))


def write_later_version(warehouse: Warehouse) -> None:
    taken = DeliveryBatch(LATER, ONE_DAY)
    delivered = frame("a", {(DAY, "US"): 1}, hour(1)).with_columns(
        pl.lit(7, dtype=pl.Int64).alias("new_figure")
    )
    taken.add("a", ONE_DAY, delivered, hour(1))
    write(warehouse, taken, now=hour(1), run_id="later")


def test_a_later_version_adds_its_columns_to_table_history_and_past_states(
    warehouse: Warehouse,
) -> None:
    write(warehouse, batch(ONE_DAY, {"a": {(DAY, "US"): 1}}), now=NOON)

    write_later_version(warehouse)

    for table, figures in (
        (NAME, [7]),
        (f"{NAME}_superseded", [None]),
        (f"{NAME}_as_of('{NOON}')", [None]),
        (f"{NAME}_as_of('{hour(1)}')", [7]),
    ):
        rows = warehouse.query(f"SELECT new_figure, streams FROM {table}").rows()
        assert rows == [(figure, 1) for figure in figures]


def test_an_earlier_version_still_writes_a_table_with_more_columns(warehouse: Warehouse) -> None:
    write_later_version(warehouse)

    write(warehouse, batch(ONE_DAY, {"a": {(DAY, "US"): 2}}, exported_at=hour(2)))

    assert warehouse.query(f"SELECT streams, new_figure FROM {NAME}").rows() == [(2, None)]


def test_a_column_that_is_not_stored_yet_reads_as_null(warehouse: Warehouse) -> None:
    write(warehouse, batch(ONE_DAY, {"a": {(DAY, "US"): 1}}))

    rows = warehouse.load(LATER.table)

    assert tuple(rows.columns) == LATER.table.column_names
    assert rows.schema["new_figure"] == pl.Int64
    assert rows.get_column("new_figure").to_list() == [None]


def test_a_stored_type_that_differs_is_named_and_nothing_is_written(
    setting: str,
    warehouse: Warehouse,
) -> None:
    write(warehouse, batch(ONE_DAY, {"a": {(DAY, "US"): 1}}))
    with duckdb.connect(setting) as connection:
        connection.execute(f"ALTER TABLE {NAME} ALTER streams TYPE DOUBLE")

    expected = f"{NAME}: streams is stored as DOUBLE, and is BIGINT here"
    with pytest.raises(SchemaMismatchError, match=expected):
        write(warehouse, batch(ONE_DAY, {"a": {(DAY, "US"): 2}}))
    with pytest.raises(SchemaMismatchError, match=expected):
        warehouse.load(TABLE)
    assert warehouse.query(f"SELECT streams FROM {NAME}").rows() == [(1.0,)]


def test_columns_are_described_in_the_database(warehouse: Warehouse) -> None:
    write(warehouse, batch(ONE_DAY, {"a": {}}))

    comments = warehouse.query(
        "SELECT column_name, comment FROM duckdb_columns() WHERE table_name = $name",
        {"name": TABLE.name},
    )
    by_name = dict(comments.rows())
    assert set(by_name) == set(TABLE.column_names)
    assert by_name["link_clicks"] == f"{TABLE.column('link_clicks').description} [clicks]"


SMALL = Table(
    schema="an odd",
    name='table "x"',
    grain="one row",
    description="It's odd.",
    key=("day",),
    day_column="day",
    columns=(
        Column(name="day", kind=Kind.DATE, description="Day."),
        Column(name="a b", kind=Kind.COUNT, description="It's a count.", unit="people"),
        Column(name='c"d', kind=Kind.TEXT, description="A text.", nullable=True),
    ),
)


def replace_small(warehouse: Warehouse, rows: pl.DataFrame) -> None:
    warehouse.replace_table(SMALL, rows)


def small(**more: object) -> pl.DataFrame:
    values: dict[str, object] = {"day": [DAY], "a b": [1], 'c"d': ["x"], **more}
    return pl.DataFrame({name: values[name] for name in values if values[name] is not None})


def load_small(warehouse: Warehouse) -> list[tuple[object, ...]]:
    return warehouse.load(SMALL).rows()


def test_columns_are_stored_by_name_whatever_their_order(warehouse: Warehouse) -> None:
    replace_small(warehouse, small().select('c"d', "a b", "day"))

    assert load_small(warehouse) == [(DAY, 1, "x")]


@pytest.mark.parametrize(
    ("rows", "message"),
    [
        (small(**{"a b": [1.5]}), "a b is Float64, the table has Int64"),
        (small(**{"a b": ["1"]}), "a b is String, the table has Int64"),
        (small(day=["2026-04-01"]), "day is String, the table has Date"),
        (small(extra=[1]), "extra is Int64, the table has no such column"),
        (small(extra=[None]), "extra is Null, the table has no such column"),
        (small(**{"a b": None}), "a b is missing"),
    ],
)
def test_a_frame_that_does_not_fit_is_named_and_nothing_is_written(
    warehouse: Warehouse, rows: pl.DataFrame, message: str
) -> None:
    replace_small(warehouse, small())

    with pytest.raises(SchemaMismatchError, match=message):
        replace_small(warehouse, rows)

    assert load_small(warehouse) == [(DAY, 1, "x")]


def test_a_column_of_nulls_takes_the_described_type(warehouse: Warehouse) -> None:
    replace_small(warehouse, small(**{'c"d': [None]}))
    assert load_small(warehouse) == [(DAY, 1, None)]

    replace_small(warehouse, small())
    assert load_small(warehouse) == [(DAY, 1, "x")]


def test_an_empty_first_frame_makes_a_typed_table(warehouse: Warehouse) -> None:
    replace_small(warehouse, small().clear())

    rows = warehouse.load(SMALL)
    assert rows.schema == {"day": pl.Date, "a b": pl.Int64, 'c"d': pl.String}


def test_a_table_that_nothing_has_written_reads_as_a_typed_empty_frame(
    warehouse: Warehouse,
) -> None:
    expected = {"day": pl.Date, "a b": pl.Int64, 'c"d': pl.String}
    for _ in range(2):
        rows = warehouse.load(SMALL)
        some = warehouse.load(SMALL, ONE_DAY, ['c"d'])
        assert rows.is_empty()
        assert rows.schema == expected
        assert some.schema == {'c"d': pl.String}
        write(warehouse, batch(ONE_DAY, {"a": {}}))
