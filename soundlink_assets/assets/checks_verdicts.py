"""How the verdicts of a check are reported: one for each day of the run, and one for the run.

Dagster collapses the checks of a run over a range of days into one evaluation that belongs to no
day. Here every day of the run gets an evaluation of its own, so that a check's partitions show
which days are good. That rests on behaviour that Dagster calls a preview: it is kept in this module
and pinned by its tests. What a check looks for does not belong here.
"""

from collections.abc import Iterator, Mapping
from collections.abc import Set as AbstractSet
from dataclasses import dataclass, field
from datetime import date
from typing import Any

import dagster as dg
from dagster._core.definitions.asset_checks.asset_check_evaluation import (
    AssetCheckEvaluationTargetMaterializationData as TargetMaterialization,
)

from soundlink_assets.schema.window import Window

Context = dg.AssetExecutionContext | dg.AssetCheckExecutionContext


@dataclass(frozen=True, slots=True, kw_only=True)
class Verdict:
    """What a check says of one day, or of a whole run: a sentence, and metadata to look into.

    `severity` matters only if it did not pass.
    """

    passed: bool
    description: str
    severity: dg.AssetCheckSeverity = dg.AssetCheckSeverity.ERROR
    metadata: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class Verdicts:
    """The verdicts of one check: of each day of the run, and of the run."""

    days: Mapping[date, Verdict]
    run: Verdict


def check_spec(
    asset: dg.AssetKey,
    name: str,
    description: str,
    partitions: dg.PartitionsDefinition[str],
    *,
    blocking: bool = False,
) -> dg.AssetCheckSpec:
    """A check of a partitioned asset that is partitioned too."""
    return dg.AssetCheckSpec(
        name, asset=asset, description=description, blocking=blocking, partitions_def=partitions
    )


def window_of_run(context: Context) -> Window | None:
    """The days of the run; None for a run of checks alone, which the UI starts without any."""
    step = context.op_execution_context
    if not step.has_partition_key and not step.has_partition_key_range:
        return None
    keys = step.partition_key_range
    return Window(date.fromisoformat(keys.start), date.fromisoformat(keys.end))


def report(
    context: Context, specs: Mapping[str, dg.AssetCheckSpec], verdicts: Mapping[str, Verdicts]
) -> Iterator[dg.AssetCheckResult]:
    """Record the verdicts of checks of one asset, by name; yield what each returns for the run.

    In a run of one day both are one evaluation. Otherwise each day's is logged first, those that
    failed last: where the UI shows one evaluation of many, it takes the latest.
    """
    step = context.op_execution_context
    if step.has_partition_key:
        for name, of_check in verdicts.items():
            (verdict,) = of_check.days.values()
            yield _result(specs[name], verdict)
        return
    targets = _targets(context, specs, verdicts)
    for name, of_check in verdicts.items():
        spec = specs[name]
        evaluations = [
            _evaluation(spec, verdict, day=day, target=targets.get(day))
            for day, verdict in sorted(of_check.days.items(), key=_failed_last)
        ]
        if not step.has_partition_key_range:
            # Dagster cannot turn a result without any day into an evaluation.
            evaluations.append(_evaluation(spec, of_check.run))
        for evaluation in evaluations:
            step.log_event(evaluation)  # type: ignore[arg-type]  # it takes every step event; the annotation names three
        if step.has_partition_key_range:
            yield _result(spec, of_check.run)


def _failed_last(item: tuple[date, Verdict]) -> tuple[bool, bool, date]:
    day, verdict = item
    is_error = verdict.severity is dg.AssetCheckSeverity.ERROR
    return not verdict.passed, is_error, day


def _result(spec: dg.AssetCheckSpec, verdict: Verdict) -> dg.AssetCheckResult:
    return dg.AssetCheckResult(
        asset_key=spec.asset_key,
        check_name=spec.name,
        passed=verdict.passed,
        severity=verdict.severity,
        description=verdict.description,
        metadata=verdict.metadata,
    )


def _evaluation(
    spec: dg.AssetCheckSpec,
    verdict: Verdict,
    *,
    day: date | None = None,
    target: TargetMaterialization | None = None,
) -> dg.AssetCheckEvaluation:
    return dg.AssetCheckEvaluation(
        asset_key=spec.asset_key,
        check_name=spec.name,
        passed=verdict.passed,
        severity=verdict.severity,
        description=verdict.description,
        metadata=verdict.metadata,
        target_materialization_data=target,
        blocking=spec.blocking,
        partition=day.isoformat() if day else None,
    )


def _targets(
    context: Context, specs: Mapping[str, dg.AssetCheckSpec], verdicts: Mapping[str, Verdicts]
) -> Mapping[date, TargetMaterialization]:
    days = {day for of_check in verdicts.values() for day in of_check.days}
    if not days:
        return {}
    (asset,) = {specs[name].asset_key for name in verdicts}
    return _latest_materializations(context.instance, asset, days)


def _latest_materializations(
    instance: dg.DagsterInstance, asset: dg.AssetKey, days: AbstractSet[date]
) -> dict[date, TargetMaterialization]:
    """What each day's verdict is about. Dagster drops verdicts on older materialisations."""
    newest = instance.get_latest_storage_id_by_partition(
        asset, dg.DagsterEventType.ASSET_MATERIALIZATION, {day.isoformat() for day in days}
    )
    if not newest:
        return {}
    records = instance.fetch_materializations(
        dg.AssetRecordsFilter(asset_key=asset, storage_ids=list(newest.values())), limit=len(newest)
    ).records
    return {
        date.fromisoformat(record.partition_key): TargetMaterialization(
            storage_id=record.storage_id, run_id=record.run_id, timestamp=record.timestamp
        )
        for record in records
        if record.partition_key is not None
    }
