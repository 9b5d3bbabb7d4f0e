"""The faults that the sandbox can show, and which of them a request meets.

A `Fault` is data: a status instead of the response, an edit of its body, or a way of sending it.
Those with names are in tables at the end, and in `docs/sandbox.md`; a test makes others from the
same parts.
"""

import json
import math
import random
import re
import threading
from collections.abc import Callable, Iterable
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from enum import Enum, auto
from fnmatch import fnmatchcase
from functools import lru_cache
from typing import Any, Literal, TypeVar
from uuid import UUID

from pydantic import BaseModel, ConfigDict, NonNegativeFloat, NonNegativeInt, PositiveInt

from soundlink_assets.sandbox.responses import JSON, NORMAL, Response, Timing, problem_response
from soundlink_assets.schema import EXPORTS, Export
from soundlink_assets.schema.exports import ACCOUNT
from soundlink_assets.schema.rules import Identity, SumIdentity
from soundlink_assets.schema.tables import Kind
from soundlink_assets.schema.window import Window

T = TypeVar("T")
BodyKind = Literal["export", "list", "object"]


class Stage(Enum):
    """Where on the way of a request a fault is met: one of each at most."""

    DELAY = auto()
    INSTEAD = auto()
    BODY = auto()
    SENDING = auto()


@dataclass(frozen=True, slots=True, kw_only=True)
class Body:
    """What a route is about to send, as JSON texts.

    `lines` are the rows of an export, the items of a list, or one object; `count` is what
    X-Row-Count (None: not sent) or `totalCount` will say. `content` is the whole body, once it is
    no longer the lines one by one. `older` gives the lines of an export built hours before.
    """

    kind: BodyKind
    lines: list[bytes]
    count: int | None
    id_field: str
    export: Export | None = None
    window: Window | None = None
    older: Callable[[float], list[bytes]] = lambda _hours: []
    content: bytes | None = None
    is_envelope: bool = False

    @property
    def middle(self) -> int:
        """The index of a line in the middle, not the last one unless it is the only one."""
        return (len(self.lines) - 1) // 2


Edit = Callable[[Body, "PlannedFault"], Body | None]
"""The changed body (one with lines is given), or None if it cannot show the fault."""


class _ByName(type):
    """Lets faults be named as attributes: `Fault.BAD_GATEWAY`."""

    def __getattr__(cls, name: str) -> "Fault":
        if not name.isupper():
            raise AttributeError(name)
        try:
            return Fault.named(name.lower())
        except ValueError as error:
            raise AttributeError(str(error)) from None


@dataclass(frozen=True, slots=True, kw_only=True)
class Fault(metaclass=_ByName):
    """One misbehaviour; `meaning` says what a client sees.

    With `status` that response is sent instead: an error envelope with `code`, or `content`.
    `headers` are set, or removed (None). `edit` changes a body of one of the `kinds` before it is
    put together. `send` changes the response, or returns None if it cannot show the fault.
    `timing` is how it is sent, its pause the option `seconds`.
    """

    name: str = "custom"
    meaning: str = ""
    status: int | None = None
    code: str = ""
    content: bytes = b""
    headers: tuple[tuple[str, str | None], ...] = ()
    edit: Edit | None = None
    kinds: tuple[BodyKind, ...] = ("export",)
    send: Callable[[Response], Response | None] | None = None
    timing: Timing = NORMAL

    @classmethod
    def named(cls, name: str, exports: Iterable[Export] = EXPORTS) -> "Fault":
        """The fault of that name; ValueError that lists all names if there is none."""
        known = known_faults(exports)
        if name not in known:
            raise ValueError(f"{name!r} is not a fault; there are {', '.join(known)}")
        return known[name]

    def __str__(self) -> str:
        return self.name

    @property
    def stage(self) -> Stage:
        """Where it is met."""
        if self.timing.delayed:
            return Stage.DELAY
        if self.status is not None or self.timing.dropped_after == 0:
            return Stage.INSTEAD
        return Stage.BODY if self.edit is not None else Stage.SENDING

    def edited(self, body: Body, planned: "PlannedFault") -> Body | None:
        """The body as this fault changes it; None if it cannot show it."""
        if self.edit is None or body.kind not in self.kinds or not body.lines:
            return None
        return self.edit(body, planned)

    def instead(self, planned: "PlannedFault", now: datetime) -> Response:
        """The response that is sent instead."""
        status = self.status or 0
        if self.code:
            response = problem_response(status, self.code, "The request was refused.")
        else:
            response = Response(status=status, body=self.content)
        response = response.dated(now)
        return self.sent(response, planned) or response

    def sent(self, response: Response, planned: "PlannedFault") -> Response | None:
        """The response as this fault sends it; None if it cannot show it."""
        if not response.body and (self.send or self.timing.pieces > 1 or self.timing.dropped_after):
            return None
        if any(value is None and name not in response.headers for name, value in self.headers):
            return None
        changed = response if self.send is None else self.send(response)
        headers = {
            name: value and value.format(seconds=math.ceil(planned.seconds), planned=planned)
            for name, value in self.headers
        }
        timing = replace(self.timing, pause=planned.seconds)
        return changed and replace(changed.with_headers(headers), timing=timing)


class PlannedFault(BaseModel):
    """A fault for the requests whose path matches the shell pattern `path`.

    It lets `after` matching requests pass, then meets `count` of them (None: all). The meaning of
    the fault names which of the other options it takes.
    """

    model_config = ConfigDict(extra="forbid", arbitrary_types_allowed=True)

    path: str
    fault: Fault
    count: PositiveInt | None = 1
    after: NonNegativeInt = 0
    seconds: NonNegativeFloat = 1.0
    hours: float = 48.0
    by: float = 1.0
    field: str | None = None
    value: Any = None
    location: str = "https://elsewhere.invalid/v1/"


class FaultPlan:
    """The faults that are still to come; safe to share between threads."""

    def __init__(self) -> None:
        self._planned: list[PlannedFault] = []
        self._lock = threading.Lock()

    def add(self, planned: PlannedFault) -> None:
        """Plan one more fault; the first planned is the first met."""
        with self._lock:
            self._planned.append(planned)

    def clear(self) -> None:
        """Forget what is planned."""
        with self._lock:
            self._planned.clear()

    def pending(self) -> tuple[PlannedFault, ...]:
        """What is planned and not spent, with the counts that are left."""
        with self._lock:
            return tuple(planned.model_copy() for planned in self._planned)

    def take(
        self, path: str, stage: Stage, show: Callable[[PlannedFault], T | None]
    ) -> tuple[PlannedFault, T] | None:
        """The first planned fault of the stage that `show` can show; it counts as met."""
        with self._lock:
            for planned in self._planned:
                if planned.fault.stage is not stage or not fnmatchcase(path, planned.path):
                    continue
                shown = show(planned)
                if shown is None:
                    continue
                if planned.after > 0:
                    planned.after -= 1
                    continue
                if planned.count == 1:
                    self._planned.remove(planned)
                elif planned.count is not None:
                    planned.count -= 1
                return planned, shown
        return None


_REMOVED = object()
"""The value of a field that is taken away."""


def joined(lines: Iterable[bytes]) -> bytes:
    """The lines as the provider writes them."""
    return b"".join(line + b"\n" for line in lines)


def rewritten(write: Callable[[list[bytes]], bytes]) -> Edit:
    """The lines in another form, against X-Row-Count if some are missing."""

    def edit(body: Body, _planned: PlannedFault) -> Body | None:
        content = write(body.lines)
        return None if content == joined(body.lines) else replace(body, content=content)

    return edit


def chosen(choose: Callable[[Body, PlannedFault], list[bytes]]) -> Edit:
    """Other lines; the count agrees."""

    def edit(body: Body, planned: PlannedFault) -> Body:
        lines = choose(body, planned)
        return replace(body, lines=lines, count=(body.count or 0) + len(lines) - len(body.lines))

    return edit


def one_line(change: Callable[[bytes], bytes]) -> Edit:
    """The bytes of a line in the middle that is not the last."""

    def edit(body: Body, _planned: PlannedFault) -> Body | None:
        middle, lines = body.middle, body.lines
        if len(lines) == middle + 1:
            return None
        return replace(body, lines=[*lines[:middle], change(lines[middle]), *lines[middle + 1 :]])

    return edit


def set_field(
    value: Any = None,
    field: str | Callable[[Body], str | None] = "",
    rows: Literal["middle", "all", "again"] = "middle",
) -> Edit:
    """A field has another value: in the middle row, in all, or in a copy of the middle row.

    `value` may be a function of the old value, the body and the options; the option `value` comes
    before a constant one. Without `field`, the first count that every row has is meant; the option
    `field` comes before both.
    """

    def edit(body: Body, planned: PlannedFault) -> Body | None:
        name = planned.field or (field(body) if callable(field) else field or _first_count(body))
        lines, middle = list(body.lines), body.middle
        if name is None or (rows == "middle" and name not in json.loads(lines[middle])):
            return None

        def changed(line: bytes) -> bytes:
            row = json.loads(line)
            if callable(value):
                row[name] = value(row.get(name), body, planned)
            elif value is _REMOVED:
                del row[name]
            else:
                row[name] = value if planned.value is None else planned.value
            return _dumped(row)

        if rows == "again":
            lines.insert(middle + 1, changed(lines[middle]))
            return replace(body, lines=lines, count=len(lines))
        for index in [middle] if rows == "middle" else range(len(lines)):
            lines[index] = changed(lines[index])
        return replace(body, lines=lines)

    return edit


def _broken(rule: Identity) -> Edit:
    """One row breaks an identity: the first whose published value is neither 0 nor null."""
    column = _published_by(rule)

    def edit(body: Body, planned: PlannedFault) -> Body | None:
        if body.export is None or rule.name not in {each.name for each in body.export.identities}:
            return None
        rows = [json.loads(line) for line in body.lines]
        index = next((index for index, row in enumerate(rows) if row[column]), 0)
        rows[index][column] = _increased(rows[index][column], body, planned)
        lines = list(body.lines)
        lines[index] = _dumped(rows[index])
        return replace(body, lines=lines)

    return edit


def _published_by(rule: Identity) -> str:
    return rule.total if isinstance(rule, SumIdentity) else rule.ratio


def _increased(old: float | None, _body: Body, planned: PlannedFault) -> float:
    """The value off by the option `by`; whole numbers stay whole."""
    value = round((old or 0) + planned.by, 4)
    return int(value) if value == int(value) else value


def _name_field(body: Body) -> str:
    return body.export.scope.name_column if body.export else "name"


def _first_count(body: Body) -> str | None:
    columns = body.export.rows.columns if body.export else ()
    counts = (column.name for column in columns if column.kind is Kind.COUNT and column.required)
    return next(counts, None)


def _dumped(row: dict[str, Any]) -> bytes:
    return json.dumps(row, ensure_ascii=False, separators=(",", ":")).encode()


_FOREIGN_ID = str(UUID(int=0x5EED, version=4))
"""An id that no organisation, campaign or soundlink has."""

_EXPORTED_AT = re.compile(rb'("exported_at":"[^"]*)Z"')
_LATER_FIELDS = frozenset(
    {"generation", "artistId", "artistName", "trackId", "playlistId", "trackName", "campaignUrl"}
)
"""The fields that campaign objects did not have in their first revision."""


def _shuffled(lines: list[bytes]) -> bytes:
    order = lines[::-1]
    random.Random(len(lines)).shuffle(order)  # noqa: S311 - an order, no secret
    return joined(order if order != lines else lines[::-1])


def _cut_inside_line(lines: list[bytes]) -> bytes:
    kept = len(lines) * 2 // 3
    return joined(lines[:kept]) + lines[kept][: len(lines[kept]) // 2]


def _without_the_middle(lines: list[bytes]) -> bytes:
    middle = (len(lines) - 1) // 2
    return joined(lines[:middle] + lines[middle + 1 :])


def _enveloped(body: Body, _planned: PlannedFault) -> Body:
    content = b'{"data":{"items":[%s]},"meta":{"requestId":"%s"}}' % (
        b",".join(body.lines),
        _FOREIGN_ID.encode(),
    )
    return replace(body, content=content, count=None, is_envelope=True)


def _without_optional(body: Body, _planned: PlannedFault) -> list[bytes]:
    columns = body.export.rows.columns if body.export else ()
    optional = {column.name for column in columns if not column.required}

    def kept(name: str, value: object) -> bool:
        return name not in _LATER_FIELDS and not (name in optional and value is None)

    rows = [json.loads(line) for line in body.lines]
    return [_dumped({name: row[name] for name in row if kept(name, row[name])}) for row in rows]


def _without_some(body: Body, planned: PlannedFault) -> list[bytes]:
    if planned.value is None:
        return [line for index, line in enumerate(body.lines) if index % 3]
    return [line for line in body.lines if json.loads(line)[body.id_field] not in planned.value]


def _day_before(_old: str, body: Body, _planned: PlannedFault) -> str:
    return str(body.window.first - timedelta(days=1)) if body.window else ""


def _half(response: Response) -> Response:
    return replace(response, body=response.body[: len(response.body) // 2])


def _page(status: int, title: str) -> dict[str, Any]:
    page = f"<html><head><title>{title}</title></head><body></body></html>\r\n"
    return {
        "status": status,
        "content": page.encode(),
        "headers": (("content-type", "text/html"),),
    }


_STATUS: dict[str, tuple[int, str, str]] = {
    "invalid_api_key": (401, "invalid_api_key", ""),
    "api_key_revoked": (401, "api_key_revoked", ""),
    "api_key_expired": (401, "api_key_expired", ""),
    "mixed_credentials": (401, "mixed_credentials", ""),
    "invalid_token": (401, "invalid_token", ""),
    "insufficient_scope": (403, "insufficient_scope", ""),
    "access_denied": (403, "access_denied", ""),
    "campaign_not_found": (404, "campaign_not_found", ""),
    "not_found": (404, "not_found", "404 `not_found`: the API is off for the organisation."),
    "gone": (410, "gone", ""),
    "invalid_query_parameter": (400, "invalid_query_parameter", ""),
    "invalid_date_range": (400, "invalid_date_range", ""),
    "unknown_client_error": (409, "campaign_busy", "A 4xx with a code that no document names."),
    "rate_limited_silently": (429, "rate_limit_exceeded", "429 without Retry-After."),
    "internal_error": (500, "internal_error", ""),
    "unknown_server_error": (503, "service_unavailable", "503 with a code no document names."),
}

_SENDING: dict[str, tuple[str, dict[str, Any]]] = {
    "rate_limited": (
        "429 with Retry-After; option `seconds` (default 1).",
        {
            "status": 429,
            "code": "rate_limit_exceeded",
            "headers": (("Retry-After", "{seconds}"),),
        },
    ),
    "bad_gateway": (
        "502 with an HTML page instead of an envelope.",
        _page(502, "502 Bad Gateway"),
    ),
    "gateway_timeout": ("504 with an empty body.", {"status": 504}),
    "redirect": (
        "307 to another host; option `location`.",
        {"status": 307, "headers": (("location", "{planned.location}"),)},
    ),
    "dropped_connection": (
        "The connection is reset before any response.",
        {"timing": Timing(dropped_after=0.0)},
    ),
    "latency": (
        "A pause before the response; option `seconds` (default 1).",
        {"timing": Timing(delayed=True)},
    ),
    "slow_body": (
        "A pause in the middle of the body; option `seconds` (default 1).",
        {"timing": Timing(pieces=2)},
    ),
    "dropped_body": (
        "The connection is reset in the middle of the body.",
        {"timing": Timing(dropped_after=0.6)},
    ),
    "cut_json": (
        "The body of a JSON route ends in its middle.",
        {"send": lambda sent: _half(sent) if sent.headers["content-type"] == JSON else None},
    ),
    "missing_row_count": ("No X-Row-Count header.", {"headers": (("x-row-count", None),)}),
    "gzip": (
        "The body is compressed although nobody asked.",
        {"send": lambda sent: sent.compressed()},
    ),
    "gzip_cut": (
        "The body is compressed although nobody asked; its end is missing.",
        {"send": lambda sent: _half(sent.compressed())},
    ),
}

_EDITS: dict[str, tuple[str, Edit]] = {
    "envelope": ("200 with a JSON envelope instead of rows.", _enveloped),
    "cut_inside_line": ("The body ends in the middle of a line.", rewritten(_cut_inside_line)),
    "cut_between_lines": (
        "The body ends at a line end, some lines early.",
        rewritten(lambda lines: joined(lines[: len(lines) * 2 // 3])),
    ),
    "fewer_rows": (
        "A line in the middle is missing, against X-Row-Count.",
        rewritten(_without_the_middle),
    ),
    "no_final_newline": ("The last line has no line end.", rewritten(b"\n".join)),
    "blank_lines": (
        "Blank lines between the rows and at the end.",
        rewritten(lambda lines: b"\n" + b"".join(line + b"\n \n\n" for line in lines)),
    ),
    "crlf": (
        "Lines end in carriage return and newline.",
        rewritten(lambda lines: joined(lines).replace(b"\n", b"\r\n")),
    ),
    "shuffled_lines": ("The lines in no order.", rewritten(_shuffled)),
    "quoted_string_body": (
        "The whole body as one JSON string, as the contract's page prints its sample.",
        rewritten(lambda lines: json.dumps(joined(lines).decode()).encode()),
    ),
    "fractional_seconds": (
        "`exported_at` with milliseconds.",
        rewritten(lambda lines: _EXPORTED_AT.sub(rb'\1.000Z"', joined(lines))),
    ),
    "unicode_line_separators": (
        "Unescaped U+2028, U+2029 and U+0085 in names: valid JSON, no line ends.",
        set_field(lambda old, *_: f"{old}\u2028two\u2029three\x85four", _name_field, "all"),
    ),
    "lost_rows": (
        "The first `value` rows (default 1) are withdrawn; X-Row-Count agrees.",
        chosen(lambda body, planned: body.lines[int(planned.value or 1) :]),
    ),
    "stale_export": (
        "An older batch: `exported_at` goes back; option `hours` (default 48).",
        chosen(lambda body, planned: body.older(planned.hours)),
    ),
    "exact_duplicates": (
        "One row twice, the same.",
        chosen(lambda body, _: body.lines[: body.middle + 1] + body.lines[body.middle :]),
    ),
    "conflicting_duplicates": (
        "One row twice, with different figures.",
        set_field(_increased, rows="again"),
    ),
    "two_currencies": (
        "One row twice, with another currency; option `value` (default EUR).",
        set_field("EUR", lambda body: body.export.currency if body.export else None, "again"),
    ),
    "unparsable_line": (
        "A line in the middle that is not JSON.",
        one_line(lambda line: line[: len(line) // 2] + b'"oops' + line[len(line) // 2 :]),
    ),
    "not_an_object": (
        "A line in the middle that is JSON but not an object.",
        one_line(lambda line: b"[" + line + b"]"),
    ),
    "invalid_utf8": (
        "Bytes that are not UTF-8 within a name.",
        one_line(lambda line: line.replace(b'_name":"', b'_name":"\xff\xfe', 1)),
    ),
    "negative_count": ("A row has a negative count; option `field`.", set_field(-3)),
    "other_campaign": (
        "A row of another campaign (or soundlink).",
        set_field(_FOREIGN_ID, lambda body: body.id_field),
    ),
    "other_account": ("A row of another organisation.", set_field(_FOREIGN_ID, ACCOUNT)),
    "other_day": (
        "A row of a day before the window.",
        set_field(_day_before, lambda body: body.export.day if body.export else None),
    ),
    "other_schema_version": (
        "All rows say another schema version; option `value` (default 1.1).",
        set_field("1.1", "schema_version", "all"),
    ),
    "other_timezone": (
        "All rows name another time zone; option `value` (default America/New_York).",
        set_field("America/New_York", "report_date_timezone", "all"),
    ),
}

_EDITS_OF_LISTS_TOO: dict[str, tuple[str, Edit]] = {
    "absent_optional_keys": (
        "Keys that may be absent are, wherever they would be null (campaigns: all later fields).",
        chosen(_without_optional),
    ),
    "extra_keys": (
        "A key that the contract does not know; options `field`, `value`.",
        set_field("sunny", "mood", "all"),
    ),
    "empty": (
        "No rows (or listed items) at all: everything was withdrawn.",
        lambda body, _planned: replace(body, lines=[], count=0),
    ),
    "vanished_rows": (
        "Every third row (or listed item, or those with ids in `value`) is gone; the count agrees.",
        chosen(_without_some),
    ),
    "required_key_missing": ("A row lacks a required key; option `field`.", set_field(_REMOVED)),
    "required_key_null": ("A row has null for a required key; option `field`.", set_field(None)),
    "wrong_type": (
        "A row has a value of another type; options `field`, `value`.",
        set_field("12"),
    ),
}


def known_faults(exports: Iterable[Export]) -> dict[str, Fault]:
    """All faults by their names: those of the tables, and each identity of the exports broken."""
    return _known_faults(tuple(rule for export in exports for rule in export.identities))


@lru_cache
def _known_faults(identities: tuple[Identity, ...]) -> dict[str, Fault]:
    broken = {
        f"broken_{rule.name}": (
            f"`{_published_by(rule)}` of a row is off by `by` (default 1).",
            _broken(rule),
        )
        for rule in identities
    }
    faults = [
        *(
            Fault(name=name, meaning=meaning or f"{status} `{code}`.", status=status, code=code)
            for name, (status, code, meaning) in _STATUS.items()
        ),
        *(Fault(name=name, meaning=said, **parts) for name, (said, parts) in _SENDING.items()),
        *(
            Fault(name=name, meaning=meaning, edit=edit)
            for name, (meaning, edit) in (_EDITS | broken).items()
        ),
        *(
            Fault(name=name, meaning=meaning, edit=edit, kinds=("export", "list"))
            for name, (meaning, edit) in _EDITS_OF_LISTS_TOO.items()
        ),
        Fault(
            name="short_page",
            meaning="A page of a list lacks an item that `totalCount` counts.",
            edit=lambda body, _planned: replace(body, lines=body.lines[:-1]),
            kinds=("list",),
        ),
        Fault(
            name="overview_off",
            meaning="A total of an overview is off; options `field` (default streams), "
            "`by` (default 1).",
            edit=set_field(_increased, "streams"),
            kinds=("object",),
        ),
    ]
    return {fault.name: fault for fault in faults}
