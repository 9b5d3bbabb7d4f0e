"""A warehouse of its own for each test."""

from pathlib import Path

import pytest

from soundlink_assets.warehouse import Warehouse, open_warehouse


@pytest.fixture
def setting(tmp_path: Path) -> str:
    """What SOUNDLINK_WAREHOUSE holds."""
    return str(tmp_path / "warehouse.duckdb")


@pytest.fixture
def warehouse(setting: str) -> Warehouse:
    return open_warehouse(setting)
