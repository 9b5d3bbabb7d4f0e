"""The provider's clock: what a delivery is dated by, and which stamps cannot be true."""

from datetime import UTC, datetime, timedelta
from email.utils import format_datetime

import pytest

from soundlink_assets.provider import ContractError, FailedDelivery
from soundlink_assets.schema import CAMPAIGN, CAMPAIGN_COUNTRY_DAILY
from soundlink_assets_tests.provider.bodies import CAMPAIGN as CAMPAIGN_ID
from soundlink_assets_tests.provider.bodies import WINDOW, body, envelope, rows
from soundlink_assets_tests.provider.conftest import MakeClient
from soundlink_assets_tests.provider.raw_server import Answer, http, raw_server

NOW = datetime(2026, 6, 1, 12, tzinfo=UTC)
EXPORTED = datetime(2026, 6, 1, 9, tzinfo=UTC)


def dated(moment: datetime | None, exported_at: datetime = EXPORTED) -> bytes:
    stamp = f"{exported_at:%Y-%m-%dT%H:%M:%SZ}"
    content = body(*({**row, "exported_at": stamp} for row in rows()))
    headers = {} if moment is None else {"Date": format_datetime(moment, usegmt=True)}
    return http(content, rows=2, headers=headers)


@pytest.mark.parametrize(
    ("off_by", "fetched_at"),
    [
        (timedelta(0), NOW),
        (timedelta(minutes=2), NOW),
        (-timedelta(minutes=2), NOW),
        (timedelta(minutes=2, seconds=1), NOW + timedelta(minutes=2, seconds=1)),
        (timedelta(days=12), NOW + timedelta(days=12)),
        (-timedelta(hours=2), NOW - timedelta(hours=2)),
    ],
)
def test_a_delivery_is_dated_by_the_providers_clock_where_ours_differs(
    off_by: timedelta, fetched_at: datetime, make_client: MakeClient
) -> None:
    with raw_server(dated(NOW + off_by)) as server:
        client = make_client(server.base_url, clock=lambda: NOW)
        assert client.clock_offset is None
        delivery = client.export(CAMPAIGN_COUNTRY_DAILY, CAMPAIGN_ID, WINDOW)

    assert delivery.fetched_at == fetched_at
    assert client.clock_offset == off_by


@pytest.mark.parametrize("date", [None, "yesterday", "", "Thu, 99 Foo 2026 25:00:00 GMT"])
def test_without_a_date_that_can_be_read_ours_is_all_there_is(
    date: str | None, make_client: MakeClient
) -> None:
    headers = {} if date is None else {"Date": date}
    with raw_server(http(b"", rows=0, headers=headers)) as server:
        client = make_client(server.base_url, clock=lambda: NOW)
        delivery = client.export(CAMPAIGN_COUNTRY_DAILY, CAMPAIGN_ID, WINDOW)

    assert delivery.fetched_at == NOW
    assert client.clock_offset is None


def test_the_offset_is_that_of_the_newest_response_on_any_route(make_client: MakeClient) -> None:
    data = {"items": [], "pagination": {"totalCount": 0, "totalPages": 0}}
    late = {"Date": format_datetime(NOW + timedelta(hours=1), usegmt=True)}
    listed = http(envelope(data), content_type="application/json", headers=late)
    with raw_server(listed, dated(NOW)) as server:
        client = make_client(server.base_url, clock=lambda: NOW)
        client.listed(CAMPAIGN)
        assert client.clock_offset == timedelta(hours=1)
        client.export(CAMPAIGN_COUNTRY_DAILY, CAMPAIGN_ID, WINDOW)
        assert client.clock_offset == timedelta(0)


@pytest.mark.parametrize(
    ("date", "exported_at"),
    [
        (NOW, NOW + timedelta(minutes=10, seconds=1)),
        (NOW, NOW + timedelta(days=365 * 73)),
        (NOW - timedelta(days=2), NOW),
        (None, NOW + timedelta(days=1, seconds=1)),
    ],
    ids=["just too late", "2099", "by the provider's clock, not ours", "no date"],
)
def test_rows_exported_in_the_future_are_refused(
    date: datetime | None, exported_at: datetime, make_client: MakeClient
) -> None:
    with raw_server(dated(date, exported_at)) as server:
        client = make_client(server.base_url, clock=lambda: NOW)
        with pytest.raises(ContractError, match="exported in the future") as raised:
            client.export(CAMPAIGN_COUNTRY_DAILY, CAMPAIGN_ID, WINDOW)

    violation = raised.value.violation
    assert (violation.check, violation.line, violation.field) == ("valid_rows", 1, "exported_at")
    assert not raised.value.stops_run
    assert raised.value.quarantined is not None


@pytest.mark.parametrize(
    ("date", "exported_at"),
    [
        (NOW, NOW + timedelta(minutes=10)),
        (NOW + timedelta(days=12), NOW + timedelta(days=12)),
        (None, NOW + timedelta(days=1)),
    ],
    ids=["within ten minutes", "our clock is behind", "no date"],
)
def test_a_stamp_that_can_be_true_is_accepted(
    date: datetime | None, exported_at: datetime, make_client: MakeClient
) -> None:
    with raw_server(dated(date, exported_at)) as server:
        client = make_client(server.base_url, clock=lambda: NOW)
        delivery = client.export(CAMPAIGN_COUNTRY_DAILY, CAMPAIGN_ID, WINDOW)

    assert delivery.frame["exported_at"].max() == exported_at


def test_one_delivery_from_the_future_leaves_the_others_whole(make_client: MakeClient) -> None:
    future = dated(NOW, NOW + timedelta(days=30))
    by_path: dict[str, list[Answer]] = {CAMPAIGN_COUNTRY_DAILY.path("bad"): [future]}
    with raw_server(http(b"", rows=0), by_path=by_path) as server:
        client = make_client(server.base_url, clock=lambda: NOW)
        results = list(client.deliveries(CAMPAIGN_COUNTRY_DAILY, ["a", "bad", "c"], WINDOW))

    failed = [result for result in results if isinstance(result, FailedDelivery)]
    assert [result.requested_id for result in failed] == ["bad"]
    assert len(results) == 3
