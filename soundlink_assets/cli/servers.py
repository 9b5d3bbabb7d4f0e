"""Dagster's code server, webserver and daemon: child processes that live and end together.

The webserver and the daemon share one code server. Given a module instead, each would load the
code by itself, and the daemon would do so anew every minute.

They are a process group of their own, with all that they start, so that nothing outlives the end:
Dagster's processes for runs and logs are not ours to wait for one by one. A keeper, a shell that
does nothing else, ends the group when this process is gone without having done so.
"""

import os
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from http import HTTPStatus
from pathlib import Path
from types import FrameType
from typing import IO, cast
from urllib.error import URLError
from urllib.request import urlopen

from soundlink_assets.cli.app import UserError

LOOPBACK = "127.0.0.1"
LOCK = "dev.lock"
GRACE_SECONDS = 20
POLL_SECONDS = 0.5
LOCATION = "soundlink_assets"
MODULE = "soundlink_assets.definitions"

KEEPER = f"""
trap '' HUP INT TERM
read -r group
read -r _
test "$group" || exit
kill -TERM "-$group"
for _ in $(seq {GRACE_SECONDS}); do
    kill -0 "-$group" || exit
    sleep 1
done
kill -KILL "-$group"
"""
"""Reads which group it keeps; when nobody holds the other end of its input, it ends the group."""


@contextmanager
def sole_servers(home: Path) -> Iterator[int]:
    """Keep others from starting servers on `home`; gives the file that the servers have to keep.

    Two daemons on one history would each run every schedule. The kernel frees the lock when the
    last process that has the file is gone. UserError if somebody has it.
    """
    import portalocker

    with (home / LOCK).open("a+", encoding="utf-8") as lock:
        try:
            portalocker.lock(lock, portalocker.LOCK_EX | portalocker.LOCK_NB)
        except portalocker.AlreadyLocked:
            raise UserError(_who_holds(home, lock)) from None
        _note(lock.fileno(), os.getpid())
        yield lock.fileno()


def _note(lock: int, *numbers: int) -> None:
    os.ftruncate(lock, 0)
    os.write(lock, " ".join(map(str, numbers)).encode())


def _who_holds(home: Path, lock: IO[str]) -> str:
    """What to tell whoever comes second; the note has one number while the first is starting."""
    lock.seek(0)
    process, _, group = lock.read().partition(" ")
    who = f" (process {process})" if process else ""
    how = f" or `kill {process}`" if process else ""
    left = f" If it has died, `kill -KILL -{group}` ends what it has left." if group else ""
    return (
        f"Another `soundlink-assets dev`{who} works in {home}. Use that one, or end it with "
        f"Ctrl-C{how} first.{left}"
    )


def serve_until_stopped(
    port: int, environment: dict[str, str], folder: Path, on_ready: Callable[[], None], lock: int
) -> int:
    """Run the servers until one ends by itself or this process is asked to stop.

    They work in `folder`; a `.env` file there comes before `environment`, because Dagster reads it.
    `on_ready` is called once when the webserver answers. They keep the file `lock` as long as any
    of them lives. Returns 0 after a request to stop (Ctrl-C), else the exit code of the process
    that ended.
    """
    requests = StopRequests()
    signal.signal(signal.SIGINT, requests.note)
    servers = Servers(environment, folder, lock)
    # The path of a socket may have at most about a hundred characters.
    with tempfile.TemporaryDirectory(prefix="soundlink-") as temporary:
        socket, workspace = Path(temporary) / "code.sock", Path(temporary) / "workspace.yaml"
        workspace.write_text(_workspace(socket), encoding="utf-8")
        with servers.beginning_with(["dagster", *_code_server(socket)], requests):
            _wait_until_loaded(socket, servers, requests)
            if servers.first_end() is None and not requests.received:
                servers.start(["dagster_webserver", *_web(port, workspace)])
                servers.start(["dagster._daemon", *_daemon(workspace)])
            return _wait_for_end(servers, requests, port, on_ready)


class StopRequests:
    """How often this process was asked to stop.

    The handler only counts: an exception from it would come in the middle of anything, such as
    the release of a lock in a library.
    """

    def __init__(self) -> None:
        self.received = 0

    def note(self, _signal: int, _frame: FrameType | None) -> None:
        """The handler of the signal."""
        self.received += 1


class Servers:
    """Child processes in one process group, and what they start in turn."""

    def __init__(self, environment: dict[str, str], folder: Path, lock: int) -> None:
        self.environment = environment
        self.folder = folder
        self.lock = lock
        self.processes: list[subprocess.Popen[bytes]] = []

    @contextmanager
    def beginning_with(self, command: Sequence[str], requests: StopRequests) -> Iterator[None]:
        """Start the first, whose number is that of the group; at the end, end the whole group."""
        with _keeper(self.lock) as keep:
            self.start(command)
            group = self.processes[0].pid
            try:
                keep(group)
                _note(self.lock, os.getpid(), group)
                yield
            finally:
                if len(self.processes) > 1:
                    _end(group, requests)
                else:  # while it imports, it would answer a request with a stack trace
                    _signal(group, signal.SIGKILL)

    def start(self, command: Sequence[str]) -> None:
        """Start one more Python module as a server; Ctrl-C in a terminal does not reach it."""
        self.processes.append(
            subprocess.Popen(  # noqa: S603 - our own command
                [sys.executable, "-m", *command],
                env=self.environment,
                cwd=self.folder,
                stdin=subprocess.DEVNULL,
                pass_fds=[self.lock],
                process_group=self.processes[0].pid if self.processes else 0,
            )
        )

    def first_end(self) -> int | None:
        """The exit code of a server that ended, never 0; None while all are up."""
        codes = (process.poll() for process in self.processes)
        return next((code or 1 for code in codes if code is not None), None)


@contextmanager
def _keeper(lock: int) -> Iterator[Callable[[int], object]]:
    """Gives what to call with a group that is to end also if this process is killed.

    It is there before the group is, so that at no moment the group is without it.
    """
    with subprocess.Popen(  # noqa: S603 - our own command
        ["/bin/sh", "-c", KEEPER],
        stdin=subprocess.PIPE,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        pass_fds=[lock],
        process_group=0,
    ) as keeper:
        told = cast("IO[bytes]", keeper.stdin).fileno()
        try:
            yield lambda group: os.write(told, f"{group}\n".encode())
        finally:
            keeper.kill()


def _end(group: int, requests: StopRequests) -> None:
    """Ask every process to end, and kill what has not after the grace time or one more request.

    SIGTERM, because what Dagster has not prepared for it ends without a word. A run marks itself
    as failed.
    """
    before = requests.received
    deadline = time.monotonic() + GRACE_SECONDS
    _signal(group, signal.SIGTERM)
    while not _has_ended(group):
        if time.monotonic() >= deadline or requests.received > before:
            _signal(group, signal.SIGKILL)
            return
        time.sleep(POLL_SECONDS / 5)


def _has_ended(group: int) -> bool:
    with suppress(ChildProcessError):  # those that nobody waited for would count as alive
        while os.waitpid(-group, os.WNOHANG)[0]:
            pass
    return not _signal(group, 0)


def _signal(group: int, number: int) -> bool:
    """Send a signal to the group; False if nobody is there."""
    try:
        os.killpg(group, number)
    except (ProcessLookupError, PermissionError):  # the second by macOS, if all are only unreaped
        return False
    return True


def _workspace(socket: Path) -> str:
    return f"load_from:\n  - grpc_server: {{socket: {socket}, location_name: {LOCATION}}}\n"


def _code_server(socket: Path) -> list[str]:
    return ["code-server", "start", "-m", MODULE, "-s", str(socket)]


def _web(port: int, workspace: Path) -> list[str]:
    return ["-h", LOOPBACK, "-p", str(port), "-w", str(workspace)]


def _daemon(workspace: Path) -> list[str]:
    return ["run", "-w", str(workspace)]


def _wait_until_loaded(socket: Path, servers: Servers, requests: StopRequests) -> None:
    """Wait until the code server answers; who comes earlier only sees errors.

    Also until it has ended, or this process is asked to stop.
    """
    import grpc

    with grpc.insecure_channel(f"unix:{socket}") as channel:
        ready = grpc.channel_ready_future(channel)
        while servers.first_end() is None and not requests.received:
            with suppress(grpc.FutureTimeoutError):
                ready.result(timeout=POLL_SECONDS)
                return


def _wait_for_end(
    servers: Servers, requests: StopRequests, port: int, on_ready: Callable[[], None]
) -> int:
    ready = False
    while not requests.received:
        code = servers.first_end()
        if code is not None:
            return code
        if not ready and _answers(port):
            ready = True
            on_ready()
        time.sleep(POLL_SECONDS)
    return 0


def _answers(port: int) -> bool:
    try:
        with urlopen(f"http://{LOOPBACK}:{port}/server_info", timeout=2) as response:
            return bool(response.status == HTTPStatus.OK)
    except (URLError, OSError):
        return False
