"""Whatever drips in without an end is given up at the deadline: headers, bodies, errors, lists."""

import socket
import time
from collections.abc import Callable

import pytest

from soundlink_assets.provider import SoundlinkClient, SoundlinkError, TransportError
from soundlink_assets.schema import CAMPAIGN, CAMPAIGN_COUNTRY_DAILY
from soundlink_assets_tests.provider.bodies import CAMPAIGN as CAMPAIGN_ID
from soundlink_assets_tests.provider.bodies import WINDOW
from soundlink_assets_tests.provider.conftest import MakeClient
from soundlink_assets_tests.provider.raw_server import RawServer, http, raw_server

Route = Callable[[SoundlinkClient], object]

ROUTES: dict[str, Route] = {
    "ping": lambda client: client.ping(),
    "list": lambda client: client.listed(CAMPAIGN),
    "overview": lambda client: client.overview(CAMPAIGN_ID, WINDOW),
    "export": lambda client: client.export(CAMPAIGN_COUNTRY_DAILY, CAMPAIGN_ID, WINDOW),
}
JSON = "application/json"
BEGINNINGS: dict[str, tuple[bytes, bytes]] = {
    "the status line": (b"HTTP/1.1 200 ", b"O"),
    "the headers": (b"HTTP/1.1 200 OK\r\n", b"X-Slow: yes\r\n"),
    "the body": (http(b"", content_type=None, length=10**9), b"\n"),
    "a list": (http(b'{"data": [', content_type=JSON, length=10**9), b"1,"),
    "an error": (http(b'{"error": "', status=500, content_type=JSON, length=10**9), b"x"),
    "a refusal": (http(b'{"error": "', status=403, content_type=JSON, length=10**9), b"x"),
}


@pytest.mark.parametrize("route", ROUTES)
@pytest.mark.parametrize("what", BEGINNINGS)
def test_a_response_that_drips_is_given_up_at_the_deadline(
    what: str, route: str, make_client: MakeClient
) -> None:
    beginning, drop = BEGINNINGS[what]
    servers: list[RawServer] = []

    def drip(connection: socket.socket) -> None:
        connection.sendall(beginning)
        while not servers[0].closing.is_set():
            connection.sendall(drop)
            time.sleep(0.01)

    with raw_server(drip) as server:
        servers.append(server)
        client = make_client(server.base_url, max_seconds=0.3, timeout_seconds=30)
        begun = time.monotonic()
        with pytest.raises(SoundlinkError) as raised:
            ROUTES[route](client)

    assert time.monotonic() - begun < 15
    assert len(server.asked) == 1
    if what not in {"an error", "a refusal"}:
        assert isinstance(raised.value, TransportError)
        assert "incomplete after 0 s" in raised.value.message
    else:
        assert raised.value.status in {500, 403}


def test_a_connection_that_is_used_again_is_watched_too(make_client: MakeClient) -> None:
    """The deadline is that of each request, not of the connection."""
    pong = b'{"data": {"status": "ok"}}'
    head = f"HTTP/1.1 200 OK\r\nContent-Length: {len(pong)}\r\nContent-Type: {JSON}\r\n\r\n"
    servers: list[RawServer] = []

    def answer_then_drip(connection: socket.socket) -> None:
        connection.sendall(head.encode() + pong)
        connection.recv(65536)
        while not servers[0].closing.is_set():
            connection.sendall(b"H")
            time.sleep(0.01)

    with raw_server(answer_then_drip) as server:
        servers.append(server)
        client = make_client(server.base_url, max_seconds=0.5, timeout_seconds=30, max_attempts=1)
        client.ping()
        with pytest.raises(TransportError):
            client.ping()

    assert len(server.asked) == 1
