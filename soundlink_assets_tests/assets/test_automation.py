"""Sensor, schedule and freshness on a real Dagster instance that remembers days and runs."""

from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, timedelta
from pathlib import Path

import dagster as dg
import pytest
from dagster._core.events import DagsterEventType
from dagster._core.remote_origin import RegisteredCodeLocationOrigin, RemoteRepositoryOrigin
from dagster._core.scheduler.instigation import InstigatorState, InstigatorStatus, InstigatorType
from dagster._core.test_utils import create_run_for_test, freeze_time
from sqlalchemy import Engine, event

from soundlink_assets.assets.automation import Automation, policy_of, run_request
from soundlink_assets.assets.catalog import asset_key
from soundlink_assets.assets.partitions import range_tags
from soundlink_assets.assets.refresh_policy import Selection
from soundlink_assets.assets.run_history import history_of
from soundlink_assets.definitions import build_definitions
from soundlink_assets.schema import CAMPAIGN_EXPORTS
from soundlink_assets.schema.window import Window, final_at
from soundlink_assets.settings import Settings

NOW = datetime(2026, 5, 20, 12, 0, tzinfo=UTC)
HOUR = timedelta(hours=1)
KEYS = {export.name: asset_key(export.table) for export in CAMPAIGN_EXPORTS}
COUNTRY, ENGAGEMENT = KEYS.values()
REPOSITORY = RemoteRepositoryOrigin(
    RegisteredCodeLocationOrigin("soundlink_assets"), "__repository__"
)
BEFORE_START = (dg.DagsterRunStatus.NOT_STARTED, dg.DagsterRunStatus.QUEUED)
REACHED_BY = {
    dg.DagsterRunStatus.STARTING: "STARTING",
    dg.DagsterRunStatus.STARTED: "START",
    dg.DagsterRunStatus.CANCELING: "CANCELING",
    dg.DagsterRunStatus.FAILURE: "FAILURE",
}
"""The event that brings a run into a status."""

LAST_SEVEN = Window(date(2026, 5, 13), date(2026, 5, 19))


@dataclass
class Remembered:
    """An instance, what is put into it, and what sensor and schedule make of it at `now`."""

    instance: dg.DagsterInstance
    settings: Settings = field(default_factory=Settings)
    now: datetime = NOW

    def __post_init__(self) -> None:
        definitions = build_definitions(self.settings, clock=lambda: self.now)
        self.repository = definitions.get_repository_def()

    def fetched(
        self,
        window: Window,
        at: datetime,
        *,
        final: bool | None = None,
        keys: tuple[dg.AssetKey, ...] = (COUNTRY, ENGAGEMENT),
    ) -> None:
        for day in window.dates():
            is_final = at >= final_at(day) if final is None else final
            for key in keys:
                self.instance.report_runless_asset_event(
                    dg.AssetMaterialization(
                        key,
                        partition=day.isoformat(),
                        metadata={
                            "fetched_at": dg.MetadataValue.timestamp(at),
                            "is_settled": is_final,
                        },
                    )
                )

    def run(
        self,
        status: dg.DagsterRunStatus,
        window: Window,
        at: datetime,
        selection: frozenset[dg.AssetKey] | None = None,
        job: str = "daily_exports",
    ) -> dg.DagsterRun:
        tags = {
            "dagster/asset_partition_range_start": window.first.isoformat(),
            "dagster/asset_partition_range_end": window.last.isoformat(),
        }
        with freeze_time(at):
            run: dg.DagsterRun = create_run_for_test(
                self.instance,
                job,
                tags=tags,
                asset_selection=selection,
                status=status if status in BEFORE_START else None,
                remote_job_origin=REPOSITORY.get_job_origin(job),
            )
            if status not in BEFORE_START:
                kind = DagsterEventType[f"RUN_{REACHED_BY[status]}"]
                self.instance.report_dagster_event(dg.DagsterEvent(kind.value, job), run.run_id)
        return run

    def tick(self) -> tuple[list[tuple[str, str, str]], str]:
        sensor = self.repository.get_sensor_def("revision_window_sensor")
        context = dg.build_sensor_context(instance=self.instance, repository_def=self.repository)
        tick = sensor.evaluate_tick(context)
        for verdict in tick.asset_events:
            self.instance.report_runless_asset_event(verdict)
        return [asked(request) for request in tick.run_requests or ()], tick.skip_message or ""

    def morning(self, planned_for: datetime) -> tuple[list[tuple[str, str, str]], str]:
        schedule = self.repository.get_schedule_def("daily_exports_schedule")
        context = dg.build_schedule_context(
            instance=self.instance,
            repository_def=self.repository,
            scheduled_execution_time=planned_for,
        )
        tick = schedule.evaluate_tick(context)
        return [asked(request) for request in tick.run_requests or ()], tick.skip_message or ""

    def freshness(self) -> dict[str, str]:
        keys = {name: dg.AssetCheckKey(key, "newest_day_present") for name, key in KEYS.items()}
        latest = self.instance.event_log_storage.get_latest_asset_check_execution_by_key(
            list(keys.values())
        )
        return {name: latest[key].status.value for name, key in keys.items() if key in latest}


def asked(request: dg.RunRequest) -> tuple[str, str, str]:
    """First day, last day and reason of a request."""
    span = request.partition_key_range
    first, last = (span.start, span.end) if span else (request.partition_key,) * 2
    return str(first), str(last), request.tags["soundlink/reason"]


@pytest.fixture
def remembered() -> Iterator[Remembered]:
    with dg.DagsterInstance.ephemeral() as instance:
        yield Remembered(instance)


def test_an_empty_instance_requests_the_last_seven_days(remembered: Remembered) -> None:
    assert remembered.tick() == ([("2026-05-13", "2026-05-19", "refresh")], "")


def test_a_start_date_in_the_future_is_a_reason_to_skip(remembered: Remembered) -> None:
    later = Remembered(remembered.instance, Settings(start_date=date(2026, 6, 1)))

    assert later.tick() == ([], "The first day, 2026-06-01, closes at 2026-06-02 00:00 UTC.")


def test_what_was_fetched_within_the_interval_is_left_out(remembered: Remembered) -> None:
    remembered.fetched(Window(date(2026, 5, 13), date(2026, 5, 17)), NOW - HOUR)
    remembered.fetched(Window(date(2026, 5, 18), date(2026, 5, 19)), NOW - 7 * HOUR)

    assert remembered.tick()[0] == [("2026-05-18", "2026-05-19", "refresh")]


def test_the_latest_materialisation_of_a_day_counts(remembered: Remembered) -> None:
    remembered.fetched(LAST_SEVEN, NOW - 30 * HOUR)
    remembered.fetched(LAST_SEVEN, NOW - HOUR)

    requests, reason = remembered.tick()

    assert requests == []
    assert reason == (
        "2026-05-19, the newest day, was fetched at 2026-05-20 11:00 UTC. "
        "The next run comes at 2026-05-20 17:00 UTC."
    )


def test_a_day_that_closed_its_window_is_finalized_and_an_older_gap_caught_up(
    remembered: Remembered,
) -> None:
    remembered.fetched(Window(date(2026, 5, 1), date(2026, 5, 11)), NOW - 7 * HOUR)
    remembered.fetched(Window(date(2026, 5, 5), date(2026, 5, 5)), NOW - 9 * HOUR, final=False)
    remembered.fetched(Window(date(2026, 5, 12), date(2026, 5, 19)), NOW - 20 * HOUR)

    assert remembered.tick()[0] == [("2026-05-12", "2026-05-19", "finalize+refresh")]
    remembered.now = NOW + 15 * HOUR
    assert ("2026-05-05", "2026-05-05", "catch_up") in remembered.tick()[0]


def test_an_export_fetched_by_hand_leaves_the_other_and_its_derived_assets(
    remembered: Remembered,
) -> None:
    remembered.fetched(LAST_SEVEN, NOW - HOUR, keys=(COUNTRY,))
    sensor = remembered.repository.get_sensor_def("revision_window_sensor")

    context = dg.build_sensor_context(
        instance=remembered.instance, repository_def=remembered.repository
    )
    (request,) = sensor.evaluate_tick(context).run_requests or ()

    selected = {key.to_user_string() for key in request.asset_selection or ()}
    assert {
        "soundlink/campaigns",
        "soundlink/campaign_engagement_daily",
        "analytics/spillover_share",
    } <= selected
    assert not {"soundlink/campaign_country_daily", "analytics/country_efficiency"} & selected


@pytest.mark.parametrize(
    "status",
    [
        dg.DagsterRunStatus.NOT_STARTED,
        dg.DagsterRunStatus.QUEUED,
        dg.DagsterRunStatus.STARTING,
        dg.DagsterRunStatus.STARTED,
        dg.DagsterRunStatus.CANCELING,
    ],
)
def test_days_of_a_run_that_has_not_ended_are_left_out(
    remembered: Remembered, status: dg.DagsterRunStatus
) -> None:
    remembered.run(status, LAST_SEVEN, NOW - HOUR)

    requests, reason = remembered.tick()

    assert requests == []
    assert reason.startswith("2026-05-19, the newest day, is in a run that is queued or running.")


def test_a_run_of_the_whole_job_that_names_no_assets_counts_for_every_export(
    remembered: Remembered,
) -> None:
    remembered.run(dg.DagsterRunStatus.STARTED, LAST_SEVEN, NOW, frozenset())

    assert remembered.tick()[0] == []


def test_a_backfill_run_of_some_assets_counts_only_for_the_exports_it_fetches(
    remembered: Remembered,
) -> None:
    derived = frozenset({dg.AssetKey(["analytics", "country_efficiency"])})
    remembered.run(dg.DagsterRunStatus.STARTED, LAST_SEVEN, NOW, derived, job="__ASSET_JOB")
    assert remembered.tick()[0] == [("2026-05-13", "2026-05-19", "refresh")]

    both = frozenset(KEYS.values())
    remembered.run(dg.DagsterRunStatus.STARTED, LAST_SEVEN, NOW, both, job="__ASSET_JOB")
    assert remembered.tick()[0] == []


def test_runs_of_other_code_locations_do_not_matter(remembered: Remembered) -> None:
    remembered.run(dg.DagsterRunStatus.STARTED, LAST_SEVEN, NOW, job="something_else")
    create_run_for_test(
        remembered.instance,
        "daily_exports",
        status=dg.DagsterRunStatus.STARTED,
        tags={"dagster/partition": "north|2026"},
    )

    assert remembered.tick()[0] == [("2026-05-13", "2026-05-19", "refresh")]


def test_a_run_that_was_silent_for_hours_has_died_and_is_not_waited_for(
    remembered: Remembered,
) -> None:
    remembered.run(dg.DagsterRunStatus.STARTED, LAST_SEVEN, NOW - 3 * HOUR)

    assert remembered.tick()[0] == [("2026-05-13", "2026-05-19", "refresh")]


def test_a_long_run_that_still_reports_progress_is_waited_for(remembered: Remembered) -> None:
    run = remembered.run(dg.DagsterRunStatus.STARTED, LAST_SEVEN, NOW - 30 * HOUR)
    with freeze_time(NOW - HOUR):
        remembered.instance.report_engine_event("still fetching", run)

    assert remembered.tick()[0] == []


def test_a_queued_run_is_waited_for_however_old_it_is(remembered: Remembered) -> None:
    remembered.run(dg.DagsterRunStatus.QUEUED, LAST_SEVEN, NOW - 200 * HOUR)

    assert remembered.tick()[0] == []


def test_a_failed_run_is_tried_again_by_the_next_tick_but_not_by_every_tick(
    remembered: Remembered,
) -> None:
    def fail(ago: timedelta) -> None:
        remembered.run(dg.DagsterRunStatus.FAILURE, LAST_SEVEN, NOW - ago)

    fail(timedelta(minutes=6))
    assert remembered.tick()[0] == [("2026-05-13", "2026-05-19", "refresh")]

    fail(timedelta(minutes=5))
    requests, reason = remembered.tick()
    assert requests == []
    assert "The next run comes at 2026-05-20 12:05 UTC." in reason


def test_a_repeated_tick_asks_the_same_while_nothing_has_happened(remembered: Remembered) -> None:
    assert remembered.tick() == remembered.tick()


def test_around_the_schedules_time_yesterday_is_left_to_the_schedule(
    remembered: Remembered,
) -> None:
    remembered.now = datetime(2026, 5, 20, 4, 30, 2, tzinfo=UTC)

    assert remembered.tick()[0] == [("2026-05-13", "2026-05-18", "refresh")]


MORNING = datetime(2026, 5, 20, 4, 30, tzinfo=UTC)


@pytest.fixture
def on_disk(tmp_path: Path) -> Iterator[Remembered]:
    """A schedule is handed only an instance that lasts."""
    with dg.DagsterInstance.local_temp(str(tmp_path)) as instance:
        yield Remembered(instance, now=MORNING)


def test_the_schedule_requests_yesterday(on_disk: Remembered) -> None:
    assert on_disk.morning(MORNING) == ([("2026-05-19", "2026-05-19", "daily")], "")


@pytest.mark.parametrize(
    ("morning", "yesterday"),
    [
        (datetime(2026, 3, 1, 4, 30, tzinfo=UTC), "2026-02-28"),
        (datetime(2028, 3, 1, 4, 30, tzinfo=UTC), "2028-02-29"),
        (datetime(2027, 1, 1, 4, 30, tzinfo=UTC), "2026-12-31"),
    ],
)
def test_the_schedule_evaluated_without_an_instance_requests_yesterday_at_any_time(
    remembered: Remembered, morning: datetime, yesterday: str
) -> None:
    assert remembered.morning(morning)[0] == [(yesterday, yesterday, "daily")]


def test_the_schedule_skips_what_the_sensor_has_fetched(on_disk: Remembered) -> None:
    on_disk.fetched(LAST_SEVEN, MORNING - 2 * HOUR)

    requests, reason = on_disk.morning(MORNING)

    assert requests == []
    assert "due again at 2026-05-20 08:30 UTC" in reason


def test_the_schedule_skips_what_a_run_is_about_to_fetch(on_disk: Remembered) -> None:
    on_disk.run(dg.DagsterRunStatus.QUEUED, LAST_SEVEN, MORNING)

    requests, reason = on_disk.morning(MORNING)

    assert requests == []
    assert "queued or running" in reason


def test_the_schedule_leaves_a_missed_morning_to_the_sensor_if_that_runs(
    on_disk: Remembered,
) -> None:
    on_disk.now = MORNING + 5 * HOUR
    assert on_disk.morning(MORNING)[0] == [("2026-05-19", "2026-05-19", "daily")]

    set_sensor(on_disk.instance, InstigatorStatus.STOPPED)
    assert on_disk.morning(MORNING)[0] == [("2026-05-19", "2026-05-19", "daily")]

    set_sensor(on_disk.instance, InstigatorStatus.RUNNING)
    requests, reason = on_disk.morning(MORNING)
    assert requests == []
    assert "missed" in reason


def set_sensor(instance: dg.DagsterInstance, status: InstigatorStatus) -> None:
    """As the daemon or a person in the UI does."""
    origin = REPOSITORY.get_instigator_origin("revision_window_sensor")
    state = InstigatorState(origin, InstigatorType.SENSOR, status)
    if instance.get_instigator_state(state.instigator_origin_id, state.selector_id):
        instance.update_instigator_state(state)
    else:
        instance.add_instigator_state(state)


def test_freshness_is_red_from_noon_while_yesterday_is_missing_and_green_when_it_comes(
    remembered: Remembered,
) -> None:
    remembered.fetched(Window(date(2026, 5, 1), date(2026, 5, 18)), NOW - 10 * HOUR)
    remembered.now = NOW - timedelta(seconds=1)
    remembered.tick()
    assert set(remembered.freshness().values()) == {"SUCCEEDED"}

    remembered.now = NOW
    remembered.tick()
    assert set(remembered.freshness().values()) == {"FAILED"}

    remembered.fetched(Window(date(2026, 5, 1), date(2026, 5, 18)), NOW)
    remembered.tick()
    assert set(remembered.freshness().values()) == {"FAILED"}, "old days do not make it fresh"

    remembered.fetched(Window(date(2026, 5, 19), date(2026, 5, 19)), NOW)
    remembered.tick()
    assert set(remembered.freshness().values()) == {"SUCCEEDED"}


def test_on_a_new_platform_nothing_is_overdue_until_a_run_has_failed(
    remembered: Remembered,
) -> None:
    remembered.tick()
    assert set(remembered.freshness().values()) == {"SUCCEEDED"}

    remembered.run(dg.DagsterRunStatus.FAILURE, LAST_SEVEN, NOW - HOUR)
    remembered.tick()
    assert set(remembered.freshness().values()) == {"FAILED"}


@pytest.mark.parametrize(
    ("window", "severity"),
    [(Window(date(2026, 5, 1), date(2026, 5, 2)), "WARN"), (LAST_SEVEN, "ERROR"), (None, "ERROR")],
)
def test_a_run_over_older_days_is_no_error_for_want_of_the_newest(
    remembered: Remembered, window: Window | None, severity: str
) -> None:
    remembered.fetched(Window(date(2026, 5, 1), date(2026, 5, 2)), NOW - 10 * HOUR)
    job = remembered.repository.get_implicit_global_asset_job_def()

    result = job.get_subset(
        asset_selection=set(),
        asset_check_selection={dg.AssetCheckKey(COUNTRY, "newest_day_present")},
    ).execute_in_process(
        instance=remembered.instance,
        tags=range_tags(window) if window else {},
        run_config={"loggers": {"console": {"config": {"log_level": "CRITICAL"}}}},
    )

    (verdict,) = result.get_asset_check_evaluations()
    assert not verdict.passed
    assert verdict.severity.value == severity


def test_freshness_is_recorded_when_it_changes_and_not_at_every_tick(
    remembered: Remembered,
) -> None:
    for _ in range(3):
        remembered.tick()

    key = dg.AssetCheckKey(COUNTRY, "newest_day_present")
    history = remembered.instance.event_log_storage.get_asset_check_execution_history(key, limit=9)
    assert len(history) == 1


def test_a_tick_asks_the_database_as_often_after_a_year_as_after_a_week(
    remembered: Remembered,
) -> None:
    policy = policy_of(remembered.settings)

    def queries() -> int:
        counted = 0

        def count(_connection: object, _cursor: object, statement: str, *_: object) -> None:
            nonlocal counted
            counted += statement.lstrip().upper().startswith("SELECT")

        event.listen(Engine, "before_cursor_execute", count)
        try:
            history_of(remembered.instance, CAMPAIGN_EXPORTS, NOW, policy)
        finally:
            event.remove(Engine, "before_cursor_execute", count)
        return counted

    remembered.fetched(LAST_SEVEN, NOW)
    after_a_week = queries()
    remembered.fetched(Window(date(2025, 12, 1), date(2026, 5, 12)), NOW)

    assert queries() == after_a_week <= 13


def test_a_run_request_never_reaches_beyond_yesterday_or_ninety_days() -> None:
    automation = Automation(
        job=dg.define_asset_job("daily_exports"),
        exports=CAMPAIGN_EXPORTS,
        fetched_with={name: frozenset({key}) for name, key in KEYS.items()},
        policy=policy_of(Settings()),
        running=True,
        clock=lambda: NOW,
    )
    exports = frozenset(KEYS)

    with pytest.raises(ValueError, match="not closed"):
        run_request(NOW, Selection(exports, Window(date(2026, 5, 1), NOW.date())), "x", automation)
    with pytest.raises(ValueError, match="90 days"):
        run_request(
            NOW, Selection(exports, Window(date(2026, 1, 1), date(2026, 4, 1))), "x", automation
        )


@pytest.mark.parametrize(("automation", "running"), [(True, "RUNNING"), (False, "STOPPED")])
def test_schedule_and_sensors_start_as_the_setting_says(automation: bool, running: str) -> None:  # noqa: FBT001 - a parameter of the test
    repository = build_definitions(Settings(automation=automation)).get_repository_def()

    sensors = {sensor.name: sensor.default_status.value for sensor in repository.sensor_defs}
    assert {"revision_window_sensor", "derived_assets_sensor"} <= set(sensors)
    assert set(sensors.values()) == {running}
    schedule = repository.get_schedule_def("daily_exports_schedule")
    assert schedule.default_status.value == running


def test_the_sensor_looks_often_enough_for_its_interval() -> None:
    def seconds(hours: float) -> int:
        repository = build_definitions(Settings(refresh_hours=hours)).get_repository_def()
        interval = repository.get_sensor_def("revision_window_sensor").minimum_interval_seconds
        assert interval is not None
        return interval

    assert seconds(6) == 300
    assert seconds(0.05) == 15
