"""A `DAGSTER_HOME` that lasts: where Dagster keeps runs, events and schedules."""

import os
import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from textwrap import shorten
from typing import TYPE_CHECKING

from soundlink_assets.cli.app import UserError

if TYPE_CHECKING:
    from dagster import DagsterInstance

DEFAULT_HOME = "data/dagster_home"

DAGSTER_YAML = """\
# Settings of the Dagster instance; see https://docs.dagster.io/deployment/oss/dagster-yaml
telemetry:
  enabled: false

# A run whose process died is marked as failed, so that the next tick can try again.
run_monitoring:
  enabled: true
  poll_interval_seconds: 60
  # What is left of a run whose whole machine went away; the sensor itself waits two hours for it.
  max_runtime_seconds: 172800

# The client says in the log of a run when it waits for the request budget or tries again.
python_logs:
  managed_python_loggers: [soundlink_assets.provider]

# One slow sensor or schedule does not hold up the others.
sensors:
  use_threads: true
  num_workers: 4
schedules:
  use_threads: true
  num_workers: 4

# Runs wait for one another at the warehouse only for the write itself.
concurrency:
  runs:
    max_concurrent_runs: 4
"""

WORKSPACE_YAML = """\
# What Dagster loads: the definitions of soundlink_assets.
load_from:
  - python_module:
      module_name: soundlink_assets.definitions
      location_name: soundlink_assets
"""

MOST_SAID = 400
"""Characters of an error about `dagster.yaml`, which may cite the whole of the file."""


def prepare_home(home: Path) -> Path:
    """Make the folder usable as `DAGSTER_HOME` and return its absolute path.

    Files that are there are left as they are. The storage is initialised here, once, because
    several processes that start on an empty folder at the same time fail.
    """
    home = home.absolute()
    try:
        home.mkdir(parents=True, exist_ok=True)
        _write_once(home / "dagster.yaml", DAGSTER_YAML)
        _write_once(home / "workspace.yaml", WORKSPACE_YAML)
        _write_once(home / ".nux" / "nux.yaml", "seen: 1\n")
    except OSError as error:
        raise UserError(
            f"Dagster's history cannot be kept in {home} ({error.strerror}). Set DAGSTER_HOME to "
            "a folder that this user may write."
        ) from error
    with open_history(home) as instance:
        instance.get_runs(limit=1)
        instance.event_log_storage.get_maximum_record_id()
    return home


@contextmanager
def open_history(home: Path) -> "Iterator[DagsterInstance]":
    """The Dagster instance of that folder; UserError if it is damaged or wrongly configured."""
    with _named_when_damaged(home), _instance_of(home) as instance:
        yield instance


@contextmanager
def _named_when_damaged(home: Path) -> Iterator[None]:
    """What SQLite raises does not say which folder it is about."""
    from soundlink_assets.cli.failures import cause_of, unusable_history

    try:
        yield
    except Exception as error:
        cause = cause_of(error, sqlite3.Error)
        if cause is None or isinstance(error, UserError):
            raise
        raise UserError(unusable_history(cause, home.absolute())) from error


def _instance_of(home: Path) -> "DagsterInstance":
    from dagster import DagsterInstance, DagsterInvalidConfigError
    from dagster_shared.check import CheckError
    from yaml import YAMLError

    try:
        return DagsterInstance.from_config(str(home))
    except (DagsterInvalidConfigError, YAMLError, CheckError, UnicodeDecodeError) as error:
        raise UserError(
            f"{home / 'dagster.yaml'} is not valid: {_wrong_in(error)}\n"
            "Put it right, or delete it: the next command writes a new one."
        ) from error


def _wrong_in(error: Exception) -> str:
    """What an error about `dagster.yaml` says, without the whole of what would be allowed."""
    if isinstance(error, UnicodeDecodeError):
        return "it is not UTF-8 text"
    found = [problem.message for problem in getattr(error, "errors", ())] or [str(error)]
    said = (text.removeprefix("Failure condition: ").partition("Expected: ")[0] for text in found)
    return shorten("; ".join(" ".join(text.split()) for text in said), MOST_SAID)


def default_home() -> Path:
    """`DAGSTER_HOME` from the environment, or `data/dagster_home` in the current folder."""
    return Path(os.environ.get("DAGSTER_HOME") or DEFAULT_HOME).expanduser()


def home_left_behind(home: Path) -> Path | None:
    """The history in the current folder, if `home` is not there: the folder may have been moved.

    `init` writes `DAGSTER_HOME` as an absolute path, which stays behind when its folder moves.
    """
    if home.exists():
        return None
    here = Path.cwd()
    if (here / "dagster.yaml").exists() and (here / "workspace.yaml").exists():
        return here
    default = here / DEFAULT_HOME
    return default if (default / "dagster.yaml").exists() else None


def _write_once(path: Path, text: str) -> None:
    if not path.exists():
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8")
