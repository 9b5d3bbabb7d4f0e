"""How the verdicts of a check reach Dagster: one for each day of the run, and one for the run.

Dagster collapses the checks of a run over a range of days into one evaluation that belongs to no
day. Here every day of the run gets an evaluation of its own, so that a check's partitions show
which days are good. That rests on behaviour that Dagster calls a preview: it is kept in this module
and pinned by its tests. What a check looks for does not belong here.
"""

from collections.abc import Callable, Iterable, Iterator, Mapping
from collections.abc import Set as AbstractSet
from dataclasses import dataclass, field, replace
from datetime import date
from typing import Any

import dagster as dg

from soundlink_assets.assets.event_log import record_evaluations
from soundlink_assets.assets.partitions import Context
from soundlink_assets.dagster_internals import TargetMaterialization
from soundlink_assets.schema.window import consecutive

RUN_PREFIX = "run_"
"""Figures of a whole run are under names of their own, so that no plot mixes them with a day's."""

WINDOWS_NAMED = 5
"""Spans of days that a sentence names."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Verdict:
    """What a check says of one day, or of a whole run: a sentence, and metadata to look into.

    `severity` matters only if it did not pass.
    """

    passed: bool
    description: str
    severity: dg.AssetCheckSeverity = dg.AssetCheckSeverity.ERROR
    metadata: Mapping[str, Any] = field(default_factory=dict)

    @property
    def is_error(self) -> bool:
        """Whether it did not pass, and that is an ERROR."""
        return not self.passed and self.severity is dg.AssetCheckSeverity.ERROR


@dataclass(frozen=True, slots=True, kw_only=True)
class Verdicts:
    """The verdicts of one check: of each day of the run, and of the run."""

    days: Mapping[date, Verdict]
    run: Verdict


def failing(severity: dg.AssetCheckSeverity, description: str, **metadata: Any) -> Verdict:
    """A verdict that did not pass."""
    return Verdict(passed=False, severity=severity, description=description, metadata=metadata)


def passing(description: str, **metadata: Any) -> Verdict:
    """A verdict that passed."""
    return Verdict(passed=True, description=description, metadata=metadata)


def not_judged(why: str) -> Verdict:
    """The verdict on what could not be looked at.

    Dagster knows no third outcome, so it passes and says so: what kept it from being judged has a
    red check of its own.
    """
    return passing(f"Not judged: {why}.")


def each_day(days: Iterable[date], judge: Callable[[date], Verdict], whole: Verdict) -> Verdicts:
    """The verdicts on the days by `judge`; `whole` is that on the run, which names failed days."""
    verdicts = {day: judge(day) for day in days}
    return Verdicts(days=verdicts, run=_over_days(whole, verdicts))


def same_each_day(days: Iterable[date], verdict: Verdict) -> Verdicts:
    """One verdict that holds for all days."""
    return each_day(days, lambda _: verdict, verdict)


def _over_days(whole: Verdict, days: Mapping[date, Verdict]) -> Verdict:
    failed = [day for day, verdict in sorted(days.items()) if not verdict.passed]
    description = whole.description
    if len(days) > 1 and len(failed) == len(days):
        description += f" Failed on all {len(days)} days."
    elif failed and len(days) > 1:
        description += f" Failed on {len(failed)} of {len(days)} days: {_named(failed)}."
    is_error = any(verdict.is_error for verdict in (whole, *days.values()))
    return Verdict(
        passed=whole.passed and not failed,
        severity=dg.AssetCheckSeverity.ERROR if is_error else whole.severity,
        description=description,
        metadata={**whole.metadata, **({"days_failed": len(failed)} if failed else {})},
    )


def _named(days: list[date]) -> str:
    """The first spans of days, and how many more."""
    windows = list(consecutive(days))
    more = len(windows) - WINDOWS_NAMED
    named = ", ".join(str(window) for window in windows[:WINDOWS_NAMED])
    return f"{named} and {more} more" if more > 0 else named


def check_spec(
    asset: dg.AssetKey,
    name: str,
    description: str,
    partitions: dg.PartitionsDefinition[str] | None = None,
    *,
    blocking: bool = False,
) -> dg.AssetCheckSpec:
    """A check of an asset, partitioned as the asset is."""
    return dg.AssetCheckSpec(
        name, asset=asset, description=description, blocking=blocking, partitions_def=partitions
    )


def report(
    context: Context, specs: Mapping[str, dg.AssetCheckSpec], verdicts: Mapping[str, Verdicts]
) -> Iterator[dg.AssetCheckResult]:
    """Record the verdicts of checks of one asset, by name; yield what each returns for the run.

    Verdicts may be of no day, only of the run. In a run of one day both are one evaluation.
    Otherwise each day's is recorded first, those that
    failed last: where the UI shows one evaluation of many, it takes the latest.
    """
    step = context.op_execution_context
    if step.has_partition_key:
        for name, of_check in verdicts.items():
            yield result_of(specs[name], next(iter(of_check.days.values()), of_check.run))
        return
    targets = _targets(context, specs, verdicts)
    evaluations = [
        _evaluation(specs[name], verdict, day=day, target=targets.get(day))
        for name, of_check in verdicts.items()
        for day, verdict in sorted(of_check.days.items(), key=_failed_last)
    ]
    results = [
        (specs[name], _with_names_of_the_run(of_check.run)) for name, of_check in verdicts.items()
    ]
    if step.has_partition_key_range:
        record_evaluations(step, evaluations)
        for spec, verdict in results:
            yield result_of(spec, verdict)
    else:
        # Dagster cannot turn a result without any day into an evaluation.
        of_run = [_evaluation(spec, verdict) for spec, verdict in results]
        record_evaluations(step, [*evaluations, *of_run])


def _failed_last(item: tuple[date, Verdict]) -> tuple[bool, bool, date]:
    day, verdict = item
    return not verdict.passed, verdict.is_error, day


def _with_names_of_the_run(verdict: Verdict) -> Verdict:
    named = {f"{RUN_PREFIX}{name}": value for name, value in verdict.metadata.items()}
    return replace(verdict, metadata=named)


def result_of(spec: dg.AssetCheckSpec, verdict: Verdict) -> dg.AssetCheckResult:
    """A verdict as an asset or a check returns it."""
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
