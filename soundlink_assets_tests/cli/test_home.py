"""`DAGSTER_HOME` is created once, whoever comes first; one that cannot be used is recognised."""

import sqlite3
import subprocess
import sys
from pathlib import Path

import pytest

from soundlink_assets.cli.app import UserError
from soundlink_assets.cli.home import open_history, prepare_home
from soundlink_assets_tests.cli.commands import environment
from soundlink_assets_tests.cli.conftest import Command
from soundlink_assets_tests.cli.output import BACKFILL, KEY, assert_explained
from soundlink_assets_tests.documents import REPOSITORY

AT_ONCE = 3

PREPARE = """
import sys
from pathlib import Path
from soundlink_assets.cli.home import prepare_home
import dagster
sys.stdin.read()
prepare_home(Path(sys.argv[1]))
"""


def heads(database: Path) -> list[tuple[str]]:
    with sqlite3.connect(database) as connection:
        return connection.execute("select version_num from alembic_version").fetchall()


@pytest.mark.slow
def test_commands_that_start_at_once_on_an_empty_folder_leave_a_home_that_opens(
    tmp_path: Path,
) -> None:
    home = tmp_path / "home"
    starting = [
        subprocess.Popen(
            [sys.executable, "-c", PREPARE, str(home)],
            env=environment({"PYTHONPATH": str(REPOSITORY)}),
            stdin=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        for _ in range(AT_ONCE)
    ]
    errors = [process.communicate()[1] for process in starting]

    assert [process.returncode for process in starting] == [0] * AT_ONCE, errors
    databases = sorted(home.rglob("*.db"))
    assert len(databases) >= 3
    assert all(len(heads(database)) == 1 for database in databases)
    with open_history(home) as instance:
        assert instance.get_runs() == []


def test_what_is_in_the_folder_already_is_left_as_it_is(tmp_path: Path) -> None:
    (tmp_path / "dagster.yaml").write_text("telemetry: {enabled: false}\n", encoding="utf-8")
    (tmp_path / "workspace.yaml").write_text("load_from: []\n", encoding="utf-8")

    prepare_home(tmp_path)

    assert (tmp_path / "dagster.yaml").read_text("utf-8") == "telemetry: {enabled: false}\n"
    assert (tmp_path / "workspace.yaml").read_text("utf-8") == "load_from: []\n"


@pytest.mark.parametrize("database", ["history/runs.db", "schedules/schedules.db"])
def test_a_history_that_two_processes_created_at_once_is_recognised_and_the_way_out_works(
    command: Command, tmp_path: Path, database: str
) -> None:
    home = prepare_home(tmp_path / "home")
    with sqlite3.connect(home / database) as connection:
        connection.execute("insert into alembic_version values ('another')")

    broken = command(*BACKFILL, **KEY, DAGSTER_HOME=home)
    assert_explained(
        broken, "created it at the same moment", f"{home}/history", f"{home}/schedules"
    )

    for folder in ("history", "schedules"):
        for path in sorted((home / folder).rglob("*"), reverse=True):
            path.unlink() if path.is_file() else path.rmdir()
    prepare_home(home)


def test_a_damaged_history_is_named(tmp_path: Path) -> None:
    home = prepare_home(tmp_path / "home")
    (home / "history" / "runs.db").write_text("nothing of use" * 1000, encoding="utf-8")

    with pytest.raises(UserError) as refused, open_history(home):
        pass

    assert str(home) in refused.value.what
    assert "restore the folder from a backup" in refused.value.advice
