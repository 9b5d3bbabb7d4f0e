"""The provider's read routes, for every scope and export that is served.

Routes that neither a client nor a rehearsal uses (paginated metrics, writing) do not exist here.
"""

import json
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import date, datetime, timedelta
from functools import partial
from typing import Any, TypeVar

from starlette.requests import Request

from soundlink_assets.sandbox.access import Access, RefusedError, authenticate
from soundlink_assets.sandbox.config import SandboxConfig
from soundlink_assets.sandbox.faults import Body, PlannedFault, Stage, joined
from soundlink_assets.sandbox.links import Link
from soundlink_assets.sandbox.responses import JSON, NDJSON, Response, data_response
from soundlink_assets.sandbox.rows import Row, published, read_rows
from soundlink_assets.sandbox.sandbox import Sandbox
from soundlink_assets.sandbox.world import World
from soundlink_assets.schema import Export, Scope
from soundlink_assets.schema.rules import RatioIdentity
from soundlink_assets.schema.tables import Kind
from soundlink_assets.schema.window import MAX_WINDOW_DAYS, Window

T = TypeVar("T")

_PAGE_SIZE = 10
_MAX_PAGE_SIZE = 100
_SORT_FIELDS = {"campaign": ("createdAt", "status")}
_OVERVIEW = {
    "campaign": "listeners streams followers impressions ad_clicks link_clicks spend_media "
    "spend_total fees currency cpl cpf streams_per_listener",
    "soundlink": "views link_clicks streams listeners followers streams_per_listener ctr_lp",
}
"""The fields of an overview; all are totals of the export by country."""


@dataclass(slots=True)
class Call:
    """A request, the sandbox that serves it, and the time that it is served at.

    `met` collects the names of the faults that it meets. `access` is set once it is authenticated.
    """

    sandbox: Sandbox
    request: Request
    now: datetime
    met: list[str] = field(default_factory=list)
    access: Access | None = None

    @property
    def query(self) -> Mapping[str, str]:
        """The query parameters."""
        return self.request.query_params

    @property
    def world(self) -> World:
        """The world of the key's organisation."""
        assert self.access is not None  # noqa: S101 - routes come after `admit`
        return self.sandbox.worlds[self.access.organisation]

    def admit(self, permission: str, moment: float) -> None:
        """Check key, rate limits and permission (empty: any key); raises the provider's refusal."""
        self.access = authenticate(self.request.headers, self.sandbox.config.auth_style)
        self.sandbox.limits.admit(self.access.key, moment)
        if permission:
            self.access.require(permission)

    def link(self, scope: Scope) -> Link:
        """The campaign (or soundlink) of the path; 404 if it is not one of the organisation."""
        link = self.world.link(scope.name, self.request.path_params["id"], self.now)
        if link is None:
            raise RefusedError(404, scope.not_found_code, f"{scope.name.capitalize()} not found.")
        return link

    def take(self, stage: Stage, show: Callable[[PlannedFault], T | None]) -> T | None:
        """What the planned fault that this request meets makes of it, if it meets one."""
        met = self.sandbox.faults.take(self.request.url.path, stage, show)
        if met is None:
            return None
        self.met.append(met[0].fault.name)
        return met[1]

    def edited(self, body: Callable[[], Body]) -> Body | None:
        """The body as the planned fault that this request meets changes it, if it meets one."""
        return self.take(Stage.BODY, lambda planned: planned.fault.edited(body(), planned))


Handler = Callable[[Call], Response]


@dataclass(frozen=True, slots=True)
class ReadRoute:
    """A path, the permission that a key needs for it (empty: none), and what serves it."""

    path: str
    permission: str
    handler: Handler


def read_routes(config: SandboxConfig) -> Iterator[ReadRoute]:
    """The routes for the scopes and exports of the configuration."""
    yield ReadRoute("/v1/ping", "", _ping)
    for scope in config.scopes:
        yield ReadRoute(scope.path, scope.list_permission, partial(_list, scope=scope))
    for export in config.exports:
        path = f"{export.scope.path}/{{id}}/metrics/{export.segment}/export"
        yield ReadRoute(path, export.scope.export_permission, partial(_export, export=export))
        totals = _OVERVIEW.get(export.scope.name, "").split()
        if totals and set(totals) <= set(export.rows.column_names):
            path = f"{export.scope.path}/{{id}}/metrics/overview"
            overview = partial(_overview, export=export)
            yield ReadRoute(path, export.scope.export_permission, overview)


def _ping(_call: Call) -> Response:
    return data_response('{"status":"ok"}')


def _list(call: Call, scope: Scope) -> Response:
    """A page of the organisation's campaigns (or soundlinks)."""
    sort_fields = _SORT_FIELDS.get(scope.name, ("createdAt",))
    page, size = _positive(call.query, "page", 1), _positive(call.query, "pageSize", _PAGE_SIZE)
    if size > _MAX_PAGE_SIZE:
        raise RefusedError(400, "page_size_exceeded", f"pageSize is at most {_MAX_PAGE_SIZE}.")
    sort_by = _choice(call.query, "sortBy", sort_fields) or sort_fields[0]
    is_descending = _choice(call.query, "sortOrder", ("asc", "desc")) != "asc"
    id_field = scope.source_fields[scope.id_column]
    listed = [link.listed(call.now) for link in call.world.links_at(scope.name, call.now)]
    listed.sort(key=lambda item: (item[sort_by], item["createdAt"], item[id_field]))
    if is_descending:
        listed.reverse()
    items = [_dump(item) for item in listed[(page - 1) * size :][:size]]
    body = Body(kind="list", lines=items, count=len(listed), id_field=id_field)
    body = call.edited(lambda: body) or body
    total = body.count or 0
    pagination = {
        "page": page,
        "pageSize": size,
        "totalCount": total,
        "totalPages": -(-total // size),
    }
    text = b",".join(body.lines).decode()
    return data_response(f'{{"items":[{text}],"pagination":{json.dumps(pagination)}}}')


def _overview(call: Call, export: Export) -> Response:
    """Totals of an export over any range of days."""
    link = call.link(export.scope)
    window = _window(call.query, link.created_at.date(), call.now.date())
    lines = call.world.lines(export, link, window, call.now).splitlines()
    totals = _dump(_totals(export, read_rows(export, lines)))
    body = Body(kind="object", lines=[totals], count=None, id_field="")
    body = call.edited(lambda: body) or body
    return data_response(body.lines[0].decode())


def _totals(export: Export, rows: list[Row]) -> dict[str, Any]:
    """The fields of the overview: sums of what is known, and the ratios of the sums.

    A soundlink's `listeners` are the sum of its new listeners, as the reference says.
    """
    ratios = {rule.ratio: rule for rule in export.identities if isinstance(rule, RatioIdentity)}
    sums: dict[str, int | None] = {}
    for column in export.rows.columns:
        if column.kind in {Kind.COUNT, Kind.MONEY}:
            scale = 100 if column.kind is Kind.MONEY else 1
            known = [int(row[column.name] * scale) for row in rows if row[column.name] is not None]
            sums[column.name] = sum(known) if known or not column.nullable else None
    if export.scope.name == "soundlink":
        sums["listeners"] = sums["new_listeners"] or 0
    totals: dict[str, Any] = {}
    for name in _OVERVIEW[export.scope.name].split():
        if name in ratios:
            totals[name] = json.loads(published(ratios[name], export)(sums))
        elif export.rows.column(name).kind is Kind.TEXT:
            totals[name] = "USD"
        else:
            is_money = export.rows.column(name).kind is Kind.MONEY
            totals[name] = (sums[name] or 0) / 100 if is_money else sums[name]
    return totals


def _export(call: Call, export: Export) -> Response:
    """An export: bare JSON lines."""
    link = call.link(export.scope)
    window = _export_window(call.query, link.created_at.date(), call.now.date())

    def content_at(moment: datetime) -> bytes:
        return call.world.lines(export, link, window, moment)

    def body() -> Body:
        lines = content.split(b"\n")[:-1]
        return Body(
            kind="export",
            lines=lines,
            count=len(lines),
            id_field=export.scope.id_column,
            export=export,
            window=window,
            older=lambda hours: content_at(call.now - timedelta(hours=hours)).split(b"\n")[:-1],
        )

    content = content_at(call.now)
    count: int | None = content.count(b"\n")
    media_type = NDJSON
    if (edited := call.edited(body)) is not None:
        content = joined(edited.lines) if edited.content is None else edited.content
        count = edited.count
        media_type = JSON if edited.is_envelope else NDJSON
    headers = {
        "content-type": media_type,
        "content-disposition": f'attachment; filename="{export.file_name(link.id, window)}"',
    }
    if count is not None:
        headers["x-row-count"] = str(count)
    return Response(status=200, headers=headers, body=content)


def _positive(query: Mapping[str, str], name: str, default: int) -> int:
    text = query.get(name, str(default))
    if not (text.isascii() and text.isdigit()) or int(text) < 1:
        raise _invalid(name, "a whole number from 1")
    return int(text)


def _choice(query: Mapping[str, str], name: str, choices: tuple[str, ...]) -> str | None:
    value = query.get(name)
    if value is not None and value not in choices:
        raise _invalid(name, f"one of {', '.join(choices)}")
    return value


def _window(query: Mapping[str, str], start: date, today: date) -> Window:
    """The days asked for; an omitted end is today, an omitted start that of the link.

    Raises 400: `invalid_query_parameter` for what is not a date, `invalid_date_range` for a
    reversed range.
    """
    first = _day(query, "startDate")
    last = _day(query, "endDate") or today
    if first is None:
        first = min(start, last)
    if last < first:
        raise RefusedError(400, "invalid_date_range", "endDate is earlier than startDate.")
    return Window(first, last)


def _export_window(query: Mapping[str, str], start: date, today: date) -> Window:
    """As `_window`, under the cap of 90 days; the newest 90 when neither date is given."""
    if "startDate" not in query and "endDate" not in query:
        return Window(today - timedelta(days=MAX_WINDOW_DAYS - 1), today)
    window = _window(query, start, today)
    if window.days > MAX_WINDOW_DAYS:
        raise _invalid("startDate", f"at most {MAX_WINDOW_DAYS} days per request")
    return window


def _day(query: Mapping[str, str], name: str) -> date | None:
    text = query.get(name)
    if text is None:
        return None
    try:
        day = date.fromisoformat(text)
    except ValueError:
        day = None
    if day is None or day.isoformat() != text:
        raise _invalid(name, "a date, YYYY-MM-DD")
    return day


def _invalid(name: str, message: str) -> RefusedError:
    return RefusedError(400, "invalid_query_parameter", f"{name}: {message}")


def _dump(values: dict[str, Any]) -> bytes:
    return json.dumps(values, ensure_ascii=False, separators=(",", ":")).encode()
