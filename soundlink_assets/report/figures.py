"""The charts of a campaign's section, with their titles and how to read them."""

from dataclasses import dataclass

import polars as pl

from soundlink_assets.report import charts, formats
from soundlink_assets.report.chart_style import LISTENERS
from soundlink_assets.report.content import SHOWN_DAYS
from soundlink_assets.report.printable import printable
from soundlink_assets.report.rendering import svg

MAX_COUNTRIES = 15
MAX_TRACKS = 8

LEAST_SPEND_SHARE = 0.002
"""Countries with a smaller part of the campaign's spend are not drawn: people on a journey."""


@dataclass(frozen=True, slots=True)
class Figure:
    """One chart: what it shows, and how to read it."""

    title: str
    caption: str
    svg: str


def spend_figures(spend: pl.DataFrame, currency: str | None) -> list[Figure]:
    """Spend and listeners by day. No figure without data."""
    if spend.is_empty():
        return []
    chart = charts.spend_and_listeners(spend, currency)
    return [
        Figure(
            "Spend against listeners, day by day",
            f"{_shown(spend)} Paler bars on a shaded band may still change.",
            svg(chart, "Media spend and listeners by day"),
        )
    ]


def country_figures(countries: pl.DataFrame, campaign_cost: float | None) -> list[Figure]:
    """Countries by cost per listener. No figure without data."""
    paid = countries.filter(pl.col("rank").is_not_null())
    share = pl.col("spend_media").cast(pl.Float64) / float(paid["spend_media"].sum() or 1)
    noted = paid.filter(share >= LEAST_SPEND_SHARE)
    shown = noted.top_k(MAX_COUNTRIES, by="spend_media").sort("rank", "country_code")
    if shown.is_empty():
        return []
    note = _left_out(paid.height - noted.height, noted.height - shown.height)
    return [
        Figure(
            "What a listener costs in each country",
            "To date, cheapest first after allowing for chance. Dot: cost per listener; bar around "
            "it: 95% interval, shorter than the dot where there are many listeners; dashed line: "
            f"the campaign.{note}",
            svg(charts.country_costs(shown, campaign_cost), "Cost per listener by country"),
        )
    ]


def _left_out(little: int, more: int) -> str:
    """Which countries are not drawn, and why: hardly any spend, or no room."""
    no_spend = f" Countries with hardly any spend are left out ({little})." if little else ""
    no_room = (
        f" Only the {MAX_COUNTRIES} countries with the greatest spend are drawn: {more} more are "
        "left out."
    )
    return no_spend + (no_room if more else "")


def spillover_figures(plays: pl.DataFrame, tracks: pl.DataFrame) -> list[Figure]:
    """Promoted and other plays by day, and the other tracks. No figure without data."""
    if not plays.select(pl.col("promoted_streams") + pl.col("spillover_streams")).sum().item():
        return []
    figures = [
        Figure(
            "Plays of the promoted track and of the artist's other tracks",
            f"{_shown(plays)} Below: the other tracks' share of the plays of the seven days until "
            "then. Plays go on after a campaign has ended.",
            svg(
                charts.spillover_by_day(_with_week_share(plays)),
                "Plays by day, promoted and other tracks",
            ),
        )
    ]
    if not tracks.is_empty():
        figures.append(
            Figure(
                "The other tracks that were played most",
                f"{_shown(plays)} Share of all plays of other tracks in that time.",
                svg(charts.track_bars(tracks), "Other tracks by plays"),
            )
        )
    return figures


def _with_week_share(plays: pl.DataFrame) -> pl.DataFrame:
    """The days with `share`: spillover plays of seven days over all their plays."""
    spillover, promoted = pl.col("spillover_streams").sum(), pl.col("promoted_streams").sum()
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


def playlist_figures(playlist: pl.DataFrame) -> list[Figure]:
    """A playlist's tracks and their positions. No figure without data."""
    if playlist.is_empty():
        return []
    per_track = playlist.group_by("track_id").agg(
        pl.col("track_name").sort_by("report_date").last(), pl.col("streams").sum()
    )
    top = top_tracks(per_track)
    figures = [
        Figure(
            "The playlist's tracks that were played most",
            f"{_shown(playlist)} Share of all plays from the playlist in that time.",
            svg(charts.track_bars(top, colour=LISTENERS), "Playlist tracks by plays"),
        )
    ]
    named = top.select("track_id", "track_name").join(
        playlist.drop("track_name"), on="track_id", maintain_order="left"
    )
    if named["playlist_position"].count():
        figures.append(
            Figure(
                "Where these tracks stood in the playlist",
                f"{_shown(playlist)} Darker is nearer the top, which is 1. Blank: not known for "
                "that day.",
                svg(charts.playlist_positions(named), "Playlist positions by day"),
            )
        )
    return figures


def top_tracks(tracks: pl.DataFrame) -> pl.DataFrame:
    """The most played tracks, with their share of all plays; equal titles are numbered."""
    again = pl.int_range(1, pl.len() + 1).over("track_name")
    numbered = pl.format("{} ({})", "track_name", again)
    return (
        tracks.filter(pl.col("streams") > 0)
        .with_columns((pl.col("streams") / pl.col("streams").sum()).alias("share"))
        .sort("streams", "track_id", descending=[True, False])
        .head(MAX_TRACKS)
        .with_columns(pl.col("track_name").map_elements(printable, return_dtype=pl.String))
        .with_columns(pl.when(again > 1).then(numbered).otherwise("track_name").alias("track_name"))
    )


def _shown(frame: pl.DataFrame) -> str:
    days = sorted(frame["report_date"])
    if (days[-1] - days[0]).days + 1 >= SHOWN_DAYS:
        return f"The last {SHOWN_DAYS} days."
    return f"{formats.span(days[0], days[-1])}."
