"""A Dagster instance in files that several processes can share, for tests with many runs."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any
from unittest.mock import patch

import dagster as dg
from dagster._core.storage.event_log.sqlite import sqlite_event_log
from dagster._core.storage.runs.sqlite import sqlite_run_storage
from sqlalchemy import Engine, create_engine

MEMORY = Path("/dev/shm")  # noqa: S108 - thousands of small commits take minutes on a disk
NO_OUTPUT_KEPT = {
    "compute_logs": {
        "module": "dagster._core.storage.noop_compute_log_manager",
        "class": "NoOpComputeLogManager",
    }
}


@contextmanager
def instance_in_files(folder: Path) -> Iterator[dg.DagsterInstance]:
    """A real instance; in memory where the machine has such a folder, otherwise in `folder`."""
    with (
        TemporaryDirectory(dir=MEMORY if MEMORY.is_dir() else folder) as home,
        _engines_kept(),
        dg.DagsterInstance.local_temp(home, overrides=NO_OUTPUT_KEPT) as instance,
    ):
        yield instance


@contextmanager
def _engines_kept() -> Iterator[None]:
    """Dagster makes an engine for every statement, which then compiles each anew."""
    engines: dict[str, Engine] = {}

    def keep(url: str, **options: Any) -> Engine:
        if url not in engines:
            engines[url] = create_engine(url, **options)
        return engines[url]

    with (
        patch.object(sqlite_event_log, "create_engine", keep),
        patch.object(sqlite_run_storage, "create_engine", keep),
    ):
        yield
