"""What a link achieves on a day, as far as an export of a given moment shows it.

Three models, chosen by the key of the export: figures by country, plays by country and track, and,
for an export with another key, an audience that is divided over the values of the key. A model
yields the values that it knows; what else the columns need is filled in by `rows`.

Values: counts as whole numbers (None: not reported), money in cents, text as JSON text.
"""

import random
from collections.abc import Callable
from dataclasses import dataclass
from datetime import date, timedelta
from itertools import product
from math import exp
from typing import Any, NamedTuple

from soundlink_assets.sandbox import draws
from soundlink_assets.sandbox.completeness import Stage
from soundlink_assets.sandbox.formatting import half_up, text
from soundlink_assets.sandbox.links import Link, Market, Track
from soundlink_assets.schema import Export
from soundlink_assets.schema.fields import PLAYLIST
from soundlink_assets.schema.rules import KnownValues

Values = dict[str, Any]

_MEDIA_SHARE = 0.8

# By country
_LATE_ATTRIBUTION_DAYS = 4  # clicks count for seven days: after the last spend, listeners arrive
_FIRST_DAY_PACE = 0.55
_LEARNING_DAYS = 4.0
_LATE_CHANCE = 0.04
_LATE_PULL = 0.8
_MISATTRIBUTED_CHANCE = 0.1
_NO_LINK_CLICKS = 0.02
_NO_META_FIGURES = 0.006
_NO_SPLITS = 0.03
_LATE_ATTRIBUTION = 0.06

# By country and track
_TAIL_DAYS = 120  # plays after a campaign's end are followed for this long; they have faded by then
_NEW_FADE_DAYS = 6.0
_RETURNING_FADE_DAYS = 24.0
_RETURNING_GROWTH_DAYS = 30.0
_RETURNING_CEILING = 1.1
_PAUSE_PACE = 0.35
_LATE_PLAYS_CHANCE = 0.03
_WITHDRAWN_CHANCE = 0.012
_HOME_MARKETS = 3
_NO_CRAWL_CHANCE = 0.1
_NOT_LISTED_CHANCE = 0.06

_LISTENER_COST = 0.2  # USD, of an audience that is not told by country


@dataclass(frozen=True, slots=True)
class Model:
    """`rows` yields what it knows of the rows of a day, in the order of the export's lines.

    All rows know the same columns. Rows end `tail_days` after the link's last day.
    """

    rows: Callable[[int, Link, date, Stage], list[Values]]
    tail_days: int


def model_of(export: Export) -> Model:
    """The model of the export's rows: which one follows from what its key divides a day by."""
    link_columns = {"provider", "account_id", export.day, export.scope.id_column}
    divided_by = set(export.rows.key) - link_columns - {"engagement_context"}
    if divided_by == {"country_code"}:
        return Model(_by_country, _LATE_ATTRIBUTION_DAYS)
    if divided_by == {"country_code", "engaged_spotify_track_id"}:
        return Model(_by_track, _TAIL_DAYS)
    return _divided_audience(export, divided_by)


class _Draws(NamedTuple):
    """Draws in [0, 1) for one country and day, one for each thing that varies."""

    absence: float
    delay: float
    spend: float
    cent: float
    cost: float
    person: float
    plays: float
    play: float
    follows: float
    follower: float
    impressions: float
    clicks: float
    meta: float


_DRAWS = len(_Draws._fields)


def _by_country(seed: int, link: Link, day: date, stage: Stage) -> list[Values]:
    """The day's figures by country code; empty when the link has none."""
    since_spend = _days_since_spend(link, day)
    if since_spend is None:
        return []
    draw = draws.generator(seed, link.id, "country", day)
    pace = draw.uniform(0.93, 1.07) * (_FIRST_DAY_PACE if link.age(day) == 0 else 1.0)
    day_cents = 0.0 if since_spend else link.daily_budget_cents * _MEDIA_SHARE * pace
    dearer = 1 + 0.3 * exp(-link.age(day) / _LEARNING_DAYS)
    rows = []
    for market in link.markets:
        drawn = _Draws(*(draw.random() for _ in range(_DRAWS)))
        if stage.days < _reported_after(market, drawn):
            continue
        if since_spend:
            if drawn.spend > 0.5 / since_spend:
                continue
            budget = link.daily_budget_cents / 100 * market.spend_share
            worth = budget * _LATE_ATTRIBUTION / since_spend
            if not (values := _country_values(market, 0, worth, stage, drawn)):
                continue
        else:
            cents = int(day_cents * market.spend_share * (0.82 + 0.36 * drawn.spend) + drawn.cent)
            values = _country_values(market, cents, cents / 100 / dearer, stage, drawn)
        rows.append(values)
    rows += _misattributed(link, day_cents, stage, draw)
    rows.sort(key=lambda values: str(values["country_code"]))
    result_type = text(link.result_type)
    for values in rows:
        values |= {"currency": '"USD"', "currency_account": '"USD"', "result_type": result_type}
        values["fees"] = half_up(values["spend_media"] * 5, 4) - values["spend_media"]
    return rows


def _days_since_spend(link: Link, day: date) -> int | None:
    """0 on a day with spend; up to the days of late attribution after one; else None."""
    for back in range(_LATE_ATTRIBUTION_DAYS + 1):
        if link.spends_on(day - timedelta(days=back)):
            return back
    return None


def _reported_after(market: Market, drawn: _Draws) -> float:
    """Days after which the row is first reported; small countries can be late."""
    if drawn.absence >= _LATE_CHANCE or market.country.pull > _LATE_PULL:
        return 0.0
    return 2 + 4 * drawn.delay


def _country_values(
    market: Market, cents: int, worth: float, stage: Stage, drawn: _Draws
) -> Values:
    """The reported figures of a row; empty if it has neither spend nor listeners in the end.

    `cents` is the final spend, `worth` the money (USD) whose listeners the row shows.
    """
    country = market.country
    final = int(worth / market.listener_cost * (0.88 + 0.24 * drawn.cost) + drawn.person)
    if not final and not cents:
        return {}
    more_plays = final * (country.plays - 1) * (0.9 + 0.2 * drawn.plays)
    final_streams = final + int(more_plays + drawn.play)
    follow_rate = country.follow_rate * (0.7 + 0.6 * drawn.follows)
    impressions = int(cents * 10 / country.cpm * (0.9 + 0.2 * drawn.impressions))
    clicks = min(impressions, int(impressions * (0.019 + 0.01 * drawn.clicks) + drawn.cost))
    link_clicks = int(int(clicks * (0.68 + 0.18 * drawn.plays)) * stage.spend)
    seen_clicks = int(clicks * stage.spend)
    correction = 1 + (0.05 * drawn.follows - 0.02) * stage.correction
    listeners = stage.seen(final, drawn.cent)
    streams = max(listeners, stage.seen(final_streams, drawn.cent)) if listeners else 0
    unknown = drawn.meta < _NO_META_FIGURES
    values = {
        "country_code": text(country.code),
        "impressions": None if unknown else int(impressions * stage.spend),
        "ad_clicks": None if unknown else seen_clicks,
        "link_clicks": None if drawn.meta < _NO_LINK_CLICKS else link_clicks,
        "views": seen_clicks,
        "streams": streams,
        "listeners": listeners,
        "followers": min(
            listeners, stage.seen(int(final * follow_rate + drawn.follower), drawn.play)
        ),
        "spend_media": int(cents * stage.spend * correction),
    }
    _split(values, drawn.delay)
    return values


def _split(values: Values, drawn: float) -> None:
    """Listeners and streams by new and returning listeners; all unknown in a few rows."""
    listeners, streams = values["listeners"], values["streams"]
    new = int(listeners * (0.6 + 0.3 * drawn))
    new_streams = streams if new == listeners else int(streams * new / (listeners or 1))
    known = drawn >= _NO_SPLITS
    values["new_listeners"] = new if known else None
    values["returning_listeners"] = listeners - new if known else None
    values["new_listener_streams"] = new_streams if known else None
    values["returning_listener_streams"] = streams - new_streams if known else None


def _misattributed(link: Link, day_cents: float, stage: Stage, draw: random.Random) -> list[Values]:
    """A country that is reported by mistake for some days and then withdrawn, now and then."""
    chance, delay, which, much = (draw.random() for _ in range(4))
    if chance > _MISATTRIBUTED_CHANCE or not 1 <= stage.days < 3 + 4 * delay:
        return []
    country = link.misattributed[int(which * len(link.misattributed))]
    listeners = int(1 + 3 * much)
    cents = int(day_cents * 0.002 * (1 + much))
    values = {
        "country_code": text(country.code),
        "impressions": int(cents * 10 / country.cpm),
        "ad_clicks": None,
        "link_clicks": None,
        "views": 0,
        "streams": listeners + int(2 * which),
        "listeners": listeners,
        "followers": 0,
        "spend_media": cents,
    }
    _split(values, delay)
    return [values]


def _by_track(seed: int, link: Link, day: date, stage: Stage) -> list[Values]:
    """The day's plays by country and track; empty when there are none."""
    status = link.status_on(day)
    home = _home_markets(link)
    if status == "scheduled":
        return [
            _track_values(market, track, None, (0, 0, 0, 0))
            for market in link.markets
            for track in link.tracks
            if market.country.code in home and track.is_promoted
        ]
    paces = _paces(link, day)
    draw = draws.generator(seed, link.id, "engagement", day)
    positions = _positions(seed, link, day, stage)
    rows = []
    for market in link.markets:
        budget = link.daily_budget_cents / 100 * _MEDIA_SHARE * market.spend_share
        people = budget / market.listener_cost * draw.uniform(0.85, 1.15)
        is_home = market.country.code in home and status == "active"
        for track in link.tracks:
            drawn = [draw.random() for _ in range(8)]
            if not _is_reported(track, stage, drawn[0], drawn[1]):
                continue
            expected = people * track.share * (market.curiosity if track.is_spillover else 1.0)
            plays = _plays(expected, paces, market.country.plays, stage, drawn)
            if plays[0] or plays[1] or (is_home and track.is_promoted):
                rows.append(_track_values(market, track, positions.get(track.spotify_id), plays))
    return rows


def _track_values(
    market: Market, track: Track, position: int | None, plays: tuple[int, int, int, int]
) -> Values:
    new, returning, new_streams, returning_streams = plays
    return {
        "country_code": text(market.country.code),
        "engaged_track_isrc": text(track.isrc),
        "engaged_spotify_track_id": text(track.spotify_id),
        "engaged_track_name": text(track.name),
        "playlist_position": position,
        "new_listeners": new,
        "returning_listeners": returning,
        "new_listener_streams": new_streams,
        "returning_listener_streams": returning_streams,
        "listeners": new + returning,
    }


def _home_markets(link: Link) -> frozenset[str]:
    """The countries that get a row for the promoted track even when nobody played it."""
    by_spend = sorted(link.markets, key=lambda market: -market.spend_share)
    return frozenset(market.country.code for market in by_spend[:_HOME_MARKETS])


def _paces(link: Link, day: date) -> tuple[float, float]:
    """New and returning listeners per listener that the daily budget buys."""
    ended = link.days_ended(day)
    age = link.age(day) - ended
    returning = _RETURNING_CEILING * (1 - exp(-(age + 1) / _RETURNING_GROWTH_DAYS))
    if ended:
        return exp(-ended / _NEW_FADE_DAYS) * 0.7, returning * exp(-ended / _RETURNING_FADE_DAYS)
    return (1.0 if link.spends_on(day) else _PAUSE_PACE), returning


def _is_reported(track: Track, stage: Stage, chance: float, delay: float) -> bool:
    """Whether the row is there yet, or still: some appear late, a few spillover rows vanish."""
    if chance < _WITHDRAWN_CHANCE and not track.is_promoted:
        return stage.days < 3 + 4 * delay
    if chance < _WITHDRAWN_CHANCE + _LATE_PLAYS_CHANCE:
        return stage.days >= 2 + 4 * delay
    return True


def _plays(
    expected: float, paces: tuple[float, float], plays: float, stage: Stage, drawn: list[float]
) -> tuple[int, int, int, int]:
    """New and returning listeners, and the streams of both, as far as they are reported."""
    new = int(expected * paces[0] * (0.8 + 0.4 * drawn[2]) + drawn[3])
    returning = int(expected * paces[1] * (0.8 + 0.4 * drawn[4]) + drawn[5])
    new_streams = new + int(new * (plays - 1) * (0.8 + 0.4 * drawn[6]) + drawn[7])
    returning_streams = returning + int(returning * plays * 0.7 + drawn[6])
    seen_new = stage.seen(new, drawn[2])
    seen_returning = stage.seen(returning, drawn[4])
    return (
        seen_new,
        seen_returning,
        max(seen_new, stage.seen(new_streams, drawn[2])) if seen_new else 0,
        max(seen_returning, stage.seen(returning_streams, drawn[4])) if seen_returning else 0,
    )


def _positions(seed: int, link: Link, day: date, stage: Stage) -> dict[str, int]:
    """The known places in the playlist; the order changes from week to week.

    Unknown on the day itself, on days without a crawl, and for tracks not listed that day.
    """
    if link.context != PLAYLIST or stage.days < 1:
        return {}
    key = (seed, link.id, "positions")
    if draws.unit(*key, "crawl", day) < _NO_CRAWL_CHANCE:
        return {}
    monday = day - timedelta(days=day.weekday())
    order = sorted(
        link.tracks,
        key=lambda track: draws.unit(*key, monday, track.spotify_id) - 12 * track.share,
    )
    return {
        track.spotify_id: place
        for place, track in enumerate(order, start=1)
        if draws.unit(*key, "listed", day, track.spotify_id) >= _NOT_LISTED_CHANCE
    }


def _divided_audience(export: Export, divided_by: set[str]) -> Model:
    """A model for an export of any other key: listeners, in shares that keep from day to day."""
    names = [name for name in export.line_order if name in divided_by]
    names += sorted(divided_by - set(names))

    def rows(seed: int, link: Link, day: date, stage: Stage) -> list[Values]:
        if link.status_on(day) != "active":
            return []
        key = (seed, link.id, export.name)
        audience = link.daily_budget_cents / 100 * _MEDIA_SHARE / _LISTENER_COST
        found = []
        for values in product(*(_values_of(export, name, link) for name in names)):
            share = draws.unit(*key, values) + 0.1
            varied = 0.9 + 0.2 * draws.unit(*key, values, day)
            listeners = stage.seen(int(audience * share * varied), draws.unit(*key, day, values))
            found.append(
                {**dict(zip(names, map(text, values), strict=True)), "listeners": listeners}
            )
        return found

    return Model(rows, tail_days=0)


def _values_of(export: Export, name: str, link: Link) -> list[str]:
    """The values that a column of the key has, in order."""
    if name == "country_code":
        return [market.country.code for market in link.markets]
    if name == "engaged_spotify_track_id":
        return [track.spotify_id for track in link.tracks]
    for rule in export.rules:
        if isinstance(rule, KnownValues) and rule.column == name:
            return sorted(rule.values)
    return [f"{name}_{number}" for number in (1, 2, 3)]
