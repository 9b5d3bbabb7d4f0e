"""The job that fetches days, and the requests for runs of it. Which days is decided elsewhere."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime

import dagster as dg
from dagster._core.definitions.unresolved_asset_job_definition import UnresolvedAssetJobDefinition

from soundlink_assets.clock import Clock
from soundlink_assets.schema.campaigns import CAMPAIGNS
from soundlink_assets.schema.exports import Export
from soundlink_assets.schema.window import MAX_WINDOW_DAYS, Window
from soundlink_assets.assets.catalogue import asset_key
from soundlink_assets.assets.revision_window import Rhythm, Scope

JOB_NAME = "daily_exports"

PARTITION_TAG = "dagster/partition"
RANGE_START_TAG = "dagster/asset_partition_range_start"
RANGE_END_TAG = "dagster/asset_partition_range_end"

REASON_TAG = "soundlink/reason"
"""Why a run was requested: `daily`, or one or more of `catch_up`, `settle`, `refresh`."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Automation:
    """What schedule and sensor share.

    By export name: `assets` is the key of its asset, `fetched_with` everything that a run
    materialises to fetch it: the campaigns, the export, and what is derived from it. `running` is
    whether automation starts by itself.
    """

    job: UnresolvedAssetJobDefinition
    assets: Mapping[str, dg.AssetKey]
    fetched_with: Mapping[str, frozenset[dg.AssetKey]]
    rhythm: Rhythm
    running: bool
    clock: Clock


def daily_exports_job(assets: dg.AssetSelection) -> UnresolvedAssetJobDefinition:
    """The campaigns, every export, everything derived, and their checks."""
    return dg.define_asset_job(
        JOB_NAME,
        selection=assets,
        description="Fetch the campaigns and both exports for the chosen days, verify and store "
        "them, compute everything derived, and run the checks.",
        executor_def=dg.in_process_executor,
    )


def range_tags(window: Window) -> dict[str, str]:
    """The run tags that make a run materialise the days of the window."""
    return {RANGE_START_TAG: window.first.isoformat(), RANGE_END_TAG: window.last.isoformat()}


def fetched_with(
    exports: Iterable[Export], assets: Iterable[dg.AssetsDefinition]
) -> dict[str, frozenset[dg.AssetKey]]:
    """By export name: the assets that a run materialises to fetch that export alone."""
    assets = list(assets)
    return {
        export.name: frozenset(
            (
                dg.AssetSelection.assets(asset_key(export.table)).downstream()
                | dg.AssetSelection.assets(asset_key(CAMPAIGNS))
            ).resolve(assets)
        )
        for export in exports
    }


def run_request(now: datetime, scope: Scope, reason: str, automation: Automation) -> dg.RunRequest:
    """A request to fetch `scope`; without a run key, because a key is used up by a failed run too.

    Dagster does not check a range of partitions, so it is checked here: ValueError if the window
    reaches beyond yesterday or is longer than one run may be.
    """
    window = scope.window
    if window.last >= now.astimezone(UTC).date():
        raise ValueError(f"{window} holds a day that has not closed by {now}")
    if window.days > MAX_WINDOW_DAYS:
        raise ValueError(f"{window} is longer than the {MAX_WINDOW_DAYS} days of one request")
    one_day = window.first.isoformat() if window.days == 1 else None
    return dg.RunRequest(
        partition_key=one_day,
        tags={REASON_TAG: reason} | ({} if one_day else range_tags(window)),
        asset_selection=_selection(scope, automation.fetched_with),
    )


def _selection(
    scope: Scope, keys: Mapping[str, frozenset[dg.AssetKey]]
) -> list[dg.AssetKey] | None:
    if scope.exports == set(keys):
        return None
    return sorted(frozenset[dg.AssetKey]().union(*(keys[name] for name in scope.exports)))
