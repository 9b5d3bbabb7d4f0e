"""The rows of one statement file: exact figures by key, and a reason for each refused row."""

import csv
import re
from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import dataclass, field
from datetime import date, datetime
from decimal import Context, Decimal
from functools import cache, partial
from pathlib import Path
from typing import NamedTuple

from soundlink_assets.schema.statements import SPOTIFY, UNKNOWN_COUNTRY
from soundlink_assets.statements.mapping import (
    SEPARATORS,
    Mapping,
    MappingError,
    mapping_of,
    normalized,
)

EXACT = Context(prec=60)
"""Adds up amounts of 18 decimals without rounding."""

DECIMALS = Decimal(1).scaleb(-18)
MAX_AMOUNT = Decimal(10) ** 12
MAX_STREAMS = 10**15

_ISRC = re.compile(r"[A-Z]{2}[A-Z0-9]{3}[0-9]{7}")
_MONTH = re.compile(r"([0-9]{4})-([0-9]{2})(-[0-9]{2}.*)?")


class Key(NamedTuple):
    """What figures are added up by: the key of the table."""

    isrc: str
    store: str
    month: date
    country_code: str
    currency: str


@dataclass(slots=True)
class Figures:
    """Sums of the rows of one key."""

    streams: int = 0
    revenue: Decimal = Decimal(0)
    row_count: int = 0

    def add(self, streams: int, revenue: Decimal, row_count: int = 1) -> None:
        """Add rows to the sums."""
        self.streams += streams
        self.revenue = EXACT.add(self.revenue, revenue)
        self.row_count += row_count


@dataclass(frozen=True, slots=True)
class Refusal:
    """A row that was not counted, or a file (line 0), and why."""

    file: str
    line: int
    reason: str


@dataclass(slots=True)
class StatementFile:
    """What one file holds.

    `shape` is the known shape or `mapping`. `counts_as` says why the figures are not counted:
    empty, or `same as X`, `replaced by X`, `refused`. `unknown_countries` and `other_stores` are
    texts that were not understood as a country, or that look like Spotify and are not joined.
    """

    name: str
    shape: str = ""
    replaces: tuple[str, ...] = ()
    counts_as: str = ""
    figures: dict[Key, Figures] = field(default_factory=dict)
    refusals: list[Refusal] = field(default_factory=list)
    unknown_countries: set[str] = field(default_factory=set)
    other_stores: set[str] = field(default_factory=set)

    def refuse(self, line: int, reason: str) -> None:
        """Note that a row is not counted, or with line 0 the whole file."""
        self.refusals.append(Refusal(self.name, line, reason))

    @property
    def row_count(self) -> int:
        """Rows that were understood."""
        return sum(figures.row_count for figures in self.figures.values())

    @property
    def months(self) -> set[date]:
        """The sale months of its rows."""
        return {key.month for key in self.figures}

    def totals(self) -> dict[str, Figures]:
        """The exact sums by currency."""
        sums: dict[str, Figures] = {}
        for key, figures in sorted(self.figures.items()):
            sums.setdefault(key.currency, Figures()).add(
                figures.streams, figures.revenue, figures.row_count
            )
        return sums


class Line(NamedTuple):
    """The cells of a row, and the lines of the file that it takes."""

    first: int
    last: int
    cells: list[str]


def read_file(path: Path) -> StatementFile:
    """The figures of a CSV or Parquet file, and its refused rows; refused whole if unreadable."""
    file = StatementFile(path.name)
    try:
        mapping = mapping_of(path)
        file.replaces = mapping.replaces
        with ExitStack() as stack:
            if path.suffix.lower() == ".parquet":
                header, lines = _parquet_lines(path, mapping)
                shape = _shape_of(mapping, header)
            else:
                shape, lines, header = _csv_lines(path, mapping, stack)
            file.shape, mapping = shape
            _read_lines(file, mapping, header, lines)
    except (OSError, ValueError, LookupError, csv.Error) as error:
        file.figures.clear()
        file.counts_as = "refused"
        file.refuse(0, str(error))
    return file


def _read_lines(
    file: StatementFile, mapping: Mapping, header: list[str], lines: Iterator[Line]
) -> None:
    parse = _Parser(mapping, header, file)
    for line in lines:
        if not any(cell.strip() for cell in line.cells):
            continue
        try:
            key, streams, revenue = parse(line)
        except ValueError as error:
            file.refuse(line.first, str(error))
        else:
            file.figures.setdefault(key, Figures()).add(streams, revenue)


def _shape_of(mapping: Mapping, header: list[str]) -> tuple[str, Mapping]:
    """The shape whose columns the header has. ValueError that says what is lacking."""
    shapes = mapping.shapes()
    for name, shape in shapes.items():
        if not shape.lacking(header):
            return name, shape
    nearest = min(shapes.values(), key=lambda shape: len(shape.lacking(header)))
    raise ValueError(
        f"not once in the header: {', '.join(nearest.lacking(header))}. Found: "
        f"{', '.join(header)[:200]}. A mapping file can name the columns"
    )


def _csv_lines(
    path: Path, mapping: Mapping, stack: ExitStack
) -> tuple[tuple[str, Mapping], Iterator[Line], list[str]]:
    """Shape, rows and header of a CSV file, in the encoding and with the separator that it has."""
    text = stack.enter_context(
        path.open(encoding=mapping.encoding or _encoding_of(path), newline="")
    )
    for _ in range(mapping.skip_lines):
        text.readline()
    first = text.readline()
    if not first.strip():
        raise ValueError("the file is empty")
    problems = []
    for separator in (mapping.separator,) if mapping.separator else SEPARATORS:
        header = next(csv.reader([first], delimiter=separator))
        try:
            shape = _shape_of(mapping, header)
        except ValueError as error:
            problems.append((-len(header), str(error)))
            continue
        return shape, _numbered(text, separator, mapping.skip_lines + 1), header
    raise ValueError(min(problems)[1])


def _numbered(text: Iterator[str], separator: str, lines_before: int) -> Iterator[Line]:
    reader = csv.reader(text, delimiter=separator)
    last = lines_before
    for cells in reader:
        first, last = last + 1, lines_before + reader.line_num
        yield Line(first, last, cells)


def _encoding_of(path: Path) -> str:
    """UTF-8 or UTF-16 by their marks, UTF-8 if all of it is, Latin-1 otherwise."""
    with path.open("rb") as content:
        if content.read(2) in {b"\xff\xfe", b"\xfe\xff"}:
            return "utf-16"
    try:
        with path.open(encoding="utf-8-sig") as text:
            while text.read(2**20):
                pass
    except UnicodeDecodeError:
        return "latin-1"
    return "utf-8-sig"


def _parquet_lines(path: Path, mapping: Mapping) -> tuple[list[str], Iterator[Line]]:
    """Header and rows of a Parquet file, the cells as the mapping would have them in a CSV."""
    import polars as pl

    try:
        frame = pl.read_parquet(path)
    except pl.exceptions.PolarsError as error:
        raise ValueError(f"not a Parquet file: {error}") from None
    lines = (
        Line(number, number, [_text(value, mapping) for value in row])
        for number, row in enumerate(frame.iter_rows(), 1)
    )
    return frame.columns, lines


def _text(value: object, mapping: Mapping) -> str:
    if value is None:
        return ""
    if isinstance(value, date) and mapping.month_format:
        return value.strftime(mapping.month_format)
    if isinstance(value, float | Decimal):
        return str(value).replace(".", mapping.decimal)
    return str(value)


class _Parser:
    """Reads the cells of a row; ValueError says which cell is wrong, and how."""

    def __init__(self, mapping: Mapping, header: list[str], file: StatementFile) -> None:
        if mapping.columns is None:
            raise MappingError("the mapping has no columns")
        names = [normalized(name) for name in header]
        wanted = mapping.columns.headers()
        self._at = {field: names.index(normalized(name)) for field, name in wanted.items()}
        self._width = len(header)
        self._mapping = mapping
        self._file = file
        self._amount = partial(_amount, _number_pattern(mapping), mapping)
        # A file repeats few values many times.
        self._month = cache(self._read_month)
        self._isrc = cache(_read_isrc)
        self._store = cache(self._read_store)
        self._country = cache(self._read_country)
        self._currency = cache(_read_currency)

    def __call__(self, line: Line) -> tuple[Key, int, Decimal]:
        mapping, cells = self._mapping, line.cells
        if line.last > line.first:
            raise ValueError(f"goes on until line {line.last}: a quote is not closed")
        if len(cells) != self._width:
            raise ValueError(f"{len(cells)} cells where the header has {self._width}")
        key = Key(
            self._isrc(self._cell(cells, "isrc")),
            self._store(self._cell(cells, "store", mapping.store)),
            self._month(self._cell(cells, "sale_month")),
            self._country(self._cell(cells, "country_code", mapping.country_code)),
            self._currency(self._cell(cells, "currency", mapping.currency)),
        )
        streams, revenue = self._cell(cells, "streams"), self._cell(cells, "revenue")
        if not streams and not revenue:
            raise ValueError("neither streams nor revenue")
        return key, self._streams(streams), self._revenue(revenue)

    def _cell(self, cells: list[str], field: str, constant: str | None = None) -> str:
        at = self._at.get(field)
        return (constant or "") if at is None else cells[at].strip()

    def _streams(self, text: str) -> int:
        number = self._amount("streams", text)
        if number != number.to_integral_value():
            raise ValueError(f"streams {text!r} is not a whole number")
        if abs(number) >= MAX_STREAMS:
            raise ValueError(f"streams {text!r} is out of range")
        return int(number)

    def _revenue(self, text: str) -> Decimal:
        number = self._amount("revenue", text)
        if abs(number) >= MAX_AMOUNT:
            raise ValueError(f"revenue {text!r} is out of range")
        return number.quantize(DECIMALS, context=EXACT)

    def _read_month(self, text: str) -> date:
        wrong = ValueError(f"sale month {text!r} is not {self._mapping.month_format or 'YYYY-MM'}")
        try:
            if self._mapping.month_format:
                parsed = datetime.strptime(text, self._mapping.month_format)  # noqa: DTZ007
                return parsed.date().replace(day=1)
            match = _MONTH.fullmatch(text)
            if match is None:
                raise wrong
            return date(int(match[1]), int(match[2]), 1)
        except ValueError:
            raise wrong from None

    def _read_store(self, text: str) -> str:
        if not text:
            raise ValueError("no store")
        stores = {name.casefold(): store for name, store in self._mapping.stores.items()}
        store = stores.get(text.casefold(), text)
        if store.casefold() == SPOTIFY.casefold():
            return SPOTIFY
        if SPOTIFY.casefold() in store.casefold():
            self._file.other_stores.add(store)
        return store

    def _read_country(self, text: str) -> str:
        code = {
            **_country_codes(),
            **{name.casefold(): code for name, code in self._mapping.countries.items()},
        }.get(text.casefold(), text.upper())
        if re.fullmatch("[A-Z]{2}", code):
            return code
        if text:
            self._file.unknown_countries.add(text)
        return UNKNOWN_COUNTRY


def _read_isrc(text: str) -> str:
    isrc = re.sub(r"[\s-]", "", text).upper()
    if not isrc:
        raise ValueError("no ISRC")
    if not _ISRC.fullmatch(isrc):
        raise ValueError(f"{text!r} is not an ISRC")
    return isrc


def _read_currency(text: str) -> str:
    if not re.fullmatch("[A-Za-z]{3}", text):
        raise ValueError(f"currency {text!r} is not three letters" if text else "no currency")
    return text.upper()


@cache
def _country_codes() -> dict[str, str]:
    """English names of countries, in lower case, and the code that some write for GB."""
    from babel import Locale

    names = Locale("en").territories.items()
    codes = {name.casefold(): code for code, name in names if re.fullmatch("[A-Z]{2}", code)}
    return {**codes, "uk": "GB"}


def _number_pattern(mapping: Mapping) -> re.Pattern[str]:
    point, apart = re.escape(mapping.decimal), re.escape(mapping.thousands)
    whole = rf"[0-9]{{1,3}}(?:{apart}[0-9]{{3}})+|[0-9]+" if apart else "[0-9]+"
    return re.compile(
        rf"[+-]?(?:(?:{whole})(?:{point}[0-9]*)?|{point}[0-9]+)(?:[eE][+-]?[0-9]{{1,3}})?"
    )


def _amount(pattern: re.Pattern[str], mapping: Mapping, field: str, text: str) -> Decimal:
    """A number as the mapping writes it; 0 for an empty cell."""
    if not text:
        return Decimal(0)
    if not pattern.fullmatch(text):
        hint = "" if mapping.decimal != "." or "," not in text else "; see `decimal`, `thousands`"
        raise ValueError(f"{field} {text!r} is not a number{hint}")
    plain = text.replace(mapping.thousands, "") if mapping.thousands else text
    return Decimal(plain.replace(mapping.decimal, "."))
