"""The rules of the revision window, as examples and as properties, without Dagster."""

from collections.abc import Iterable
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from soundlink_assets.assets.refresh_policy import (
    Decision,
    Failure,
    Fetch,
    History,
    PlannedRun,
    Reason,
    RefreshPolicy,
    Selection,
    days_until_final,
    decide,
    due_for_schedule,
    dues_of,
    look_back,
)
from soundlink_assets.schema.window import Window, final_at, final_at_latest

HOUR = timedelta(hours=1)
DAY = timedelta(days=1)
POLICY = RefreshPolicy(start_date=date(2026, 1, 1), refresh_every=6 * HOUR, catch_up_days=35)
BOTH = frozenset({"country", "engagement"})
NOW = datetime(2026, 5, 20, 12, 0, tzinfo=UTC)
TODAY = NOW.date()


def ago(days: int) -> date:
    return TODAY - timedelta(days=days)


def history(fetches: dict[date, Fetch], **others: object) -> History:
    """Both exports with the same fetches; the first day is the oldest of them."""
    first = {name: min(fetches) for name in BOTH if fetches}
    given = {"first_days": first, **others}
    return History(fetches=dict.fromkeys(sorted(BOTH), fetches), **given)  # type: ignore[arg-type]


def up_to_date(now: datetime = NOW, age: timedelta = HOUR, days: int = 40) -> dict[date, Fetch]:
    """Every day fetched `age` ago, those final whose window has closed."""
    today = now.date()
    fetched_at = now - age
    return {
        day: Fetch(fetched_at, is_final=fetched_at >= final_at(day))
        for day in (today - timedelta(days=n) for n in range(1, days + 1))
    }


def requested(decision: Decision) -> list[tuple[str, str, str]]:
    return [
        (str(run.selection.window.first), str(run.selection.window.last), "+".join(run.reasons))
        for run in decision.runs
    ]


def test_an_empty_instance_requests_the_last_seven_days_and_nothing_older() -> None:
    decision = decide(NOW, POLICY, history({}))

    assert decision.runs == (
        PlannedRun(Selection(BOTH, Window(ago(7), ago(1))), (Reason.REFRESH,)),
    )


def test_on_the_first_day_of_the_platform_only_that_day_is_requested() -> None:
    policy = replace(POLICY, start_date=ago(1))

    assert requested(decide(NOW, policy, history({}))) == [("2026-05-19", "2026-05-19", "refresh")]


def test_before_the_first_day_has_closed_nothing_is_requested_and_the_reason_says_when() -> None:
    for start in (TODAY, TODAY + 10 * DAY):
        decision = decide(NOW, replace(POLICY, start_date=start), history({}))

        assert decision.runs == ()
        assert f"{start + DAY} 00:00 UTC" in decision.idle_because


def test_the_last_seven_days_are_refreshed_when_the_interval_has_passed_and_not_before() -> None:
    fetches = up_to_date(age=timedelta(0))

    almost = decide(NOW + 6 * HOUR - timedelta(seconds=1), POLICY, history(fetches))
    due = decide(NOW + 6 * HOUR, POLICY, history(fetches))

    assert almost.runs == ()
    assert requested(due) == [("2026-05-13", "2026-05-19", "refresh")]


def test_a_day_that_was_fetched_within_the_interval_is_left_out() -> None:
    fetches = up_to_date(age=7 * HOUR) | {ago(3): Fetch(NOW - HOUR, is_final=False)}

    assert requested(decide(NOW, POLICY, history(fetches))) == [
        ("2026-05-18", "2026-05-19", "refresh"),
        ("2026-05-13", "2026-05-16", "refresh"),
    ]


def test_a_day_is_refreshed_until_the_last_second_before_it_is_final() -> None:
    day = ago(7)
    moment = final_at(day) - timedelta(seconds=1)
    fetches = up_to_date(age=DAY)

    reasons = {due.day: due.reason for due in dues_of(moment, POLICY, history(fetches))}

    assert reasons[day] == Reason.REFRESH


def test_the_day_whose_window_has_just_closed_is_final_together_with_the_refresh() -> None:
    now = final_at(ago(8)) + 2 * HOUR
    fetches = up_to_date(now, age=7 * HOUR)

    assert requested(decide(now, POLICY, history(fetches))) == [
        ("2026-05-12", "2026-05-19", "finalize+refresh")
    ]


def test_a_final_day_is_never_requested_again() -> None:
    fetches = up_to_date(age=7 * HOUR)

    assert {due.day for due in dues_of(NOW + DAY, POLICY, history(fetches))}.isdisjoint(
        {day for day, fetch in fetches.items() if fetch.is_final}
    )


def test_a_day_fetched_after_its_window_but_exported_before_is_tried_again_each_interval() -> None:
    day = ago(8)
    fetches = up_to_date() | {day: Fetch(NOW - 6 * HOUR, is_final=False)}

    assert requested(decide(NOW, POLICY, history(fetches))) == [
        ("2026-05-12", "2026-05-12", "finalize")
    ]
    fetches[day] = Fetch(NOW - 3 * HOUR, is_final=False)
    assert decide(NOW, POLICY, history(fetches)).runs == ()


def test_a_day_that_stays_open_two_days_after_its_window_is_tried_once_a_day() -> None:
    day = ago(12)
    tried = final_at_latest(day) + HOUR
    fetches = {day: Fetch(tried, is_final=False), day - DAY: Fetch(tried, is_final=True)}

    (due,) = {
        (due.at, due.reason) for due in dues_of(NOW, POLICY, history(fetches)) if due.day == day
    }

    assert due == (tried + DAY, Reason.CATCH_UP)


def test_days_left_open_or_missing_by_an_outage_are_caught_up_in_one_run_with_the_rest() -> None:
    outage_began = datetime(2026, 5, 6, 9, 0, tzinfo=UTC)
    fetches = up_to_date(outage_began, age=timedelta(0))

    assert requested(decide(NOW, POLICY, history(fetches))) == [
        ("2026-04-29", "2026-05-19", "catch_up+refresh")
    ]


def test_catching_up_stays_within_the_days_that_are_set() -> None:
    policy = replace(POLICY, catch_up_days=10)
    fetches = {date(2026, 2, 1): Fetch(datetime(2026, 2, 2, tzinfo=UTC), is_final=False)}

    assert requested(decide(NOW, policy, history(fetches))) == [
        ("2026-05-10", "2026-05-19", "catch_up+refresh")
    ]


@pytest.mark.parametrize("hours", [6, 24, 48, 168])
def test_every_day_becomes_final_however_little_is_caught_up_and_however_seldom(hours: int) -> None:
    """The provider's batches lag so far that only a fetch from D+10 on makes a day final."""
    policy = RefreshPolicy(start_date=ago(60), refresh_every=hours * HOUR, catch_up_days=8)
    fetches: dict[str, dict[date, Fetch]] = {export: {} for export in BOTH}
    for steps in range(0, 60 * 24, 3):
        now = NOW - 60 * DAY + steps * HOUR
        first_days = {export: min(days) for export, days in fetches.items() if days}
        for export, day in days_of(
            decide(now, policy, History(fetches=fetches, first_days=first_days))
        ):
            fetches[export][day] = Fetch(now, is_final=now >= final_at_latest(day))

    long_ago = [day for day in fetches["country"] if day < ago(30)]
    assert len(long_ago) > 20
    assert all(fetches[export][day].is_final for export in BOTH for day in long_ago)


def test_catching_up_never_reaches_before_the_first_materialised_day() -> None:
    first = ago(12)
    fetches = {first: Fetch(NOW - 30 * DAY, is_final=True)}

    (run,) = decide(NOW, POLICY, history(fetches)).runs

    assert run.selection.window == Window(first + DAY, ago(1))


def test_a_long_catch_up_goes_in_runs_of_at_most_ninety_days() -> None:
    policy = RefreshPolicy(start_date=date(2024, 1, 1), refresh_every=6 * HOUR, catch_up_days=400)
    first = ago(400)
    runs = decide(NOW, policy, history({first: Fetch(NOW - 300 * DAY, is_final=False)})).runs

    assert sum(run.selection.window.days for run in runs) == 400
    assert max(run.selection.window.days for run in runs) == 90
    assert len(runs) == 5


def test_days_of_queued_and_running_runs_are_left_out() -> None:
    under_way = Selection(BOTH, Window(ago(5), ago(3)))

    decision = decide(NOW, POLICY, history({}, under_way=(under_way,)))

    assert requested(decision) == [
        ("2026-05-18", "2026-05-19", "refresh"),
        ("2026-05-13", "2026-05-14", "refresh"),
    ]


def test_an_export_that_is_under_way_leaves_the_other_to_be_requested_alone() -> None:
    under_way = Selection(frozenset({"country"}), Window(ago(7), ago(1)))

    (run,) = decide(NOW, POLICY, history({}, under_way=(under_way,))).runs

    assert run.selection == Selection(frozenset({"engagement"}), Window(ago(7), ago(1)))


def test_exports_that_are_due_for_different_days_get_one_window_each() -> None:
    fresh = {ago(n): Fetch(NOW - HOUR, is_final=False) for n in (1, 2)}
    fetches = {"country": {}, "engagement": fresh}

    selections = {run.selection for run in decide(NOW, POLICY, History(fetches=fetches)).runs}

    assert selections == {
        Selection(frozenset({"country"}), Window(ago(7), ago(1))),
        Selection(frozenset({"engagement"}), Window(ago(7), ago(3))),
    }


def test_the_same_question_gets_the_same_answer() -> None:
    asked = history(up_to_date(age=7 * HOUR))

    assert decide(NOW, POLICY, asked) == decide(NOW, POLICY, asked)


def test_a_failed_run_is_tried_again_at_once_then_after_growing_pauses() -> None:
    selection = Selection(BOTH, Window(ago(7), ago(1)))

    def after(*minutes: int) -> Decision:
        failures = tuple(Failure(selection, NOW - timedelta(minutes=m)) for m in minutes)
        return decide(NOW, POLICY, history({}, failures=failures))

    assert after(0).runs
    assert not after(9, 10).runs
    assert after(10, 11).runs
    assert not after(59, 70, 71).runs
    assert after(60, 70, 71).runs
    assert not after(61, 120, 130, 131).runs


def test_a_failed_run_says_nothing_of_other_days() -> None:
    failures = (Failure(Selection(BOTH, Window(ago(7), ago(6))), NOW),) * 2  # due in ten minutes

    assert requested(decide(NOW, POLICY, history({}, failures=failures))) == [
        ("2026-05-15", "2026-05-19", "refresh")
    ]


def test_at_midnight_the_new_day_waits_for_the_others_that_come_due_soon() -> None:
    midnight = datetime(2026, 5, 20, tzinfo=UTC)
    fetches = up_to_date(midnight, age=4 * HOUR)
    del fetches[ago(1)]

    decision = decide(midnight, POLICY, history(fetches))

    assert decision.runs == ()
    assert decision.idle_because == (
        "2026-05-19, the newest day, is missing. "
        "Due, but waiting for days that soon are too, for one run: 2026-05-19. "
        "The next run comes at 2026-05-20 02:00 UTC."
    )
    assert requested(decide(midnight + 2 * HOUR, POLICY, history(fetches))) == [
        ("2026-05-12", "2026-05-19", "finalize+refresh")
    ]


def test_shortly_before_midnight_a_refresh_waits_for_the_day_that_is_about_to_close() -> None:
    midnight = datetime(2026, 5, 20, tzinfo=UTC)
    before = midnight - 2 * HOUR
    fetches = {ago(n): Fetch(before - 6 * HOUR, is_final=n > 8) for n in range(2, 12)}

    assert decide(before, POLICY, history(fetches)).runs == ()
    assert requested(decide(midnight, POLICY, history(fetches))) == [
        ("2026-05-12", "2026-05-19", "finalize+refresh")
    ]


def test_at_midnight_the_new_day_goes_alone_if_the_others_are_fresh() -> None:
    midnight = datetime(2026, 5, 20, tzinfo=UTC)
    fetches = up_to_date(midnight, age=2 * HOUR)
    del fetches[ago(1)]

    assert requested(decide(midnight, POLICY, history(fetches))) == [
        ("2026-05-19", "2026-05-19", "refresh")
    ]


def test_a_missing_day_waits_for_others_no_longer_than_three_hours() -> None:
    policy = replace(POLICY, refresh_every=24 * HOUR)
    three = datetime(2026, 5, 20, 3, tzinfo=UTC)
    due_half_past_two = Fetch(three - 24.5 * HOUR, is_final=False)
    due_at_five = Fetch(three - 22 * HOUR, is_final=False)
    fetches = {ago(n): due_half_past_two if n < 5 else due_at_five for n in range(2, 8)}

    before = decide(three - timedelta(seconds=1), policy, history(fetches))

    assert before.runs == ()
    assert requested(decide(three, policy, history(fetches))) == [
        ("2026-05-16", "2026-05-19", "refresh")
    ]


def test_a_day_that_was_fetched_waits_for_others_no_longer_than_half_an_interval() -> None:
    def asked(overdue: timedelta) -> list[tuple[str, str, str]]:
        fetches = {ago(n): Fetch(NOW - 6 * HOUR - overdue, is_final=False) for n in range(3, 8)}
        fetches |= {ago(n): Fetch(NOW - 5 * HOUR, is_final=False) for n in range(1, 3)}
        return requested(decide(NOW, POLICY, history(fetches)))

    assert asked(2 * HOUR) == []
    assert asked(3 * HOUR) == [("2026-05-13", "2026-05-17", "refresh")]


def test_what_is_due_beside_a_missing_day_goes_along_at_once() -> None:
    policy = replace(POLICY, refresh_every=20 * HOUR)
    fetches = {ago(n): Fetch(NOW - 21 * HOUR, is_final=False) for n in (1, 2, 4, 5, 7)}
    fetches[ago(6)] = Fetch(NOW - 15 * HOUR, is_final=False)

    assert requested(decide(NOW, policy, history(fetches))) == [
        ("2026-05-15", "2026-05-19", "refresh")
    ]


@pytest.mark.parametrize(
    ("now", "first", "last"),
    [
        (datetime(2026, 1, 1, 0, 0, 1, tzinfo=UTC), date(2025, 12, 25), date(2025, 12, 31)),
        (datetime(2026, 3, 1, tzinfo=UTC), date(2026, 2, 22), date(2026, 2, 28)),
        (datetime(2028, 3, 1, tzinfo=UTC), date(2028, 2, 23), date(2028, 2, 29)),
        (datetime(2026, 7, 31, 23, 59, 59, tzinfo=UTC), date(2026, 7, 24), date(2026, 7, 30)),
        (
            datetime.fromisoformat("2026-08-01T01:30:00+02:00"),
            date(2026, 7, 24),
            date(2026, 7, 30),
        ),
    ],
)
def test_the_last_seven_days_at_midnight_and_at_the_ends_of_months_and_years(
    now: datetime, first: date, last: date
) -> None:
    policy = replace(POLICY, start_date=date(2025, 1, 1))

    (run,) = decide(now, policy, history({})).runs

    assert run.selection.window == Window(first, last)


def test_when_nothing_is_due_the_reason_names_the_newest_state_and_the_next_run() -> None:
    decision = decide(NOW, POLICY, history(up_to_date(age=HOUR)))

    assert decision == Decision(
        (),
        "2026-05-19, the newest day, was fetched at 2026-05-20 11:00 UTC. "
        "The next run comes at 2026-05-20 17:00 UTC.",
    )


def test_the_reason_tells_of_a_run_that_is_under_way() -> None:
    under_way = Selection(BOTH, Window(ago(40), ago(1)))

    decision = decide(NOW, POLICY, history({}, under_way=(under_way,)))

    assert decision.idle_because.startswith(
        "2026-05-19, the newest day, is in a run that is queued or running."
    )


def test_a_day_that_the_schedule_is_about_to_request_is_left_to_it() -> None:
    decision = decide(NOW, POLICY, history({}), leave_out=ago(1))

    assert requested(decision) == [("2026-05-13", "2026-05-18", "refresh")]


def test_the_schedule_requests_yesterday_unless_it_was_fetched_or_is_under_way() -> None:
    missing = due_for_schedule(NOW, POLICY, history({}), ago(1))
    fetched = due_for_schedule(NOW, POLICY, history(up_to_date(age=HOUR)), ago(1))
    under_way = due_for_schedule(
        NOW, POLICY, history({}, under_way=(Selection(BOTH, Window(ago(1), ago(1))),)), ago(1)
    )

    assert missing == Selection(BOTH, Window(ago(1), ago(1)))
    assert isinstance(fetched, str)
    assert "2026-05-20 17:00 UTC" in fetched
    assert isinstance(under_way, str)


patient = settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.too_slow])
"""A busy machine decides nothing."""

moments = st.datetimes(datetime(2026, 1, 2), datetime(2027, 6, 1), timezones=st.just(UTC))  # noqa: DTZ001 - hypothesis wants bounds without a zone
policies = st.builds(
    RefreshPolicy,
    start_date=st.dates(date(2025, 11, 1), date(2027, 7, 1)),
    refresh_every=st.sampled_from([1, 2, 6, 7, 24, 100]).map(lambda hours: hours * HOUR),
    catch_up_days=st.integers(8, 120),
)


@st.composite
def situations(draw: st.DrawFn) -> tuple[datetime, RefreshPolicy, History]:
    """A moment, a policy, and any history that lies before that moment."""
    now, policy = draw(moments), draw(policies)
    fetches: dict[str, dict[date, Fetch]] = {}
    for export in sorted(BOTH):
        ages = draw(
            st.dictionaries(
                st.integers(1, 60), st.tuples(st.integers(0, 400), st.booleans()), max_size=20
            )
        )
        fetches[export] = {}
        for days, (hours, delivered) in ages.items():
            day = now.date() - timedelta(days=days)
            fetched_at = now - hours * HOUR
            final = delivered and fetched_at >= final_at(day)
            fetches[export][day] = Fetch(fetched_at, is_final=final)
    spans = st.tuples(
        st.integers(1, 40), st.integers(0, 20), st.sets(st.sampled_from(sorted(BOTH)))
    )
    under_way = [
        Selection(frozenset(exports), Window(first, first + timedelta(days=length)))
        for age, length, exports in draw(st.lists(spans, max_size=3))
        for first in [now.date() - timedelta(days=age)]
    ]
    first_days = {export: min(days) for export, days in fetches.items() if days}
    return now, policy, History(fetches=fetches, first_days=first_days, under_way=under_way)


def days_of(decision: Decision) -> Iterable[tuple[str, date]]:
    for run in decision.runs:
        for export in run.selection.exports:
            for day in run.selection.window.dates():
                yield export, day


@patient
@given(situations())
def test_a_decision_keeps_every_rule(situation: tuple[datetime, RefreshPolicy, History]) -> None:
    now, policy, past = situation

    decision = decide(now, policy, past)

    asked = list(days_of(decision))
    assert len(asked) == len(set(asked)), "no day of an export in two runs"
    assert bool(decision.runs) != bool(decision.idle_because)
    for run in decision.runs:
        assert run.selection.window.days <= 90
        assert run.reasons
    for export, day in asked:
        fetch = past.fetches[export].get(day)
        assert policy.start_date <= day < now.date()
        reach = max(policy.catch_up_days, days_until_final(policy))
        assert day >= now.date() - timedelta(days=reach)
        assert not any(selection.covers(export, day) for selection in past.under_way)
        if fetch is not None:
            assert not fetch.is_final
            assert now - fetch.fetched_at >= policy.refresh_every
        elif now >= final_at(day):
            assert day > past.first_days[export]


@patient
@given(situations())
def test_after_the_requested_days_were_fetched_a_repeated_tick_requests_nothing(
    situation: tuple[datetime, RefreshPolicy, History],
) -> None:
    now, policy, past = situation
    first = decide(now, policy, past)
    fetches = {export: dict(days) for export, days in past.fetches.items()}
    for export, day in days_of(first):
        fetches[export][day] = Fetch(now, is_final=now >= final_at(day))

    again = decide(now + timedelta(minutes=1), policy, replace(past, fetches=fetches))

    assert not set(days_of(first)) & set(days_of(again))


@patient
@given(situations())
def test_whatever_is_due_is_requested_within_half_an_interval(
    situation: tuple[datetime, RefreshPolicy, History],
) -> None:
    now, policy, past = situation
    later = now + policy.refresh_every / 2
    due = {
        (d.export, d.day)
        for d in dues_of(now, policy, past)
        if d.at <= now and not now < final_at(d.day) <= later
    }

    asked = set(days_of(decide(later, policy, past)))

    still_in_reach = look_back(later, policy)
    assert (
        still_in_reach is None
        or {(export, day) for export, day in due if day in still_in_reach} <= asked
    )
