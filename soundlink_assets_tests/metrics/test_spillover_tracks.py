"""Which other tracks are played."""

from datetime import date
from typing import Any

from soundlink_assets.metrics.spillover_share import spillover_share
from soundlink_assets.metrics.spillover_tracks import spillover_tracks
from soundlink_assets_tests.metrics.rows import (
    PROMOTED_ID,
    PROMOTED_ISRC,
    cells_of,
    engagement_rows,
)

ROWS: tuple[dict[str, Any], ...] = (
    {"engaged_spotify_track_id": PROMOTED_ID, "streams": 90},
    {"engaged_spotify_track_id": "twin", "engaged_track_isrc": PROMOTED_ISRC, "streams": 80},
    {"engaged_spotify_track_id": "a", "engaged_track_name": "Old title", "streams": 5},
    {
        "engaged_spotify_track_id": "a",
        "engaged_track_name": "New title",
        "streams": 6,
        "report_date": date(2026, 4, 2),
        "country_code": "DE",
    },
    {"engaged_spotify_track_id": "b", "streams": 20},
    {"engaged_spotify_track_id": "c", "streams": 0},
    {"engaged_spotify_track_id": "d", "streams": 50, "campaign_target_type": "playlist"},
    {"engaged_spotify_track_id": "e", "streams": 50, "engagement_context": "playlist"},
)


def test_plays_of_other_tracks_are_added_over_days_and_countries() -> None:
    result = spillover_tracks(engagement_rows(*ROWS))
    assert result.rows() == [("c1", "b", "Other", 20), ("c1", "a", "New title", 11)]


def test_they_add_up_to_the_spillover_of_the_daily_table() -> None:
    rows = engagement_rows(*ROWS)
    daily = spillover_share(rows, cells_of(rows))
    assert spillover_tracks(rows)["streams"].sum() == daily["spillover_streams"].sum()
