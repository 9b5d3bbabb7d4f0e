"""What the report is made from. Frames with columns named as in the tables that they come from."""

from dataclasses import dataclass
from datetime import date, datetime

import polars as pl

SHOWN_DAYS = 90
"""Charts over days show at most this many, the newest."""


@dataclass(frozen=True, slots=True, kw_only=True)
class CheckResult:
    """The last verdict of one asset check, over everything that its run looked at.

    `is_outdated` says that the asset was written again since.
    """

    asset: str
    check: str
    passed: bool
    severity: str
    description: str
    checked_at: datetime
    is_outdated: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class ReportContent:
    """Everything that the page shows.

    `campaigns`: campaign_id, target_type, artist_name, promoted_name (all but the id may be null).
    `campaign_scorecard`, `country_scorecard`: the tables, or those rows that are to be shown.
    `spend_by_day`: campaign_id, currency, report_date, spend_media, listeners, is_settled.
    `plays_by_day`: campaign_id, report_date, promoted_streams, spillover_streams, is_settled.
    `spillover_tracks`: campaign_id, track_id, track_name, streams.
    `playlist_tracks`: campaign_id, report_date, track_id, track_name, streams, playlist_position,
    is_settled.
    Frames by day or track cover the last `SHOWN_DAYS` days until `as_of`.
    `is_synthetic` says that the figures are the sandbox's.
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
    checks: tuple[CheckResult, ...] = ()
    is_synthetic: bool = False
