"""`soundlink-assets export`: every table as a file, of the days asked for."""

from datetime import date
from pathlib import Path

import polars as pl
import pytest
from typer.testing import CliRunner

import soundlink_assets as sl
from soundlink_assets.cli import app

NAME = "analytics.country_efficiency"


@pytest.fixture(autouse=True)
def warehouse(loaded_warehouse: str, monkeypatch: pytest.MonkeyPatch) -> str:
    monkeypatch.setenv("SOUNDLINK_WAREHOUSE", loaded_warehouse)
    return loaded_warehouse


def test_every_table_becomes_a_parquet_file(warehouse: str, tmp_path: Path) -> None:
    result = CliRunner().invoke(app, ["export", "--to", str(tmp_path)])

    assert result.exit_code == 0, result.output
    tables = sl.open(warehouse)
    assert {path.name for path in tmp_path.iterdir()} == {f"{n}.parquet" for n in tables.names()}
    written = pl.read_parquet(tmp_path / f"{NAME}.parquet")
    assert written.equals(tables.frame(NAME))


def test_one_table_of_some_days_as_csv(tmp_path: Path) -> None:
    given = [NAME, "--format", "csv", "--from-day", "2026-05-01", "--to-day", "2026-05-02"]
    result = CliRunner().invoke(app, ["export", *given, "--to", str(tmp_path)])

    assert result.exit_code == 0, result.output
    (file,) = tmp_path.iterdir()
    days = set(pl.read_csv(file, try_parse_dates=True)["report_date"])
    assert days == {date(2026, 5, 1), date(2026, 5, 2)}


def test_nothing_is_written_if_a_table_is_misspelt(tmp_path: Path) -> None:
    folder = tmp_path / "new"
    result = CliRunner().invoke(app, ["export", NAME, f"{NAME}x", "--to", str(folder)])

    assert result.exit_code == 1
    assert "Did you mean" in result.output
    assert not folder.exists()
