"""Of `soundlink-assets dev` there is one on a home, and nothing that it started outlives it.

In the place of Dagster there is a module of that name that starts a process, as Dagster does.
"""

import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import portalocker
import pytest

from soundlink_assets.cli.app import UserError
from soundlink_assets.cli.dev import LOCK, StopRequests, running_dagster, sole_dev
from soundlink_assets.cli.home import prepare_home
from soundlink_assets_tests.cli.commands import environment
from soundlink_assets_tests.cli.conftest import Command
from soundlink_assets_tests.cli.output import KEY, assert_explained
from soundlink_assets_tests.documents import REPOSITORY
from soundlink_assets_tests.ports import free_port
from soundlink_assets_tests.waiting import wait_for

MOST_SECONDS = 60

DAGSTER = """
import subprocess, sys
SupersessionWarning = UserWarning
if __name__ == "__main__":
    child = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(600)"])
    print("up", flush=True)
    child.wait()  # at Ctrl-C its stack trace is printed, as that of a run is
"""

STUBBORN = """
import signal, time
SupersessionWarning = UserWarning
if __name__ == "__main__":
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, signal.SIG_IGN)
    print("up", flush=True)
    time.sleep(600)
"""

DEV = """
import os, sys
from pathlib import Path
from soundlink_assets.cli.dev import StopRequests, running_dagster, sole_dev
home = Path(sys.argv[1])
with sole_dev(home) as lock:
    with running_dagster(["dev"], dict(os.environ), home, lock, StopRequests()) as process:
        sys.stdin.read()
"""
"""Keeps Dagster running until its input ends."""


class Impatient(StopRequests):
    """Somebody who presses Ctrl-C again each time one looks."""

    def __init__(self) -> None:
        self.looks = 0

    @property
    def received(self) -> int:  # type: ignore[override]  # as a property, to count the looks
        self.looks += 1
        return self.looks


@pytest.fixture
def home(tmp_path: Path) -> Path:
    (tmp_path / "dagster.py").write_text(DAGSTER, encoding="utf-8")
    return tmp_path


@pytest.fixture
def dev(home: Path) -> Iterator[subprocess.Popen[bytes]]:
    """A process with a Dagster that is up."""
    with subprocess.Popen(
        [sys.executable, "-c", DEV, str(home)],
        env=environment({"PYTHONPATH": str(REPOSITORY)}),
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
    ) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == b"up\n"
        yield process
        process.kill()
        _kill_group(home)


def wait_until_all_ended(home: Path) -> None:
    """Until nobody has the lock any more, of those that inherited it."""

    def is_free() -> bool:
        with (home / LOCK).open("a") as lock, suppress(portalocker.AlreadyLocked):
            portalocker.lock(lock, portalocker.LOCK_EX | portalocker.LOCK_NB)
            return True
        return False

    wait_for(is_free, MOST_SECONDS, "all have ended")


def group_of(home: Path) -> int:
    return int((home / LOCK).read_text(encoding="utf-8").split()[1])


def _kill_group(home: Path) -> None:
    with suppress(ProcessLookupError):
        os.killpg(group_of(home), signal.SIGKILL)


def test_a_second_one_is_told_who_works_there_and_how_to_end_it(
    command: Command, tmp_path: Path
) -> None:
    home = prepare_home(tmp_path / "home")
    with sole_dev(home):
        result = command("dev", "--port", str(free_port()), **KEY, DAGSTER_HOME=home)

    assert_explained(result, f"(process {os.getpid()})", str(home), f"`kill {os.getpid()}`")


def test_a_home_is_free_again_afterwards(tmp_path: Path) -> None:
    for _ in range(2):
        with sole_dev(tmp_path):
            pass


def test_nothing_outlives_a_stop(dev: subprocess.Popen[bytes], home: Path) -> None:
    assert dev.stdin is not None
    dev.stdin.close()

    wait_until_all_ended(home)


@pytest.mark.parametrize("ending", [signal.SIGHUP, signal.SIGINT])
def test_a_closed_terminal_and_ctrl_c_end_all_without_a_stack_trace(
    home: Path, ending: signal.Signals
) -> None:
    port = str(free_port())
    with subprocess.Popen(
        # `-P`: only what it starts takes the module in the folder for Dagster.
        [sys.executable, "-P", "-m", "soundlink_assets.cli", "dev", "--port", port],
        cwd=home,
        env=environment({"PYTHONPATH": str(REPOSITORY)}),
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        # These tests may run under `nohup`, whose children ignore one of the signals.
        preexec_fn=lambda: signal.signal(signal.SIGHUP, signal.SIG_DFL),  # noqa: PLW1509
    ) as process:
        assert process.stdout is not None
        assert b"up\n" in iter(process.stdout.readline, b"")

        process.send_signal(ending)

        assert process.stdout.read() == b""
        assert process.wait() == 0
    wait_until_all_ended(home / "data/dagster_home")


def test_nothing_outlives_a_command_that_was_killed(
    dev: subprocess.Popen[bytes], home: Path
) -> None:
    dev.kill()

    wait_until_all_ended(home)


def test_nothing_outlives_a_dagster_that_was_killed(
    dev: subprocess.Popen[bytes], home: Path
) -> None:
    os.kill(group_of(home), signal.SIGKILL)
    assert dev.stdin is not None
    dev.stdin.close()

    wait_until_all_ended(home)


def test_what_outlives_both_keeps_others_out_and_its_group_is_named(
    dev: subprocess.Popen[bytes], home: Path
) -> None:
    group = group_of(home)
    os.kill(group, signal.SIGKILL)  # which the command, reading its input, does not notice
    dev.kill()
    dev.wait()

    with pytest.raises(UserError, match=f"`kill -KILL -{group}`"), sole_dev(home):
        pass


def test_a_second_request_to_stop_does_not_wait(tmp_path: Path) -> None:
    (tmp_path / "dagster.py").write_text(STUBBORN, encoding="utf-8")
    given = environment({"PYTHONPATH": str(REPOSITORY)})
    with (
        sole_dev(tmp_path) as lock,
        running_dagster([], given, tmp_path, lock, Impatient()) as process,
    ):
        pass

    assert process.returncode == -signal.SIGKILL
