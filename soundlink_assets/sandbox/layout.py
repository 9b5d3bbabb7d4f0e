"""Which campaigns the organisation has, around the anchor date.

The first seven campaigns are seven kinds, so that a small world already shows every situation of
the contract; further campaigns repeat them with other names, countries, budgets and dates. On any
day from the anchor on, some have run for months, one has ended, one is still to start (for the
first weeks).
"""

import random
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta

from soundlink_assets.contract.engagement import CATALOG, PLAYLIST
from soundlink_assets.sandbox import draws, names
from soundlink_assets.sandbox.campaigns import Campaign, Market, Track
from soundlink_assets.sandbox.config import SandboxConfig
from soundlink_assets.sandbox.geography import COUNTRIES


@dataclass(frozen=True, slots=True, kw_only=True)
class _Kind:
    """A kind of campaign; days are counted from the anchor.

    `start` None: it began with the organisation's history. `last` None: it renews for ever.
    """

    target_type: str | None = "track"
    has_target_ids: bool = True
    has_target_isrc: bool = True
    has_twin: bool = False
    unresolved_tracks: int = 0
    start: int | None
    last: int | None
    cycle_days: int = 30
    pause_days: int = 0
    budget: int
    countries: tuple[str, ...]


_KINDS = (
    _Kind(  # runs for ever, in many countries; the same recording has two Spotify ids
        has_twin=True,
        start=None,
        last=None,
        cycle_days=28,
        pause_days=2,
        budget=60,
        countries=("BR", "MX", "US", "NO", "NA", "DE", "GB", "ES", "PH", "CO", "PL", "SE"),
    ),
    _Kind(  # the promoted track is known by its Spotify id only
        has_target_isrc=False,
        unresolved_tracks=1,
        start=-75,
        last=None,
        budget=35,
        countries=("US", "CA", "MX", "GB", "AU", "ID", "AR", "IE"),
    ),
    _Kind(  # a playlist
        target_type="playlist",
        unresolved_tracks=2,
        start=None,
        last=None,
        pause_days=3,
        budget=45,
        countries=("DE", "NO", "SE", "DK", "FI", "NL", "BR", "TR", "IT"),
    ),
    _Kind(  # the provider has not determined yet what is promoted
        target_type=None,
        has_target_ids=False,
        start=-18,
        last=60,
        budget=25,
        countries=("FR", "ES", "PT", "BR", "CL", "US"),
    ),
    _Kind(  # over; people go on listening
        has_twin=True,
        unresolved_tracks=2,
        start=-82,
        last=-7,
        budget=40,
        countries=("IT", "ES", "MX", "AR", "CO", "CL", "US", "JP"),
    ),
    _Kind(  # still to start
        start=38,
        last=97,
        budget=50,
        countries=("US", "GB", "DE", "NL", "BR", "ZA", "NA"),
    ),
    _Kind(  # a track, but the provider resolved neither its ISRC nor its Spotify id
        has_target_ids=False,
        start=-41,
        last=84,
        budget=15,
        countries=("NO", "SE", "US", "BR", "PH", "TR", "NA"),
    ),
)


def campaigns_of(config: SandboxConfig, anchor: date, account_id: str) -> tuple[Campaign, ...]:
    """The campaigns of one organisation, oldest first."""
    artists = names.artist_names(draws.generator(config.seed, account_id, "artists"))
    campaigns = [
        _campaign(config, anchor, account_id, index, artists)
        for index in range(config.campaign_count)
    ]
    return tuple(sorted(campaigns, key=lambda campaign: campaign.created_at))


def _campaign(
    config: SandboxConfig, anchor: date, account_id: str, index: int, artists: Iterator[str]
) -> Campaign:
    kind = _KINDS[index % len(_KINDS)]
    key = (config.seed, account_id, index)
    draw = draws.generator(*key, "campaign")
    repeat = index // len(_KINDS)
    first_day = anchor + timedelta(
        days=(kind.start if kind.start is not None else -config.history_days)
        - (repeat and draw.randrange(1, 20))
    )
    created = first_day - timedelta(days=42 if (kind.start or 0) > 0 else draw.randrange(1, 6))
    titles = names.track_titles(draw, 24)
    is_playlist = kind.target_type == "playlist"
    tracks = (
        _playlist_tracks(key, draw, titles, kind)
        if is_playlist
        else _catalog_tracks(key, draw, titles, kind)
    )
    promoted = next((track for track in tracks if track.is_promoted), None)
    subject = names.playlist_name(draw) if is_playlist else titles[0]
    markets = _markets(key, draw, kind.countries)
    budget = round(
        kind.budget * config.daily_budget_factor * (draw.uniform(0.6, 1.8) if repeat else 1)
    )
    return Campaign(
        campaign_id=draws.uuid(*key, "campaign"),
        account_id=account_id,
        name=names.campaign_name(draw, subject),
        target_type=kind.target_type,
        target_isrc=promoted.isrc
        if promoted and kind.has_target_ids and kind.has_target_isrc
        else None,
        target_track_id=promoted.spotify_id if promoted and kind.has_target_ids else None,
        target_playlist_id=draws.spotify_id(*key, "playlist") if is_playlist else None,
        artist_id=draws.spotify_id(*key, "artist"),
        artist_name=next(artists),
        promoted_title=subject,
        context=PLAYLIST if is_playlist else CATALOG,
        result_type="follow" if kind.target_type else None,
        created_at=datetime.combine(created, time(9), UTC)
        + timedelta(seconds=draw.randrange(8 * 3600)),
        first_day=first_day,
        last_day=None if kind.last is None else anchor + timedelta(days=kind.last),
        cycle_days=kind.cycle_days,
        pause_days=kind.pause_days,
        daily_budget_cents=max(500, budget * 100),
        markets=markets,
        strays=_strays(draw, markets),
        tracks=tuple(sorted(tracks, key=lambda track: track.spotify_id)),
    )


def _markets(
    key: tuple[object, ...], draw: random.Random, codes: tuple[str, ...]
) -> tuple[Market, ...]:
    pulls = {code: COUNTRIES[code].pull * draw.uniform(0.8, 1.25) for code in sorted(codes)}
    whole = sum(pulls.values())
    price = draw.uniform(0.85, 1.2)
    return tuple(
        Market(
            country=COUNTRIES[code],
            spend_share=pull / whole,
            listener_cost=COUNTRIES[code].listener_cost
            * price
            * (0.92 + 0.16 * draws.unit(*key, "cost", code)),
        )
        for code, pull in pulls.items()
    )


def _strays(draw: random.Random, markets: tuple[Market, ...]) -> tuple[Market, ...]:
    taken = {market.country.code for market in markets}
    free = [country for code, country in sorted(COUNTRIES.items()) if code not in taken]
    return tuple(
        Market(country=country, spend_share=0.01, listener_cost=country.listener_cost)
        for country in draw.sample(free, 5)
    )


def _catalog_tracks(
    key: tuple[object, ...], draw: random.Random, titles: list[str], kind: _Kind
) -> list[Track]:
    """The promoted track, perhaps the same recording once more, and the artist's other tracks."""
    spillover = draw.uniform(0.24, 0.41)
    twin_share = draw.uniform(0.05, 0.09) if kind.has_twin else 0.0
    recording = draws.isrc(*key, 0)
    tracks = [
        Track(
            spotify_id=draws.spotify_id(*key, 0),
            isrc=recording,
            name=titles[0],
            share=1 - spillover - twin_share,
            is_promoted=True,
        )
    ]
    if kind.has_twin:
        tracks.append(
            Track(
                spotify_id=draws.spotify_id(*key, "twin"),
                isrc=f"{recording[:2]}-{recording[2:5]}-{recording[5:7]}-{recording[7:]}",
                name=titles[0],
                share=twin_share,
            )
        )
    others = draw.randrange(6, 11)
    weights = [1 / (rank + 1.5) for rank in range(others)]
    for rank, weight in enumerate(weights):
        unresolved = others - rank <= kind.unresolved_tracks
        tracks.append(
            Track(
                spotify_id=draws.spotify_id(*key, rank + 1),
                isrc=None if unresolved else draws.isrc(*key, rank + 1),
                name=titles[rank + 1],
                share=spillover * weight / sum(weights),
            )
        )
    return tracks


def _playlist_tracks(
    key: tuple[object, ...], draw: random.Random, titles: list[str], kind: _Kind
) -> list[Track]:
    """The tracks of a playlist; those near its top are played most."""
    count = draw.randrange(12, 19)
    weights = [1 / (rank + 3) for rank in range(count)]
    return [
        Track(
            spotify_id=draws.spotify_id(*key, rank),
            isrc=None if count - rank <= kind.unresolved_tracks else draws.isrc(*key, rank),
            name=titles[rank],
            share=weight / sum(weights),
        )
        for rank, weight in enumerate(weights)
    ]
