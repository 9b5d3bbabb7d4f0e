"""A warehouse loaded from the sandbox's world without HTTP and Dagster, for tests that read it.

Fetched twice: the second fetch changes, withdraws and settles what the first one stored.
"""

from collections.abc import Mapping
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any

import duckdb
import polars as pl

from soundlink_assets.schema import CAMPAIGN_COUNTRY_DAILY, CAMPAIGN_ENGAGEMENT_DAILY, EXPORTS
from soundlink_assets.schema.campaigns import CAMPAIGN, CAMPAIGNS
from soundlink_assets.schema.frames import polars_schema
from soundlink_assets.schema.window import Window
from soundlink_assets.metrics.country_efficiency import country_efficiency
from soundlink_assets.metrics.playlist_track_share import playlist_track_share
from soundlink_assets.metrics.scorecards import campaign_scorecard, country_scorecard
from soundlink_assets.metrics.spillover_share import spillover_share
from soundlink_assets.schema.analytics import (
    CAMPAIGN_SCORECARD,
    COUNTRY_EFFICIENCY,
    COUNTRY_SCORECARD,
    PLAYLIST_TRACK_SHARE,
    SPILLOVER_SHARE,
)
from soundlink_assets.sandbox import SandboxConfig, World
from soundlink_assets.schema.tables import Kind
from soundlink_assets.warehouse.connection import connect, transaction
from soundlink_assets.warehouse.frames import replace_all, replace_days
from soundlink_assets.warehouse.reading import load_cells, load_table
from soundlink_assets.warehouse.types import Deliveries
from soundlink_assets.warehouse.writing import replace_cells

LAST_DAY = date(2026, 5, 20)
WINDOW = Window(LAST_DAY - timedelta(days=39), LAST_DAY)
FETCHES = (datetime(2026, 5, 21, 6, tzinfo=UTC), datetime(2026, 5, 25, 6, tzinfo=UTC))
"""The days from 12 May on are open at the first fetch, those from 17 May on at the second."""


def world() -> World:
    """The sandbox's default organisation around May 2026."""
    return World(SandboxConfig(), date(2026, 5, 1))


def load_warehouse(folder: Path) -> str:
    """Load all tables into a warehouse in `folder`; the SOUNDLINK_WAREHOUSE to read it."""
    warehouse = str(folder / "warehouse.duckdb")
    of = world()
    for number, now in enumerate(FETCHES, 1):
        with connect(warehouse, read_only=False) as connection, transaction(connection):
            replace_all(connection, CAMPAIGNS, _campaigns(of, now))
            for export in EXPORTS:
                with Deliveries(export.table, WINDOW) as deliveries:
                    for campaign in of.campaigns_at(now):
                        rows = of.rows(export.name, campaign.campaign_id, WINDOW, now)
                        frame = pl.DataFrame(rows, schema=polars_schema(export.rows))
                        deliveries.add(campaign.campaign_id, WINDOW, frame, now)
                    replace_cells(connection, deliveries, now=now, run_id=f"run-{number}")
            _derive(connection)
    return warehouse


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


def _derive(connection: duckdb.DuckDBPyConnection) -> None:
    country, engagement = CAMPAIGN_COUNTRY_DAILY.table, CAMPAIGN_ENGAGEMENT_DAILY.table
    efficiency = country_efficiency(
        load_table(connection, country), load_cells(connection, country)
    )
    plays = load_table(connection, engagement), load_cells(connection, engagement)
    spillover = spillover_share(*plays)
    replace_days(connection, COUNTRY_EFFICIENCY, efficiency, WINDOW)
    replace_days(connection, SPILLOVER_SHARE, spillover, WINDOW)
    replace_days(connection, PLAYLIST_TRACK_SHARE, playlist_track_share(*plays), WINDOW)
    as_of = WINDOW.last
    replace_all(connection, CAMPAIGN_SCORECARD, campaign_scorecard(efficiency, spillover, as_of))
    replace_all(connection, COUNTRY_SCORECARD, country_scorecard(efficiency, spillover, as_of))
