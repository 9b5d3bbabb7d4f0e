"""Where the stack trace of a failed run or command is."""

from pathlib import Path

from dagster import DagsterEventType, DagsterInstance

from soundlink_assets.sandbox import serving
from soundlink_assets_tests.cli.conftest import Command
from soundlink_assets_tests.cli.output import BACKFILL


def test_the_stack_trace_of_a_failed_run_is_in_dagsters_log_and_with_verbose(
    command: Command, tmp_path: Path
) -> None:
    (tmp_path / "file").write_text("somebody's notes", encoding="utf-8")
    home = tmp_path / "home"
    with serving() as sandbox:
        broken = {
            "SOUNDLINK_BASE_URL": sandbox.base_url,
            "SOUNDLINK_API_KEY": sandbox.api_key,
            "SOUNDLINK_WAREHOUSE": str(tmp_path / "file"),
            "DAGSTER_HOME": str(home),
        }
        short = command(*BACKFILL, **broken)
        long = command(*BACKFILL, "--verbose", **broken)

    where = "soundlink_assets/warehouse/"
    assert where not in short.stderr
    assert where in long.stderr
    with DagsterInstance.from_config(str(home)) as instance:
        for run in instance.get_runs():
            log = instance.all_logs(run.run_id, of_type=DagsterEventType.STEP_FAILURE)
            error = log[0].get_dagster_event().step_failure_data.error
            assert error is not None
            assert where in error.to_string()


def test_the_stack_trace_of_a_command_is_there_with_verbose_wherever_it_stands(
    command: Command,
) -> None:
    for arguments in [("--verbose", *BACKFILL), (*BACKFILL, "--verbose")]:
        assert "Traceback (most recent call last)" in command(*arguments).stderr
