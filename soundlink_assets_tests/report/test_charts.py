"""Every kind of chart is valid Vega-Lite, draws offline, and shows what it was given."""

import re
import struct
import zlib
from collections.abc import Callable
from xml.etree import ElementTree as ET

import altair as alt
import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from soundlink_assets.report import charts
from soundlink_assets.report.chart_style import Drawing, chart_of, day_axis, styled
from soundlink_assets.report.figures import top_tracks
from soundlink_assets.report.preview import preview_png
from soundlink_assets.report.rendering import png, svg
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
TRACKS = pl.DataFrame(
    {
        "track_id": ["a", "b"],
        "track_name": ["Tom & <Jerry>", 'It\'s "quoted" \\ fine'],
        "streams": [30, 10],
        "share": [0.75, 0.25],
    }
)
POSITIONS = pl.DataFrame(
    {
        "report_date": [day(0), day(1), day(0)],
        "track_name": ["A", "A", "B"],
        "playlist_position": [1, 2, None],
    },
    schema_overrides={"playlist_position": pl.Int64},
)


def _countries() -> pl.DataFrame:
    return content_of(SPEND).country_scorecard.sort("rank")


DRAWINGS: dict[str, Callable[[], Drawing]] = {
    "spend": lambda: charts.spend_and_listeners(DAYS, "USD"),
    "countries": lambda: charts.country_costs(_countries(), 0.2),
    "countries of a campaign without cost": lambda: charts.country_costs(_countries(), None),
    "spillover": lambda: charts.spillover_by_day(DAYS),
    "tracks": lambda: charts.track_bars(TRACKS),
    "positions": lambda: charts.playlist_positions(POSITIONS),
}


@pytest.mark.parametrize("kind", DRAWINGS)
def test_each_chart_is_valid_and_names_only_data_that_it_has(kind: str) -> None:
    spec = DRAWINGS[kind]().spec(validate=True)
    assert _named(spec) <= set(spec["datasets"])


@pytest.mark.parametrize("kind", DRAWINGS)
def test_each_chart_is_drawn_as_one_svg_that_scales(kind: str) -> None:
    drawn = svg(DRAWINGS[kind](), "what it shows")
    assert drawn.startswith("<svg ")
    assert drawn.endswith("</svg>")
    assert 'aria-label="what it shows"' in drawn
    assert "width:100%" in drawn


def test_names_are_escaped_in_the_drawing() -> None:
    drawn = svg(charts.track_bars(TRACKS), 'a "label" & <more>')
    assert "Tom &amp; &lt;Jerry&gt;" in drawn
    assert "<Jerry>" not in drawn
    assert 'aria-label="a &quot;label&quot; &amp; &lt;more&gt;"' in drawn


FORBIDDEN_IN_XML = [0x00, 0x01, 0x08, 0x0B, 0x1F, 0xD800, 0xDFFF, 0xFFFE, 0xFFFF]


def _text_drawn(text: str) -> str:
    """The title of a drawing of one mark as a parser of XML reads it."""
    chart = chart_of("rows").mark_text().encode(y=alt.Y("name:N", sort=[text]), text="name:N")
    drawing = styled(chart.properties(title=f"title {text}"), rows=[{"name": text}])
    assert png(drawing, 1).startswith(b"\x89PNG")
    root = ET.fromstring(svg(drawing, text))  # noqa: S314 - what we have drawn
    (title,) = {e.text for e in root.iter() if e.text and e.text.startswith("title ")}
    assert root.attrib["aria-label"] == title.removeprefix("title ")
    return title.removeprefix("title ")


@pytest.mark.parametrize("code", FORBIDDEN_IN_XML, ids=hex)
def test_a_character_that_xml_forbids_is_drawn_as_a_replacement(code: int) -> None:
    assert _text_drawn(f"a{chr(code)}b") == "a\N{REPLACEMENT CHARACTER}b"


@pytest.mark.parametrize("code", [0x2028, 0x2029], ids=hex)
def test_a_line_end_of_unicode_is_drawn_as_a_space(code: int) -> None:
    assert _text_drawn(f"a{chr(code)}b") == "a b"


@pytest.mark.parametrize("code", [0x7F, 0x85, 0xFFFD, 0x1F600], ids=hex)
def test_every_other_character_is_drawn_as_it_is(code: int) -> None:
    assert _text_drawn(f"a{chr(code)}b") == f"a{chr(code)}b"


def _drawn_name(name: str) -> str:
    tracks = TRACKS.with_columns(pl.Series("track_name", [name, "other"]))
    root = ET.fromstring(svg(charts.track_bars(tracks), ""))  # noqa: S314 - what we have drawn
    return next(e.text for e in root.iter() if e.tag.endswith("}text") and e.text)


@pytest.mark.parametrize(
    ("name", "drawn"),
    [
        ("British Indian Ocean Territory", "British Indian Ocean Territory"),
        ("n" * 40, "n" * 28 + "…"),
        ("😀" * 40, "😀" * 14 + "…"),
        ("a" + "😀" * 40, "a" + "😀" * 13 + "…"),
        ("a😀" * 40, "a😀" * 7 + "…"),
        ("漢字" * 20, "漢字" * 7 + "…"),
        ("😀" * 14, "😀" * 14),
    ],
)
def test_a_long_name_is_cut_between_characters(name: str, drawn: str) -> None:
    assert _drawn_name(name) == drawn


@given(name=st.text(st.characters(exclude_categories=["Cs"]), min_size=1))
@settings(max_examples=10, deadline=None)
def test_any_name_can_be_drawn(name: str) -> None:
    tracks = TRACKS.with_columns(pl.Series("track_name", [name, "another"]))
    ET.fromstring(svg(charts.track_bars(tracks), name))  # noqa: S314 - what we have drawn


def test_open_days_are_paler_and_on_a_band() -> None:
    data = charts.spend_and_listeners(DAYS, "USD").datasets
    assert [row["opacity"] < 1 for row in data["days"]] == [False, False, True]
    assert data["open"] == [{"day": day(2).isoformat()}]


def test_days_without_rows_keep_their_room() -> None:
    gap = DAYS.filter(pl.col("report_date") != day(1))
    spec = charts.spend_and_listeners(gap, "USD").spec(validate=True)
    domains = re.findall(r"'domain': (\[[^]]*\])", str(spec["vconcat"]))
    assert set(domains) == {str([day(offset).isoformat() for offset in range(3)])}


@pytest.mark.parametrize("count", [1, 14, 15, 90, 400])
def test_a_readable_number_of_days_is_named(count: int) -> None:
    named = day_axis([day(0), day(count - 1)])["axis"]["values"]
    assert 1 <= len(named) <= 14
    assert named[0] == day(0).isoformat()


def test_a_country_without_listeners_has_no_dot_but_an_interval() -> None:
    spend = [*SPEND, {"country_code": "FR", "spend_media": "5.00", "listeners": 0}]
    countries = content_of(spend).country_scorecard.sort("rank")
    rows = {
        row["country"]: row for row in charts.country_costs(countries, 0.2).datasets["countries"]
    }
    assert rows["France"]["cost"] is None
    assert 0 < rows["France"]["low"] < rows["France"]["high"]


def test_equal_titles_stay_different_tracks() -> None:
    twins = pl.DataFrame(
        {"track_id": ["a", "b", "c"], "track_name": ["Song", "Song", "Other"], "streams": [5, 9, 1]}
    )
    assert top_tracks(twins)["track_name"].to_list() == ["Song", "Song (2)", "Other"]
    assert top_tracks(twins)["streams"].to_list() == [9, 5, 1]


def test_titles_that_are_equal_as_drawn_stay_different_tracks() -> None:
    twins = pl.DataFrame(
        {"track_id": ["a", "b"], "track_name": ["S\x01", "S\x02"], "streams": [5, 9]}
    )
    assert top_tracks(twins)["track_name"].to_list() == ["S\ufffd", "S\ufffd (2)"]


def test_days_are_drawn_in_utc_whatever_the_time_zone(monkeypatch: pytest.MonkeyPatch) -> None:
    chart = charts.spend_and_listeners(DAYS, "USD")
    monkeypatch.setenv("TZ", "Pacific/Kiritimati")
    east = svg(chart, "")
    monkeypatch.setenv("TZ", "Pacific/Pago_Pago")
    assert svg(chart, "") == east


def test_the_small_picture_is_a_small_valid_png() -> None:
    image = preview_png(content_of(SPEND, PLAYS))
    assert image is not None
    assert len(image) < 40_000
    width, height = struct.unpack_from(">II", image, 16)
    assert (width > 400, height > 100) == (True, True)
    _assert_intact(image, width, height)


def test_compacting_keeps_every_pixel() -> None:
    drawing = charts.track_bars(TRACKS)
    once = png(drawing, 1)
    assert once == png(drawing, 1)
    _assert_intact(once, *struct.unpack_from(">II", once, 16))


def test_no_spend_gives_no_picture() -> None:
    assert preview_png(content_of([], PLAYLIST_PLAYS)) is None


def _assert_intact(image: bytes, width: int, height: int) -> None:
    """Chunk checksums hold, and there are as many pixels as the header says (RGBA, 8 bits)."""
    position, pixels = 8, b""
    while position < len(image):
        (length,) = struct.unpack_from(">I", image, position)
        chunk = image[position + 4 : position + 8 + length]
        (checksum,) = struct.unpack_from(">I", image, position + 8 + length)
        assert zlib.crc32(chunk) == checksum
        pixels += chunk[4:] if chunk[:4] == b"IDAT" else b""
        position += 12 + length
    assert len(zlib.decompress(pixels)) == height * (1 + 4 * width)


def _named(spec: object) -> set[str]:
    if isinstance(spec, dict):
        own = {spec["data"]["name"]} if "name" in (spec.get("data") or {}) else set()
        return own.union(*(_named(value) for key, value in spec.items() if key != "datasets"))
    if isinstance(spec, list):
        return set().union(*(_named(value) for value in spec))
    return set()
