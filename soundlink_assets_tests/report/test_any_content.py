"""Whatever the warehouse holds, the page is made and says nothing impossible."""

import polars as pl
from hypothesis import given, settings

from soundlink_assets.report.page import render_page
from soundlink_assets_tests.metrics.strategies import country_frames, engagement_frames
from soundlink_assets_tests.report.contents import SPEND, content_from, content_of


@given(spend=country_frames, plays=engagement_frames)
@settings(max_examples=10, deadline=None)
def test_any_rows_make_a_page(spend: pl.DataFrame, plays: pl.DataFrame) -> None:
    page = render_page(content_from(spend, plays))

    assert page.rstrip().endswith("</html>")
    for impossible in ("NaN", "nan%", "Infinity", "inf", "None"):
        assert f">{impossible}<" not in page
        assert f" {impossible} " not in page


def test_open_days_without_any_spend_have_no_share_of_it() -> None:
    spend = [{**row, "spend_media": "0", "spend_total": "0"} for row in SPEND]
    page = render_page(content_of(spend))

    assert "Still open: 3 Apr 2026. Late listeners" in page
