"""Files in the way, a damaged history, no room: a line or two say so, and what to do."""

import errno
import resource
import sqlite3
import subprocess
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path

import pytest

from soundlink_assets.cli.failures import explain, report
from soundlink_assets.sandbox import serving
from soundlink_assets.warehouse.errors import FullDiskError
from soundlink_assets_tests.cli.commands import environment
from soundlink_assets_tests.cli.conftest import Command
from soundlink_assets_tests.cli.output import BACKFILL, KEY, MOST_LINES, assert_explained

FILE_IN_THE_WAY = [
    ("SOUNDLINK_WAREHOUSE", "file", ("not a DuckDB database", "SOUNDLINK_WAREHOUSE")),
    ("SOUNDLINK_WAREHOUSE", "file/warehouse.duckdb", ("cannot be made", "SOUNDLINK_WAREHOUSE")),
    ("SOUNDLINK_BUDGET_DIR", "file/budget", ("SOUNDLINK_BUDGET_DIR", "user may write")),
    ("DAGSTER_HOME", "file", ("cannot be kept in", "Set DAGSTER_HOME")),
    ("DAGSTER_HOME", "file/home", ("cannot be kept in", "Set DAGSTER_HOME")),
]


@pytest.mark.parametrize(("variable", "path", "words"), FILE_IN_THE_WAY)
def test_a_file_where_another_thing_should_be(
    command: Command, tmp_path: Path, variable: str, path: str, words: tuple[str, ...]
) -> None:
    (tmp_path / "file").write_text("somebody's notes", encoding="utf-8")
    with serving() as sandbox:
        there = {"SOUNDLINK_BASE_URL": sandbox.base_url, "SOUNDLINK_API_KEY": sandbox.api_key}
        result = command(*BACKFILL, **there | {variable: str(tmp_path / path)})

    assert_explained(result, *words)
    assert (tmp_path / "file").read_text(encoding="utf-8") == "somebody's notes"


def test_a_damaged_history(command: Command, tmp_path: Path) -> None:
    (tmp_path / "history").mkdir()
    (tmp_path / "history" / "runs.db").write_text("no database" * 1000, encoding="utf-8")

    result = command(*BACKFILL, **KEY, DAGSTER_HOME=tmp_path)

    assert_explained(result, f"Dagster's history cannot be used: {tmp_path}", "backup")


def test_a_folder_where_the_warehouse_should_be(command: Command, tmp_path: Path) -> None:
    result = command("report", SOUNDLINK_WAREHOUSE=tmp_path)

    assert_explained(result, str(tmp_path), "is a folder", "path of a file")


WHERE = [errno.ENOENT, errno.EISDIR]


@pytest.mark.parametrize("number", WHERE, ids=errno.errorcode.get)
def test_a_place_where_no_file_can_be_made(number: int) -> None:
    explanation = explain(OSError(number, "reason", "/proc/nowhere.html"))

    assert explanation is not None
    assert explanation.what == "/proc/nowhere.html: reason."
    assert "choose another place" in explanation.advice


def limited(arguments: Sequence[str], folder: Path, settings: Mapping[str, str]) -> str:
    """What a command prints that may not write a file of more than 50 kB, as on a full disk."""
    result = subprocess.run(
        [sys.executable, "-m", "soundlink_assets.cli", *arguments],
        cwd=folder,
        # Nor leave half a file of byte code for others.
        env=environment({**settings, "PYTHONDONTWRITEBYTECODE": "1"}),
        preexec_fn=lambda: resource.setrlimit(resource.RLIMIT_FSIZE, (50_000, 50_000)),
        capture_output=True,
        text=True,
        check=False,
    )
    assert result.returncode == 1
    assert len(result.stderr.splitlines()) <= MOST_LINES, result.stderr
    return result.stderr


def test_no_room_for_the_report(loaded_warehouse: str, tmp_path: Path) -> None:
    printed = limited(["report"], tmp_path, {"SOUNDLINK_WAREHOUSE": loaded_warehouse})

    assert "File too large" in printed
    assert "raise the limit" in printed


def test_no_room_for_the_history(tmp_path: Path) -> None:
    printed = limited(BACKFILL, tmp_path, KEY)

    assert "Dagster's history cannot be used" in printed
    assert "disk" in printed


FULL = [
    OSError(errno.ENOSPC, "No space left on device", "/data/x"),
    sqlite3.OperationalError("database or disk is full"),
    FullDiskError("The disk of /data/x is full"),
]


@pytest.mark.parametrize("error", FULL, ids=lambda error: type(error).__name__)
def test_a_full_disk_is_called_one(error: Exception) -> None:
    wrapped = RuntimeError("a library wraps it")
    wrapped.__cause__ = error

    assert "full" in str(explain(wrapped))


def test_an_error_that_nobody_foresaw_names_itself_and_the_way_to_its_trace(
    capsys: pytest.CaptureFixture[str],
) -> None:
    report(KeyError("odd"), verbose=False)

    first, second = capsys.readouterr().err.splitlines()
    assert first == "Unexpected error, KeyError: 'odd'"
    assert "--verbose" in second
