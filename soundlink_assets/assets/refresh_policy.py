"""Which days are to be fetched now, and why: the rules of the sensor as a pure function.

What Dagster remembers comes in as a `History`, the time as `now`; what is to be requested comes out
as a `Decision`. No Dagster, no clock, no I/O. Reading the history is `run_history`, requesting the
runs is `automation`.
"""

import math
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, date, datetime, time, timedelta
from enum import StrEnum
from itertools import islice

from soundlink_assets.schema.window import Window, consecutive, final_at, final_at_latest

LATE_RETRY = timedelta(days=1)
"""A day that is still open two days after its revision window closed is tried once in this time."""

PAUSES_AFTER_FAILURES = (timedelta(0), timedelta(minutes=10), timedelta(hours=1))
"""How long a day rests after the first, second and third failed run within a refresh interval."""

LONGEST_WAIT_OF_MISSING = timedelta(hours=3)
"""A day that was never fetched waits no longer than this to be coalesced with others."""

FORECASTS = 24
"""How many future moments are looked at to say when the next run comes."""


class Reason(StrEnum):
    """Why a day is fetched, oldest days first."""

    CATCH_UP = "catch_up"
    FINALIZE = "finalize"
    REFRESH = "refresh"


@dataclass(frozen=True, slots=True, kw_only=True)
class RefreshPolicy:
    """What the settings say about when to fetch."""

    start_date: date
    refresh_every: timedelta
    catch_up_days: int


@dataclass(frozen=True, slots=True)
class Fetch:
    """The latest materialisation of one day of one export."""

    fetched_at: datetime
    is_final: bool


@dataclass(frozen=True, slots=True)
class Selection:
    """What a run fetches: some exports, by name, for a window of days."""

    exports: frozenset[str]
    window: Window

    def covers(self, export: str, day: date) -> bool:
        """Whether the run fetches this day of this export."""
        return export in self.exports and day in self.window


@dataclass(frozen=True, slots=True)
class Failure:
    """A run that ended without success, and when (UTC)."""

    selection: Selection
    ended_at: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class History:
    """What is known of every export.

    `fetches` holds the latest fetch by export and day, at least for the days of `look_back`;
    `first_days` the first day that was ever materialised. `under_way` is what the queued and
    running runs fetch, `failures` the runs that failed within the last refresh interval.
    """

    fetches: Mapping[str, Mapping[date, Fetch]]
    first_days: Mapping[str, date] = field(default_factory=dict)
    under_way: Sequence[Selection] = ()
    failures: Sequence[Failure] = ()


@dataclass(frozen=True, slots=True)
class Due:
    """When a day of an export is to be fetched (again), and why; `missing` if it never was."""

    export: str
    day: date
    at: datetime
    reason: Reason
    missing: bool = False


@dataclass(frozen=True, slots=True)
class PlannedRun:
    """One run to request: consecutive days, at most 90, and every reason that one of them has."""

    selection: Selection
    reasons: tuple[Reason, ...]


@dataclass(frozen=True, slots=True)
class Decision:
    """The runs to request now; without any, `idle_because` says why and when the next comes."""

    runs: tuple[PlannedRun, ...]
    idle_because: str = ""


def decide(
    now: datetime, policy: RefreshPolicy, history: History, leave_out: date | None = None
) -> Decision:
    """What to request at `now` (UTC). Asked again with the same history, it answers the same.

    `leave_out` is a day that somebody else is about to request.
    """
    if look_back(now, policy) is None:
        closes_at = _midnight(policy.start_date + timedelta(days=1))
        return Decision((), f"The first day, {policy.start_date}, closes at {_minute(closes_at)}.")
    dues = [due for due in dues_of(now, policy, history) if due.day != leave_out]
    runs = _runs(_ready(now, policy, dues))
    return Decision(runs) if runs else Decision((), _idle_because(now, policy, history, dues))


def due_for_schedule(
    now: datetime, policy: RefreshPolicy, history: History, day: date
) -> Selection | str:
    """What of `day` is to be fetched at `now` without coalescing; or why nothing is."""
    if day < policy.start_date:
        return f"The first day is {policy.start_date}: nothing before it is fetched."
    dues = [due for due in dues_of(now, policy, history) if due.day == day]
    ready = frozenset(due.export for due in dues if due.at <= now)
    if ready:
        return Selection(ready, Window(day, day))
    if dues:
        again_at = min(due.at for due in dues)
        return f"{day} was fetched, or tried, not long ago; it is due again at {_minute(again_at)}."
    return f"{day} is in a run that is queued or running, or needs no fetching any more."


def look_back(now: datetime, policy: RefreshPolicy) -> Window | None:
    """The closed days that a decision can ask for; None before the first day has closed."""
    today = now.astimezone(UTC).date()
    reach = timedelta(days=max(policy.catch_up_days, days_until_final(policy)))
    first = max(policy.start_date, today - reach)
    return Window(first, today - timedelta(days=1)) if first < today else None


def days_until_final(policy: RefreshPolicy) -> int:
    """How old a day may be when the fetch comes that makes it final in any case.

    The fetch before may have been a moment too early; then an interval passes, and half of one more
    while the day waits for others.
    """
    day = date.min
    last_chance = final_at_latest(day) + policy.refresh_every * 1.5
    return math.ceil((last_chance - _midnight(day)) / timedelta(days=1)) - 1


def dues_of(now: datetime, policy: RefreshPolicy, history: History) -> Iterator[Due]:
    """When each day of the look_back is to be fetched, per export; without days under way."""
    days = look_back(now, policy)
    for export in history.fetches:
        for day in days.dates() if days else ():
            if any(selection.covers(export, day) for selection in history.under_way):
                continue
            due = _due(now, policy, history, export, day)
            if due is not None:
                rested = _rested_at(export, day, history.failures, policy.refresh_every)
                yield replace(due, at=max(due.at, rested)) if rested else due


def _due(
    now: datetime, policy: RefreshPolicy, history: History, export: str, day: date
) -> Due | None:
    fetch = history.fetches[export].get(day)
    closed_at = _midnight(day + timedelta(days=1))
    if now < final_at(day):
        if fetch is None:
            return Due(export, day, closed_at, Reason.REFRESH, missing=True)
        return Due(export, day, fetch.fetched_at + policy.refresh_every, Reason.REFRESH)
    if fetch is None:
        was_expected = day > history.first_days.get(export, date.max)
        due = Due(export, day, closed_at, Reason.CATCH_UP, missing=True)
        return due if was_expected else None
    if fetch.is_final:
        return None
    was_late = fetch.fetched_at >= final_at_latest(day)
    pause = max(LATE_RETRY, policy.refresh_every) if was_late else policy.refresh_every
    on_time = now < final_at_latest(day) + timedelta(days=1)
    at = max(final_at(day), fetch.fetched_at + pause)
    return Due(export, day, at, Reason.FINALIZE if on_time else Reason.CATCH_UP)


def _rested_at(
    export: str, day: date, failures: Sequence[Failure], refresh_every: timedelta
) -> datetime | None:
    """The end of the pause after the failed runs of a day; None if none failed."""
    ends = [failure.ended_at for failure in failures if failure.selection.covers(export, day)]
    if not ends:
        return None
    known = len(ends) <= len(PAUSES_AFTER_FAILURES)
    pause = PAUSES_AFTER_FAILURES[len(ends) - 1] if known else refresh_every
    return max(ends) + min(pause, refresh_every)


def _ready(now: datetime, policy: RefreshPolicy, dues: Sequence[Due]) -> list[Due]:
    """What to request at `now` of what is due.

    Coalescing: a request costs the same for one day as for ninety. So days wait for others that
    come due soon, and for the day that closes at midnight, until their deadline: half an interval,
    for a missing day less. What is requested takes along what is due beside it.
    """
    ready = [due for due in dues if due.at <= now]
    coming = [_next_midnight(now), *(due.at for due in dues if due.at > now)]
    going: set[tuple[str, date]] = set()
    for missing in (True, False):
        alike = [due for due in ready if due.missing == missing]
        longest_wait = _longest_wait(policy, missing=missing)
        others_follow = any(now < moment <= now + longest_wait for moment in coming)
        has_time = all(now < due.at + longest_wait for due in alike)
        if not (others_follow and has_time):
            going |= {(due.export, due.day) for due in alike}
    beside = {
        (export, day)
        for export in {due.export for due in ready}
        for window in consecutive(due.day for due in ready if due.export == export)
        if any((export, day) in going for day in window.dates())
        for day in window.dates()
    }
    return [due for due in ready if (due.export, due.day) in beside]


def _longest_wait(policy: RefreshPolicy, *, missing: bool) -> timedelta:
    """How long a day that is due waits for others; its deadline is that much later."""
    half = policy.refresh_every / 2
    return min(half, LONGEST_WAIT_OF_MISSING) if missing else half


def _runs(dues: Iterable[Due]) -> tuple[PlannedRun, ...]:
    """Each export's consecutive days as one window; exports of the same window share a run."""
    days: dict[str, dict[date, Reason]] = {}
    for due in dues:
        days.setdefault(due.export, {})[due.day] = due.reason
    exports: dict[Window, set[str]] = {}
    reasons: dict[Window, set[Reason]] = {}
    for export, reason_of in days.items():
        for window in consecutive(reason_of):
            exports.setdefault(window, set()).add(export)
            reasons.setdefault(window, set()).update(reason_of[day] for day in window.dates())
    return tuple(
        PlannedRun(
            Selection(frozenset(exports[window]), window),
            tuple(reason for reason in Reason if reason in reasons[window]),
        )
        for window in sorted(exports, reverse=True)
    )


def _idle_because(
    now: datetime, policy: RefreshPolicy, history: History, dues: Sequence[Due]
) -> str:
    waiting = sorted({due.day for due in dues if due.at <= now})
    sentences = [newest_state(now, history)]
    if waiting:
        days = ", ".join(map(str, consecutive(waiting)))
        sentences.append(f"Due, but waiting for days that soon are too, for one run: {days}.")
    next_at = _next_run_at(now, policy, history, dues)
    if next_at is not None and not history.under_way:
        sentences.append(f"The next run comes at {_minute(next_at)}.")
    return " ".join(sentences)


def newest_state(now: datetime, history: History) -> str:
    """One sentence on the newest closed day: when it was fetched, or what it waits for."""
    day = now.astimezone(UTC).date() - timedelta(days=1)
    under_way = {
        export
        for export in history.fetches
        if any(selection.covers(export, day) for selection in history.under_way)
    }
    if under_way:
        return f"{day}, the newest day, is in a run that is queued or running."
    fetches = [fetches.get(day) for fetches in history.fetches.values()]
    times = [fetch.fetched_at for fetch in fetches if fetch]
    if len(times) < len(fetches):
        return f"{day}, the newest day, is missing."
    return f"{day}, the newest day, was fetched at {_minute(min(times))}."


def _next_run_at(
    now: datetime, policy: RefreshPolicy, history: History, dues: Sequence[Due]
) -> datetime | None:
    """The first moment at which the same history leads to a run; None if none is foreseen."""
    midnight = _next_midnight(now)
    moments = {midnight, midnight + _longest_wait(policy, missing=True)}
    for due in dues:
        moments |= {due.at, due.at + _longest_wait(policy, missing=due.missing)}
    later = sorted(moment for moment in moments if moment > now)
    for moment in islice(later, FORECASTS):
        if _ready(moment, policy, list(dues_of(moment, policy, history))):
            return moment
    return None


def _next_midnight(now: datetime) -> datetime:
    return _midnight(now.astimezone(UTC).date() + timedelta(days=1))


def _midnight(day: date) -> datetime:
    return datetime.combine(day, time.min, UTC)


def _minute(moment: datetime) -> str:
    return f"{moment.astimezone(UTC):%Y-%m-%d %H:%M} UTC"
