"""Reads from Dagster's history what the asset checks last said, for people who read a report."""

from collections import defaultdict
from collections.abc import Iterable
from datetime import UTC, date, datetime
from typing import TYPE_CHECKING

import dagster as dg
from dagster._core.event_api import PartitionKeyFilter
from dagster._core.storage.asset_check_execution_record import (
    AssetCheckExecutionRecordStatus as Status,
)

if TYPE_CHECKING:
    from soundlink_assets.report.content import CheckResult

JUDGED = {Status.SUCCEEDED, Status.FAILED}


def last_check_results(
    instance: dg.DagsterInstance, keys: Iterable[dg.AssetCheckKey]
) -> list["CheckResult"]:
    """The last verdict of each check that ever gave one, over all days that it judged.

    A check that judges days has failed if the last verdict of any day is a failure; what it says is
    that of the newest such day. Days whose check is only planned are left out.
    """
    by_key: dict[dg.AssetCheckKey, dict[str | None, Status]] = defaultdict(dict)
    for info in instance.event_log_storage.get_asset_check_partition_info(list(keys)):
        if info.latest_execution_status in JUDGED:
            by_key[info.check_key][info.partition_key] = info.latest_execution_status
    return [_result(instance, key, found) for key, found in sorted(by_key.items())]


def _result(
    instance: dg.DagsterInstance, key: dg.AssetCheckKey, found: dict[str | None, Status]
) -> "CheckResult":
    from soundlink_assets.report import formats
    from soundlink_assets.report.content import CheckResult

    days = {day: status for day, status in found.items() if day is not None}
    judged = days or found
    failed = sorted((day for day, status in judged.items() if status is Status.FAILED), key=str)
    shown = failed[-1] if failed else max(judged, key=str)
    (record,) = instance.event_log_storage.get_asset_check_execution_history(
        key, limit=1, status=JUDGED, partition_filter=PartitionKeyFilter(key=shown)
    )
    evaluation = record.event.asset_check_evaluation if record.event else None
    said = (evaluation.description or "") if evaluation else ""
    if failed and days:
        which = formats.spans(date.fromisoformat(day) for day in failed if day)
        said = f"{which}. {said}".strip()
    return CheckResult(
        asset=key.asset_key.to_user_string(),
        check=key.name,
        passed=not failed,
        severity=evaluation.severity.value if evaluation else "ERROR",
        description=said,
        checked_at=datetime.fromtimestamp(record.create_timestamp, UTC),
    )
