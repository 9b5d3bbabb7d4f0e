"""Reported and expected figures of open days are shown apart."""

from typing import Any

import altair as alt
import polars as pl

from soundlink_assets.report import charts
from soundlink_assets.report.charts import WIDE
from soundlink_assets.report.page import render_page
from soundlink_assets.schema.frames import polars_schema
from soundlink_assets.schema.nowcast import REVISION_NOWCAST, TOO_FEW_DAYS
from soundlink_assets_tests.report.contents import OPEN_FROM, SPEND, content_of, day

REPORTED = 259  # of the open day of `SPEND`


def nowcast(**changed: Any) -> pl.DataFrame:
    schema = polars_schema(REVISION_NOWCAST)
    listeners = {
        "report_date": OPEN_FROM,
        "campaign_id": "c1",
        "measure": "listeners",
        "reported": float(REPORTED),
        "expected": 322.4,
        "low": 301.0,
        "high": 344.0,
    } | changed
    spend = listeners | {
        "measure": "spend_media",
        "currency": "USD",
        "reported": 59.0,
        "expected": None if listeners["expected"] is None else 60.5,
    }
    rows = [{name: row.get(name) for name in schema} for row in (listeners, spend)]
    return pl.DataFrame(rows, schema=schema)


SILENT = {"expected": None, "low": None, "high": None, "reason": TOO_FEW_DAYS}


def test_expectations_are_hollow_bars_above_what_is_reported() -> None:
    days = content_of(SPEND).spend_by_day
    spec = charts.spend_and_listeners(days, "USD", WIDE, expected=nowcast())
    alt.Chart.from_dict(spec, validate=True)
    assert spec["datasets"]["more_listeners"] == [
        {"day": day(2).isoformat(), "listeners": 259.0, "to": 322.4}
    ]
    assert spec["datasets"]["more_spend"] == [
        {"day": day(2).isoformat(), "spend": 59.0, "to": 60.5}
    ]
    hollow = [panel["layer"][-1]["mark"] for panel in spec["vconcat"]]
    assert [mark["filled"] for mark in hollow] == [False, False]


def test_bars_stay_as_reported_without_an_expectation() -> None:
    days = content_of(SPEND).spend_by_day
    plain = charts.spend_and_listeners(days, "USD", WIDE)
    assert charts.spend_and_listeners(days, "USD", WIDE, expected=nowcast(**SILENT)) == plain
    fewer = nowcast(expected=200.0).filter(measure="listeners")
    assert charts.spend_and_listeners(days, "USD", WIDE, expected=fewer) == plain


def test_each_open_day_says_what_it_will_come_to_and_when_it_is_final() -> None:
    page = render_page(content_of(SPEND, nowcast=nowcast()))
    assert "What the open days will come to" in page
    for text in ("259", "322", "301 to 344", "final on", "11 Apr 2026"):
        assert text in page, text


def test_a_day_without_expectation_has_dashes_and_its_date() -> None:
    page = render_page(content_of(SPEND, nowcast=nowcast(**SILENT)))
    assert "11 Apr 2026" in page
    assert "Hollow above them" not in page


def test_sums_are_those_of_reported_figures() -> None:
    content = content_of(SPEND, nowcast=nowcast())
    listeners = content.campaign_scorecard["listeners"].item()
    assert listeners == 3 * REPORTED
    cards = content.campaign_scorecard.with_columns(expected_listeners=pl.lit(listeners + 63.4))
    page = render_page(content_of(SPEND, nowcast=nowcast(), campaign_scorecard=cards))
    assert '<dd class="value">777</dd>' in page
    assert "expected once final: 840" in page


def test_there_is_nothing_about_open_days_without_a_nowcast() -> None:
    page = render_page(content_of(SPEND))
    assert "What the open days will come to" not in page
    assert "expected once final" not in page
