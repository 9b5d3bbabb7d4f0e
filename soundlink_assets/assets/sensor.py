"""The sensor that keeps the days true that may still change, settles them, and repairs gaps.

It keeps no cursor: every tick decides from Dagster's records and the clock alone, by the rules in
`revision_window`, so that nothing is lost when it was off, and a repeated tick does no harm.
"""

from datetime import UTC, timedelta

import dagster as dg

from soundlink_assets.assets.freshness import changed_verdicts
from soundlink_assets.assets.jobs import Automation, run_request
from soundlink_assets.assets.records import history_of
from soundlink_assets.assets.revision_window import decide
from soundlink_assets.assets.schedule import SENSOR_NAME, is_about_to_tick

SHORTEST_TICK_SECONDS = 15
LONGEST_TICK_SECONDS = 300


def revision_window_sensor(automation: Automation) -> dg.SensorDefinition:
    """Requests runs for the days that `revision_window` finds due."""
    rhythm = automation.rhythm
    running = automation.running
    status = dg.DefaultSensorStatus.RUNNING if running else dg.DefaultSensorStatus.STOPPED

    @dg.sensor(
        name=SENSOR_NAME,
        job=automation.job,
        minimum_interval_seconds=tick_seconds(rhythm.refresh_every),
        default_status=status,
        description="Fetches the last 7 days again, at most every "
        f"{rhythm.refresh_every / timedelta(hours=1):g} hours; every day once more after its "
        "revision window has closed; and days that were left open or missing, up to "
        f"{rhythm.catch_up_days} days back.",
    )
    def sensor(context: dg.SensorEvaluationContext) -> dg.SensorResult:
        now = automation.clock()
        history = history_of(context.instance, automation.assets, now, rhythm)
        yesterday = now.astimezone(UTC).date() - timedelta(days=1)
        leave_out = yesterday if is_about_to_tick(now) else None
        decision = decide(now, rhythm, history, leave_out)
        return dg.SensorResult(
            run_requests=[
                run_request(now, run.scope, "+".join(run.reasons), automation)
                for run in decision.runs
            ],
            skip_reason=None if decision.runs else dg.SkipReason(decision.idle_because),
            asset_events=list(changed_verdicts(context.instance, automation, now, history)),
        )

    return sensor


def tick_seconds(refresh_every: timedelta) -> int:
    """How often to look: twenty times in a refresh interval, within bounds."""
    twentieth = int(refresh_every.total_seconds() / 20)
    return max(SHORTEST_TICK_SECONDS, min(twentieth, LONGEST_TICK_SECONDS))
