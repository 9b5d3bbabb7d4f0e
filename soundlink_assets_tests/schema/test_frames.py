from datetime import UTC, date, datetime
from decimal import Decimal

import polars as pl
import pytest

from soundlink_assets.schema import CAMPAIGN_EXPORTS, Export
from soundlink_assets.schema.frames import empty_frame, polars_schema
from soundlink_assets.schema.tables import Column, Kind, Table

each_export = pytest.mark.parametrize("export", CAMPAIGN_EXPORTS, ids=lambda export: export.name)


def test_every_kind_of_column_has_a_dtype_that_holds_its_values_exactly() -> None:
    values = {
        Kind.TEXT: "é",
        Kind.DATE: date(2026, 4, 1),
        Kind.TIMESTAMP: datetime(2026, 4, 1, 3, 0, 0, 123456, tzinfo=UTC),
        Kind.COUNT: 2**63 - 1,
        Kind.MONEY: Decimal("-999999999999.999999"),
        Kind.FINE_MONEY: Decimal("12345678901234567890.123456789012345678"),
        Kind.RATIO: 0.1,
        Kind.FLAG: True,
    }
    table = Table(
        schema="s",
        name="t",
        grain="one row",
        description="Every kind.",
        columns=tuple(Column(name=kind.name, kind=kind, description="") for kind in Kind),
        key=(),
    )
    row = tuple(values[kind] for kind in Kind)

    frame = pl.DataFrame([row], schema=polars_schema(table), orient="row")

    assert frame.row(0) == row


@each_export
def test_an_empty_frame_has_the_columns_and_dtypes_of_its_table(export: Export) -> None:
    frame = empty_frame(export.table)

    assert frame.height == 0
    assert tuple(frame.columns) == export.table.column_names
    assert frame.schema == polars_schema(export.table)
