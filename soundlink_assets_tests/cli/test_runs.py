"""Runs of commands belong to the code location that everything else calls by the same name."""

import tomllib
from datetime import UTC, datetime, timedelta
from pathlib import Path

import dagster as dg
import yaml

from soundlink_assets.cli.home import CODE_LOCATION, WORKSPACE_YAML, open_history, prepare_home
from soundlink_assets.cli.runs import Listener, run_days
from soundlink_assets.cli.sandbox import sandbox_settings
from soundlink_assets.sandbox import RunningSandbox
from soundlink_assets.schema.window import Window
from soundlink_assets_tests.documents import REPOSITORY

DAY = datetime.now(UTC).date() - timedelta(days=2)


def test_every_place_gives_the_code_location_the_same_name() -> None:
    project = tomllib.loads((REPOSITORY / "pyproject.toml").read_text(encoding="utf-8"))["tool"]
    (module,) = yaml.safe_load(WORKSPACE_YAML)["load_from"]

    assert project["dg"]["project"]["code_location_name"] == CODE_LOCATION
    assert project["dagster"]["code_location_name"] == CODE_LOCATION
    assert module["python_module"]["location_name"] == CODE_LOCATION


def test_a_run_has_the_origin_by_which_the_ui_shows_it_and_executes_it_again(
    sandbox: RunningSandbox, tmp_path: Path
) -> None:
    settings = sandbox_settings(sandbox.base_url, sandbox.api_key, tmp_path)
    with open_history(prepare_home(tmp_path / "home")) as instance:
        listener = Listener(lambda _: None, lambda _: None)
        (outcome,) = run_days(
            settings, Window(DAY, DAY), instance, listener, select="soundlink/campaigns"
        )
        run = instance.get_run_by_id(outcome.run_id)

    assert outcome.is_clean
    assert run is not None
    assert run.status is dg.DagsterRunStatus.SUCCESS
    assert run.remote_job_origin is not None
    assert run.remote_job_origin.location_name == CODE_LOCATION
    assert run.remote_job_origin.job_name == run.job_name == "daily_exports"
    assert run.run_config == {"loggers": {"console": {}}}, "which the code location accepts"
