"""The charts of one campaign: frames in, altair charts out, without a title of their own.

Each takes rows that are already summed and does no arithmetic except for where things are drawn.
"""

from collections.abc import Sequence
from typing import Any

import altair as alt
import polars as pl

from soundlink_assets.report import formats
from soundlink_assets.report.chart_style import (
    BAR,
    INK,
    LISTENERS,
    MUTED,
    OPEN_BAND,
    OPEN_OPACITY,
    PALE,
    PROMOTED,
    SPEND,
    SPILLOVER,
    WIDTH,
    Drawing,
    Rows,
    chart_of,
    day_axis,
    styled,
)
from soundlink_assets.report.country_names import country_name

_AMOUNTS = alt.Axis(tickCount=4, tickMinStep=1, format=",d")
_ROW = 24
_LABELS = 170
_WIDE = (
    r"\\u1100-\\u115f\\u2e80-\\ua4cf\\uac00-\\ud7a3\\uf900-\\ufaff\\uff00-\\uff60"
    r"\\u{10000}-\\u{10ffff}"
)
_ROOM = f"(?:[{_WIDE}]|[^{_WIDE}]{{2}}|[^{_WIDE}](?=[{_WIDE}]|$))"
"""One wide character, or two narrow ones."""

_LONGER = f"^({_ROOM}{{14}}).{{3,}}$"
"""A name that needs more room than `_LABELS`; group 1 is the part of it that is drawn.

The renderer's own limit cuts characters beyond U+FFFF in half, and fails on the half.
"""

_INTERVALS = 380
_POSITIONS = 620


def spend_and_listeners(days: pl.DataFrame, currency: str | None, title: str = "") -> Drawing:
    """Two panels over the same days: media spend and listeners. Open days are paler, on a band.

    `days`: report_date, spend_media, listeners, is_settled; one row per day. With a title it stands
    on its own, outside the page.
    """
    rows = [
        {
            "day": row["report_date"].isoformat(),
            "spend": float(row["spend_media"]),
            "listeners": row["listeners"],
            "opacity": 1.0 if row["is_settled"] else OPEN_OPACITY,
        }
        for row in days.sort("report_date").iter_rows(named=True)
    ]
    x = day_axis(days["report_date"])
    band = _open_band(x)
    spend = _bars("spend", f"Media spend ({currency})", SPEND, x)
    listeners = _bars("listeners", "Listeners", LISTENERS, x)
    chart = alt.vconcat(band + spend, band + listeners, spacing=14).resolve_scale(x="shared")
    if title:
        chart = chart.properties(title=title, background="white", padding=12)
    return styled(chart, days=rows, open=_open_days(days))


def _bars(field: str, title: str, colour: str, x: alt.X) -> Any:
    return (
        chart_of("days", width=WIDTH, height=105)
        .mark_bar(color=colour, width=BAR)
        .encode(
            x=x,
            y=alt.Y(f"{field}:Q", title=title, axis=_AMOUNTS),
            opacity=alt.Opacity("opacity:Q", scale=None),
        )
    )


def _open_band(x: alt.X) -> Any:
    """A band behind the days that may still change; needs the dataset `open`."""
    return chart_of("open", width=WIDTH).mark_rect(color=OPEN_BAND).encode(x=x)


def _open_days(days: pl.DataFrame) -> Rows:
    is_open = days.filter(~pl.col("is_settled"))["report_date"]
    return [{"day": day.isoformat()} for day in is_open.unique().sort()]


def country_costs(countries: pl.DataFrame, campaign_cost: float | None) -> Drawing:
    """Countries by cost per listener: a dot, its 95 percent interval, the campaign as a line.

    `countries`: rows of the country scorecard, in the order to be shown, with suffixes removed.
    """
    currency = countries["currency"][0]
    order = [country_name(code) for code in countries["country_code"]]
    rows = [_country_row(row, currency) for row in countries.iter_rows(named=True)]
    limit = _cost_limit(rows, campaign_cost)
    for row in rows:
        row["high"] = min(row["high"], limit) if row["high"] is not None else limit
        row["low"] = min(row["low"], limit)
    y = alt.Y("country:N", sort=order, title=None, axis=_name_axis())
    base = chart_of("countries", width=_INTERVALS, height=alt.Step(_ROW))
    axis_title = f"Media spend per listener ({currency})"
    x = alt.X(
        "cost:Q",
        title=axis_title,
        scale=alt.Scale(domain=[0, limit], nice=True, zero=True),
        axis=alt.Axis(tickCount=5, format=".2~f"),
    )
    intervals = base.mark_rule(
        strokeWidth=5, color=LISTENERS, opacity=0.3, strokeCap="round"
    ).encode(x=alt.X("low:Q", title=axis_title), x2="high:Q", y=y)
    dots = base.mark_point(filled=True, size=70, color=LISTENERS, opacity=1).encode(x=x, y=y)
    plot: Any = intervals + dots
    if campaign_cost is not None:
        line = chart_of("campaign").encode(x="cost:Q")
        plot = line.mark_rule(color=INK, strokeDash=[4, 3]) + plot
    columns = [
        _text_column(order, "cost_text", "per listener", 84),
        _text_column(order, "spend", "spend", 74),
        _text_column(order, "listeners", "listeners", 74),
        _text_column(order, "chance", "likely cheaper?", 116),
    ]
    chart = alt.hconcat(plot, *columns, spacing=4)
    return styled(chart, countries=rows, campaign=[{"cost": campaign_cost}])


def _country_row(row: dict[str, Any], currency: str | None) -> dict[str, Any]:
    return {
        "country": country_name(row["country_code"]),
        "cost": row["cost_per_listener"],
        "low": row["cost_per_listener_low"],
        "high": row["cost_per_listener_high"],
        "cost_text": formats.cost(row["cost_per_listener"], currency),
        "spend": formats.money(row["spend_media"], currency),
        "listeners": formats.count(row["listeners"]),
        "chance": formats.chance(row["probability_beats_campaign"]),
    }


def _cost_limit(rows: Sequence[dict[str, Any]], campaign_cost: float | None) -> float:
    """Right end of the axis: all dots, and as much of the intervals as leaves the dots apart."""
    dots = [row["cost"] for row in rows if row["cost"] is not None]
    most = max([*dots, campaign_cost or 0, *(row["low"] for row in rows)])
    highs = [row["high"] for row in rows if row["high"] is not None]
    return float(min(max([most, *highs]), 1.6 * most)) or 1.0


def _text_column(order: list[str], field: str, title: str, width: int) -> Any:
    return (
        chart_of("countries", width=width, height=alt.Step(_ROW))
        .mark_text(align="right", color=INK, fontSize=12, x=width)
        .encode(
            y=alt.Y("country:N", sort=order, axis=None),
            text=f"{field}:N",
        )
        .properties(title=_column_title(title))
    )


def spillover_by_day(days: pl.DataFrame) -> Drawing:
    """Plays a day of the promoted track and of the artist's other tracks; below, the others' share.

    `days`: report_date, promoted_streams, spillover_streams, share (a week's), is_settled; one row
    per day.
    """
    x = day_axis(days["report_date"])
    kinds = (("promoted_streams", "Promoted track", 0), ("spillover_streams", "Other tracks", 1))
    shares = [
        {"day": row["report_date"].isoformat(), "share": row["share"]}
        for row in days.sort("report_date").iter_rows(named=True)
    ]
    rows = [
        {
            "day": row["report_date"].isoformat(),
            "kind": label,
            "order": order,
            "streams": row[column],
            "opacity": 1.0 if row["is_settled"] else OPEN_OPACITY,
        }
        for row in days.sort("report_date").iter_rows(named=True)
        for column, label, order in kinds
    ]
    bars = (
        chart_of("plays", width=WIDTH, height=130)
        .mark_bar(width=BAR)
        .encode(
            x=x,
            y=alt.Y("streams:Q", title="Plays", axis=_AMOUNTS),
            color=alt.Color(
                "kind:N",
                scale=alt.Scale(
                    domain=[label for _, label, _ in kinds], range=[PROMOTED, SPILLOVER]
                ),
            ),
            order=alt.Order("order:Q"),
            opacity=alt.Opacity("opacity:Q", scale=None),
        )
    )
    line = (
        chart_of("shares", width=WIDTH, height=70)
        .mark_line(color=SPILLOVER, strokeWidth=2, point=alt.OverlayMarkDef(size=10))
        .encode(
            x=x,
            y=alt.Y(
                "share:Q",
                title="Other tracks",
                scale=alt.Scale(zero=True),
                axis=alt.Axis(tickCount=3, format=".0%"),
            ),
        )
    )
    band = _open_band(x)
    chart = alt.vconcat(band + bars, band + line, spacing=14).resolve_scale(x="shared")
    return styled(chart, plays=rows, shares=shares, open=_open_days(days))


def track_bars(tracks: pl.DataFrame, colour: str = SPILLOVER) -> Drawing:
    """Tracks by plays, as bars with their share. `tracks`: track_name (unique), streams, share."""
    rows = [
        {
            "track": row["track_name"],
            "streams": row["streams"],
            "text": f"{formats.count(row['streams'])}  ({formats.percent(row['share'])})",
        }
        for row in tracks.iter_rows(named=True)
    ]
    order = [row["track"] for row in rows]
    bars = (
        chart_of("tracks", width=WIDTH - 2 * _LABELS, height=alt.Step(_ROW))
        .mark_bar(color=colour, height=13)
        .encode(
            x=alt.X("streams:Q", axis=None),
            y=alt.Y("track:N", sort=order, title=None, axis=_name_axis()),
        )
    )
    text = bars.mark_text(align="left", dx=6, color=MUTED, fontSize=11).encode(text="text:N")
    return styled(bars + text, tracks=rows)


def playlist_positions(tracks: pl.DataFrame) -> Drawing:
    """Place of each track in the playlist by day: the darker the higher; blank where it is unknown.

    `tracks`: report_date, track_name, playlist_position; one row per day and track, the tracks in
    the order to be shown.
    """
    order = tracks["track_name"].unique(maintain_order=True).to_list()
    known = tracks.drop_nulls("playlist_position").sort("report_date")
    rows = [
        {
            "day": row["report_date"].isoformat(),
            "track": row["track_name"],
            "position": row["playlist_position"],
        }
        for row in known.iter_rows(named=True)
    ]
    newest = list({row["track"]: row for row in rows}.values())
    y = alt.Y("track:N", sort=order, title=None, axis=_name_axis())
    cells = (
        chart_of("positions", width=_POSITIONS, height=alt.Step(_ROW))
        .mark_rect(height=_ROW - 6, width=BAR)
        .encode(
            x=day_axis(tracks["report_date"]),
            y=y,
            color=alt.Color(
                "position:Q",
                scale=alt.Scale(range=[LISTENERS, PALE]),
                legend=alt.Legend(
                    title="Position",
                    orient="top",
                    direction="horizontal",
                    gradientLength=160,
                    gradientThickness=10,
                    tickMinStep=1,
                    titleOrient="left",
                    titleFontWeight="normal",
                ),
            ),
        )
    )
    now = (
        chart_of("newest", width=60, height=alt.Step(_ROW))
        .mark_text(align="right", x=60, fontSize=12, color=INK)
        .encode(y=alt.Y("track:N", sort=order, axis=None), text="position:Q")
        .properties(title=_column_title("last known"))
    )
    return styled(alt.hconcat(cells, now, spacing=4), positions=rows, newest=newest)


def _name_axis() -> alt.Axis:
    return alt.Axis(
        labelColor=INK,
        labelFontSize=12,
        domain=False,
        ticks=False,
        labelLimit=0,
        labelExpr=f"replace(datum.label, regexp('{_LONGER}', 'su'), '$1…')",
    )


def _column_title(text: str) -> alt.TitleParams:
    return alt.TitleParams(
        text, anchor="end", color=MUTED, fontSize=11, fontWeight="normal", offset=6
    )
