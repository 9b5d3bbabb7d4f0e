"""The definitions as Dagster loads them: what there is, under which names, and how it is wired."""

import json
import subprocess
import sys
from pathlib import Path

import dagster as dg
import pytest
import yaml
from dagster._core.workspace.load import load_workspace_process_context_from_yaml_paths

from soundlink_assets.assets.catalog import asset_key
from soundlink_assets.definitions import build_definitions, tables_of
from soundlink_assets.schema import EXPORTS
from soundlink_assets.schema.tables import Table
from soundlink_assets.settings import Settings

ROOT = Path(__file__).parent.parent
HEAVY = ("pyarrow", "httpx", "scipy", "altair", "starlette", "msgspec")
"""The IO manager of dagster-duckdb-polars needs duckdb and polars; nothing else is needed."""


@pytest.fixture(scope="module")
def definitions() -> dg.Definitions:
    return build_definitions(Settings(soundlinks="auto"))


def test_asset_keys_job_schedule_and_sensors_are_these(definitions: dg.Definitions) -> None:
    repository = definitions.get_repository_def()

    assert sorted(
        key.to_user_string() for key in definitions.resolve_asset_graph().get_all_asset_keys()
    ) == [
        "analytics/campaign_report",
        "analytics/campaign_return",
        "analytics/campaign_scorecard",
        "analytics/country_efficiency",
        "analytics/country_scorecard",
        "analytics/nowcast_backtest",
        "analytics/playlist_track_share",
        "analytics/revision_nowcast",
        "analytics/spillover_share",
        "analytics/track_month_share",
        "distributor/statements",
        "soundlink/campaign_country_daily",
        "soundlink/campaign_engagement_daily",
        "soundlink/campaign_overview",
        "soundlink/campaigns",
        "soundlink/soundlink_country_daily",
        "soundlink/soundlink_engagement_daily",
        "soundlink/soundlinks",
    ]
    jobs = {job.name for job in repository.get_all_jobs() if not job.name.startswith("__")}
    assert jobs == {"daily_exports", "maintain_warehouse"}
    assert {schedule.name for schedule in repository.schedule_defs} == {
        "daily_exports_schedule",
        "maintain_warehouse_schedule",
    }
    assert "revision_window_sensor" in {sensor.name for sensor in repository.sensor_defs}


def test_definitions_load_in_a_fresh_interpreter_without_a_key_and_without_heavy_libraries() -> (
    None
):
    script = (
        "import json, sys\n"
        "from soundlink_assets.definitions import defs\n"
        "from dagster._core.definitions.definitions_load_context import DefinitionsLoadContext\n"
        "repository = defs(DefinitionsLoadContext.get()).get_repository_def()\n"
        f"loaded = [name for name in {HEAVY!r} if name in sys.modules]\n"
        "print(json.dumps([len(repository.assets_defs_by_key), loaded]))\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", script],
        capture_output=True,
        text=True,
        check=True,
        env={"PATH": "", "HOME": str(ROOT)},
    )

    count, loaded = json.loads(done.stdout.splitlines()[-1])
    assert count >= 5
    assert loaded == []
    assert "Warning" not in done.stderr, done.stderr


def test_the_workspace_file_names_the_definitions(tmp_path: Path) -> None:
    with (
        dg.DagsterInstance.local_temp(str(tmp_path)) as instance,
        load_workspace_process_context_from_yaml_paths(
            instance, [str(ROOT / "workspace.yaml")]
        ) as process,
    ):
        (location,) = process.create_request_context().code_locations
        (repository,) = location.get_repositories().values()

        assert location.name == "soundlink_assets"
        assert repository.has_job("daily_exports")


def test_the_project_file_names_the_same_module() -> None:
    workspace = yaml.safe_load((ROOT / "workspace.yaml").read_text())
    module = workspace["load_from"][0]["python_module"]["module_name"]
    project = (ROOT / "pyproject.toml").read_text()

    assert f'module_name = "{module}"' in project
    assert f'code_location_target_module = "{module}"' in project


def test_partitions_run_from_the_start_date_to_yesterday_in_utc(
    definitions: dg.Definitions,
) -> None:
    for export in EXPORTS:
        partitions = definitions.resolve_assets_def(asset_key(export.table)).partitions_def
        assert isinstance(partitions, dg.DailyPartitionsDefinition)
        assert partitions.timezone == "UTC"
        assert partitions.get_first_partition_key() == "2026-01-01"
        assert partitions.end_offset == 0


def test_a_run_spans_at_most_what_one_request_may_ask_for(definitions: dg.Definitions) -> None:
    graph = definitions.resolve_asset_graph()
    for key in graph.get_all_asset_keys():
        node = graph.get(key)
        if node.is_partitioned:
            assert node.backfill_policy == dg.BackfillPolicy.multi_run(90)


@pytest.mark.parametrize("table", tables_of(), ids=lambda table: table.name)
def test_every_table_is_described_in_the_catalog(table: Table, definitions: dg.Definitions) -> None:
    key = asset_key(table)
    asset = definitions.resolve_assets_def(key)
    metadata = asset.metadata_by_key[key]
    schema = metadata["dagster/column_schema"]

    assert isinstance(schema, dg.TableSchema)
    assert [column.name for column in schema.columns] == list(table.column_names)
    assert all(column.description for column in schema.columns)
    assert asset.descriptions_by_key[key]
    assert asset.get_asset_spec(key).owners
    assert asset.group_names_by_key[key] in {"soundlink", "distributor", "analytics"}
    assert "dagster/code_references" in metadata
    if table.schema == "analytics":
        assert isinstance(metadata["dagster/column_lineage"], dg.TableColumnLineage)


def test_runs_execute_in_one_process(definitions: dg.Definitions) -> None:
    job = definitions.resolve_job_def("daily_exports")

    assert job.executor_def is dg.in_process_executor
