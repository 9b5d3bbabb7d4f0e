"""Puts together what runs by itself: the job, its schedule, the sensors, the freshness checks.

Nothing is decided here; the rules are in `revision_window` and `following`.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import timedelta

import dagster as dg
from dagster._core.definitions.unresolved_asset_job_definition import UnresolvedAssetJobDefinition

from soundlink_assets.clock import Clock
from soundlink_assets.schema.exports import Export
from soundlink_assets.assets.catalogue import asset_key
from soundlink_assets.assets.following import derived_assets_sensor
from soundlink_assets.assets.freshness import check_keys, newest_day_checks
from soundlink_assets.assets.jobs import Automation, daily_exports_job, fetched_with
from soundlink_assets.assets.revision_window import Rhythm
from soundlink_assets.assets.schedule import daily_exports_schedule
from soundlink_assets.assets.sensor import revision_window_sensor
from soundlink_assets.settings import Settings


@dataclass(frozen=True, slots=True)
class Automated:
    """The definitions of everything that runs by itself."""

    job: UnresolvedAssetJobDefinition
    schedule: dg.ScheduleDefinition
    sensors: list[dg.SensorDefinition]
    checks: list[dg.AssetChecksDefinition]


def automate(
    settings: Settings,
    exports: Iterable[Export],
    assets: Iterable[dg.AssetsDefinition],
    clock: Clock,
) -> Automated:
    """The automation of the exports; `assets` are all assets that a run may materialise."""
    exports = list(exports)
    keys = {export.name: asset_key(export.table) for export in exports}
    freshness = dg.AssetSelection.checks(*check_keys(keys.values()))
    automation = Automation(
        job=daily_exports_job(dg.AssetSelection.all() - freshness),
        assets=keys,
        fetched_with=fetched_with(exports, assets),
        rhythm=rhythm_of(settings),
        running=settings.automation,
        clock=clock,
    )
    return Automated(
        automation.job,
        daily_exports_schedule(automation),
        [revision_window_sensor(automation), derived_assets_sensor(running=settings.automation)],
        newest_day_checks(automation),
    )


def rhythm_of(settings: Settings) -> Rhythm:
    """What the settings say about when to fetch."""
    return Rhythm(
        start_date=settings.start_date,
        refresh_every=timedelta(hours=settings.refresh_hours),
        catch_up_days=settings.catch_up_days,
    )
