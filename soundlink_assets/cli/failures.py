"""What an error means to the person at the terminal: what is wrong, and what to do.

Errors of ours carry both; here are the words for those of the system, of SQLite and of Dagster.
Nothing is handled here.
"""

import errno
import sqlite3
import sys
import traceback
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import typer

from soundlink_assets.cli.app import UserError
from soundlink_assets.settings import SettingsError

_ADVICE = {
    errno.ENOENT: "A part of the path does not exist and cannot be made: choose another place.",
    errno.EISDIR: "A folder is where a file should be: move it away, or choose another place.",
    errno.ENOSPC: "The disk is full: make room, then run again.",
    errno.EDQUOT: "The disk quota is used up: make room, then run again.",
    errno.EFBIG: "A file may not grow that far: raise the limit on file sizes, then run again.",
    errno.EACCES: "This user may not do that: change the rights, or choose another place.",
    errno.EPERM: "This user may not do that: change the rights, or choose another place.",
    errno.EROFS: "The file system is read-only: choose another place.",
    errno.ENOTDIR: "A part of the path is a file, not a folder: choose another place.",
    errno.EEXIST: "Something of that name exists already: choose another place.",
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
    ("already exists", "Another command was creating it at the same moment: run again."),
    ("malformed", _DAMAGED),
    ("not a database", _DAMAGED),
)


@dataclass(frozen=True, slots=True)
class Explanation:
    """What is wrong, and what to do; the advice may be empty."""

    what: str
    advice: str = ""

    def __str__(self) -> str:
        return f"{self.what}\n{self.advice}".strip()


def explain(error: BaseException) -> Explanation | None:
    """What is wrong and what to do; None if nothing is known about such an error."""
    known = (explanation for cause in causes(error) if (explanation := _explain(cause)))
    return next(known, None)


def _explain(error: BaseException) -> Explanation | None:
    if isinstance(error, UserError):
        return Explanation(error.what, error.advice)
    if isinstance(error, SettingsError):
        return Explanation(str(error))
    if isinstance(error, OSError) and error.errno in _ADVICE:
        where = f"{error.filename}: " if error.filename else ""
        return Explanation(f"{where}{error.strerror}.", _ADVICE[error.errno])
    if isinstance(error, MemoryError):
        return Explanation(
            "There is not enough memory.", "Give shorter ranges of days, or end other programs."
        )
    return unusable_history(error) or _explain_ours(error)


def _explain_ours(error: BaseException) -> Explanation | None:
    from soundlink_assets.provider import SoundlinkError
    from soundlink_assets.warehouse import WarehouseError

    if isinstance(error, SoundlinkError):
        facts = f" ({error.facts})" if error.facts else ""
        return Explanation(f"{error.message}{facts}", error.hint)
    return Explanation(str(error)) if isinstance(error, WarehouseError) else None


def unusable_history(error: BaseException, home: Path | None = None) -> Explanation | None:
    """What an error of Dagster's storage means, and for which folder, if that is known.

    None if it is not an error of the storage.
    """
    where = f": {home}" if home else ""
    if isinstance(error, sqlite3.Error):
        known = (advice for words, advice in _SQLITE if words in str(error))
        advice = next(known, "Set DAGSTER_HOME to an empty folder to start a new one.")
        return Explanation(f"Dagster's history cannot be used{where} ({error}).", advice)
    if "more than one head" in str(error) and type(error).__module__.startswith("alembic"):
        folder = home or "DAGSTER_HOME"
        return Explanation(
            f"Dagster's history cannot be used{where}: two Dagster commands created it at the same "
            f"moment ({error}).",
            f"End every Dagster process that uses it, delete the folders {folder}/history and "
            f"{folder}/schedules, and run again: only what ran since then is forgotten. The "
            "warehouse is not affected.",
        )
    return None


def causes(error: BaseException | None) -> Iterator[BaseException]:
    """The error and what it was raised from, outermost first."""
    while error is not None:
        yield error
        error = error.__cause__ or (None if error.__suppress_context__ else error.__context__)


def first_line(error: BaseException) -> str:
    """The first line of an error's message, or nothing."""
    return (str(error).strip().splitlines() or [""])[0]


def report(error: Exception, *, verbose: bool) -> None:
    """Print the explanation, or that the error is unexpected; with `verbose` the stack trace."""
    if verbose:
        traceback.print_exception(error, file=sys.stderr)
    text = str(explain(error) or "")
    if not text:
        text = f"Unexpected error, {type(error).__name__}: {first_line(error)}"
        if not verbose:
            text += "\nRun the same command with --verbose for the stack trace, and report it."
    typer.secho(text, fg=typer.colors.RED, err=True)
