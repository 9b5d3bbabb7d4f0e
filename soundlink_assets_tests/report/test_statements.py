"""What the page says of what campaigns earned."""

from datetime import date
from decimal import Decimal
from typing import Any

import polars as pl

from soundlink_assets.report.content import TRACK_MONTHS, ReportContent
from soundlink_assets.report.page import render_page
from soundlink_assets.schema.frames import polars_schema
from soundlink_assets.schema.statements import CAMPAIGN_RETURN
from soundlink_assets_tests.report.contents import SPEND, content_of


def _content(earned: dict[str, float] | None = None, **given: Any) -> ReportContent:
    """Content with the value of countries, and one row of `campaign_return`."""
    content = content_of(SPEND)
    value = pl.col("country_code").replace_strict(earned or {}, default=None)
    countries = content.country_scorecard.with_columns(
        value.cast(pl.Float64).alias("break_even_cost_per_listener")
    )
    names = dict.fromkeys(CAMPAIGN_RETURN.column_names)
    row = names | {"campaign_id": "c1", "currency": "USD", "covers_campaign": True} | given
    returns = pl.DataFrame([row], schema=polars_schema(CAMPAIGN_RETURN))
    return content_of(SPEND, country_scorecard=countries, campaign_return=returns)


def test_the_page_says_what_came_back_with_its_range_and_until_when() -> None:
    page = render_page(
        _content(
            recoup_ratio=0.25,
            spend_total=Decimal(200),
            attributed_revenue=Decimal(50),
            attributed_revenue_low=Decimal(40),
            attributed_revenue_high=Decimal(60),
            covers_until=date(2026, 4, 1),
            covers_campaign=False,
        )
    )
    assert "Earned back" in page
    assert "25%" in page
    assert "$50.00 ($40.00 to $60.00) of $200" in page
    assert "statements until April 2026, not yet all" in page


def test_countries_that_earned_their_cost_are_named() -> None:
    page = render_page(_content({"BR": 5.0, "US": 0.001}))
    assert "listeners earned their cost in Brazil." in page.replace("&#39;", "'")
    assert 'data-label="earned"' in page


def test_without_statements_the_page_says_nothing_of_them() -> None:
    page = render_page(content_of(SPEND))
    for text in ("Earned back", "statements", 'data-label="earned"'):
        assert text not in page


def test_the_months_of_the_promoted_track_are_shown() -> None:
    months = pl.DataFrame(
        {
            "campaign_id": ["c1", "c1"],
            "month": [date(2026, 3, 1), date(2026, 4, 1)],
            "phase": ["before", "during"],
            "statement_streams": [1000, 4000],
            "attributed_share": [0.0, 0.25],
        },
        schema=TRACK_MONTHS,
    )
    page = render_page(content_of(SPEND, track_months=months))
    assert "April 2026 (during)" in page
    assert "4,000, 25% from campaigns" in page
