"""The typer application: how every command starts, is interrupted, and reports its errors.

What a particular error means to a user belongs in `failures`; what a command does in its own
module. Only typer is imported at the top, so that `--help` comes up fast.
"""

import os
import signal
import socket
import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path
from types import FrameType
from typing import TYPE_CHECKING, Annotated, Any

import typer
from typer.core import TyperGroup

if TYPE_CHECKING:
    from soundlink_assets.settings import Settings

VERBOSE = "--verbose"
INTERRUPTED = 130
"""Exit code after Ctrl-C, as shells have it: 128 and the number of the signal."""

_BESIDES_CTRL_C = ("SIGTERM", "SIGHUP")
"""`kill`, and a terminal that is closed. Windows lacks the second."""

_MANY_SIGNALS = 4096


class UserError(Exception):
    """Ends the command with exit code 1: what is wrong, and what to do about it."""

    def __init__(self, what: str, advice: str = "") -> None:
        super().__init__(what, advice)
        self.what = what
        self.advice = advice

    def __str__(self) -> str:
        return f"{self.what}\n{self.advice}".strip()


class CommandGroup(TyperGroup):
    """Ends every failure of a command in one or two lines; `--verbose` shows the stack trace.

    `--verbose` is taken anywhere, because people add it to the end of the command that failed.
    """

    def parse_args(self, ctx: Any, args: list[str]) -> list[str]:
        """Move `--verbose` to the front, where it belongs as an option of the whole command."""
        end = args.index("--") if "--" in args else len(args)
        rest = [arg for arg in args[:end] if arg != VERBOSE]
        if len(rest) < end:
            args = [VERBOSE, *rest, *args[end:]]
        return super().parse_args(ctx, args)

    def invoke(self, ctx: Any) -> Any:
        """Run the command; a failure becomes a message and exit code 1, Ctrl-C exit code 130."""
        try:
            return super().invoke(ctx)
        except (typer.Exit, typer.Abort, typer.TyperException):
            raise
        except KeyboardInterrupt:
            typer.secho("Interrupted.", fg=typer.colors.YELLOW, err=True)
            raise typer.Exit(INTERRUPTED) from None
        except Exception as error:  # noqa: BLE001 - any error is reported and ends the command
            from soundlink_assets.cli.failures import report

            report(error, verbose=bool(ctx.params.get("verbose")))
            raise typer.Exit(1) from None


app = typer.Typer(
    name="soundlink-assets",
    cls=CommandGroup,
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    rich_markup_mode="markdown",
    context_settings={"help_option_names": ["-h", "--help"]},
)


def _show_version(wanted: bool) -> None:  # noqa: FBT001 - typer calls it so
    if wanted:
        from importlib.metadata import version

        typer.echo(f"soundlink-assets {version('soundlink-assets')}")
        raise typer.Exit


@app.callback()
def _every_command(
    ctx: typer.Context,
    *,
    verbose: Annotated[
        bool, typer.Option(VERBOSE, help="Show the stack trace of an error.")
    ] = False,
    _version: Annotated[
        bool,
        typer.Option(
            "--version", help="Show the version and exit.", callback=_show_version, is_eager=True
        ),
    ] = False,
) -> None:
    """A data platform for Soundlink campaign exports, built on Dagster.

    Settings are `SOUNDLINK_*` environment variables; a file `.env` in the current folder is read
    too, and the environment comes first. `soundlink-assets init FOLDER` writes one that explains
    them all, `soundlink-assets demo` needs none.
    """
    from dotenv import load_dotenv

    _handle_as_ctrl_c()
    ctx.obj = {"verbose": verbose}
    try:
        load_dotenv(".env", override=False)
    except UnicodeDecodeError:
        raise UserError("The file .env is not UTF-8 text.", "Save it as UTF-8.") from None


def read_settings() -> "Settings":
    """The settings. SettingsError if some are wrong; an unknown variable is only a warning."""
    from soundlink_assets.settings import load_settings, unknown_variables

    for problem in unknown_variables(os.environ):
        typer.secho(str(problem), fg=typer.colors.YELLOW, err=True)
    return load_settings()


def differing(env_file: Path, environment: Mapping[str, str]) -> list[str]:
    """The variables that both set, to different values."""
    from dotenv import dotenv_values

    return [
        name
        for name, value in dotenv_values(env_file).items()
        if value is not None and environment.get(name, value) != value
    ]


def _handle_as_ctrl_c() -> None:
    """Let `kill` and a closed terminal end this command as Ctrl-C does.

    A run that dies without being marked as failed would keep its days from others for hours. A
    signal that is ignored, as by `nohup`, stays ignored.
    """
    for name in _BESIDES_CTRL_C:
        number = getattr(signal, name, None)
        if number is not None and signal.getsignal(number) is signal.SIG_DFL:
            signal.signal(number, _as_ctrl_c)


def _as_ctrl_c(_signal: int, frame: FrameType | None) -> None:
    # Dagster has a handler of its own for Ctrl-C while a run is under way.
    handler = signal.getsignal(signal.SIGINT)
    if callable(handler):
        handler(signal.SIGINT, frame)
    else:
        raise KeyboardInterrupt


@contextmanager
def noticing_signals() -> Iterator[Callable[[], bool]]:
    """Yields a function that tells whether a signal to end has come since.

    While a run is under way Dagster has a handler of its own, which drops a signal before the first
    step and after the last. Python writes the number of every signal to this socket, whichever
    handler there is. Off the main thread nothing is noticed, nor handled.
    """
    if threading.current_thread() is not threading.main_thread():
        yield lambda: False
        return
    ours, pythons = socket.socketpair()
    with ours, pythons:
        ours.setblocking(False)
        pythons.setblocking(False)
        before = signal.set_wakeup_fd(pythons.fileno(), warn_on_full_buffer=False)
        seen: set[int] = set()

        def has_been_asked() -> bool:
            with suppress(BlockingIOError):
                seen.update(ours.recv(_MANY_SIGNALS))
            return any(getattr(signal, name, None) in seen for name in ("SIGINT", *_BESIDES_CTRL_C))

        try:
            yield has_been_asked
        finally:
            signal.set_wakeup_fd(before)
