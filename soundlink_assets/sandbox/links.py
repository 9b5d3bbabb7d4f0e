"""The smart links of an organisation: paid campaigns, and self-serve soundlinks.

What can be told of a link on a day, and the object that the provider lists. Which links there are
is in `layout`, what they achieve in `figures`.
"""

from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from typing import Any

from soundlink_assets.sandbox.geography import Country
from soundlink_assets.schema.fields import TRACK


@dataclass(frozen=True, slots=True, kw_only=True)
class Track:
    """A track that the link's listeners play; `share` is its part of all their plays.

    `is_promoted` is the target itself. `is_spillover` is another recording of the artist: how much
    it is played differs from country to country.
    """

    spotify_id: str
    isrc: str | None
    name: str
    share: float
    is_promoted: bool = False
    is_spillover: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Market:
    """A country that the link's audience lives in.

    `spend_share` of a campaign's spend goes there, at `listener_cost` USD of media spend per
    listener; `curiosity` is how much more (or less) people there play the artist's other tracks.
    """

    country: Country
    spend_share: float
    listener_cost: float
    curiosity: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Link:
    """One smart link.

    It is advertised from `first_day` to `last_day` (None: it renews for ever) in cycles of
    `cycle_days` with `pause_days` between two of them. `markets` are ordered by country code,
    `tracks` by Spotify id. `misattributed` are countries that show up by mistake and are withdrawn.
    For a soundlink, `daily_budget_cents` is what the same audience would cost in ads.
    """

    id: str
    account_id: str
    name: str
    target_type: str | None
    target_isrc: str | None
    target_track_id: str | None
    target_playlist_id: str | None
    artist_id: str
    artist_name: str
    promoted_title: str
    context: str
    result_type: str | None
    created_at: datetime
    first_day: date
    last_day: date | None
    cycle_days: int
    pause_days: int
    daily_budget_cents: int
    markets: tuple[Market, ...]
    misattributed: tuple[Country, ...]
    tracks: tuple[Track, ...]

    def status_on(self, day: date) -> str:
        """The status in export rows of that day."""
        if day < self.first_day:
            return "scheduled"
        if self.last_day is not None and day > self.last_day:
            return "ended"
        return "active"

    def spends_on(self, day: date) -> bool:
        """Whether ads run that day; between two cycles they do not."""
        if self.status_on(day) != "active":
            return False
        return self.age(day) % (self.cycle_days + self.pause_days) < self.cycle_days

    def age(self, day: date) -> int:
        """Days since the first day of the run; negative before it."""
        return (day - self.first_day).days

    def days_ended(self, day: date) -> int:
        """Days since the last day of the run; 0 while it lasts."""
        return 0 if self.last_day is None else max(0, (day - self.last_day).days)

    def listed(self, now: datetime) -> dict[str, Any]:
        """The object that the provider lists at `now`."""
        raise NotImplementedError


@dataclass(frozen=True, slots=True, kw_only=True)
class Campaign(Link):
    """The link of a paid campaign."""

    @property
    def campaign_id(self) -> str:
        """Its id, as the exports name it."""
        return self.id

    def listed(self, now: datetime) -> dict[str, Any]:
        """The campaign object at `now`."""
        return {
            "campaignId": self.id,
            "organizationId": self.account_id,
            "status": self._listed_status(now.date()),
            "socialPlatform": "meta",
            "dailyBudget": self.daily_budget_cents / 100,
            "totalBudget": self.daily_budget_cents * self.cycle_days / 100,
            "campaignDuration": self.cycle_days,
            "createdAt": stamp(self.created_at),
            "updatedAt": stamp(self._updated_at(now)),
            "generation": 3,
            "artistId": self.artist_id,
            "artistName": self.artist_name,
            "trackId": self.target_track_id,
            "playlistId": self.target_playlist_id,
            "trackName": self.promoted_title if self.target_type == TRACK else None,
            "campaignUrl": f"https://app.soundlink.invalid/insights/{self.id[:8]}",
        }

    def _listed_status(self, today: date) -> str:
        if today < self.created_at.date() + timedelta(days=1):
            return "creating"
        if today < self.first_day:
            return "inactive"
        if self.status_on(today) == "ended":
            return "ended"
        return "active" if self.spends_on(today) else "renewing"

    def _updated_at(self, now: datetime) -> datetime:
        """When the campaign last changed: at its creation, start, a renewal or its end."""
        cycle = self.cycle_days + self.pause_days
        age = self.age(min(now.date(), self.last_day or now.date()))
        if age < 0:
            return self.created_at
        last_start = self.first_day + timedelta(days=age // cycle * cycle)
        turn = max(last_start, self.created_at.date() + timedelta(days=1))
        if self.days_ended(now.date()) and self.last_day is not None:
            turn = self.last_day + timedelta(days=1)
        changed = datetime.combine(turn, time(0, 5), UTC)
        return changed if self.created_at <= changed <= now else self.created_at


@dataclass(frozen=True, slots=True, kw_only=True)
class Soundlink(Link):
    """A self-serve link without a campaign."""

    def listed(self, now: datetime) -> dict[str, Any]:
        """The soundlink object at `now`."""
        kind, target = self.target_type, self.target_track_id or self.target_playlist_id
        return {
            "soundlinkId": self.id,
            "organizationId": self.account_id,
            "name": self.name,
            "url": f"https://soundlink.invalid/{self.id}",
            "targetType": kind,
            "spotifyUrl": f"https://open.spotify.com/{kind}/{target}" if target else None,
            "status": "archived" if self.days_ended(now.date()) else "active",
            "createdAt": stamp(self.created_at),
        }


def stamp(moment: datetime) -> str:
    """A moment as the provider writes it."""
    return f"{moment:%Y-%m-%dT%H:%M:%SZ}"
