"""A command that is asked to end does so, whoever handled the signal, and leaves no run open."""

import os
import signal
import subprocess
import sys
import threading
from collections.abc import Iterator
from datetime import date
from pathlib import Path

import dagster as dg
import pytest

from soundlink_assets.cli.app import noticing_signals
from soundlink_assets.cli.home import open_history, prepare_home
from soundlink_assets.cli.runs import (
    Listener,
    claimed,
    killed_runs,
    mark_failed,
    mark_killed_runs,
    run_days,
)
from soundlink_assets.cli.sandbox import sandbox_settings
from soundlink_assets.sandbox import Fault, RunningSandbox
from soundlink_assets.schema.window import Window
from soundlink_assets_tests.cli.commands import environment
from soundlink_assets_tests.cli.output import BACKFILL, CLOSED_DAY, ONE_ASSET
from soundlink_assets_tests.documents import REPOSITORY
from soundlink_assets_tests.waiting import wait_for

SIGNALS = [signal.SIGINT, signal.SIGTERM, signal.SIGHUP]


@pytest.fixture
def dropped() -> Iterator[None]:
    """Handlers that do nothing, as Dagster's now and then while a run begins or ends."""
    before = {number: signal.signal(number, lambda *_: None) for number in SIGNALS}
    yield
    for number, handler in before.items():
        signal.signal(number, handler)


@pytest.mark.parametrize("number", SIGNALS)
@pytest.mark.usefixtures("dropped")
def test_a_signal_is_noticed_though_its_handler_drops_it(number: signal.Signals) -> None:
    with noticing_signals() as has_been_asked:
        assert not has_been_asked()
        os.kill(os.getpid(), number)
        assert has_been_asked()
        assert has_been_asked(), "and not forgotten"


@pytest.mark.usefixtures("dropped")
def test_other_signals_are_no_request_to_end() -> None:
    before = signal.signal(signal.SIGUSR1, lambda *_: None)
    with noticing_signals() as has_been_asked:
        os.kill(os.getpid(), signal.SIGUSR1)
        assert not has_been_asked()
    signal.signal(signal.SIGUSR1, before)


def test_off_the_main_thread_nothing_is_noticed() -> None:
    noticed: list[bool] = []

    def work() -> None:
        with noticing_signals() as has_been_asked:
            noticed.append(has_been_asked())

    thread = threading.Thread(target=work)
    thread.start()
    thread.join()
    assert noticed == [False]


@pytest.mark.usefixtures("dropped")
def test_a_signal_that_was_dropped_ends_the_runs_after_the_one_under_way(
    sandbox: RunningSandbox, tmp_path: Path
) -> None:
    settings = sandbox_settings(sandbox.base_url, sandbox.api_key, tmp_path)
    with dg.DagsterInstance.ephemeral() as instance:
        runs = run_days(
            settings,
            Window(date(2026, 1, 1), date(2026, 8, 31)),
            instance,
            Listener(lambda _: None, lambda _: None),
            select="soundlink/campaigns",
        )
        assert next(runs).is_clean
        os.kill(os.getpid(), signal.SIGTERM)
        with pytest.raises(KeyboardInterrupt):
            next(runs)
        assert [run.status for run in instance.get_runs()] == [dg.DagsterRunStatus.SUCCESS]


@dg.job
def nothing_to_do() -> None: ...


@pytest.mark.parametrize(
    ("status", "then"),
    [
        (dg.DagsterRunStatus.NOT_STARTED, dg.DagsterRunStatus.FAILURE),
        (dg.DagsterRunStatus.STARTED, dg.DagsterRunStatus.FAILURE),
        (dg.DagsterRunStatus.SUCCESS, dg.DagsterRunStatus.SUCCESS),
    ],
)
def test_a_run_that_was_interrupted_does_not_stay_open(
    status: dg.DagsterRunStatus, then: dg.DagsterRunStatus
) -> None:
    with dg.DagsterInstance.ephemeral() as instance:
        run = instance.create_run_for_job(nothing_to_do, status=status)

        is_marked = mark_failed(instance, run.run_id, "It was ended.")

        assert is_marked == (status is not then)
        assert not mark_failed(instance, "a run that was never made", "It was ended.")

        assert [run.status for run in instance.get_runs()] == [then]


@pytest.mark.slow
@pytest.mark.parametrize("asked", [signal.SIGINT, signal.SIGHUP])
def test_a_backfill_ended_by_the_user_marks_its_run_as_failed_and_names_what_is_left(
    asked: signal.Signals, sandbox: RunningSandbox, on_sandbox: dict[str, str], tmp_path: Path
) -> None:
    """By Ctrl-C or by closing the terminal; `kill` is handled as the latter."""
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
    wait_for(lambda: len(sandbox.requests) >= 2 or process.poll(), 120, "the requests of the run")

    process.send_signal(asked)
    _, printed = process.communicate(timeout=120)

    assert process.returncode == 130
    assert printed.splitlines()[-1] == "Interrupted."
    assert f"Not done: {CLOSED_DAY}. " in printed
    assert "Traceback" not in printed
    with dg.DagsterInstance.from_config(str(tmp_path / "data" / "dagster_home")) as instance:
        assert [run.status for run in instance.get_runs()] == [dg.DagsterRunStatus.FAILURE]


KILLED = """
import os, sys
from pathlib import Path
from soundlink_assets.cli.runs import claimed
with claimed(Path(sys.argv[1]), sys.argv[2]):
    print("claimed", flush=True)
    sys.stdin.read()
"""


def test_a_run_of_a_killed_command_is_found_and_marked_as_failed(tmp_path: Path) -> None:
    with open_history(prepare_home(tmp_path)) as instance:
        started = dg.DagsterRunStatus.STARTED
        run = instance.create_run_for_job(nothing_to_do, status=started)
        process = subprocess.Popen(
            [sys.executable, "-c", KILLED, str(tmp_path), run.run_id],
            env=environment({"PYTHONPATH": str(REPOSITORY)}),
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
        )
        assert process.stdout is not None
        process.stdout.readline()

        assert killed_runs(tmp_path) == []
        assert mark_killed_runs(instance) == []
        process.kill()
        process.communicate()
        assert killed_runs(tmp_path) == [run.run_id]
        assert mark_killed_runs(instance) == [run.run_id]

        assert [run.status for run in instance.get_runs()] == [dg.DagsterRunStatus.FAILURE]
        assert killed_runs(tmp_path) == []


def test_a_run_that_ended_leaves_no_file(tmp_path: Path) -> None:
    with claimed(tmp_path, "a-run"):
        assert killed_runs(tmp_path) == []

    assert list((tmp_path / "running").iterdir()) == []
