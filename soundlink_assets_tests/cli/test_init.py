"""`soundlink-assets init`: a folder in which everything works, and nothing is ever overwritten."""

import stat
import subprocess
import sys
from pathlib import Path

import pytest
import yaml
from dotenv import dotenv_values
from typer.testing import CliRunner

from soundlink_assets.cli import app
from soundlink_assets.cli.home import WORKSPACE_YAML
from soundlink_assets.cli.init import GITIGNORE, env_file
from soundlink_assets.settings import Settings, load_settings, unknown_variables, variable_of
from soundlink_assets_tests.cli.commands import environment

REPOSITORY = Path(__file__).parents[2]


def run_init(folder: Path, *options: str) -> str:
    result = CliRunner().invoke(app, ["init", str(folder), *options])
    assert result.exit_code == 0, result.output
    return result.output


def test_the_folder_has_settings_workspace_and_dagster_configuration(tmp_path: Path) -> None:
    said = run_init(tmp_path / "new folder")

    made = {path.name for path in (tmp_path / "new folder").iterdir()}
    assert {".env", "workspace.yaml", "dagster.yaml", ".gitignore", "README.md"} <= made
    assert f"cd '{tmp_path}/new folder'" in said
    assert "soundlink-assets start" in said


def test_the_workspace_is_that_of_the_repository() -> None:
    theirs = (REPOSITORY / "workspace.yaml").read_text(encoding="utf-8")

    assert yaml.safe_load(WORKSPACE_YAML) == yaml.safe_load(theirs)


def test_only_the_owner_reads_the_file_that_will_hold_the_key(tmp_path: Path) -> None:
    run_init(tmp_path)

    assert stat.S_IMODE((tmp_path / ".env").stat().st_mode) == 0o600
    assert ".env" in GITIGNORE.splitlines()


def test_every_setting_is_in_the_env_file_at_its_default(tmp_path: Path) -> None:
    text = env_file(tmp_path)
    written = tmp_path / "all.env"
    written.write_text(text.replace("# SOUNDLINK_", "SOUNDLINK_"), encoding="utf-8")
    values = {name: value for name, value in dotenv_values(written).items() if value is not None}

    assert {variable_of(field) for field in Settings.model_fields} < set(values)
    assert unknown_variables(values) == []
    fields = set(Settings.model_fields) - {"api_key"}
    given = {field: text for field in fields if (text := values[variable_of(field)])}
    assert load_settings(**given) == load_settings(soundlinks="auto")


def test_every_setting_is_explained_in_the_env_file(tmp_path: Path) -> None:
    text = " ".join(env_file(tmp_path).replace("\n# ", " ").split())

    for field in Settings.model_fields.values():
        assert " ".join((field.description or "").split()) in text


def test_only_the_key_the_first_day_and_the_home_are_set(tmp_path: Path) -> None:
    run_init(tmp_path, "--start-date", "2026-03-01")

    assert dotenv_values(tmp_path / ".env") == {
        "SOUNDLINK_API_KEY": "",
        "SOUNDLINK_START_DATE": "2026-03-01",
        "DAGSTER_HOME": str(tmp_path),
    }


@pytest.mark.parametrize("name", ["it's mine", "back\\slash", "a $HOME #1", 'qu"oted', "Ünïcode"])
def test_any_folder_name_survives_in_the_env_file(name: str, tmp_path: Path) -> None:
    path = tmp_path / "named.env"
    path.write_text(env_file(tmp_path / name), encoding="utf-8")

    assert dotenv_values(path)["DAGSTER_HOME"] == str(tmp_path / name)


def test_nothing_is_overwritten(tmp_path: Path) -> None:
    (tmp_path / ".env").write_text("SOUNDLINK_API_KEY=sk_mine\n", encoding="utf-8")

    result = CliRunner().invoke(app, ["init", str(tmp_path)])

    assert result.exit_code == 1
    assert ".env" in result.stderr
    assert (tmp_path / ".env").read_text(encoding="utf-8") == "SOUNDLINK_API_KEY=sk_mine\n"
    assert [path.name for path in tmp_path.iterdir()] == [".env"]


def test_a_folder_for_a_cluster_has_the_commands_of_its_four_services(tmp_path: Path) -> None:
    said = run_init(tmp_path, "--cluster")

    for service in ("dagster api grpc", "dagster-daemon", "dagster-webserver", "celery"):
        assert f"\n  {service} " in said


def test_the_files_of_a_cluster_go_where_every_host_sees_them(tmp_path: Path) -> None:
    run_init(tmp_path / "home", "--cluster", "--shared", str(tmp_path / "shared"))

    values = dotenv_values(tmp_path / "home" / ".env")
    assert unknown_variables({name: value or "" for name, value in values.items()}) == []
    folders = {name for name, value in values.items() if str(tmp_path / "shared") in (value or "")}
    assert folders == {
        "SOUNDLINK_LAKE_DATA",
        "SOUNDLINK_QUARANTINE_DIR",
        "SOUNDLINK_REPORT_DIR",
        "SOUNDLINK_STATEMENTS_DIR",
        "DAGSTER_COMPUTE_LOGS_DIR",
    }


def test_a_run_of_a_cluster_whose_host_died_is_given_up_within_hours(tmp_path: Path) -> None:
    run_init(tmp_path, "--cluster")

    written = yaml.safe_load((tmp_path / "dagster.yaml").read_text(encoding="utf-8"))
    assert written["run_monitoring"]["max_runtime_seconds"] <= 12 * 3600


def test_dagster_itself_loads_the_definitions_in_that_folder(tmp_path: Path) -> None:
    run_init(tmp_path)

    validated = subprocess.run(
        [sys.executable, "-m", "dagster", "definitions", "validate"],
        cwd=tmp_path,
        env=environment(),
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )

    assert validated.returncode == 0, validated.stderr
    assert "soundlink_assets" in validated.stderr + validated.stdout
