"""Many deliveries: every campaign and day once, bounded in number, stopped at once."""

import signal
import subprocess
import sys
import threading
from collections import Counter
from datetime import date, timedelta
from socket import socket

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from soundlink_assets.provider import (
    AuthenticationError,
    ContractError,
    Delivery,
    FailedDelivery,
    ServerError,
    SoundlinkError,
    StoppedError,
    UnknownIdError,
)
from soundlink_assets.provider.deliveries import OUTAGE_AFTER
from soundlink_assets.sandbox import Fault, RunningSandbox
from soundlink_assets.schema import CAMPAIGN_COUNTRY_DAILY, CAMPAIGN_EXPORTS, Export
from soundlink_assets.schema.window import MAX_WINDOW_DAYS, Window
from soundlink_assets_tests.provider.bodies import DAY, WINDOW, body, envelope, rows
from soundlink_assets_tests.provider.conftest import KEY, MakeClient
from soundlink_assets_tests.provider.raw_server import Answer, Asked, RawServer, http, raw_server

EMPTY = http(b"", rows=0)
BROKEN = http(envelope(code="internal_error"), status=500, content_type="application/json")
NOT_FOUND = http(envelope(code="campaign_not_found"), status=404, content_type="application/json")
NO_SCOPE = http(envelope(code="insufficient_scope"), status=403, content_type="application/json")
NO_KEY = http(envelope(code="api_key_revoked"), status=401, content_type="application/json")


def path(campaign: str) -> str:
    return CAMPAIGN_COUNTRY_DAILY.path(campaign)


def asked_days(asked: Asked) -> Window:
    dates = dict(pair.split("=") for pair in asked.query.split("&"))
    return Window(date.fromisoformat(dates["startDate"]), date.fromisoformat(dates["endDate"]))


@settings(
    max_examples=15, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(
    campaigns=st.lists(st.sampled_from(["a", "b", "c"]), max_size=5),
    first=st.dates(date(2020, 1, 1), date(2030, 1, 1)),
    length=st.integers(1, 400),
)
def test_every_day_of_every_campaign_is_asked_for_once_and_never_over_90_at_a_time(
    campaigns: list[str], first: date, length: int, make_client: MakeClient
) -> None:
    window = Window(first, first + timedelta(days=length - 1))
    with raw_server(EMPTY) as server:
        client = make_client(server.base_url)
        delivered = list(client.deliveries(CAMPAIGN_COUNTRY_DAILY, campaigns, window))

    days = Counter((asked.path, day) for asked in server.asked for day in asked_days(asked).dates())
    expected = {(path(campaign), day) for campaign in campaigns for day in window.dates()}
    assert set(days) == expected
    assert all(times == 1 for times in days.values())
    assert all(asked_days(asked).days <= MAX_WINDOW_DAYS for asked in server.asked)
    assert len(delivered) == len(server.asked)
    assert len(server.asked) == len(set(campaigns)) * -(-length // MAX_WINDOW_DAYS)


@pytest.mark.parametrize("export", CAMPAIGN_EXPORTS, ids=lambda export: export.name)
def test_all_campaigns_of_the_sandbox_come_with_one_request_each(
    export: Export, sandbox: RunningSandbox, make_client: MakeClient
) -> None:
    campaigns = [campaign.campaign_id for campaign in sandbox.world.campaigns]
    start = sandbox.world.campaigns[0].first_day
    window = Window(start, start + timedelta(days=27))
    client = make_client(sandbox.base_url, api_key=sandbox.api_key)

    delivered = list(client.deliveries(export, campaigns, window))

    assert all(isinstance(delivery, Delivery) for delivery in delivered)
    assert sorted(delivery.requested_id for delivery in delivered) == sorted(campaigns)
    assert len(sandbox.requests) == len(campaigns)
    for delivery in delivered:
        assert isinstance(delivery, Delivery)
        truth = sandbox.world.rows(export.name, delivery.requested_id, window, sandbox.now())
        assert delivery.frame.height == len(truth)


@pytest.mark.parametrize("at_once", [1, 3, 8])
def test_no_more_requests_are_in_flight_than_the_setting_says(
    at_once: int, make_client: MakeClient
) -> None:
    lock, gate = threading.Lock(), threading.Barrier(at_once)
    flying, most = 0, 0

    def answer(connection: socket) -> None:
        nonlocal flying, most
        with lock:
            flying += 1
            most = max(most, flying)
        # Nobody is answered before as many have come as may come at once.
        gate.wait(30)
        with lock:
            flying -= 1
        connection.sendall(EMPTY)

    with raw_server(answer) as server:
        client = make_client(server.base_url, max_concurrency=at_once)
        campaigns = [f"c{number}" for number in range(at_once * 3)]
        delivered = list(client.deliveries(CAMPAIGN_COUNTRY_DAILY, campaigns, WINDOW))

    assert len(delivered) == at_once * 3
    assert most == at_once


def test_a_slow_reader_holds_the_work_up(make_client: MakeClient) -> None:
    with raw_server(EMPTY) as server:
        client = make_client(server.base_url, max_concurrency=3)
        campaigns = [f"c{number}" for number in range(30)]
        delivered = client.deliveries(CAMPAIGN_COUNTRY_DAILY, campaigns, WINDOW)
        assert len(server.asked) == 0
        for taken in range(1, 31):
            next(delivered)
            # One is being looked at; what was begun is never more than three besides those taken.
            assert len(server.asked) <= taken - 1 + 3
        assert list(delivered) == []


def test_results_come_as_they_complete_and_not_in_the_order_of_asking(
    make_client: MakeClient,
) -> None:
    others_are_through = threading.Event()

    def late(connection: socket) -> None:
        others_are_through.wait(30)
        connection.sendall(EMPTY)

    with raw_server(EMPTY, by_path={path("slow"): [late]}) as server:
        client = make_client(server.base_url, max_concurrency=2)
        order = []
        for delivery in client.deliveries(CAMPAIGN_COUNTRY_DAILY, ["slow", "a", "b"], WINDOW):
            order.append(delivery.requested_id)
            if len(order) == 2:
                others_are_through.set()

    assert order == ["a", "b", "slow"]


PASSED_OVER: dict[str, tuple[Answer, type[SoundlinkError]]] = {
    "not found": (NOT_FOUND, UnknownIdError),
    "broken": (BROKEN, ServerError),
    "another day": (
        http(body({**rows()[0], "report_date": "2020-01-01"}), rows=1),
        ContractError,
    ),
}


@pytest.mark.parametrize("why", PASSED_OVER)
def test_a_campaign_that_cannot_be_fetched_does_not_stop_the_others(
    why: str, make_client: MakeClient
) -> None:
    answer, kind = PASSED_OVER[why]
    with raw_server(EMPTY, by_path={path("bad"): [answer]}) as server:
        client = make_client(server.base_url, max_attempts=2)
        results = {
            result.requested_id: result
            for result in client.deliveries(CAMPAIGN_COUNTRY_DAILY, ["a", "bad", "b"], WINDOW)
        }

    failed = results.pop("bad")
    assert isinstance(failed, FailedDelivery)
    assert type(failed.error) is kind
    assert (failed.export, failed.window) == (CAMPAIGN_COUNTRY_DAILY, WINDOW)
    assert all(isinstance(result, Delivery) for result in results.values())
    assert set(results) == {"a", "b"}


STOPS: dict[str, tuple[Answer, type[SoundlinkError]]] = {
    "no key": (NO_KEY, AuthenticationError),
    "another schema": (
        http(body({**rows()[0], "schema_version": "2.0"}), rows=1),
        ContractError,
    ),
}


@pytest.mark.parametrize("why", STOPS)
def test_an_error_that_stops_the_run_is_raised_at_once_and_ends_the_rest(
    why: str, make_client: MakeClient
) -> None:
    answer, kind = STOPS[why]
    campaigns = ["bad", *(f"c{number}" for number in range(500))]

    def late(connection: socket) -> None:
        server.closing.wait(60)
        connection.sendall(EMPTY)

    with raw_server(late, by_path={path("bad"): [answer]}) as server:
        client = make_client(server.base_url, max_concurrency=4)
        with pytest.raises(kind):
            list(client.deliveries(CAMPAIGN_COUNTRY_DAILY, campaigns, WINDOW))
        assert len(server.asked) <= 4


def test_a_reader_that_stops_early_ends_the_rest(make_client: MakeClient) -> None:
    with raw_server(EMPTY) as server:
        client = make_client(server.base_url, max_concurrency=2)
        campaigns = [f"c{number}" for number in range(500)]
        for _ in client.deliveries(CAMPAIGN_COUNTRY_DAILY, campaigns, WINDOW):
            break
        before = {thread.name for thread in threading.enumerate()}
        client.close()
        for thread in threading.enumerate():
            if thread.name in before and thread.name.startswith("soundlink_"):
                thread.join(30)
        assert len(server.asked) <= 3

    assert not any(thread.name.startswith("soundlink_") for thread in threading.enumerate())


def silence(server_of: list[RawServer], seen: threading.Semaphore) -> Answer:
    def keep_silent(_connection: socket) -> None:
        seen.release()
        server_of[0].closing.wait(120)

    return keep_silent


@pytest.mark.parametrize(
    "sent", [b"", http(b"{", rows=9, length=10**6)], ids=["nothing yet", "a part of the body"]
)
def test_closing_the_client_ends_requests_that_wait_for_a_silent_provider(
    sent: bytes, make_client: MakeClient, caplog: pytest.LogCaptureFixture
) -> None:
    waiting = threading.Semaphore(0)
    ended: list[BaseException] = []

    def keep_silent(connection: socket) -> None:
        connection.sendall(sent)
        waiting.release()
        server.closing.wait(120)

    with raw_server(keep_silent) as server:
        client = make_client(server.base_url, timeout_seconds=600, max_concurrency=2)

        def ask() -> None:
            try:
                list(client.deliveries(CAMPAIGN_COUNTRY_DAILY, ["a", "b", "c"], WINDOW))
            except StoppedError as error:
                ended.append(error)

        asking = threading.Thread(target=ask)
        asking.start()
        for _ in range(2):
            assert waiting.acquire(timeout=30)
        client.close()
        asking.join(30)

    assert len(ended) == 1
    assert caplog.messages == []


INTERRUPTED = """
import signal, sys
from pathlib import Path
from soundlink_assets.provider import SoundlinkClient
from soundlink_assets.schema import CAMPAIGN_COUNTRY_DAILY
from soundlink_assets.schema.window import Window
from soundlink_assets.settings import load_settings
from datetime import date

# A shell may have started us with interrupts ignored.
signal.signal(signal.SIGINT, signal.default_int_handler)
folder = Path(sys.argv[2])
settings = load_settings(
    api_key=sys.argv[3], base_url=sys.argv[1], budget_dir=folder, quarantine_dir=folder,
    timeout_seconds=600,
)
window = Window(date(2026, 4, 1), date(2026, 4, 1))
try:
    with SoundlinkClient.from_settings(settings) as client:
        list(client.deliveries(CAMPAIGN_COUNTRY_DAILY, ["a", "b", "c"], window))
except KeyboardInterrupt:
    print("interrupted", flush=True)
"""


def test_an_interrupt_ends_the_process_although_the_provider_is_silent(
    tmp_path_factory: pytest.TempPathFactory,
) -> None:
    waiting = threading.Semaphore(0)
    servers: list[RawServer] = []
    with raw_server(silence(servers, waiting)) as server:
        servers.append(server)
        folder = tmp_path_factory.mktemp("interrupted")
        process = subprocess.Popen(
            [sys.executable, "-c", INTERRUPTED, server.base_url, str(folder), KEY],
            stdout=subprocess.PIPE,
            text=True,
        )
        try:
            for _ in range(3):
                assert waiting.acquire(timeout=60)
            process.send_signal(signal.SIGINT)
            printed, _ = process.communicate(timeout=60)
        finally:
            process.kill()

    assert printed == "interrupted\n"
    assert process.returncode == 0


def test_during_an_outage_every_campaign_is_tried_but_only_once(make_client: MakeClient) -> None:
    campaigns = [f"c{number}" for number in range(20)]
    with raw_server(BROKEN) as server:
        client = make_client(server.base_url, max_attempts=4, max_concurrency=1)
        results = list(client.deliveries(CAMPAIGN_COUNTRY_DAILY, campaigns, WINDOW))

    assert len(results) == 20
    assert all(isinstance(result, FailedDelivery) for result in results)
    assert Counter(server.paths()) == {
        path(campaign): 4 if number < OUTAGE_AFTER else 1
        for number, campaign in enumerate(campaigns)
    }


def test_the_first_delivery_after_an_outage_brings_the_retries_back(
    make_client: MakeClient,
) -> None:
    down = [f"down{number}" for number in range(OUTAGE_AFTER + 2)]
    by_path: dict[str, list[Answer]] = {path(name): [BROKEN] for name in down}
    by_path[path("shaky")] = [BROKEN, EMPTY]
    with raw_server(EMPTY, by_path=by_path) as server:
        client = make_client(server.base_url, max_attempts=2, max_concurrency=1)
        results = list(client.deliveries(CAMPAIGN_COUNTRY_DAILY, [*down, "up", "shaky"], WINDOW))

    assert [result.requested_id for result in results if isinstance(result, Delivery)] == [
        "up",
        "shaky",
    ]


def test_campaigns_that_are_not_found_are_no_outage(make_client: MakeClient) -> None:
    gone = [f"gone{number}" for number in range(OUTAGE_AFTER + 2)]
    by_path: dict[str, list[Answer]] = {path(name): [NOT_FOUND] for name in gone}
    by_path[path("shaky")] = [BROKEN, EMPTY]
    with raw_server(EMPTY, by_path=by_path) as server:
        client = make_client(server.base_url, max_concurrency=1)
        results = list(client.deliveries(CAMPAIGN_COUNTRY_DAILY, [*gone, "shaky"], WINDOW))

    assert isinstance(results[-1], Delivery)


def test_a_fault_of_the_sandbox_in_one_campaign_leaves_the_others_whole(
    sandbox: RunningSandbox, make_client: MakeClient
) -> None:
    campaigns = [campaign.campaign_id for campaign in sandbox.world.campaigns]
    start = sandbox.world.campaigns[0].first_day
    sandbox.fail(f"*/{campaigns[0]}/*/export", Fault.CONFLICTING_DUPLICATES, count=None)
    client = make_client(sandbox.base_url, api_key=sandbox.api_key)

    results = list(
        client.deliveries(
            CAMPAIGN_COUNTRY_DAILY, campaigns, Window(start, start + timedelta(days=6))
        )
    )

    failed = [result for result in results if isinstance(result, FailedDelivery)]
    assert [result.requested_id for result in failed] == campaigns[:1]
    assert len(results) == len(campaigns)


def test_no_campaigns_are_no_requests(make_client: MakeClient) -> None:
    with raw_server(EMPTY) as server:
        client = make_client(server.base_url)
        assert list(client.deliveries(CAMPAIGN_COUNTRY_DAILY, [], Window(DAY, DAY))) == []

    assert server.asked == []
