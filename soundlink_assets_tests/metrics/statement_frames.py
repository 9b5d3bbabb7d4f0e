"""Random statements, plays and spend: odd rows, two currencies, recordings that only one side has.

Amounts are exact in six decimals, and days lie in two months.
"""

from datetime import date
from decimal import Decimal
from typing import Any

import polars as pl
from hypothesis import strategies as st

from soundlink_assets.schema.frames import polars_schema
from soundlink_assets.schema.statements import STATEMENTS
from soundlink_assets_tests.metrics.rows import country_rows, engagement_rows

MONTHS = [date(2026, 2, 1), date(2026, 3, 1), date(2026, 4, 1), date(2026, 5, 1)]
DAYS = [date(2026, 3, 30), date(2026, 3, 31), date(2026, 4, 1), date(2026, 4, 2)]
ISRCS = [f"DEXW6250000{number}" for number in range(4)]


def statements(*rows: dict[str, Any]) -> pl.DataFrame:
    """Rows of `distributor.statements`; equal keys are not added up."""
    defaults = {
        "isrc": ISRCS[0],
        "store": "Spotify",
        "month": MONTHS[2],
        "country_code": "US",
        "currency": "USD",
        "streams": 0,
        "revenue": "0",
        "row_count": 1,
    }
    full = [{**defaults, **row} for row in rows]
    for row in full:
        row["revenue"] = Decimal(row["revenue"])
    return pl.DataFrame(full, schema=polars_schema(STATEMENTS))


_play: st.SearchStrategy[dict[str, Any]] = st.fixed_dictionaries(
    {
        "report_date": st.sampled_from(DAYS),
        "campaign_id": st.sampled_from(["c1", "c2"]),
        "engagement_context": st.sampled_from(["catalog", "playlist"]),
        "country_code": st.sampled_from(["US", "DE", "NA"]),
        "engaged_track_isrc": st.sampled_from([*ISRCS[:3], "de-xw6-25-00000", None]),
        "engaged_spotify_track_id": st.sampled_from(["a", "b"]),
        "playlist_position": st.none() | st.integers(1, 40),
        "streams": st.integers(0, 300),
    }
)
_spend: st.SearchStrategy[dict[str, Any]] = st.fixed_dictionaries(
    {
        "report_date": st.sampled_from(DAYS),
        "campaign_id": st.sampled_from(["c1", "c2", "c3"]),
        "country_code": st.sampled_from(["US", "DE"]),
        "currency": st.sampled_from(["USD", "USD", "EUR"]),
        "spend_media": st.decimals(0, 100, places=2).map(str),
        "spend_total": st.sampled_from(["0", "0", "12.50", "80"]),
        "listeners": st.integers(0, 100),
    }
)


def _sale(currencies: list[str]) -> st.SearchStrategy[dict[str, Any]]:
    return st.fixed_dictionaries(
        {
            "isrc": st.sampled_from([ISRCS[0], ISRCS[1], ISRCS[3]]),
            "store": st.sampled_from(["Spotify", "Spotify", "Apple Music"]),
            "month": st.sampled_from(MONTHS),
            "country_code": st.sampled_from(["US", "DE", "FR", "ZZ"]),
            "currency": st.sampled_from(currencies),
            "streams": st.just(0) | st.integers(1, 1000),
            "revenue": st.just("0") | st.decimals(0, 50, places=6).map(str),
        }
    )


def _unique(rows: list[dict[str, Any]]) -> pl.DataFrame:
    return statements(*rows).unique(STATEMENTS.key, keep="first", maintain_order=True)


play_frames = st.lists(_play, max_size=20).map(lambda rows: engagement_rows(*rows))
spend_frames = st.lists(_spend, max_size=10).map(lambda rows: country_rows(*rows))
sale_frames = st.lists(_sale(["USD"]), max_size=20).map(_unique)
mixed_sale_frames = st.lists(_sale(["USD", "EUR"]), max_size=20).map(_unique)
