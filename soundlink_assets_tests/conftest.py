"""Fixtures that several packages share."""

import pytest

from soundlink_assets_tests.loaded_warehouse import load_warehouse


@pytest.fixture(scope="session")
def loaded_warehouse(tmp_path_factory: pytest.TempPathFactory) -> str:
    """A warehouse with all tables of the sandbox's world, to be read only."""
    return load_warehouse(tmp_path_factory.mktemp("loaded"))
