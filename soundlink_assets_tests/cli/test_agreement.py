"""The demo's comparison finds what differs, and nothing where nothing does."""

from datetime import date
from pathlib import Path
from shutil import copyfile

import pytest

from soundlink_assets.cli.agreement import differing_rows
from soundlink_assets.schema.window import Window
from soundlink_assets.warehouse.connection import connect

EVER = Window(date(2000, 1, 1), date(2100, 1, 1))


@pytest.fixture
def warehouse(loaded_warehouse: str, tmp_path: Path) -> str:
    copy = tmp_path / "copy.duckdb"
    copyfile(loaded_warehouse, copy)
    return str(copy)


def test_tables_as_they_were_derived_equal_the_computation_in_sql(warehouse: str) -> None:
    compared, different = differing_rows(warehouse, EVER)

    assert compared > 100
    assert different == 0


@pytest.mark.parametrize(
    "change",
    [
        "update analytics.country_efficiency set cost_per_listener = cost_per_listener * 1.01",
        "update analytics.country_efficiency set spend_media = spend_media + 0.01",
        (
            "delete from analytics.spillover_share where campaign_id = "
            "(select max(campaign_id) from analytics.spillover_share)"
        ),
        "update analytics.spillover_share set spillover_streams = spillover_streams + 1",
    ],
)
def test_a_changed_or_missing_row_is_found(warehouse: str, change: str) -> None:
    with connect(warehouse, read_only=False) as connection:
        connection.execute(change)

    assert differing_rows(warehouse, EVER)[1] > 0
