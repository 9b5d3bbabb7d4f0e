"""A refusal of one campaign among others is its own failure; a refusal of the first ones stops."""

import json
import threading
from socket import socket

import pytest

from soundlink_assets.provider import (
    AuthenticationError,
    BadRequestError,
    ContractError,
    Delivery,
    FailedDelivery,
    NotFoundError,
    ScopeError,
    SoundlinkError,
)
from soundlink_assets.provider.deliveries import FIRST_REFUSALS
from soundlink_assets.schema import CAMPAIGN_COUNTRY_DAILY, CAMPAIGN_ENGAGEMENT_DAILY
from soundlink_assets_tests.provider.bodies import WINDOW, body, envelope, rows
from soundlink_assets_tests.provider.conftest import MakeClient, Waits
from soundlink_assets_tests.provider.raw_server import Answer, http, raw_server

EMPTY = http(b"", rows=0)
HTML = b"<html><body>404</body></html>"


def refusal(status: int, code: str | None = None) -> bytes:
    if code is None:
        return http(HTML, status=status, content_type="text/html")
    return http(envelope(code=code), status=status, content_type="application/json")


REFUSALS: dict[str, tuple[bytes, type[SoundlinkError]]] = {
    "403 access_denied": (refusal(403, "access_denied"), AuthenticationError),
    "403 insufficient_scope": (refusal(403, "insufficient_scope"), ScopeError),
    "403 with an unknown code": (refusal(403, "campaign_archived"), ScopeError),
    "403 in HTML": (refusal(403), ScopeError),
    "410": (refusal(410), BadRequestError),
    "410 with a code": (refusal(410, "gone"), BadRequestError),
    "400 invalid_date_range": (refusal(400, "invalid_date_range"), BadRequestError),
    "400 invalid_query_parameter": (refusal(400, "invalid_query_parameter"), BadRequestError),
    "404 in HTML": (refusal(404), NotFoundError),
    "404 not_found": (refusal(404, "not_found"), NotFoundError),
    "409": (refusal(409, "conflict"), BadRequestError),
    "a redirect": (http(status=302, headers={"Location": "/elsewhere"}), BadRequestError),
}


def path(campaign: str) -> str:
    return CAMPAIGN_COUNTRY_DAILY.path(campaign)


@pytest.mark.parametrize("asked", [["a", "bad", "c"], ["bad", "a", "c"], ["a", "c", "bad"]])
@pytest.mark.parametrize("why", REFUSALS)
def test_a_refusal_of_one_campaign_leaves_the_others_whole(
    why: str, asked: list[str], make_client: MakeClient, waits: Waits
) -> None:
    answer, kind = REFUSALS[why]
    with raw_server(EMPTY, by_path={path("bad"): [answer]}) as server:
        client = make_client(server.base_url, max_concurrency=1)
        results = {
            result.requested_id: result
            for result in client.deliveries(CAMPAIGN_COUNTRY_DAILY, asked, WINDOW)
        }

    failed = results.pop("bad")
    assert isinstance(failed, FailedDelivery)
    assert type(failed.error) is kind
    assert not failed.error.stops_run
    assert failed.error.hint.startswith("Other campaigns are served with this key")
    assert "scopes" not in failed.error.hint
    assert {type(result) for result in results.values()} == {Delivery}
    assert len(results) == 2
    assert len(server.asked) == 3
    assert waits.between_attempts == []


@pytest.mark.parametrize("why", REFUSALS)
def test_where_the_first_campaigns_are_all_refused_the_run_stops(
    why: str, make_client: MakeClient
) -> None:
    answer, kind = REFUSALS[why]
    with raw_server(answer) as server:
        client = make_client(server.base_url, max_concurrency=1)
        with pytest.raises(kind) as raised:
            list(client.deliveries(CAMPAIGN_COUNTRY_DAILY, [f"c{n}" for n in range(500)], WINDOW))

    assert raised.value.stops_run
    assert "Other campaigns" not in raised.value.hint
    assert len(server.asked) == FIRST_REFUSALS


@pytest.mark.parametrize("campaigns", [["a"], ["a", "b"]])
def test_where_all_of_a_few_campaigns_are_refused_the_run_stops(
    campaigns: list[str], make_client: MakeClient
) -> None:
    with raw_server(refusal(403, "access_denied")) as server, pytest.raises(AuthenticationError):
        list(make_client(server.base_url).deliveries(CAMPAIGN_COUNTRY_DAILY, campaigns, WINDOW))


def test_several_windows_of_one_campaign_are_one_refusal(make_client: MakeClient) -> None:
    window = WINDOW.__class__(WINDOW.first, WINDOW.first.replace(year=WINDOW.first.year + 2))
    with raw_server(EMPTY, by_path={path("bad"): [refusal(410)]}) as server:
        client = make_client(server.base_url, max_concurrency=1)
        results = list(client.deliveries(CAMPAIGN_COUNTRY_DAILY, ["bad", "a"], window))

    failed = [result for result in results if isinstance(result, FailedDelivery)]
    assert {result.requested_id for result in failed} == {"bad"}
    assert len(results) == 2 * len(failed)


def test_a_campaign_whose_rows_are_refused_has_been_served_all_the_same(
    make_client: MakeClient,
) -> None:
    wrong = http(body({**rows()[0], "report_date": "2020-01-01"}), rows=1)
    with raw_server(wrong, by_path={path("bad"): [refusal(403, "access_denied")]}) as server:
        client = make_client(server.base_url, max_concurrency=1)
        results = list(client.deliveries(CAMPAIGN_COUNTRY_DAILY, ["bad", "a", "b"], WINDOW))

    assert all(isinstance(result, FailedDelivery) for result in results)
    assert len(results) == 3


def test_what_one_export_has_served_says_nothing_of_another(make_client: MakeClient) -> None:
    by_path: dict[str, list[Answer]] = {
        CAMPAIGN_ENGAGEMENT_DAILY.path("a"): [refusal(404, "not_found")]
    }
    with raw_server(EMPTY, by_path=by_path) as server:
        client = make_client(server.base_url)
        list(client.deliveries(CAMPAIGN_COUNTRY_DAILY, ["a"], WINDOW))
        with pytest.raises(NotFoundError):
            list(client.deliveries(CAMPAIGN_ENGAGEMENT_DAILY, ["a"], WINDOW))


def test_what_the_run_has_served_before_counts(make_client: MakeClient) -> None:
    with raw_server(EMPTY, by_path={path("bad"): [refusal(410)]}) as server:
        client = make_client(server.base_url)
        list(client.deliveries(CAMPAIGN_COUNTRY_DAILY, ["a"], WINDOW))
        (failed,) = client.deliveries(CAMPAIGN_COUNTRY_DAILY, ["bad"], WINDOW)

    assert isinstance(failed, FailedDelivery)


def test_a_key_that_dies_stops_the_run_although_others_were_served(
    make_client: MakeClient,
) -> None:
    dead = refusal(401, "api_key_revoked")
    with raw_server(EMPTY, by_path={path("bad"): [dead]}) as server:
        client = make_client(server.base_url, max_concurrency=1)
        delivered = client.deliveries(CAMPAIGN_COUNTRY_DAILY, ["a", "bad", "c"], WINDOW)
        assert isinstance(next(delivered), Delivery)
        with pytest.raises(AuthenticationError):
            list(delivered)

    assert len(server.asked) == 2


UNREADABLE: dict[str, bytes] = {
    "currency: null": body({**rows()[0], "currency": None}),
    "a lone surrogate": body().replace(b"Sleep Playlist", b"Ni\\ud83d"),
    "a huge number": body().replace(b"42.5", b"1e99999999999999999999"),
    "no JSON": b"oops\n",
    "NaN in an unknown field": json.dumps(rows()[0])[:-1].encode() + b', "x": [NaN]}\n',
}


@pytest.mark.parametrize("why", UNREADABLE)
def test_one_unreadable_row_is_the_failure_of_its_campaign(
    why: str, make_client: MakeClient
) -> None:
    with raw_server(EMPTY, by_path={path("bad"): [http(UNREADABLE[why])]}) as server:
        client = make_client(server.base_url, max_concurrency=1)
        results = list(client.deliveries(CAMPAIGN_COUNTRY_DAILY, ["a", "bad", "c"], WINDOW))

    (failed,) = (result for result in results if isinstance(result, FailedDelivery))
    assert failed.requested_id == "bad"
    assert isinstance(failed.error, ContractError)
    assert failed.error.violation.check == "valid_rows"
    assert failed.error.violation.line == 1
    assert failed.error.quarantined is not None
    assert len(results) == 3


def test_another_schema_version_stops_the_export(make_client: MakeClient) -> None:
    other = http(body({**rows()[0], "schema_version": "2.0"}), rows=1)
    with raw_server(EMPTY, by_path={path("bad"): [other]}) as server:
        client = make_client(server.base_url, max_concurrency=1)
        with pytest.raises(ContractError) as raised:
            list(client.deliveries(CAMPAIGN_COUNTRY_DAILY, ["a", "bad", "c"], WINDOW))

    assert raised.value.violation.check == "schema_version"


def test_a_refusal_waits_for_what_is_in_flight_to_say_what_it_means(
    make_client: MakeClient,
) -> None:
    def late(connection: socket) -> None:
        refused.acquire(timeout=30)
        connection.sendall(EMPTY)

    refused = threading.Semaphore(0)

    def refuse(connection: socket) -> None:
        connection.sendall(refusal(403, "access_denied"))
        refused.release()

    with raw_server(late, by_path={path("bad"): [refuse]}) as server:
        client = make_client(server.base_url, max_concurrency=2)
        results = list(client.deliveries(CAMPAIGN_COUNTRY_DAILY, ["bad", "slow"], WINDOW))

    assert {type(result) for result in results} == {Delivery, FailedDelivery}
