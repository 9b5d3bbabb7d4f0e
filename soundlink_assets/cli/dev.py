"""`soundlink-assets dev`: the Dagster UI and daemon, with a history that lasts."""

import os
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress
from http import HTTPStatus
from pathlib import Path
from types import FrameType
from typing import IO, Annotated
from urllib.error import URLError
from urllib.request import urlopen

import typer

from soundlink_assets.cli.app import UserError, app, differing, read_settings
from soundlink_assets.cli.dagster_dev import GRACE_SECONDS
from soundlink_assets.cli.demo import DEMO_DAYS
from soundlink_assets.cli.sandbox import SANDBOX_FOLDER, sandbox_environment

LOOPBACK = "127.0.0.1"
LOCK = "dev.lock"
POLL_SECONDS = 0.5
# Not `-m`: that module is imported here too, and Python warns of it.
DAGSTER_DEV = "from soundlink_assets.cli.dagster_dev import main; main()"


@app.command()
def dev(
    *,
    sandbox: Annotated[
        bool, typer.Option("--sandbox", help="Run against a sandbox with synthetic data.")
    ] = False,
    port: Annotated[int, typer.Option(min=1, max=65535, help="Port of the UI.")] = 3000,
) -> None:
    """Serve the Dagster UI on 127.0.0.1 and run schedules and sensors, until interrupted.

    Dagster's history lasts in `DAGSTER_HOME` (default `data/dagster_home`, with `--sandbox`
    `data/sandbox/dagster_home`). One at a time may work there.
    """
    from soundlink_assets.cli.home import default_home, open_history, prepare_home
    from soundlink_assets.cli.runs import mark_killed_runs

    if _is_taken(port):
        raise UserError(f"Port {port} of {LOOPBACK} is taken.", "Choose another with --port.")
    environment = dict(os.environ)
    home = SANDBOX_FOLDER / "dagster_home" if sandbox else default_home()
    # Away from a `.env` file with a real key and warehouse, which Dagster would prefer.
    folder = (SANDBOX_FOLDER if sandbox else Path()).absolute()
    if not sandbox:
        _check_settings()
    home = prepare_home(home)
    environment["DAGSTER_HOME"] = str(home)
    with ExitStack() as stack:
        lock = stack.enter_context(sole_dev(home))
        with open_history(home) as instance:
            mark_killed_runs(instance)
        if sandbox:
            environment |= stack.enter_context(sandbox_environment(DEMO_DAYS))
        typer.echo("Starting the Dagster UI and daemon ...")
        arguments = ["dev", "-h", LOOPBACK, "-p", str(port), "-w", str(home / "workspace.yaml")]
        arguments += ["--log-level", "warning"]  # the daemon's ticks are in the UI
        requests = StopRequests()
        signal.signal(signal.SIGINT, requests.note)
        with running_dagster(arguments, environment, folder, lock, requests) as process:
            raise typer.Exit(_wait_for_end(process, requests, port))


def _check_settings() -> None:
    """SettingsError if a setting is wrong; a missing key is only a warning, the UI works.

    UserError if `.env` and the environment disagree, because Dagster would take the other one.
    """
    from soundlink_assets.settings import SettingsError

    settings = read_settings()
    if names := differing(Path(".env"), os.environ):
        raise UserError(
            f"{', '.join(names)}: .env and the environment differ, and Dagster takes what is in "
            ".env.",
            "Unset it in one of them.",
        )
    try:
        settings.require_api_key()
    except SettingsError as error:
        typer.secho(f"{error}\nUntil then no run can fetch.", fg=typer.colors.YELLOW, err=True)


def _is_taken(port: int) -> bool:
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((LOOPBACK, port))
        except OSError:
            return True
    return False


@contextmanager
def sole_dev(home: Path) -> Iterator[IO[str]]:
    """Keep others from starting Dagster on `home`; gives the file to start it with.

    Two daemons on one history would each run every schedule. The kernel frees the lock when the
    last process that has the file is gone. UserError if somebody has it.
    """
    import portalocker

    with (home / LOCK).open("a+", encoding="utf-8") as lock:
        try:
            portalocker.lock(lock, portalocker.LOCK_EX | portalocker.LOCK_NB)
        except portalocker.AlreadyLocked:
            raise UserError(*_who_holds(home, lock)) from None
        _note(lock, os.getpid())
        yield lock


def _note(lock: IO[str], *numbers: int) -> None:
    os.ftruncate(lock.fileno(), 0)
    os.write(lock.fileno(), " ".join(map(str, numbers)).encode())


def _who_holds(home: Path, lock: IO[str]) -> tuple[str, str]:
    """What to tell whoever comes second; the note has one number while the first is starting."""
    lock.seek(0)
    process, _, group = lock.read().partition(" ")
    who = f" (process {process})" if process else ""
    how = f" or `kill {process}`" if process else ""
    left = f" If it has died, `kill -KILL -{group}` ends what it has left." if group else ""
    return (
        f"Another `soundlink-assets dev`{who} works in {home}.",
        f"Use that one, or end it with Ctrl-C{how} first.{left}",
    )


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


@contextmanager
def running_dagster(
    arguments: list[str],
    environment: dict[str, str],
    folder: Path,
    lock: IO[str],
    requests: StopRequests,
) -> "Iterator[subprocess.Popen[bytes]]":
    """`dagster ARGUMENTS` in `folder`, leading a process group; at the end the whole group ends.

    It has a pipe whose other end is in this process only, and ends the group when that is gone; see
    `dagster_dev`. Its standard input is the file `lock`, because all that it starts inherits that:
    nobody else may start while any of it lives. Ctrl-C in a terminal does not reach the group. A
    `.env` file in the folder comes before `environment`, because Dagster reads it. What it prints
    is passed on until a stop is requested.
    """
    theirs, ours = os.pipe()
    process = subprocess.Popen(  # noqa: S603 - our own command
        [sys.executable, "-c", DAGSTER_DEV, str(theirs), *arguments],
        env=environment,
        cwd=folder,
        stdin=lock,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        pass_fds=[theirs],
        process_group=0,
    )
    os.close(theirs)
    printing = threading.Thread(target=_pass_on, args=(process.stdout, requests), daemon=True)
    printing.start()
    try:
        _note(lock, os.getpid(), process.pid)
        yield process
    finally:
        os.close(ours)
        _wait_until_ended(process, requests)
        printing.join(POLL_SECONDS)


def _pass_on(output: IO[bytes], requests: StopRequests) -> None:
    """Print the output; not the stack traces of what is told to end, which its history keeps."""
    with output:
        for line in output:
            if not requests.received:
                typer.echo(line, nl=False)


def _wait_until_ended(process: "subprocess.Popen[bytes]", requests: StopRequests) -> None:
    """Wait for the whole group; kill it after the grace time or at one more request to stop."""
    before, deadline = requests.received, time.monotonic() + GRACE_SECONDS
    is_asked = False
    while process.poll() is None or _signal(process.pid, 0):
        if process.returncode is not None and not is_asked:
            is_asked = _signal(process.pid, signal.SIGTERM)  # perhaps it was killed, and could not
        if time.monotonic() >= deadline or requests.received > before:
            _signal(process.pid, signal.SIGKILL)
        time.sleep(POLL_SECONDS / 5)


def _signal(group: int, number: int) -> bool:
    """Send a signal to the group; False if nobody is there."""
    with suppress(ProcessLookupError, PermissionError):  # the second by macOS, of unreaped ones
        os.killpg(group, number)
        return True
    return False


def _wait_for_end(process: "subprocess.Popen[bytes]", requests: StopRequests, port: int) -> int:
    """Wait until Dagster ends by itself or this process is asked to stop.

    Returns 0 after a request to stop, else the exit code of Dagster, never 0.
    """
    is_ready = False
    while not requests.received:
        code = process.poll()
        if code is not None:
            return max(code, 1)
        if not is_ready and _answers(port):
            is_ready = True
            typer.echo(f"Dagster UI: http://{LOOPBACK}:{port}   (stop with Ctrl-C)")
        time.sleep(POLL_SECONDS)
    return 0


def _answers(port: int) -> bool:
    try:
        with urlopen(f"http://{LOOPBACK}:{port}/server_info", timeout=2) as response:
            return bool(response.status == HTTPStatus.OK)
    except (URLError, OSError):
        return False
