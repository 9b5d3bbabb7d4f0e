"""How Dagster's events are stored when a run has very many of them: verdicts of days, days.

Two things, both on Dagster's own tables, so that every part of Dagster reads them as ever.
`record_evaluations` stores the verdicts of many days in one transaction, on any SQL storage. And
`EventLogStorage` is Dagster's SQLite storage in the same files, which keeps its connections instead
of making an engine for every statement; `dagster.yaml` may name it:

    event_log_storage:
      module: soundlink_assets.assets.event_log
      class: EventLogStorage
      config: {}

With any other storage everything works the same, some of it slower.
"""

import os
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

import dagster as dg
from typing_extensions import override

from soundlink_assets.dagster_internals import (
    AssetCheckExecutionsTable,
    CheckStatus,
    SqlEventLogStorage,
    SqliteEventLogStorage,
)

if TYPE_CHECKING:
    from sqlalchemy import Connection, Engine

KEPT_CONNECTIONS = 8
"""Databases that stay open; each run has one of its own."""


def record_evaluations(
    step: dg.OpExecutionContext, evaluations: Sequence[dg.AssetCheckEvaluation]
) -> None:
    """Record what checks found, in the order given.

    Those of one day each go to the checks' own history alone: thousands of them would bury what a
    person looks for in the log of a run.
    """
    storage = step.instance.event_log_storage
    of_days = [evaluation for evaluation in evaluations if evaluation.partition]
    if isinstance(storage, SqlEventLogStorage):
        _store(storage, [_entry(step, evaluation) for evaluation in of_days])
        evaluations = [evaluation for evaluation in evaluations if not evaluation.partition]
    for evaluation in evaluations:
        step.log_event(evaluation)  # type: ignore[arg-type]  # it takes every step event; the annotation names three


def _entry(step: dg.OpExecutionContext, evaluation: dg.AssetCheckEvaluation) -> dg.EventLogEntry:
    """The event of an evaluation, without what repeats the rest of it."""
    step_key = step.get_step_execution_context().step.key
    event = dg.DagsterEvent(
        event_type_value=dg.DagsterEventType.ASSET_CHECK_EVALUATION.value,
        job_name=step.job_name,
        event_specific_data=evaluation,
        step_key=step_key,
    )
    return dg.EventLogEntry(  # type: ignore[no-untyped-call]
        error_info=None,
        level="DEBUG",
        user_message="",
        run_id=step.run_id,
        timestamp=time.time(),
        step_key=step_key,
        job_name=step.job_name,
        dagster_event=event,
    )


def _store(storage: SqlEventLogStorage, entries: Sequence[dg.EventLogEntry]) -> None:
    """Store evaluations of days in the checks' history, in one transaction.

    As with the event by which Dagster plans the days of a check, one event serves them all: each
    execution holds its own evaluation, and the first one's event is what dates them.
    """
    if not entries:
        return
    with storage.index_connection() as connection:
        add = storage.prepare_insert_event(entries[0])
        inserted = connection.execute(add).inserted_primary_key
        storage_id = inserted[0] if inserted else None
        found = [_execution(entry, storage_id) for entry in entries]
        # What was planned for these days is replaced by what was found.
        connection.execute(
            AssetCheckExecutionsTable.delete().where(
                AssetCheckExecutionsTable.c.run_id == entries[0].run_id,
                *(
                    AssetCheckExecutionsTable.c[name].in_({row[name] for row in found})
                    for name in ("asset_key", "check_name", "partition")
                ),
            )
        )
        connection.execute(AssetCheckExecutionsTable.insert(), found)


def _execution(entry: dg.EventLogEntry, storage_id: int | None) -> dict[str, Any]:
    evaluation = entry.get_dagster_event().asset_check_evaluation_data
    target = evaluation.target_materialization_data
    status = CheckStatus.SUCCEEDED if evaluation.passed else CheckStatus.FAILED
    return {
        "asset_key": evaluation.asset_key.to_string(),
        "check_name": evaluation.check_name,
        "partition": evaluation.partition,
        "run_id": entry.run_id,
        "execution_status": status.value,
        "evaluation_event": dg.serialize_value(entry),
        "evaluation_event_timestamp": datetime.fromtimestamp(entry.timestamp, UTC).replace(
            tzinfo=None  # as the column has it
        ),
        "evaluation_event_storage_id": storage_id,
        "materialization_event_storage_id": target.storage_id if target else None,
    }


class EventLogStorage(SqliteEventLogStorage):
    """Dagster's SQLite storage of events, which keeps its connections.

    Without `base_dir`, its files are where Dagster has them by default: `history/runs` in
    `DAGSTER_HOME`.
    """

    def __init__(self, base_dir: str, inst_data: Any = None) -> None:
        self._engines: dict[str, Engine] = {}
        super().__init__(base_dir, inst_data)

    @classmethod
    @override
    def config_type(cls) -> Any:
        return {"base_dir": dg.Field(dg.StringSource, is_required=False)}

    @classmethod
    @override
    def from_config_value(cls, inst_data: Any, config_value: Any) -> "EventLogStorage":
        default = Path(os.environ.get("DAGSTER_HOME", ""), "history", "runs")
        return cls(config_value.get("base_dir") or str(default.absolute()), inst_data)

    @contextmanager
    @override
    def _connect(self, shard: str) -> Iterator["Connection"]:
        with self._db_lock:
            engine = self._engine(shard)
            if shard not in self._initialized_dbs:
                self._initdb(engine)
                self._initialized_dbs.add(shard)
            with engine.begin() as connection:
                yield connection

    def _engine(self, shard: str) -> "Engine":
        """The engine of a database; the one that was used longest ago is closed for it."""
        engine = self._engines.pop(shard, None) or self._new_engine(shard)
        self._engines[shard] = engine
        if len(self._engines) > KEPT_CONNECTIONS:
            self._engines.pop(next(iter(self._engines))).dispose()
        return engine

    def _new_engine(self, shard: str) -> "Engine":
        from sqlalchemy import create_engine, event
        from sqlalchemy.pool import StaticPool

        engine = create_engine(
            self.conn_string_for_shard(shard),
            poolclass=StaticPool,
            connect_args={"timeout": 60, "check_same_thread": False},
        )

        @event.listens_for(engine, "connect")
        def no_sync_per_event(connection: Any, _record: object) -> None:
            # In WAL mode a power cut may lose the last events, and never damages the file.
            connection.execute("PRAGMA synchronous=NORMAL")

        return engine

    @override
    def _has_asset_key_index_cols_on_connection(self, conn: "Connection") -> bool:
        return True  # since Dagster 0.12; a database that lacks them is migrated first

    @override
    def dispose(self) -> None:
        super().dispose()
        for engine in self._engines.values():
            engine.dispose()
        self._engines.clear()
