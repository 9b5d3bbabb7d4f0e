"""How very many verdicts are recorded at once: those of the days of a run, in one transaction.

Dagster stores an event for each, three times and in transactions of its own: in a run over ninety
days, that took more time than everything else. Here they are stored in Dagster's own table of
check executions, on any SQL storage, so that every part of Dagster reads them as ever.
"""

import time
from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Any

import dagster as dg

from soundlink_assets.dagster_internals import (
    AssetCheckExecutionsTable,
    CheckStatus,
    SqlEventLogStorage,
)


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
