"""The schedule that fetches yesterday each morning, unless that was done a short while ago."""

from datetime import UTC, datetime, time, timedelta

import dagster as dg
from dagster._core.scheduler.instigation import InstigatorStatus, InstigatorType

from soundlink_assets.assets.jobs import Automation, run_request
from soundlink_assets.assets.records import history_of
from soundlink_assets.assets.revision_window import History, due_for_schedule

SCHEDULE_NAME = "daily_exports_schedule"
SENSOR_NAME = "revision_window_sensor"

DAILY_AT = time(4, 30)
"""UTC; the samples in the contract were exported at 03:00 UTC, which suggests a nightly batch."""

PUNCTUAL = timedelta(minutes=5)
"""A tick that comes later than this after its time is a missed one that Dagster makes up for."""

REASON = "daily"


def daily_exports_schedule(automation: Automation) -> dg.ScheduleDefinition:
    """Requests yesterday's partition each morning."""

    @dg.schedule(
        name=SCHEDULE_NAME,
        job=automation.job,
        cron_schedule=f"{DAILY_AT.minute} {DAILY_AT.hour} * * *",
        execution_timezone="UTC",
        default_status=_status(running=automation.running),
        description=f"Fetches yesterday at {DAILY_AT:%H:%M} UTC, unless it was fetched within "
        "the refresh interval or is in a run that is queued or running.",
    )
    def schedule(context: dg.ScheduleEvaluationContext) -> dg.RunRequest | dg.SkipReason:
        planned_for = context.scheduled_execution_time.astimezone(UTC)
        rhythm = automation.rhythm
        if context.instance_ref is None:  # a dry evaluation: there is nothing to remember
            history = History(fetches={name: {} for name in automation.assets})
        elif automation.clock() - planned_for > PUNCTUAL and _sensor_runs(context.instance):
            return dg.SkipReason(
                f"This tick was missed at {planned_for:%Y-%m-%d %H:%M} UTC; {SENSOR_NAME} "
                "requests what is missing."
            )
        else:
            history = history_of(context.instance, automation.assets, planned_for, rhythm)
        yesterday = planned_for.date() - timedelta(days=1)
        due = due_for_schedule(planned_for, rhythm, history, yesterday)
        if isinstance(due, str):
            return dg.SkipReason(due)
        return run_request(planned_for, due, REASON, automation)

    return schedule


def is_about_to_tick(now: datetime) -> bool:
    """Whether the schedule may be requesting yesterday right now; the sensor then leaves it."""
    planned_for = datetime.combine(now.astimezone(UTC).date(), DAILY_AT, UTC)
    return -timedelta(minutes=1) <= now - planned_for < PUNCTUAL


def _status(*, running: bool) -> dg.DefaultScheduleStatus:
    return dg.DefaultScheduleStatus.RUNNING if running else dg.DefaultScheduleStatus.STOPPED


def _sensor_runs(instance: dg.DagsterInstance) -> bool:
    """Whether the daemon has ticked the sensor in this instance and nobody stopped it."""
    return any(
        state.instigator_name == SENSOR_NAME and state.status != InstigatorStatus.STOPPED
        for state in instance.all_instigator_state(instigator_type=InstigatorType.SENSOR)
    )
