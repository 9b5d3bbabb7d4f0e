"""The API key is in the one header of each request, and nowhere else."""

import json
import logging
import pickle
import sqlite3
import traceback
from pathlib import Path

import httpx
import pytest

from soundlink_assets.provider import ContractError, SoundlinkError, TransportError
from soundlink_assets.schema import CAMPAIGN as CAMPAIGNS
from soundlink_assets.schema import CAMPAIGN_COUNTRY_DAILY
from soundlink_assets_tests.provider.bodies import CAMPAIGN, WINDOW, body, envelope, rows
from soundlink_assets_tests.provider.conftest import KEY, MakeClient
from soundlink_assets_tests.provider.raw_server import Answer, http, raw_server, reset

SECRET_PART = KEY.removeprefix("sk_test_")

ECHOES: dict[str, Answer] = {
    "in the message": http(
        envelope(code="invalid_api_key", message=f"who is {KEY}?"),
        status=401,
        content_type="application/json",
    ),
    "in the code": http(
        envelope(code=f"no_{KEY}", message="no"), status=400, content_type="application/json"
    ),
    "in the request id": http(
        json.dumps({"error": {"code": "x"}, "meta": {"requestId": KEY}}).encode(),
        status=500,
        content_type="application/json",
    ),
    "in the address of a redirect": http(
        status=302, headers={"Location": f"https://evil.example/?k={KEY}"}
    ),
    "in the content type": http(b"<html>", content_type=f"text/html+{KEY}", status=503),
    "in a broken head": f"HTTP/1.1 {KEY}\r\n\r\n".encode(),
    "in a row count": http(body(), headers={"X-Row-Count": KEY}),
    "in a value of a wrong type": http(body(rows()[0], {**rows()[1], "streams": KEY}), rows=2),
    "in an unparsable line": http(f"{KEY}\n".encode(), rows=1),
    "in a schema version": http(body({**rows()[0], "schema_version": KEY}), rows=1),
    "in a campaign id": http(body({**rows()[0], "campaign_id": KEY}), rows=1),
    "in a key of an object": http(body({**rows()[0], f"x{KEY}": 1}), rows=1),
    "nowhere, connection reset": reset,
}


@pytest.mark.parametrize("echo", ECHOES)
def test_the_key_is_in_no_error_log_or_file_even_if_the_provider_echoes_it(
    echo: str, make_client: MakeClient, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    told = ""
    with raw_server(ECHOES[echo]) as server:
        client = make_client(server.base_url, max_attempts=2)
        try:
            delivery = client.export(CAMPAIGN_COUNTRY_DAILY, CAMPAIGN, WINDOW)
            told += repr(delivery)
        except SoundlinkError as error:
            told += "".join(traceback.format_exception(error)) + repr(error) + str(vars(error))
            if isinstance(error, ContractError):
                told += repr(error.violation) + str(vars(error.violation))
        told += repr(client) + str(vars(client))

    assert any(asked.header("x-api-key") == KEY for asked in server.asked)
    told += "\n".join(record.getMessage() + str(vars(record)) for record in ours(caplog))
    for file in tmp_path.rglob("*"):
        told += file.name
        if file.is_file():
            told += file.read_bytes().decode(errors="replace")
    assert SECRET_PART not in told


JSON_ECHOES: dict[str, Answer] = {
    "in the content type": http(b"<html>", content_type=f"text/html+{KEY}"),
    "in a status": http(envelope({"status": KEY}), content_type="application/json"),
    "in a campaign": http(
        envelope(
            {
                "items": [{"campaignId": "c", "dailyBudget": KEY}],
                "pagination": {"totalPages": 1, "totalCount": 1},
            }
        ),
        content_type="application/json",
    ),
}


@pytest.mark.parametrize("echo", JSON_ECHOES)
@pytest.mark.parametrize("route", ["ping", "campaigns"])
def test_the_key_is_in_no_error_of_the_json_routes(
    echo: str, route: str, make_client: MakeClient
) -> None:
    with raw_server(JSON_ECHOES[echo]) as server:
        client = make_client(server.base_url, max_attempts=1)
        with pytest.raises(SoundlinkError) as raised:
            client.ping() if route == "ping" else client.listed(CAMPAIGNS)

    told = "".join(traceback.format_exception(raised.value)) + str(vars(raised.value))
    assert SECRET_PART not in told


def ours(caplog: pytest.LogCaptureFixture) -> list[logging.LogRecord]:
    """The records of every logger; httpcore's DEBUG prints headers that the provider sent."""
    echoed_by_httpcore = ("receive_response_headers", "failed exception")
    return [
        record
        for record in caplog.records
        if not any(text in record.getMessage() for text in echoed_by_httpcore)
    ]


def test_the_key_is_in_no_log_of_the_http_library_at_any_level(
    make_client: MakeClient, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    with raw_server(http(body(), rows=2)) as server:
        make_client(server.base_url).export(CAMPAIGN_COUNTRY_DAILY, CAMPAIGN, WINDOW)

    assert {"httpx", "httpcore.http11"} <= {record.name for record in caplog.records}
    assert SECRET_PART not in caplog.text


def test_a_key_given_as_campaign_id_goes_into_no_path(
    make_client: MakeClient, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    with (
        raw_server(http(body(), rows=2)) as server,
        pytest.raises(SoundlinkError, match="not a campaign id") as raised,
    ):
        make_client(server.base_url).export(CAMPAIGN_COUNTRY_DAILY, KEY, WINDOW)

    assert server.asked == []
    assert SECRET_PART not in str(raised.value) + repr(raised.value) + caplog.text


def test_the_key_is_hidden_across_the_pieces_of_a_long_refused_body(
    make_client: MakeClient, tmp_path: Path
) -> None:
    content = b"{}\n" + b"." * (2**20 - 10) + KEY.encode() + b"." * (2**20) + KEY.encode()
    with raw_server(http(content, rows=1)) as server, pytest.raises(ContractError):
        make_client(server.base_url).export(CAMPAIGN_COUNTRY_DAILY, CAMPAIGN, WINDOW)

    (kept,) = (tmp_path / "quarantine").glob("*.jsonl")
    assert kept.read_bytes() == content.replace(KEY.encode(), b"sk_***")


def test_the_budget_file_does_not_hold_the_key(make_client: MakeClient, tmp_path: Path) -> None:
    with raw_server(http(body(), rows=2)) as server:
        make_client(server.base_url).export(CAMPAIGN_COUNTRY_DAILY, CAMPAIGN, WINDOW)

    with sqlite3.connect(tmp_path / "budget.sqlite") as connection:
        dump = "\n".join(connection.iterdump())
    assert "insert into" in dump.lower()
    assert SECRET_PART not in dump


def test_a_client_cannot_be_pickled_with_its_key(make_client: MakeClient) -> None:
    with pytest.raises(TypeError):
        pickle.dumps(make_client("http://127.0.0.1:9"))


def test_the_http_librarys_own_error_does_not_hold_the_key(make_client: MakeClient) -> None:
    with raw_server(reset) as server, pytest.raises(TransportError) as raised:
        make_client(server.base_url, max_attempts=1).ping()

    cause = raised.value.__context__
    assert isinstance(cause, httpx.HTTPError)
    assert "user-agent" in cause.request.headers
    assert SECRET_PART not in str(cause.request.headers.multi_items())
