"""Whole lines of a delivery as a frame of typed rows, by a decoder made from the export's columns.

The decoder is a `msgspec.Struct`. It takes a line that has every column and no other key, where its
values are certain to be those of `lines`; every other line is read there, which is the definition
of a valid line.
"""

import re
from collections.abc import Callable, Iterable, Mapping
from contextlib import suppress
from functools import cache
from operator import attrgetter
from typing import Annotated, Any

import msgspec
import polars as pl

from soundlink_assets.provider.errors import ContractViolation
from soundlink_assets.provider.lines import (
    BLANK,
    GREATEST_COUNT,
    LEAST_COUNT,
    MONEY_STEP,
    WrongValueError,
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
_DECODED_DTYPES: dict[Kind, pl.DataType] = {
    Kind.DATE: pl.String(),
    Kind.TIMESTAMP: pl.String(),
    Kind.MONEY: pl.Float64(),
}


class LineDecoder:
    """Turns the lines of one export into rows. `extra_fields` are the unknown keys seen so far."""

    def __init__(self, export: Export) -> None:
        self._export = export
        self._decode = _decoder(export)
        self._schema = {**polars_schema(export.delivered), LINE: pl.UInt32()}
        self.extra_fields: set[str] = set()

    def read(self, text: bytes, first_line: int) -> pl.DataFrame:
        """The rows of whole lines in their order, with the columns of `delivered` and `LINE`.

        Only the last line may lack its newline. Raises ContractViolation for the first line with
        another `schema_version`, else for the first that is wrong.
        """
        lines = dict(enumerate(text.split(b"\n"), first_line))
        frame = self._typed({} if _SPACED_COLON.search(text) else self._decoded(lines))
        decided = set(frame[LINE])
        exact = self._exact_rows(lines, [number for number in lines if number not in decided])
        if not exact:
            return frame
        others = pl.DataFrame(exact, schema=self._schema, orient="row")
        return pl.concat([frame, others]).sort(LINE)

    def _decoded(self, lines: Mapping[int, bytes]) -> dict[int, Any]:
        """The lines that the decoder takes, by number.

        A key that stands twice, or that the export does not name, is seen by counting what ends
        keys: as many as there are columns, in a line that has every column, are those columns.
        """
        decode, width = self._decode, len(self._export.rows.columns)
        rows: dict[int, Any] = {}
        for number, raw in lines.items():
            if raw.count(_KEY_END) == width:
                try:
                    rows[number] = decode(raw)
                except (msgspec.MsgspecError, ValueError, RecursionError):
                    continue  # the exact reading decides, and says what is wrong
        return rows

    def _typed(self, rows: Mapping[int, Any]) -> pl.DataFrame:
        """The frame of the decoded rows, without those that only the exact reading can judge."""
        if not rows:
            return pl.DataFrame(schema=self._schema)
        is_sure = pl.repeat(value=True, n=len(rows), dtype=pl.Boolean, eager=True)
        series: list[pl.Series] = []
        for column in self._export.rows.columns:
            dtype = self._schema[column.name]
            values = pl.Series(
                column.name,
                list(map(attrgetter(column.name), rows.values())),
                dtype=_DECODED_DTYPES.get(column.kind, dtype),
            )
            typed = self._typed_column(column, values, dtype)
            if typed.null_count() > values.null_count():
                is_sure &= typed.is_not_null() | values.is_null()
            series.append(typed)
        series.append(pl.Series(EXTRA, [None] * len(rows), dtype=pl.String))
        series.append(pl.Series(LINE, list(rows), dtype=pl.UInt32))
        frame = pl.DataFrame(series)
        return frame if is_sure.all() else frame.filter(is_sure)

    def _typed_column(self, column: Column, values: pl.Series, dtype: pl.DataType) -> pl.Series:
        """The column as it is stored, with null for every value that is not certain."""
        if column.kind in {Kind.DATE, Kind.TIMESTAMP}:
            return _stamps(values, column.kind, dtype)
        if column.kind is Kind.MONEY:
            steps = values / float(MONEY_STEP)
            is_sure = (values.abs() < _SURE_MONEY) & ((steps - steps.round()).abs() < 0.25)  # noqa: PLR2004
            return values.set(~is_sure, None).cast(MONEY)
        if column.name == "schema_version":
            return values.set(values != self._export.schema_version, None)
        return values

    def _exact_rows(
        self, lines: Mapping[int, bytes], numbers: Iterable[int]
    ) -> list[tuple[Any, ...]]:
        rows: list[tuple[Any, ...]] = []
        violation: ContractViolation | None = None
        for number in numbers:
            raw = lines[number]
            if not raw.strip(BLANK):
                continue
            try:
                row, unknown = read_line(raw, number, self._export, has_newline=number + 1 in lines)
            except ContractViolation as found:
                if found.check == "schema_version":
                    raise
                violation = violation or found
            else:
                rows.append((*row.values(), number))
                self.extra_fields.update(unknown)
        if violation is not None:
            raise violation
        return rows


def _stamps(texts: pl.Series, kind: Kind, dtype: pl.DataType) -> pl.Series:
    """The dates or timestamps that the texts are, null where one is not; few of them differ."""
    known: dict[str, Any] = {}
    for text in texts.unique().drop_nulls():
        with suppress(WrongValueError):
            known[text] = typed_value(kind, text)
    stamps = pl.Series(list(known.values()), dtype=dtype)
    return texts.replace_strict(list(known), stamps, default=None, return_dtype=dtype)


@cache
def _decoder(export: Export) -> Callable[[bytes], Any]:
    """The decoder of a line as a struct with the export's columns, none of them absent."""
    fields: list[Any] = []
    for column in export.rows.columns:
        kind = _DECODED_AS[column.kind]
        fields.append((column.name, kind | None if column.nullable else kind))
    return msgspec.json.Decoder(msgspec.defstruct(export.name, fields, gc=False)).decode
