"""Small deliveries of the breakdown export, and writing them as a run does."""

from collections.abc import Mapping
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal

import polars as pl

from soundlink_assets.schema import CAMPAIGN_COUNTRY_DAILY
from soundlink_assets.schema.frames import polars_schema
from soundlink_assets.schema.tables import Kind
from soundlink_assets.schema.window import Window
from soundlink_assets.warehouse import DeliveryBatch, Replaced, Warehouse

EXPORT = CAMPAIGN_COUNTRY_DAILY
TABLE = EXPORT.table
NAME = TABLE.qualified_name
LOG = EXPORT.delivery_log.qualified_name
HISTORY = EXPORT.superseded.qualified_name
DAY = date(2026, 4, 1)
NEXT_DAY = DAY + timedelta(days=1)
ONE_DAY = Window(DAY, DAY)
TWO_DAYS = Window(DAY, NEXT_DAY)
NOON = datetime(2026, 5, 20, 12, tzinfo=UTC)

_VALUES = {
    Kind.TEXT: "text",
    Kind.DATE: DAY,
    Kind.TIMESTAMP: NOON,
    Kind.COUNT: 0,
    Kind.MONEY: Decimal("1.25"),
    Kind.RATIO: 0.5,
}

Streams = Mapping[tuple[date, str], int]
"""What a campaign delivers: its streams by day and country."""


def hour(number: float) -> datetime:
    """Some moment, that many hours later."""
    return NOON + timedelta(hours=number)


def frame(campaign: str, streams: Streams, exported_at: datetime = NOON) -> pl.DataFrame:
    """One verified delivery: a row for each day and country."""
    rows = [
        {column.name: _VALUES[column.kind] for column in EXPORT.delivered.columns}
        | {
            "campaign_id": campaign,
            "report_date": day,
            "country_code": country,
            "streams": number,
            "exported_at": exported_at,
            "impressions": None,
        }
        for (day, country), number in streams.items()
    ]
    return pl.DataFrame(rows, schema=polars_schema(EXPORT.delivered))


def batch(
    window: Window,
    streams: Mapping[str, Streams],
    *,
    exported_at: datetime = NOON,
    fetched_at: datetime = NOON,
) -> DeliveryBatch:
    """Deliveries of several campaigns, each for the whole window."""
    taken = DeliveryBatch(EXPORT, window)
    for campaign, of_campaign in streams.items():
        taken.add(campaign, window, frame(campaign, of_campaign, exported_at), fetched_at)
    return taken


def write(
    warehouse: Warehouse, taken: DeliveryBatch, *, now: datetime | None = None, run_id: str = "run"
) -> Replaced:
    """Write a batch as the IO manager does."""
    with taken:
        return warehouse.write(taken, now=now or datetime.now(UTC), run_id=run_id)
