"""Lines of a delivery as typed rows: a fast decoder made from the columns, and the exact reading.

The exact reading defines what a valid line is: it names the field that is wrong, and is slow. The
decoder is a `msgspec.Struct` made from the export's columns. What it takes without a doubt is what
the exact reading takes, with the same values; every other line is read exactly. So there is one
definition and no line that only one of the two knows.
"""

import json
import re
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, date, datetime
from decimal import ROUND_HALF_UP, Decimal, InvalidOperation
from functools import cache
from operator import attrgetter
from typing import Annotated, Any

import msgspec
import polars as pl

from soundlink_assets.provider.errors import UnreadableDelivery
from soundlink_assets.schema.exports import EXTRA, Export
from soundlink_assets.schema.frames import MONEY, polars_schema
from soundlink_assets.schema.tables import Column, Kind

BLANK = b" \t\r\n"
"""The bytes that JSON allows between its tokens."""

LINE = "__line__"
"""The column after those of the export that holds the number of the line that a row stood in."""

_LEAST_COUNT, _GREATEST_COUNT = -(2**63), 2**63 - 1
_MONEY_STEP = Decimal("0.000001")
_MONEY_BOUND = Decimal(10) ** 12
_QUOTED_LENGTH = 60
"""Characters of a wrong value that a message repeats."""

_DATE = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}")
_TIMESTAMP = re.compile(
    r"[0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9]{2}:[0-9]{2}:[0-9]{2}(\.[0-9]+)?(Z|[+-][0-9]{2}:[0-9]{2})"
)
_VERSION_IN_BROKEN_LINE = re.compile(rb'"schema_version"\s*:\s*"([^"\\]*)"')


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


# The exact reading


@dataclass(frozen=True, slots=True)
class Line:
    """A valid line: the values of the export's fields, and the others as JSON text, if any."""

    values: dict[str, Any]
    extra: str | None
    extra_fields: tuple[str, ...]


def read_line(raw: bytes, number: int, export: Export, *, has_newline: bool) -> Line:
    """Reads line `number` of a delivery, which is not blank.

    `has_newline` is False for a last line that the body ends in. Counts come as int, money as
    Decimal with six decimals (halves away from zero), ratios as float, dates and timestamps as
    date and datetime in UTC.

    Raises UnreadableDelivery. Another `schema_version` goes before all else that is wrong.
    """
    try:
        members = _load(raw)
    except (ValueError, RecursionError) as error:
        stated = _VERSION_IN_BROKEN_LINE.search(raw)
        if stated and stated[1] != export.schema_version.encode():
            raise _other_version(stated[1].decode(errors="replace"), number, export) from error
        reason = (
            f"{error.msg} at character {error.pos + 1}"
            if isinstance(error, json.JSONDecodeError)
            else str(error)
        )
        raise UnreadableDelivery(
            f"not a line of JSON: {reason}", line=number, is_cut_off=not has_newline
        ) from error
    if not isinstance(members, _Members):
        raise UnreadableDelivery(f"{_describe(members)} where an object is due", line=number)
    for key, value in members:
        if key == "schema_version" and value not in (None, export.schema_version):
            raise _other_version(value, number, export)
    keys = [key for key, _ in members]
    found = dict(members)
    if len(found) < len(keys):
        doubled = next(key for key in keys if keys.count(key) > 1)
        raise UnreadableDelivery("the key stands twice in one object", line=number, field=doubled)
    values = {column.name: _value(column, found, number) for column in export.rows.columns}
    unknown = {key: found[key] for key in keys if key not in values}
    return Line(values, _extra_text(unknown, number), tuple(unknown))


def typed_value(kind: Kind, value: Any) -> Any:
    """A JSON value, its fractions read by `number_of`, as what a column of that kind holds.

    Raises WrongValueError.
    """
    return _READERS[kind](value)


_decode_json = json.JSONDecoder(
    object_pairs_hook=_Members, parse_float=number_of, parse_constant=NotANumber
).decode


def _load(raw: bytes) -> Any:
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
            raise UnreadableDelivery("a required key is missing", line=number, field=column.name)
        if not column.nullable:
            raise UnreadableDelivery(
                "null where a value is required", line=number, field=column.name
            )
        return None
    try:
        return typed_value(column.kind, value)
    except WrongValueError as error:
        raise UnreadableDelivery(str(error), line=number, field=column.name) from error


def _extra_text(unknown: Mapping[str, Any], number: int) -> str | None:
    """Fields that the schema does not name as compact JSON text, keys sorted; None without any."""
    known = {}
    for key, value in unknown.items():
        try:
            known[key] = _storable(value)
        except (WrongValueError, RecursionError) as error:
            raise UnreadableDelivery(str(error), line=number, field=key) from error
    return _encode_extra(known).decode() if known else None


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


def _other_version(value: Any, number: int, export: Export) -> UnreadableDelivery:
    return UnreadableDelivery(
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
        case _Members() | dict():
            return "an object"
        case list():
            return "an array"
        case str():
            shown = json.dumps(value)
        case _:
            shown = str(value)
    return shown if len(shown) <= _QUOTED_LENGTH else f"{shown[:_QUOTED_LENGTH]}..."


# The fast decoder

_KEY_END = b'":'
"""Ends every key of a line without white space before its colons; text may hold it as well."""

_SPACED_COLON = re.compile(rb'"[ \t\r]+:')

_SURE_MONEY = 1e8
"""Below it, a 64-bit float is within a quarter of a step of six decimals of the number it reads."""

_DECODED_AS: dict[Kind, Any] = {
    # msgspec is lax about dates, timestamps and Decimal, so they are decided afterwards.
    Kind.TEXT: str,
    Kind.DATE: str,
    Kind.TIMESTAMP: str,
    Kind.COUNT: Annotated[int, msgspec.Meta(ge=_LEAST_COUNT, le=_GREATEST_COUNT)],
    Kind.MONEY: float,
    Kind.RATIO: float,
    Kind.FLAG: bool,
}


class LineDecoder:
    """Turns the lines of one export into rows. `extra_fields` are the unknown keys seen so far."""

    def __init__(self, export: Export) -> None:
        self._export = export
        self._columns = export.rows.columns
        self._names = frozenset(export.rows.column_names)
        self._decode_full = _decoder(export, allows_absent=False)
        self._decode_any = _decoder(export, allows_absent=True)
        self._decode_members = msgspec.json.Decoder(dict[str, msgspec.Raw]).decode
        self._schema = {**polars_schema(export.delivered), LINE: pl.UInt32()}
        self.extra_fields: set[str] = set()

    def read(self, text: bytes, first_line: int) -> pl.DataFrame:
        """The rows of whole lines in their order, with the columns of `delivered` and `LINE`.

        Only the last line may lack its newline. Raises UnreadableDelivery for the first line that
        is wrong.
        """
        lines = text.split(b"\n")
        at, rows, extras = self._decoded(lines, may_decode=not _SPACED_COLON.search(text))
        frame = self._typed(rows, extras, [first_line + index for index in at])
        if frame.height == len(lines) - 1 and not lines[-1]:
            return frame
        sure = set((frame[LINE] - first_line).to_list())
        exact = [
            self._exact_row(lines[index], first_line + index, has_newline=index < len(lines) - 1)
            for index in range(len(lines))
            if index not in sure and lines[index].strip(BLANK)
        ]
        if not exact:
            return frame
        others = pl.DataFrame(exact, schema=self._schema, orient="row")
        return pl.concat([frame, others]).sort(LINE)

    def _decoded(
        self, lines: Sequence[bytes], *, may_decode: bool
    ) -> tuple[list[int], list[Any], dict[int, str]]:
        """The places of the lines that the decoder takes, their rows, and the extra text of some.

        A key that stands twice, or that the export does not name, is seen by counting what ends
        keys: as many as there are columns, in a line that has every column, are those columns.
        """
        at: list[int] = []
        rows: list[Any] = []
        extras: dict[int, str] = {}
        if not may_decode:
            return at, rows, extras
        decode, width = self._decode_full, len(self._columns)
        for index, raw in enumerate(lines):
            try:
                if raw.count(_KEY_END) == width:
                    rows.append(decode(raw))
                elif raw:
                    row, extra = self._decode_other_keys(raw)
                    rows.append(row)
                    if extra is not None:
                        extras[len(rows) - 1] = extra
                else:
                    continue
            except (msgspec.MsgspecError, ValueError, RecursionError, UnreadableDelivery):
                continue  # the exact reading decides
            at.append(index)
        return at, rows, extras

    def _decode_other_keys(self, raw: bytes) -> tuple[Any, str | None]:
        """A line with absent or unknown keys, and its extra text. Raises where it is not certain.

        Keys are counted as above; those within the values of unknown keys do not count.
        """
        row = self._decode_any(raw)
        members = self._decode_members(raw)
        unknown = {key: bytes(raw) for key, raw in members.items() if key not in self._names}
        nested = sum(value.count(_KEY_END) for value in unknown.values())
        if raw.count(_KEY_END) - nested != len(members):
            raise ValueError("a key may stand twice")
        extra = _extra_text({key: _load(value) for key, value in unknown.items()}, 0)
        self.extra_fields.update(unknown)
        return row, extra

    def _typed(
        self, rows: Sequence[Any], extras: Mapping[int, str], numbers: Sequence[int]
    ) -> pl.DataFrame:
        """The frame of the decoded rows, without those that only the exact reading can judge."""
        if not rows:
            return pl.DataFrame(schema=self._schema)
        is_sure = pl.repeat(value=True, n=len(rows), dtype=pl.Boolean, eager=True)
        series: list[pl.Series] = []
        for column in self._columns:
            values = list(map(attrgetter(column.name), rows))
            typed, are_sure = self._typed_column(column, values)
            series.append(typed)
            if are_sure is not None:
                is_sure &= are_sure
        texts = [extras.get(index) for index in range(len(rows))] if extras else [None] * len(rows)
        series.append(pl.Series(EXTRA, texts, dtype=pl.String))
        series.append(pl.Series(LINE, numbers, dtype=pl.UInt32))
        frame = pl.DataFrame(series)
        return frame if is_sure.all() else frame.filter(is_sure)

    def _typed_column(
        self, column: Column, values: Sequence[Any]
    ) -> tuple[pl.Series, pl.Series | None]:
        """The column, and which of its values are certain; None if all are."""
        dtype = self._schema[column.name]
        if column.kind in {Kind.DATE, Kind.TIMESTAMP}:
            texts = pl.Series(column.name, values, dtype=pl.String)
            typed = _stamps(texts, column.kind, dtype)
            return typed, None if typed.null_count() == texts.null_count() else typed.is_not_null()
        if column.kind is Kind.MONEY:
            amounts = pl.Series(column.name, values, dtype=pl.Float64)
            steps = amounts / float(_MONEY_STEP)
            is_sure = (amounts.abs() < _SURE_MONEY) & ((steps - steps.round()).abs() < 0.25)  # noqa: PLR2004
            is_sure = is_sure.fill_null(value=True)
            return amounts.set(~is_sure, None).cast(MONEY), is_sure
        typed = pl.Series(column.name, values, dtype=dtype)
        if column.name == "schema_version":
            return typed, typed == self._export.schema_version
        return typed, None

    def _exact_row(self, raw: bytes, number: int, *, has_newline: bool) -> tuple[Any, ...]:
        line = read_line(raw, number, self._export, has_newline=has_newline)
        self.extra_fields.update(line.extra_fields)
        return (*line.values.values(), line.extra, number)


def _stamps(texts: pl.Series, kind: Kind, dtype: pl.DataType) -> pl.Series:
    """The dates or timestamps that the texts are, null where one is not; few of them differ."""
    known: dict[str, Any] = {}
    for text in texts.unique().drop_nulls():
        with suppress(WrongValueError):
            known[text] = typed_value(kind, text)
    stamps = pl.Series(list(known.values()), dtype=dtype)
    return texts.replace_strict(list(known), stamps, default=None, return_dtype=dtype)


@cache
def _decoder(export: Export, *, allows_absent: bool) -> Callable[[bytes], Any]:
    """The decoder of a line as a struct with the export's columns in their order."""
    fields: list[Any] = []
    for column in export.rows.columns:
        kind = _DECODED_AS[column.kind]
        default = (None,) if allows_absent and not column.required else ()
        fields.append((column.name, kind | None if column.nullable else kind, *default))
    # Only keywords may have no default after one that has.
    struct = msgspec.defstruct(export.name, fields, kw_only=True, gc=False)
    return msgspec.json.Decoder(struct).decode
