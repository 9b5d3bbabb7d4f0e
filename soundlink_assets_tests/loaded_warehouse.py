"""A warehouse loaded from the sandbox's world without HTTP and Dagster, for tests that read it.

Fetched twice: the second fetch changes, withdraws and makes final what the first one stored.
"""

from collections.abc import Mapping
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any, cast

import polars as pl

from soundlink_assets.assets.returns import monthly_figures
from soundlink_assets.definitions import tables_of
from soundlink_assets.metrics.campaign_return import campaign_return, country_value
from soundlink_assets.metrics.country_efficiency import country_efficiency
from soundlink_assets.metrics.engagement import playlist_track_share, spillover_share
from soundlink_assets.metrics.scorecards import campaign_scorecard, country_scorecard
from soundlink_assets.metrics.track_month_share import track_month_share
from soundlink_assets.sandbox import SandboxConfig, World
from soundlink_assets.sandbox.links import Link
from soundlink_assets.sandbox.statements import statement_files
from soundlink_assets.schema import (
    CAMPAIGN_COUNTRY_DAILY,
    CAMPAIGN_ENGAGEMENT_DAILY,
    EXPORTS,
    Export,
)
from soundlink_assets.schema.analytics import (
    CAMPAIGN_SCORECARD,
    COUNTRY_EFFICIENCY,
    COUNTRY_SCORECARD,
    PLAYLIST_TRACK_SHARE,
    SPILLOVER_SHARE,
)
from soundlink_assets.schema.campaigns import CAMPAIGN, CAMPAIGNS
from soundlink_assets.schema.frames import empty_frame, polars_schema
from soundlink_assets.schema.statements import CAMPAIGN_RETURN, STATEMENTS, TRACK_MONTH_SHARE
from soundlink_assets.schema.tables import Kind
from soundlink_assets.schema.window import Window
from soundlink_assets.statements import read_folder
from soundlink_assets.warehouse import DeliveryBatch, Warehouse, open_warehouse
from soundlink_assets.warehouse.file import FileWarehouse
from soundlink_assets.warehouse.read_copy import publish

LAST_DAY = date(2026, 5, 20)
WINDOW = Window(LAST_DAY - timedelta(days=39), LAST_DAY)
FETCHES = (datetime(2026, 5, 21, 6, tzinfo=UTC), datetime(2026, 5, 25, 6, tzinfo=UTC))
"""The days from 12 May on are open at the first fetch, those from 17 May on at the second."""


def world() -> World:
    """The sandbox's default organisation around May 2026."""
    return World(SandboxConfig(), date(2026, 5, 1))


def load_warehouse(folder: Path) -> str:
    """Load all tables into a warehouse in `folder`; the SOUNDLINK_WAREHOUSE to read it.

    Tables that are made of other sources are empty. Its read copy is published.
    """
    setting = str(folder / "warehouse.duckdb")
    warehouse = open_warehouse(setting)
    of = world()
    for number, now in enumerate(FETCHES, 1):
        warehouse.replace_table(CAMPAIGNS, _campaigns(of, now))
        for export in EXPORTS:
            with DeliveryBatch(export, WINDOW) as batch:
                for link in of.links_at(export.scope.name, now):
                    batch.add(link.id, WINDOW, _rows(of, export, link, now), now)
                warehouse.write(batch, now=now, run_id=f"run-{number}")
    _derive(warehouse)
    _earn(warehouse, of, folder / "statements")
    for table in tables_of():
        if table.qualified_name not in warehouse.facts().tables:
            warehouse.replace_table(table, empty_frame(table))
    publish(cast("FileWarehouse", warehouse))
    return setting


def _rows(of: World, export: Export, link: Link, now: datetime) -> pl.DataFrame:
    rows = of.rows(export.name, link.id, WINDOW, now)
    return pl.DataFrame(rows, schema=polars_schema(export.delivered))


def _campaigns(of: World, now: datetime) -> pl.DataFrame:
    rows = [_campaign(each.listed(now), now) for each in of.campaigns_at(now)]
    return pl.DataFrame(rows, schema=polars_schema(CAMPAIGNS))


def _campaign(listed: Mapping[str, Any], now: datetime) -> dict[str, Any]:
    values = {column: listed[field] for column, field in CAMPAIGN.source_fields.items()}
    for column in CAMPAIGNS.columns:
        if column.kind is Kind.MONEY:
            values[column.name] = Decimal(str(values[column.name]))
        elif column.kind is Kind.TIMESTAMP and column.name in values:
            values[column.name] = datetime.fromisoformat(values[column.name])
    return values | {"ingested_at": now, "run_id": "run"}


def _derive(warehouse: Warehouse) -> None:
    with warehouse.reader() as reader:
        country = reader.stored_days(CAMPAIGN_COUNTRY_DAILY, WINDOW)
        plays = reader.stored_days(CAMPAIGN_ENGAGEMENT_DAILY, WINDOW)
    efficiency = country_efficiency(country.rows, country.log)
    spillover = spillover_share(plays.rows, plays.log)
    playlist = playlist_track_share(plays.rows, plays.log)
    warehouse.replace_days(COUNTRY_EFFICIENCY, efficiency, WINDOW)
    warehouse.replace_days(SPILLOVER_SHARE, spillover, WINDOW)
    warehouse.replace_days(PLAYLIST_TRACK_SHARE, playlist, WINDOW)
    sources = (efficiency, spillover, WINDOW.last)
    warehouse.replace_table(CAMPAIGN_SCORECARD, campaign_scorecard(*sources))
    warehouse.replace_table(COUNTRY_SCORECARD, country_scorecard(*sources))


def _earn(warehouse: Warehouse, of: World, folder: Path) -> None:
    """Statements of the months of the window, and what campaigns earned by them."""
    folder.mkdir()
    months = [date(2026, 4, 1), date(2026, 5, 1)]
    for name, text in statement_files(of, months).items():
        (folder / name).write_text(text, encoding="utf-8")
    statements = read_folder(folder).frame
    monthly = monthly_figures(warehouse)
    warehouse.replace_table(STATEMENTS, statements)
    warehouse.replace_table(TRACK_MONTH_SHARE, track_month_share(statements, *monthly))
    warehouse.replace_table(CAMPAIGN_RETURN, campaign_return(statements, *monthly))
    sources = (warehouse.load(COUNTRY_EFFICIENCY), warehouse.load(SPILLOVER_SHARE), WINDOW.last)
    value = country_value(statements, *monthly)
    warehouse.replace_table(COUNTRY_SCORECARD, country_scorecard(*sources, value))
