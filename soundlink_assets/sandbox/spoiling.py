"""What the faults do to the lines of an export and to the pages of the campaign list."""

import json
import random
from collections.abc import Callable
from dataclasses import dataclass
from datetime import timedelta
from typing import Any
from uuid import UUID

from soundlink_assets.sandbox.faults import Fault, PlannedFault
from soundlink_assets.sandbox.listing import FIRST_FIELDS
from soundlink_assets.schema import Export
from soundlink_assets.schema.rules import Identity, RatioIdentity, SumIdentity
from soundlink_assets.schema.window import Window

NDJSON = "application/x-ndjson"
STRANGER = str(UUID(int=0x5EED, version=4))
"""A campaign that no organisation has."""

JsonObject = dict[str, Any]

_FIELD = "streams"
_UNKNOWN_FIELD = "mood"


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


def _without(row: JsonObject, planned: PlannedFault, _window: Window) -> None:
    del row[planned.field or _FIELD]


def _null(row: JsonObject, planned: PlannedFault, _window: Window) -> None:
    row[planned.field or _FIELD] = None


def _wrong_type(row: JsonObject, planned: PlannedFault, _window: Window) -> None:
    row[planned.field or _FIELD] = "12" if planned.value is None else planned.value


def _negative(row: JsonObject, planned: PlannedFault, _window: Window) -> None:
    row[planned.field or _FIELD] = -3


def _stranger(row: JsonObject, _planned: PlannedFault, _window: Window) -> None:
    row["campaign_id"] = STRANGER


def _day_before(row: JsonObject, _planned: PlannedFault, window: Window) -> None:
    row["report_date"] = str(window.first - timedelta(days=1))


_IN_ONE_ROW: dict[Fault, Callable[[JsonObject, PlannedFault, Window], None]] = {
    Fault.REQUIRED_KEY_MISSING: _without,
    Fault.REQUIRED_KEY_NULL: _null,
    Fault.WRONG_TYPE: _wrong_type,
    Fault.NEGATIVE_COUNT: _negative,
    Fault.OTHER_CAMPAIGN: _stranger,
    Fault.OTHER_DAY: _day_before,
}
"""Faults of one row in the middle."""


def _absent_optional(row: JsonObject, export: Export, _planned: PlannedFault) -> None:
    for column in export.rows.columns:
        if not column.required and row[column.name] is None:
            del row[column.name]


def _extra(row: JsonObject, _export: Export, planned: PlannedFault) -> None:
    row[planned.field or _UNKNOWN_FIELD] = "sunny"


def _other_version(row: JsonObject, _export: Export, planned: PlannedFault) -> None:
    row["schema_version"] = planned.value or "1.1"


def _line_separators(row: JsonObject, _export: Export, _planned: PlannedFault) -> None:
    row["campaign_name"] = f"{row['campaign_name']}\u2028two\u2029three\x85four"


_IN_ALL_ROWS: dict[Fault, Callable[[JsonObject, Export, PlannedFault], None]] = {
    Fault.ABSENT_OPTIONAL_KEYS: _absent_optional,
    Fault.EXTRA_KEYS: _extra,
    Fault.OTHER_SCHEMA_VERSION: _other_version,
    Fault.UNICODE_LINE_SEPARATORS: _line_separators,
}


def _every_third_gone(lines: list[bytes]) -> list[bytes]:
    return [line for index, line in enumerate(lines) if index % 3]


def _twice(lines: list[bytes]) -> list[bytes]:
    middle = _middle(lines)
    return [*lines[: middle + 1], *lines[middle:]]


def _twice_differently(lines: list[bytes]) -> list[bytes]:
    middle = _middle(lines)
    row = json.loads(lines[middle])
    row["streams"] += 1
    return [*lines[: middle + 1], _dump(row), *lines[middle + 1 :]]


_OTHER_LINES: dict[Fault, Callable[[list[bytes]], list[bytes]]] = {
    Fault.EMPTY: lambda _lines: [],
    Fault.VANISHED_ROWS: _every_third_gone,
    Fault.EXACT_DUPLICATES: _twice,
    Fault.CONFLICTING_DUPLICATES: _twice_differently,
}
"""Faults that change which lines there are; X-Row-Count agrees."""

_WITHOUT_ROWS = frozenset({Fault.MISSING_ROW_COUNT, Fault.ENVELOPE})
_NEEDS_TWO_ROWS = frozenset({*_IN_ONE_LINE, Fault.SHUFFLED_LINES})
_ONE_ROW_DOES = (
    frozenset({*_SAME_COUNT, *_IN_ONE_ROW, *_IN_ALL_ROWS, *_OTHER_LINES, Fault.STALE_EXPORT})
    - _NEEDS_TWO_ROWS
)

LISTING_FAULTS = frozenset({Fault.SHORT_PAGE, Fault.ABSENT_OPTIONAL_KEYS, Fault.EXTRA_KEYS})
"""The faults that a page of the campaign list can show."""


def broken(identity: Identity) -> Fault:
    """The fault that breaks an identity of the contract."""
    return Fault.named(f"broken_{identity.name}")


def _identities(export: Export) -> dict[Fault, Identity]:
    return {
        broken(rule): rule for rule in export.rules if isinstance(rule, SumIdentity | RatioIdentity)
    }


def can_spoil(export: Export, content: bytes) -> Callable[[PlannedFault], bool]:
    """Whether a delivery with these lines can show a fault."""
    count = content.count(b"\n")
    possible = set(_WITHOUT_ROWS)
    if count:
        possible |= _ONE_ROW_DOES | _identities(export).keys()
    if count > 1:
        possible |= _NEEDS_TWO_ROWS
    names = export.rows.column_names

    def can_show(planned: PlannedFault) -> bool:
        has_field = planned.field is None or planned.field in names
        return planned.fault in possible and (has_field or planned.fault not in _IN_ONE_ROW)

    return can_show


def spoil_delivery(
    delivery: Delivery, export: Export, window: Window, planned: PlannedFault
) -> Delivery:
    """The delivery with a fault that `can_spoil` allows, except STALE_EXPORT."""
    fault = planned.fault
    if fault is Fault.MISSING_ROW_COUNT:
        return Delivery(delivery.content, None)
    lines = delivery.content.split(b"\n")[:-1]
    if fault is Fault.ENVELOPE:
        return _enveloped(export, lines)
    if fault in _SAME_COUNT:
        return Delivery(_SAME_COUNT[fault](lines), delivery.row_count)
    if fault in _OTHER_LINES:
        spoiled = _OTHER_LINES[fault](lines)
    elif fault in _IN_ONE_LINE:
        spoiled = _with_middle(lines, _IN_ONE_LINE[fault])
    elif fault in _IN_ONE_ROW:
        spoiled = _with_middle(
            lines, _changed(lambda row: _IN_ONE_ROW[fault](row, planned, window))
        )
    elif fault in _IN_ALL_ROWS:
        change = _changed(lambda row: _IN_ALL_ROWS[fault](row, export, planned))
        spoiled = [change(line) for line in lines]
    else:
        spoiled = _break_identity(lines, _identities(export)[fault], planned.by)
    return Delivery(_joined(spoiled), len(spoiled))


def _with_middle(lines: list[bytes], change: Callable[[bytes], bytes]) -> list[bytes]:
    middle = _middle(lines)
    return [*lines[:middle], change(lines[middle]), *lines[middle + 1 :]]


def _changed(change: Callable[[JsonObject], None]) -> Callable[[bytes], bytes]:
    """A change of a row as a change of its line."""

    def in_line(line: bytes) -> bytes:
        row = json.loads(line)
        change(row)
        return _dump(row)

    return in_line


def _break_identity(lines: list[bytes], rule: Identity, by: float) -> list[bytes]:
    """One row is off: the first whose published value is not 0 or null."""
    column = rule.total if isinstance(rule, SumIdentity) else rule.ratio
    rows = [json.loads(line) for line in lines]
    index = next((index for index, row in enumerate(rows) if row[column]), 0)
    row = rows[index]
    row[column] = round((row[column] or 0) + by, 4)
    if isinstance(row[column], float) and row[column].is_integer():
        row[column] = int(row[column])
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
            return [{**item, planned.field or _UNKNOWN_FIELD: "sunny"} for item in items]
        case _:
            return [{name: item[name] for name in FIRST_FIELDS} for item in items]


def _middle(lines: list[bytes]) -> int:
    """The index of a line in the middle, not the last one unless it is the only one."""
    return (len(lines) - 1) // 2


def _joined(lines: list[bytes]) -> bytes:
    return b"".join(line + b"\n" for line in lines)


def _dump(row: JsonObject) -> bytes:
    return json.dumps(row, ensure_ascii=False, separators=(",", ":")).encode()
