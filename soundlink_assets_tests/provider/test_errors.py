"""Every error code of the reference: its class, what it carries, what it says to do, no retry."""

from typing import NamedTuple

import pytest

from soundlink_assets.provider import (
    AuthenticationError,
    BadRequestError,
    NotFoundError,
    RateLimitError,
    ScopeError,
    ServerError,
    SoundlinkError,
    TransportError,
    UnknownIdError,
)
from soundlink_assets.sandbox import Fault, RunningSandbox
from soundlink_assets.sandbox.access import Key
from soundlink_assets.schema import CAMPAIGN as CAMPAIGNS
from soundlink_assets.schema import CAMPAIGN_COUNTRY_DAILY
from soundlink_assets.settings import AuthStyle
from soundlink_assets_tests.provider.bodies import CAMPAIGN, WINDOW, body, envelope
from soundlink_assets_tests.provider.conftest import MakeClient, Waits
from soundlink_assets_tests.provider.raw_server import http, raw_server


class Case(NamedTuple):
    """An answer, the error that it becomes, and a part of what the error says."""

    status: int
    code: str
    kind: type[SoundlinkError]
    says: str


FATAL = [
    Case(400, "invalid_query_parameter", BadRequestError, "query parameter"),
    Case(400, "invalid_date_range", BadRequestError, "range of dates"),
    Case(400, "page_size_exceeded", BadRequestError, "page size"),
    Case(401, "invalid_api_key", AuthenticationError, "SOUNDLINK_AUTH_STYLE=bearer"),
    Case(401, "api_key_revoked", AuthenticationError, "new key"),
    Case(401, "api_key_expired", AuthenticationError, "new key"),
    Case(401, "mixed_credentials", AuthenticationError, "proxy"),
    Case(401, "invalid_token", AuthenticationError, "SOUNDLINK_AUTH_STYLE=bearer"),
    Case(403, "insufficient_scope", ScopeError, "metrics:read"),
    Case(403, "access_denied", AuthenticationError, "does not allow"),
    Case(404, "not_found", NotFoundError, "switched off"),
    Case(409, "brand_new_code", BadRequestError, "refuses the request"),
    Case(401, "brand_new_code", AuthenticationError, "does not accept the API key"),
    Case(403, "brand_new_code", ScopeError, "denies access"),
    Case(404, "brand_new_code", NotFoundError, "unknown route"),
]
PASSING = [
    Case(404, "campaign_not_found", UnknownIdError, "no such campaign"),
]
RETRIED = [
    Case(429, "rate_limit_exceeded", RateLimitError, "more requests than"),
    Case(500, "internal_error", ServerError, "provider failed"),
    Case(503, "brand_new_code", ServerError, "provider failed"),
    Case(429, "brand_new_code", RateLimitError, "more requests than"),
]


@pytest.mark.parametrize("case", FATAL + PASSING)
def test_a_refusal_is_its_own_error_and_is_never_tried_again(
    case: Case, make_client: MakeClient, waits: Waits
) -> None:
    answer = http(envelope(code=case.code), status=case.status, content_type="application/json")
    with raw_server(answer) as server:
        client = make_client(server.base_url)
        with pytest.raises(case.kind) as raised:
            client.export(CAMPAIGN_COUNTRY_DAILY, CAMPAIGN, WINDOW)

    error = raised.value
    assert type(error) is case.kind
    assert (error.status, error.code, error.request_id) == (case.status, case.code, "req-1")
    assert (error.about.requested_id, error.about.window) == (CAMPAIGN, WINDOW)
    assert error.stops_run is (case in FATAL)
    assert case.says in str(error)
    assert error.hint
    assert len(str(error).splitlines()) == 2
    facts = (str(case.status), case.code, "req-1", CAMPAIGN, str(WINDOW))
    assert all(fact in str(error) for fact in facts)
    assert len(server.asked) == 1
    assert waits.between_attempts == []


@pytest.mark.parametrize("case", RETRIED)
def test_a_failure_of_the_provider_is_tried_as_often_as_the_setting_says(
    case: Case, make_client: MakeClient, waits: Waits
) -> None:
    answer = http(envelope(code=case.code), status=case.status, content_type="application/json")
    with raw_server(answer) as server:
        client = make_client(server.base_url, max_attempts=3)
        with pytest.raises(case.kind) as raised:
            client.export(CAMPAIGN_COUNTRY_DAILY, CAMPAIGN, WINDOW)

    assert type(raised.value) is case.kind
    assert (raised.value.status, raised.value.code) == (case.status, case.code)
    assert not raised.value.stops_run
    assert case.says in str(raised.value)
    assert len(server.asked) == 3
    assert len(waits.between_attempts) == 2


@pytest.mark.parametrize(
    ("status", "kind", "requests"),
    [
        (400, BadRequestError, 1),
        (401, AuthenticationError, 1),
        (403, ScopeError, 1),
        (404, NotFoundError, 1),
        (418, BadRequestError, 1),
        (429, RateLimitError, 2),
        (500, ServerError, 2),
        (502, ServerError, 2),
        (504, ServerError, 2),
        (206, ServerError, 2),
    ],
)
@pytest.mark.parametrize(
    "page", [b"<html><body>Bad Gateway</body></html>", b"", b"[1]", b'{"oops": 1}', b"\xff\xfe"]
)
def test_an_answer_without_envelope_is_judged_by_its_status(
    status: int, kind: type[SoundlinkError], requests: int, page: bytes, make_client: MakeClient
) -> None:
    answer = http(page if status != 204 else b"", status=status, content_type="text/html")
    with raw_server(answer) as server, pytest.raises(kind) as raised:
        make_client(server.base_url, max_attempts=2).export(
            CAMPAIGN_COUNTRY_DAILY, CAMPAIGN, WINDOW
        )

    assert raised.value.status == status
    assert raised.value.code is None
    assert len(server.asked) == requests


def test_a_code_of_another_class_than_the_status_does_not_decide(make_client: MakeClient) -> None:
    answer = http(envelope(code="invalid_api_key"), status=503, content_type="application/json")
    with raw_server(answer, http(body(), rows=2)) as server:
        delivery = make_client(server.base_url).export(CAMPAIGN_COUNTRY_DAILY, CAMPAIGN, WINDOW)

    assert delivery.attempts == 2


def test_a_refusal_whose_body_is_cut_off_is_still_a_refusal(make_client: MakeClient) -> None:
    cut = http(b'{"error": {"co', status=401, content_type="application/json", length=1000)
    damaged = http(b"oops", status=403, headers={"Content-Encoding": "gzip"})
    with raw_server(cut, damaged) as server:
        client = make_client(server.base_url)
        with pytest.raises(AuthenticationError):
            client.ping()
        with pytest.raises(ScopeError):
            client.ping()

    assert len(server.asked) == 2


@pytest.mark.parametrize("style", list(AuthStyle))
def test_an_unknown_key_names_the_other_style_to_try(
    style: AuthStyle, sandbox: RunningSandbox, make_client: MakeClient
) -> None:
    client = make_client(sandbox.base_url, auth_style=style, api_key="sk_nobody_knows")
    other = AuthStyle.BEARER if style is AuthStyle.X_API_KEY else AuthStyle.X_API_KEY

    with pytest.raises(AuthenticationError, match=f"SOUNDLINK_AUTH_STYLE={other.value}") as raised:
        client.ping()

    assert raised.value.code == "invalid_api_key"
    assert len(sandbox.requests) == 1


@pytest.mark.parametrize(
    ("key", "code"),
    [(Key.REVOKED, "api_key_revoked"), (Key.EXPIRED, "api_key_expired")],
)
def test_a_dead_key_says_so(
    key: Key, code: str, sandbox: RunningSandbox, make_client: MakeClient
) -> None:
    with pytest.raises(AuthenticationError) as raised:
        make_client(sandbox.base_url, api_key=key.value).listed(CAMPAIGNS)

    assert raised.value.code == code
    assert raised.value.request_id


def test_a_key_without_a_scope_names_the_scope(
    sandbox: RunningSandbox, make_client: MakeClient
) -> None:
    campaign = sandbox.world.campaigns[0].campaign_id

    with pytest.raises(ScopeError, match="lacks the scope campaigns:read") as listing:
        make_client(sandbox.base_url, api_key=Key.WITHOUT_CAMPAIGNS.value).listed(CAMPAIGNS)
    with pytest.raises(ScopeError, match="lacks the scope metrics:read"):
        make_client(sandbox.base_url, api_key=Key.WITHOUT_METRICS.value).overview(campaign, WINDOW)

    assert "SOUNDLINK_CAMPAIGN_IDS" in str(listing.value)


def test_another_organisations_campaign_is_not_found(
    sandbox: RunningSandbox, make_client: MakeClient
) -> None:
    campaign = sandbox.world.campaigns[0].campaign_id
    client = make_client(sandbox.base_url, api_key=Key.OTHER_ORGANISATION.value)

    with pytest.raises(UnknownIdError):
        client.overview(campaign, WINDOW)


@pytest.mark.parametrize("status", [301, 302, 307, 308])
def test_a_redirect_is_not_followed(status: int, make_client: MakeClient) -> None:
    with raw_server(http(body(), rows=2)) as elsewhere:
        location = f"{elsewhere.base_url}/v1/stolen"
        with (
            raw_server(http(status=status, headers={"Location": location})) as server,
            pytest.raises(BadRequestError, match="redirects") as raised,
        ):
            make_client(server.base_url).export(CAMPAIGN_COUNTRY_DAILY, CAMPAIGN, WINDOW)

    assert location in str(raised.value)
    assert "SOUNDLINK_BASE_URL" in raised.value.hint
    assert raised.value.stops_run
    assert (len(server.asked), len(elsewhere.asked)) == (1, 0)


def test_a_json_route_that_answers_with_a_page_is_tried_again(make_client: MakeClient) -> None:
    page = http(b"<html>Welcome to the hotel</html>", content_type="text/html")
    fine = http(envelope({"status": "ok"}), content_type="application/json")
    with raw_server(page, fine) as server:
        make_client(server.base_url).ping()
    with raw_server(page) as stubborn, pytest.raises(TransportError, match="text/html"):
        make_client(stubborn.base_url, max_attempts=2).ping()

    assert (len(server.asked), len(stubborn.asked)) == (2, 2)


@pytest.mark.parametrize("campaign", ["", ".", "..", pytest.param("x" * 70_000, id="long")])
def test_an_id_that_would_lead_to_another_route_is_refused_without_a_request(
    campaign: str, make_client: MakeClient
) -> None:
    with (
        raw_server(http(body(), rows=2)) as server,
        pytest.raises(BadRequestError, match="not a campaign id"),
    ):
        make_client(server.base_url).export(CAMPAIGN_COUNTRY_DAILY, campaign, WINDOW)

    assert server.asked == []


@pytest.mark.parametrize("campaign", ["camp_abc123", "a/b", "a b?c#d", "100%", "ü..", "a/../b"])
def test_any_other_id_stays_one_segment_of_the_path(campaign: str, make_client: MakeClient) -> None:
    with raw_server(http(b"", rows=0)) as server:
        make_client(server.base_url).export(CAMPAIGN_COUNTRY_DAILY, campaign, WINDOW)

    assert server.paths() == [CAMPAIGN_COUNTRY_DAILY.path(campaign)]
    assert server.paths()[0].count("/") == 6


FAULTS_OF_CODES = [
    Fault.INVALID_API_KEY,
    Fault.API_KEY_REVOKED,
    Fault.API_KEY_EXPIRED,
    Fault.MIXED_CREDENTIALS,
    Fault.INVALID_TOKEN,
    Fault.INSUFFICIENT_SCOPE,
    Fault.ACCESS_DENIED,
    Fault.CAMPAIGN_NOT_FOUND,
    Fault.NOT_FOUND,
    Fault.INVALID_QUERY_PARAMETER,
    Fault.INVALID_DATE_RANGE,
    Fault.UNKNOWN_CLIENT_ERROR,
    Fault.REDIRECT,
]


@pytest.mark.parametrize("fault", FAULTS_OF_CODES)
def test_the_sandboxes_refusals_are_refusals_to_the_client(
    fault: Fault, sandbox: RunningSandbox, make_client: MakeClient
) -> None:
    sandbox.fail("*/export", fault, count=None)
    campaign = sandbox.world.campaigns[0].campaign_id
    client = make_client(sandbox.base_url, api_key=sandbox.api_key)

    with pytest.raises(SoundlinkError) as raised:
        client.export(CAMPAIGN_COUNTRY_DAILY, campaign, WINDOW)

    assert not raised.value.retryable
    assert len(sandbox.requests) == 1
    assert raised.value.stops_run is (fault is not Fault.CAMPAIGN_NOT_FOUND)
