"""Whole lines of a delivery as a frame of typed rows, by a decoder made from the export's columns.

The decoder is a `msgspec.Struct`. What it takes without a doubt is what `lines` takes, with the
same values; every other line is read there. So there is one definition of a valid line, and no line
that only one of the two knows.
"""

import re
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from functools import cache
from operator import attrgetter
from typing import Annotated, Any

import msgspec
import polars as pl

from soundlink_assets.provider.errors import UnreadableDelivery
from soundlink_assets.provider.lines import (
    BLANK,
    GREATEST_COUNT,
    LEAST_COUNT,
    MONEY_STEP,
    WrongValueError,
    extra_text,
    load_json,
    read_line,
    typed_value,
)
from soundlink_assets.schema.exports import EXTRA, Export
from soundlink_assets.schema.frames import MONEY, polars_schema
from soundlink_assets.schema.tables import Column, Kind

LINE = "__line__"
"""The column after those of the export that holds the number of the line that a row stood in."""

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
    Kind.COUNT: Annotated[int, msgspec.Meta(ge=LEAST_COUNT, le=GREATEST_COUNT)],
    Kind.MONEY: float,
    Kind.RATIO: float,
    Kind.FLAG: bool,
}


_UNDECIDED = (msgspec.MsgspecError, ValueError, RecursionError, UnreadableDelivery)
"""Where the decoder fails in one of these ways, the exact reading decides."""


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
        lines = dict(enumerate(text.split(b"\n"), first_line))
        found = self._decoded(lines, may_decode=not _SPACED_COLON.search(text))
        frame = self._typed(found)
        exact = found.exact
        if frame.height < len(found.numbers):
            unsure = sorted(set(found.numbers) - set(frame[LINE]))
            exact += [self._exact_row(lines, number) for number in unsure]
        if found.violation is not None:
            raise found.violation
        if not exact:
            return frame
        others = pl.DataFrame(exact, schema=self._schema, orient="row")
        return pl.concat([frame, others]).sort(LINE)

    def _decoded(self, lines: Mapping[int, bytes], *, may_decode: bool) -> "_Decoded":
        """The lines that the decoder takes and those that it does not, up to a wrong one.

        A key that stands twice, or that the export does not name, is seen by counting what ends
        keys: as many as there are columns, in a line that has every column, are those columns.
        """
        found = _Decoded()
        decode, width = self._decode_full, len(self._columns)
        for number, raw in lines.items():
            try:
                if may_decode and raw:
                    if raw.count(_KEY_END) == width:
                        found.rows.append(decode(raw))
                    else:
                        row, extra = self._decode_other_keys(raw)
                        found.rows.append(row)
                        if extra is not None:
                            found.extras[number] = extra
                    found.numbers.append(number)
                    continue
            except _UNDECIDED:
                pass
            if raw.strip(BLANK):
                try:
                    found.exact.append(self._exact_row(lines, number))
                except UnreadableDelivery as violation:
                    found.violation = violation
                    break
        return found

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
        extra = extra_text({key: load_json(value) for key, value in unknown.items()}, 0)
        self.extra_fields.update(unknown)
        return row, extra

    def _typed(self, found: "_Decoded") -> pl.DataFrame:
        """The frame of the decoded rows, without those that only the exact reading can judge."""
        if not found.rows:
            return pl.DataFrame(schema=self._schema)
        is_sure = pl.repeat(value=True, n=len(found.rows), dtype=pl.Boolean, eager=True)
        series: list[pl.Series] = []
        for column in self._columns:
            values = list(map(attrgetter(column.name), found.rows))
            typed, are_sure = self._typed_column(column, values)
            series.append(typed)
            if are_sure is not None:
                is_sure &= are_sure
        extras = [found.extras.get(number) for number in found.numbers] if found.extras else []
        series.append(pl.Series(EXTRA, extras or [None] * len(found.rows), dtype=pl.String))
        series.append(pl.Series(LINE, found.numbers, dtype=pl.UInt32))
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
            steps = amounts / float(MONEY_STEP)
            is_sure = (amounts.abs() < _SURE_MONEY) & ((steps - steps.round()).abs() < 0.25)  # noqa: PLR2004
            is_sure = is_sure.fill_null(value=True)
            return amounts.set(~is_sure, None).cast(MONEY), is_sure
        typed = pl.Series(column.name, values, dtype=dtype)
        if column.name == "schema_version":
            return typed, typed == self._export.schema_version
        return typed, None

    def _exact_row(self, lines: Mapping[int, bytes], number: int) -> tuple[Any, ...]:
        has_newline = number + 1 in lines
        line = read_line(lines[number], number, self._export, has_newline=has_newline)
        self.extra_fields.update(line.extra_fields)
        return (*line.values.values(), line.extra, number)


@dataclass(slots=True)
class _Decoded:
    """The lines of a block: rows as structs, the extra text of some by number, rows read exactly.

    `violation` is that of the line at which the reading ended.
    """

    numbers: list[int] = field(default_factory=list)
    rows: list[Any] = field(default_factory=list)
    extras: dict[int, str] = field(default_factory=dict)
    exact: list[tuple[Any, ...]] = field(default_factory=list)
    violation: UnreadableDelivery | None = None


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
