"""The doctor on what the automation costs: requests a day, against the budget of the key.

The rules of the sensor and the schedule themselves are played through for a few days, so that the
figure stays right when they change.
"""

from collections.abc import Iterator
from dataclasses import dataclass, replace
from datetime import UTC, date, datetime, time, timedelta
from math import ceil

from soundlink_assets.cli.findings import Finding, broken, ok, warning
from soundlink_assets.schema import EXPORTS
from soundlink_assets.schema.window import final_at_latest, final_at
from soundlink_assets.assets.automation import rhythm_of
from soundlink_assets.assets.revision_window import (
    Fetch,
    History,
    Rhythm,
    Scope,
    decide,
    due_for_schedule,
    horizon,
)
from soundlink_assets.assets.schedule import DAILY_AT
from soundlink_assets.settings import Settings

DAY = timedelta(days=1)


@dataclass(frozen=True, slots=True)
class Runs:
    """What schedule and sensor request in some days: runs, and the exports fetched in them."""

    days: int
    runs: int
    exports: int

    @property
    def a_day(self) -> float:
        """Runs in 24 hours, on average."""
        return self.runs / self.days

    def requests_a_day(self, campaigns: int) -> int:
        """Requests in 24 hours, on average and without retries."""
        total = self.runs * pages(campaigns) + self.exports * campaigns
        return ceil(total / self.days)


def probe_cost(settings: Settings, campaigns: int | None, now: datetime) -> Iterator[Finding]:
    """Requests a day and of one refresh, and whether they fit the budget."""
    if campaigns is None:
        yield warning(
            "cost", "unknown, because the campaigns could not be counted", "See the lines above."
        )
        return
    runs = usual_runs(rhythm_of(settings), now)
    requests = runs.requests_a_day(campaigns)
    refresh = pages(campaigns) + len(EXPORTS) * campaigns
    allowed = min(settings.requests_per_hour * 24, settings.requests_per_minute * 24 * 60)
    said = (
        f"{runs.a_day:.0f} runs and {requests:,} requests a day of {allowed:,} allowed; "
        f"{refresh:,} for one refresh of {campaigns} campaigns, of "
        f"{settings.requests_per_hour:,} an hour"
    )
    facts = {
        "runs_a_day": runs.a_day,
        "requests_a_day": requests,
        "requests_a_refresh": refresh,
        "requests_allowed_a_day": allowed,
    }
    if requests > allowed:
        hours = ceil(settings.refresh_hours * requests / allowed)
        yield broken("cost", said, f"Set SOUNDLINK_REFRESH_HOURS={hours} or more.", **facts)
    elif requests > allowed / 2:
        advice = "Little is left for backfills: a longer SOUNDLINK_REFRESH_HOURS costs less."
        yield warning("cost", said, advice, **facts)
    else:
        yield ok("cost", said, **facts)


def pages(campaigns: int) -> int:
    """Requests for the list of so many campaigns."""
    from soundlink_assets.provider.client import PAGE_SIZE

    return max(ceil(campaigns / PAGE_SIZE), 1)


def usual_runs(rhythm: Rhythm, now: datetime) -> Runs:
    """What the schedule and the sensor request once everything is fetched.

    A long refresh interval is watched for a week, in coarser steps.
    """
    often = rhythm.refresh_every <= timedelta(hours=3)
    days, step = (1, timedelta(minutes=5)) if often else (7, timedelta(minutes=15))
    moment = datetime.combine(now.astimezone(UTC).date(), time.min, UTC)
    counted_from = moment + (days + 1) * DAY
    end = counted_from + days * DAY
    rhythm = replace(rhythm, start_date=min(rhythm.start_date, moment.date() - 60 * DAY))
    history = _all_fetched(rhythm, moment)
    runs = exports = 0
    while moment < end:
        for scope in _scopes(rhythm, history, moment):
            history = _fetched(history, scope, moment)
            if moment >= counted_from:
                runs += 1
                exports += len(scope.exports)
        moment += step
    return Runs(days, runs, exports)


def _scopes(rhythm: Rhythm, history: History, now: datetime) -> list[Scope]:
    """What is requested at that moment, by the schedule if it is its time, or by the sensor."""
    if now.time() == DAILY_AT:
        due = due_for_schedule(now, rhythm, history, now.date() - DAY)
        return [due] if isinstance(due, Scope) else []
    return [run.scope for run in decide(now, rhythm, history).runs]


def _all_fetched(rhythm: Rhythm, now: datetime) -> History:
    days = horizon(now, rhythm)
    fetched = {day: _fetch_at(now, day) for day in days.dates()} if days else {}
    return History(fetches={export.name: dict(fetched) for export in EXPORTS})


def _fetched(history: History, scope: Scope, now: datetime) -> History:
    new = {day: _fetch_at(now, day) for day in scope.window.dates()}
    return History(
        fetches={
            name: {**days, **new} if name in scope.exports else days
            for name, days in history.fetches.items()
        }
    )


def _fetch_at(now: datetime, day: date) -> Fetch:
    """A fetch whose rows bear the stamp of a batch some hours before, as the provider's do."""
    final = now - timedelta(hours=3) >= final_at(day) or now >= final_at_latest(day)
    return Fetch(now, final)
