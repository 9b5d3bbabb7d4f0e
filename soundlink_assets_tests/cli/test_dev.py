"""Of `soundlink-assets dev` there is one on a home, and nothing that it started outlives it."""

import os
import select
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from soundlink_assets.cli.app import UserError
from soundlink_assets.cli.home import prepare_home
from soundlink_assets.cli.servers import LOCK, Servers, StopRequests, sole_servers
from soundlink_assets_tests.cli.commands import environment
from soundlink_assets_tests.cli.conftest import Command
from soundlink_assets_tests.cli.saying import KEY, assert_said
from soundlink_assets_tests.ports import free_port

MOST_SECONDS = 60

SERVER = """
import subprocess, sys
child = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(600)"])
print("up", flush=True)
child.wait()
"""
"""Starts a process of its own, as the code server does for runs."""

DEV = """
import os, sys
from pathlib import Path
from soundlink_assets.cli.servers import Servers, StopRequests, sole_servers
home = Path(sys.argv[1])
with sole_servers(home) as lock:
    servers = Servers(dict(os.environ), home, lock)
    with servers.beginning_with(["server"], StopRequests()):
        if sys.argv[2] == "loaded":
            servers.start(["server"])
        sys.stdin.read()
"""
"""Keeps one such server, or once it is loaded two, until its input ends."""

STUBBORN = """
import signal, time
from pathlib import Path
signal.signal(signal.SIGTERM, signal.SIG_IGN)
Path("up").touch()
time.sleep(600)
"""


class Impatient(StopRequests):
    """Somebody who presses Ctrl-C anew each time one looks."""

    def __init__(self) -> None:
        self.looks = 0

    @property
    def received(self) -> int:  # type: ignore[override]  # as a property, to count the looks
        self.looks += 1
        return self.looks


@pytest.fixture
def home(tmp_path: Path) -> Path:
    (tmp_path / "server.py").write_text(SERVER, encoding="utf-8")
    return tmp_path


@pytest.fixture(params=["loading", "loaded"])
def dev(home: Path, request: pytest.FixtureRequest) -> Iterator[subprocess.Popen[bytes]]:
    """A process with servers that are up; its output ends when all that hold it are gone."""
    with subprocess.Popen(
        [sys.executable, "-c", DEV, str(home), request.param],
        env=environment(),
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
    ) as process:
        assert process.stdout is not None
        for _ in range(2 if request.param == "loaded" else 1):
            assert process.stdout.readline() == b"up\n"
        yield process
        process.kill()


def all_ended(process: subprocess.Popen[bytes]) -> bool:
    """Whether nobody has the output any more, of those that inherited it."""
    assert process.stdout is not None
    readable, _, _ = select.select([process.stdout], [], [], MOST_SECONDS)
    return bool(readable) and process.stdout.read() == b""


def group_of(home: Path) -> int:
    return int((home / LOCK).read_text(encoding="utf-8").split()[1])


def test_a_second_one_is_told_who_works_there_and_how_to_end_it(
    command: Command, tmp_path: Path
) -> None:
    home = prepare_home(tmp_path / "home")
    with sole_servers(home):
        result = command("dev", "--port", str(free_port()), **KEY, DAGSTER_HOME=home)

    assert_said(result, f"(process {os.getpid()})", str(home), f"`kill {os.getpid()}`")


def test_a_home_is_free_again_afterwards(tmp_path: Path) -> None:
    for _ in range(2):
        with sole_servers(tmp_path):
            pass


def test_a_server_that_was_left_behind_keeps_others_out(
    dev: subprocess.Popen[bytes], home: Path
) -> None:
    """Its number is said, for the case that its keeper was killed too."""
    os.killpg(group_of(home), signal.SIGSTOP)
    dev.kill()
    dev.wait()
    try:
        with pytest.raises(UserError, match=f"`kill -KILL -{group_of(home)}`"), sole_servers(home):
            pass
    finally:
        os.killpg(group_of(home), signal.SIGKILL)


def test_nothing_outlives_a_stop(dev: subprocess.Popen[bytes]) -> None:
    assert dev.stdin is not None
    dev.stdin.close()

    assert all_ended(dev)


def test_nothing_outlives_one_that_was_killed(dev: subprocess.Popen[bytes]) -> None:
    dev.kill()

    assert all_ended(dev)


def test_a_second_request_to_stop_does_not_wait(tmp_path: Path) -> None:
    (tmp_path / "stubborn.py").write_text(STUBBORN, encoding="utf-8")
    requests = Impatient()
    with sole_servers(tmp_path) as lock:
        servers = Servers(environment(), tmp_path, lock)
        with servers.beginning_with(["stubborn"], requests):
            while not (tmp_path / "up").exists():
                assert servers.first_end() is None
            servers.start(["stubborn"])

    assert servers.processes[0].wait(MOST_SECONDS) == -signal.SIGKILL
