"""The tutorials on derived assets and on exports, followed to the letter on a copy of the code."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import duckdb
import pytest

from soundlink_assets.sandbox import SandboxConfig, serving
from soundlink_assets_tests.cli.commands import environment
from soundlink_assets_tests.documents import REPOSITORY, blocks

DERIVED = REPOSITORY / "docs/adding-a-derived-asset.md"
EXPORT = REPOSITORY / "docs/adding-an-export.md"


def copied(folder: Path, tutorial: Path) -> Path:
    """A copy of the code in which the tutorial was followed.

    Each Python block goes into the file that its first line names: a new one, or at its end.
    """
    copy = folder / "clone"
    without = shutil.ignore_patterns("__pycache__")  # another test may be writing there
    shutil.copytree(REPOSITORY / "soundlink_assets", copy / "soundlink_assets", ignore=without)
    for block in blocks(tutorial, "python"):
        path = copy / block.text.splitlines()[0].removeprefix("# ")
        with path.open("a", encoding="utf-8") as file:
            file.write(f"\n\n{block.text}")
    return copy


@pytest.mark.slow
def test_the_tutorial_adds_an_asset_that_answers(tmp_path: Path) -> None:
    copy, folder = copied(tmp_path, DERIVED), tmp_path / "folder"
    folder.mkdir()
    commands = [line for block in blocks(DERIVED, "sh") for line in block.text.splitlines()]
    (query,) = (block.text for block in blocks(DERIVED, "sql"))

    with serving(SandboxConfig(campaign_count=3)) as sandbox:
        settings = {
            "PYTHONPATH": str(copy),
            "PATH": f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}",
            "SOUNDLINK_BASE_URL": sandbox.base_url,
            "SOUNDLINK_API_KEY": sandbox.api_key,
            "SOUNDLINK_BUDGET_DIR": str(tmp_path / "budget"),
        }
        for number, command in enumerate(commands):
            asked = len(sandbox.requests)
            done = subprocess.run(
                command.split(),
                cwd=folder,
                env=environment(settings),
                capture_output=True,
                text=True,
                timeout=300,
                check=False,
            )
            assert done.returncode == 0, done.stdout + done.stderr
            assert (len(sandbox.requests) > asked) == (number == 0)

    with duckdb.connect(folder / "data" / "warehouse.duckdb", read_only=True) as warehouse:
        rows = warehouse.execute(query).fetchall()
    assert rows
    assert rows[-1][2] > 0


@pytest.mark.slow
def test_the_tutorial_adds_an_export_that_the_demo_loads(tmp_path: Path) -> None:
    copy, folder = copied(tmp_path, EXPORT), tmp_path / "folder"
    folder.mkdir()
    (query,) = (block.text for block in blocks(EXPORT, "sql"))

    done = subprocess.run(
        [sys.executable, "-m", "soundlink_assets.cli", "demo"],
        cwd=folder,
        env=environment({"PYTHONPATH": str(copy)}),
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
    )

    assert done.returncode == 0, done.stdout + done.stderr
    assert "All asset checks passed." in done.stdout
    with duckdb.connect(folder / "data/sandbox/warehouse.duckdb", read_only=True) as warehouse:
        rows = warehouse.execute(query).fetchall()
    assert len(rows) > 1
    assert sum(clicks for _, clicks in rows) > 0


def test_definitions_of_the_users_own_are_loaded_beside_ours(tmp_path: Path) -> None:
    without = shutil.ignore_patterns("__pycache__")
    shutil.copytree(REPOSITORY / "soundlink_assets", tmp_path / "soundlink_assets", ignore=without)
    shutil.copy(REPOSITORY / "pyproject.toml", tmp_path)
    (block,) = (each for each in blocks(DERIVED, "text") if "dg.asset" in each.text)
    (tmp_path / "soundlink_assets/defs/mine.py").write_text(block.text, encoding="utf-8")
    program = (
        "from soundlink_assets.definitions import defs\n"
        "keys = defs().resolve_asset_graph().get_all_asset_keys()\n"
        "print(*sorted(key.to_user_string() for key in keys))"
    )

    done = subprocess.run(
        [sys.executable, "-c", program],
        cwd=tmp_path,
        env=environment({"PYTHONPATH": str(tmp_path)}),
        capture_output=True,
        text=True,
        check=True,
    )

    assert {"analytics/cheap_countries", "soundlink/campaigns"} <= set(done.stdout.split())
