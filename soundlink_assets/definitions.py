"""Wires everything: the code location that Dagster loads; only here are Definitions built.

`build_definitions` takes the settings, so that tests and the demo run the real wiring elsewhere.
"""

import os
import warnings
from collections.abc import Mapping

import dagster as dg

from soundlink_assets.clock import Clock, utc_now
from soundlink_assets.schema import EXPORTS
from soundlink_assets.schema.campaigns import CAMPAIGNS
from soundlink_assets.assets.automation import automate
from soundlink_assets.assets.beta import known_beta_features
from soundlink_assets.assets.checks import stored_checks
from soundlink_assets.assets.checks_scorecards import scorecard_checks
from soundlink_assets.assets.console import console
from soundlink_assets.assets.derived import DERIVATIONS, derived_assets
from soundlink_assets.assets.exports import export_assets
from soundlink_assets.assets.partitions import daily_partitions
from soundlink_assets.assets.report import check_keys_of, report_asset
from soundlink_assets.assets.scorecards import scorecard_assets
from soundlink_assets.assets.soundlink_api import RESOURCE_KEY, soundlink_api_resource
from soundlink_assets.schema.analytics import SCORECARDS
from soundlink_assets.settings import Settings, load_settings, unknown_variables
from soundlink_assets.schema.tables import Table
from soundlink_assets.warehouse.io_manager import warehouse_io_manager

TABLES: tuple[Table, ...] = (
    CAMPAIGNS,
    *(export.table for export in EXPORTS),
    *(derivation.table for derivation in DERIVATIONS),
    *SCORECARDS,
)


def build_definitions(
    settings: Settings,
    loggers: Mapping[str, dg.LoggerDefinition] | None = None,
    clock: Clock = utc_now,
) -> dg.Definitions:
    """Everything that Dagster sees, for these settings; `loggers` besides Dagster's own."""
    partitions = daily_partitions(settings.start_date)
    with known_beta_features():
        checks = [
            *stored_checks(partitions, settings.warehouse),
            *scorecard_checks(settings.warehouse),
        ]
        assets = [
            *export_assets(partitions),
            *derived_assets(partitions),
            *scorecard_assets(clock),
        ]
        assets.append(report_asset(settings.warehouse, clock, check_keys_of([*assets, *checks])))
        automated = automate(settings, EXPORTS, assets, clock)
        located = dg.with_source_code_references(assets)
    return dg.Definitions(
        assets=located,
        asset_checks=[*checks, *automated.checks],
        jobs=[automated.job],
        schedules=[automated.schedule],
        sensors=automated.sensors,
        resources={
            RESOURCE_KEY: soundlink_api_resource(settings, clock),
            "io_manager": warehouse_io_manager(settings.warehouse, TABLES, clock=clock),
        },
        loggers={"console": console, **(loggers or {})},
        executor=dg.in_process_executor,
    )


@dg.definitions
def defs() -> dg.Definitions:
    """The definitions for the settings in the environment."""
    for problem in unknown_variables(os.environ):
        warnings.warn(str(problem), stacklevel=1)
    return build_definitions(load_settings())
