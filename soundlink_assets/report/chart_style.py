"""Colours, type and sizes of all charts; the page's style sheet uses the same colours."""

from typing import Any

import altair as alt

INK = "#1d2433"
MUTED = "#6a7385"
GRID = "#e7eaf0"
SPEND = "#3d5a99"
LISTENERS = "#12857f"
PROMOTED = "#a9b4c6"
SPILLOVER = "#d9822b"
PALE = "#e4efee"
OPEN_BAND = "#f3ecdd"
OPEN_OPACITY = 0.45

WIDTH = 800
FONT = "Helvetica Neue, Helvetica, Arial, sans-serif"


def styled(chart: alt.TopLevelMixin) -> Any:
    """The chart with the report's look."""
    return chart.configure(
        font=FONT,
        aria=False,
        background="transparent",
        view=alt.ViewConfig(stroke=None),
        axis=alt.AxisConfig(
            labelColor=MUTED,
            labelFontSize=11,
            titleColor=MUTED,
            titleFontSize=11,
            titleFontWeight="normal",
            gridColor=GRID,
            domainColor=GRID,
            tickColor=GRID,
            tickSize=4,
            labelPadding=4,
        ),
        legend=alt.LegendConfig(
            labelColor=INK,
            labelFontSize=11,
            title=None,
            orient="top",
            symbolType="square",
            symbolSize=90,
            offset=4,
        ),
        title=alt.TitleConfig(color=INK, fontSize=12, fontWeight="bold", anchor="start", offset=8),
    )


def chart_of(rows: list[dict[str, Any]], **size: Any) -> alt.Chart:
    """A chart of rows, which become part of it; dates must be ISO text."""
    data = alt.Data(values=rows)  # type: ignore[no-untyped-call]  # generated without types
    return alt.Chart(data, **size)


def day_axis(**more: Any) -> alt.X:
    """Days along the bottom, in UTC whatever the machine's time zone."""
    return alt.X(
        "utcyearmonthdate(day):T",
        title=None,
        scale=alt.Scale(type="utc"),
        axis=alt.Axis(format="%-d %b", grid=False, labelOverlap=True, tickCount=10),
        **more,
    )
