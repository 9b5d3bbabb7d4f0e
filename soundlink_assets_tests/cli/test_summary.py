"""What the demo prints of its two answers, on a warehouse with a handful of rows; and its proof."""

from collections.abc import Callable
from datetime import date, timedelta
from io import StringIO
from pathlib import Path
from shutil import copyfile
from typing import Any

import duckdb
import polars as pl
import pytest
from rich.console import Console

from soundlink_assets.cli.summary import (
    FEW_LISTENERS,
    differing_rows,
    print_countries,
    print_spillover,
)
from soundlink_assets.metrics.country_efficiency import country_efficiency
from soundlink_assets.metrics.engagement import spillover_share
from soundlink_assets.schema import CAMPAIGN_ENGAGEMENT_DAILY
from soundlink_assets.schema.analytics import COUNTRY_EFFICIENCY, SPILLOVER_SHARE
from soundlink_assets.schema.tables import Table
from soundlink_assets.schema.window import Window
from soundlink_assets.warehouse import Warehouse, open_warehouse
from soundlink_assets_tests.metrics.rows import (
    DAY,
    PROMOTED_ID,
    country_rows,
    engagement_rows,
    log_of,
)

NEXT_DAY = DAY + timedelta(days=1)
WINDOW = Window(DAY, NEXT_DAY)
EVER = Window(date(2000, 1, 1), date(2100, 1, 1))

Print = Callable[[Console, Warehouse, Window], None]


@pytest.fixture
def warehouse(tmp_path: Path) -> Warehouse:
    return open_warehouse(str(tmp_path / "warehouse.duckdb"))


def _store(warehouse: Warehouse, table: Table, frame: pl.DataFrame) -> None:
    warehouse.replace_days(table, frame, EVER)


def _store_countries(warehouse: Warehouse, *rows: dict[str, Any]) -> None:
    frame = country_rows(*rows)
    _store(warehouse, COUNTRY_EFFICIENCY, country_efficiency(frame, log_of(frame)))


def _store_plays(warehouse: Warehouse, *rows: dict[str, Any]) -> None:
    frame = engagement_rows(*rows)
    _store(warehouse, CAMPAIGN_ENGAGEMENT_DAILY.table, frame)
    _store(warehouse, SPILLOVER_SHARE, spillover_share(frame, log_of(frame)))


def _printed(printer: Print, warehouse: Warehouse) -> list[list[str]]:
    """The cells of the printed table, row by row."""
    output = StringIO()
    printer(Console(file=output, width=200), warehouse, WINDOW)
    lines = output.getvalue().splitlines()
    return [
        [cell.strip() for cell in line.strip("│").split("│")] for line in lines if line[:1] == "│"
    ]


def _track(title: str, streams: int, **more: Any) -> dict[str, Any]:
    return {
        "engaged_spotify_track_id": title.lower(),
        "engaged_track_name": title,
        "streams": streams,
        **more,
    }


def test_a_country_without_spend_has_no_cost_and_comes_last(warehouse: Warehouse) -> None:
    _store_countries(
        warehouse,
        {"country_code": "BR", "spend_media": "0", "listeners": 900},
        {"country_code": "DE", "spend_media": "30", "listeners": 100},
        {"country_code": "FR", "spend_media": "20", "listeners": 100},
        {"country_code": "US", "spend_media": "1", "listeners": FEW_LISTENERS - 1},
    )

    shown = [(row[0], row[4], row[5]) for row in _printed(print_countries, warehouse)]

    assert [country for country, _, _ in shown] == ["FR", "DE", "US", "BR"]
    assert shown[0][1] == "0.200"
    assert shown[-1] == ("BR", "-", "-")


def test_the_top_track_has_the_most_plays_of_all_days_and_countries(warehouse: Warehouse) -> None:
    """Of one country-day, Burst has the most; of the window, Steady."""
    _store_plays(
        warehouse,
        _track("Promoted", 100, engaged_spotify_track_id=PROMOTED_ID),
        _track("Burst", 50),
        _track("Steady", 40),
        _track("Steady", 30, country_code="DE"),
        _track("Steady", 30, report_date=NEXT_DAY),
    )

    assert _printed(print_spillover, warehouse) == [
        ["Sleep Playlist", "100", "150", "60%", "Steady"]
    ]


def test_the_top_track_is_counted_by_the_rules_of_spillover_and_within_the_window(
    warehouse: Warehouse,
) -> None:
    _store_plays(
        warehouse,
        _track("Promoted", 90, engaged_spotify_track_id=PROMOTED_ID),
        _track("Listed", 80, engagement_context="playlist"),
        _track("Earlier", 70, report_date=DAY - timedelta(days=1)),
        _track("Other", 10),
    )

    assert _printed(print_spillover, warehouse) == [["Sleep Playlist", "90", "10", "10%", "Other"]]


def test_a_campaign_without_spillover_has_no_top_track(warehouse: Warehouse) -> None:
    _store_plays(warehouse, _track("Promoted", 90, engaged_spotify_track_id=PROMOTED_ID))

    assert _printed(print_spillover, warehouse) == [["Sleep Playlist", "90", "0", "0%", "-"]]


def test_campaigns_of_one_name_stay_apart(warehouse: Warehouse) -> None:
    promoted = _track("Promoted", 10, engaged_spotify_track_id=PROMOTED_ID)
    _store_plays(
        warehouse,
        promoted,
        _track("One", 30),
        promoted | {"campaign_id": "c2"},
        _track("Two", 10, campaign_id="c2"),
    )

    assert _printed(print_spillover, warehouse) == [
        ["Sleep Playlist", "10", "30", "75%", "One"],
        ["Sleep Playlist", "10", "10", "50%", "Two"],
    ]


def test_a_renamed_campaign_is_one_and_has_its_newest_name(warehouse: Warehouse) -> None:
    _store_plays(
        warehouse,
        _track("Other", 10, campaign_name="Zero"),
        _track("Other", 20, campaign_name="Anew", report_date=NEXT_DAY),
    )

    assert _printed(print_spillover, warehouse) == [["Anew", "0", "30", "100%", "Other"]]


@pytest.fixture
def loaded_copy(loaded_warehouse: str, tmp_path: Path) -> Path:
    copy = tmp_path / "copy.duckdb"
    copyfile(loaded_warehouse, copy)
    return copy


def test_tables_as_they_were_derived_equal_the_computation_in_sql(loaded_copy: Path) -> None:
    compared, different = differing_rows(open_warehouse(str(loaded_copy)), EVER)

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
def test_a_changed_or_missing_row_is_found(loaded_copy: Path, change: str) -> None:
    with duckdb.connect(loaded_copy) as connection:
        connection.execute(change)

    assert differing_rows(open_warehouse(str(loaded_copy)), EVER)[1] > 0
