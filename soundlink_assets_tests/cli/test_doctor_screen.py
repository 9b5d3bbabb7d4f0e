"""The doctor's screen where it is narrow or knows few letters."""

from pathlib import Path

import pytest

from soundlink_assets.cli.doctor import ASCII_SIGNS
from soundlink_assets_tests.cli.commands import soundlink_assets
from soundlink_assets_tests.cli.conftest import Command


def test_an_output_of_ascii_gets_marks_of_ascii(tmp_path: Path) -> None:
    folder = tmp_path / "für"
    folder.mkdir()

    done = soundlink_assets(["doctor"], folder, {"PYTHONIOENCODING": "ascii", "PYTHONUTF8": "0"})

    assert done.stderr == ""
    assert done.stdout.isascii()
    assert f"{ASCII_SIGNS['advice']} Set SOUNDLINK_API_KEY." in done.stdout
    assert "f?r" in done.stdout


@pytest.mark.parametrize("columns", ["40", "60"])
def test_on_a_narrow_screen_nothing_is_cut(command: Command, columns: str) -> None:
    name = "a" * 80 + ".duckdb"

    done = command("doctor", COLUMNS=columns, SOUNDLINK_WAREHOUSE=name)

    assert "…" not in done.stdout
    letters = "".join(done.stdout.split())
    assert name in letters
