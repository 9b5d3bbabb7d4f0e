"""What the page says: notices, headline figures, the overview of campaigns, and their sections."""

from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import date, timedelta
from typing import Any

import polars as pl

from soundlink_assets.report import formats
from soundlink_assets.report.content import (
    ReportContent,
    earlier_open_days,
    missing_days,
    open_days,
    open_days_of,
    overdue_days,
)
from soundlink_assets.report.figures import (
    Figure,
    Row,
    country_figures,
    playlist_figures,
    spend_figures,
    spillover_figures,
    statement_figures,
    top_tracks,
)
from soundlink_assets.report.findings import findings
from soundlink_assets.schema.analytics import FINAL_DAYS, FINAL_SUFFIX

MAX_SECTIONS = 20
"""Campaigns with a section of their own; the overview has all."""

_STATES = {"scheduled": "has not started", "active": "running", "ended": "ended"}


@dataclass(frozen=True, slots=True)
class Tile:
    """One headline figure, with lines below it."""

    label: str
    value: str
    notes: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Section:
    """One campaign in one currency."""

    anchor: str
    name: str
    subtitle: str
    tiles: list[Tile]
    findings: list[str]
    still_open: str
    figures: list[Figure]


@dataclass(frozen=True, slots=True)
class Overview:
    """One row of the table of campaigns: texts by column, each with a note, and its section."""

    anchor: str
    name: str
    kind: str
    state: str
    columns: dict[str, tuple[str, str]] = field(default_factory=dict)


def notices(content: ReportContent) -> list[tuple[str, str]]:
    """What a reader must know first, as (`bad` or `warn`, sentence)."""
    found = []
    current = [check for check in content.checks if not check.is_outdated and not check.passed]
    errors = sum(check.severity == "ERROR" for check in current)
    if errors:
        failed = formats.number_of(errors, "check")
        found.append(("bad", f"{failed} of the data failed: figures below may be wrong."))
    if len(current) > errors:
        warned = formats.number_of(len(current) - errors, "check")
        found.append(("warn", f"{warned} of the data gave a warning."))
    if missing := missing_days(content):
        found.append(("bad", f"Not loaded: {formats.spans(missing)}."))
    if overdue := overdue_days(content):
        late = "Should be final by now, and was not fetched again"
        found.append(("warn", f"{late}: {formats.spans(overdue)}."))
    return found


def headline(content: ReportContent) -> list[Tile]:
    """The organisation's figures to date: one set for each currency, and the spillover."""
    cards = content.campaign_scorecard
    tiles = []
    for currency in cards["currency"].drop_nulls().unique().sort():
        total = _totals(cards.filter(pl.col("currency") == currency))
        tiles += _cost_tiles(
            total
            | {
                "currency": currency,
                "cost_per_listener": _ratio(total["spend_media"], total["listeners"]),
                "cost_per_listener_all_in": _ratio(total["spend_total"], total["listeners"]),
                "cost_per_follower": _ratio(total["spend_media"], total["followers"]),
            }
        )
    plays = _totals(cards.unique("campaign_id"))
    catalog = plays["promoted_streams"] + plays["spillover_streams"]
    if catalog:
        share = formats.percent(_ratio(plays["spillover_streams"], catalog))
        tiles.append(Tile("Plays of other tracks", share, ("of track campaigns",)))
    return tiles


def _totals(cards: pl.DataFrame) -> Row:
    counts = ("listeners", "followers", "promoted_streams", "spillover_streams")
    return cards.select(
        pl.col("spend_media", "spend_total").sum(),
        pl.col(counts).cast(pl.Int128).sum(),
        pl.when(pl.col("expected_listeners").is_not_null().all())
        .then(pl.col("expected_listeners").sum())
        .first(),
    ).row(0, named=True)


def _cost_tiles(card: Row) -> list[Tile]:
    currency = card["currency"]
    per_listener = [_with_fees(formats.cost(card["cost_per_listener_all_in"], currency))]
    if "cost_per_listener_low" in card:
        ends = (card["cost_per_listener_low"], card["cost_per_listener_high"])
        per_listener.append(f"95%: {formats.interval(*ends, currency)}")
    return [
        Tile(
            "Media spend",
            formats.money(card["spend_media"], currency),
            (_with_fees(formats.money(card["spend_total"], currency)),),
        ),
        Tile("Listeners", formats.count(card["listeners"]), _listener_notes(card)),
        Tile(
            "Cost per listener",
            formats.cost(card["cost_per_listener"], currency),
            tuple(per_listener),
        ),
        Tile(
            "Cost per follower",
            formats.cost(card["cost_per_follower"], currency),
            (f"{formats.count(card['followers'])} followers",),
        ),
    ]


def _listener_notes(card: Row) -> tuple[str, ...]:
    """What is counted, and what the sum will come to if that is more."""
    expected = card["expected_listeners"]
    is_more = expected is not None and round(expected) > (card["listeners"] or 0)
    more = f"expected once final: {formats.count(round(expected))}" if is_more else ""
    return ("sum of daily listeners", more)


def _with_fees(amount: str) -> str:
    return "" if amount == formats.UNKNOWN else f"{amount} with fees"


def overview(content: ReportContent) -> list[Overview]:
    """All campaigns, the greatest spend first; last, those that have no figures yet."""
    rows = [
        _overview_row(card, content, _anchor(card) if place < MAX_SECTIONS else "")
        for place, card in enumerate(_cards(content))
    ]
    known = content.campaign_scorecard["campaign_id"].implode()
    for campaign in (
        content.campaigns.filter(~pl.col("campaign_id").is_in(known))
        .unique("campaign_id")
        .sort("campaign_id")
        .iter_rows(named=True)
    ):
        name = campaign["promoted_name"] or campaign["campaign_id"]
        state = _STATES.get(campaign.get("status") or "", "no figures yet")
        rows.append(Overview("", name, _kind(campaign), state))
    return rows


def _overview_row(card: Row, content: ReportContent, anchor: str) -> Overview:
    currency, known = card["currency"], _campaign(card, content)
    ends = (card["cost_per_listener_low"], card["cost_per_listener_high"])
    return Overview(
        anchor,
        _name(card, content),
        _kind(known),
        _state(known),
        {
            "Media spend": (
                formats.money(card["spend_media"], currency),
                _with_fees(formats.money(card["spend_total"], currency)),
            ),
            "Listeners": (formats.count(card["listeners"]), ""),
            "Per listener": (
                formats.cost(card["cost_per_listener"], currency),
                _with_fees(formats.cost(card["cost_per_listener_all_in"], currency)),
            ),
            "95% interval": (formats.interval(*ends, currency), ""),
            "Per follower": (formats.cost(card["cost_per_follower"], currency), ""),
            "Plays of other tracks": (formats.percent(card["spillover_stream_share"]), ""),
            "Final": (formats.percent(card["settled_spend_share"]), ""),
        },
    )


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
    mine = content.of(card["campaign_id"], card["currency"])
    tracks = top_tracks(mine.spillover_tracks)
    return Section(
        anchor=_anchor(card),
        name=_name(card, content),
        subtitle=_subtitle(card, mine),
        tiles=[*_cost_tiles(card), *_more_tiles(card), *_return_tiles(mine)],
        findings=findings(card, mine.country_scorecard, tracks),
        still_open=_still_open(card, mine),
        figures=[
            *spend_figures(mine.spend_by_day, mine.nowcast, card["currency"]),
            *country_figures(mine.country_scorecard, card["cost_per_listener"]),
            *spillover_figures(mine.plays_by_day, tracks),
            *playlist_figures(mine.playlist_tracks),
            *statement_figures(mine.track_months),
        ],
    )


def _more_tiles(card: Row) -> list[Tile]:
    tiles = [_final_tile(card)]
    if card["spillover_stream_share"] is not None:
        tiles.append(
            Tile(
                "Plays of other tracks",
                formats.percent(card["spillover_stream_share"]),
                (f"{formats.ratio(card['halo_multiplier'])} per play of the promoted one",),
            )
        )
    return tiles


def _return_tiles(mine: ReportContent) -> list[Tile]:
    """What came back by the distributors' statements; nothing without any."""
    return [
        Tile(
            "Earned back",
            formats.percent(row["recoup_ratio"]),
            (
                f"{_revenue(row)} of {formats.money(row['spend_total'], row['currency'])}",
                f"statements until {formats.month(row['covers_until'])}"
                + ("" if row["covers_campaign"] else ", not yet all"),
                "final days; an estimate",
            ),
        )
        for row in mine.campaign_return.drop_nulls(["recoup_ratio", "covers_until"]).rows(
            named=True
        )
    ]


def _revenue(row: Row) -> str:
    low, amount, high = (
        formats.money(row[f"attributed_revenue{end}"], row["currency"])
        for end in ("_low", "", "_high")
    )
    return amount if low == high else f"{amount} ({low} to {high})"


def _final_tile(card: Row) -> Tile:
    """The cost over the newest final days, under the days that it is really of."""
    days, currency = card[f"days{FINAL_SUFFIX}"], card["currency"]
    if not days:
        return Tile("Final days", formats.UNKNOWN, ("none yet",))
    first = max(card["last_settled_day"] - timedelta(days=FINAL_DAYS - 1), card["first_day"])
    last = min(card["last_settled_day"], card["last_day"])
    return Tile(
        formats.number_of(days, "final day"),
        formats.cost(card[f"cost_per_listener{FINAL_SUFFIX}"], currency),
        (
            "per listener",
            _with_fees(formats.cost(card[f"cost_per_listener_all_in{FINAL_SUFFIX}"], currency)),
            formats.span(first, last),
        ),
    )


def _still_open(card: Row, mine: ReportContent) -> str:
    drawn, earlier = open_days(mine), earlier_open_days(mine)
    share = card["settled_spend_share"]
    of_spend = 0.0 if share is None else 1 - share
    if not (drawn or earlier or of_spend):
        has_figures = card["days"] or mine.plays_by_day.height or mine.playlist_tracks.height
        return "All figures are final." if has_figures else ""
    parts = [formats.spans(drawn)]
    if earlier or not drawn:
        parts.append("days before those that are drawn")
    if of_spend:
        parts.append(f"{formats.percent(of_spend)} of the spend")
    elif not open_days_of(mine.spend_by_day) and not earlier:
        parts.append("plays only")
    return (
        f"Still open: {', '.join(part for part in parts if part)}. "
        "Late listeners, followers and plays are added to a day for a week after it."
    )


def _campaign(card: Row, content: ReportContent) -> Row:
    found = content.campaigns.filter(pl.col("campaign_id") == card["campaign_id"])
    return found.row(0, named=True) if found.height else {}


def _kind(campaign: Row) -> str:
    return campaign.get("target_type") or "undetermined"


def _state(campaign: Row) -> str:
    return _STATES.get(campaign.get("status") or "", "")


def _subtitle(card: Row, mine: ReportContent) -> str:
    known = _campaign(card, mine)
    kind = known.get("target_type")
    what = {"track": "Track campaign", "playlist": "Playlist campaign"}.get(kind or "", "Campaign")
    promoted = known.get("promoted_name")
    state = _state(known)
    paid = mine.spend_by_day.filter(pl.col("spend_media") > 0)["report_date"].max()
    if known.get("status") == "ended" and isinstance(paid, date):
        state += f", last spend on {formats.day(paid)}"
    parts = [
        f"{what} for {promoted}" if promoted else what,
        known.get("artist_name"),
        f"figures of {formats.span(card['first_day'], card['last_day'])}",
        state,
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
