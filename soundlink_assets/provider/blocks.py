"""From a block of lines to a typed frame.

Lines that match a pattern of `line_pattern` go to polars, all at once; every other line is read
by `lines`, which decides whether it is valid.
"""

from concurrent.futures import ThreadPoolExecutor

import polars as pl
from polars.exceptions import ComputeError

from soundlink_assets.provider.body import Block
from soundlink_assets.schema.exports import Export
from soundlink_assets.provider.line_pattern import has_pattern, line_pattern
from soundlink_assets.provider.lines import Line, read_line
from soundlink_assets.schema.frames import MONEY, polars_schema
from soundlink_assets.schema.tables import Kind

LINE = "__line__"
"""The column after the contract's that holds the number of the line that a row stood in."""

_DELIVERED_AS: dict[Kind, pl.DataType] = {
    # polars reads dates leniently and money not at all: both are converted afterwards.
    Kind.TEXT: pl.String(),
    Kind.DATE: pl.String(),
    Kind.TIMESTAMP: pl.String(),
    Kind.COUNT: pl.Int64(),
    Kind.MONEY: pl.Float64(),
    Kind.RATIO: pl.Float64(),
    Kind.FLAG: pl.Boolean(),
}

_WORTH_A_PATTERN = 32
"""So many lines that match no pattern make it worth making one from the first of them."""

_MOST_PATTERNS = 8
_LINES_PER_THREAD = 1_000


class BlockReader:
    """Reads the blocks of one delivery.

    It learns: where many valid lines have other keys than the contract prints, or another order of
    them, these get a pattern of their own.
    """

    def __init__(self, export: Export) -> None:
        self._export = export
        self._patterns = [line_pattern(export, export.rows.column_names)]
        self._extra_fields: set[str] = set()

    @property
    def extra_fields(self) -> tuple[str, ...]:
        """The keys seen so far that the contract does not name, sorted."""
        return tuple(sorted(self._extra_fields))

    def read(self, block: Block) -> pl.DataFrame:
        """The rows of a block in the order of its lines, with the column `LINE`.

        Raises UnreadableDelivery.
        """
        try:
            lines = pl.read_lines(block.text).to_series()
        except ComputeError:  # not UTF-8: the exact reading finds the line
            return self._read_exactly(block)
        is_recognised = self._recognise(lines)
        while self._learns_from(block, ~is_recognised):
            is_recognised = self._recognise(lines)
        rows = _read_recognised(block, lines, is_recognised, self._export)
        if rows is None:
            return self._read_exactly(block)
        if is_recognised.all():
            return rows
        return pl.concat([rows, self._read_exactly(block, ~is_recognised)]).sort(LINE)

    def _recognise(self, lines: pl.Series) -> pl.Series:
        is_recognised = pl.repeat(value=False, n=lines.len(), dtype=pl.Boolean, eager=True)
        for pattern in self._patterns:
            rest = (~is_recognised).arg_true()
            hits = _matches(lines if rest.len() == lines.len() else lines.gather(rest), pattern)
            is_recognised = is_recognised.scatter(rest.filter(hits), values=True)
            if hits.all():
                break
        return is_recognised

    def _learns_from(self, block: Block, is_unrecognised: pl.Series) -> bool:
        """Whether the first of these lines gave a pattern; that becomes the first one tried."""
        if is_unrecognised.sum() < _WORTH_A_PATTERN or len(self._patterns) == _MOST_PATTERNS:
            return False
        first = next(block.lines(is_unrecognised), None)
        if first is None:
            return False
        keys = self._read_line(*first).keys
        if not has_pattern(keys):
            return False
        pattern = line_pattern(self._export, keys)
        if not _matches(pl.Series([first[1].decode().strip()]), pattern).all():
            return False
        self._patterns.insert(0, pattern)
        return True

    def _read_exactly(self, block: Block, wanted: pl.Series | None = None) -> pl.DataFrame:
        numbers, rows = [], []
        for number, raw, has_newline in block.lines(wanted):
            numbers.append(number)
            rows.append(self._read_line(number, raw, has_newline).values)
        frame = pl.DataFrame(rows, schema=polars_schema(self._export.rows), orient="row")
        return frame.with_columns(pl.Series(LINE, numbers, dtype=pl.UInt32))

    def _read_line(self, number: int, raw: bytes, has_newline: bool) -> Line:  # noqa: FBT001
        line = read_line(raw, number, self._export, has_newline=has_newline)
        self._extra_fields.update(line.extra_keys)
        return line


def _matches(lines: pl.Series, pattern: str) -> pl.Series:
    """Which lines match, on all cores; polars itself takes one for one column."""
    size = max(-(-lines.len() // pl.thread_pool_size()), _LINES_PER_THREAD)
    parts = list(lines.to_frame("line").iter_slices(size))
    if len(parts) <= 1:
        return _contains(lines, pattern)
    with ThreadPoolExecutor(len(parts)) as threads:
        return pl.concat(threads.map(lambda part: _contains(part.to_series(), pattern), parts))


def _contains(lines: pl.Series, pattern: str) -> pl.Series:
    return lines.to_frame().select(pl.first().str.contains(pattern)).to_series()


def _read_recognised(
    block: Block, lines: pl.Series, is_recognised: pl.Series, export: Export
) -> pl.DataFrame | None:
    """The rows of the lines that match a pattern; None if a value needs the exact reading."""
    if is_recognised.all():
        text = block.text
    else:
        text = lines.filter(is_recognised).str.join("\n").item().encode()
    columns = export.rows.columns
    try:
        delivered = pl.read_ndjson(
            text, schema={column.name: _DELIVERED_AS[column.kind] for column in columns}
        ).rechunk()
    except ComputeError:
        return None
    rows = delivered.with_columns(
        *(
            pl.col(column.name).str.to_date("%Y-%m-%d", strict=False)
            for column in columns
            if column.kind is Kind.DATE
        ),
        *(
            pl.col(column.name).str.to_datetime(
                "%Y-%m-%dT%H:%M:%S%.fZ", time_unit="us", time_zone="UTC", strict=False
            )
            for column in columns
            if column.kind is Kind.TIMESTAMP
        ),
        *(pl.col(column.name).cast(MONEY) for column in columns if column.kind is Kind.MONEY),
    )
    numbers = is_recognised.arg_true().cast(pl.UInt32) + block.first_line
    if rows.height != numbers.len() or rows.null_count().row(0) != delivered.null_count().row(0):
        return None
    return rows.with_columns(numbers.alias(LINE))
