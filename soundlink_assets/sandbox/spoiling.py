"""What the faults do to the lines of an export and to the pages of the campaign list."""

import json
import random
from collections.abc import Callable
from dataclasses import dataclass
from datetime import timedelta
from typing import Any
from uuid import UUID

from soundlink_assets.contract import Export
from soundlink_assets.contract.rules import Identity, RatioIdentity, SumIdentity
from soundlink_assets.contract.window import Window
from soundlink_assets.sandbox.faults import Fault, PlannedFault
from soundlink_assets.sandbox.listing import FIRST_FIELDS

NDJSON = "application/x-ndjson"
STRANGER = str(UUID(int=0x5EED, version=4))
"""A campaign that no organisation has."""

JsonObject = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Delivery:
    """The body of an export and the headers that a fault can change."""

    content: bytes
    row_count: int | None
    content_type: str = NDJSON


def _cut_inside_line(lines: list[bytes]) -> bytes:
    kept = len(lines) * 2 // 3
    return _joined(lines[:kept]) + lines[kept][: len(lines[kept]) // 2]


def _cut_between_lines(lines: list[bytes]) -> bytes:
    return _joined(lines[: len(lines) * 2 // 3])


def _fewer_rows(lines: list[bytes]) -> bytes:
    middle = _middle(lines)
    return _joined(lines[:middle] + lines[middle + 1 :])


def _shuffled(lines: list[bytes]) -> bytes:
    shuffled = lines[::-1]
    random.Random(len(lines)).shuffle(shuffled)  # noqa: S311 - an order, no secret
    return _joined(shuffled if shuffled != lines else lines[::-1])


def _fractional_seconds(lines: list[bytes]) -> bytes:
    return _joined([line.replace(b'Z","campaign_id"', b'.000Z","campaign_id"') for line in lines])


def _quoted(lines: list[bytes]) -> bytes:
    return json.dumps(_joined(lines).decode()).encode()


_SAME_COUNT: dict[Fault, Callable[[list[bytes]], bytes]] = {
    Fault.CUT_INSIDE_LINE: _cut_inside_line,
    Fault.CUT_BETWEEN_LINES: _cut_between_lines,
    Fault.FEWER_ROWS: _fewer_rows,
    Fault.SHUFFLED_LINES: _shuffled,
    Fault.FRACTIONAL_SECONDS: _fractional_seconds,
    Fault.QUOTED_STRING_BODY: _quoted,
    Fault.NO_FINAL_NEWLINE: b"\n".join,
    Fault.CRLF: lambda lines: b"".join(line + b"\r\n" for line in lines),
    Fault.BLANK_LINES: lambda lines: b"\n" + b"".join(line + b"\n \n\n" for line in lines),
}
"""Faults that leave X-Row-Count as it was."""


def _unparsable(line: bytes) -> bytes:
    return line[: len(line) // 2] + b'"oops' + line[len(line) // 2 :]


def _not_an_object(line: bytes) -> bytes:
    return b"[" + line + b"]"


def _invalid_utf8(line: bytes) -> bytes:
    return line.replace(b'"campaign_name":"', b'"campaign_name":"\xff\xfe')


_IN_ONE_LINE: dict[Fault, Callable[[bytes], bytes]] = {
    Fault.UNPARSABLE_LINE: _unparsable,
    Fault.NOT_AN_OBJECT: _not_an_object,
    Fault.INVALID_UTF8: _invalid_utf8,
}
"""Faults of one line that is not the last."""


def _without(row: JsonObject, options: JsonObject, _window: Window) -> None:
    del row[options.get("field", "streams")]


def _null(row: JsonObject, options: JsonObject, _window: Window) -> None:
    row[options.get("field", "streams")] = None


def _wrong_type(row: JsonObject, options: JsonObject, _window: Window) -> None:
    row[options.get("field", "streams")] = options.get("value", "12")


def _negative(row: JsonObject, options: JsonObject, _window: Window) -> None:
    row[options.get("field", "streams")] = -3


def _stranger(row: JsonObject, _options: JsonObject, _window: Window) -> None:
    row["campaign_id"] = STRANGER


def _day_before(row: JsonObject, _options: JsonObject, window: Window) -> None:
    row["report_date"] = str(window.first - timedelta(days=1))


_IN_ONE_ROW: dict[Fault, Callable[[JsonObject, JsonObject, Window], None]] = {
    Fault.REQUIRED_KEY_MISSING: _without,
    Fault.REQUIRED_KEY_NULL: _null,
    Fault.WRONG_TYPE: _wrong_type,
    Fault.NEGATIVE_COUNT: _negative,
    Fault.OTHER_CAMPAIGN: _stranger,
    Fault.OTHER_DAY: _day_before,
}
"""Faults of one row in the middle."""


def _absent_optional(row: JsonObject, export: Export, _options: JsonObject) -> None:
    for column in export.rows.columns:
        if not column.required and row[column.name] is None:
            del row[column.name]


def _extra(row: JsonObject, _export: Export, options: JsonObject) -> None:
    row[options.get("field", "mood")] = "sunny"


def _other_version(row: JsonObject, _export: Export, options: JsonObject) -> None:
    row["schema_version"] = options.get("value", "1.1")


def _line_separators(row: JsonObject, _export: Export, _options: JsonObject) -> None:
    row["campaign_name"] = f"{row['campaign_name']}\u2028two\u2029three\x85four"


_IN_ALL_ROWS: dict[Fault, Callable[[JsonObject, Export, JsonObject], None]] = {
    Fault.ABSENT_OPTIONAL_KEYS: _absent_optional,
    Fault.EXTRA_KEYS: _extra,
    Fault.OTHER_SCHEMA_VERSION: _other_version,
    Fault.UNICODE_LINE_SEPARATORS: _line_separators,
}
_OTHER_ROWS = frozenset(
    {
        Fault.EMPTY,
        Fault.VANISHED_ROWS,
        Fault.EXACT_DUPLICATES,
        Fault.CONFLICTING_DUPLICATES,
        Fault.STALE_EXPORT,
    }
)
_WITHOUT_ROWS = frozenset({Fault.MISSING_ROW_COUNT, Fault.ENVELOPE})
_NEEDS_TWO_ROWS = frozenset({*_IN_ONE_LINE, Fault.SHUFFLED_LINES})

LISTING_FAULTS = frozenset({Fault.SHORT_PAGE, Fault.ABSENT_OPTIONAL_KEYS, Fault.EXTRA_KEYS})
"""The faults that a page of the campaign list can show."""


def broken(identity: Identity) -> Fault:
    """The fault that breaks an identity of the contract."""
    return Fault(f"broken_{identity.name}")


def _identities(export: Export) -> dict[Fault, Identity]:
    return {
        broken(rule): rule for rule in export.rules if isinstance(rule, SumIdentity | RatioIdentity)
    }


def possible_faults(export: Export, content: bytes) -> frozenset[Fault]:
    """The faults that a delivery with these lines can show."""
    rows = content.count(b"\n")
    if not rows:
        return _WITHOUT_ROWS
    possible = frozenset(
        {
            *_WITHOUT_ROWS,
            *_SAME_COUNT,
            *_IN_ONE_LINE,
            *_IN_ONE_ROW,
            *_IN_ALL_ROWS,
            *_OTHER_ROWS,
            *_identities(export),
        }
    )
    return possible if rows > 1 else possible - _NEEDS_TWO_ROWS


def spoil_delivery(
    delivery: Delivery, export: Export, window: Window, planned: PlannedFault
) -> Delivery:
    """The delivery with a fault that `possible_faults` names, except STALE_EXPORT."""
    fault = planned.fault
    if fault is Fault.MISSING_ROW_COUNT:
        return Delivery(delivery.content, None)
    lines = delivery.content.split(b"\n")[:-1]
    if fault is Fault.ENVELOPE:
        return _enveloped(export, lines)
    if fault in _SAME_COUNT:
        return Delivery(_SAME_COUNT[fault](lines), delivery.row_count)
    spoiled = _spoil_lines(lines, export, window, planned)
    return Delivery(_joined(spoiled), len(spoiled))


def _spoil_lines(
    lines: list[bytes], export: Export, window: Window, planned: PlannedFault
) -> list[bytes]:
    fault, options, middle = planned.fault, planned.options, _middle(lines)
    if fault is Fault.EMPTY:
        return []
    if fault is Fault.VANISHED_ROWS:
        return [line for index, line in enumerate(lines) if index % 3]
    if fault in _IN_ALL_ROWS:
        rows = [json.loads(line) for line in lines]
        for row in rows:
            _IN_ALL_ROWS[fault](row, export, options)
        return [_dump(row) for row in rows]
    if fault in _IN_ONE_LINE:
        return [*lines[:middle], _IN_ONE_LINE[fault](lines[middle]), *lines[middle + 1 :]]
    row = json.loads(lines[middle])
    if fault in (Fault.EXACT_DUPLICATES, Fault.CONFLICTING_DUPLICATES):
        if fault is Fault.CONFLICTING_DUPLICATES:
            row["streams"] += 1
        return [*lines[: middle + 1], _dump(row), *lines[middle + 1 :]]
    if fault in _IN_ONE_ROW:
        _IN_ONE_ROW[fault](row, options, window)
        return [*lines[:middle], _dump(row), *lines[middle + 1 :]]
    return _break_identity(lines, _identities(export)[fault], options)


def _break_identity(lines: list[bytes], rule: Identity, options: JsonObject) -> list[bytes]:
    """One row off by `by` (default 1): the first whose published value is not 0 or null."""
    column = rule.total if isinstance(rule, SumIdentity) else rule.ratio
    by = options.get("by", 1)
    rows = [json.loads(line) for line in lines]
    index = next((index for index, row in enumerate(rows) if row[column]), 0)
    row = rows[index]
    row[column] = round((row[column] or 0) + by, 4)
    return [*lines[:index], _dump(row), *lines[index + 1 :]]


def _enveloped(export: Export, lines: list[bytes]) -> Delivery:
    items = b",".join(lines)
    version = export.schema_version.encode()
    content = b'{"data":{"schemaVersion":"%s","items":[%s]},"meta":{"requestId":"%s"}}' % (
        version,
        items,
        STRANGER.encode(),
    )
    return Delivery(content, None, "application/json")


def spoil_campaigns(items: list[JsonObject], planned: PlannedFault) -> list[JsonObject]:
    """A page of the campaign list with a fault of `LISTING_FAULTS`."""
    match planned.fault:
        case Fault.SHORT_PAGE:
            return items[:-1]
        case Fault.EXTRA_KEYS:
            return [{**item, planned.options.get("field", "mood"): "sunny"} for item in items]
        case _:
            return [{name: item[name] for name in FIRST_FIELDS} for item in items]


def _middle(lines: list[bytes]) -> int:
    """The index of a line in the middle, not the last one unless it is the only one."""
    return (len(lines) - 1) // 2


def _joined(lines: list[bytes]) -> bytes:
    return b"".join(line + b"\n" for line in lines)


def _dump(row: JsonObject) -> bytes:
    return json.dumps(row, ensure_ascii=False, separators=(",", ":")).encode()
