"""What is tried again, after how long, how often; and that no cut body passes for a whole one."""

import gzip
import logging
import socket
import threading
import time
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from soundlink_assets.provider import (
    ContractError,
    RateLimitError,
    ServerError,
    SoundlinkClient,
    SoundlinkError,
    StoppedError,
    TransportError,
    TruncatedDeliveryError,
)
from soundlink_assets.provider.responses import retry_after_seconds
from soundlink_assets.sandbox import Fault, RunningSandbox
from soundlink_assets.schema import CAMPAIGN_COUNTRY_DAILY
from soundlink_assets_tests.provider.bodies import CAMPAIGN, WINDOW, body, envelope
from soundlink_assets_tests.provider.conftest import MakeClient, Waits
from soundlink_assets_tests.provider.fake_time import NOON
from soundlink_assets_tests.provider.raw_server import Answer, chunked, http, raw_server, reset

WHOLE = body()
HALF = len(WHOLE) // 2
FIRST_LINE = WHOLE.index(b"\n") + 1
FINE = http(WHOLE, rows=2)


def limited(retry_after: str | None) -> bytes:
    headers = {} if retry_after is None else {"Retry-After": retry_after}
    return http(
        envelope(code="rate_limit_exceeded"),
        status=429,
        content_type="application/json",
        headers=headers,
    )


PASSING_FAULTS: dict[str, Answer] = {
    "connection reset before the answer": reset,
    "connection closed before the answer": b"",
    "head cut off": b"HTTP/1.1 200 OK\r\nContent-Ty",
    "no HTTP at all": b"SSH-2.0-OpenSSH_9.2\r\n",
    "body shorter than Content-Length": http(WHOLE[:HALF], rows=2, length=len(WHOLE)),
    "nothing of the body": http(b"", rows=2, length=len(WHOLE)),
    "body cut inside an HTTP chunk": chunked(WHOLE, rows=2, cut_at=HALF),
    "body cut at a line end inside an HTTP chunk": chunked(WHOLE, rows=2, cut_at=FIRST_LINE),
    "line cut, HTTP complete": http(WHOLE[:HALF], rows=2),
    "line cut, HTTP complete, no row count": http(WHOLE[: FIRST_LINE + 40]),
    "fewer rows than stated": http(WHOLE[:FIRST_LINE], rows=2),
    "more rows than stated": http(WHOLE, rows=1),
    "no rows where some are stated": http(b"", rows=2),
    "a blank answer with a row count that is none": http(b"", headers={"X-Row-Count": "none"}),
    "a gateway's page after half the body": http(
        WHOLE[:FIRST_LINE] + b"<html>upstream timed out</html>\n", rows=40
    ),
    "gzip cut off": http(gzip.compress(WHOLE)[:-20], rows=2, headers={"Content-Encoding": "gzip"}),
    "gzip cut off at a line end, no row count": http(
        gzip.compress(WHOLE)[:-8], headers={"Content-Encoding": "gzip"}
    ),
    "no gzip where gzip is stated": http(WHOLE, rows=2, headers={"Content-Encoding": "gzip"}),
    "a gateway's page with status 200": http(b"<html></html>", content_type="text/html"),
    "an envelope where rows are due": http(envelope([1]), content_type="application/json"),
    "an error envelope with status 200": http(
        envelope(code="internal_error"), content_type="application/json"
    ),
    "something that only claims to be JSON": http(b"oops", content_type="application/json"),
    "bad gateway": http(b"<html>", status=502, content_type="text/html"),
    "rate limit": limited("1"),
}


@pytest.mark.parametrize("fault", PASSING_FAULTS)
def test_a_passing_fault_is_tried_again_and_the_delivery_is_whole(
    fault: str, make_client: MakeClient, waits: Waits
) -> None:
    with raw_server(PASSING_FAULTS[fault], FINE) as server:
        client = make_client(server.base_url)
        delivery = client.export(CAMPAIGN_COUNTRY_DAILY, CAMPAIGN, WINDOW)

    assert (delivery.frame.height, delivery.attempts, len(server.asked)) == (2, 2, 2)
    assert len(waits.between_attempts) == 1
    assert len(server.asked) == 2


@pytest.mark.parametrize("fault", PASSING_FAULTS)
def test_a_lasting_fault_is_an_error_of_that_campaign_alone(
    fault: str, make_client: MakeClient, waits: Waits
) -> None:
    with raw_server(PASSING_FAULTS[fault]) as server:
        client = make_client(server.base_url, max_attempts=3)
        with pytest.raises(SoundlinkError) as raised:
            client.export(CAMPAIGN_COUNTRY_DAILY, CAMPAIGN, WINDOW)

    error = raised.value
    assert isinstance(error, TransportError | TruncatedDeliveryError | ServerError | RateLimitError)
    assert not error.stops_run
    assert (error.about.requested_id, error.about.window) == (CAMPAIGN, WINDOW)
    assert len(server.asked) == 3
    assert len(waits.between_attempts) == 2


@pytest.mark.parametrize(
    "fault",
    [
        Fault.DROPPED_CONNECTION,
        Fault.DROPPED_BODY,
        Fault.GZIP_CUT,
        Fault.CUT_INSIDE_LINE,
        Fault.CUT_BETWEEN_LINES,
        Fault.FEWER_ROWS,
        Fault.ENVELOPE,
        Fault.RATE_LIMITED,
        Fault.RATE_LIMITED_SILENTLY,
        Fault.INTERNAL_ERROR,
        Fault.UNKNOWN_SERVER_ERROR,
        Fault.BAD_GATEWAY,
        Fault.GATEWAY_TIMEOUT,
    ],
)
def test_the_sandboxes_passing_faults_end_in_the_whole_delivery(
    fault: Fault, sandbox: RunningSandbox, make_client: MakeClient, waits: Waits
) -> None:
    campaign = sandbox.world.campaigns[0]
    client = make_client(sandbox.base_url, api_key=sandbox.api_key)
    window = WINDOW.__class__(campaign.first_day, campaign.first_day + timedelta(days=6))
    expected = client.export(CAMPAIGN_COUNTRY_DAILY, campaign.campaign_id, window)
    sandbox.fail("*/export", fault, count=2)

    delivery = client.export(CAMPAIGN_COUNTRY_DAILY, campaign.campaign_id, window)

    assert delivery.attempts == 3
    assert len(waits.between_attempts) == 2
    assert delivery.frame.height > 0
    assert delivery.frame.drop("exported_at").equals(expected.frame.drop("exported_at"))


@settings(
    max_examples=30, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(
    cut=st.integers(0, len(WHOLE) - 1), framing=st.sampled_from(["chunk", "row count", "nothing"])
)
def test_a_body_cut_after_any_byte_is_whole_in_content_or_an_error(
    cut: int, framing: str, make_client: MakeClient
) -> None:
    """Either HTTP itself says that something is missing, or X-Row-Count does, or nothing."""
    if framing == "chunk":
        answer = chunked(WHOLE, rows=2, cut_at=cut)
    else:
        answer = http(WHOLE[:cut], rows=2 if framing == "row count" else None)
    with raw_server(answer) as server:
        client = make_client(server.base_url, max_attempts=1)
        try:
            delivery = client.export(CAMPAIGN_COUNTRY_DAILY, CAMPAIGN, WINDOW)
        except (TransportError, TruncatedDeliveryError):
            return

    assert framing != "chunk"
    if framing == "row count":
        # Only the last newline may be missing.
        assert delivery.frame.height == 2
        assert cut >= len(WHOLE) - 1
    else:
        # Cut between two lines: without X-Row-Count nobody can tell, and the delivery says so.
        assert delivery.frame.height > 0
        assert not delivery.row_count_stated
        assert WHOLE[:cut].count(b"}") == delivery.frame.height


def test_waits_grow_exponentially_with_jitter_and_are_told(
    make_client: MakeClient, waits: Waits, caplog: pytest.LogCaptureFixture
) -> None:
    with raw_server(http(b"", status=500)) as server, pytest.raises(ServerError):
        make_client(server.base_url, max_attempts=9).ping()

    for number, wait in enumerate(waits.between_attempts):
        assert min(60, 2**number) <= wait <= min(60, 2**number + 1)
    assert len(waits.between_attempts) == 8
    assert any(wait != int(wait) for wait in waits.between_attempts)
    told = [record for record in caplog.records if "attempt" in record.message]
    assert [record.levelno for record in told] == [logging.WARNING] * 8
    first_wait = f"{waits.between_attempts[0]:.1f} s"
    assert f"attempt 1 of 9 failed, the next one in {first_wait}" in told[0].message
    assert "UTC: the provider failed (HTTP 500, /v1/ping)" in told[0].message


@pytest.mark.parametrize(("header", "seconds"), [("37", 37), ("1800", 1800), ("3600", 3600)])
def test_retry_after_is_obeyed_even_when_it_is_an_hour(
    header: str, seconds: float, make_client: MakeClient, waits: Waits
) -> None:
    with raw_server(limited(header), FINE) as server:
        # A request that would take ten seconds at most: what we are told to wait does not count.
        client = make_client(server.base_url, max_seconds=10.0)
        client.export(CAMPAIGN_COUNTRY_DAILY, CAMPAIGN, WINDOW)

    assert sum(waits.between_attempts) == seconds


ALREADY_PAST = format_datetime(datetime(2020, 1, 1, tzinfo=UTC), usegmt=True)


@pytest.mark.parametrize("header", ["0", "1", ALREADY_PAST])
def test_a_retry_after_shorter_than_our_own_wait_does_not_shorten_it(
    header: str, make_client: MakeClient, waits: Waits
) -> None:
    with raw_server(limited(header)) as server, pytest.raises(RateLimitError):
        make_client(server.base_url, max_attempts=4).ping()

    assert [wait // 4 for wait in waits.between_attempts] == pytest.approx([1, 2, 4], abs=1)
    assert all(wait >= 4 for wait in waits.between_attempts)


@pytest.mark.parametrize("header", ["0", "1"])
def test_what_is_waited_beyond_what_we_are_told_counts_against_the_time(
    header: str, make_client: MakeClient, waits: Waits
) -> None:
    with raw_server(limited(header)) as server, pytest.raises(RateLimitError):
        # The first wait is of four seconds or more, of which one at most is told.
        make_client(server.base_url, max_seconds=2.5).ping()

    assert len(server.asked) == 1
    assert waits.between_attempts == []


def test_a_long_wait_that_we_are_told_is_said_again_every_half_hour(
    make_client: MakeClient, waits: Waits, caplog: pytest.LogCaptureFixture
) -> None:
    noon = datetime.fromtimestamp(NOON, UTC)
    with raw_server(limited("7200"), http(b"", rows=0)) as server:
        client = make_client(
            server.base_url, clock=lambda: noon + timedelta(seconds=waits.time.now - NOON)
        )
        client.export(CAMPAIGN_COUNTRY_DAILY, CAMPAIGN, WINDOW)

    assert waits.between_attempts == [1800] * 4
    assert "the next one in 7200.0 s, at 14:00:00 UTC" in caplog.messages[0]
    assert caplog.messages[1:] == [
        f"still waiting, the next attempt in {left} s, at 14:00:00 UTC"
        for left in (5400, 3600, 1800)
    ]


def test_retry_after_of_a_503_is_obeyed_too(make_client: MakeClient, waits: Waits) -> None:
    busy = http(b"", status=503, headers={"Retry-After": "12"})
    with raw_server(busy, FINE) as server:
        make_client(server.base_url).export(CAMPAIGN_COUNTRY_DAILY, CAMPAIGN, WINDOW)

    assert waits.between_attempts == [12]


def test_a_retry_after_beyond_reason_is_an_error_that_says_so(
    make_client: MakeClient, waits: Waits
) -> None:
    with (
        raw_server(limited("86400")) as server,
        pytest.raises(RateLimitError, match="asks to wait 86400 s") as raised,
    ):
        make_client(server.base_url).ping()

    assert raised.value.retry_after == 86400
    assert raised.value.stops_run
    assert len(server.asked) == 1
    assert waits.between_attempts == waits.for_the_budget == []


NOW = datetime(2026, 4, 1, 12, tzinfo=UTC)


@pytest.mark.parametrize(
    ("header", "seconds"),
    [
        ("120", 120),
        (" 5 ", 5),
        (format_datetime(NOW + timedelta(seconds=90), usegmt=True), 90),
        (format_datetime(NOW - timedelta(seconds=90), usegmt=True), 0),
        (None, None),
        ("", None),
        ("soon", None),
        ("-5", None),
        ("1e3", None),
        ("Mon, 01 Jan 99999999999999999999 00:00:00 GMT", None),
        ("٣", None),
        (str(int((NOW + timedelta(seconds=30)).timestamp())), 30),
        (str(int((NOW + timedelta(seconds=30)).timestamp() * 1000)), 30),
        (str(int((NOW - timedelta(days=3)).timestamp())), 0),
        (str(int((NOW + timedelta(days=30)).timestamp())), None),
        (format_datetime(NOW + timedelta(days=400), usegmt=True), None),
        (str(7 * 86400), 7 * 86400),
        (str(7 * 86400 + 1), None),
        ("9" * 400, None),
        ("9" * 10, None),
        ("Infinity", None),
        ("0x10", None),
        ("60, 60", None),
    ],
)
def test_retry_after_is_seconds_a_date_or_a_unix_time(
    header: str | None, seconds: float | None
) -> None:
    assert retry_after_seconds(header, NOW) == seconds


def test_a_retry_after_as_a_date_is_judged_by_the_providers_clock(
    make_client: MakeClient, waits: Waits
) -> None:
    """Ours may be days off."""
    then = NOW - timedelta(days=3)
    busy = http(
        b"",
        status=503,
        headers={
            "Date": format_datetime(then, usegmt=True),
            "Retry-After": format_datetime(then + timedelta(seconds=33), usegmt=True),
        },
    )
    with raw_server(busy, FINE) as server:
        make_client(server.base_url).export(CAMPAIGN_COUNTRY_DAILY, CAMPAIGN, WINDOW)

    assert waits.between_attempts == [33]


@pytest.mark.parametrize("nonsense", ["1" + "0" * 30, "soon", "-1", "99999999"])
def test_a_retry_after_that_makes_no_sense_leaves_our_own_wait(
    nonsense: str, make_client: MakeClient, waits: Waits
) -> None:
    with raw_server(limited(nonsense), FINE) as server:
        make_client(server.base_url).export(CAMPAIGN_COUNTRY_DAILY, CAMPAIGN, WINDOW)

    (wait,) = waits.between_attempts
    assert 4 <= wait <= 8


def test_a_rate_limit_without_retry_after_is_waited_for_longer_than_a_fault(
    make_client: MakeClient, waits: Waits
) -> None:
    with raw_server(limited(None), limited(None), limited("x"), FINE) as server:
        make_client(server.base_url).export(CAMPAIGN_COUNTRY_DAILY, CAMPAIGN, WINDOW)

    assert [wait // 4 for wait in waits.between_attempts] == pytest.approx([1, 2, 4], abs=1)


def test_a_rate_limit_holds_back_every_client_of_the_key(
    make_client: MakeClient, waits: Waits, caplog: pytest.LogCaptureFixture
) -> None:
    with raw_server(limited("1800"), FINE) as server:
        with pytest.raises(RateLimitError):
            make_client(server.base_url, max_attempts=1).ping()
        make_client(server.base_url).export(CAMPAIGN_COUNTRY_DAILY, CAMPAIGN, WINDOW)

    assert sum(waits.for_the_budget) == 1800
    assert caplog.messages == [
        "waiting 1800 s because the provider asked for it, until 12:30:00 UTC"
    ]


def test_all_attempts_together_are_bounded_by_time(make_client: MakeClient, waits: Waits) -> None:
    with raw_server(http(b"", status=500)) as server, pytest.raises(ServerError):
        make_client(server.base_url, max_attempts=20, max_seconds=3.9).ping()

    # The third wait would be of four seconds or more.
    assert len(server.asked) <= 3
    assert all(wait < 3.9 for wait in waits.between_attempts)


def test_a_body_that_never_ends_is_given_up(make_client: MakeClient) -> None:
    def drip(connection: socket.socket) -> None:
        connection.sendall(http(b"", rows=2, length=10**9))
        while not server.closing.is_set():
            connection.sendall(b"\n")
            time.sleep(0.01)

    with raw_server(drip) as server, pytest.raises(TransportError, match="incomplete after"):
        make_client(server.base_url, max_seconds=0.2).export(
            CAMPAIGN_COUNTRY_DAILY, CAMPAIGN, WINDOW
        )

    assert len(server.asked) == 1


def test_silence_ends_after_the_timeout(make_client: MakeClient) -> None:
    def keep_silent(_connection: socket.socket) -> None:
        server.closing.wait(60)

    with raw_server(keep_silent, FINE) as server:
        client = make_client(server.base_url, timeout_seconds=0.2)
        delivery = client.export(CAMPAIGN_COUNTRY_DAILY, CAMPAIGN, WINDOW)

    assert delivery.attempts == 2


def test_a_port_where_nobody_listens_is_a_transport_error(
    make_client: MakeClient, waits: Waits
) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        port = taken.getsockname()[1]
        client = make_client(f"http://127.0.0.1:{port}", max_attempts=2)
        with pytest.raises(TransportError, match="ConnectError"):
            client.ping()

    assert len(waits.between_attempts) == 1


def test_a_contract_violation_is_not_tried_again(make_client: MakeClient, waits: Waits) -> None:
    with (
        raw_server(http(b'{"oops": 1}\n' + WHOLE, rows=3)) as server,
        pytest.raises(ContractError),
    ):
        make_client(server.base_url).export(CAMPAIGN_COUNTRY_DAILY, CAMPAIGN, WINDOW)

    assert len(server.asked) == 1
    assert waits.between_attempts == []


def test_an_unparsable_line_before_an_unended_last_one_is_no_cut(make_client: MakeClient) -> None:
    with (
        raw_server(http(b"oops\n" + WHOLE.rstrip(b"\n"), rows=3)) as server,
        pytest.raises(ContractError, match="line 1"),
    ):
        make_client(server.base_url).export(CAMPAIGN_COUNTRY_DAILY, CAMPAIGN, WINDOW)

    assert len(server.asked) == 1


def test_closing_the_client_ends_a_wait_between_attempts(make_client: MakeClient) -> None:
    waiting = threading.Event()

    def wait(seconds: float, stop: threading.Event) -> None:
        waiting.set()
        if stop.wait(60):
            raise StoppedError("stopped")
        raise AssertionError(f"nobody ended the wait of {seconds} s")

    outcome: list[BaseException] = []

    def ask(client: SoundlinkClient) -> None:
        try:
            client.ping()
        except StoppedError as error:
            outcome.append(error)

    with raw_server(limited("3600")) as server:
        client = make_client(server.base_url, wait=wait)
        asking = threading.Thread(target=ask, args=(client,))
        asking.start()
        assert waiting.wait(30)
        client.close()
        asking.join(30)

    assert len(outcome) == 1
