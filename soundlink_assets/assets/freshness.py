"""Whether yesterday has arrived: a check of each export that goes red when it is overdue.

Dagster's freshness policies look at the latest materialisation of any partition, so fetching an old
day again would make an export look fresh. This check looks at the newest day alone. The sensor
evaluates it at every tick, also when no run happens, which is when it matters; it is no part of
the job, because a run over old days says nothing about it.
"""

from collections.abc import Iterable, Iterator, Mapping
from datetime import UTC, date, datetime, time, timedelta

import dagster as dg
from dagster._core.storage.asset_check_execution_record import (
    AssetCheckExecutionRecordStatus as Status,
)

from soundlink_assets.assets.jobs import Automation
from soundlink_assets.assets.records import history_of
from soundlink_assets.assets.revision_window import Fetch, History

CHECK_NAME = "newest_day_present"

EXPECTED_BY = time(12)
"""UTC; from then on yesterday has to be there. The schedule asks for it at 04:30."""


def newest_day_checks(automation: Automation) -> list[dg.AssetChecksDefinition]:
    """The check of every export."""
    return [_newest_day_check(name, automation) for name in automation.assets]


def check_keys(assets: Iterable[dg.AssetKey]) -> list[dg.AssetCheckKey]:
    """The keys of the checks of the exports with these asset keys."""
    return [dg.AssetCheckKey(key, CHECK_NAME) for key in assets]


def _newest_day_check(name: str, automation: Automation) -> dg.AssetChecksDefinition:
    key = automation.assets[name]

    @dg.asset_check(
        asset=key,
        name=CHECK_NAME,
        description=f"Yesterday has to be there by {EXPECTED_BY:%H:%M} UTC. Fetching older days "
        "again makes no difference. The sensor evaluates this at every tick.",
    )
    def newest_day_present(context: dg.AssetCheckExecutionContext) -> dg.AssetCheckResult:
        now, rhythm = automation.clock(), automation.rhythm
        history = history_of(context.instance, {name: key}, now, rhythm)
        passed, description = newest_day(now, rhythm.start_date, history.fetches[name])
        return dg.AssetCheckResult(passed=passed, description=description)

    return newest_day_present


def newest_day(now: datetime, start: date, fetches: Mapping[date, Fetch]) -> tuple[bool, str]:
    """Whether the newest day that has to be there is there, and a sentence that says so."""
    now = now.astimezone(UTC)
    expected = now.date() - timedelta(days=1 if now.time() >= EXPECTED_BY else 2)
    if expected < start:
        return True, f"The first day, {start}, is not expected yet."
    if any(day >= expected for day in fetches):
        return True, f"{expected}, the newest day that is expected, was fetched."
    return False, (
        f"{expected} has not been fetched; it was expected by {EXPECTED_BY:%H:%M} UTC of the day "
        "after. See the runs of this asset, and the ticks of the sensor."
    )


def changed_verdicts(
    instance: dg.DagsterInstance, automation: Automation, now: datetime, history: History
) -> Iterator[dg.AssetCheckEvaluation]:
    """The verdicts that differ from the latest one that is recorded, or are the first."""
    recorded = instance.event_log_storage.get_latest_asset_check_execution_by_key(
        check_keys(automation.assets.values())
    )
    for name, key in automation.assets.items():
        passed, description = newest_day(now, automation.rhythm.start_date, history.fetches[name])
        said = recorded.get(dg.AssetCheckKey(key, CHECK_NAME))
        if said is None or said.status != (Status.SUCCEEDED if passed else Status.FAILED):
            yield dg.AssetCheckEvaluation(
                asset_key=key, check_name=CHECK_NAME, passed=passed, description=description
            )
