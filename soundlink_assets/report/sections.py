"""The report's content as the page shows it: headline figures, overview, campaign sections."""

from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Any

import polars as pl

from soundlink_assets.report import formats
from soundlink_assets.report.content import ReportContent
from soundlink_assets.report.figures import (
    Figure,
    country_figures,
    playlist_figures,
    spend_figures,
    spillover_figures,
    top_tracks,
)
from soundlink_assets.report.findings import Row, findings
from soundlink_assets.report.settling import earlier_open_days, open_days, unsettled

MAX_SECTIONS = 20
"""Campaigns with a section of their own; the overview has all."""


@dataclass(frozen=True, slots=True)
class Tile:
    """One headline figure."""

    label: str
    value: str
    note: str = ""


@dataclass(frozen=True, slots=True)
class Section:
    """One campaign in one currency."""

    anchor: str
    name: str
    subtitle: str
    tiles: list[Tile]
    findings: list[str]
    provisional: str
    figures: list[Figure]


@dataclass(frozen=True, slots=True)
class Overview:
    """One row of the table of campaigns; texts, and where its section is."""

    anchor: str
    name: str
    kind: str
    cells: list[str]


OVERVIEW_COLUMNS = (
    "Spend",
    "Listeners",
    "Per listener",
    "95% interval",
    "Per follower",
    "Plays of other tracks",
    "Settled",
)


def headline(content: ReportContent) -> list[Tile]:
    """The organisation's figures to date: one set for each currency, and the spillover."""
    cards = content.campaign_scorecard
    tiles = []
    for currency in cards["currency"].drop_nulls().unique().sort():
        total = _totals(cards.filter(pl.col("currency") == currency))
        spend, listeners, followers = total["spend_media"], total["listeners"], total["followers"]
        tiles += [
            Tile("Media spend", formats.money(spend, currency), "without Soundlink's fee"),
            Tile("Listeners", formats.count(listeners), "sum of daily listeners"),
            Tile("Cost per listener", formats.cost(_ratio(spend, listeners), currency)),
            Tile("New followers", formats.count(followers)),
            Tile("Cost per follower", formats.cost(_ratio(spend, followers), currency)),
        ]
    plays = _totals(cards.unique("campaign_id"))
    catalogue = plays["promoted_streams"] + plays["spillover_streams"]
    if catalogue:
        share = _ratio(plays["spillover_streams"], catalogue)
        tiles.append(Tile("Plays of other tracks", formats.percent(share), "of track campaigns"))
    return tiles


def _totals(cards: pl.DataFrame) -> Row:
    measures = ("spend_media", "listeners", "followers", "promoted_streams", "spillover_streams")
    return cards.select(pl.col(measures).sum()).row(0, named=True)


def overview(content: ReportContent) -> list[Overview]:
    """All campaigns, the greatest spend first."""
    return [
        Overview(
            _anchor(card) if place < MAX_SECTIONS else "",
            _name(card, content),
            _kind(card, content),
            [
                formats.money(card["spend_media"], card["currency"]),
                formats.count(card["listeners"]),
                formats.cost(card["cost_per_listener"], card["currency"]),
                formats.interval(
                    card["cost_per_listener_low"], card["cost_per_listener_high"], card["currency"]
                ),
                formats.cost(card["cost_per_follower"], card["currency"]),
                formats.percent(card["spillover_stream_share"]),
                formats.percent(card["settled_spend_share"]),
            ],
        )
        for place, card in enumerate(_cards(content))
    ]


def sections(content: ReportContent) -> Iterator[Section]:
    """The campaigns with the greatest spend, each on its own."""
    for card in _cards(content)[:MAX_SECTIONS]:
        yield _section(card, content)


def _cards(content: ReportContent) -> list[Row]:
    ordered = content.campaign_scorecard.sort(
        "spend_media", "campaign_id", descending=[True, False], nulls_last=True
    )
    return ordered.rows(named=True)


def _section(card: Row, content: ReportContent) -> Section:
    mine = _shown_of(card, content)
    tracks = top_tracks(mine.spillover_tracks)
    currency = card["currency"]
    return Section(
        anchor=_anchor(card),
        name=_name(card, content),
        subtitle=_subtitle(card, content),
        tiles=_tiles(card),
        findings=findings(card, mine.country_scorecard, tracks),
        provisional=_provisional(card, mine),
        figures=[
            *spend_figures(mine.spend_by_day, currency),
            *country_figures(mine.country_scorecard, card["cost_per_listener"]),
            *spillover_figures(mine.plays_by_day, tracks),
            *playlist_figures(mine.playlist_tracks),
        ],
    )


def _shown_of(card: Row, content: ReportContent) -> ReportContent:
    """The part of the content that a card's section shows. Plays have no currency: all of them."""
    mine = pl.col("campaign_id") == card["campaign_id"]
    same = mine & pl.col("currency").eq_missing(pl.lit(card["currency"]))
    return replace(
        content,
        campaign_scorecard=content.campaign_scorecard.filter(same),
        country_scorecard=content.country_scorecard.filter(same),
        spend_by_day=content.spend_by_day.filter(same),
        plays_by_day=content.plays_by_day.filter(mine),
        spillover_tracks=content.spillover_tracks.filter(mine),
        playlist_tracks=content.playlist_tracks.filter(mine),
    )


def _tiles(card: Row) -> list[Tile]:
    currency = card["currency"]
    tiles = [
        Tile(
            "Media spend",
            formats.money(card["spend_media"], currency),
            f"{formats.money(card['spend_total'], currency)} with fees",
        ),
        Tile("Listeners", formats.count(card["listeners"]), "sum of daily listeners"),
        Tile(
            "Cost per listener",
            formats.cost(card["cost_per_listener"], currency),
            formats.interval(
                card["cost_per_listener_low"], card["cost_per_listener_high"], currency
            ),
        ),
        Tile(
            "Cost per follower",
            formats.cost(card["cost_per_follower"], currency),
            f"{formats.count(card['followers'])} followers",
        ),
        Tile(
            "Last 28 settled days",
            formats.cost(card["cost_per_listener_28d"], currency),
            f"per listener, {formats.money(card['spend_media_28d'], currency)} spent",
        ),
    ]
    if card["spillover_stream_share"] is not None:
        tiles.append(
            Tile(
                "Plays of other tracks",
                formats.percent(card["spillover_stream_share"]),
                f"{formats.ratio(card['halo_multiplier'])} per play of the promoted one",
            )
        )
    return tiles


def _provisional(card: Row, mine: ReportContent) -> str:
    drawn, earlier = open_days(mine), earlier_open_days(mine)
    share = card["settled_spend_share"]
    of_spend = 0.0 if share is None else 1 - share
    if not (drawn or earlier or of_spend):
        return "All figures are settled." if _has_figures(card, mine) else ""
    parts = [formats.spans(drawn)]
    if earlier or not drawn:
        parts.append("days before those that are drawn")
    if of_spend:
        parts.append(f"{formats.percent(of_spend)} of the spend")
    elif not unsettled(mine.spend_by_day) and not earlier:
        parts.append("plays only")
    return (
        f"Still provisional: {', '.join(part for part in parts if part)}. "
        "Late listeners, followers and plays are added to a day for a week after it."
    )


def _has_figures(card: Row, mine: ReportContent) -> bool:
    return bool(card["days"] or mine.plays_by_day.height or mine.playlist_tracks.height)


def _of(card: Row, content: ReportContent) -> Row:
    found = content.campaigns.filter(pl.col("campaign_id") == card["campaign_id"])
    return found.row(0, named=True) if found.height else {}


def _kind(card: Row, content: ReportContent) -> str:
    return _of(card, content).get("target_type") or "undetermined"


def _subtitle(card: Row, content: ReportContent) -> str:
    known = _of(card, content)
    kind = known.get("target_type")
    what = {"track": "Track campaign", "playlist": "Playlist campaign"}.get(kind or "", "Campaign")
    promoted = known.get("promoted_name")
    parts = [
        f"{what} for {promoted}" if promoted else what,
        known.get("artist_name"),
        formats.span(card["first_day"], card["last_day"]),
    ]
    return " · ".join(part for part in parts if part)


def _name(card: Row, content: ReportContent) -> str:
    same = content.campaign_scorecard.filter(pl.col("campaign_id") == card["campaign_id"])
    several = same.height > 1
    return f"{card['campaign_name']} ({card['currency']})" if several else card["campaign_name"]


def _anchor(card: Row) -> str:
    return f"c-{card['campaign_id']}-{card['currency'] or 'none'}"


def _ratio(numerator: Any, denominator: Any) -> float | None:
    return float(numerator) / float(denominator) if denominator else None
