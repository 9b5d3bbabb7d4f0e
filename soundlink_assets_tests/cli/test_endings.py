"""A command that is asked to end does so, whoever handled the signal, and leaves no run open."""

import os
import signal
import threading
from collections.abc import Iterator
from datetime import date
from pathlib import Path

import dagster as dg
import pytest

from soundlink_assets.cli.endings import noticing_endings
from soundlink_assets.cli.runs import Listener, put_down, run_days
from soundlink_assets.cli.sandboxed import sandbox_settings
from soundlink_assets.schema.window import Window
from soundlink_assets.sandbox import RunningSandbox

ENDINGS = [signal.SIGINT, signal.SIGTERM, signal.SIGHUP]


@pytest.fixture
def dropped() -> Iterator[None]:
    """Handlers that do nothing, as Dagster's now and then while a run begins or ends."""
    before = {number: signal.signal(number, lambda *_: None) for number in ENDINGS}
    yield
    for number, handler in before.items():
        signal.signal(number, handler)


@pytest.mark.parametrize("ending", ENDINGS)
@pytest.mark.usefixtures("dropped")
def test_a_signal_is_noticed_though_its_handler_drops_it(ending: signal.Signals) -> None:
    with noticing_endings() as has_been_asked:
        assert not has_been_asked()
        os.kill(os.getpid(), ending)
        assert has_been_asked()
        assert has_been_asked(), "and not forgotten"


@pytest.mark.usefixtures("dropped")
def test_other_signals_are_no_wish_to_end() -> None:
    before = signal.signal(signal.SIGUSR1, lambda *_: None)
    with noticing_endings() as has_been_asked:
        os.kill(os.getpid(), signal.SIGUSR1)
        assert not has_been_asked()
    signal.signal(signal.SIGUSR1, before)


def test_off_the_main_thread_nothing_is_noticed() -> None:
    told: list[bool] = []

    def work() -> None:
        with noticing_endings() as has_been_asked:
            told.append(has_been_asked())

    thread = threading.Thread(target=work)
    thread.start()
    thread.join()
    assert told == [False]


@pytest.mark.usefixtures("dropped")
def test_a_signal_that_was_dropped_ends_the_runs_after_the_one_under_way(
    sandbox: RunningSandbox, tmp_path: Path
) -> None:
    settings = sandbox_settings(sandbox.base_url, sandbox.api_key, tmp_path)
    with dg.DagsterInstance.ephemeral() as instance:
        runs = run_days(
            settings,
            Window(date(2026, 1, 1), date(2026, 8, 31)),
            instance,
            Listener(lambda _: None, lambda _: None),
            select="soundlink/campaigns",
        )
        assert next(runs).clean
        os.kill(os.getpid(), signal.SIGTERM)
        with pytest.raises(KeyboardInterrupt):
            next(runs)
        assert [run.status for run in instance.get_runs()] == [dg.DagsterRunStatus.SUCCESS]


@dg.job
def nothing_to_do() -> None: ...


@pytest.mark.parametrize(
    ("status", "then"),
    [
        (dg.DagsterRunStatus.NOT_STARTED, dg.DagsterRunStatus.FAILURE),
        (dg.DagsterRunStatus.STARTED, dg.DagsterRunStatus.FAILURE),
        (dg.DagsterRunStatus.SUCCESS, dg.DagsterRunStatus.SUCCESS),
    ],
)
def test_a_run_that_was_interrupted_does_not_stay_open(
    status: dg.DagsterRunStatus, then: dg.DagsterRunStatus
) -> None:
    with dg.DagsterInstance.ephemeral() as instance:
        run = instance.create_run_for_job(nothing_to_do, status=status)

        put_down(instance, run.run_id)
        put_down(instance, "a run that was never made")

        assert [run.status for run in instance.get_runs()] == [then]
