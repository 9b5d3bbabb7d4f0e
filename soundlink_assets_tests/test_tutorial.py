"""The tutorial on derived assets, followed to the letter on a copy of the code."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import duckdb

from soundlink_assets.sandbox import SandboxConfig, serving
from soundlink_assets_tests.cli.commands import environment
from soundlink_assets_tests.documents import REPOSITORY, blocks

TUTORIAL = REPOSITORY / "docs/adding-a-derived-asset.md"


def follow(copy: Path) -> None:
    """Put each Python block into the file that its first line names: a new one, or at its end."""
    for block in blocks(TUTORIAL, "python"):
        path = copy / block.text.splitlines()[0].removeprefix("# ")
        with path.open("a", encoding="utf-8") as file:
            file.write(f"\n\n{block.text}")


def test_the_tutorial_adds_an_asset_that_answers(tmp_path: Path) -> None:
    copy, folder = tmp_path / "clone", tmp_path / "folder"
    without = shutil.ignore_patterns("__pycache__")  # another test may be writing there
    shutil.copytree(REPOSITORY / "soundlink_assets", copy / "soundlink_assets", ignore=without)
    folder.mkdir()
    follow(copy)
    commands = [line for block in blocks(TUTORIAL, "sh") for line in block.text.splitlines()]
    (query,) = (block.text for block in blocks(TUTORIAL, "sql"))

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
