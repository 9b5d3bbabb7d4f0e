"""The faults that have names, made of statuses, edits and ways of sending.

`docs/sandbox.md` lists them; a fault of a single test is made in that test.
"""

import json
import random
import re
import zlib
from collections.abc import Iterable
from dataclasses import replace
from datetime import datetime, timedelta
from functools import lru_cache
from typing import Any
from uuid import UUID

from soundlink_assets.sandbox.edits import (
    EXPORT_OR_LIST,
    REMOVED,
    Body,
    Edit,
    Literally,
    Options,
    broken,
    chosen,
    dumped,
    increased,
    joined,
    name_field,
    one_line,
    rewritten,
    set_field,
)
from soundlink_assets.sandbox.faults import Fault
from soundlink_assets.sandbox.links import stamp
from soundlink_assets.sandbox.responses import NDJSON, Timing
from soundlink_assets.schema import Export
from soundlink_assets.schema.exports import ACCOUNT
from soundlink_assets.schema.rules import Identity, SumIdentity

FOREIGN_ID = str(UUID(int=0x5EED, version=4))
"""An id that no organisation, campaign or soundlink has."""

_EXPORTED_AT = re.compile(rb'("exported_at":"[^"]*)Z"')
_LATER_FIELDS = frozenset(
    {"generation", "artistId", "artistName", "trackId", "playlistId", "trackName", "campaignUrl"}
)
"""The fields that campaign objects did not have in their first revision."""


def _bomb(options: Options) -> bytes:
    """Very many zeros, compressed to a thousandth; `value` MiB of them."""
    compressor = zlib.compressobj(wbits=zlib.MAX_WBITS | 16)
    zeros = bytes(2**20)
    pieces = [compressor.compress(zeros) for _ in range(int(options.value or 256))]
    return b"".join((*pieces, compressor.flush()))


def _page(title: str) -> dict[str, Any]:
    page = f"<html><head><title>{title}</title></head><body></body></html>\r\n"
    return {"content": page.encode(), "headers": (("content-type", "text/html"),)}


_STATUS: dict[str, tuple[int, str, str]] = {
    "invalid_api_key": (401, "invalid_api_key", ""),
    "api_key_revoked": (401, "api_key_revoked", ""),
    "api_key_expired": (401, "api_key_expired", ""),
    "mixed_credentials": (401, "mixed_credentials", ""),
    "invalid_token": (401, "invalid_token", ""),
    "insufficient_scope": (403, "insufficient_scope", ""),
    "access_denied": (403, "access_denied", ""),
    "forbidden": (403, "campaign_locked", "403 with a code that no document names."),
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
    "page_not_found": (
        "404 with an HTML page instead of an envelope.",
        {"status": 404, **_page("404 Not Found")},
    ),
    "bad_gateway": (
        "502 with an HTML page instead of an envelope.",
        {"status": 502, **_page("502 Bad Gateway")},
    ),
    "gateway_timeout": ("504 with an empty body.", {"status": 504}),
    "no_content": ("204 without a body.", {"status": 204}),
    "redirect": (
        "307 to another host; option `location`.",
        {"status": 307, "headers": (("location", "{options.location}"),)},
    ),
    "slow_error": (
        "500 whose body trickles; option `seconds` between two pieces.",
        {"status": 500, "code": "internal_error", "timing": Timing(pieces=100)},
    ),
    "gzip_bomb": (
        "200 with a small body that unpacks to `value` MiB of zeros (default 256).",
        {
            "status": 200,
            "content": _bomb,
            "headers": (("content-type", NDJSON), ("content-encoding", "gzip")),
        },
    ),
    "slow_headers": (
        "Headers that trickle, one each `seconds` (default 1), and nothing after them.",
        {"status": 200, "timing": Timing(slow_headers=True)},
    ),
    "dropped_connection": (
        "The connection is reset before any response.",
        {"timing": Timing(dropped_after=0.0)},
    ),
    "latency": ("A pause before the response; option `seconds` (default 1).", {"delays": True}),
    "slow_body": (
        "A pause in the middle of the body; option `seconds` (default 1).",
        {"timing": Timing(pieces=2)},
    ),
    "trickling_body": (
        "The body in a hundred pieces, `seconds` (default 1) between two.",
        {"timing": Timing(pieces=100)},
    ),
    "endless_body": (
        "After the body a line end each `seconds` (default 1), 600 times.",
        {"timing": Timing(endless=True)},
    ),
    "dropped_body": (
        "The connection is reset in the middle of the body.",
        {"timing": Timing(dropped_after=0.6)},
    ),
    "cut_json": ("The body of a JSON route ends in its middle.", {"keep": 0.5, "json_only": True}),
    "missing_row_count": ("No X-Row-Count header.", {"headers": (("x-row-count", None),)}),
    "unreadable_row_count": (
        "An X-Row-Count that is not a number; option `value`.",
        {"headers": (("x-row-count", "{options.value}"),)},
    ),
    "missing_date": ("No Date header.", {"headers": (("date", None),)}),
    "clock_off": (
        "A Date header that is ahead by the option `hours` (default 48; below 0: behind).",
        {"shifts_clock": True},
    ),
}


_ENCODINGS: dict[str, tuple[str, str | None, str]] = {
    "gzip": ("gzip", "gzip", "The body is compressed although nobody asked."),
    "undeclared_gzip": ("gzip", None, "A compressed body that no header declares."),
    "x_gzip": ("gzip", "x-gzip", "A compressed body, declared as `x-gzip`."),
    "deflate": ("deflate", "deflate", "A body compressed by deflate."),
}
"""How a body is compressed and what the header says of it; each also as `<name>_cut`."""


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


def _enveloped(body: Body, _options: Options) -> Body | None:
    if body.export is None:
        return None
    content = b'{"data":{"schemaVersion":"%s","items":[%s]},"meta":{"requestId":"%s"}}' % (
        body.export.schema_version.encode(),
        b",".join(body.lines),
        FOREIGN_ID.encode(),
    )
    return replace(body, content=content, count=None, is_envelope=True)


def _without_optional(body: Body, _options: Options) -> list[bytes]:
    columns = body.export.rows.columns if body.export else ()
    optional = {column.name for column in columns if not column.required}
    return [
        dumped(
            {
                name: value
                for name, value in json.loads(line).items()
                if name not in _LATER_FIELDS and not (name in optional and value is None)
            }
        )
        for line in body.lines
    ]


def _without_every_third(body: Body, options: Options) -> list[bytes]:
    if options.value is None:
        return [line for index, line in enumerate(body.lines) if index % 3]
    return [line for line in body.lines if json.loads(line)[body.id_field] not in options.value]


def _none(body: Body, _options: Options) -> Body | None:
    return replace(body, lines=[], count=0) if body.kind != "object" and body.lines else None


def _short_page(body: Body, _options: Options) -> Body | None:
    return replace(body, lines=body.lines[:-1]) if body.kind == "list" and body.lines else None


def _earlier(old: str, _body: Body, options: Options) -> str:
    return stamp(datetime.fromisoformat(old) - timedelta(hours=options.hours))


def _later(old: str, _body: Body, options: Options) -> str:
    return stamp(datetime.fromisoformat(old) + timedelta(hours=options.hours))


def _day_before(_old: str, body: Body, _options: Options) -> str:
    return str(body.window.first - timedelta(days=1)) if body.window else ""


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
        rewritten(lambda lines: b"".join(line + b"\r\n" for line in lines)),
    ),
    "shuffled_lines": ("The lines in no order.", rewritten(_shuffled, least=2)),
    "quoted_string_body": (
        "The whole body as one JSON string, as the contract's page prints its sample.",
        rewritten(lambda lines: json.dumps(joined(lines).decode()).encode()),
    ),
    "fractional_seconds": (
        "`exported_at` with milliseconds.",
        rewritten(lambda lines: _EXPORTED_AT.sub(rb'\1.000Z"', joined(lines))),
    ),
    "absent_optional_keys": (
        "Keys that may be absent are, wherever they would be null (campaigns: all later fields).",
        chosen(_without_optional, EXPORT_OR_LIST),
    ),
    "extra_keys": (
        "A key that the contract does not know; options `field`, `value`.",
        set_field("sunny", lambda _body: "mood", "all", EXPORT_OR_LIST),
    ),
    "unicode_line_separators": (
        "Unescaped U+2028, U+2029 and U+0085 in names: valid JSON, no line ends.",
        set_field(lambda old, *_: f"{old}\u2028two\u2029three\x85four", name_field, "all"),
    ),
    "empty": ("No rows (or listed items) at all: everything was withdrawn.", _none),
    "vanished_rows": (
        "Every third row (or listed item, or those with ids in `value`) is gone; the count agrees.",
        chosen(_without_every_third, EXPORT_OR_LIST),
    ),
    "lost_rows": (
        "The first `value` rows (default 1) are withdrawn; X-Row-Count agrees.",
        chosen(lambda body, options: body.lines[int(options.value or 1) :]),
    ),
    "stale_export": (
        "An older batch: `exported_at` goes back; option `hours` (default 48).",
        chosen(lambda body, options: body.older(options.hours)),
    ),
    "exact_duplicates": ("One row twice, the same.", set_field(lambda old, *_: old, rows="again")),
    "conflicting_duplicates": (
        "One row twice, with different figures.",
        set_field(increased, rows="again"),
    ),
    "two_currencies": (
        "One row twice, with another currency; option `value` (default EUR).",
        set_field("EUR", lambda body: body.export.currency if body.export else None, "again"),
    ),
    "short_page": ("A page of a list lacks an item that `totalCount` counts.", _short_page),
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
    "lone_surrogate": (
        "Half of a surrogate pair in a name; option `field`.",
        set_field(Literally(r'"Ni\ud83d"'), name_field, kinds=EXPORT_OR_LIST),
    ),
    "huge_number": (
        "A number that no type holds, 1e99999999999999999999; option `field`.",
        set_field(Literally("1e99999999999999999999"), kinds=EXPORT_OR_LIST),
    ),
    "required_key_missing": (
        "A row lacks a required key; option `field`.",
        set_field(REMOVED, kinds=EXPORT_OR_LIST),
    ),
    "required_key_null": (
        "A row has null for a required key; option `field`.",
        set_field(None, kinds=EXPORT_OR_LIST),
    ),
    "wrong_type": (
        "A row has a value of another type; options `field`, `value`.",
        set_field("12", kinds=EXPORT_OR_LIST),
    ),
    "negative_count": ("A row has a negative count; option `field`.", set_field(-3)),
    "other_campaign": (
        "A row of another campaign (or soundlink).",
        set_field(FOREIGN_ID, lambda body: body.id_field),
    ),
    "other_account": ("A row of another organisation.", set_field(FOREIGN_ID, ACCOUNT)),
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
    "mixed_exported_at": (
        "Every second row was exported earlier; option `hours` (default 48; below 0: later).",
        set_field(_earlier, "exported_at", "every second"),
    ),
    "older_exported_at": (
        "All rows were exported earlier; option `hours` (default 48).",
        set_field(_earlier, "exported_at", "all"),
    ),
    "future_exported_at": (
        "All rows were exported later; option `hours` (default 48).",
        set_field(_later, "exported_at", "all"),
    ),
    "overview_off": (
        "A total of an overview is off; options `field` (default streams), `by` (default 1).",
        set_field(increased, "streams", kinds=("object",)),
    ),
}


def known_faults(exports: Iterable[Export]) -> dict[str, Fault]:
    """All faults by their names: the ready-made ones, and each identity of the exports broken."""
    return _known_faults(tuple(rule for export in exports for rule in export.identities))


@lru_cache
def _known_faults(identities: tuple[Identity, ...]) -> dict[str, Fault]:
    known = {
        name: Fault(name=name, meaning=meaning or f"{status} `{code}`.", status=status, code=code)
        for name, (status, code, meaning) in _STATUS.items()
    }
    for name, (meaning, parts) in _SENDING.items():
        known[name] = Fault(name=name, meaning=meaning, **parts)
    for name, (encode, declare, meaning) in _ENCODINGS.items():
        parts = {"encode": encode, "declare": declare}
        known[name] = Fault(name=name, meaning=meaning, **parts)
        cut = f"{meaning.removesuffix('.')}; its end is missing."
        known[f"{name}_cut"] = Fault(name=f"{name}_cut", meaning=cut, keep=0.5, **parts)
    for name, (meaning, edit) in _EDITS.items():
        known[name] = Fault(name=name, meaning=meaning, edit=edit)
    for rule in identities:
        column = rule.total if isinstance(rule, SumIdentity) else rule.ratio
        name, meaning = f"broken_{rule.name}", f"`{column}` of a row is off by `by` (default 1)."
        known[name] = Fault(name=name, meaning=meaning, edit=broken(rule))
    return known
