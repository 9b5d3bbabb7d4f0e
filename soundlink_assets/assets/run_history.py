"""What Dagster remembers of the exports' days and runs, read in a few queries.

The number of queries does not grow with the history: the latest materialisations are looked up by
partition, for the days that a decision can ask for. What follows from them is `refresh_policy`.
"""

from collections.abc import Collection, Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta

import dagster as dg

from soundlink_assets.assets.catalog import asset_key
from soundlink_assets.assets.exports import FETCHED_AT, IS_FINAL
from soundlink_assets.assets.listing import INCOMPLETE_DAYS, REFUSED_AT
from soundlink_assets.assets.partitions import PARTITION_TAG, RANGE_END_TAG, RANGE_START_TAG
from soundlink_assets.assets.refresh_policy import (
    Failure,
    Fetch,
    History,
    RefreshPolicy,
    Selection,
    look_back,
)
from soundlink_assets.assets.resource import CLOCK_TOLERANCE
from soundlink_assets.schema import Export
from soundlink_assets.schema.window import Window

JOB_NAME = "daily_exports"

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
not asked: what holds it up would hold up the next one too."""

EVENTS_A_QUERY = 500

Exports = Sequence[Export]


def history_of(
    instance: dg.DagsterInstance, exports: Exports, now: datetime, policy: RefreshPolicy
) -> History:
    """What is known of the exports at `now`, by this machine's clock."""
    # First: a run that ends meanwhile is then among what is stored.
    under_way = tuple(_under_way(instance, exports, now))
    days = look_back(now, policy)
    fetches: dict[str, dict[date, Fetch]] = {}
    first_days = {}
    lists = _latest_lists(instance, exports)
    for export in exports:
        latest = _latest_events(instance, asset_key(export.table))
        if latest:
            first_days[export.name] = min(latest)
        wanted = {event: day for day, event in latest.items() if days and day in days}
        listed = lists[export.name]
        reopened = {day for day in listed.lacking if latest.get(day, listed.event) < listed.event}
        fetches[export.name] = {
            day: Fetch(fetch.fetched_at, is_final=fetch.is_final and day not in reopened)
            for day, fetch, was_refused in _fetches(instance, export, sorted(wanted), now)
            if listed.was_refused or not was_refused
        }
    return History(
        fetches=fetches,
        first_days=first_days,
        under_way=under_way,
        failures=tuple(_failures(instance, exports, now - policy.refresh_every, now)),
    )


def _latest_events(instance: dg.DagsterInstance, key: dg.AssetKey) -> dict[date, int]:
    """Storage id of the latest materialisation of every day that has one."""
    latest = instance.get_latest_storage_id_by_partition(
        key, dg.DagsterEventType.ASSET_MATERIALIZATION
    )
    days = ((_day(partition), event) for partition, event in latest.items())
    return {day: event for day, event in days if day is not None}


@dataclass(frozen=True, slots=True)
class _List:
    """The latest materialisation of a listing: its storage id, and what it says of an export.

    `lacking` are the days that lacked something listed. `was_refused`: the key did not open the
    scope; days that were refused are missing from the moment on at which it does.
    """

    event: int
    lacking: Collection[date]
    was_refused: bool


def _latest_lists(instance: dg.DagsterInstance, exports: Exports) -> dict[str, _List]:
    found: dict[str, _List] = {}
    for scope in dict.fromkeys(export.scope for export in exports):
        records = instance.fetch_materializations(asset_key(scope.listing), limit=1).records
        listing = records[0].asset_materialization if records else None
        metadata = listing.metadata if listing else {}
        value = metadata.get(INCOMPLETE_DAYS)
        spans = value.data if isinstance(value, dg.JsonMetadataValue) else None
        for export in exports:
            if export.scope == scope:
                days = set(_days_of(spans.get(export.name, ()))) if isinstance(spans, dict) else ()
                event = records[0].storage_id if records else 0
                found[export.name] = _List(event, days, REFUSED_AT in metadata)
    return found


def _days_of(spans: Iterable[str]) -> Iterator[date]:
    for span in spans:
        first, last = map(date.fromisoformat, span.split(".."))
        yield from Window(first, last).dates()


def _fetches(
    instance: dg.DagsterInstance, export: Export, events: Sequence[int], now: datetime
) -> Iterator[tuple[date, Fetch, bool]]:
    """Day, fetch, and whether the key did not open the scope then."""
    key = asset_key(export.table)
    for start in range(0, len(events), EVENTS_A_QUERY):
        chunk = events[start : start + EVENTS_A_QUERY]
        found = instance.fetch_materializations(
            dg.AssetRecordsFilter(asset_key=key, storage_ids=chunk), limit=len(chunk)
        )
        for record in found.records:
            event = record.asset_materialization
            if event is not None and event.partition is not None:
                day = date.fromisoformat(event.partition)
                fetch = _fetch(event, datetime.fromtimestamp(record.timestamp, UTC), day, now)
                yield day, fetch, REFUSED_AT in event.metadata


def _fetch(event: dg.AssetMaterialization, stored_at: datetime, day: date, now: datetime) -> Fetch:
    """What one materialisation says; one that was reported by hand says only when.

    One from the future was stamped by a clock that was wrong: it is not believed, and its day is as
    open as if it had been fetched when it closed.
    """
    fetched_at, is_final = event.metadata.get(FETCHED_AT), event.metadata.get(IS_FINAL)
    moment = stored_at
    if isinstance(fetched_at, dg.TimestampMetadataValue):
        moment = datetime.fromtimestamp(fetched_at.value, UTC)
    if min(moment, stored_at) > now + CLOCK_TOLERANCE:
        closed_at = datetime.combine(day + timedelta(days=1), time.min, UTC)
        return Fetch(closed_at, is_final=False)
    return Fetch(
        moment, is_final=isinstance(is_final, dg.BoolMetadataValue) and bool(is_final.value)
    )


def _under_way(
    instance: dg.DagsterInstance, exports: Exports, now: datetime
) -> Iterator[Selection]:
    queued = dg.RunsFilter(statuses=[dg.DagsterRunStatus.QUEUED])
    for record in instance.get_run_records(queued):
        yield from selections_of(record.dagster_run, exports)
    for record in instance.get_run_records(dg.RunsFilter(statuses=UNFINISHED)):
        selections = list(selections_of(record.dagster_run, exports))
        if selections and not _has_died(instance, record, now):
            yield from selections


def _has_died(instance: dg.DagsterInstance, record: dg.RunRecord, now: datetime) -> bool:
    silent_since = now - DEAD_AFTER
    if record.update_timestamp > silent_since:
        return False
    newest = instance.get_records_for_run(record.dagster_run.run_id, limit=1, ascending=False)
    return all(event.timestamp <= silent_since.timestamp() for event in newest.records)


def _failures(
    instance: dg.DagsterInstance, exports: Exports, since: datetime, now: datetime
) -> Iterator[Failure]:
    for record in instance.get_run_records(dg.RunsFilter(statuses=FAILED, updated_after=since)):
        ended_at = datetime.fromtimestamp(
            record.end_time or record.update_timestamp.timestamp(), UTC
        )
        if ended_at > now + CLOCK_TOLERANCE:
            continue  # stamped by a clock that was wrong
        for selection in selections_of(record.dagster_run, exports):
            yield Failure(selection, ended_at)


def selections_of(run: dg.DagsterRun, exports: Exports) -> Iterator[Selection]:
    """What a run fetches, whoever requested it; nothing if it fetches no export's days."""
    if run.asset_selection:
        names = frozenset(
            export.name for export in exports if asset_key(export.table) in run.asset_selection
        )
    else:
        is_ours = run.job_name == JOB_NAME
        names = frozenset(export.name for export in exports) if is_ours else frozenset()
    days = days_of(run)
    if names and days:
        yield Selection(names, days)


def days_of(run: dg.DagsterRun) -> Window | None:
    """The days that a run is about; None if it is about none, or about another location's."""
    first = _day(run.tags.get(RANGE_START_TAG) or run.tags.get(PARTITION_TAG))
    last = _day(run.tags.get(RANGE_END_TAG) or run.tags.get(PARTITION_TAG))
    return Window(first, last) if first and last and first <= last else None


def _day(partition: str | None) -> date | None:
    """The day of a partition key; None if it is not a day, as in another code location's runs."""
    try:
        return date.fromisoformat(partition) if partition else None
    except ValueError:
        return None
