"""One line of a delivery, read exactly: its typed values, or the violation that it holds.

This is the definition of a valid line. It is slow (some 30,000 lines a second); `line_pattern`
recognises most valid lines faster, and `parsing` uses both.
"""

import json
import re
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, date, datetime
from decimal import ROUND_HALF_UP, Decimal
from typing import Any

from soundlink_assets.schema.exports import Export
from soundlink_assets.provider.violations import UnreadableDelivery
from soundlink_assets.schema.tables import Column, Kind

BLANK = b" \t\r\n"
"""The bytes that JSON allows between its tokens."""

_LEAST_COUNT, _GREATEST_COUNT = -(2**63), 2**63 - 1
_MONEY_STEP = Decimal("0.000001")
_MONEY_BOUND = Decimal(10) ** 12
_QUOTED_LENGTH = 60
"""Characters of an offending value that a message repeats."""

_DATE = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}")
_TIMESTAMP = re.compile(
    r"[0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9]{2}:[0-9]{2}:[0-9]{2}(\.[0-9]+)?(Z|[+-][0-9]{2}:[0-9]{2})"
)
_VERSION_IN_BROKEN_LINE = re.compile(rb'"schema_version"\s*:\s*"([^"\\]*)"')


class _Members(list[tuple[str, Any]]):
    """A JSON object as its members in order, so that a doubled key is seen."""


@dataclass(frozen=True, slots=True)
class _Constant:
    """`NaN`, `Infinity` or `-Infinity`: what some writers put where JSON has no number."""

    name: str

    def __str__(self) -> str:
        return self.name


class WrongValueError(Exception):
    """A value that a column cannot hold; the text says what it is."""


@dataclass(frozen=True, slots=True)
class Line:
    """A valid line: the values of the contract's fields, and the keys as they stand in it.

    `extra_keys` are those that the contract does not name.
    """

    values: dict[str, Any]
    keys: tuple[str, ...]
    extra_keys: tuple[str, ...]


def read_line(raw: bytes, number: int, export: Export, *, has_newline: bool) -> Line:
    """Reads line `number` of a delivery, which is not blank.

    `has_newline` is False for a last line that the body ends in. Counts come as int, money as
    Decimal with six decimals (halves away from zero), ratios as float, dates and timestamps as
    date and datetime in UTC.

    Raises UnreadableDelivery. Another `schema_version` goes before all else that is wrong.
    """
    try:
        members = _load(raw)
    except (ValueError, ArithmeticError, RecursionError) as error:
        stated = _VERSION_IN_BROKEN_LINE.search(raw)
        if stated and stated[1] != export.schema_version.encode():
            raise _other_version(stated[1].decode(errors="replace"), number, export) from error
        reason = (
            f"{error.msg} at character {error.pos + 1}"
            if isinstance(error, json.JSONDecodeError)
            else str(error)
        )
        raise UnreadableDelivery(
            f"not a line of JSON: {reason}",
            check="required_fields",
            line=number,
            is_cut_off=not has_newline,
        ) from error
    if not isinstance(members, _Members):
        raise UnreadableDelivery(
            f"{_describe(members)} where an object is due", check="required_fields", line=number
        )
    for key, value in members:
        if key == "schema_version" and value not in (None, export.schema_version):
            raise _other_version(value, number, export)
    keys = tuple(key for key, _ in members)
    found = dict(members)
    if len(found) < len(keys):
        doubled = next(key for key in keys if keys.count(key) > 1)
        raise _violation("the key stands twice in one object", number, doubled)
    values = {column.name: _value(column, found, number) for column in export.rows.columns}
    extra_keys = tuple(key for key in keys if key not in values)
    return Line(values=values, keys=keys, extra_keys=extra_keys)


def _load(raw: bytes) -> Any:
    text = raw.decode()
    loaded = json.loads(
        text, object_pairs_hook=_Members, parse_float=Decimal, parse_constant=_Constant
    )
    if "\\u" in text:
        # An escaped lone surrogate is valid JSON and still no text: UTF-8 cannot hold it.
        json.dumps(json.loads(text), ensure_ascii=False).encode()
    return loaded


def _other_version(value: Any, number: int, export: Export) -> UnreadableDelivery:
    return UnreadableDelivery(
        f"schema version {_describe(value)}, where {export.schema_version!r} is known",
        check="schema_version",
        line=number,
        field="schema_version",
    )


def _violation(message: str, number: int, field: str) -> UnreadableDelivery:
    return UnreadableDelivery(message, check="required_fields", line=number, field=field)


def _value(column: Column, found: dict[str, Any], number: int) -> Any:
    if column.name not in found:
        if column.required:
            raise _violation("the required key is missing", number, column.name)
        return None
    value = found[column.name]
    if value is None:
        if not column.nullable:
            raise _violation("null, where a value is required", number, column.name)
        return None
    try:
        return typed_value(column.kind, value)
    except WrongValueError as error:
        raise _violation(str(error), number, column.name) from error


def typed_value(kind: Kind, value: Any) -> Any:
    """A JSON value, its fractions read as Decimal, as what a column of that kind holds.

    Raises WrongValueError.
    """
    return _READERS[kind](value)


def _text(value: Any) -> str:
    if not isinstance(value, str):
        raise WrongValueError(f"{_describe(value)} where text is due")
    return value


def _count(value: Any) -> int:
    if not isinstance(value, int) or isinstance(value, bool):
        raise WrongValueError(f"{_describe(value)} where an integer is due")
    if not _LEAST_COUNT <= value <= _GREATEST_COUNT:
        raise WrongValueError(f"{_describe(value)} is out of the range of 64-bit integers")
    return value


def _number(value: Any) -> Decimal:
    if not isinstance(value, int | Decimal) or isinstance(value, bool):
        raise WrongValueError(f"{_describe(value)} where a number is due")
    return Decimal(value)


def _money(value: Any) -> Decimal:
    number = _number(value)
    if abs(number) < _MONEY_BOUND:
        rounded = number.quantize(_MONEY_STEP, ROUND_HALF_UP)
        if abs(rounded) < _MONEY_BOUND:
            return rounded
    raise WrongValueError(f"{_describe(value)} is out of the range of money (12 digits)")


def _ratio(value: Any) -> float:
    ratio = float(_number(value))
    if abs(ratio) == float("inf"):
        raise WrongValueError(f"{_describe(value)} is out of the range of 64-bit floats")
    return ratio


def _day(value: Any) -> date:
    text = _text(value)
    try:
        if _DATE.fullmatch(text):
            return date.fromisoformat(text)
    except ValueError:
        pass
    raise WrongValueError(f"{_describe(value)} where a date (YYYY-MM-DD) is due")


def _moment(value: Any) -> datetime:
    text = _text(value)
    try:
        if _TIMESTAMP.fullmatch(text):
            return datetime.fromisoformat(text).astimezone(UTC)
    except (ValueError, OverflowError):
        pass
    raise WrongValueError(
        f"{_describe(value)} where a timestamp with its zone (YYYY-MM-DDTHH:MM:SSZ) is due"
    )


def _flag(value: Any) -> bool:
    if not isinstance(value, bool):
        raise WrongValueError(f"{_describe(value)} where true or false is due")
    return value


_READERS: dict[Kind, Callable[[Any], Any]] = {
    Kind.TEXT: _text,
    Kind.DATE: _day,
    Kind.TIMESTAMP: _moment,
    Kind.COUNT: _count,
    Kind.MONEY: _money,
    Kind.RATIO: _ratio,
    Kind.FLAG: _flag,
}


def _describe(value: Any) -> str:
    """A JSON value as a message names it, cut to a readable length."""
    match value:
        case None:
            return "null"
        case bool():
            return str(value).lower()
        case _Members():
            return "an object"
        case list():
            return "an array"
        case str():
            shown = json.dumps(value)
        case _:
            shown = str(value)
    return shown if len(shown) <= _QUOTED_LENGTH else f"{shown[:_QUOTED_LENGTH]}..."
