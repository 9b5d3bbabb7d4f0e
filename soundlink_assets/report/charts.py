"""Bars over days as Vega-Lite: frames in, SVG or JPEG out, without a network.

Each chart takes rows that are already summed and does no arithmetic except for where things are
drawn. It is drawn in one of two sizes, so that its text can be read on a screen and on a phone.
The specifications are plain dicts: there are two, and altair takes longer to put one together than
the renderer to draw it.
"""

import re
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import date
from html import escape
from typing import Any, TypeAlias

import polars as pl
import vl_convert

from soundlink_assets.report.content import calendar, open_days_of
from soundlink_assets.report.formats import printable

Spec: TypeAlias = dict[str, Any]

INK = "#1d2433"
MUTED = "#6a7385"
GRID = "#e7eaf0"
SPEND = "#3d5a99"
LISTENERS = "#12857f"
PROMOTED = "#a9b4c6"
SPILLOVER = "#d9822b"
OPEN_BAND = "#f3ecdd"
OPEN_OPACITY = 0.45
"""The style sheet of the page uses the same colours."""

_SPEND = {"spend_media": "Media spend", "spend_total": "Spend with fees"}
_VEGA_LITE = "6.1"
_OPENING = re.compile(r"<svg[^>]*>")
_SIZE = re.compile(r'\b(width|height)="(\d+(?:\.\d+)?)"')
_AMOUNTS = {"tickCount": 4, "tickMinStep": 1, "format": ",d"}

_CONFIG: Spec = {
    "font": "Helvetica Neue, Helvetica, Arial, sans-serif",
    "aria": False,
    "view": {"stroke": None},
    "axis": {
        "labelColor": MUTED,
        "labelFontSize": 12,
        "gridColor": GRID,
        "domainColor": GRID,
        "tickColor": GRID,
        "tickSize": 4,
        "labelPadding": 4,
    },
    "legend": {
        "labelColor": INK,
        "labelFontSize": 12,
        "title": None,
        "orient": "top",
        "symbolType": "square",
        "symbolSize": 90,
        "columnPadding": 16,
        "offset": 4,
    },
    "title": {
        "color": INK,
        "fontSize": 13,
        "fontWeight": "bold",
        "anchor": "start",
        "offset": 8,
        "frame": "group",
    },
}


@dataclass(frozen=True, slots=True)
class Size:
    """How wide the bars' area is, in points, and how many days at most are named below it."""

    name: str
    width: int
    most_day_names: int


WIDE = Size("wide", 800, 14)
NARROW = Size("narrow", 290, 5)


def svg(spec: Spec, description: str, size: Size) -> str:
    """The chart as an `<svg>` element that shrinks to its container, with a text for readers."""
    drawn = vl_convert.vegalite_to_svg(spec, vl_version=_VEGA_LITE)
    opening = _OPENING.search(drawn)
    if opening is None:
        raise ValueError("the renderer returned no SVG")
    points = dict(_SIZE.findall(opening.group()))
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" class="{size.name}" role="img" '
        f'aria-label="{escape(description)}" '
        f'viewBox="0 0 {points["width"]} {points["height"]}" '
        f'style="max-width:{points["width"]}px">{drawn[opening.end() :]}'
    )


def jpeg(spec: Spec) -> bytes:
    """The chart as a picture of about 25 kB."""
    image: bytes = vl_convert.vegalite_to_jpeg(spec, vl_version=_VEGA_LITE, scale=1, quality=75)
    return image


def spend_and_listeners(
    days: pl.DataFrame,
    currency: str | None,
    size: Size,
    title: str = "",
    expected: pl.DataFrame | None = None,
) -> Spec:
    """Two panels over the same days: spend and listeners. Open days are paler, on a band.

    `days`: report_date, spend_media or spend_total, listeners, is_settled; one row per day.
    `expected`: rows of the nowcast, whose measures are drawn hollow above what is reported. With a
    title it can be shown outside the page.
    """
    spend = next(name for name in _SPEND if name in days.columns)
    rows = [
        {
            "day": row["report_date"].isoformat(),
            "spend": float(row[spend]),
            "listeners": int(row["listeners"]),
            "opacity": _opacity(row),
        }
        for row in days.sort("report_date").iter_rows(named=True)
    ]
    x = day_axis(days["report_date"], size)
    more = {
        field: [] if expected is None else _more(expected, measure, field, days)
        for field, measure in (("spend", spend), ("listeners", "listeners"))
    }
    panels = [
        _panel(
            heading,
            105,
            _bars("days", x, field, color={"value": colour}),
            size,
            *([_hollow(f"more_{field}", x, field, colour)] if more[field] else []),
        )
        for heading, field, colour in (
            (f"{_SPEND[spend]} ({printable(currency or '')})", "spend", SPEND),
            ("Listeners", "listeners", LISTENERS),
        )
    ]
    hollow = {f"more_{field}": found for field, found in more.items() if found}
    return _chart(panels, title, days=rows, open=_open_rows(days), **hollow)


def _more(expected: pl.DataFrame, measure: str, field: str, days: pl.DataFrame) -> list[Spec]:
    """From what is reported up to what is expected, of the days that are drawn."""
    growing = expected.filter(
        pl.col("measure") == measure,
        pl.col("expected") > pl.col("reported"),
        pl.col("report_date").is_in(days["report_date"].implode()),
    )
    return [
        {"day": row["report_date"].isoformat(), field: row["reported"], "to": row["expected"]}
        for row in growing.sort("report_date").iter_rows(named=True)
    ]


def _hollow(dataset: str, x: Spec, field: str, colour: str) -> Spec:
    return {
        "data": {"name": dataset},
        "mark": {
            "type": "bar",
            "filled": False,
            "stroke": colour,
            "strokeWidth": 1,
            "width": {"band": 0.84},
        },
        "encoding": {"x": x, "y": _amount(field, _AMOUNTS), "y2": {"field": "to"}},
    }


def spillover_by_day(days: pl.DataFrame, size: Size) -> Spec:
    """Plays a day of the promoted track and of the artist's other tracks; below, the others' share.

    `days`: report_date, promoted_streams, spillover_streams, share (a week's), is_settled; one row
    per day.
    """
    x = day_axis(days["report_date"], size)
    kinds = {"Promoted track": "promoted_streams", "Other tracks": "spillover_streams"}
    ordered = days.sort("report_date").rows(named=True)
    shares = [{"day": row["report_date"].isoformat(), "share": row["share"]} for row in ordered]
    rows = [
        {
            "day": row["report_date"].isoformat(),
            "kind": kind,
            "order": order,
            "streams": int(row[column]),
            "opacity": _opacity(row),
        }
        for row in ordered
        for order, (kind, column) in enumerate(kinds.items())
    ]
    colours = {"domain": list(kinds), "range": [PROMOTED, SPILLOVER]}
    bars = _bars(
        "plays",
        x,
        "streams",
        color={"field": "kind", "type": "nominal", "scale": colours},
        order={"field": "order", "type": "quantitative"},
    )
    share = {"tickCount": 3, "format": ".0%"}
    line = {
        "data": {"name": "shares"},
        "mark": {"type": "line", "color": SPILLOVER, "strokeWidth": 2, "point": {"size": 10}},
        "encoding": {"x": x, "y": _amount("share", share)},
    }
    panels = [
        _panel("Plays", 130, bars, size),
        _panel("Share of other tracks, of seven days", 70, line, size),
    ]
    return _chart(panels, plays=rows, shares=shares, open=_open_rows(days))


def day_axis(days: Iterable[date], size: Size) -> Spec:
    """Every day from the first to the last, each with the same room; some are named."""
    every = [day.isoformat() for day in calendar(days)]
    most = size.most_day_names
    step = next(step for step in (1, 2, 7, 14, 28, len(every)) if len(every) <= step * most)
    return {
        "field": "day",
        "type": "ordinal",
        "title": None,
        "scale": {"domain": every, "padding": 0},
        "axis": {
            "values": every[::step],
            "labelExpr": "utcFormat(toDate(datum.value), '%-d %b')",
            "labelAngle": 0,
            "grid": False,
        },
    }


def _bars(dataset: str, x: Spec, field: str, **encoding: Spec) -> Spec:
    return {
        "data": {"name": dataset},
        "mark": {"type": "bar", "width": {"band": 0.92}},
        "encoding": {
            "x": x,
            "y": _amount(field, _AMOUNTS),
            "opacity": {"field": "opacity", "type": "quantitative", "scale": None},
            **encoding,
        },
    }


def _amount(field: str, axis: Spec) -> Spec:
    return {
        "field": field,
        "type": "quantitative",
        "title": None,
        "scale": {"zero": True},
        "axis": axis,
    }


def _opacity(row: dict[str, Any]) -> float:
    return 1.0 if row["is_settled"] else OPEN_OPACITY


def _open_rows(days: pl.DataFrame) -> list[Spec]:
    return [{"day": day.isoformat()} for day in sorted(open_days_of(days))]


def _panel(title: str, height: int, marks: Spec, size: Size, *more: Spec) -> Spec:
    """The marks on a band behind the days that may still change, under a title of their own.

    `more` marks are drawn on top. Few days do not take all the room.
    """
    x = marks["encoding"]["x"]
    width = min(size.width, max(240, 60 * len(x["scale"]["domain"])))
    band = {
        "data": {"name": "open"},
        "mark": {"type": "rect", "color": OPEN_BAND},
        "encoding": {"x": x},
    }
    heading = {"text": title, "color": MUTED, "fontSize": 12, "fontWeight": "normal", "offset": 6}
    return {"width": width, "height": height, "title": heading, "layer": [band, marks, *more]}


def _chart(panels: list[Spec], title: str = "", **datasets: list[Spec]) -> Spec:
    """The panels below one another with the report's look, and their datasets by name."""
    outside = {"title": title, "background": "white", "padding": 12} if title else {}
    return {
        "$schema": "https://vega.github.io/schema/vega-lite/v6.json",
        "background": "transparent",
        **outside,
        "config": _CONFIG,
        "datasets": datasets,
        "resolve": {"scale": {"x": "shared"}},
        "spacing": 14,
        "vconcat": panels,
    }
