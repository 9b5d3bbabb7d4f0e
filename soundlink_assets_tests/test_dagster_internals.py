"""What we use of Dagster without a public name is there, and used in one place only."""

import re
from inspect import signature
from pathlib import Path

import pytest

import soundlink_assets
from soundlink_assets import dagster_internals
from soundlink_assets.dagster_internals import (
    AssetCheckExecutionsTable,
    CheckStatus,
    DbIOManager,
    SqlEventLogStorage,
    TableSlice,
    TargetMaterialization,
)

PACKAGE = Path(soundlink_assets.__file__).parent


def test_private_names_are_imported_in_one_module() -> None:
    importing = {
        path.relative_to(PACKAGE).as_posix()
        for path in PACKAGE.rglob("*.py")
        if re.search(r"^\s*(from|import) dagster\._", path.read_text(), re.MULTILINE)
    }
    assert importing == {"dagster_internals.py"}


@pytest.mark.parametrize("name", dagster_internals.__all__)
def test_every_private_name_is_used(name: str) -> None:
    assert any(
        re.search(rf"\b{name}\b", path.read_text())
        for path in PACKAGE.rglob("*.py")
        if path.name != "dagster_internals.py"
    )


def test_the_table_of_check_executions_has_the_columns_that_are_written() -> None:
    columns = set(AssetCheckExecutionsTable.c.keys())
    assert columns == {
        *("id", "asset_key", "check_name", "partition", "run_id", "execution_status"),
        *("evaluation_event", "evaluation_event_timestamp", "evaluation_event_storage_id"),
        *("materialization_event_storage_id", "create_timestamp"),
    }
    assert {status.value for status in CheckStatus} == {"PLANNED", "SUCCEEDED", "FAILED"}


def test_the_storage_of_events_has_the_methods_that_are_called() -> None:
    assert list(signature(SqlEventLogStorage.prepare_insert_event).parameters) == ["self", "event"]
    assert list(signature(SqlEventLogStorage.index_connection).parameters) == ["self"]


def test_the_classes_take_what_they_are_given() -> None:
    assert TargetMaterialization(storage_id=1, run_id="run", timestamp=0.0).storage_id == 1
    assert TableSlice("table", "schema", "database", ["column"], []).columns == ["column"]
    assert {"type_handlers", "db_client", "database", "schema", "default_load_type"} <= set(
        signature(DbIOManager).parameters
    )
