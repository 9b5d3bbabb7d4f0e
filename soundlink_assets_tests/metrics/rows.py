"""Stored export rows and delivery logs for the tests, from the few values that a test cares about.

Published ratios are nonsense in every row, so that a metric that reads one fails.
"""

from collections.abc import Iterable
from datetime import UTC, date, datetime, timedelta
from typing import Any

import polars as pl

from soundlink_assets.schema import CAMPAIGN_COUNTRY_DAILY, CAMPAIGN_ENGAGEMENT_DAILY, Export
from soundlink_assets.schema.frames import polars_schema
from soundlink_assets.schema.tables import Kind

DAY = date(2026, 4, 1)
NONSENSE = 999.0
PROMOTED_ID = "P" * 22
PROMOTED_ISRC = "DEXW62500259"

_SHARED: dict[str, Any] = {
    "provider": "soundlink",
    "account_id": "account",
    "schema_version": "1.0",
    "report_date": DAY,
    "report_date_timezone": "UTC",
    "exported_at": datetime(2026, 5, 20, 3, tzinfo=UTC),
    "campaign_id": "c1",
    "campaign_name": "Sleep Playlist",
    "campaign_target_type": "track",
    "campaign_target_isrc": PROMOTED_ISRC,
    "campaign_target_spotify_track_id": PROMOTED_ID,
    "campaign_target_playlist_id": None,
    "country_code": "US",
    "ingested_at": datetime(2026, 5, 20, 4, tzinfo=UTC),
    "run_id": "run",
}

_COUNTRY: dict[str, Any] = {
    "impressions": 0,
    "ad_clicks": 0,
    "link_clicks": 0,
    "streams": 0,
    "listeners": 0,
    "followers": 0,
    "spend_media": "0",
    "fees": "0",
    "spend_total": "0",
    "currency": "USD",
    "currency_account": "USD",
    "result_type": "follow",
}

_ENGAGEMENT: dict[str, Any] = {
    "status": "active",
    "engagement_context": "catalog",
    "engaged_track_isrc": None,
    "engaged_spotify_track_id": "other",
    "engaged_track_name": "Other",
    "playlist_position": None,
    "new_listeners": 0,
    "returning_listeners": 0,
    "listeners": 0,
    "new_listener_streams": 0,
    "returning_listener_streams": 0,
    "streams": 0,
}


def country_rows(*rows: dict[str, Any]) -> pl.DataFrame:
    """Stored rows of the breakdown export; amounts as text, such as `"42.50"`."""
    return _frame(CAMPAIGN_COUNTRY_DAILY, _COUNTRY, rows)


def engagement_rows(*rows: dict[str, Any]) -> pl.DataFrame:
    """Stored rows of the engagement export."""
    return _frame(CAMPAIGN_ENGAGEMENT_DAILY, _ENGAGEMENT, rows)


def _frame(
    export: Export, defaults: dict[str, Any], rows: Iterable[dict[str, Any]]
) -> pl.DataFrame:
    table = export.table
    ratios = {column.name: NONSENSE for column in table.columns if column.kind is Kind.RATIO}
    full = [{**_SHARED, **ratios, **defaults, **row} for row in rows]
    for row in full:
        row.setdefault("requested_campaign_id", row["campaign_id"])
        unknown = set(row) - set(table.column_names)
        assert not unknown, unknown
    as_text = {column.name: pl.String for column in table.columns if column.kind is Kind.MONEY}
    schema = polars_schema(table)
    return pl.DataFrame(full, schema={**schema, **as_text}).cast(schema)


def log_of(
    rows: pl.DataFrame, fetched_at: datetime = datetime(2026, 5, 20, 4, tzinfo=UTC)
) -> pl.DataFrame:
    """The delivery log of `rows`, all fetched at the same moment."""
    return rows.group_by("requested_campaign_id", "report_date").agg(
        pl.lit(fetched_at).first().cast(pl.Datetime("us", "UTC")).alias("fetched_at"),
        pl.col("exported_at").min().alias("oldest_exported_at"),
        pl.col("exported_at").max().alias("delivery_exported_at"),
    )


def midnight(day: date, days_later: int = 0) -> datetime:
    """00:00 UTC of the day that is `days_later` after `day`."""
    return datetime.combine(day, datetime.min.time(), UTC) + timedelta(days=days_later)
