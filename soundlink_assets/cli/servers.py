"""Dagster's code server, webserver and daemon: child processes that live and end together.

The webserver and the daemon share one code server. Given a module instead, each would load the
code by itself, and the daemon would do so anew every minute.
"""

import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from functools import partial
from http import HTTPStatus
from pathlib import Path
from types import FrameType
from urllib.error import URLError
from urllib.request import urlopen

LOOPBACK = "127.0.0.1"
GRACE_SECONDS = 20.0
POLL_SECONDS = 0.5
LOCATION = "soundlink_assets"
MODULE = "soundlink_assets.definitions"


def serve_until_stopped(
    port: int, environment: dict[str, str], folder: Path, on_ready: Callable[[], None]
) -> int:
    """Run the servers until one ends by itself or this process is asked to stop.

    They work in `folder`; a `.env` file there comes before `environment`, because Dagster reads it.
    `on_ready` is called once when the webserver answers. Returns 0 after a request to stop
    (Ctrl-C), else the exit code of the process that ended.
    """
    signal.signal(signal.SIGINT, _stop)
    start = partial(_start, environment=environment, folder=folder)
    processes: list[subprocess.Popen[bytes]] = []
    try:
        # The path of a socket may have at most about a hundred characters.
        with tempfile.TemporaryDirectory(prefix="soundlink-") as temporary:
            socket, workspace = Path(temporary) / "code.sock", Path(temporary) / "workspace.yaml"
            workspace.write_text(_workspace(socket), encoding="utf-8")
            try:
                processes.append(start(["dagster", *_code_server(socket)]))
                _wait_until_loaded(socket, processes[0])
                processes.append(start(["dagster_webserver", *_web(port, workspace)]))
                processes.append(start(["dagster._daemon", *_daemon(workspace)]))
                return _wait_for_first_end(processes, port, on_ready)
            finally:
                _end_all(processes)
    except KeyboardInterrupt:
        return 0


def _workspace(socket: Path) -> str:
    return f"load_from:\n  - grpc_server: {{socket: {socket}, location_name: {LOCATION}}}\n"


def _code_server(socket: Path) -> list[str]:
    return ["code-server", "start", "-m", MODULE, "-s", str(socket)]


def _web(port: int, workspace: Path) -> list[str]:
    return ["-h", LOOPBACK, "-p", str(port), "-w", str(workspace)]


def _daemon(workspace: Path) -> list[str]:
    return ["run", "-w", str(workspace)]


def _wait_until_loaded(socket: Path, code_server: subprocess.Popen[bytes]) -> None:
    """Wait until the code server answers, or has ended; who comes earlier only sees errors."""
    import grpc

    with grpc.insecure_channel(f"unix:{socket}") as channel:
        ready = grpc.channel_ready_future(channel)
        while code_server.poll() is None:
            try:
                ready.result(timeout=POLL_SECONDS)
            except grpc.FutureTimeoutError:
                continue
            return


def _start(
    command: Sequence[str], environment: dict[str, str], folder: Path
) -> subprocess.Popen[bytes]:
    return subprocess.Popen(  # noqa: S603 - our own command
        [sys.executable, "-m", *command], env=environment, cwd=folder
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
