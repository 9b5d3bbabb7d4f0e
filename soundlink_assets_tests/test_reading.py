"""`soundlink_assets.open()` and `client()`: what a notebook sees."""

import subprocess
import sys
from pathlib import Path

import polars as pl
import pytest

import soundlink_assets as sl
from soundlink_assets.sandbox import SandboxConfig, serving
from soundlink_assets.schema import CAMPAIGN
from soundlink_assets.warehouse import MissingTableError, RefusedQueryError

TABLE = "analytics.country_scorecard"


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty folder to work in, without any setting."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("SOUNDLINK_WAREHOUSE", "")  # so that it is unset again afterwards
    monkeypatch.delenv("SOUNDLINK_WAREHOUSE")
    return tmp_path


def test_a_table_is_a_frame(loaded_warehouse: str) -> None:
    tables = sl.open(loaded_warehouse)

    frame = tables.frame(TABLE)
    assert not frame.is_empty()
    assert frame.schema["spend_media"] == pl.Decimal(18, 6)
    assert TABLE in tables.names()
    assert tables.sql(f"SELECT count(*) FROM {TABLE}").item() == frame.height
    assert tables.sql("SELECT $a + 1", {"a": 1}).item() == 2


def test_the_warehouse_is_that_of_the_env_file(folder: Path, loaded_warehouse: str) -> None:
    (folder / ".env").write_text(f"SOUNDLINK_WAREHOUSE={loaded_warehouse}\n", encoding="utf-8")

    assert TABLE in sl.open().names()


def test_a_misspelt_table_is_told_from_those_there_are(loaded_warehouse: str) -> None:
    tables = sl.open(loaded_warehouse)

    with pytest.raises(MissingTableError, match=f"Did you mean {TABLE}[?] Tables: analytics"):
        tables.frame("analytics.country_score_card")
    with pytest.raises(MissingTableError, match=f"does not exist.*{TABLE}"):
        tables.sql("FROM analytics.country_score_card")


@pytest.mark.parametrize("name", [TABLE, 'x"; DROP'])
def test_an_empty_warehouse_says_how_to_load_it(folder: Path, name: str) -> None:
    with pytest.raises(MissingTableError, match=r"no tables yet.*soundlink-assets backfill"):
        sl.open().frame(name)
    assert not list(folder.iterdir())


def test_tables_are_only_read(loaded_warehouse: str) -> None:
    with pytest.raises(RefusedQueryError):
        sl.open(loaded_warehouse).sql(f"DELETE FROM {TABLE}")


def test_the_client_has_the_settings_of_the_environment(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with serving(SandboxConfig(campaign_count=2)) as sandbox:
        monkeypatch.setenv("SOUNDLINK_BASE_URL", sandbox.base_url)
        monkeypatch.setenv("SOUNDLINK_API_KEY", sandbox.api_key)
        monkeypatch.setenv("SOUNDLINK_BUDGET_DIR", str(folder))
        with sl.client() as client:
            assert client.listed(CAMPAIGN).height == 2


def test_the_package_is_imported_without_anything_heavy() -> None:
    program = (
        "import sys, soundlink_assets\n"
        "print({'polars', 'duckdb', 'dagster', 'httpx', 'pydantic'} & set(sys.modules))"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, check=True)
    assert done.stdout.strip() == b"set()"
