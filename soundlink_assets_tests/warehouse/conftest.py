"""A warehouse of its own for each test."""

from pathlib import Path

import pytest


@pytest.fixture
def warehouse(tmp_path: Path) -> str:
    return str(tmp_path / "warehouse.duckdb")
