"""Wires everything: the code location that Dagster loads; only here are Definitions built.

`build_definitions` takes the settings, so that tests and the demo run the real wiring elsewhere,
and the exports, so that a further one can be tried.
"""

import os
import warnings
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import dagster as dg

from soundlink_assets.assets.alerts import alerts_sensor
from soundlink_assets.assets.automation import (
    automation_of,
    daily_schedule,
    derived_assets_sensor,
    newest_day_check,
    revision_window_sensor,
)
from soundlink_assets.assets.catalog import known_beta_features
from soundlink_assets.assets.checks import export_checks
from soundlink_assets.assets.derived import DERIVATIONS, daily_asset, scorecards_asset
from soundlink_assets.assets.derived_checks import INVARIANTS, derived_checks
from soundlink_assets.assets.exports import export_asset
from soundlink_assets.assets.listing import listing_asset
from soundlink_assets.assets.maintenance import maintenance_job, maintenance_schedule
from soundlink_assets.assets.nowcast import BACKTEST_KEY, nowcast_assets
from soundlink_assets.assets.overview import OVERVIEW_KEY, overview_asset
from soundlink_assets.assets.partitions import daily_partitions
from soundlink_assets.assets.report import REPORT_KEY, check_keys_of, report_asset, report_path
from soundlink_assets.assets.resource import (
    RESOURCE_KEY,
    loaded_exports,
    soundlink_api_resource,
)
from soundlink_assets.assets.statements import (
    STATEMENTS_KEY,
    statements_asset,
    statements_sensor,
)
from soundlink_assets.clock import Clock, utc_now
from soundlink_assets.schema import EXPORTS, Export
from soundlink_assets.schema.analytics import SCORECARDS
from soundlink_assets.schema.nowcast import NOWCAST_TABLES
from soundlink_assets.schema.overview import CAMPAIGN_OVERVIEW
from soundlink_assets.schema.statements import STATEMENT_TABLES
from soundlink_assets.schema.tables import Table
from soundlink_assets.settings import Settings, load_settings, unknown_variables
from soundlink_assets.warehouse import open_warehouse
from soundlink_assets.warehouse.io_manager import warehouse_io_manager

APART = (REPORT_KEY, STATEMENTS_KEY, BACKTEST_KEY, OVERVIEW_KEY)
"""What has runs of its own, beside those that fetch days."""


OWN_FOLDER = Path(__file__).with_name("defs")
"""Where, in a clone, `dg scaffold defs` puts definitions of the user's own."""


def tables_of(exports: Sequence[Export] = EXPORTS) -> tuple[Table, ...]:
    """Every table that an asset writes."""
    listings = dict.fromkeys(export.scope.listing for export in exports)
    rows = (export.table for export in exports)
    daily = (derivation.table for derivation in DERIVATIONS)
    others = (*SCORECARDS, *NOWCAST_TABLES, CAMPAIGN_OVERVIEW, *STATEMENT_TABLES)
    return (*listings, *rows, *daily, *others)


def build_definitions(
    settings: Settings,
    exports: Sequence[Export] = EXPORTS,
    loggers: Mapping[str, dg.LoggerDefinition] | None = None,
    clock: Clock = utc_now,
) -> dg.Definitions:
    """Everything that Dagster sees, for these settings; `loggers` besides Dagster's own.

    `exports` are those of `schema`, and perhaps further ones; the settings may leave some out.
    """
    exports = loaded_exports(settings, exports)
    partitions = daily_partitions(settings.start_date)
    warehouse = open_warehouse(settings.warehouse, lake_data=settings.lake_data)
    scopes = dict.fromkeys(export.scope for export in exports)
    with known_beta_features():
        checks = [
            *(export_checks(export, partitions).definition(warehouse) for export in exports),
            *(
                derived_checks(each, exports, partitions).definition(warehouse)
                for each in INVARIANTS
            ),
        ]
        assets = [
            *(
                listing_asset(
                    scope,
                    [export for export in exports if export.scope == scope],
                    warehouse,
                    settings.catch_up_days,
                )
                for scope in scopes
            ),
            *(export_asset(export, exports, partitions, warehouse) for export in exports),
            *(daily_asset(derivation, exports, partitions) for derivation in DERIVATIONS),
            statements_asset(settings.statements_dir),
            scorecards_asset(clock, warehouse),
            *nowcast_assets(exports, warehouse, clock),
            overview_asset(warehouse),
        ]
        path = report_path(settings)
        assets.append(report_asset(warehouse, path, clock, check_keys_of([*assets, *checks])))
        automation = automation_of(settings, exports, assets, APART, clock)
        maintenance = maintenance_job(settings)
        freshness = [newest_day_check(export, automation) for export in exports]
        located = dg.with_source_code_references(assets)
    return dg.Definitions(
        assets=located,
        asset_checks=[*checks, *freshness],
        jobs=[automation.job, maintenance],
        schedules=[daily_schedule(automation), maintenance_schedule(settings, maintenance)],
        sensors=[
            *(
                [
                    alerts_sensor(
                        settings.alert_url,
                        [
                            spec
                            for definition in (*assets, *checks, *freshness)
                            for spec in definition.check_specs
                        ],
                        warehouse,
                        clock,
                        running=settings.automation,
                    )
                ]
                if settings.alert_url
                else []
            ),
            revision_window_sensor(automation),
            derived_assets_sensor(automation),
            statements_sensor(settings.statements_dir, clock, running=settings.automation),
        ],
        resources={
            RESOURCE_KEY: soundlink_api_resource(settings, clock),
            "io_manager": warehouse_io_manager(
                settings.warehouse,
                exports,
                tables_of(exports),
                clock=clock,
                lake_data=settings.lake_data,
                read_copy=settings.read_copy,
            ),
        },
        loggers={"console": console, **(loggers or {})},
        executor=dg.in_process_executor,
    )


@dg.configured(
    dg.colored_console_logger, config_schema={"log_level": dg.Field(str, default_value="INFO")}
)
def console(config: dict[str, Any]) -> dict[str, Any]:
    """Dagster's console logger, from `INFO` on. Its events stay in the run's page in the UI."""
    return {"log_level": config["log_level"], "name": "soundlink_assets"}


@dg.definitions
def defs() -> dg.Definitions:
    """The definitions for the settings in the environment."""
    for problem in unknown_variables(os.environ):
        warnings.warn(str(problem), stacklevel=1)
    ours = build_definitions(load_settings())
    if not any(OWN_FOLDER.glob("[!_]*")):
        return ours
    return dg.Definitions.merge(ours, dg.load_from_defs_folder(path_within_project=OWN_FOLDER))
