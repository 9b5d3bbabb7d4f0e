"""Which of the days that a report shows may still change."""

from datetime import UTC, date, timedelta

import polars as pl

from soundlink_assets.schema.window import REVISION_DAYS
from soundlink_assets.report.content import ReportContent

IS_SETTLED = "is_settled"


def open_days(content: ReportContent) -> set[date]:
    """The days on which anything that is drawn may still change: spend, plays or playlist."""
    frames = (content.spend_by_day, content.plays_by_day, content.playlist_tracks)
    return set().union(*map(unsettled, frames))


def unsettled(frame: pl.DataFrame) -> set[date]:
    """The days with a row that is not settled."""
    return set(frame.filter(~pl.col(IS_SETTLED))["report_date"])


def earlier_open_days(content: ReportContent) -> int:
    """How many days of spend before those that are drawn are in the totals and not settled."""
    cards = content.campaign_scorecard
    never_settled: int = cards.select(pl.col("days") - pl.col("settled_days")).sum().item()
    drawn = content.spend_by_day.filter(~pl.col(IS_SETTLED)).height
    return max(never_settled - drawn, 0)


def settled_until(content: ReportContent) -> date | None:
    """The last day up to which all that is shown is settled; None if there is none."""
    if earlier_open_days(content):
        return None
    today = content.made_at.astimezone(UTC).date()
    ends = [content.as_of, today - timedelta(days=REVISION_DAYS + 1)]
    ends += [day - timedelta(days=1) for day in open_days(content)]
    begun = content.campaign_scorecard["first_day"].min()
    return min(ends) if isinstance(begun, date) and begun <= min(ends) else None
