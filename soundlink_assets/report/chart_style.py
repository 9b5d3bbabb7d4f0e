"""Colours, type and sizes of all charts; the page's style sheet uses the same colours."""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import date, timedelta
from typing import Any, TypeAlias

import altair as alt

Rows: TypeAlias = list[dict[str, Any]]

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
MOST_DAY_NAMES = 14
BAR = alt.RelativeBandSize(0.92)
FONT = "Helvetica Neue, Helvetica, Arial, sans-serif"


@dataclass(frozen=True, slots=True)
class Drawing:
    """A chart, and the rows of the datasets that it names; dates in them are ISO text.

    Apart, because altair copies inline rows again and again while a chart is put together.
    """

    chart: Any
    datasets: dict[str, Rows]

    def spec(self, *, validate: bool) -> dict[str, Any]:
        """The Vega-Lite specification with its data."""
        spec: dict[str, Any] = self.chart.to_dict(validate=validate)
        return spec | {"datasets": self.datasets}


def styled(chart: alt.TopLevelMixin, **datasets: Rows) -> Drawing:
    """The chart with the report's look, and its datasets by name."""
    configured = chart.configure(
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
    return Drawing(configured, datasets)


def chart_of(dataset: str, **size: Any) -> alt.Chart:
    """A chart of one of the drawing's datasets."""
    return alt.Chart(alt.NamedData(name=dataset), **size)


def day_axis(days: Iterable[date]) -> alt.X:
    """Every day from the first to the last, each with the same room; some are named."""
    ordered = sorted(set(days))
    count = (ordered[-1] - ordered[0]).days + 1
    every = [(ordered[0] + timedelta(days=offset)).isoformat() for offset in range(count)]
    step = next(step for step in (1, 2, 7, 14, count) if count <= step * MOST_DAY_NAMES)
    return alt.X(
        "day:O",
        title=None,
        scale=alt.Scale(domain=every, padding=0),
        axis=alt.Axis(
            values=every[::step],
            labelExpr="utcFormat(toDate(datum.value), '%-d %b')",
            labelAngle=0,
            grid=False,
        ),
    )
