"""A `DAGSTER_HOME` that lasts: where Dagster keeps runs, events and schedules.

What is in it is read and written by Dagster's own API; here it is only created, opened and locked.
"""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from textwrap import shorten
from typing import TYPE_CHECKING

from soundlink_assets.cli.app import UserError

if TYPE_CHECKING:
    from dagster import DagsterInstance

DEFAULT_HOME = "data/dagster_home"

CODE_LOCATION = "soundlink_assets"
"""What Dagster calls our definitions, in `workspace.yaml`, `pyproject.toml` and every run."""

COMMON_YAML = """\
# Settings of the Dagster instance; see https://docs.dagster.io/deployment/oss/dagster-yaml
telemetry:
  enabled: false

# The client says in the log of a run when it waits for the request budget or tries again. Below
# INFO is Dagster's own bookkeeping.
python_logs:
  python_log_level: INFO
  managed_python_loggers: [soundlink_assets.provider]

# One slow sensor or schedule does not hold up the others.
sensors:
  use_threads: true
  num_workers: 4
schedules:
  use_threads: true
  num_workers: 4
"""

DAGSTER_YAML = f"""\
{COMMON_YAML}
# A run whose process died is marked as failed, so that the next tick can try again.
run_monitoring:
  enabled: true
  poll_interval_seconds: 60
  # What is left of a run whose whole machine went away; the sensor itself waits two hours for it.
  max_runtime_seconds: 172800

# Runs wait for one another at the warehouse only for the write itself.
concurrency:
  runs:
    max_concurrent_runs: 4
"""

WORKSPACE_YAML = f"""\
# What Dagster loads: the definitions of soundlink_assets.
load_from:
  - python_module:
      module_name: soundlink_assets.definitions
      location_name: {CODE_LOCATION}
"""

LOCK = "soundlink.lock"
"""Held while the folder is created or opened, and while the files of running commands change."""

MAX_ERROR_CHARACTERS = 400
"""Of an error about `dagster.yaml`, which may cite the whole of the file."""


def prepare_home(home: Path) -> Path:
    """Make the folder usable as `DAGSTER_HOME` and return its absolute path.

    Files that exist are left as they are.
    """
    home = home.absolute()
    try:
        home.mkdir(parents=True, exist_ok=True)
        with locked(home):
            _write_once(home / "dagster.yaml", DAGSTER_YAML)
            _write_once(home / "workspace.yaml", WORKSPACE_YAML)
            _write_once(home / ".nux" / "nux.yaml", "seen: 1\n")
    except OSError as error:
        raise UserError(
            f"Dagster's history cannot be kept in {home} ({error.strerror}).",
            "Set DAGSTER_HOME to a folder that this user may write.",
        ) from error
    with open_history(home):
        return home


@contextmanager
def open_history(home: Path) -> "Iterator[DagsterInstance]":
    """The Dagster instance of that folder; UserError if it is damaged or wrongly configured."""
    with _named_when_damaged(home):
        with locked(home):
            instance = _instance_of(home)
            _initialise(instance)
        with instance:
            yield instance


def _initialise(instance: "DagsterInstance") -> None:
    """Touch each storage, which creates its tables in an empty folder.

    Under the lock, because two processes that do so at once leave a history that no later one can
    open (alembic: "more than one head").
    """
    instance.get_runs(limit=1)
    instance.event_log_storage.get_maximum_record_id()
    instance.all_instigator_state()


@contextmanager
def locked(home: Path) -> Iterator[None]:
    """Nobody else of ours creates or opens the folder meanwhile; the kernel frees a dead lock."""
    import portalocker

    with (home / LOCK).open("a", encoding="utf-8") as file:
        portalocker.lock(file, portalocker.LOCK_EX)
        yield


@contextmanager
def _named_when_damaged(home: Path) -> Iterator[None]:
    """What the storage raises does not say which folder it is about."""
    from soundlink_assets.cli.failures import causes, unusable_history

    try:
        yield
    except UserError:
        raise
    except Exception as error:
        for cause in causes(error):
            if (history := unusable_history(cause, home.absolute())) is not None:
                raise UserError(history.what, history.advice) from error
        raise


def _instance_of(home: Path) -> "DagsterInstance":
    from dagster import DagsterInstance, DagsterInvalidConfigError
    from dagster_shared.check import CheckError
    from yaml import YAMLError

    try:
        return DagsterInstance.from_config(str(home))
    except (DagsterInvalidConfigError, YAMLError, CheckError, UnicodeDecodeError) as error:
        raise UserError(
            f"{home / 'dagster.yaml'} is not valid: {_wrong_in(error)}",
            "Put it right, or delete it: the next command writes a new one.",
        ) from error


def _wrong_in(error: Exception) -> str:
    """What is wrong in `dagster.yaml`, without the list of everything that would be allowed."""
    if isinstance(error, UnicodeDecodeError):
        return "it is not UTF-8 text."
    found = [problem.message for problem in getattr(error, "errors", ())] or [str(error)]
    parts = (text.removeprefix("Failure condition: ").partition("Expected: ")[0] for text in found)
    return shorten("; ".join(" ".join(text.split()) for text in parts), MAX_ERROR_CHARACTERS) + "."


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
