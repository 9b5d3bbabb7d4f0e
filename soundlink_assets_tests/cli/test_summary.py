"""What the demo says of its two answers, on a warehouse with a handful of rows."""

from collections.abc import Callable
from datetime import date, timedelta
from io import StringIO
from pathlib import Path
from typing import Any

import polars as pl
import pytest
from rich.console import Console

from soundlink_assets.cli.summary import FEW_LISTENERS, print_countries, print_spillover
from soundlink_assets.schema import CAMPAIGN_ENGAGEMENT_DAILY
from soundlink_assets.schema.window import Window
from soundlink_assets.metrics.country_efficiency import country_efficiency
from soundlink_assets.metrics.spillover_share import spillover_share
from soundlink_assets.schema.analytics import COUNTRY_EFFICIENCY, SPILLOVER_SHARE
from soundlink_assets.schema.tables import Table
from soundlink_assets.warehouse.connection import connect
from soundlink_assets.warehouse.frames import replace_days
from soundlink_assets_tests.metrics.rows import (
    DAY,
    PROMOTED_ID,
    cells_of,
    country_rows,
    engagement_rows,
)

NEXT_DAY = DAY + timedelta(days=1)
WINDOW = Window(DAY, NEXT_DAY)
EVER = Window(date(2000, 1, 1), date(2100, 1, 1))

Print = Callable[[Console, str, Window], None]


@pytest.fixture
def warehouse(tmp_path: Path) -> str:
    return str(tmp_path / "warehouse.duckdb")


def _store(warehouse: str, table: Table, frame: pl.DataFrame) -> None:
    with connect(warehouse, read_only=False) as connection:
        replace_days(connection, table, frame, EVER)


def _store_countries(warehouse: str, *rows: dict[str, Any]) -> None:
    frame = country_rows(*rows)
    _store(warehouse, COUNTRY_EFFICIENCY, country_efficiency(frame, cells_of(frame)))


def _store_plays(warehouse: str, *rows: dict[str, Any]) -> None:
    frame = engagement_rows(*rows)
    _store(warehouse, CAMPAIGN_ENGAGEMENT_DAILY.table, frame)
    _store(warehouse, SPILLOVER_SHARE, spillover_share(frame, cells_of(frame)))


def _printed(printer: Print, warehouse: str) -> list[list[str]]:
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


def test_a_country_without_spend_has_no_cost_and_comes_last(warehouse: str) -> None:
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


def test_the_top_track_has_the_most_plays_of_all_days_and_countries(warehouse: str) -> None:
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
    warehouse: str,
) -> None:
    _store_plays(
        warehouse,
        _track("Promoted", 90, engaged_spotify_track_id=PROMOTED_ID),
        _track("Listed", 80, engagement_context="playlist"),
        _track("Earlier", 70, report_date=DAY - timedelta(days=1)),
        _track("Other", 10),
    )

    assert _printed(print_spillover, warehouse) == [["Sleep Playlist", "90", "10", "10%", "Other"]]


def test_a_campaign_without_spillover_has_no_top_track(warehouse: str) -> None:
    _store_plays(warehouse, _track("Promoted", 90, engaged_spotify_track_id=PROMOTED_ID))

    assert _printed(print_spillover, warehouse) == [["Sleep Playlist", "90", "0", "0%", "-"]]


def test_campaigns_of_one_name_stay_apart(warehouse: str) -> None:
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


def test_a_renamed_campaign_is_one_and_has_its_newest_name(warehouse: str) -> None:
    _store_plays(
        warehouse,
        _track("Other", 10, campaign_name="Zero"),
        _track("Other", 20, campaign_name="Anew", report_date=NEXT_DAY),
    )

    assert _printed(print_spillover, warehouse) == [["Anew", "0", "30", "100%", "Other"]]
