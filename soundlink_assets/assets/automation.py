"""What runs by itself: the job, its schedule, the sensors, and the check that yesterday has come.

Nothing is decided here: which days are due is in `refresh_policy`, what Dagster remembers in
`run_history`, when derived assets follow in `conditions`.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta

import dagster as dg

from soundlink_assets.assets.catalog import asset_key
from soundlink_assets.assets.findings import ERROR, WARN
from soundlink_assets.assets.partitions import range_tags, window_of_run
from soundlink_assets.assets.refresh_policy import (
    History,
    RefreshPolicy,
    Selection,
    decide,
    due_for_schedule,
)
from soundlink_assets.assets.run_history import JOB_NAME, history_of
from soundlink_assets.assets.verdicts import Verdict, failing, not_judged, passing
from soundlink_assets.clock import Clock
from soundlink_assets.dagster_internals import (
    CheckStatus,
    InstigatorStatus,
    InstigatorType,
    UnresolvedAssetJobDefinition,
)
from soundlink_assets.schema import Export
from soundlink_assets.schema.window import MAX_WINDOW_DAYS
from soundlink_assets.settings import Settings

SCHEDULE_NAME = "daily_exports_schedule"
SENSOR_NAME = "revision_window_sensor"
DERIVED_SENSOR_NAME = "derived_assets_sensor"
NEWEST_DAY_PRESENT = "newest_day_present"

REASON_TAG = "soundlink/reason"
"""Why a run was requested: `daily`, or one or more of `catch_up`, `finalize`, `refresh`."""

DAILY_AT = time(4, 30)
"""UTC; the samples of the provider were exported at 03:00 UTC, which suggests a nightly batch."""

EXPECTED_BY = time(12)
"""UTC; from then on yesterday has to be there."""

PUNCTUAL = timedelta(minutes=5)
"""A tick that comes later than this after its time is a missed one that Dagster makes up for."""

SHORTEST_TICK_SECONDS = 15
LONGEST_TICK_SECONDS = 300
DERIVED_TICK_SECONDS = 30


@dataclass(frozen=True, slots=True, kw_only=True)
class Automation:
    """What schedule and sensor share.

    `fetched_with`, by export name, is everything that a run materialises to fetch that export: its
    listing, the export, and what is derived from it. `running`: whether automation starts by
    itself.
    """

    job: UnresolvedAssetJobDefinition
    exports: Sequence[Export]
    fetched_with: Mapping[str, frozenset[dg.AssetKey]]
    policy: RefreshPolicy
    running: bool
    clock: Clock


def policy_of(settings: Settings) -> RefreshPolicy:
    """What the settings say about when to fetch."""
    return RefreshPolicy(
        start_date=settings.start_date,
        refresh_every=timedelta(hours=settings.refresh_hours),
        catch_up_days=settings.catch_up_days,
    )


def automation_of(
    settings: Settings,
    exports: Sequence[Export],
    assets: Iterable[dg.AssetsDefinition],
    not_in_runs: Iterable[dg.AssetKey],
    clock: Clock,
) -> Automation:
    """The automation of the exports; `assets` are all there are, but a run leaves some out."""
    assets = list(assets)
    fresh = dg.AssetSelection.checks(*(freshness_key(export) for export in exports))
    in_runs = dg.AssetSelection.all() - dg.AssetSelection.assets(*not_in_runs) - fresh
    return Automation(
        job=dg.define_asset_job(
            JOB_NAME,
            selection=in_runs,
            description="Fetch the listing and every export for the chosen days, verify and store "
            "them, compute everything derived, and run the checks.",
            executor_def=dg.in_process_executor,
        ),
        exports=exports,
        fetched_with={
            export.name: frozenset(
                (
                    dg.AssetSelection.assets(asset_key(export.table)).downstream()
                    | dg.AssetSelection.assets(asset_key(export.scope.listing))
                ).resolve(assets)
            )
            - frozenset(not_in_runs)
            for export in exports
        },
        policy=policy_of(settings),
        running=settings.automation,
        clock=clock,
    )


def run_request(
    now: datetime, selection: Selection, reason: str, automation: Automation
) -> dg.RunRequest:
    """A request to fetch; without a run key, because a key is used up by a failed run too.

    Dagster does not check a range of partitions, so it is checked here: ValueError if the window
    reaches beyond yesterday or is longer than one run may be.
    """
    window = selection.window
    if window.last >= now.astimezone(UTC).date():
        raise ValueError(f"{window} holds a day that has not closed by {now}")
    if window.days > MAX_WINDOW_DAYS:
        raise ValueError(f"{window} is longer than the {MAX_WINDOW_DAYS} days of one request")
    keys = automation.fetched_with
    some = frozenset[dg.AssetKey]().union(*(keys[name] for name in selection.exports))
    one_day = window.first.isoformat() if window.days == 1 else None
    return dg.RunRequest(
        partition_key=one_day,
        tags={REASON_TAG: reason} | ({} if one_day else range_tags(window)),
        asset_selection=None if selection.exports == set(keys) else sorted(some),
    )


# ---- schedule ----


def daily_schedule(automation: Automation) -> dg.ScheduleDefinition:
    """Requests yesterday's partition each morning, unless that was done a short while ago."""
    status = dg.DefaultScheduleStatus
    policy = automation.policy

    @dg.schedule(
        name=SCHEDULE_NAME,
        job=automation.job,
        cron_schedule=f"{DAILY_AT.minute} {DAILY_AT.hour} * * *",
        execution_timezone="UTC",
        default_status=status.RUNNING if automation.running else status.STOPPED,
        description=f"Fetches yesterday at {DAILY_AT:%H:%M} UTC, unless it was fetched within "
        "the refresh interval or is in a run that is queued or running.",
    )
    def schedule(context: dg.ScheduleEvaluationContext) -> dg.RunRequest | dg.SkipReason:
        planned_for = context.scheduled_execution_time.astimezone(UTC)
        if context.instance_ref is None:  # a dry evaluation: there is nothing to remember
            history = History(fetches={export.name: {} for export in automation.exports})
        elif automation.clock() - planned_for > PUNCTUAL and _sensor_runs(context.instance):
            return dg.SkipReason(
                f"This tick was missed at {planned_for:%Y-%m-%d %H:%M} UTC; {SENSOR_NAME} "
                "requests what is missing."
            )
        else:
            history = history_of(context.instance, automation.exports, planned_for, policy)
        yesterday = planned_for.date() - timedelta(days=1)
        due = due_for_schedule(planned_for, policy, history, yesterday)
        if isinstance(due, str):
            return dg.SkipReason(due)
        return run_request(planned_for, due, "daily", automation)

    return schedule


def _is_about_to_tick(now: datetime) -> bool:
    """Whether the schedule may be requesting yesterday right now; the sensor then leaves it."""
    planned_for = datetime.combine(now.astimezone(UTC).date(), DAILY_AT, UTC)
    return -timedelta(minutes=1) <= now - planned_for < PUNCTUAL


def _sensor_runs(instance: dg.DagsterInstance) -> bool:
    """Whether the daemon has ticked the sensor in this instance and nobody stopped it."""
    return any(
        state.instigator_name == SENSOR_NAME and state.status != InstigatorStatus.STOPPED
        for state in instance.all_instigator_state(instigator_type=InstigatorType.SENSOR)
    )


# ---- sensors ----


def revision_window_sensor(automation: Automation) -> dg.SensorDefinition:
    """Keeps the days true that may still change, fetches them once final, and repairs gaps.

    It keeps no cursor: every tick decides from Dagster's records and the clock alone, so that
    nothing is lost when it was off, and a repeated tick does no harm.
    """
    policy = automation.policy

    @dg.sensor(
        name=SENSOR_NAME,
        job=automation.job,
        minimum_interval_seconds=_tick_seconds(policy.refresh_every),
        default_status=_sensor_status(running=automation.running),
        description="Fetches the last 7 days again, at most every "
        f"{policy.refresh_every / timedelta(hours=1):g} hours; every day once more after its "
        "revision window has closed; and days that were left open or missing, up to "
        f"{policy.catch_up_days} days back.",
    )
    def sensor(context: dg.SensorEvaluationContext) -> dg.SensorResult:
        now = automation.clock()
        history = history_of(context.instance, automation.exports, now, policy)
        yesterday = now.astimezone(UTC).date() - timedelta(days=1)
        decision = decide(now, policy, history, yesterday if _is_about_to_tick(now) else None)
        return dg.SensorResult(
            run_requests=[
                run_request(now, run.selection, "+".join(run.reasons), automation)
                for run in decision.runs
            ],
            skip_reason=None if decision.runs else dg.SkipReason(decision.idle_because),
            asset_events=list(_changed_freshness(context.instance, automation, now, history)),
        )

    return sensor


def derived_assets_sensor(automation: Automation) -> dg.AutomationConditionSensorDefinition:
    """Evaluates the condition of every asset that has one."""
    return dg.AutomationConditionSensorDefinition(
        DERIVED_SENSOR_NAME,
        target=dg.AssetSelection.all(),
        minimum_interval_seconds=DERIVED_TICK_SECONDS,
        default_status=_sensor_status(running=automation.running),
        description="Computes derived assets again when one of their sources was materialised "
        "without them, for any day.",
    )


def _sensor_status(*, running: bool) -> dg.DefaultSensorStatus:
    return dg.DefaultSensorStatus.RUNNING if running else dg.DefaultSensorStatus.STOPPED


def _tick_seconds(refresh_every: timedelta) -> int:
    """How often to look: twenty times in a refresh interval, within bounds."""
    twentieth = int(refresh_every.total_seconds() / 20)
    return max(SHORTEST_TICK_SECONDS, min(twentieth, LONGEST_TICK_SECONDS))


# ---- whether yesterday has come ----


def freshness_key(export: Export) -> dg.AssetCheckKey:
    """The key of the check that the newest day of an export is there."""
    return dg.AssetCheckKey(asset_key(export.table), NEWEST_DAY_PRESENT)


def newest_day_check(export: Export, automation: Automation) -> dg.AssetChecksDefinition:
    """A check that goes red when yesterday is overdue.

    Dagster's freshness policies look at the latest materialisation of any partition, so fetching an
    old day again would make an export look fresh. This one looks at the newest day alone. The
    sensor evaluates it at every tick, also when no run happens, which is when it matters; it is not
    part of the job, because a run over old days says nothing about it.
    """

    @dg.asset_check(
        asset=asset_key(export.table),
        name=NEWEST_DAY_PRESENT,
        description=f"Yesterday has to be there by {EXPECTED_BY:%H:%M} UTC. Fetching older days "
        "again makes no difference. The sensor evaluates this at every tick.",
    )
    def newest_day_present(context: dg.AssetCheckExecutionContext) -> dg.AssetCheckResult:
        now = automation.clock()
        history = history_of(context.instance, [export], now, automation.policy)
        verdict = newest_day(now, automation.policy.start_date, export.name, history)
        window = window_of_run(context)
        is_about_other_days = window is not None and _expected(now) not in window
        return dg.AssetCheckResult(
            passed=verdict.passed,
            severity=WARN if is_about_other_days else ERROR,
            description=verdict.description,
        )

    return newest_day_present


def _expected(now: datetime) -> date:
    """The newest day that has to be there."""
    now = now.astimezone(UTC)
    return now.date() - timedelta(days=1 if now.time() >= EXPECTED_BY else 2)


def newest_day(now: datetime, start: date, export: str, history: History) -> Verdict:
    """Whether the newest day that has to be there is there.

    Not judged while nothing was ever fetched, unless that was tried in vain.
    """
    expected = _expected(now)
    if expected < start:
        return passing(f"The first day, {start}, is not expected yet.")
    if any(day >= expected for day in history.fetches[export]):
        return passing(f"{expected}, the newest day that is expected, was fetched.")
    has_failed = any(export in failure.selection.exports for failure in history.failures)
    if export not in history.first_days and not has_failed:
        return not_judged("no day was ever fetched, nor tried")
    return failing(
        ERROR,
        f"{expected} has not been fetched; it was expected by {EXPECTED_BY:%H:%M} UTC of the day "
        "after. See the runs of this asset, and the ticks of the sensor.",
    )


def _changed_freshness(
    instance: dg.DagsterInstance, automation: Automation, now: datetime, history: History
) -> Iterator[dg.AssetCheckEvaluation]:
    """The verdicts that differ from the latest one that is recorded, or are the first."""
    recorded = instance.event_log_storage.get_latest_asset_check_execution_by_key(
        [freshness_key(export) for export in automation.exports]
    )
    for export in automation.exports:
        verdict = newest_day(now, automation.policy.start_date, export.name, history)
        latest = recorded.get(freshness_key(export))
        status = CheckStatus.SUCCEEDED if verdict.passed else CheckStatus.FAILED
        if latest is None or latest.status != status:
            yield dg.AssetCheckEvaluation(
                asset_key=asset_key(export.table),
                check_name=NEWEST_DAY_PRESENT,
                passed=verdict.passed,
                description=verdict.description,
            )
