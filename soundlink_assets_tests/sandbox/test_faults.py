import gzip
import json
import zlib
from collections import Counter
from collections.abc import Callable
from datetime import date, timedelta
from typing import Any

import httpx
import pytest

from soundlink_assets.sandbox import Fault, RunningSandbox
from soundlink_assets.sandbox.faults import Stage, known_faults, set_field
from soundlink_assets.schema import (
    CAMPAIGN_COUNTRY_DAILY,
    CAMPAIGN_ENGAGEMENT_DAILY,
    CAMPAIGN_EXPORTS,
    Export,
)
from soundlink_assets.schema.rules import RatioIdentity, SumIdentity
from soundlink_assets.schema.window import Window
from soundlink_assets_tests.sandbox.conftest import NOW, data_of, error_of
from soundlink_assets_tests.sandbox.rules import breaches
from soundlink_assets_tests.waiting import wait_for

WINDOW = Window(date(2026, 4, 1), date(2026, 4, 7))
IDENTITIES = [
    pytest.param(export, rule, id=rule.name)
    for export in CAMPAIGN_EXPORTS
    for rule in export.rules
    if isinstance(rule, SumIdentity | RatioIdentity)
]


class Exporting:
    """Fetches one window of one campaign, clean or with a fault."""

    def __init__(self, http: httpx.Client, sandbox: RunningSandbox, export: Export) -> None:
        self.http, self.sandbox, self.export = http, sandbox, export
        self.path = export.path(sandbox.world.campaigns[0].campaign_id)

    def fetch(self, fault: Fault | None = None, **options: Any) -> httpx.Response:
        if fault is not None:
            self.sandbox.fail("*/export", fault, **options)
        query = {"startDate": str(WINDOW.first), "endDate": str(WINDOW.last)}
        response = self.http.get(self.path, params=query)
        assert self.sandbox.faults.pending() == ()
        return response

    def rows(self, fault: Fault | None = None, **options: Any) -> list[dict[str, Any]]:
        response = self.fetch(fault, **options)
        lines = response.content.split(b"\n")[:-1]
        assert response.headers["x-row-count"] == str(len(lines))
        return [json.loads(line) for line in lines]

    def changed_row(self, fault: Fault, **options: Any) -> tuple[dict[str, Any], dict[str, Any]]:
        """The one row that the fault changes: as it should be and as it came."""
        clean, changed = self.rows(), self.rows(fault, **options)
        differing = [pair for pair in zip(clean, changed, strict=True) if pair[0] != pair[1]]
        assert len(differing) == 1
        return differing[0]


@pytest.fixture
def country(http: httpx.Client, sandbox: RunningSandbox) -> Exporting:
    return Exporting(http, sandbox, CAMPAIGN_COUNTRY_DAILY)


class TestResponsesInstead:
    @pytest.mark.parametrize(
        ("fault", "status"),
        [
            (Fault.INVALID_API_KEY, 401),
            (Fault.API_KEY_REVOKED, 401),
            (Fault.API_KEY_EXPIRED, 401),
            (Fault.MIXED_CREDENTIALS, 401),
            (Fault.INVALID_TOKEN, 401),
            (Fault.INSUFFICIENT_SCOPE, 403),
            (Fault.ACCESS_DENIED, 403),
            (Fault.CAMPAIGN_NOT_FOUND, 404),
            (Fault.NOT_FOUND, 404),
            (Fault.INVALID_QUERY_PARAMETER, 400),
            (Fault.INVALID_DATE_RANGE, 400),
            (Fault.GONE, 410),
            (Fault.INTERNAL_ERROR, 500),
        ],
    )
    def test_error_codes_of_the_provider(
        self, country: Exporting, fault: Fault, status: int
    ) -> None:
        assert error_of(country.fetch(fault)) == (status, fault.name)

    def test_codes_that_no_document_names(self, country: Exporting) -> None:
        assert error_of(country.fetch(Fault.UNKNOWN_CLIENT_ERROR)) == (409, "campaign_busy")
        assert error_of(country.fetch(Fault.UNKNOWN_SERVER_ERROR)) == (503, "service_unavailable")

    def test_rate_limited_says_when_to_come_back(self, country: Exporting) -> None:
        response = country.fetch(Fault.RATE_LIMITED, seconds=1800)
        assert error_of(response) == (429, "rate_limit_exceeded")
        assert response.headers["retry-after"] == "1800"

    def test_rate_limited_silently_does_not(self, country: Exporting) -> None:
        response = country.fetch(Fault.RATE_LIMITED_SILENTLY)
        assert error_of(response) == (429, "rate_limit_exceeded")
        assert "retry-after" not in response.headers

    def test_a_gateway_responds_with_a_page_or_with_nothing(self, country: Exporting) -> None:
        bad_gateway = country.fetch(Fault.BAD_GATEWAY)
        assert (bad_gateway.status_code, bad_gateway.headers["content-type"]) == (502, "text/html")
        assert bad_gateway.text.startswith("<html>")
        timeout = country.fetch(Fault.GATEWAY_TIMEOUT)
        assert (timeout.status_code, timeout.content) == (504, b"")

    def test_a_redirect_points_elsewhere(self, country: Exporting) -> None:
        response = country.fetch(Fault.REDIRECT, location="http://127.0.0.1:1/v1/ping")
        assert response.status_code == 307
        assert response.headers["location"] == "http://127.0.0.1:1/v1/ping"

    def test_a_dropped_connection_ends_without_a_response(
        self, country: Exporting, sandbox: RunningSandbox
    ) -> None:
        with pytest.raises(httpx.TransportError):
            country.fetch(Fault.DROPPED_CONNECTION)
        assert [served.status for served in sandbox.requests] == [0]
        assert country.fetch().status_code == 200


class TestOnTheWay:
    def test_latency_and_a_slow_body_last_longer_than_the_deadline_of_a_client(
        self, country: Exporting, sandbox: RunningSandbox
    ) -> None:
        country.http.timeout = httpx.Timeout(10, read=0.2)
        for fault in (Fault.LATENCY, Fault.SLOW_BODY):
            sandbox.forget_requests()
            with pytest.raises(httpx.ReadTimeout):
                country.fetch(fault, seconds=60)
            # What the client has given up may still be on its way into the sandbox.
            wait_for(lambda: sandbox.requests, 60, "the sandbox has responded", every=0.05)

    def test_after_the_pause_the_response_is_whole(self, country: Exporting) -> None:
        clean = country.fetch().content
        for fault in (Fault.LATENCY, Fault.SLOW_BODY):
            assert country.fetch(fault, seconds=0.05).content == clean

    def test_a_dropped_body_begins_well(
        self, country: Exporting, http: httpx.Client, sandbox: RunningSandbox
    ) -> None:
        clean = country.fetch().content
        sandbox.fail("*/export", Fault.DROPPED_BODY)
        received: list[bytes] = []
        query = {"startDate": str(WINDOW.first), "endDate": str(WINDOW.last)}
        with http.stream("GET", country.path, params=query) as response:
            assert response.status_code == 200
            with pytest.raises(httpx.RemoteProtocolError):
                received.extend(response.iter_raw())
        assert 0 < len(b"".join(received)) < len(clean)
        assert clean.startswith(b"".join(received))

    def test_gzip_comes_unasked(self, country: Exporting) -> None:
        clean = country.fetch().content
        response = country.fetch(Fault.GZIP)
        assert response.headers["content-encoding"] == "gzip"
        assert response.content == clean

    def test_a_cut_gzip_body_has_no_end(
        self, country: Exporting, http: httpx.Client, sandbox: RunningSandbox
    ) -> None:
        sandbox.fail("*/export", Fault.GZIP_CUT)
        with http.stream("GET", country.path) as response:
            raw = b"".join(response.iter_raw())
        with pytest.raises(EOFError):
            gzip.decompress(raw)
        assert zlib.decompressobj(zlib.MAX_WBITS | 16).decompress(raw)

    def test_json_can_be_cut(self, http: httpx.Client, sandbox: RunningSandbox) -> None:
        sandbox.fail("/v1/campaigns", Fault.CUT_JSON)
        response = http.get("/v1/campaigns")
        assert response.status_code == 200
        with pytest.raises(json.JSONDecodeError):
            response.json()


class TestBodies:
    @pytest.fixture
    def exporting(self, http: httpx.Client, sandbox: RunningSandbox) -> Exporting:
        return Exporting(http, sandbox, CAMPAIGN_ENGAGEMENT_DAILY)

    def test_an_envelope_instead_of_rows(self, exporting: Exporting) -> None:
        clean = exporting.rows()
        response = exporting.fetch(Fault.ENVELOPE)
        assert data_of(response)["items"] == clean
        assert "x-row-count" not in response.headers

    @pytest.mark.parametrize("fault", [Fault.CUT_INSIDE_LINE, Fault.CUT_BETWEEN_LINES])
    def test_a_cut_body_is_the_beginning_of_the_whole_one(
        self, exporting: Exporting, fault: Fault
    ) -> None:
        clean, cut = exporting.fetch(), exporting.fetch(fault)
        assert clean.content.startswith(cut.content)
        assert 0 < len(cut.content) < len(clean.content)
        assert cut.content.endswith(b"\n") == (fault is Fault.CUT_BETWEEN_LINES)
        assert cut.headers["x-row-count"] == clean.headers["x-row-count"]

    def test_fewer_rows_than_the_header_says(self, exporting: Exporting) -> None:
        clean, short = exporting.fetch(), exporting.fetch(Fault.FEWER_ROWS)
        missing = Counter(clean.content.splitlines()) - Counter(short.content.splitlines())
        assert missing.total() == 1
        assert short.headers["x-row-count"] == clean.headers["x-row-count"]
        assert short.content.splitlines()[-1] == clean.content.splitlines()[-1]

    def test_the_row_count_can_be_missing(self, exporting: Exporting) -> None:
        response = exporting.fetch(Fault.MISSING_ROW_COUNT)
        assert "x-row-count" not in response.headers
        assert response.content == exporting.fetch().content

    @pytest.mark.parametrize(
        ("fault", "restore"),
        [
            (Fault.NO_FINAL_NEWLINE, lambda body: body + b"\n"),
            (Fault.CRLF, lambda body: body.replace(b"\r\n", b"\n")),
            (Fault.QUOTED_STRING_BODY, lambda body: json.loads(body).encode()),
            (Fault.FRACTIONAL_SECONDS, lambda body: body.replace(b".000Z", b"Z")),
            (
                Fault.BLANK_LINES,
                lambda body: b"".join(line + b"\n" for line in body.split(b"\n") if line.strip()),
            ),
        ],
    )
    def test_the_same_rows_written_differently(
        self, exporting: Exporting, fault: Fault, restore: Callable[[bytes], bytes]
    ) -> None:
        clean, other = exporting.fetch(), exporting.fetch(fault)
        assert other.content != clean.content
        assert restore(other.content) == clean.content
        assert other.headers["x-row-count"] == clean.headers["x-row-count"]

    def test_lines_in_no_order(self, exporting: Exporting) -> None:
        clean, shuffled = exporting.rows(), exporting.rows(Fault.SHUFFLED_LINES)
        assert shuffled != clean
        assert sorted(map(str, shuffled)) == sorted(map(str, clean))

    def test_absent_optional_keys_are_those_that_were_null(self, exporting: Exporting) -> None:
        clean, fewer = exporting.rows(), exporting.rows(Fault.ABSENT_OPTIONAL_KEYS)
        assert fewer != clean
        required = {c.name for c in exporting.export.rows.columns if c.required}
        for before, after in zip(clean, fewer, strict=True):
            gone = before.keys() - after.keys()
            assert all(before[name] is None for name in gone)
            assert not gone & required

    def test_extra_keys(self, exporting: Exporting) -> None:
        assert all(row["mood"] == "sunny" for row in exporting.rows(Fault.EXTRA_KEYS))
        named = exporting.rows(Fault.EXTRA_KEYS, field="weather")
        assert all("weather" in row for row in named)

    def test_unicode_line_separators_are_unescaped_in_names(self, exporting: Exporting) -> None:
        body = exporting.fetch(Fault.UNICODE_LINE_SEPARATORS).text
        rows = [json.loads(line) for line in body.split("\n")[:-1]]
        assert len(body.splitlines()) > len(rows)
        assert all({"\u2028", "\u2029", "\x85"} <= set(row["campaign_name"]) for row in rows)

    def test_everything_or_a_third_is_withdrawn(self, exporting: Exporting) -> None:
        clean = exporting.rows()
        assert exporting.rows(Fault.EMPTY) == []
        left = exporting.rows(Fault.VANISHED_ROWS)
        assert 0 < len(left) < len(clean)
        assert all(row in clean for row in left)

    def test_a_stale_export_is_what_an_older_batch_said(self, exporting: Exporting) -> None:
        world, campaign = exporting.sandbox.world, exporting.sandbox.world.campaigns[0]
        stale = exporting.rows(Fault.STALE_EXPORT, hours=24 * 11)
        older = NOW - timedelta(days=11)
        truth = world.lines(exporting.export, campaign, WINDOW, older)
        assert stale == [json.loads(line) for line in truth.splitlines()]
        assert stale
        assert {row["exported_at"] for row in stale} == {"2026-04-09T03:00:00Z"}

    @pytest.mark.parametrize("fault", [Fault.UNPARSABLE_LINE, Fault.INVALID_UTF8])
    def test_a_line_that_is_not_json(self, exporting: Exporting, fault: Fault) -> None:
        lines = exporting.fetch(fault).content.split(b"\n")[:-1]
        broken_lines = []
        for number, line in enumerate(lines):
            try:
                json.loads(line)
            except ValueError:
                broken_lines.append(number)
        assert len(broken_lines) == 1
        assert broken_lines[0] < len(lines) - 1

    def test_a_line_that_is_not_an_object(self, exporting: Exporting) -> None:
        rows: list[Any] = [*exporting.rows(Fault.NOT_AN_OBJECT)]
        assert sum(isinstance(row, list) for row in rows) == 1

    def test_a_required_key_is_missing_null_or_of_another_type(self, exporting: Exporting) -> None:
        clean, without = exporting.changed_row(Fault.REQUIRED_KEY_MISSING, field="country_code")
        assert clean.keys() - without.keys() == {"country_code"}
        _, null = exporting.changed_row(Fault.REQUIRED_KEY_NULL, field="exported_at")
        assert null["exported_at"] is None
        _, text = exporting.changed_row(Fault.WRONG_TYPE, field="streams")
        assert text["streams"] == "12"
        _, number = exporting.changed_row(Fault.WRONG_TYPE, field="campaign_name", value=5)
        assert number["campaign_name"] == 5

    def test_another_schema_version(self, exporting: Exporting) -> None:
        rows = exporting.rows(Fault.OTHER_SCHEMA_VERSION)
        assert {row["schema_version"] for row in rows} == {"1.1"}
        rows = exporting.rows(Fault.OTHER_SCHEMA_VERSION, value="2.0")
        assert {row["schema_version"] for row in rows} == {"2.0"}

    def test_a_row_of_another_campaign_or_day(self, exporting: Exporting) -> None:
        _, foreign = exporting.changed_row(Fault.OTHER_CAMPAIGN)
        ids = {c.campaign_id for c in exporting.sandbox.world.campaigns}
        assert foreign["campaign_id"] not in ids
        _, early = exporting.changed_row(Fault.OTHER_DAY)
        assert early["report_date"] == "2026-03-31"

    def test_duplicates_are_exact_or_in_conflict(self, exporting: Exporting) -> None:
        key = exporting.export.rows.key
        for fault, different in (
            (Fault.EXACT_DUPLICATES, False),
            (Fault.CONFLICTING_DUPLICATES, True),
        ):
            rows = exporting.rows(fault)
            keys = [tuple(row[name] for name in key) for row in rows]
            (twice,) = [found for found, count in Counter(keys).items() if count == 2]
            first, second = [row for row, found in zip(rows, keys, strict=True) if found == twice]
            assert (first != second) == different

    def test_rows_can_be_lost_for_good(self, exporting: Exporting) -> None:
        assert exporting.rows(Fault.LOST_ROWS, value=3) == exporting.rows()[3:]

    def test_a_row_of_another_organisation_and_days_of_another_zone(
        self, exporting: Exporting
    ) -> None:
        _, foreign = exporting.changed_row(Fault.OTHER_ACCOUNT)
        assert foreign["account_id"] != exporting.sandbox.world.account_id
        rows = exporting.rows(Fault.OTHER_TIMEZONE)
        assert {row["report_date_timezone"] for row in rows} == {"America/New_York"}

    def test_a_negative_count(self, exporting: Exporting) -> None:
        _, negative = exporting.changed_row(Fault.NEGATIVE_COUNT, field="listeners")
        assert negative["listeners"] == -3


class TestIdentities:
    @pytest.mark.parametrize(("export", "rule"), IDENTITIES)
    def test_every_identity_of_the_contract_can_be_broken(
        self,
        http: httpx.Client,
        sandbox: RunningSandbox,
        export: Export,
        rule: SumIdentity | RatioIdentity,
    ) -> None:
        exporting = Exporting(http, sandbox, export)
        clean, changed = exporting.changed_row(Fault.named(f"broken_{rule.name}"), by=0.5)
        assert list(breaches(rule, [changed])) == [changed]
        names = {name for name in clean if clean[name] != changed[name]}
        assert names == {rule.total if isinstance(rule, SumIdentity) else rule.ratio}

    def test_a_sum_of_counts_breaks_by_whole_numbers(
        self, http: httpx.Client, sandbox: RunningSandbox
    ) -> None:
        exporting = Exporting(http, sandbox, CAMPAIGN_ENGAGEMENT_DAILY)
        clean, changed = exporting.changed_row(Fault.BROKEN_LISTENERS_IDENTITY)
        assert changed["listeners"] == clean["listeners"] + 1
        assert isinstance(changed["listeners"], int)


class TestListing:
    def test_a_short_page_contradicts_the_total(
        self, http: httpx.Client, sandbox: RunningSandbox
    ) -> None:
        sandbox.fail("/v1/campaigns", Fault.SHORT_PAGE)
        data = data_of(http.get("/v1/campaigns"))
        assert len(data["items"]) == data["pagination"]["totalCount"] - 1

    def test_the_list_can_be_empty_or_lose_campaigns(
        self, http: httpx.Client, sandbox: RunningSandbox
    ) -> None:
        clean = [item["campaignId"] for item in data_of(http.get("/v1/campaigns"))["items"]]
        cases: tuple[tuple[Fault, dict[str, Any], list[str]], ...] = (
            (Fault.EMPTY, {}, []),
            (Fault.VANISHED_ROWS, {}, [each for index, each in enumerate(clean) if index % 3]),
            (Fault.VANISHED_ROWS, {"value": clean[1:2]}, [clean[0], *clean[2:]]),
        )
        for fault, options, expected in cases:
            sandbox.fail("/v1/campaigns", fault, **options)
            data = data_of(http.get("/v1/campaigns"))
            assert [item["campaignId"] for item in data["items"]] == expected
            assert data["pagination"]["totalCount"] == len(expected)

    @pytest.mark.parametrize(
        ("fault", "options", "text"),
        [
            (Fault.REQUIRED_KEY_NULL, {"field": "campaignId"}, '"campaignId":null'),
            (Fault.WRONG_TYPE, {"field": "createdAt", "value": 5}, '"createdAt":5'),
        ],
    )
    def test_a_listed_campaign_can_hold_what_nobody_expects(
        self,
        http: httpx.Client,
        sandbox: RunningSandbox,
        fault: Fault,
        options: dict[str, Any],
        text: str,
    ) -> None:
        sandbox.fail("/v1/campaigns", fault, **options)
        assert http.get("/v1/campaigns").text.count(text) == 1

    def test_an_overview_can_disagree_with_the_rows(
        self, http: httpx.Client, sandbox: RunningSandbox
    ) -> None:
        path = f"/v1/campaigns/{sandbox.world.campaigns[0].id}/metrics/overview"
        clean = data_of(http.get(path))
        sandbox.fail(path, Fault.OVERVIEW_OFF)
        sandbox.fail(path, Fault.OVERVIEW_OFF, field="spend_media", by=-0.5)
        first, second = (data_of(http.get(path)) for _ in range(2))
        assert first == {**clean, "streams": clean["streams"] + 1}
        assert second == {**clean, "spend_media": pytest.approx(clean["spend_media"] - 0.5)}

    def test_campaigns_of_the_first_revision_have_fewer_fields(
        self, http: httpx.Client, sandbox: RunningSandbox
    ) -> None:
        sandbox.fail("/v1/campaigns", Fault.ABSENT_OPTIONAL_KEYS)
        for item in data_of(http.get("/v1/campaigns"))["items"]:
            assert {"campaignId", "status", "createdAt"} <= item.keys()
            assert not {"trackId", "artistName", "generation"} & item.keys()

    def test_campaigns_of_a_later_revision_have_more(
        self, http: httpx.Client, sandbox: RunningSandbox
    ) -> None:
        sandbox.fail("/v1/campaigns", Fault.EXTRA_KEYS)
        assert all("mood" in item for item in data_of(http.get("/v1/campaigns"))["items"])

    def test_a_later_page_can_be_the_one_that_fails(
        self, http: httpx.Client, sandbox: RunningSandbox
    ) -> None:
        sandbox.fail("/v1/campaigns", Fault.INTERNAL_ERROR, after=1)
        statuses = [
            http.get("/v1/campaigns", params={"page": page}).status_code for page in (1, 2, 3)
        ]
        assert statuses == [200, 500, 200]


def test_one_country_can_have_amounts_in_two_currencies(country: Exporting) -> None:
    clean, rows = country.rows(), country.rows(Fault.TWO_CURRENCIES)
    (added,) = [row for row in rows if row not in clean]
    assert added["currency"] == "EUR"
    assert {**added, "currency": "USD"} in clean


def test_a_fault_can_be_made_for_one_test(country: Exporting) -> None:
    refusal = Fault(status=451, code="unavailable", headers=(("Retry-After", "tomorrow"),))
    response = country.fetch(refusal)
    assert error_of(response) == (451, "unavailable")
    assert response.headers["retry-after"] == "tomorrow"
    edited = Fault(edit=set_field("XX", "country_code", "all"))
    assert {row["country_code"] for row in country.rows(edited)} == {"XX"}


class TestPlan:
    def test_a_fault_meets_as_many_requests_as_asked_for(
        self, http: httpx.Client, sandbox: RunningSandbox
    ) -> None:
        sandbox.fail("/v1/ping", Fault.INTERNAL_ERROR, count=2)
        assert [http.get("/v1/ping").status_code for _ in range(3)] == [500, 500, 200]

    def test_without_a_count_it_meets_all_until_it_is_cleared(
        self, http: httpx.Client, sandbox: RunningSandbox
    ) -> None:
        sandbox.fail("*", Fault.INTERNAL_ERROR, count=None)
        assert {http.get("/v1/ping").status_code for _ in range(5)} == {500}
        sandbox.clear()
        assert http.get("/v1/ping").status_code == 200

    def test_only_paths_that_match_meet_it(
        self, http: httpx.Client, sandbox: RunningSandbox
    ) -> None:
        hit, spared = sandbox.world.campaigns[:2]
        sandbox.fail(f"*/{hit.campaign_id}/*", Fault.CAMPAIGN_NOT_FOUND, count=None)
        for export in CAMPAIGN_EXPORTS:
            assert http.get(export.path(spared.campaign_id)).status_code == 200
            assert http.get(export.path(hit.campaign_id)).status_code == 404

    def test_it_waits_for_a_response_that_can_show_it(
        self, country: Exporting, sandbox: RunningSandbox
    ) -> None:
        sandbox.fail("*", Fault.BROKEN_SPL_IDENTITY)
        sandbox.fail("*", Fault.SHORT_PAGE)
        response = country.http.get(country.path)
        assert response.status_code == 200
        assert [planned.fault for planned in sandbox.faults.pending()] == [
            Fault.BROKEN_SPL_IDENTITY,
            Fault.SHORT_PAGE,
        ]

    def test_several_faults_are_met_in_the_order_they_were_planned(
        self, http: httpx.Client, sandbox: RunningSandbox
    ) -> None:
        sandbox.fail("/v1/ping", Fault.INTERNAL_ERROR)
        sandbox.fail("/v1/ping", Fault.BAD_GATEWAY)
        assert [http.get("/v1/ping").status_code for _ in range(3)] == [500, 502, 200]

    def test_a_rejected_plan_names_what_is_wrong(self, sandbox: RunningSandbox) -> None:
        with pytest.raises(
            ValueError, match=r"'bad_gatway' is not a fault; there are .*bad_gateway"
        ):
            sandbox.fail("*", "bad_gatway")
        with pytest.raises(ValueError, match="second"):
            sandbox.fail("*", Fault.LATENCY, second=3)
        with pytest.raises(ValueError, match="count"):
            sandbox.fail("*", Fault.LATENCY, count=0)

    def test_a_request_is_decided_when_it_arrives_however_long_it_pauses(
        self, country: Exporting, sandbox: RunningSandbox
    ) -> None:
        """Else an abandoned one would wake up later and meet what was planned for another."""
        country.http.timeout = httpx.Timeout(10, read=0.2)
        with pytest.raises(httpx.ReadTimeout):
            country.fetch(Fault.LATENCY, seconds=60)
        wait_for(lambda: sandbox.requests, 10, "the abandoned request is logged", every=0.05)
        assert [served.faults for served in sandbox.requests] == [("latency",)]

    def test_the_log_names_the_faults_that_a_request_met(
        self, country: Exporting, sandbox: RunningSandbox
    ) -> None:
        sandbox.fail("*", Fault.LATENCY, seconds=0)
        country.fetch(Fault.CRLF)
        (served,) = sandbox.requests
        assert served.faults == ("latency", "crlf")
        assert served.path == country.path
        assert served.query == {"startDate": "2026-04-01", "endDate": "2026-04-07"}
        assert (served.method, served.status, served.key_tail) == ("GET", 200, "hing")
        assert served.at == NOW


def test_every_fault_can_be_met_by_some_request(
    http: httpx.Client, sandbox: RunningSandbox
) -> None:
    campaign_id = sandbox.world.campaigns[0].campaign_id
    overview = f"/v1/campaigns/{campaign_id}/metrics/overview"
    paths = ["/v1/campaigns", overview, *(export.path(campaign_id) for export in CAMPAIGN_EXPORTS)]
    for fault in known_faults(CAMPAIGN_EXPORTS).values():
        sandbox.fail("*", fault, seconds=0)
        for path in paths:
            try:
                status = http.get(path, params={"startDate": "2026-04-10"}).status_code
            except httpx.TransportError:
                status = 0
            assert status == 200 or fault.stage is Stage.INSTEAD or fault == Fault.DROPPED_BODY
        assert sandbox.faults.pending() == (), fault.name
