"""The rows of one statement file: exact figures by key, and a reason for each refused row."""

import csv
from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import dataclass, field
from datetime import date
from decimal import Context, Decimal
from functools import cache, partial
from pathlib import Path
from typing import NamedTuple

from soundlink_assets.schema.statements import SPOTIFY, UNKNOWN_COUNTRY
from soundlink_assets.statements.mapping import (
    SEPARATORS,
    Mapping,
    currency_of,
    isrc_of,
    mapping_of,
    normalized,
)

EXACT = Context(prec=60)
"""Adds up amounts of 18 decimals without rounding."""

DECIMALS = Decimal(1).scaleb(-18)
MAX_AMOUNT = Decimal(10) ** 12
MAX_STREAMS = 10**15


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
    empty, or `same as X`, `replaced by X`, `refused`. `unknown_countries` are texts that were not
    understood as a country.
    """

    name: str
    shape: str = ""
    replaces: tuple[str, ...] = ()
    counts_as: str = ""
    figures: dict[Key, Figures] = field(default_factory=dict)
    refusals: list[Refusal] = field(default_factory=list)
    unknown_countries: set[str] = field(default_factory=set)

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

    @property
    def other_stores(self) -> set[str]:
        """Stores that look like Spotify and are not joined."""
        stores = {key.store for key in self.figures} - {SPOTIFY}
        return {store for store in stores if SPOTIFY.casefold() in store.casefold()}

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
    except (OSError, ValueError, LookupError) as error:
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
    try:
        for cells in reader:
            first, last = last + 1, lines_before + reader.line_num
            yield Line(first, last, cells)
    except csv.Error as error:
        raise ValueError(f"from line {last + 1} on: {error}") from None


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
        names = [normalized(name) for name in header]
        wanted = mapping.columns.headers() if mapping.columns else {}
        self._at = {field: names.index(normalized(name)) for field, name in wanted.items()}
        self._width = len(header)
        self._mapping = mapping
        self._file = file
        self._number = partial(mapping.number, mapping.number_pattern())
        # A file repeats few values many times.
        self._isrc, self._currency = cache(isrc_of), cache(currency_of)
        self._month, self._store = cache(mapping.month), cache(mapping.store_of)
        self._country = cache(self._country_of)

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
        number = self._number("streams", text)
        if abs(number) >= MAX_STREAMS:
            raise ValueError(f"streams {text!r} is out of range")
        if number != int(number):
            raise ValueError(f"streams {text!r} is not a whole number")
        return int(number)

    def _revenue(self, text: str) -> Decimal:
        number = self._number("revenue", text)
        if abs(number) >= MAX_AMOUNT:
            raise ValueError(f"revenue {text!r} is out of range")
        return number.quantize(DECIMALS, context=EXACT)

    def _country_of(self, text: str) -> str:
        code = self._mapping.country_of(text)
        if text and code == UNKNOWN_COUNTRY:
            self._file.unknown_countries.add(text)
        return code
