"""The doctor on Dagster's history: the days, the runs, and whether the daemon is alive."""

import os
from collections.abc import Iterator, Mapping
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING

from soundlink_assets.cli.findings import (
    EVER,
    MEGABYTE,
    Finding,
    backfills,
    broken,
    ok,
    ranges,
    warning,
)
from soundlink_assets.schema.window import Window, final_at
from soundlink_assets.settings import Settings

if TYPE_CHECKING:
    from dagster import DagsterInstance, RunRecord

    from soundlink_assets.assets.refresh_policy import History

SHOWN_RUNS = 3

SILENT_RUN = timedelta(hours=2)
"""After so long without an event an open run counts as dead, for the sensor too."""

SILENCE = timedelta(minutes=5)
"""A daemon gives a sign of life every half minute; Dagster calls it well for half an hour."""

MUCH_HISTORY_BYTES = 2_000 * MEGABYTE
"""A history of that size is worth pruning; the warehouse beside it is rarely as large."""


def probe_home(home: Path, environment: Mapping[str, str]) -> Iterator[Finding]:
    """Whether Dagster's history exists and can be written."""
    from soundlink_assets.cli.home import home_left_behind

    what = f"{home.absolute()}"
    if not environment.get("DAGSTER_HOME"):
        what += ", because DAGSTER_HOME is not set"
    elif not home.is_absolute():
        advice = "Dagster's own commands need an absolute path: set it so."
        yield warning("DAGSTER_HOME", f"{home} is relative", advice)
        return
    left = home_left_behind(home) if environment.get("DAGSTER_HOME") else None
    if left is not None:
        yield broken(
            "DAGSTER_HOME",
            f"{what} does not exist, and {left} holds a history: was this folder moved?",
            f"Set DAGSTER_HOME to {left}, in .env or wherever it is set.",
        )
        return
    if not (home / "dagster.yaml").exists():
        yield warning(
            "DAGSTER_HOME",
            f"{what}: nothing is in it yet",
            "`soundlink-assets dev` or `backfill` fills it.",
        )
        return
    if not os.access(home, os.W_OK):
        yield broken(
            "DAGSTER_HOME", f"{what} cannot be written", "Change its rights, or set another."
        )
        return
    size = sum(
        _bytes(path)
        for part in ("history", "schedules", "storage")
        for path in (home / part).rglob("*")
    )
    what += f", {size / MEGABYTE:,.0f} MB"
    if size > MUCH_HISTORY_BYTES:
        advice = "`soundlink-assets prune` deletes old runs that later ones have replaced."
        yield warning("DAGSTER_HOME", what, advice, bytes=size)
        return
    yield ok("DAGSTER_HOME", what, bytes=size)


def _bytes(path: Path) -> int:
    """The size of a file; SQLite removes its write-ahead logs while the daemon works."""
    try:
        return path.stat().st_size
    except FileNotFoundError:
        return 0


def probe_history(
    settings: Settings, home: Path, now: datetime, *, warehouse_opens: bool
) -> Iterator[Finding]:
    """The days by their state, failed and dead runs, the daemon, and what is switched off."""
    from soundlink_assets.cli.home import open_history

    start = settings.start_date
    if start >= now.date():
        yield warning(
            "days",
            f"SOUNDLINK_START_DATE is {start}: no day since has closed, so nothing is fetched",
            "Set an earlier day, if that was not meant.",
        )
    if not (home / "dagster.yaml").exists():
        return
    with open_history(home) as instance:
        history = _history(settings, instance, now)
        if history.first_days and start < now.date():
            yield _states(history, start, now)
            yield from _failing(history, settings, now, retried=_is_alive(instance))
            if warehouse_opens:
                yield from _lost(history, settings.warehouse)
        elif not history.first_days:
            advice = "`soundlink-assets backfill`, or `dev`, which goes on by itself."
            yield warning("days", "none was fetched yet", advice)
        yield from _dead_runs(instance, now)
        yield from _daemon(instance, now)


def _history(settings: Settings, instance: "DagsterInstance", now: datetime) -> "History":
    from soundlink_assets.assets.refresh_policy import RefreshPolicy
    from soundlink_assets.assets.resource import loaded_exports
    from soundlink_assets.assets.run_history import history_of

    policy = RefreshPolicy(
        start_date=settings.start_date,
        refresh_every=timedelta(hours=settings.refresh_hours),
        catch_up_days=EVER,
    )
    return history_of(instance, loaded_exports(settings), now, policy)


def _lost(history: "History", warehouse: str) -> Iterator[Finding]:
    """The days that were fetched and are not in the warehouse: perhaps it is another one."""
    from soundlink_assets.cli.probe_warehouse import first_asked_day, stored_days
    from soundlink_assets.warehouse import open_warehouse

    fetched = set.intersection(*(set(days) for days in history.fetches.values()))
    stored, first = stored_days(warehouse), first_asked_day(warehouse)
    if not open_warehouse(warehouse).facts().exists:
        first = date.min
    lost = sorted(day for day in fetched - stored if first is not None and day >= first)
    if lost:
        yield broken(
            "days",
            f"{ranges(lost)}: fetched by Dagster's history, but not in the warehouse",
            "Set SOUNDLINK_WAREHOUSE to the file that has them, or backfill them.",
            lost=[str(day) for day in lost],
        )


def _states(history: "History", start: date, now: datetime) -> Finding:
    """How many days are final, open and missing, from the first fetched day to yesterday.

    Days before `start` are not looked after any more, whether or not they were fetched, and those
    before an export's first day never were.
    """
    first, yesterday = min(history.first_days.values()), now.date() - timedelta(days=1)
    first = max(first, start)
    final: list[date] = []
    still_open: list[date] = []
    late: list[date] = []
    missing: list[date] = []
    for day in Window(min(first, yesterday), yesterday).dates():
        fetches = [
            days.get(day)
            for export, days in history.fetches.items()
            if day >= history.first_days.get(export, date.max)
        ]
        if any(fetch is None for fetch in fetches):
            missing.append(day)
        elif all(fetch is not None and fetch.is_final for fetch in fetches):
            final.append(day)
        else:
            (late if now >= final_at(day) + timedelta(days=3) else still_open).append(day)
    what = f"{len(final):,} final, {len(still_open)} open, {len(missing)} missing"
    facts = {
        "final": len(final),
        "open": [str(day) for day in still_open],
        "late": [str(day) for day in late],
        "missing": [str(day) for day in missing],
    }
    if not missing and not late:
        return ok("days", what, **facts)
    if late:
        what += f"; not final although their revision window has closed: {ranges(late)}"
    if missing:
        what += f"; missing: {ranges(missing)}"
    advice = (
        "While the daemon runs, the sensor repairs days up to SOUNDLINK_CATCH_UP_DAYS back; "
        "backfill older ones."
    )
    return warning("days", what, advice, **facts)


def _failing(
    history: "History", settings: Settings, now: datetime, *, retried: bool
) -> Iterator[Finding]:
    """The days whose last run failed within the refresh interval; `retried` by a live daemon."""
    failing = sorted(
        {
            day
            for failure in history.failures
            for day in failure.selection.window.dates()
            for export in failure.selection.exports
            if settings.start_date <= day < now.date()
            and (
                (fetch := history.fetches[export].get(day)) is None
                or fetch.fetched_at < failure.ended_at
            )
        }
    )
    if failing:
        again = (
            "the days are tried again by themselves."
            if retried
            else f"then run {backfills(failing)}."
        )
        yield broken(
            "days",
            f"failing: {ranges(failing)}, runs of the last {settings.refresh_hours:g} hours",
            f"The run's page in the UI says why; {again}",
            failing=[str(day) for day in failing],
        )


def _dead_runs(instance: "DagsterInstance", now: datetime) -> Iterator[Finding]:
    """Open runs that nobody executes: of commands that were killed, and long silent ones."""
    import dagster as dg

    from soundlink_assets.cli.runs import killed_runs

    executing = [
        dg.DagsterRunStatus.STARTING,
        dg.DagsterRunStatus.STARTED,
        dg.DagsterRunStatus.CANCELING,
    ]
    records = instance.get_run_records(dg.RunsFilter(statuses=executing))
    of_killed = set(killed_runs(Path(instance.root_directory)))
    killed = [each.dagster_run.run_id for each in records if each.dagster_run.run_id in of_killed]
    silent = [
        each.dagster_run.run_id
        for each in records
        if each.dagster_run.run_id not in of_killed
        and _silent_since(instance, each) < now - SILENT_RUN
    ]
    if killed:
        yield broken(
            "runs",
            f"open, but the command that executed them was killed: {_named(killed)}",
            "The next `soundlink-assets backfill` or `dev` marks them as failed; then their days "
            "are fetched again.",
            killed=killed,
        )
    if silent:
        yield broken(
            "runs",
            f"open, but silent for more than {SILENT_RUN.seconds // 3600} hours: {_named(silent)}",
            "If nothing executes them any more, end them in the UI: Runs, Terminate, with 'Force "
            "termination immediately'. Their days are fetched again all the same.",
            silent=silent,
        )


def _silent_since(instance: "DagsterInstance", record: "RunRecord") -> datetime:
    newest = instance.get_records_for_run(record.dagster_run.run_id, limit=1, ascending=False)
    times = [datetime.fromtimestamp(event.timestamp, UTC) for event in newest.records]
    return max([record.update_timestamp.replace(tzinfo=UTC), *times])


def _named(run_ids: list[str]) -> str:
    more = f" and {len(run_ids) - SHOWN_RUNS} more" if len(run_ids) > SHOWN_RUNS else ""
    return ", ".join(run_ids[:SHOWN_RUNS]) + more


def _is_alive(instance: "DagsterInstance") -> bool:
    return any(status.healthy for status in instance.get_daemon_statuses().values())


def _daemon(instance: "DagsterInstance", now: datetime) -> Iterator[Finding]:
    statuses = instance.get_daemon_statuses()
    heartbeats = [
        status.last_heartbeat.timestamp for status in statuses.values() if status.last_heartbeat
    ]
    if not heartbeats:
        advice = "`soundlink-assets dev` runs it; without it only backfills fetch anything."
        yield warning("daemon", "has not run yet", advice)
        return
    last = datetime.fromtimestamp(max(heartbeats), UTC)
    ill = sorted(
        name for name, status in statuses.items() if status.required and not status.healthy
    )
    seconds = round((now - last).total_seconds())
    facts = {"last_heartbeat": last.isoformat(), "unhealthy": ill}
    if len(ill) == len(statuses):
        what = f"does not run; its last heartbeat was at {last:%Y-%m-%d %H:%M} UTC"
        yield broken("daemon", what, "Start it with `soundlink-assets dev`.", **facts)
        return
    if ill:
        errors = [
            error.message.strip().splitlines()[0]
            for name in ill
            if (beat := statuses[name].last_heartbeat) and beat.errors
            for error in beat.errors
        ]
        what = f"runs, but {', '.join(ill)} has failed: {'; '.join(errors) or 'no heartbeat'}"
        yield broken("daemon", what, "Its log says more; start it again.", **facts)
        return
    if now - last > SILENCE:
        what = f"has been silent for {round(seconds / 60)} min; was it stopped?"
        advice = "`soundlink-assets dev` runs it; without it only backfills fetch anything."
        yield warning("daemon", what, advice, **facts)
        return
    yield ok("daemon", f"is alive, last heartbeat {seconds} s ago", **facts)
    yield from _switched_off(instance)


def _switched_off(instance: "DagsterInstance") -> Iterator[Finding]:
    from soundlink_assets.dagster_internals import InstigatorStatus

    off = sorted(
        state.instigator_name
        for state in instance.all_instigator_state()
        if state.status is InstigatorStatus.STOPPED
    )
    if off:
        yield warning(
            "daemon",
            f"switched off: {', '.join(off)}",
            "Switch them on in the UI under Automation, if that was not meant.",
            switched_off=off,
        )
