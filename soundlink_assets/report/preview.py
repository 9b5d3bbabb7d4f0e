"""The small picture of the report that the Dagster UI shows beside the asset."""

import polars as pl

from soundlink_assets.report import charts, formats
from soundlink_assets.report.content import ReportContent
from soundlink_assets.report.rendering import png

SCALE = 0.75
"""Pixels a point. The picture travels in Dagster's event log: this makes it about 16 kB."""


def preview_png(content: ReportContent) -> bytes | None:
    """Spend and listeners by day of all campaigns, in the commonest currency; None without any."""
    days = content.spend_by_day
    if days.is_empty():
        return None
    currency = days["currency"].mode().sort()[0]
    per_day = (
        days.filter(pl.col("currency") == currency)
        .group_by("report_date")
        .agg(pl.col("spend_media", "listeners").sum(), pl.col("is_settled").all())
    )
    title = f"Spend and listeners until {formats.day(content.as_of)}"
    return png(charts.spend_and_listeners(per_day, currency, title), SCALE)
