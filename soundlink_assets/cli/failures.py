"""What an error means to the person at the terminal: one or two lines, what is wrong, what to do.

Errors of ours say it themselves; here stands what is to be said about those of the system, of
SQLite and of Dagster. Nothing is handled here, only worded.
"""

import errno
import sqlite3
import sys
import traceback
from collections.abc import Iterator
from pathlib import Path
from typing import TypeVar

import typer

from soundlink_assets.cli.app import UserError
from soundlink_assets.settings import SettingsError

_Error = TypeVar("_Error", bound=BaseException)

_ADVICE = {
    errno.ENOENT: "A part of the path is not there and cannot be made: choose another place.",
    errno.EISDIR: "A folder is where a file should be: move it away, or choose another place.",
    errno.ENOSPC: "The disk is full: make room, then run again.",
    errno.EDQUOT: "The disk quota is used up: make room, then run again.",
    errno.EFBIG: "A file may not grow that far: raise the limit on file sizes, then run again.",
    errno.EACCES: "This user may not do that: change the rights, or choose another place.",
    errno.EPERM: "This user may not do that: change the rights, or choose another place.",
    errno.EROFS: "The file system is read-only: choose another place.",
    errno.ENOTDIR: "A part of the path is a file, not a folder: choose another place.",
    errno.EEXIST: "Something of that name is there already: choose another place.",
    errno.EADDRINUSE: "The port is taken: choose another with --port.",
    errno.EMFILE: "Too many open files: raise the limit (ulimit -n), then run again.",
}

_DAMAGED = (
    "A file of it is damaged: restore the folder from a backup, or set DAGSTER_HOME to an empty "
    "folder and backfill."
)

_SQLITE = (
    ("disk is full", "The disk is full: make room, then run again."),
    ("readonly", "Its files may not be written: set DAGSTER_HOME to a folder that may."),
    ("unable to open", "Its files may not be written: set DAGSTER_HOME to a folder that may."),
    ("disk I/O error", "The disk is full or failing."),
    ("locked", "Another process keeps it locked; end that one, then run again."),
    ("malformed", _DAMAGED),
    ("not a database", _DAMAGED),
)


def explain(error: BaseException) -> str | None:
    """What is wrong and what to do; None if nothing is known about such an error."""
    for cause in _chain(error):
        if _is_ours(cause):
            return str(cause)
        if isinstance(cause, OSError) and cause.errno in _ADVICE:
            where = f"{cause.filename}: " if cause.filename else ""
            return f"{where}{cause.strerror}. {_ADVICE[cause.errno]}"
        if isinstance(cause, sqlite3.Error):
            return unusable_history(cause)
        if isinstance(cause, MemoryError):
            return "There is not enough memory. Give shorter ranges of days, or end other programs."
    return None


def unusable_history(error: sqlite3.Error, home: Path | None = None) -> str:
    """What an error of SQLite means, and for which folder, if that is known."""
    where = f": {home}" if home else ""
    return f"Dagster's history cannot be used{where} ({error}). {_sqlite_advice(str(error))}"


def cause_of(error: BaseException, kind: type[_Error]) -> _Error | None:
    """The outermost error of that kind among this one and those that it was raised from."""
    return next((cause for cause in _chain(error) if isinstance(cause, kind)), None)


def report(error: Exception, *, verbose: bool) -> None:
    """Print the explanation, or that the error is unexpected; with `verbose` the stack trace."""
    if verbose:
        traceback.print_exception(error, file=sys.stderr)
    said = explain(error)
    if said is None:
        first = (str(error).strip().splitlines() or [""])[0]
        said = f"Unexpected error, {type(error).__name__}: {first}"
        if not verbose:
            said += "\nRun the same command with --verbose for the stack trace, and report it."
    typer.secho(said, fg=typer.colors.RED, err=True)


def _is_ours(error: BaseException) -> bool:
    if isinstance(error, (UserError, SettingsError)):
        return True
    from soundlink_assets.provider.errors import SoundlinkError
    from soundlink_assets.warehouse.errors import WarehouseError

    return isinstance(error, (SoundlinkError, WarehouseError))


def _sqlite_advice(said: str) -> str:
    known = (advice for words, advice in _SQLITE if words in said)
    return next(known, "Set DAGSTER_HOME to an empty folder to start a new one.")


def _chain(error: BaseException | None) -> Iterator[BaseException]:
    """The error and what it was raised from, outermost first."""
    while error is not None:
        yield error
        error = error.__cause__ or (None if error.__suppress_context__ else error.__context__)
