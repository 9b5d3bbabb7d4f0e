"""A warehouse of its own for each test: a file, and a lake where a test is about both."""

from pathlib import Path
from typing import cast

import pytest

from soundlink_assets.warehouse import Warehouse, open_warehouse
from soundlink_assets_tests.postgres import Postgres, postgres

__all__ = ["postgres"]


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    """Run what is about any warehouse on every kind, and what names a file's setting on that."""
    if "warehouse" in metafunc.fixturenames and not hasattr(metafunc.module, "LAKE_ONLY"):
        of_a_file = "setting" in metafunc.fixturenames or hasattr(metafunc.module, "FILE_ONLY")
        lake = pytest.param("lake", marks=pytest.mark.slow)
        kinds = ["file"] if of_a_file else ["file", lake]
        metafunc.parametrize("warehouse", kinds, indirect=True)


@pytest.fixture
def setting(tmp_path: Path) -> str:
    """What SOUNDLINK_WAREHOUSE holds for a file."""
    return str(tmp_path / "warehouse.duckdb")


@pytest.fixture
def lake(request: pytest.FixtureRequest, tmp_path: Path) -> Warehouse:
    server = cast("Postgres", request.getfixturevalue("postgres"))
    setting = f"ducklake:postgres:{server.new_database()}"
    return open_warehouse(setting, lake_data=str(tmp_path / "lake") + "/")


@pytest.fixture
def warehouse(request: pytest.FixtureRequest) -> Warehouse:
    if getattr(request, "param", "file") == "lake":
        return cast("Warehouse", request.getfixturevalue("lake"))
    return open_warehouse(cast("str", request.getfixturevalue("setting")))
