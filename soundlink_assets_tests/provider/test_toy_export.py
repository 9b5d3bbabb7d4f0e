"""An export that only this test knows, with another scope, other columns, another key."""

import json
from datetime import UTC, date, datetime
from decimal import Decimal
from typing import Any

import pytest

from soundlink_assets.provider import (
    ContractError,
    Delivery,
    FailedDelivery,
    NotFoundError,
    ScopeError,
    UnknownIdError,
)
from soundlink_assets.schema.exports import Export, Scope
from soundlink_assets.schema.frames import polars_schema
from soundlink_assets.schema.tables import Kind, Table, column, optional
from soundlink_assets.schema.window import Window
from soundlink_assets_tests.provider.bodies import envelope
from soundlink_assets_tests.provider.conftest import MakeClient
from soundlink_assets_tests.provider.raw_server import http, raw_server

RADIO = Scope(
    name="station",
    path="/v1/stations",
    listing=Table(
        schema="radio",
        name="stations",
        grain="one row per station",
        description="Stations.",
        key=("station_id",),
        columns=(
            column("station_id", Kind.TEXT, "Station."),
            optional("on_air", Kind.FLAG, "Whether it sends."),
        ),
    ),
    source_fields={"station_id": "stationId", "on_air": "onAir"},
    list_permission="stations:read",
    export_permission="airplay:read",
    not_found_code="not_found",
)
AIRPLAY = Export(
    scope=RADIO,
    segment="airplay",
    line_order=("aired_on",),
    schema_version="3",
    rules=(),
    rows=Table(
        schema="radio",
        name="station_airplay_daily",
        grain="one row per station, day and song",
        description="Airplay.",
        key=("station_id", "aired_on", "song"),
        day_column="aired_on",
        columns=(
            column("station_id", Kind.TEXT, "Station."),
            column("schema_version", Kind.TEXT, "Version."),
            column("aired_on", Kind.DATE, "Day."),
            column("exported_at", Kind.TIMESTAMP, "When."),
            column("song", Kind.TEXT, "Song."),
            column("times", Kind.COUNT, "Times.", minimum=1),
            optional("royalty", Kind.MONEY, "Money."),
            optional("share", Kind.RATIO, "Share."),
            optional("is_live", Kind.FLAG, "Live."),
        ),
    ),
)
WINDOW = Window(date(2026, 4, 1), date(2026, 4, 3))
PATH = "/v1/stations/fm4/metrics/airplay/export"


def row(**changed: Any) -> dict[str, Any]:
    return {
        "station_id": "fm4",
        "schema_version": "3",
        "aired_on": "2026-04-02",
        "exported_at": "2026-04-04T00:00:00Z",
        "song": "Sleep",
        "times": 3,
        "royalty": 1.25,
        "share": 0.5,
        "is_live": False,
    } | changed


def body(*rows: dict[str, Any]) -> bytes:
    return b"".join(json.dumps(row).encode() + b"\n" for row in rows)


def test_its_rows_arrive_typed(make_client: MakeClient) -> None:
    other = row(song="Wake", is_live=True, mood="sunny")
    del other["royalty"], other["share"]
    with raw_server(http(body(row(), other), rows=2)) as server:
        delivery = make_client(server.base_url).export(AIRPLAY, "fm4", WINDOW)

    assert server.paths() == [PATH]
    assert delivery.frame.schema == polars_schema(AIRPLAY.delivered)
    exported = datetime(2026, 4, 4, tzinfo=UTC)
    day = date(2026, 4, 2)
    assert delivery.frame.rows() == [
        ("fm4", "3", day, exported, "Sleep", 3, Decimal("1.25"), 0.5, False, None),
        ("fm4", "3", day, exported, "Wake", 3, None, None, True, '{"mood":"sunny"}'),
    ]


WRONG: dict[str, tuple[bytes, str, str | None]] = {
    "another version": (body(row(schema_version="1.0")), "schema_version", "schema_version"),
    "another station": (body(row(station_id="oe1")), "valid_rows", "station_id"),
    "another day": (body(row(aired_on="2026-04-04")), "valid_rows", "aired_on"),
    "too few times": (body(row(times=0)), "valid_rows", "times"),
    "a flag that is text": (body(row(is_live="no")), "valid_rows", "is_live"),
    "a key twice": (body(row(), row(times=4)), "valid_rows", "times"),
    "the future": (body(row(exported_at="2999-01-01T00:00:00Z")), "valid_rows", "exported_at"),
}


@pytest.mark.parametrize("why", WRONG)
def test_its_rows_are_verified(why: str, make_client: MakeClient) -> None:
    content, check, field = WRONG[why]
    with raw_server(http(content)) as server, pytest.raises(ContractError) as raised:
        make_client(server.base_url).export(AIRPLAY, "fm4", WINDOW)

    assert (raised.value.violation.check, raised.value.violation.field) == (check, field)
    assert "station fm4" in str(raised.value)


def test_its_scope_is_listed(make_client: MakeClient) -> None:
    data = {
        "items": [{"stationId": "fm4", "onAir": True}, {"stationId": "oe1"}],
        "pagination": {"totalPages": 1, "totalCount": 2},
    }
    with raw_server(http(envelope(data), content_type="application/json")) as server:
        client = make_client(server.base_url)
        listed = client.listed(RADIO)
        first = client.first_listed(RADIO)

    assert listed.rows() == [("fm4", True), ("oe1", None)]
    assert first == ("fm4", 2)
    assert set(server.paths()) == {"/v1/stations"}


def test_its_own_code_means_that_there_is_no_such_one(make_client: MakeClient) -> None:
    gone = http(envelope(code="not_found"), status=404, content_type="application/json")
    with raw_server(http(b"", rows=0), by_path={PATH: [gone]}) as server:
        results = list(make_client(server.base_url).deliveries(AIRPLAY, ["fm4", "oe1"], WINDOW))
    with raw_server(gone) as empty, pytest.raises(NotFoundError) as listing:
        make_client(empty.base_url).listed(RADIO)

    failed = {result.requested_id: result for result in results}["fm4"]
    assert isinstance(failed, FailedDelivery)
    assert type(failed.error) is UnknownIdError
    assert "there is no such station" in failed.error.message
    assert any(isinstance(result, Delivery) for result in results)
    assert type(listing.value) is NotFoundError


def test_a_key_without_its_scope_names_the_permission(make_client: MakeClient) -> None:
    refused = http(envelope(code="insufficient_scope"), status=403, content_type="application/json")
    with raw_server(refused) as server:
        client = make_client(server.base_url)
        with pytest.raises(ScopeError, match="lacks the scope stations:read"):
            client.listed(RADIO)
        with pytest.raises(ScopeError, match="lacks the scope airplay:read"):
            client.export(AIRPLAY, "fm4", WINDOW)
