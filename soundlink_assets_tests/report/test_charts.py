"""Every kind of chart is valid Vega-Lite, draws offline, and shows what it was given."""

from collections.abc import Callable
from xml.etree import ElementTree as ET

import altair as alt
import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from soundlink_assets.report import charts
from soundlink_assets.report.charts import NARROW, WIDE, Size, Spec, day_axis, svg
from soundlink_assets.report.page import preview_jpeg
from soundlink_assets_tests.report.contents import PLAYLIST_PLAYS, PLAYS, SPEND, content_of, day

DAYS = pl.DataFrame(
    {
        "report_date": [day(0), day(1), day(2)],
        "spend_media": [10.0, 11.5, 9.0],
        "listeners": [100, 120, 80],
        "promoted_streams": [50, 60, 40],
        "spillover_streams": [20, 10, 5],
        "share": [0.3, 0.25, None],
        "is_settled": [True, True, False],
    }
)

CHARTS: dict[str, Callable[[Size], Spec]] = {
    "spend": lambda size: charts.spend_and_listeners(DAYS, "USD", size),
    "with a title": lambda size: charts.spend_and_listeners(DAYS, None, size, "Title"),
    "spillover": lambda size: charts.spillover_by_day(DAYS, size),
}
EACH_CHART = pytest.mark.parametrize("kind", CHARTS)
EACH_SIZE = pytest.mark.parametrize("size", [WIDE, NARROW], ids=lambda size: size.name)


@EACH_CHART
@EACH_SIZE
def test_each_chart_is_valid_and_names_only_data_that_it_has(kind: str, size: Size) -> None:
    spec = CHARTS[kind](size)
    alt.Chart.from_dict(spec, validate=True)
    assert _named(spec) == set(spec["datasets"])


@EACH_CHART
@EACH_SIZE
def test_each_chart_is_drawn_as_one_svg_that_scales(kind: str, size: Size) -> None:
    drawn = svg(CHARTS[kind](size), 'a "label" & <more>', size)
    assert drawn.startswith("<svg ")
    assert drawn.endswith("</svg>")
    root = ET.fromstring(drawn)  # noqa: S314 - what we have drawn
    assert root.attrib["aria-label"] == 'a "label" & <more>'
    assert root.attrib["class"] == size.name


@EACH_CHART
def test_the_narrow_charts_need_no_shrinking_on_a_phone(kind: str) -> None:
    root = ET.fromstring(svg(CHARTS[kind](NARROW), "", NARROW))  # noqa: S314 - what we have drawn
    assert float(root.attrib["viewBox"].split()[2]) <= 375


@given(currency=st.text(max_size=5))
@settings(max_examples=10, deadline=None)
def test_any_currency_can_be_drawn(currency: str) -> None:
    spec = charts.spend_and_listeners(DAYS, currency, NARROW)
    ET.fromstring(svg(spec, "", NARROW))  # noqa: S314 - what we have drawn


def test_open_days_are_paler_and_on_a_band() -> None:
    data = charts.spend_and_listeners(DAYS, "USD", WIDE)["datasets"]
    assert [row["opacity"] < 1 for row in data["days"]] == [False, False, True]
    assert data["open"] == [{"day": day(2).isoformat()}]


def test_an_open_day_without_rows_leaves_no_hole_in_the_band() -> None:
    frame = pl.DataFrame(
        {
            "report_date": [day(0), day(2), day(3), day(5)],
            "is_settled": [True, True, False, False],
            "spend_media": [1.0] * 4,
            "listeners": [1] * 4,
        }
    )
    band = charts.spend_and_listeners(frame, "USD", WIDE)["datasets"]["open"]
    assert band == [{"day": day(offset).isoformat()} for offset in (3, 4, 5)]


def test_days_without_rows_keep_their_room() -> None:
    gap = DAYS.filter(pl.col("report_date") != day(1))
    spec = charts.spend_and_listeners(gap, "USD", WIDE)
    domains = {
        tuple(layer["encoding"]["x"]["scale"]["domain"])
        for panel in spec["vconcat"]
        for layer in panel["layer"]
    }
    assert domains == {tuple(day(offset).isoformat() for offset in range(3))}


@EACH_SIZE
@pytest.mark.parametrize("count", [1, 14, 15, 90, 400])
def test_a_readable_number_of_days_is_named(count: int, size: Size) -> None:
    named = day_axis([day(0), day(count - 1)], size)["axis"]["values"]
    assert 1 <= len(named) <= size.most_day_names
    assert named[0] == day(0).isoformat()


def test_days_are_drawn_in_utc_whatever_the_time_zone(monkeypatch: pytest.MonkeyPatch) -> None:
    spec = charts.spend_and_listeners(DAYS, "USD", WIDE)
    monkeypatch.setenv("TZ", "Pacific/Kiritimati")
    east = svg(spec, "", WIDE)
    monkeypatch.setenv("TZ", "Pacific/Pago_Pago")
    assert svg(spec, "", WIDE) == east


def test_the_small_picture_is_a_small_jpeg() -> None:
    image = preview_jpeg(content_of(SPEND, PLAYS))
    assert image is not None
    assert image.startswith(b"\xff\xd8\xff")
    assert image.endswith(b"\xff\xd9")
    assert len(image) < 30_000


def test_no_spend_gives_no_picture() -> None:
    assert preview_jpeg(content_of([], PLAYLIST_PLAYS)) is None


def _named(spec: object) -> set[str]:
    if isinstance(spec, dict):
        own = {spec["data"]["name"]} if "name" in (spec.get("data") or {}) else set()
        return own.union(*(_named(value) for key, value in spec.items() if key != "datasets"))
    if isinstance(spec, list):
        return set().union(*(_named(value) for value in spec))
    return set()
