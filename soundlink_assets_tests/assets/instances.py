"""A Dagster instance in files that several processes can share, for tests with many runs."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any
from unittest.mock import patch

import dagster as dg
from dagster._core.storage.event_log.sqlite import consolidated_sqlite_event_log
from dagster._core.storage.runs.sqlite import sqlite_run_storage
from sqlalchemy import Engine, create_engine

MEMORY = Path("/dev/shm")  # noqa: S108 - thousands of small commits take minutes on a disk


@contextmanager
def instance_in_files(folder: Path) -> Iterator[dg.DagsterInstance]:
    """A real instance; in memory where the machine has such a folder, otherwise in `folder`."""
    with (
        TemporaryDirectory(dir=MEMORY if MEMORY.is_dir() else folder) as home,
        _engines_kept(),
        dg.DagsterInstance.local_temp(home, overrides=_configuration(Path(home))) as instance,
    ):
        yield instance


def _configuration(home: Path) -> dict[str, Any]:
    """Storages of Dagster's own that take least time: one database of events for all runs."""
    return {
        "compute_logs": _configured(
            "dagster._core.storage.noop_compute_log_manager", "NoOpComputeLogManager"
        ),
        "run_storage": _configured("dagster._core.storage.runs", "SqliteRunStorage", home / "runs"),
        "schedule_storage": _configured(
            "dagster._core.storage.schedules", "SqliteScheduleStorage", home / "schedules"
        ),
        "event_log_storage": _configured(
            "dagster._core.storage.event_log", "ConsolidatedSqliteEventLogStorage", home / "events"
        ),
    }


def _configured(module: str, name: str, folder: Path | None = None) -> dict[str, Any]:
    return {
        "module": module,
        "class": name,
        "config": {"base_dir": str(folder)} if folder else {},
    }


@contextmanager
def _engines_kept() -> Iterator[None]:
    """Dagster makes an engine for every statement, which then compiles each anew."""
    engines: dict[str, Engine] = {}

    def keep(url: str, **options: Any) -> Engine:
        if url not in engines:
            engines[url] = create_engine(url, **options)
        return engines[url]

    with (
        patch.object(consolidated_sqlite_event_log, "create_engine", keep),
        patch.object(sqlite_run_storage, "create_engine", keep),
    ):
        yield
