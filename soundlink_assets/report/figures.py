"""The figures of a campaign's section, with their titles and how to read them.

Bars over days are charts; countries, tracks and positions are rows of HTML, whose bars are placed
in percent of the room that they get.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import date
from functools import partial
from itertools import groupby
from typing import Any, NamedTuple

import polars as pl

from soundlink_assets.report import charts, formats
from soundlink_assets.report.content import SHOWN_DAYS
from soundlink_assets.schema.window import final_at

Row = dict[str, Any]

MAX_COUNTRIES = 15
MAX_TRACKS = 8
MAX_MONTHS = 12

LEAST_SPEND_SHARE = 0.002
"""Countries with a smaller part of the campaign's spend are not drawn: people on a journey."""


@dataclass(frozen=True, slots=True)
class Figure:
    """What is shown, and how to read it.

    `kind` chooses the macro of the template, which gets `parts`: `chart` (`svgs`, for wide and for
    narrow screens), `open_days` (`days`), `countries` (`bars`, the axis from 0 to `limit`, and
    where the `campaign` is), `tracks` (`bars` in a `colour`), `positions` (`tracks` over `days`
    from `first` to `last`).
    """

    kind: str
    title: str
    caption: str
    parts: dict[str, Any]


class CountryBar(NamedTuple):
    """A country: texts, and where its cost and its interval lie, in percent of the axis."""

    name: str
    texts: dict[str, str]
    low: float
    high: float
    cost: float | None


class OpenDay(NamedTuple):
    """A day that may still change: texts."""

    name: str
    texts: dict[str, str]


class TrackBar(NamedTuple):
    """A track: its plays as text, and its bar in percent of the longest."""

    name: str
    text: str
    width: float


class Places(NamedTuple):
    """A track's positions: runs of days (first, number, opacity, text), and the newest position."""

    name: str
    runs: list[tuple[int, int, float, str]]
    newest: int | None


def _chart(title: str, caption: str, label: str, draw: Callable[[charts.Size], Any]) -> Figure:
    sizes = (charts.WIDE, charts.NARROW)
    svgs = [charts.svg(draw(size), label, size) for size in sizes]
    return Figure("chart", title, caption, {"svgs": svgs})


def spend_figures(
    spend: pl.DataFrame, nowcast: pl.DataFrame, currency: str | None
) -> Iterator[Figure]:
    """Spend and listeners by day, and what open days will come to. No figure without data."""
    if spend.is_empty():
        return
    is_expected = nowcast["expected"].count() > 0
    hollow = " Hollow above them: what they are expected to come to." if is_expected else ""
    yield _chart(
        "Spend against listeners, day by day",
        f"{_shown(spend)} Paler bars on a shaded band may still change.{hollow}",
        "Media spend and listeners by day",
        partial(charts.spend_and_listeners, spend, currency, expected=nowcast),
    )
    listeners = nowcast.filter(measure="listeners").sort("report_date")
    if not listeners.is_empty():
        yield Figure(
            "open_days",
            "What the open days will come to",
            "Reported: the figures as they are now, which all sums and costs on this page are "
            "made from. Expected: an estimate from how earlier days came about; 95% of such "
            "intervals hold the final figure. A dash: too few final days are known yet.",
            {
                "days": [
                    _open_day(row, nowcast, currency) for row in listeners.iter_rows(named=True)
                ]
            },
        )


def _open_day(listeners: Row, nowcast: pl.DataFrame, currency: str | None) -> OpenDay:
    day = listeners["report_date"]
    paid = nowcast.filter(measure="spend_media", report_date=day).to_dicts()
    spend = paid[0] if paid else {"reported": None, "expected": None}
    return OpenDay(
        formats.day(day),
        {
            "listeners reported": formats.count(_whole(listeners["reported"])),
            "expected": formats.count(_whole(listeners["expected"])),
            "95% interval": _interval(listeners),
            "spend reported": formats.money(spend["reported"], currency),
            "spend expected": formats.money(spend["expected"], currency),
            "final on": formats.day(final_at(day).date()),
        },
    )


def _whole(number: float | None) -> int | None:
    return None if number is None else round(number)


def _interval(said: Row) -> str:
    if said["low"] is None:
        return formats.UNKNOWN
    return f"{formats.count(round(said['low']))} to {formats.count(round(said['high']))}"


def country_figures(countries: pl.DataFrame, campaign_cost: float | None) -> Iterator[Figure]:
    """Countries by cost per listener. No figure without data."""
    paid = countries.filter(pl.col("rank").is_not_null())
    share = pl.col("spend_media").cast(pl.Float64) / float(paid["spend_media"].sum() or 1)
    noted = paid.filter(share >= LEAST_SPEND_SHARE)
    shown = noted.top_k(MAX_COUNTRIES, by="spend_media").sort("rank", "country_code")
    if shown.is_empty():
        return
    limit = _cost_limit(shown, campaign_cost)
    has_value = shown["break_even_cost_per_listener"].count() > 0
    earned = " Earned: what a listener's streams were paid by the statements." if has_value else ""
    note = _left_out(paid.height - noted.height, noted.height - shown.height)
    yield Figure(
        "countries",
        "What a listener costs in each country",
        "Media spend, cheapest first after allowing for chance. Dot: cost per "
        "listener; bar around it: 95% interval, shorter than the dot where there are many "
        f"listeners; line: the campaign.{earned}{note}",
        {
            "bars": [
                _country_bar(row, limit, has_value=has_value) for row in shown.iter_rows(named=True)
            ],
            "limit": formats.cost(limit, shown["currency"][0]),
            "campaign": None if campaign_cost is None else 100 * campaign_cost / limit,
        },
    )


def _country_bar(row: Row, limit: float, *, has_value: bool) -> CountryBar:
    currency, cost, high = row["currency"], row["cost_per_listener"], row["cost_per_listener_high"]
    low = 100 * min(row["cost_per_listener_low"], limit) / limit
    value = formats.cost(row["break_even_cost_per_listener"], currency)
    return CountryBar(
        name=formats.country(row["country_code"]),
        texts={
            "per listener": formats.cost(cost, currency),
            "with fees": formats.cost(row["cost_per_listener_all_in"], currency),
            "media spend": formats.money(row["spend_media"], currency),
            "listeners": formats.count(row["listeners"]),
            "likely cheaper?": formats.chance(row["probability_beats_campaign"]),
            **({"earned": value} if has_value else {}),
        },
        low=low,
        high=100 * min(limit if high is None else high, limit) / limit,
        cost=None if cost is None else 100 * cost / limit,
    )


def _cost_limit(countries: pl.DataFrame, campaign_cost: float | None) -> float:
    """Right end of the axis: all dots, and as much of the intervals as leaves the dots apart."""
    dots = countries["cost_per_listener"].drop_nulls().to_list()
    most = max([*dots, campaign_cost or 0, *countries["cost_per_listener_low"]])
    highs = countries["cost_per_listener_high"].drop_nulls().to_list()
    return float(min(max([most, *highs]), 1.6 * most)) or 1.0


def _left_out(little: int, more: int) -> str:
    """Which countries are not drawn, and why: hardly any spend, or no room."""
    no_spend = f" Countries with hardly any spend are left out ({little})." if little else ""
    no_room = (
        f" Only the {MAX_COUNTRIES} countries with the greatest spend are drawn: {more} more are "
        "left out."
    )
    return no_spend + (no_room if more else "")


def spillover_figures(plays: pl.DataFrame, tracks: pl.DataFrame) -> Iterator[Figure]:
    """Promoted and other plays by day, and the other tracks. No figure without data."""
    if not plays.select(pl.max_horizontal("promoted_streams", "spillover_streams").max()).item():
        return
    yield _chart(
        "Plays of the promoted track and of the artist's other tracks",
        f"{_shown(plays)} Below: the other tracks' share of the plays of the seven days until "
        "then. Plays go on after a campaign has ended.",
        "Plays by day, promoted and other tracks",
        partial(charts.spillover_by_day, _with_week_share(plays)),
    )
    if not tracks.is_empty():
        yield Figure(
            "tracks",
            "The other tracks that were played most",
            f"{_shown(plays)} Share of all plays of other tracks in that time.",
            {"colour": charts.SPILLOVER, "bars": _track_bars(tracks)},
        )


def _with_week_share(plays: pl.DataFrame) -> pl.DataFrame:
    """The days with `share`: spillover plays of seven days over all their plays."""
    spillover, promoted = (
        pl.col(name).cast(pl.Float64).sum() for name in ("spillover_streams", "promoted_streams")
    )
    week = (
        plays.sort("report_date")
        .rolling("report_date", period="7d")
        .agg(
            pl.when(spillover + promoted > 0)
            .then(spillover / (spillover + promoted))
            .alias("share")
        )
    )
    return plays.join(week, on="report_date")


def statement_figures(months: pl.DataFrame) -> Iterator[Figure]:
    """The streams of the promoted track that were paid, by month. No figure without data."""
    paid = months.filter(pl.col("statement_streams") > 0).sort("month").tail(MAX_MONTHS)
    if paid.is_empty():
        return
    most = max(paid["statement_streams"])
    yield Figure(
        "tracks",
        "What Spotify paid of the promoted track, month by month",
        "Streams by the distributors' statements, and the part that listeners of campaigns "
        "brought: a floor, since only those who connected Spotify are seen. In brackets: before, "
        "during, between or after the months with spend.",
        {
            "bars": [
                TrackBar(
                    formats.month(row["month"]) + (f" ({row['phase']})" if row["phase"] else ""),
                    f"{formats.count(row['statement_streams'])}, "
                    f"{formats.percent(row['attributed_share'])} from campaigns",
                    100 * row["statement_streams"] / most,
                )
                for row in paid.iter_rows(named=True)
            ],
            "colour": charts.LISTENERS,
        },
    )


def playlist_figures(playlist: pl.DataFrame) -> Iterator[Figure]:
    """A playlist's tracks and their positions. No figure without data."""
    if playlist.is_empty():
        return
    per_track = playlist.group_by("track_id").agg(
        pl.col("track_name").sort_by("report_date").last(), pl.col("streams").cast(pl.Int128).sum()
    )
    top = top_tracks(per_track)
    yield Figure(
        "tracks",
        "The playlist's tracks that were played most",
        f"{_shown(playlist)} Share of all plays from the playlist in that time.",
        {"colour": charts.LISTENERS, "bars": _track_bars(top)},
    )
    placed = playlist.drop_nulls("playlist_position").filter(
        pl.col("track_id").is_in(top["track_id"].implode())
    )
    if not placed.is_empty():
        first, last = _ends(playlist)
        greatest = max(placed["playlist_position"])
        yield Figure(
            "positions",
            "Positions of these tracks in the playlist",
            f"{_shown(playlist)} Darker is nearer the top, which is 1. Blank: not known for that "
            "day.",
            {
                "tracks": [
                    _places(name, placed.filter(track_id=track_id), first, greatest)
                    for track_id, name in top.select("track_id", "track_name").iter_rows()
                ],
                "days": (last - first).days + 1,
                "first": formats.day(first),
                "last": formats.day(last),
            },
        )


def _places(name: str, placed: pl.DataFrame, first: date, greatest: int) -> Places:
    """Runs of days with one position; the opacity falls from the top to the greatest position."""
    by_day = dict(placed.sort("report_date").select("report_date", "playlist_position").iter_rows())
    runs = []
    # Equal positions on days in a row have the same difference of day and place in the list.
    for (position, _), run in groupby(
        enumerate(by_day), key=lambda at: (by_day[at[1]], at[1].toordinal() - at[0])
    ):
        days = [day for _, day in run]
        opacity = 1 - 0.85 * (position - 1) / max(greatest - 1, 1)
        text = f"{formats.span(days[0], days[-1])}: {position}"
        runs.append(((days[0] - first).days, len(days), round(opacity, 2), text))
    return Places(name, runs, by_day[max(by_day)] if by_day else None)


def top_tracks(tracks: pl.DataFrame) -> pl.DataFrame:
    """The most played tracks, with their share of all plays; equal titles are numbered."""
    again = pl.int_range(1, pl.len() + 1).over("track_name")
    numbered = pl.format("{} ({})", "track_name", again)
    return (
        tracks.filter(pl.col("streams") > 0)
        .with_columns((pl.col("streams") / pl.col("streams").sum()).alias("share"))
        .sort("streams", "track_id", descending=[True, False])
        .head(MAX_TRACKS)
        .with_columns(pl.col("track_name").map_elements(formats.printable, return_dtype=pl.String))
        .with_columns(pl.when(again > 1).then(numbered).otherwise("track_name").alias("track_name"))
    )


def _track_bars(tracks: pl.DataFrame) -> list[TrackBar]:
    return [
        TrackBar(
            row["track_name"],
            f"{formats.count(row['streams'])} ({formats.percent(row['share'])})",
            100 * row["streams"] / tracks["streams"][0],
        )
        for row in tracks.iter_rows(named=True)
    ]


def _shown(frame: pl.DataFrame) -> str:
    first, last = _ends(frame)
    if (last - first).days + 1 >= SHOWN_DAYS:
        return f"The last {SHOWN_DAYS} days."
    return f"{formats.span(first, last)}."


def _ends(frame: pl.DataFrame) -> tuple[date, date]:
    days = sorted(frame["report_date"])
    return days[0], days[-1]
