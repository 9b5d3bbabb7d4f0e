"""The rows of the engagement export for one campaign and day, as JSON lines."""

from datetime import date, timedelta
from math import exp

from soundlink_assets.sandbox import draws
from soundlink_assets.sandbox.campaigns import Campaign, Market, Track
from soundlink_assets.sandbox.lines import head_of, number, text
from soundlink_assets.sandbox.maturing import Stage
from soundlink_assets.sandbox.rounding import ratio
from soundlink_assets.schema.fields import PLAYLIST

_MEDIA_SHARE = 0.8
_NEW_FADE_DAYS = 6.0
_RETURNING_FADE_DAYS = 24.0
_RETURNING_GROWTH_DAYS = 30.0
_RETURNING_CEILING = 1.1
_PAUSE_PACE = 0.35
_LATE_CHANCE = 0.03
_WITHDRAWN_CHANCE = 0.012
_HOME_MARKETS = 3
_NO_CRAWL_CHANCE = 0.1
_NOT_LISTED_CHANCE = 0.06


def engagement_lines(seed: int, campaign: Campaign, day: date, stage: Stage) -> list[str]:
    """The day's lines by country and track, without line ends; empty when there are none."""
    status = campaign.status_on(day)
    head = f'{head_of(campaign, day)}"status":"{status}","engagement_context":"{campaign.context}",'
    home = _home_markets(campaign)
    if status == "scheduled":
        return [
            head + _render(market, track, None, (0, 0, 0, 0))
            for market in campaign.markets
            for track in campaign.tracks
            if market.country.code in home and track.is_promoted
        ]
    paces = _paces(campaign, day)
    draw = draws.generator(seed, campaign.campaign_id, "engagement", day)
    positions = _positions(seed, campaign, day, stage)
    lines = []
    for market in campaign.markets:
        budget = campaign.daily_budget_cents / 100 * _MEDIA_SHARE * market.spend_share
        people = budget / market.listener_cost * draw.uniform(0.85, 1.15)
        for track in campaign.tracks:
            chances = [draw.random() for _ in range(8)]
            if not _is_reported(track, stage, chances[0], chances[1]):
                continue
            expected = people * track.share * (market.curiosity if track.is_spillover else 1.0)
            figures = _figures(expected, paces, market.country.plays, stage, chances)
            is_home = track.is_promoted and market.country.code in home and status == "active"
            if figures[0] + figures[1] or is_home:
                position = positions.get(track.spotify_id)
                lines.append(head + _render(market, track, position, figures))
    return lines


def _home_markets(campaign: Campaign) -> frozenset[str]:
    """The countries that get a row for the promoted track even when nobody played it."""
    by_spend = sorted(campaign.markets, key=lambda market: -market.spend_share)
    return frozenset(market.country.code for market in by_spend[:_HOME_MARKETS])


def _paces(campaign: Campaign, day: date) -> tuple[float, float]:
    """New and returning listeners per listener that the daily budget buys."""
    ended = campaign.days_ended(day)
    age = campaign.age(day) - ended
    returning = _RETURNING_CEILING * (1 - exp(-(age + 1) / _RETURNING_GROWTH_DAYS))
    if ended:
        return exp(-ended / _NEW_FADE_DAYS) * 0.7, returning * exp(-ended / _RETURNING_FADE_DAYS)
    return (1.0 if campaign.spends_on(day) else _PAUSE_PACE), returning


def _is_reported(track: Track, stage: Stage, chance: float, delay: float) -> bool:
    """Whether the row is there yet, or still: some appear late, a few spillover rows vanish."""
    if chance < _WITHDRAWN_CHANCE and not track.is_promoted:
        return stage.days() < 3 + 4 * delay
    if chance < _WITHDRAWN_CHANCE + _LATE_CHANCE:
        return stage.days() >= 2 + 4 * delay
    return True


def _figures(
    expected: float,
    paces: tuple[float, float],
    plays: float,
    stage: Stage,
    chances: list[float],
) -> tuple[int, int, int, int]:
    """New and returning listeners, and the streams of both, as far as they are reported."""
    new = int(expected * paces[0] * (0.8 + 0.4 * chances[2]) + chances[3])
    returning = int(expected * paces[1] * (0.8 + 0.4 * chances[4]) + chances[5])
    new_streams = new + int(new * (plays - 1) * (0.8 + 0.4 * chances[6]) + chances[7])
    returning_streams = returning + int(returning * plays * 0.7 + chances[6])
    seen_new = stage.seen(new, chances[2])
    seen_returning = stage.seen(returning, chances[4])
    return (
        seen_new,
        seen_returning,
        max(seen_new, stage.seen(new_streams, chances[2])) if seen_new else 0,
        max(seen_returning, stage.seen(returning_streams, chances[4])) if seen_returning else 0,
    )


def _positions(seed: int, campaign: Campaign, day: date, stage: Stage) -> dict[str, int]:
    """The known places in the playlist; the order changes from week to week.

    Unknown on the day itself, on days without a crawl, and for tracks not listed that day.
    """
    if campaign.context != PLAYLIST or stage.days() < 1:
        return {}
    key = (seed, campaign.campaign_id, "positions")
    if draws.unit(*key, "crawl", day) < _NO_CRAWL_CHANCE:
        return {}
    monday = day - timedelta(days=day.weekday())
    order = sorted(
        campaign.tracks,
        key=lambda track: draws.unit(*key, monday, track.spotify_id) - 12 * track.share,
    )
    return {
        track.spotify_id: place
        for place, track in enumerate(order, start=1)
        if draws.unit(*key, "listed", day, track.spotify_id) >= _NOT_LISTED_CHANCE
    }


def _render(
    market: Market, track: Track, position: int | None, figures: tuple[int, int, int, int]
) -> str:
    new, returning, new_streams, returning_streams = figures
    listeners, streams = new + returning, new_streams + returning_streams
    return (
        f'"country_code":"{market.country.code}","engaged_track_isrc":{text(track.isrc)},'
        f'"engaged_spotify_track_id":"{track.spotify_id}","engaged_track_name":{text(track.name)},'
        f'"playlist_position":{number(position)},"new_listeners":{new},'
        f'"returning_listeners":{returning},"listeners":{listeners},'
        f'"new_listener_streams":{new_streams},"returning_listener_streams":{returning_streams},'
        f'"streams":{streams},"spl":{ratio(streams, listeners, 2) if listeners else "0"}}}'
    )
