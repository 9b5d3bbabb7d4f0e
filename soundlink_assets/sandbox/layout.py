"""Which links the organisation has, around the anchor date.

The first seven campaigns are seven kinds, so that a small world already shows every situation of
the contract; further campaigns repeat them with other names, countries, budgets and dates. On any
day from the anchor on, some have run for months, one has ended, one is still to start (for the
first weeks). The same holds for the five kinds of soundlinks.
"""

import random
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from typing import Any

from soundlink_assets.sandbox import draws
from soundlink_assets.sandbox.config import SandboxConfig
from soundlink_assets.sandbox.geography import COUNTRIES, Country
from soundlink_assets.sandbox.links import Campaign, Market, Soundlink, Track
from soundlink_assets.sandbox.names import NameBook
from soundlink_assets.schema.fields import CATALOG, PLAYLIST, TRACK

_SCHEDULED_AHEAD = 42
"""Days from the creation of a campaign that is still to start to its first day."""

_OFFICE_OPENS = time(9)


@dataclass(frozen=True, slots=True, kw_only=True)
class _Kind:
    """A kind of link; days are counted from the anchor.

    `start` None: it began with the organisation's history. `last` None: it renews for ever.
    """

    target_type: str | None = TRACK
    has_target_ids: bool = True
    has_target_isrc: bool = True
    has_twin: bool = False
    unresolved_tracks: int = 0
    start: int | None
    last: int | None
    cycle_days: int = 30
    pause_days: int = 0
    budget: int
    countries: str

    @property
    def is_playlist(self) -> bool:
        return self.target_type == PLAYLIST


_CAMPAIGN_KINDS = (
    _Kind(  # runs for ever, in many countries; the same recording has two Spotify ids
        has_twin=True,
        start=None,
        last=None,
        cycle_days=28,
        pause_days=2,
        budget=60,
        countries="BR MX US NO NA DE GB ES PH CO PL SE",
    ),
    _Kind(  # the promoted track is known by its Spotify id only
        has_target_isrc=False,
        unresolved_tracks=1,
        start=-75,
        last=None,
        budget=35,
        countries="US CA MX GB AU ID AR IE",
    ),
    _Kind(  # a playlist
        target_type=PLAYLIST,
        unresolved_tracks=2,
        start=None,
        last=None,
        pause_days=3,
        budget=45,
        countries="DE NO SE DK FI NL BR TR IT",
    ),
    _Kind(  # the provider has not determined yet what is promoted
        target_type=None,
        has_target_ids=False,
        start=-18,
        last=60,
        budget=25,
        countries="FR ES PT BR CL US",
    ),
    _Kind(  # over; people go on listening
        has_twin=True,
        unresolved_tracks=2,
        start=-82,
        last=-7,
        budget=40,
        countries="IT ES MX AR CO CL US JP",
    ),
    _Kind(start=38, last=97, budget=50, countries="US GB DE NL BR ZA NA"),  # still to start
    _Kind(  # a track, but the provider resolved neither its ISRC nor its Spotify id
        has_target_ids=False,
        start=-41,
        last=84,
        budget=15,
        countries="NO SE US BR PH TR NA",
    ),
)
_SOUNDLINK_KINDS = (
    _Kind(has_twin=True, start=None, last=None, budget=9, countries="US DE BR GB NO MX"),
    _Kind(target_type=PLAYLIST, start=-120, last=None, budget=7, countries="DE SE NO FI NL"),
    _Kind(
        target_type=None, has_target_ids=False, start=-30, last=None, budget=4, countries="ES FR US"
    ),
    _Kind(start=-100, last=-12, budget=6, countries="IT ES AR US"),  # archived
    _Kind(
        target_type="album",
        has_target_ids=False,
        start=-60,
        last=None,
        budget=5,
        countries="US CA GB",
    ),
)


def campaigns_of(config: SandboxConfig, anchor: date, account_id: str) -> tuple[Campaign, ...]:
    """The campaigns of one organisation, oldest first."""
    names = NameBook(draws.generator(config.seed, account_id, "names"))
    campaigns = []
    for index in range(config.campaign_count):
        key = (config.seed, account_id, index)
        facts = _facts(config, anchor, key, _CAMPAIGN_KINDS, names)
        campaigns.append(Campaign(id=draws.uuid(*key, "campaign"), account_id=account_id, **facts))
    return tuple(sorted(campaigns, key=lambda campaign: campaign.created_at))


def soundlinks_of(config: SandboxConfig, anchor: date, account_id: str) -> tuple[Soundlink, ...]:
    """The soundlinks of one organisation, oldest first; their ids are URL-safe text."""
    names = NameBook(draws.generator(config.seed, account_id, "soundlink names"))
    soundlinks = []
    for index in range(config.soundlink_count):
        key = (config.seed, account_id, "soundlink", index)
        facts = _facts(config, anchor, key, _SOUNDLINK_KINDS, names)
        text = draws.spotify_id(*key, "soundlink")
        soundlinks.append(Soundlink(id=f"{text[:7]}-{text[7:10]}_", account_id=account_id, **facts))
    return tuple(sorted(soundlinks, key=lambda soundlink: soundlink.created_at))


def _facts(
    config: SandboxConfig,
    anchor: date,
    key: tuple[Any, ...],
    kinds: tuple[_Kind, ...],
    names: NameBook,
) -> dict[str, Any]:
    """What the link with that key is, but for its ids; the last part of the key is its number."""
    is_repeat = key[-1] >= len(kinds)
    kind = kinds[key[-1] % len(kinds)]
    draw = draws.generator(*key, "campaign")
    start = -config.history_days if kind.start is None else kind.start
    first_day = anchor + timedelta(days=start - (draw.randrange(1, 20) if is_repeat else 0))
    created = first_day - timedelta(days=_SCHEDULED_AHEAD if start > 0 else draw.randrange(1, 6))
    tracks = (
        _playlist(key, draw, names, kind) if kind.is_playlist else _catalog(key, draw, names, kind)
    )
    promoted = next((track for track in tracks if track.is_promoted), None)
    target = promoted if kind.has_target_ids else None
    subject = promoted.name if promoted else names.playlist()
    codes = tuple(kind.countries.split())
    markets = _markets(draw, codes)
    budget = kind.budget * (draw.uniform(0.6, 1.8) if is_repeat else 1)
    return {
        "name": names.campaign(subject),
        "target_type": kind.target_type,
        "target_isrc": target.isrc if target and kind.has_target_isrc else None,
        "target_track_id": target.spotify_id if target else None,
        "target_playlist_id": draws.spotify_id(*key, "playlist") if kind.is_playlist else None,
        "artist_id": draws.spotify_id(*key, "artist"),
        "artist_name": names.artist(),
        "promoted_title": subject,
        "context": PLAYLIST if kind.is_playlist else CATALOG,
        "result_type": "follow" if kind.target_type else None,
        "created_at": datetime.combine(created, _OFFICE_OPENS, UTC)
        + timedelta(seconds=draw.randrange(8 * 3600)),
        "first_day": first_day,
        "last_day": None if kind.last is None else anchor + timedelta(days=kind.last),
        "cycle_days": kind.cycle_days,
        "pause_days": kind.pause_days,
        "daily_budget_cents": round(budget) * 100,
        "markets": markets,
        "misattributed": _elsewhere(draw, codes),
        "tracks": tuple(sorted(tracks, key=lambda track: track.spotify_id)),
    }


def _markets(draw: random.Random, codes: tuple[str, ...]) -> tuple[Market, ...]:
    """The countries by code; what a listener costs there keeps its proportion everywhere."""
    pulls = {code: COUNTRIES[code].pull * draw.uniform(0.8, 1.25) for code in sorted(codes)}
    price = draw.uniform(0.85, 1.2)
    return tuple(
        Market(
            country=COUNTRIES[code],
            spend_share=pull / sum(pulls.values()),
            listener_cost=COUNTRIES[code].listener_cost * price * draw.uniform(0.94, 1.06),
            curiosity=draw.uniform(0.75, 1.25),
        )
        for code, pull in pulls.items()
    )


def _elsewhere(draw: random.Random, codes: tuple[str, ...]) -> tuple[Country, ...]:
    """Countries where the link has no audience."""
    free = [country for code, country in sorted(COUNTRIES.items()) if code not in codes]
    return tuple(draw.sample(free, 5))


def _catalog(
    key: tuple[object, ...], draw: random.Random, names: NameBook, kind: _Kind
) -> list[Track]:
    """The promoted track, perhaps the same recording once more, and the artist's other tracks."""
    spillover = draw.uniform(0.26, 0.38)
    twin_share = draw.uniform(0.05, 0.09) if kind.has_twin else 0.0
    weights = [1 / (rank + 1.5) for rank in range(draw.randrange(6, 11))]
    titles = names.tracks(1 + len(weights))
    promoted = Track(
        spotify_id=draws.spotify_id(*key, 0),
        isrc=draws.isrc(*key, 0),
        name=titles[0],
        share=1 - spillover - twin_share,
        is_promoted=True,
    )
    twin = Track(
        spotify_id=draws.spotify_id(*key, "twin"),
        isrc=_hyphenated(promoted.isrc),
        name=titles[0],
        share=twin_share,
    )
    others = [
        Track(
            spotify_id=draws.spotify_id(*key, rank),
            isrc=None if len(weights) - rank < kind.unresolved_tracks else draws.isrc(*key, rank),
            name=titles[rank],
            share=spillover * weight / sum(weights),
            is_spillover=True,
        )
        for rank, weight in enumerate(weights, start=1)
    ]
    return [promoted, *([twin] if kind.has_twin else []), *others]


def _hyphenated(isrc: str | None) -> str | None:
    """The same ISRC as some sources write it: DE-XW6-25-00259."""
    return isrc and f"{isrc[:2]}-{isrc[2:5]}-{isrc[5:7]}-{isrc[7:]}"


def _playlist(
    key: tuple[object, ...], draw: random.Random, names: NameBook, kind: _Kind
) -> list[Track]:
    """The tracks of a playlist; those near its top are played most."""
    weights = [1 / (rank + 3) for rank in range(draw.randrange(12, 19))]
    titles = names.tracks(len(weights))
    return [
        Track(
            spotify_id=draws.spotify_id(*key, rank),
            isrc=None if len(weights) - rank <= kind.unresolved_tracks else draws.isrc(*key, rank),
            name=titles[rank],
            share=weight / sum(weights),
        )
        for rank, weight in enumerate(weights)
    ]
