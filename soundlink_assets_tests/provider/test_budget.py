"""The request budget: never more in any span than a limit allows, whoever asks."""

import json
import logging
import signal
import sqlite3
import subprocess
import sys
import threading
import time
from collections.abc import Sequence
from contextlib import ExitStack
from operator import itemgetter
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import SecretStr

from soundlink_assets import sandbox
from soundlink_assets.provider import (
    BudgetError,
    BudgetUsedUpError,
    Limit,
    PostgresStore,
    RequestBudget,
    SoundlinkClient,
    SqliteStore,
    StoppedError,
    provider_limits,
)
from soundlink_assets.provider.budget import FLIGHT_SECONDS
from soundlink_assets.provider.responses import LONGEST_RETRY_AFTER_SECONDS
from soundlink_assets.provider.retries import check_stop
from soundlink_assets.sandbox import SandboxConfig, serving
from soundlink_assets.settings import Settings
from soundlink_assets_tests.postgres import Postgres, postgres
from soundlink_assets_tests.provider.conftest import KEY
from soundlink_assets_tests.provider.fake_time import NOON, Time

__all__ = ["postgres"]

NEVER = threading.Event()
SECRET = "s3cr3t-of-the-lake"  # noqa: S105  # looked for in what is shown


def budget_of(folder: Path, limits: Sequence[Limit], clock: Time) -> RequestBudget:
    return RequestBudget(SqliteStore(folder / "budget.sqlite", clock), limits, wait=clock.wait)


def send(budget: RequestBudget) -> None:
    with budget.request(NEVER):
        pass


def most_in_a_span(moments: Sequence[float], seconds: float) -> int:
    """The greatest number of moments in any half-open span of that length."""
    ordered = sorted(moments)
    first = most = 0
    for index, moment in enumerate(ordered):
        while ordered[first] <= moment - seconds:
            first += 1
        most = max(most, index - first + 1)
    return most


class Traffic(Time):
    """Requests whose answers begin while others wait; remembers when each reached the provider."""

    def __init__(self) -> None:
        super().__init__()
        self.arrivals: list[float] = []
        self.in_flight: list[tuple[float, ExitStack]] = []

    def begin(self, budget: RequestBudget, flight: float, share: float) -> None:
        stack = ExitStack()
        stack.enter_context(budget.request(NEVER))
        self.arrivals.append(self.now + share * flight)
        self.in_flight.append((self.now + flight, stack))

    def advance(self, until: float) -> None:
        self.in_flight.sort(key=itemgetter(0))
        while self.in_flight and self.in_flight[0][0] <= until:
            self.now, stack = self.in_flight.pop(0)
            stack.close()
        self.now = until

    def wait(self, seconds: float, stop: threading.Event) -> None:
        assert seconds > 0
        check_stop(stop)
        self.advance(self.now + seconds)


@settings(max_examples=80, deadline=None)
@given(
    limits=st.lists(
        st.builds(Limit, st.integers(1, 4), st.sampled_from([1.0, 7.5, 60.0, 100.0])),
        min_size=1,
        max_size=2,
    ),
    requests=st.lists(
        st.tuples(
            st.sampled_from([0.0, 0.4, 5.0, 90.0]),
            st.floats(0, FLIGHT_SECONDS),
            st.floats(0, 1),
        ),
        max_size=25,
    ),
)
def test_no_span_ever_holds_more_requests_than_its_limit(
    limits: list[Limit], requests: list[tuple[float, float, float]]
) -> None:
    """A request reaches the provider at any moment between being let go and being answered."""
    with TemporaryDirectory() as folder:
        traffic = Traffic()
        budget = budget_of(Path(folder), limits, traffic)
        for gap, flight, share in requests:
            traffic.advance(traffic.now + gap)
            traffic.begin(budget, flight, share)
        traffic.advance(traffic.now + FLIGHT_SECONDS)

    assert len(traffic.arrivals) == len(requests)
    for limit in limits:
        assert most_in_a_span(traffic.arrivals, limit.seconds) <= limit.requests, limit


@pytest.mark.parametrize("extra", [1, 60, 61, 600])
def test_the_provider_limits_make_a_burst_wait_for_the_minute_and_then_the_hour(
    extra: int, tmp_path: Path
) -> None:
    clock = Time()
    budget = budget_of(tmp_path, provider_limits(60, 600), clock)
    for _ in range(60):
        send(budget)
    assert clock.now == NOON

    for _ in range(extra):
        send(budget)

    sent = 60 + extra
    minutes, hours = (sent - 1) // 60, (sent - 1) // 600
    # After 600 in 9 minutes, the hour of the first ones has to pass.
    assert clock.now == pytest.approx(NOON + (3600 * hours or 60 * minutes))


PROCESS = """
import json, random, sys, threading, time
from pathlib import Path
from soundlink_assets.provider import Limit, PostgresStore, RequestBudget, SqliteStore

seed, threads, requests = map(int, sys.argv[2:5])
budget = RequestBudget(eval(sys.argv[1]), [Limit(*limit) for limit in json.loads(sys.argv[5])])
stop, moments = threading.Event(), []

def ask(number):
    chance = random.Random(seed * 100 + number)
    for _ in range(requests):
        with budget.request(stop):
            time.sleep(chance.random() * 0.02)
            moments.append(time.time())
            time.sleep(chance.random() * 0.02)

workers = [threading.Thread(target=ask, args=(number,)) for number in range(threads)]
for worker in workers: worker.start()
for worker in workers: worker.join()
print(json.dumps(moments))
"""


@pytest.mark.parametrize("kind", ["file", "postgres"])
def test_several_processes_and_threads_share_one_budget(
    kind: str, request: pytest.FixtureRequest, tmp_path: Path
) -> None:
    limits = [Limit(8, 0.4), Limit(20, 1.5)]
    store = f"SqliteStore(Path({str(tmp_path / 'b.sqlite')!r}))"
    if kind == "postgres":
        words = request.getfixturevalue("postgres").new_database()
        store = f"PostgresStore({words!r}, 'requests-of-a-key')"
    arguments = [
        "4",
        "5",
        json.dumps([[limit.requests, limit.seconds] for limit in limits]),
    ]
    processes = [
        subprocess.Popen(
            [sys.executable, "-c", PROCESS, store, str(seed), *arguments],
            stdout=subprocess.PIPE,
            text=True,
        )
        for seed in range(2)
    ]
    moments: list[float] = []
    for process in processes:
        printed, _ = process.communicate(timeout=60)
        assert process.returncode == 0
        moments += json.loads(printed)

    assert len(moments) == 2 * 4 * 5
    for limit in limits:
        assert most_in_a_span(moments, limit.seconds) <= limit.requests


def test_a_process_that_is_killed_mid_request_gives_its_place_back(tmp_path: Path) -> None:
    file = tmp_path / "b.sqlite"
    holding = (
        "import sys, threading, time\n"
        "from pathlib import Path\n"
        "from soundlink_assets.provider import Limit, RequestBudget, SqliteStore\n"
        "store = SqliteStore(Path(sys.argv[1]))\n"
        "with RequestBudget(store, [Limit(1, 10)]).request(threading.Event()):\n"
        "    print('sent', flush=True); time.sleep(600)\n"
    )
    process = subprocess.Popen(
        [sys.executable, "-c", holding, str(file)], stdout=subprocess.PIPE, text=True
    )
    assert process.stdout is not None
    assert process.stdout.readline() == "sent\n"
    sent_by = time.time()
    process.send_signal(signal.SIGKILL)
    process.wait()

    clock = Time(now=sent_by)
    send(RequestBudget(SqliteStore(file, clock), [Limit(1, 10)], wait=clock.wait))

    assert 10 < clock.now - sent_by <= FLIGHT_SECONDS + 10


def test_a_request_in_flight_holds_its_place_until_a_span_after_its_answer(tmp_path: Path) -> None:
    clock = Time()
    budget = budget_of(tmp_path, [Limit(1, 10)], clock)
    with budget.request(NEVER):
        clock.now += 25

    send(budget)

    assert clock.now == NOON + 25 + 10


def test_the_wait_is_told_with_its_reason_and_its_end(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    clock = Time()
    budget = budget_of(tmp_path, [Limit(1, 37)], clock)
    for _ in range(2):
        send(budget)

    assert caplog.messages == [
        "waiting 37 s for the request budget (1 requests in 37 s), until 12:00:37 UTC"
    ]
    assert caplog.records[0].levelno == logging.WARNING


def test_the_seconds_waited_are_given_to_the_caller(tmp_path: Path) -> None:
    clock = Time()
    budget = budget_of(tmp_path, [Limit(1, 37)], clock)
    with budget.request(NEVER) as first:
        pass
    with budget.request(NEVER) as second:
        pass

    assert (first, second) == (0, 37)


def test_a_long_wait_does_not_spin_and_is_said_every_half_hour(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    clock = Time()
    budget = budget_of(tmp_path, [Limit(1, 3600)], clock)
    for _ in range(2):
        send(budget)

    assert sum(clock.waits) == 3600
    assert len(clock.waits) == 60
    assert [message.partition(" for ")[0] for message in caplog.messages] == [
        "waiting 3600 s",
        "waiting 1800 s",
    ]


def test_what_the_provider_asks_for_holds_for_every_process_of_the_key(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    clock = Time()
    budget_of(tmp_path, provider_limits(60, 600), clock).pause(3600)

    send(budget_of(tmp_path, provider_limits(60, 600), clock))

    assert clock.now == NOON + 3600
    assert caplog.messages == [
        f"waiting {left} s because the provider asked for it, until 13:00:00 UTC"
        for left in (3600, 1800)
    ]


def test_a_shorter_pause_does_not_end_a_longer_one(tmp_path: Path) -> None:
    clock = Time()
    budget = budget_of(tmp_path, provider_limits(60, 600), clock)
    budget.pause(100)
    budget.pause(1)

    send(budget)

    assert clock.now == NOON + 100


def test_an_absurd_pause_is_not_believed(tmp_path: Path) -> None:
    clock = Time()
    budget = budget_of(tmp_path, provider_limits(60, 600), clock)
    budget.pause(10**9)

    send(budget)

    assert clock.now == NOON + LONGEST_RETRY_AFTER_SECONDS


def test_a_clock_that_is_set_back_delays_by_no_more_than_a_span(tmp_path: Path) -> None:
    clock = Time()
    budget = budget_of(tmp_path, [Limit(1, 60)], clock)
    send(budget)
    budget.pause(50)
    clock.now = NOON - 30 * 86400

    send(budget)

    assert clock.now == NOON - 30 * 86400 + 60


def test_a_stop_ends_the_wait(tmp_path: Path) -> None:
    budget = RequestBudget(SqliteStore(tmp_path / "b.sqlite"), [Limit(1, 3600)])
    send(budget)
    stop = threading.Event()
    ended: list[BaseException] = []

    def ask() -> None:
        try:
            with budget.request(stop):
                raise AssertionError("let go too early")
        except StoppedError as error:
            ended.append(error)

    waiting = threading.Thread(target=ask)
    waiting.start()
    stop.set()
    waiting.join(timeout=30)

    assert len(ended) == 1


def test_old_requests_are_forgotten(tmp_path: Path) -> None:
    clock = Time()
    budget = budget_of(tmp_path, [Limit(5, 60)], clock)
    for _ in range(50):
        send(budget)
        clock.now += 7

    with sqlite3.connect(tmp_path / "budget.sqlite") as connection:
        (count,) = connection.execute("select count(*) from requests").fetchone()
    assert count <= 5


def test_a_folder_that_cannot_be_used_ends_in_a_clear_error(tmp_path: Path) -> None:
    (tmp_path / "taken").write_text("a file where a folder should be")
    budget = RequestBudget(SqliteStore(tmp_path / "taken" / "b.sqlite"), provider_limits(60, 600))

    with pytest.raises(BudgetError, match="SOUNDLINK_BUDGET_DIR") as raised:
        send(budget)

    assert raised.value.stops_run
    assert not raised.value.retryable


def test_a_damaged_file_ends_in_a_clear_error(tmp_path: Path) -> None:
    (tmp_path / "b.sqlite").write_bytes(b"no database at all, and more than a header of it" * 20)

    with pytest.raises(BudgetError, match="can be deleted"):
        send(RequestBudget(SqliteStore(tmp_path / "b.sqlite"), provider_limits(60, 600)))


def test_there_is_one_file_for_each_key_and_address_and_it_names_neither(tmp_path: Path) -> None:
    def files(key: str, base_url: str = "https://api.getsoundlink.com") -> set[str]:
        given = Settings(budget_dir=tmp_path, api_key=SecretStr(key), base_url=base_url)
        send(RequestBudget.from_settings(given))
        return {file.name for file in tmp_path.iterdir()}

    one = files(KEY)
    assert files(KEY) == one
    assert len(files(KEY + "0")) == 2
    three = files(KEY, "https://api.example.com")
    assert len(three) == 3
    assert not [name for name in three if "0123456789" in name or "example" in name]


def test_the_budget_of_a_lake_is_in_its_database_and_holds_no_key(postgres: Postgres) -> None:
    words = postgres.new_database()
    settings = Settings(warehouse=f"ducklake:postgres:{words}", api_key=SecretStr(KEY))
    send(RequestBudget.from_settings(settings))
    RequestBudget.from_settings(settings).pause(1)

    ((schema,),) = postgres.execute(
        "SELECT nspname FROM pg_namespace WHERE nspname LIKE 'requests-%'", words
    )
    assert KEY not in str(schema)
    stored = f'SELECT count(answered_at), max(until) FROM "{schema}".requests, "{schema}".pause'
    ((answered, until),) = postgres.execute(stored, words)
    assert (answered, type(until)) == (1, float)


@pytest.mark.parametrize(
    "words",
    [
        f"host=127.0.0.1 port=1 dbname=x password={SECRET}",
        f"dbname=x password=begun {SECRET}",
        f"postgresql://user:{SECRET}@@127.0.0.1:1/x",
        f"postgresql://user:x@{SECRET}@127.0.0.1:1/x",
    ],
)
def test_a_database_that_cannot_be_used_is_told_without_its_password(words: str) -> None:
    budget = RequestBudget(PostgresStore(words, "requests"), provider_limits(60, 600))

    with pytest.raises(BudgetError, match="database of the lake") as raised:
        send(budget)

    assert SECRET not in f"{raised.value!r} {raised.value} {budget!r}"
    assert raised.value.__suppress_context__


def test_two_clients_of_one_key_never_meet_the_providers_limit(tmp_path: Path) -> None:
    limits = [Limit(6, 0.5)]
    strict = SandboxConfig(limits=(sandbox.Limit(6, 0.5),))
    with serving(strict) as provider:

        def ping_often() -> None:
            # Each client has a budget of its own, as two processes have; the file is the same.
            budget = RequestBudget(SqliteStore(tmp_path / "b.sqlite"), limits)
            with SoundlinkClient(
                provider.api_key,
                base_url=provider.base_url,
                budget=budget,
                quarantine_dir=tmp_path,
            ) as client:
                for _ in range(12):
                    client.ping()

        clients = [threading.Thread(target=ping_often) for _ in range(2)]
        for client in clients:
            client.start()
        for client in clients:
            client.join(60)

    assert [request.status for request in provider.requests] == [200] * 24


def test_who_does_not_want_to_wait_long_is_told_when_a_request_is_free(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    now = NOON
    budget = RequestBudget(
        SqliteStore(tmp_path / "budget.sqlite", lambda: now),
        provider_limits(60, 1),
        longest_wait_seconds=2,
    )
    send(budget)
    now += 29 * 60 + 41

    with pytest.raises(BudgetUsedUpError, match=r"until 13:00:00 UTC, for 31 min") as refused:
        send(budget)

    assert refused.value.free_at == NOON + 3600
    assert not caplog.records
