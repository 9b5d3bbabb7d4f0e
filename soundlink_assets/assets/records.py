"""What Dagster remembers of the exports' days and runs, read in a few queries.

The number of queries does not grow with the history: the latest materialisations are looked up by
partition, for the days that a decision can ask for. What follows from them is `revision_window`.
"""

from collections.abc import Iterator, Mapping, Sequence
from datetime import UTC, date, datetime, timedelta

import dagster as dg

from soundlink_assets.schema.window import Window
from soundlink_assets.assets.jobs import JOB_NAME, PARTITION_TAG, RANGE_END_TAG, RANGE_START_TAG
from soundlink_assets.assets.revision_window import Failure, Fetch, History, Rhythm, Scope, horizon

FETCHED_AT = "fetched_at"
IS_SETTLED = "is_settled"
"""Metadata of each materialised day of an export, written by `exports`."""

UNFINISHED = (
    dg.DagsterRunStatus.NOT_STARTED,
    dg.DagsterRunStatus.STARTING,
    dg.DagsterRunStatus.STARTED,
    dg.DagsterRunStatus.CANCELING,
)
FAILED = (dg.DagsterRunStatus.FAILURE, dg.DagsterRunStatus.CANCELED)

DEAD_AFTER = timedelta(hours=2)
"""An unfinished run that was silent for so long has died without a word, as after a power cut. A
live one reports progress, and every half hour that it still waits for the provider. A queued run is
not asked: whatever holds it up would hold up the next one too."""

EVENTS_A_QUERY = 500


def history_of(
    instance: dg.DagsterInstance,
    assets: Mapping[str, dg.AssetKey],
    now: datetime,
    rhythm: Rhythm,
) -> History:
    """What is known at `now` of the exports, whose asset keys come by export name."""
    under_way = tuple(_under_way(instance, assets, now))  # first: a run that ends now is stored now
    days = horizon(now, rhythm)
    fetches: dict[str, Mapping[date, Fetch]] = {}
    first_days = {}
    for name, key in assets.items():
        latest = _latest_events(instance, key)
        if latest:
            first_days[name] = min(latest)
        wanted = [event for day, event in latest.items() if days and day in days]
        fetches[name] = dict(_fetches(instance, key, sorted(wanted)))
    return History(
        fetches=fetches,
        first_days=first_days,
        under_way=under_way,
        failures=tuple(_failures(instance, assets, now - rhythm.refresh_every)),
    )


def _latest_events(instance: dg.DagsterInstance, key: dg.AssetKey) -> dict[date, int]:
    """Storage id of the latest materialisation of every day that has one."""
    latest = instance.get_latest_storage_id_by_partition(
        key, dg.DagsterEventType.ASSET_MATERIALIZATION
    )
    days = ((_day(partition), event) for partition, event in latest.items())
    return {day: event for day, event in days if day is not None}


def _fetches(
    instance: dg.DagsterInstance, key: dg.AssetKey, events: Sequence[int]
) -> Iterator[tuple[date, Fetch]]:
    for start in range(0, len(events), EVENTS_A_QUERY):
        chunk = events[start : start + EVENTS_A_QUERY]
        found = instance.fetch_materializations(
            dg.AssetRecordsFilter(asset_key=key, storage_ids=chunk), limit=len(chunk)
        )
        for record in found.records:
            event = record.asset_materialization
            if event is not None and event.partition is not None:
                yield date.fromisoformat(event.partition), _fetch(event, record.timestamp)


def _fetch(event: dg.AssetMaterialization, stored_at: float) -> Fetch:
    """What one materialisation says; one that was reported by hand says only when."""
    fetched_at = event.metadata.get(FETCHED_AT)
    is_settled = event.metadata.get(IS_SETTLED)
    if isinstance(fetched_at, dg.TimestampMetadataValue):
        stored_at = fetched_at.value
    return Fetch(
        datetime.fromtimestamp(stored_at, UTC),
        isinstance(is_settled, dg.BoolMetadataValue) and bool(is_settled.value),
    )


def _under_way(
    instance: dg.DagsterInstance, assets: Mapping[str, dg.AssetKey], now: datetime
) -> Iterator[Scope]:
    queued = dg.RunsFilter(statuses=[dg.DagsterRunStatus.QUEUED])
    for record in instance.get_run_records(queued):
        yield from scopes_of(record.dagster_run, assets)
    for record in instance.get_run_records(dg.RunsFilter(statuses=UNFINISHED)):
        scopes = list(scopes_of(record.dagster_run, assets))
        if scopes and not _has_died(instance, record, now):
            yield from scopes


def _has_died(instance: dg.DagsterInstance, record: dg.RunRecord, now: datetime) -> bool:
    silent_since = now - DEAD_AFTER
    if record.update_timestamp > silent_since:
        return False
    newest = instance.get_records_for_run(record.dagster_run.run_id, limit=1, ascending=False)
    return all(event.timestamp <= silent_since.timestamp() for event in newest.records)


def _failures(
    instance: dg.DagsterInstance, assets: Mapping[str, dg.AssetKey], since: datetime
) -> Iterator[Failure]:
    for record in instance.get_run_records(dg.RunsFilter(statuses=FAILED, updated_after=since)):
        ended_at = datetime.fromtimestamp(
            record.end_time or record.update_timestamp.timestamp(), UTC
        )
        for scope in scopes_of(record.dagster_run, assets):
            yield Failure(scope, ended_at)


def scopes_of(run: dg.DagsterRun, assets: Mapping[str, dg.AssetKey]) -> Iterator[Scope]:
    """What a run fetches, whoever requested it; nothing if it fetches no export's days."""
    if run.asset_selection:
        exports = frozenset(name for name, key in assets.items() if key in run.asset_selection)
    else:
        exports = frozenset(assets) if run.job_name == JOB_NAME else frozenset()
    first = _day(run.tags.get(RANGE_START_TAG) or run.tags.get(PARTITION_TAG))
    last = _day(run.tags.get(RANGE_END_TAG) or run.tags.get(PARTITION_TAG))
    if exports and first and last and first <= last:
        yield Scope(exports, Window(first, last))


def _day(partition: str | None) -> date | None:
    """The day of a partition key; None if it is not a day, as in another code location's runs."""
    try:
        return date.fromisoformat(partition) if partition else None
    except ValueError:
        return None
