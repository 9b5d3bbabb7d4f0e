"""How a run ends that fails or is stopped, and where its stack trace is."""

import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
from dagster import DagsterEventType, DagsterInstance, DagsterRunStatus

from soundlink_assets.sandbox import Fault, RunningSandbox, serving
from soundlink_assets_tests.cli.commands import environment
from soundlink_assets_tests.cli.conftest import Command
from soundlink_assets_tests.cli.output import BACKFILL, CLOSED_DAY, ONE_ASSET


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

    where = "soundlink_assets/warehouse/connection.py"
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


@pytest.mark.parametrize("asked", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
def test_a_backfill_ended_by_the_user_puts_its_run_down_and_says_what_is_left(
    asked: signal.Signals, sandbox: RunningSandbox, on_sandbox: dict[str, str], tmp_path: Path
) -> None:
    """By Ctrl-C, by `kill`, or by closing the terminal."""
    sandbox.fail("*/export", Fault.LATENCY, count=None, seconds=60)
    process = subprocess.Popen(
        [sys.executable, "-m", "soundlink_assets.cli", *BACKFILL, *ONE_ASSET],
        cwd=tmp_path,
        env=environment({**on_sandbox, "SOUNDLINK_BUDGET_DIR": str(tmp_path)}),
        stderr=subprocess.PIPE,
        text=True,
        # These tests may run under `nohup`, whose children ignore one of the signals.
        preexec_fn=lambda: signal.signal(asked, signal.SIG_DFL),  # noqa: PLW1509
    )
    while len(sandbox.requests) < 2 and process.poll() is None:
        time.sleep(0.05)

    process.send_signal(asked)
    _, said = process.communicate(timeout=120)

    assert process.returncode == 130
    assert said.splitlines()[-1] == "Interrupted."
    assert f"Not done: {CLOSED_DAY}. " in said
    assert "Traceback" not in said
    with DagsterInstance.from_config(str(tmp_path / "data" / "dagster_home")) as instance:
        assert [run.status for run in instance.get_runs()] == [DagsterRunStatus.FAILURE]
