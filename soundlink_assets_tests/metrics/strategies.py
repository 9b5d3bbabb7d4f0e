"""Random stored rows: several organisations, currencies, nulls, aliases of the promoted track."""

from datetime import timedelta
from typing import Any

from hypothesis import strategies as st

from soundlink_assets_tests.metrics.rows import (
    DAY,
    PROMOTED_ID,
    PROMOTED_ISRC,
    country_rows,
    engagement_rows,
)

DAYS = [DAY + timedelta(days=offset) for offset in range(3)]
COUNTRIES = ["US", "DE", "NA", "NO"]
_count = st.integers(0, 10_000)
_money = st.decimals(0, 5000, places=2).map(str)

_country_row: st.SearchStrategy[dict[str, Any]] = st.fixed_dictionaries(
    {
        "report_date": st.sampled_from(DAYS),
        "campaign_id": st.sampled_from(["c1", "c2"]),
        "campaign_name": st.sampled_from(["One", "Two"]),
        "country_code": st.sampled_from(COUNTRIES),
        "account_id": st.sampled_from(["a", "b"]),
        "currency": st.sampled_from(["USD", "USD", "EUR"]),
        "spend_media": _money,
        "fees": _money,
        "spend_total": _money,
        "impressions": st.none() | _count,
        "ad_clicks": st.none() | _count,
        "link_clicks": st.none() | _count,
        "streams": _count,
        "listeners": _count,
        "followers": _count,
    }
)

_engagement_row: st.SearchStrategy[dict[str, Any]] = st.fixed_dictionaries(
    {
        "report_date": st.sampled_from(DAYS),
        "campaign_id": st.sampled_from(["c1", "c2"]),
        "campaign_name": st.sampled_from(["One", "Two"]),
        "country_code": st.sampled_from(COUNTRIES),
        "engagement_context": st.sampled_from(["catalog", "playlist"]),
        "campaign_target_type": st.sampled_from(["track", "track", "playlist", None]),
        "campaign_target_spotify_track_id": st.sampled_from([PROMOTED_ID, None]),
        "campaign_target_isrc": st.sampled_from([PROMOTED_ISRC, None]),
        "engaged_spotify_track_id": st.sampled_from([PROMOTED_ID, "a", "b", "c"]),
        "engaged_track_isrc": st.sampled_from(["DE-XW6-25-00259", "XX", None]),
        "engaged_track_name": st.sampled_from(["A", "B"]),
        "playlist_position": st.none() | st.integers(-1, 40),
        "streams": _count,
        "new_listener_streams": _count,
    }
)

country_frames = st.lists(_country_row, max_size=25).map(lambda rows: country_rows(*rows))
engagement_frames = st.lists(_engagement_row, max_size=25).map(lambda rows: engagement_rows(*rows))
