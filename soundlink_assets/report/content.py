"""What the report is made from, and which of its days are open, final, missing or late."""

from collections.abc import Iterable
from dataclasses import dataclass, field, replace
from datetime import UTC, date, datetime, timedelta
from functools import partial

import polars as pl

from soundlink_assets.schema.analytics import IS_SETTLED
from soundlink_assets.schema.frames import empty_frame, polars_schema
from soundlink_assets.schema.nowcast import REVISION_NOWCAST
from soundlink_assets.schema.statements import CAMPAIGN_RETURN, TRACK_MONTH_SHARE
from soundlink_assets.schema.window import REVISION_DAYS, Window, final_at_latest

SHOWN_DAYS = 90
"""Charts over days show at most this many, the newest."""

TRACK_MONTHS = {
    "campaign_id": pl.String(),
    **{
        name: polars_schema(TRACK_MONTH_SHARE)[name]
        for name in ("month", "phase", "statement_streams", "attributed_share")
    },
}

_ONE_DAY = timedelta(days=1)
_LOADED_BY = timedelta(hours=12)
"""Yesterday is missing if it was not loaded by noon UTC."""


@dataclass(frozen=True, slots=True, kw_only=True)
class CheckResult:
    """The last verdict of one asset check, over everything that its run looked at.

    `failed_days` are those that it judged last as failed, in ISO format. `is_outdated` says that
    the asset was written again since.
    """

    asset: str
    check: str
    passed: bool
    severity: str
    description: str
    checked_at: datetime
    failed_days: tuple[str, ...] = ()
    is_outdated: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class ReportContent:
    """Everything that the page shows; frames with columns named as in the tables they come from.

    `campaigns`: campaign_id, target_type, artist_name, promoted_name, and `status` as delivered
    last (`scheduled`, `active` or `ended`); all but the id may be null, and campaigns without
    figures may be among them.
    `campaign_scorecard`, `country_scorecard`: the tables, or those rows that are to be shown.
    `spend_by_day`: campaign_id, currency, report_date, spend_media, listeners, is_settled.
    `plays_by_day`: campaign_id, report_date, promoted_streams, spillover_streams, is_settled.
    `spillover_tracks`: campaign_id, track_id, track_name, streams.
    `playlist_tracks`: campaign_id, report_date, track_id, track_name, streams, playlist_position,
    is_settled.
    Frames by day or track cover the last `SHOWN_DAYS` days until `as_of`.
    `nowcast`: rows of `revision_nowcast` of the country export.
    `campaign_return`: the table. `track_months`: campaign_id, and of the track that it promotes
    month, phase, statement_streams, attributed_share. Both without rows if there are no statements.
    `loaded_days`: the days that were delivered, with rows or without; empty if that is not known.
    `is_synthetic` says that the figures are the sandbox's. `days` were asked for; all if None.
    """

    as_of: date
    made_at: datetime
    campaigns: pl.DataFrame
    campaign_scorecard: pl.DataFrame
    country_scorecard: pl.DataFrame
    spend_by_day: pl.DataFrame
    plays_by_day: pl.DataFrame
    spillover_tracks: pl.DataFrame
    playlist_tracks: pl.DataFrame
    campaign_return: pl.DataFrame = field(default_factory=partial(empty_frame, CAMPAIGN_RETURN))
    track_months: pl.DataFrame = field(default_factory=partial(pl.DataFrame, schema=TRACK_MONTHS))
    nowcast: pl.DataFrame = field(default_factory=partial(empty_frame, REVISION_NOWCAST))
    checks: tuple[CheckResult, ...] = ()
    loaded_days: frozenset[date] = frozenset()
    is_synthetic: bool = False
    days: Window | None = None

    def of(self, campaign_id: str, currency: str | None) -> "ReportContent":
        """The same of one campaign and currency; plays and playlists have no currency."""
        mine = pl.col("campaign_id") == campaign_id
        paid = mine & pl.col("currency").eq_missing(pl.lit(currency, pl.String))
        return replace(
            self,
            campaigns=self.campaigns.filter(mine),
            campaign_scorecard=self.campaign_scorecard.filter(paid),
            country_scorecard=self.country_scorecard.filter(paid),
            spend_by_day=self.spend_by_day.filter(paid),
            plays_by_day=self.plays_by_day.filter(mine),
            spillover_tracks=self.spillover_tracks.filter(mine),
            playlist_tracks=self.playlist_tracks.filter(mine),
            nowcast=self.nowcast.filter(
                mine, pl.col("currency").is_null() | pl.col("currency").eq_missing(currency)
            ),
            campaign_return=self.campaign_return.filter(paid),
            track_months=self.track_months.filter(mine),
        )


def open_days(content: ReportContent) -> set[date]:
    """The days on which anything that is drawn may still change: spend, plays or playlist."""
    frames = (content.spend_by_day, content.plays_by_day, content.playlist_tracks)
    return set().union(*map(open_days_of, frames))


def open_days_of(frame: pl.DataFrame) -> set[date]:
    """The days with a row that is not final, and those without rows that follow such a day."""
    by_day = dict(
        frame.group_by("report_date").agg(pl.col(IS_SETTLED).all()).sort("report_date").iter_rows()
    )
    found: set[date] = set()
    for day in calendar(by_day):
        if not by_day.get(day, day - _ONE_DAY not in found):
            found.add(day)
    return found


def calendar(days: Iterable[date]) -> list[date]:
    """Every day from the first to the last."""
    known = set(days)
    if not known:
        return []
    first, last = min(known), max(known)
    return [first + timedelta(days=offset) for offset in range((last - first).days + 1)]


def earlier_open_days(content: ReportContent) -> int:
    """How many days of spend before those that are drawn are in the totals and not final."""
    cards = content.campaign_scorecard
    never_final: int = cards.select(pl.col("days") - pl.col("settled_days")).sum().item()
    drawn = content.spend_by_day.filter(~pl.col(IS_SETTLED)).height
    return max(never_final - drawn, 0)


def final_until(content: ReportContent) -> date | None:
    """The last day up to which all that is shown is final; None if there is none."""
    if earlier_open_days(content):
        return None
    ends = [content.as_of, _today(content) - timedelta(days=REVISION_DAYS + 1)]
    ends += [day - _ONE_DAY for day in open_days(content)]
    begun = first_day(content)
    return min(ends) if begun is not None and begun <= min(ends) else None


def first_day(content: ReportContent) -> date | None:
    """The first day with figures."""
    begun = content.campaign_scorecard["first_day"].min()
    return begun if isinstance(begun, date) else None


def missing_days(content: ReportContent) -> list[date]:
    """Closed days that were never delivered, from the first that was; none if that is not known."""
    due = (content.made_at.astimezone(UTC) - _LOADED_BY).date() - _ONE_DAY
    if not content.loaded_days:
        return []
    days = calendar((*content.loaded_days, due))
    return [
        day
        for day in days
        if day not in content.loaded_days and day <= due
        if content.days is None or day in content.days
    ]


def overdue_days(content: ReportContent) -> list[date]:
    """Open days that should have been final for a day at least."""
    due = content.made_at.astimezone(UTC) - _ONE_DAY
    return sorted(day for day in open_days(content) if final_at_latest(day) <= due)


def _today(content: ReportContent) -> date:
    return content.made_at.astimezone(UTC).date()
