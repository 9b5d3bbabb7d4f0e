"""A campaign of the sandbox's organisation, and what can be said of it on a day.

How campaigns are laid out in time is in `layout`; what they achieve is in `country_figures` and
`engagement_figures`.
"""

from dataclasses import dataclass
from datetime import date, datetime, timedelta

from soundlink_assets.sandbox.geography import Country

TAIL_DAYS = 120
"""Engagement after a campaign's end is followed for this long; it has faded away by then."""

LATE_ATTRIBUTION_DAYS = 4
"""Clicks count for seven days: for some days after the last spend, listeners still arrive."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Track:
    """A track that the campaign's listeners play; `share` is its part of all their plays.

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
    """A country that the campaign spends in.

    `spend_share` of its spend, at `listener_cost` USD of media spend per listener; `curiosity` is
    how much more (or less) people there play the artist's other tracks.
    """

    country: Country
    spend_share: float
    listener_cost: float
    curiosity: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Campaign:
    """One campaign.

    It spends from `first_day` to `last_day` (None: it renews for ever) in cycles of `cycle_days`
    with `pause_days` between two of them. `markets` are ordered by country code, `tracks` by
    Spotify id. `strays` are countries that show up by mistake and are withdrawn.
    """

    campaign_id: str
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
    strays: tuple[Country, ...]
    tracks: tuple[Track, ...]

    def status_on(self, day: date) -> str:
        """The status that export rows of that day bear."""
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

    def last_day_with_rows(self, segment: str) -> date:
        """The last day on which an export can have rows."""
        if self.last_day is None:
            return date.max
        tail = TAIL_DAYS if segment == "engagement" else LATE_ATTRIBUTION_DAYS
        return self.last_day + timedelta(days=tail)

    def listed_status(self, today: date) -> str:
        """The present status, in the campaign list's own words."""
        if today < self.created_at.date() + timedelta(days=1):
            return "creating"
        if today < self.first_day:
            return "inactive"
        if self.status_on(today) == "ended":
            return "ended"
        return "active" if self.spends_on(today) else "renewing"

    def updated_at(self, now: datetime) -> datetime:
        """When the campaign object last changed: at its creation, start, a renewal or its end."""
        cycle = self.cycle_days + self.pause_days
        age = self.age(min(now.date(), self.last_day or now.date()))
        if age < 0:
            return self.created_at
        last_start = self.first_day + timedelta(days=age // cycle * cycle)
        turn = max(last_start, self.created_at.date() + timedelta(days=1))
        if self.days_ended(now.date()) and self.last_day is not None:
            turn = self.last_day + timedelta(days=1)
        changed = datetime(turn.year, turn.month, turn.day, 0, 5, tzinfo=now.tzinfo)
        return changed if self.created_at <= changed <= now else self.created_at
