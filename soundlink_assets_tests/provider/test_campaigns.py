"""The campaign routes: the whole list or an error, details, totals."""

from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any
from urllib.parse import parse_qs

import pytest

from soundlink_assets.provider import (
    ContractError,
    ServerError,
    SoundlinkError,
    TruncatedDeliveryError,
)
from soundlink_assets.sandbox import Fault, RunningSandbox, SandboxConfig, serving
from soundlink_assets.schema import CAMPAIGN, CAMPAIGN_COUNTRY_DAILY
from soundlink_assets.schema.campaigns import CAMPAIGNS
from soundlink_assets.schema.frames import polars_schema
from soundlink_assets.schema.window import Window
from soundlink_assets_tests.provider.bodies import WINDOW, envelope
from soundlink_assets_tests.provider.conftest import MakeClient
from soundlink_assets_tests.provider.raw_server import Answer, RawServer, http, raw_server


def page(ids: list[str], *, total: Any, pages: Any, **extra: Any) -> bytes:
    items = [
        {"campaignId": campaign_id, "createdAt": "2026-01-01T00:00:00Z"} for campaign_id in ids
    ]
    pagination = {"page": 1, "pageSize": 100, "totalCount": total, "totalPages": pages}
    data = {"items": items, "pagination": pagination, **extra}
    return http(envelope(data), content_type="application/json")


def ids_of(count: int, start: int = 0) -> list[str]:
    return [f"c{number}" for number in range(start, start + count)]


def test_every_page_of_a_long_list_is_read_oldest_first(make_client: MakeClient) -> None:
    with serving(SandboxConfig(campaign_count=230)) as sandbox:
        client = make_client(sandbox.base_url, api_key=sandbox.api_key)
        listed = client.listed(CAMPAIGN)

    assert listed["campaign_id"].n_unique() == listed.height == 230
    assert listed["created_at"].is_sorted()
    assert [request.query for request in sandbox.requests] == [
        {"page": str(number), "pageSize": "100", "sortBy": "createdAt", "sortOrder": "asc"}
        for number in (1, 2, 3)
    ]


def test_the_list_has_the_columns_and_types_of_the_contract(
    sandbox: RunningSandbox, make_client: MakeClient
) -> None:
    listed = make_client(sandbox.base_url, api_key=sandbox.api_key).listed(CAMPAIGN)

    schema = polars_schema(CAMPAIGNS)
    assert dict(listed.schema) == {name: schema[name] for name in CAMPAIGN.source_fields}
    assert {*listed["campaign_id"]} == {
        campaign.campaign_id for campaign in sandbox.world.campaigns_at(sandbox.now())
    }


@pytest.mark.parametrize("fault", [Fault.ABSENT_OPTIONAL_KEYS, Fault.EXTRA_KEYS])
def test_fields_may_be_absent_or_new(
    fault: Fault, sandbox: RunningSandbox, make_client: MakeClient
) -> None:
    client = make_client(sandbox.base_url, api_key=sandbox.api_key)
    plain = client.listed(CAMPAIGN)
    sandbox.fail("*/campaigns", fault)

    odd = client.listed(CAMPAIGN)

    assert odd["campaign_id"].equals(plain["campaign_id"])
    if fault is Fault.ABSENT_OPTIONAL_KEYS:
        assert odd["artist_id"].null_count() == odd.height


def test_values_keep_their_exact_types(make_client: MakeClient) -> None:
    item = {
        "campaignId": "c1",
        "dailyBudget": 10.1,
        "totalBudget": 1234567.89,
        "campaignDuration": 28,
        "createdAt": "2026-01-02T03:04:05.678Z",
    }
    data = {"items": [item], "pagination": {"totalCount": 1, "totalPages": 1}}
    with raw_server(http(envelope(data), content_type="application/json")) as server:
        (row,) = make_client(server.base_url).listed(CAMPAIGN).rows(named=True)

    assert (row["daily_budget"], row["total_budget"]) == (Decimal("10.1"), Decimal("1234567.89"))
    assert row["campaign_duration"] == 28
    assert row["created_at"] == datetime(2026, 1, 2, 3, 4, 5, 678000, UTC)
    assert row["status"] is None


@pytest.mark.parametrize("pages", [0, 1])
def test_an_organisation_without_campaigns_is_an_empty_list(
    pages: int, make_client: MakeClient
) -> None:
    with raw_server(page([], total=0, pages=pages)) as server:
        listed = make_client(server.base_url).listed(CAMPAIGN)

    assert listed.height == 0
    assert listed.columns == list(CAMPAIGN.source_fields)
    assert len(server.asked) == 1


def test_a_campaign_that_stands_on_two_pages_is_listed_once(make_client: MakeClient) -> None:
    first = page(ids_of(100), total=150, pages=2)
    second = page(ids_of(51, start=99), total=150, pages=2)
    with raw_server(first, second) as server:
        listed = make_client(server.base_url).listed(CAMPAIGN)

    assert listed["campaign_id"].to_list() == ids_of(150)


def pages_asked(server: RawServer) -> list[str]:
    return [parse_qs(asked.query)["page"][0] for asked in server.asked]


def test_a_campaign_deleted_between_two_pages_hides_no_other(make_client: MakeClient) -> None:
    """The first is deleted once the first page is read: the 101st moves on to that page."""
    with raw_server(
        page(ids_of(100), total=150, pages=2),
        page(ids_of(49, start=101), total=149, pages=2),
        page(ids_of(100, start=1), total=149, pages=2),
        page(ids_of(49, start=101), total=149, pages=2),
    ) as server:
        listed = make_client(server.base_url).listed(CAMPAIGN)

    assert listed["campaign_id"].to_list() == ids_of(149, start=1)
    assert pages_asked(server) == ["1", "2", "1", "2"]


def test_campaigns_created_between_two_pages_are_found(make_client: MakeClient) -> None:
    with raw_server(
        page(ids_of(100), total=101, pages=2),
        page(ids_of(2, start=100), total=102, pages=2),
        page(ids_of(100), total=102, pages=2),
        page(ids_of(2, start=100), total=102, pages=2),
    ) as server:
        listed = make_client(server.base_url).listed(CAMPAIGN)

    assert listed["campaign_id"].to_list() == ids_of(102)


def test_a_list_that_changes_in_every_reading_is_an_error_in_the_end(
    make_client: MakeClient,
) -> None:
    changing = [
        page(ids_of(100 if number % 2 == 0 else 49), total=150 - number, pages=2)
        for number in range(20)
    ]
    with (
        raw_server(*changing) as server,
        pytest.raises(TruncatedDeliveryError, match="changed during each of 3 readings") as raised,
    ):
        make_client(server.base_url).listed(CAMPAIGN)

    assert pages_asked(server) == ["1", "2"] * 3
    assert "SOUNDLINK_CAMPAIGN_IDS replaces the list" in raised.value.hint


SHORT: dict[str, list[Answer]] = {
    "an item is missing": [page(ids_of(41), total=42, pages=1)],
    "the second page is empty": [
        page(ids_of(100), total=142, pages=2),
        page([], total=142, pages=2),
    ],
    "every page is the first": [page(ids_of(100), total=300, pages=3)],
    "the pages end too early": [page(ids_of(100), total=142, pages=1)],
    "an absurd number of pages": [page([], total=7, pages=10**9)],
}


@pytest.mark.parametrize("why", SHORT)
def test_a_short_list_is_an_error(why: str, make_client: MakeClient) -> None:
    with (
        raw_server(*SHORT[why]) as server,
        pytest.raises(TruncatedDeliveryError, match=r"the list of campaigns holds \d+ of \d+"),
    ):
        make_client(server.base_url).listed(CAMPAIGN)

    assert len(server.asked) <= 2


def test_the_sandboxes_short_page_is_an_error(
    sandbox: RunningSandbox, make_client: MakeClient
) -> None:
    sandbox.fail("*/campaigns", Fault.SHORT_PAGE)

    with pytest.raises(TruncatedDeliveryError):
        make_client(sandbox.base_url, api_key=sandbox.api_key).listed(CAMPAIGN)


@pytest.mark.parametrize("fault", [Fault.NOT_FOUND, Fault.INTERNAL_ERROR, Fault.BAD_GATEWAY])
def test_a_page_that_is_an_error_is_no_end_of_the_list(
    fault: Fault, make_client: MakeClient
) -> None:
    with serving(SandboxConfig(campaign_count=120)) as sandbox:
        sandbox.fail("*/campaigns", fault, after=1, count=None)
        client = make_client(sandbox.base_url, api_key=sandbox.api_key, max_attempts=2)
        with pytest.raises(SoundlinkError):
            client.listed(CAMPAIGN)

    assert len(sandbox.requests) == (2 if fault is Fault.NOT_FOUND else 3)


@pytest.mark.parametrize("fault", [Fault.INTERNAL_ERROR, Fault.CUT_JSON, Fault.DROPPED_CONNECTION])
def test_a_page_that_fails_once_is_asked_for_again(fault: Fault, make_client: MakeClient) -> None:
    with serving(SandboxConfig(campaign_count=120)) as sandbox:
        sandbox.fail("*/campaigns", fault, after=1)
        client = make_client(sandbox.base_url, api_key=sandbox.api_key)
        listed = client.listed(CAMPAIGN)

    assert (listed.height, len(sandbox.requests)) == (120, 3)


ODD: dict[str, Any] = {
    "no items": {"pagination": {"totalCount": 0, "totalPages": 0}},
    "items that are no list": {"items": {}, "pagination": {"totalCount": 0, "totalPages": 0}},
    "no pagination": {"items": []},
    "no data at all": None,
    "a list": [],
    "a count that is text": {"items": [], "pagination": {"totalCount": "0", "totalPages": 1}},
    "a negative count": {"items": [], "pagination": {"totalCount": -1, "totalPages": 1}},
    "pages that are true": {"items": [], "pagination": {"totalCount": 0, "totalPages": True}},
    "an item that is null": {"items": [None], "pagination": {"totalCount": 1, "totalPages": 1}},
    "an item without id": {"items": [{}], "pagination": {"totalCount": 1, "totalPages": 1}},
    "an id that is a number": {
        "items": [{"campaignId": 7}],
        "pagination": {"totalCount": 1, "totalPages": 1},
    },
    "a budget that is text": {
        "items": [{"campaignId": "c", "dailyBudget": "10"}],
        "pagination": {"totalCount": 1, "totalPages": 1},
    },
    "a time without zone": {
        "items": [{"campaignId": "c", "createdAt": "2026-01-01T00:00:00"}],
        "pagination": {"totalCount": 1, "totalPages": 1},
    },
}


@pytest.mark.parametrize("why", ODD)
def test_a_list_that_is_not_as_documented_is_an_error(why: str, make_client: MakeClient) -> None:
    answer = http(envelope(ODD[why]), content_type="application/json")
    with raw_server(answer) as server, pytest.raises(ContractError) as raised:
        make_client(server.base_url).listed(CAMPAIGN)

    assert raised.value.stops_run
    assert len(server.asked) == 1


def test_half_a_character_in_a_display_name_does_not_end_the_run(make_client: MakeClient) -> None:
    """Names are cut by bytes sometimes; JSON can hold half a character, and no file can."""
    items = [
        {"campaignId": "a", "trackName": "Ni\ud83d", "artistName": "\udc00", "status": "x\ud800y"},
        {"campaignId": "b", "trackName": "whole \U0001f600"},
    ]
    data = {"items": items, "pagination": {"totalCount": 2, "totalPages": 1}}
    with raw_server(http(envelope(data), content_type="application/json")) as server:
        listed = make_client(server.base_url).listed(CAMPAIGN)

    assert listed["track_name"].to_list() == ["Ni?", "whole \U0001f600"]
    assert (listed["artist_name"][0], listed["status"][0]) == ("?", "x?y")


UNHOLDABLE = {
    "half a character in an id": ('{"campaignId": "c\\ud83d"}', "campaignId"),
    "a number without an end": (
        '{"campaignId": "c", "dailyBudget": 1e99999999999999999999}',
        "dailyBudget",
    ),
    "an amount out of range": ('{"campaignId": "c", "totalBudget": 1e15}', "totalBudget"),
    "a count out of range": (
        '{"campaignId": "c", "campaignDuration": 9223372036854775808}',
        "campaignDuration",
    ),
    "NaN": ('{"campaignId": "c", "dailyBudget": NaN}', "dailyBudget"),
    "a date that is none": (
        '{"campaignId": "c", "createdAt": "2026-02-30T00:00:00Z"}',
        "createdAt",
    ),
    "a year out of range": (
        '{"campaignId": "c", "createdAt": "0001-01-01T00:00:00+12:00"}',
        "createdAt",
    ),
}


@pytest.mark.parametrize("why", UNHOLDABLE)
def test_what_no_column_can_hold_is_an_error_with_its_field(
    why: str, make_client: MakeClient
) -> None:
    item, field = UNHOLDABLE[why]
    content = (
        f'{{"data": {{"items": [{item}], "pagination": {{"totalCount": 1, "totalPages": 1}}}}}}'
    )
    with (
        raw_server(http(content.encode(), content_type="application/json")) as server,
        pytest.raises(ContractError) as raised,
    ):
        make_client(server.base_url).listed(CAMPAIGN)

    assert raised.value.violation.field == field
    assert raised.value.about.requested_id == (None if field == "campaignId" else "c")
    str(raised.value).encode()


@pytest.mark.parametrize(
    "content",
    [
        b'{"data": ' + b"[" * 100_000 + b"}",
        b'{"data": ' + b"9" * 10_000 + b"}",
        b'{"data": "\xff"}',
        b"\xff\xfe",
        b'{"error": {"code": "\\ud800", "message": "\\udfff"}, "meta": {"requestId": "\\ud83d"}}',
        b'{"error": 1e99999999999999999999}',
        b'{"data": {"status": NaN}}',
    ],
    ids=lambda content: repr(content[:24]),
)
def test_json_that_cannot_be_held_is_an_error_of_the_tree_on_every_route(
    content: bytes, make_client: MakeClient
) -> None:
    with raw_server(http(content, content_type="application/json")) as server:
        client = make_client(server.base_url, max_attempts=1)
        for ask in (
            client.ping,
            lambda: client.listed(CAMPAIGN),
            lambda: client.overview("c", WINDOW),
        ):
            with pytest.raises(SoundlinkError) as raised:
                ask()
            str(raised.value).encode()


def test_a_list_that_never_ends_is_given_up(
    make_client: MakeClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("soundlink_assets.provider.client._MOST_PAGES", 5)
    endless = [page(ids_of(100, 100 * n), total=10**9, pages=10**7) for n in range(20)]
    with raw_server(*endless) as server, pytest.raises(ContractError, match="more than 5 pages"):
        make_client(server.base_url).listed(CAMPAIGN)

    assert len(server.asked) == 6


def test_the_first_of_a_list_and_its_length_cost_one_request(make_client: MakeClient) -> None:
    with raw_server(page(ids_of(100), total=230, pages=3)) as server:
        assert make_client(server.base_url).first_listed(CAMPAIGN) == ("c0", 230)
    with raw_server(page([], total=0, pages=0)) as empty:
        assert make_client(empty.base_url).first_listed(CAMPAIGN) == (None, 0)

    assert (len(server.asked), len(empty.asked)) == (1, 1)


def test_the_overview_is_the_sum_of_the_rows(
    sandbox: RunningSandbox, make_client: MakeClient
) -> None:
    campaign = sandbox.world.campaigns[0]
    window = Window(campaign.first_day, campaign.first_day + timedelta(days=29))
    client = make_client(sandbox.base_url, api_key=sandbox.api_key)

    totals = client.overview(campaign.campaign_id, window)

    frame = client.export(CAMPAIGN_COUNTRY_DAILY, campaign.campaign_id, window).frame
    assert totals["streams"] == frame["streams"].sum() > 0
    assert totals["listeners"] == frame["listeners"].sum()
    assert totals["spend_media"] == frame["spend_media"].sum()
    assert totals["spend_total"] == frame["spend_total"].sum()
    assert totals["currency"] == "USD"
    assert sandbox.requests[0].query == {
        "startDate": str(window.first),
        "endDate": str(window.last),
    }


def test_an_overview_may_leave_out_what_the_platform_did_not_report(
    make_client: MakeClient,
) -> None:
    data: dict[str, Any] = dict.fromkeys(("listeners", "streams", "followers"), 1)
    data |= {"spend_media": 134.50, "spend_total": 168.13, "fees": 33.63, "currency": "USD"}
    data |= {"cpl": 0.028, "cpf": 0.43, "streams_per_listener": 0, "impressions": None}
    with raw_server(http(envelope(data), content_type="application/json")) as server:
        totals = make_client(server.base_url).overview("c", WINDOW)

    assert (totals["impressions"], totals["ad_clicks"], totals["total_listeners"]) == (
        None,
        None,
        None,
    )
    assert totals["spend_total"] == Decimal("168.13")


def test_a_ping_that_is_not_ok_is_an_error(make_client: MakeClient) -> None:
    fine = http(envelope({"status": "ok", "organizationId": "o"}), content_type="application/json")
    odd = http(envelope({"status": "tired"}), content_type="application/json")
    with raw_server(fine, odd) as server:
        client = make_client(server.base_url)
        client.ping()
        with pytest.raises(ServerError, match="tired"):
            client.ping()

    assert server.paths() == ["/v1/ping"] * 2
