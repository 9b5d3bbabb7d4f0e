"""The sandbox against the provider's API as the reference restates it, route by route.

Numbers in docstrings are the sections of the reference.
"""

from dataclasses import dataclass, field
from datetime import timedelta
from email.utils import parsedate_to_datetime
from typing import Any
from uuid import UUID

import httpx
import pytest

from soundlink_assets.sandbox import Key, RunningSandbox, SandboxConfig
from soundlink_assets.sandbox.routes import read_routes
from soundlink_assets.schema import CAMPAIGN_EXPORTS
from soundlink_assets_tests.sandbox.conftest import ALL_EXPORTS, NOW, data_of, error_of

CAMPAIGN = "/v1/campaigns/{campaign}"
SOUNDLINK = "/v1/soundlinks/{soundlink}"
APRIL = {"startDate": "2026-04-01", "endDate": "2026-04-14"}


@dataclass(frozen=True)
class Case:
    """A request of a `GET` route and what the reference says of its response."""

    path: str
    query: dict[str, str] = field(default_factory=dict)
    status: int = 200
    code: str = ""
    key: Key = Key.FULL

    def __str__(self) -> str:
        query = "&".join(f"{name}={value}" for name, value in self.query.items())
        return f"{self.path}?{query} as {self.key.name} -> {self.status} {self.code}"


def list_cases(path: str, *sort_fields: str) -> list[Case]:
    """Paging and sorting of a list (5.2, 10)."""
    good = [
        {},
        {"page": "7"},
        {"pageSize": "1"},
        {"pageSize": "100"},
        {"sortOrder": "asc"},
        {"sortOrder": "desc"},
        *({"sortBy": name} for name in sort_fields),
    ]
    bad = [
        {"page": "0"},
        {"page": "one"},
        {"pageSize": "0"},
        {"pageSize": "-1"},
        {"sortBy": "name"},
        {"sortOrder": "upwards"},
    ]
    return [
        *(Case(path, query) for query in good),
        *(Case(path, query, 400, "invalid_query_parameter") for query in bad),
        Case(path, {"pageSize": "101"}, 400, "page_size_exceeded"),
    ]


def window_cases(path: str, *, is_capped: bool) -> list[Case]:
    """The dates of metrics routes (5.4, 5.7): both inclusive, at most 90 days for exports."""
    long = {"startDate": "2026-01-01", "endDate": "2026-04-01"}
    bad_date = "invalid_query_parameter"
    return [
        Case(path),
        Case(path, APRIL),
        Case(path, {"startDate": "2026-04-01"}),
        Case(path, {"startDate": "2026-01-01", "endDate": "2026-03-31"}),
        Case(path, {"startDate": "2027-01-01", "endDate": "2027-01-31"}),
        Case(path, long, 400, bad_date) if is_capped else Case(path, long),
        Case(path, {"startDate": "2026-04-02", "endDate": "2026-04-01"}, 400, "invalid_date_range"),
        Case(path, {"startDate": "01/04/2026"}, 400, bad_date),
        Case(path, {"startDate": "20260401"}, 400, bad_date),
        Case(path, {"startDate": "2026-04-01", "endDate": "2026-04-31"}, 400, bad_date),
    ]


def key_cases(path: str, *lacking: Key) -> list[Case]:
    """Permissions (2): each route needs its own and no other."""
    restricted = {Key.WITHOUT_METRICS, Key.WITHOUT_CAMPAIGNS, Key.WITHOUT_SOUNDLINKS}
    return [
        Case(path, key=Key.REVOKED, status=401, code="api_key_revoked"),
        Case(path, key=Key.EXPIRED, status=401, code="api_key_expired"),
        *(
            Case(path, key=key, status=403, code="insufficient_scope")
            for key in (*lacking, Key.WITHOUT_SCOPES)
        ),
        *(Case(path, key=key) for key in sorted(restricted - set(lacking))),
    ]


def unknown_cases(path: str, code: str) -> list[Case]:
    """Ids that nobody has, or another organisation (4): deliberately the same."""
    return [
        Case(path.format(campaign="camp_abc123", soundlink="nobody"), status=404, code=code),
        Case(path, key=Key.OTHER_ORGANISATION, status=404, code=code),
    ]


def object_cases(base: str, code: str, metrics: Key) -> list[Case]:
    """All routes of one campaign or soundlink."""
    cases: list[Case] = []
    for metric in ("overview", "breakdown/export", "engagement/export"):
        path = f"{base}/metrics/{metric}"
        cases += window_cases(path, is_capped=metric != "overview")
        cases += key_cases(path, metrics) + unknown_cases(path, code)
    return cases


CASES = [
    *(Case("/v1/ping", key=key) for key in (Key.FULL, Key.WITHOUT_SCOPES)),
    *list_cases("/v1/campaigns", "createdAt", "status"),
    *list_cases("/v1/soundlinks", "createdAt"),
    *key_cases("/v1/campaigns", Key.WITHOUT_CAMPAIGNS),
    *key_cases("/v1/soundlinks", Key.WITHOUT_SOUNDLINKS),
    *object_cases(CAMPAIGN, "campaign_not_found", Key.WITHOUT_METRICS),
    *object_cases(SOUNDLINK, "not_found", Key.WITHOUT_SOUNDLINKS),
    *(
        Case(path, status=404, code="not_found")
        for path in ("/", "/v1/nothing", "/v2/ping", f"{CAMPAIGN}/metrics", f"{CAMPAIGN}/metrics/x")
    ),
]


@pytest.mark.parametrize("case", CASES, ids=str)
def test_a_request_is_answered_as_the_reference_says(
    case: Case, http: httpx.Client, sandbox: RunningSandbox
) -> None:
    path = case.path.format(
        campaign=sandbox.world.campaigns[0].id, soundlink=sandbox.world.soundlinks[0].id
    )
    response = http.get(path, params=case.query, headers={"x-api-key": case.key})
    if case.code:
        assert error_of(response) == (case.status, case.code)
    elif path.endswith("/export"):
        assert response.status_code == case.status
        assert response.headers["content-type"] == "application/x-ndjson"
        assert response.headers["x-row-count"] == str(len(response.content.splitlines()))
    else:
        data_of(response)
    assert parsedate_to_datetime(response.headers["date"]) == NOW


@pytest.mark.parametrize("method", ["POST", "PUT", "PATCH", "DELETE"])
def test_read_routes_cannot_be_written_to(http: httpx.Client, method: str) -> None:
    assert error_of(http.request(method, "/v1/campaigns", json={})) == (404, "not_found")


def test_a_request_id_is_new_for_every_response(http: httpx.Client) -> None:
    ids = [http.get("/v1/ping").json()["meta"]["requestId"] for _ in range(2)]
    assert len({UUID(text) for text in ids}) == 2


TYPES: dict[str, tuple[type, ...]] = {
    "string": (str,),
    "string or null": (str, type(None)),
    "number": (int, float),
    "number or null": (int, float, type(None)),
    "int": (int,),
    "int or null": (int, type(None)),
}


class TestObjects:
    """The fields of JSON objects, by their types in the reference."""

    CAMPAIGN_FIELDS = (
        ("string", "campaignId organizationId status socialPlatform createdAt updatedAt"),
        ("string", "campaignUrl"),
        ("number", "dailyBudget totalBudget"),
        ("int", "campaignDuration generation"),
        ("string or null", "artistId artistName trackId playlistId trackName"),
    )
    SOUNDLINK_FIELDS = (
        ("string", "soundlinkId organizationId name url status createdAt"),
        ("string or null", "targetType spotifyUrl"),
    )

    @pytest.mark.parametrize(
        ("path", "fields"),
        [("/v1/campaigns", CAMPAIGN_FIELDS), ("/v1/soundlinks", SOUNDLINK_FIELDS)],
        ids=["campaigns", "soundlinks"],
    )
    def test_of_a_list(self, http: httpx.Client, path: str, fields: Any) -> None:
        data = data_of(http.get(path))
        pagination = data["pagination"]
        assert [*data] == ["items", "pagination"]
        assert [*pagination] == ["page", "pageSize", "totalCount", "totalPages"]
        assert all(type(value) is int for value in pagination.values())
        for item in data["items"]:
            assert_fields(item, fields)

    @pytest.mark.parametrize(
        ("path", "fields"),
        [
            (
                CAMPAIGN,
                (
                    ("int", "listeners streams followers"),
                    ("int or null", "impressions ad_clicks link_clicks"),
                    ("number", "spend_media spend_total fees cpl cpf streams_per_listener"),
                    ("string", "currency"),
                ),
            ),
            (
                SOUNDLINK,
                (
                    ("int", "views streams listeners followers"),
                    ("int or null", "link_clicks"),
                    ("number", "streams_per_listener"),
                    ("number or null", "ctr_lp"),
                ),
            ),
        ],
        ids=["campaign", "soundlink"],
    )
    @pytest.mark.parametrize("query", [{}, {"startDate": "2027-01-01", "endDate": "2027-01-02"}])
    def test_of_an_overview(
        self,
        http: httpx.Client,
        sandbox: RunningSandbox,
        path: str,
        fields: Any,
        query: dict[str, str],
    ) -> None:
        world = sandbox.world
        path = path.format(campaign=world.campaigns[0].id, soundlink=world.soundlinks[0].id)
        assert_fields(data_of(http.get(f"{path}/metrics/overview", params=query)), fields)


def assert_fields(shown: dict[str, Any], fields: Any) -> None:
    """The object has these fields, and values of their types."""
    types = {name: TYPES[kind] for kind, names in fields for name in names.split()}
    assert shown.keys() == types.keys()
    for name, allowed in types.items():
        assert type(shown[name]) in allowed, name


@pytest.mark.parametrize("export", ALL_EXPORTS, ids=lambda export: export.name)
def test_rows_have_the_fields_of_the_row_schema_in_its_order(
    http: httpx.Client, sandbox: RunningSandbox, export: Any
) -> None:
    link = sandbox.world.links_at(export.scope.name, NOW)[0]
    response = http.get(export.path(link.id), params=APRIL)
    assert response.headers["content-disposition"] == (
        f'attachment; filename="{export.segment}_{link.id}_2026-04-01_2026-04-14.jsonl"'
    )
    rows = [httpx.Response(200, content=line).json() for line in response.content.splitlines()]
    assert rows
    assert {tuple(row) for row in rows} == {export.rows.column_names}


def test_only_the_scopes_of_the_exports_have_routes() -> None:
    paths = {route.path for route in read_routes(SandboxConfig(exports=CAMPAIGN_EXPORTS[:1]))}
    assert paths == {
        "/v1/ping",
        "/v1/campaigns",
        "/v1/campaigns/{id}/metrics/breakdown/export",
        "/v1/campaigns/{id}/metrics/overview",
    }


def test_the_clock_of_responses_is_that_of_the_sandbox(
    http: httpx.Client, sandbox: RunningSandbox
) -> None:
    sandbox.set_clock(NOW - timedelta(days=12, hours=7))
    for path in ("/v1/ping", "/v1/nothing", "/v1/campaigns"):
        moment = parsedate_to_datetime(http.get(path).headers["date"])
        assert moment == NOW - timedelta(days=12, hours=7)
