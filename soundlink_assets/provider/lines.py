"""One line of a delivery, read exactly: its typed values, or the violation that it holds.

This is the definition of a valid line and of a valid value. It is slow (some 40,000 lines a
second); `decoder` reads the usual lines faster, and leaves every other one to this module.
"""

import json
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, date, datetime
from decimal import ROUND_HALF_UP, Decimal, InvalidOperation
from typing import Any

import msgspec

from soundlink_assets.provider.errors import ContractViolation
from soundlink_assets.schema.exports import EXTRA, Export
from soundlink_assets.schema.tables import Column, Kind

BLANK = b" \t\r\n"
"""The bytes that JSON allows between its tokens."""

LEAST_COUNT, GREATEST_COUNT = -(2**63), 2**63 - 1
MONEY_STEP = Decimal("0.000001")
_MONEY_BOUND = Decimal(10) ** 12
_QUOTED_LENGTH = 60
"""Characters of a wrong value that a message repeats."""

_DATE = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}")
_TIMESTAMP = re.compile(
    r"[0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9]{2}:[0-9]{2}:[0-9]{2}(\.[0-9]+)?(Z|[+-][0-9]{2}:[0-9]{2})"
)
_VERSION = re.compile(rb'"schema_version"\s*:\s*"([^"\\]*)"')


class WrongValueError(Exception):
    """A value that a column cannot hold; the text says what it is."""


class _Members(list[tuple[str, Any]]):
    """A JSON object as its members in order, so that a doubled key is seen."""


@dataclass(frozen=True, slots=True)
class NotANumber:
    """A token that stands where JSON has a number and is none that can be held: `NaN`, 1e9999..."""

    text: str

    def __str__(self) -> str:
        return self.text


def number_of(text: str) -> Decimal | NotANumber:
    """The value of a JSON number with a fraction or an exponent."""
    try:
        return Decimal(text)
    except InvalidOperation:
        return NotANumber(text)


def read_line(
    raw: bytes, number: int, export: Export, *, has_newline: bool
) -> tuple[dict[str, Any], list[str]]:
    """Line `number` of a delivery, not blank, as a row of `export.delivered`; and its unknown keys.

    `has_newline` is False for a last line that the body ends in. Counts come as int, money as
    Decimal with six decimals (halves away from zero), ratios as float, dates and timestamps as
    date and datetime in UTC, the unknown fields as compact JSON text with sorted keys.

    Raises ContractViolation. Another `schema_version` goes before all else that is wrong.
    """
    try:
        members = _load_json(raw)
    except (ValueError, RecursionError) as error:
        stated = _VERSION.search(raw)
        if stated and stated[1] != export.schema_version.encode():
            raise _other_version(stated[1].decode(errors="replace"), number, export) from error
        reason = (
            f"{error.msg} at character {error.pos + 1}"
            if isinstance(error, json.JSONDecodeError)
            else str(error)
        )
        raise ContractViolation(
            f"not a line of JSON: {reason}", line=number, is_cut_off=not has_newline
        ) from error
    if not isinstance(members, _Members):
        raise ContractViolation(f"{_describe(members)} where an object is due", line=number)
    for key, value in members:
        if key == "schema_version" and value not in (None, export.schema_version):
            raise _other_version(value, number, export)
    keys = [key for key, _ in members]
    found = dict(members)
    if len(found) < len(keys):
        doubled = next(key for key in keys if keys.count(key) > 1)
        raise ContractViolation("the key stands twice in one object", line=number, field=doubled)
    values = {column.name: _value(column, found, number) for column in export.rows.columns}
    unknown = {}
    for key in keys:
        if key not in values:
            try:
                unknown[key] = _storable(found[key])
            except (WrongValueError, RecursionError) as error:
                raise ContractViolation(str(error), line=number, field=key) from error
    extra = _encode_extra(unknown).decode() if unknown else None
    return {**values, EXTRA: extra}, list(unknown)


def typed_value(kind: Kind, value: Any) -> Any:
    """A JSON value, its fractions read by `number_of`, as what a column of that kind holds.

    Raises WrongValueError.
    """
    return _READERS[kind](value)


_decode_json = json.JSONDecoder(
    object_pairs_hook=_Members, parse_float=number_of, parse_constant=NotANumber
).decode


def _load_json(raw: bytes) -> Any:
    text = raw.decode()
    loaded = _decode_json(text)
    if "\\u" in text:
        # An escaped lone surrogate is valid JSON and still no text: UTF-8 cannot hold it.
        json.dumps(json.loads(text), ensure_ascii=False).encode()
    return loaded


def _value(column: Column, found: Mapping[str, Any], number: int) -> Any:
    value = found.get(column.name)
    if value is None:
        if column.name not in found and column.required:
            raise ContractViolation("a required key is missing", line=number, field=column.name)
        if not column.nullable:
            raise ContractViolation(
                "null where a value is required", line=number, field=column.name
            )
        return None
    try:
        return typed_value(column.kind, value)
    except WrongValueError as error:
        raise ContractViolation(str(error), line=number, field=column.name) from error


_encode_extra = msgspec.json.Encoder(decimal_format="number", order="deterministic").encode


def _storable(value: Any) -> Any:
    """A loaded JSON value as one that has one spelling; a float where that is exact."""
    match value:
        case _Members():
            return {key: _storable(member) for key, member in value}
        case list():
            return [_storable(item) for item in value]
        case NotANumber():
            raise WrongValueError(f"{value} is not a number of JSON")
        case Decimal():
            nearest = float(value)
            return nearest if Decimal(repr(nearest)) == value else value
        case _:
            return value


def _other_version(value: Any, number: int, export: Export) -> ContractViolation:
    return ContractViolation(
        f"schema version {_describe(value)}, where {export.schema_version!r} is known",
        check="schema_version",
        line=number,
        field="schema_version",
    )


def _text(value: Any) -> str:
    if not isinstance(value, str):
        raise WrongValueError(f"{_describe(value)} where text is due")
    if not value.isascii():
        try:
            value.encode()
        except UnicodeEncodeError:
            raise WrongValueError(f"{_describe(value)} is not text: half a character") from None
    return value


def _count(value: Any) -> int:
    if not isinstance(value, int) or isinstance(value, bool):
        raise WrongValueError(f"{_describe(value)} where an integer is due")
    if not LEAST_COUNT <= value <= GREATEST_COUNT:
        raise WrongValueError(f"{_describe(value)} is out of the range of 64-bit integers")
    return value


def _number(value: Any) -> Decimal:
    if not isinstance(value, int | Decimal) or isinstance(value, bool):
        raise WrongValueError(f"{_describe(value)} where a number is due")
    return Decimal(value)


def _money(value: Any) -> Decimal:
    number = _number(value)
    if abs(number) < _MONEY_BOUND:
        rounded = number.quantize(MONEY_STEP, ROUND_HALF_UP)
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
        case _Members() | dict():
            return "an object"
        case list():
            return "an array"
        case str():
            shown = json.dumps(value)
        case _:
            shown = str(value)
    return shown if len(shown) <= _QUOTED_LENGTH else f"{shown[:_QUOTED_LENGTH]}..."
