"""The built wheel in an empty virtual environment: everything works there without a clone."""

import os
import subprocess
import sys
import sysconfig
import venv
import zipfile
from collections.abc import Sequence
from importlib.metadata import version
from pathlib import Path
from typing import Any

import pytest
from typer.main import get_command

from soundlink_assets.cli import app
from soundlink_assets_tests.cli.commands import environment
from soundlink_assets_tests.documents import REPOSITORY

DISTRIBUTION = "soundlink-assets"

COMMANDS: dict[str, Any] = vars(get_command(app))["commands"]


def run(command: Sequence[str | Path], folder: Path) -> str:
    given = environment()
    given.pop("PYTHONPATH", None)  # it would lead to the repository
    done = subprocess.run(
        command,
        cwd=folder,
        env=given,
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("wheel")
    run([sys.executable, "-m", "hatchling", "build", "-t", "wheel", "-d", folder], REPOSITORY)
    (built,) = folder.glob("*.whl")
    return built


@pytest.fixture(scope="module")
def installed(wheel: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of the commands of a new environment, which borrows the libraries of this one.

    So nothing is downloaded. Of this environment only the folder is borrowed, not the `.pth` file
    in it that leads to the repository.
    """
    folder = tmp_path_factory.mktemp("empty")
    venv.create(folder, symlinks=os.name != "nt")
    scripts = folder / ("Scripts" if os.name == "nt" else "bin")
    libraries = sysconfig.get_path("purelib", vars={"base": str(folder), "platbase": str(folder)})
    (Path(libraries) / "borrowed.pth").write_text(
        sysconfig.get_path("purelib") + "\n", encoding="utf-8"
    )
    pip = [sys.executable, "-m", "pip", "--python", str(scripts / "python"), "install"]
    run([*pip, "--quiet", "--no-index", "--no-deps", "--force-reinstall", wheel], folder)
    return scripts


def test_the_wheel_holds_every_file_of_the_package_and_no_other(wheel: Path) -> None:
    package = REPOSITORY / "soundlink_assets"
    files = {
        path.relative_to(REPOSITORY).as_posix()
        for path in package.rglob("*")
        if path.is_file() and "__pycache__" not in path.parts
    }

    with zipfile.ZipFile(wheel) as archive:
        packed = {name for name in archive.namelist() if ".dist-info/" not in name}

    assert packed == files


def test_the_wheel_asks_for_the_python_that_is_needed(wheel: Path) -> None:
    with zipfile.ZipFile(wheel) as archive:
        (metadata,) = (name for name in archive.namelist() if name.endswith("/METADATA"))
        assert "Requires-Python: >=3.11" in archive.read(metadata).decode()


def test_the_installed_package_is_not_that_of_the_repository(installed: Path) -> None:
    where = run(
        [installed / "python", "-c", "import soundlink_assets; print(soundlink_assets.__file__)"],
        installed,
    )

    assert Path(where.strip()).is_relative_to(installed.parent)


def test_the_installed_command_knows_its_version_and_all_commands(installed: Path) -> None:
    command = installed / "soundlink-assets"

    assert run([command, "--version"], installed) == f"soundlink-assets {version(DISTRIBUTION)}\n"
    assert set(COMMANDS) <= set(run([command, "--help"], installed).split())


@pytest.mark.parametrize("name", COMMANDS)
def test_every_command_explains_itself_and_all_it_takes(name: str) -> None:
    command = COMMANDS[name]

    assert command.help
    assert all(getattr(parameter, "help", None) for parameter in command.params), name


def test_a_folder_is_made_and_dagster_loads_the_definitions_in_it(
    installed: Path, tmp_path: Path
) -> None:
    run([installed / "soundlink-assets", "init", "mine"], tmp_path)

    loaded = run([installed / "python", "-m", "dagster", "schedule", "list"], tmp_path / "mine")

    assert "daily_exports_schedule" in loaded
