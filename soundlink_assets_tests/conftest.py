"""Fixtures that several packages share."""

import os

import pytest
from hypothesis import settings

os.environ.setdefault("SOUNDLINK_SOUNDLINKS", "off")  # halves runs; tests of soundlinks set it

settings.register_profile("ours", deadline=None)  # a busy machine is no failure
settings.load_profile("ours")

SLOWEST_FIRST = ("test_simulation", "test_ui", "test_backfills", "test_install", "test_docs")
"""Files that take a minute or more: begun first, so that no worker is left with one at the end."""


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Order the files by how long they take, roughly."""
    items.sort(key=lambda item: item.path.stem not in SLOWEST_FIRST)


@pytest.fixture(scope="session")
def loaded_warehouse(tmp_path_factory: pytest.TempPathFactory) -> str:
    """A warehouse with all tables of the sandbox's world, to be read only."""
    from soundlink_assets_tests.loaded_warehouse import load_warehouse  # noqa: PLC0415 - heavy

    return load_warehouse(tmp_path_factory.mktemp("loaded"))
