"""The derived tables: what their columns mean, in which unit, and what they come from.

Standard library only, so that the definitions load without polars. How a table is computed is in
the module of `metrics` named like it, for both scorecards in `metrics.scorecards`.
"""

from soundlink_assets.metrics.tables.columns import SCHEMA
from soundlink_assets.metrics.tables.country_efficiency import COUNTRY_EFFICIENCY
from soundlink_assets.metrics.tables.playlist_track_share import PLAYLIST_TRACK_SHARE
from soundlink_assets.metrics.tables.scorecards import CAMPAIGN_SCORECARD, COUNTRY_SCORECARD
from soundlink_assets.metrics.tables.spillover_share import SPILLOVER_SHARE
from soundlink_assets.tables import Table

DAILY_TABLES: tuple[Table, ...] = (COUNTRY_EFFICIENCY, SPILLOVER_SHARE, PLAYLIST_TRACK_SHARE)
SCORECARDS: tuple[Table, ...] = (CAMPAIGN_SCORECARD, COUNTRY_SCORECARD)

__all__ = [
    "CAMPAIGN_SCORECARD",
    "COUNTRY_EFFICIENCY",
    "COUNTRY_SCORECARD",
    "DAILY_TABLES",
    "PLAYLIST_TRACK_SHARE",
    "SCHEMA",
    "SCORECARDS",
    "SPILLOVER_SHARE",
]
