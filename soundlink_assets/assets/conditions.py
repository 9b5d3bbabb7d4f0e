"""When derived assets follow their sources by themselves: for any day, whoever fetched it."""

from collections.abc import Sequence
from typing import Any

import dagster as dg


def follows_its_sources(optional: Sequence[dg.AssetKey] = ()) -> dg.AutomationCondition[Any]:
    """Due when a source was updated since the asset was, once all sources are there and at rest.

    An `optional` source may be missing: not every key opens it, and older days may lack it.

    Dagster's `eager` looks at the newest partition alone, so its parts are put together without
    that limit. A run that contains source and asset is not followed: the asset is in progress while
    the run goes on, and updated when it ends. If such a run dies in between, the asset is followed
    up. A source whose blocking check failed is not; one whose check never ran is, since nothing
    would run it.
    """
    updated = dg.AutomationCondition.any_deps_match(
        dg.AutomationCondition.newly_updated() | dg.AutomationCondition.will_be_requested()
    ).with_label("any source updated")
    return (
        updated.since_last_handled()
        & ~dg.AutomationCondition.any_deps_missing().ignore(dg.AssetSelection.assets(*optional))
        & ~dg.AutomationCondition.any_deps_in_progress()
        & ~dg.AutomationCondition.in_progress()
        & ~_blocked()
    ).with_label("follows its sources")


def follows_any_day() -> dg.AutomationCondition[Any]:
    """For what is computed over all days: due when any day of a source was updated since.

    Not while a day of a source is in progress. Days that are missing do not matter, since few
    warehouses hold them all. Nor does a day whose blocking check failed: the daily tables hold it
    back, and all other days would wait for it for ever.
    """
    updated = dg.AutomationCondition.any_deps_match(
        dg.AutomationCondition.newly_updated()
    ).with_label("any day of a source updated")
    return (
        updated.since_last_handled()
        & ~dg.AutomationCondition.any_deps_in_progress()
        & ~dg.AutomationCondition.in_progress()
    ).with_label("follows any day of its sources")


def _blocked() -> dg.AutomationCondition[Any]:
    return dg.AutomationCondition.any_deps_match(
        dg.AutomationCondition.any_checks_match(
            dg.AutomationCondition.check_failed(), blocking_only=True
        )
    ).with_label("a blocking check of a source failed")


def each_time(cron_schedule: str) -> dg.AutomationCondition[Any]:
    """Due at each tick of a cron schedule (UTC), unless it is in progress."""
    ticked: dg.AutomationCondition[Any] = dg.AutomationCondition.cron_tick_passed(
        cron_schedule, "UTC"
    )
    due = ticked.since_last_handled() & ~dg.AutomationCondition.in_progress()
    return due.with_label(f"each {cron_schedule} UTC")
