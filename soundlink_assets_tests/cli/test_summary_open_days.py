"""The demo keeps what is reported of open days and what is expected apart."""

from datetime import timedelta
from io import StringIO
from pathlib import Path

import polars as pl
import pytest
from rich.console import Console

from soundlink_assets.cli.summary import print_open_days
from soundlink_assets.schema.frames import polars_schema
from soundlink_assets.schema.nowcast import REVISION_NOWCAST, TOO_FEW_DAYS
from soundlink_assets.warehouse import Warehouse, open_warehouse
from soundlink_assets_tests.metrics.rows import DAY


@pytest.fixture
def warehouse(tmp_path: Path) -> Warehouse:
    return open_warehouse(str(tmp_path / "warehouse.duckdb"))


def printed(warehouse: Warehouse, *expected: float | None) -> str:
    schema = polars_schema(REVISION_NOWCAST)
    rows = [
        {
            "report_date": DAY + timedelta(days=offset),
            "campaign_id": "c",
            "measure": measure,
            "reported": 1_000.0,
            "expected": value,
            "reason": TOO_FEW_DAYS if value is None else None,
            "age_days": 0,
            "basis_days": 0,
        }
        for offset, value in enumerate(expected)
        for measure in ("listeners", "streams")
    ]
    frame = pl.DataFrame([{name: row.get(name) for name in schema} for row in rows], schema=schema)
    warehouse.replace_table(REVISION_NOWCAST, frame)
    output = StringIO()
    print_open_days(Console(file=output, width=400), warehouse)
    return output.getvalue().strip()


def test_reported_and_expected_listeners_are_said_and_when_days_are_final(
    warehouse: Warehouse,
) -> None:
    assert printed(warehouse, 1_500.4, 1_100.0) == (
        "Open 2026-04-01 to 2026-04-02: 2,000 listeners reported, 2,600 expected. Final from "
        "2026-04-09 to 2026-04-10. Figures below are as reported."
    )


def test_a_sum_is_not_expected_while_a_part_of_it_is_not(warehouse: Warehouse) -> None:
    said = printed(warehouse, 1_500.0, None)
    assert "2,000 listeners reported; 1 of 2 campaign-days without an expectation" in said
    assert TOO_FEW_DAYS in said
    assert " expected" not in said.replace("without an expectation", "")


def test_nothing_is_said_without_open_days(warehouse: Warehouse) -> None:
    assert printed(warehouse) == ""
