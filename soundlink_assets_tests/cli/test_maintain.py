"""`maintain` and `move`, and the job that does what `maintain` does."""

from pathlib import Path

import dagster as dg
import pytest

from soundlink_assets.definitions import build_definitions
from soundlink_assets.settings import Settings
from soundlink_assets.warehouse import Warehouse, open_warehouse
from soundlink_assets_tests.cli.conftest import Command
from soundlink_assets_tests.postgres import Postgres, postgres
from soundlink_assets_tests.warehouse.deliveries import HISTORY, LOG, NAME, hour, write
from soundlink_assets_tests.warehouse.processes import full_day

__all__ = ["postgres"]


@pytest.fixture
def lake(postgres: Postgres, tmp_path: Path) -> dict[str, str]:
    """The settings of a lake that does not exist yet."""
    return {
        "SOUNDLINK_WAREHOUSE": f"ducklake:postgres:{postgres.new_database()}",
        "SOUNDLINK_LAKE_DATA": str(tmp_path / "lake"),
    }


@pytest.fixture
def file(tmp_path: Path) -> dict[str, str]:
    """The settings of a file that holds two versions of a day."""
    setting = str(tmp_path / "warehouse.duckdb")
    write_days(open_warehouse(setting))
    return {"SOUNDLINK_WAREHOUSE": setting}


def write_days(warehouse: Warehouse) -> None:
    for number in (1, 2):
        write(warehouse, full_day("ab", number), now=hour(number))


def contents(settings: dict[str, str]) -> list[list[tuple[object, ...]]]:
    warehouse = open_warehouse(settings["SOUNDLINK_WAREHOUSE"])
    tables = (NAME, HISTORY, LOG, f"{NAME}_as_of('{hour(1)}')")
    return [warehouse.query(f"FROM {table} ORDER BY ALL").rows() for table in tables]


@pytest.mark.slow
def test_a_lake_is_compacted_by_the_command_and_by_the_weekly_job(
    command: Command, lake: dict[str, str]
) -> None:
    assert "nothing to do" in command("maintain", **lake).stdout
    write_days(open_warehouse(lake["SOUNDLINK_WAREHOUSE"], lake_data=lake["SOUNDLINK_LAKE_DATA"]))
    before = contents(lake)

    assert "rows flushed" in command("maintain", **lake).stdout
    definitions = build_definitions(Settings(warehouse=lake["SOUNDLINK_WAREHOUSE"]))
    done = definitions.resolve_job_def("maintain_warehouse").execute_in_process()

    (output,) = [event for event in done.all_events if event.is_successful_output]
    assert "files_merged" in output.step_output_data.metadata
    assert contents(lake) == before


def test_a_file_gives_its_write_ahead_log_back(command: Command, file: dict[str, str]) -> None:
    before = contents(file)

    assert "bytes freed" in command("maintain", **file).stdout
    assert contents(file) == before
    nowhere = file["SOUNDLINK_WAREHOUSE"] + ".other"
    assert "nothing to do" in command("maintain", SOUNDLINK_WAREHOUSE=nowhere).stdout
    assert not Path(nowhere).exists()


@pytest.mark.parametrize(
    ("warehouse", "status"),
    [
        ("warehouse.duckdb", dg.DefaultScheduleStatus.STOPPED),
        ("ducklake:postgres:dbname=x", dg.DefaultScheduleStatus.RUNNING),
    ],
)
def test_the_weekly_schedule_runs_by_itself_on_a_lake_only(
    warehouse: str, status: dg.DefaultScheduleStatus
) -> None:
    definitions = build_definitions(Settings(warehouse=warehouse))

    schedule = definitions.resolve_schedule_def("maintain_warehouse_schedule")
    assert schedule.default_status == status


@pytest.mark.slow
def test_a_file_moves_to_a_lake_and_back_with_its_past(
    command: Command, file: dict[str, str], lake: dict[str, str], tmp_path: Path
) -> None:
    back = {"SOUNDLINK_WAREHOUSE": str(tmp_path / "back.duckdb")}

    to_lake = command("move", lake["SOUNDLINK_WAREHOUSE"], **(lake | file))
    to_file = command("move", back["SOUNDLINK_WAREHOUSE"], **lake)

    for moved in (to_lake, to_file):
        assert moved.exit_code == 0, moved.output
        assert f"{NAME}: 200 rows" in moved.stdout
    assert contents(lake) == contents(back) == contents(file)
    again = command("move", lake["SOUNDLINK_WAREHOUSE"], **(lake | file))
    assert again.exit_code == 1
    assert "is not empty: it has 3 tables" in again.stderr


def test_a_move_to_itself_or_of_nothing_is_refused(command: Command, file: dict[str, str]) -> None:
    itself = command("move", file["SOUNDLINK_WAREHOUSE"], **file)
    nothing = command("move", "new.duckdb", SOUNDLINK_WAREHOUSE="nothing.duckdb")

    assert itself.exit_code == nothing.exit_code == 1
    assert "is where the warehouse is" in itself.stderr
    assert "holds no tables" in nothing.stderr
