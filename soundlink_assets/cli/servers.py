"""Dagster's webserver and daemon as child processes that live and end together."""

import signal
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from http import HTTPStatus
from pathlib import Path
from types import FrameType
from urllib.error import URLError
from urllib.request import urlopen

LOOPBACK = "127.0.0.1"
GRACE_SECONDS = 20.0
POLL_SECONDS = 0.5


def serve_until_stopped(
    workspace: Path, port: int, environment: dict[str, str], on_ready: Callable[[], None]
) -> int:
    """Run webserver and daemon until one ends by itself or this process is asked to stop.

    `on_ready` is called once when the webserver answers. Returns 0 after a request to stop
    (Ctrl-C, SIGTERM), else the exit code of the process that ended.
    """
    with_workspace = ["-w", str(workspace)]
    commands = [
        ["dagster_webserver", "-h", LOOPBACK, "-p", str(port), *with_workspace],
        ["dagster._daemon", "run", *with_workspace],
    ]
    for asked_to_stop in (signal.SIGINT, signal.SIGTERM):
        signal.signal(asked_to_stop, _stop)
    processes: list[subprocess.Popen[bytes]] = []
    try:
        processes.extend(_start(command, environment) for command in commands)
        return _wait_for_first_end(processes, port, on_ready)
    except KeyboardInterrupt:
        return 0
    finally:
        _end_all(processes)


def _start(command: Sequence[str], environment: dict[str, str]) -> subprocess.Popen[bytes]:
    return subprocess.Popen(  # noqa: S603 - our own command
        [sys.executable, "-m", *command], env=environment
    )


def _stop(_signal: int, _frame: FrameType | None) -> None:
    raise KeyboardInterrupt


def _wait_for_first_end(
    processes: Sequence[subprocess.Popen[bytes]], port: int, on_ready: Callable[[], None]
) -> int:
    ready = False
    while True:
        for process in processes:
            code = process.poll()
            if code is not None:
                return code or 1
        if not ready and _answers(port):
            ready = True
            on_ready()
        time.sleep(POLL_SECONDS)


def _answers(port: int) -> bool:
    try:
        with urlopen(f"http://{LOOPBACK}:{port}/server_info", timeout=2) as response:
            return bool(response.status == HTTPStatus.OK)
    except (URLError, OSError):
        return False


def _end_all(processes: Sequence[subprocess.Popen[bytes]]) -> None:
    """Ask every process to end, and kill what does not within the grace time."""
    for process in processes:
        if process.poll() is None:
            process.send_signal(signal.SIGINT)
    deadline = time.monotonic() + GRACE_SECONDS
    for process in processes:
        try:
            process.wait(timeout=max(0.0, deadline - time.monotonic()))
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
