"""From the bytes of a delivery to a verified, typed frame.

The body is read in blocks of whole lines, so that memory stays bounded. What makes a single line
valid is in `lines`; here it is what makes the rows of a delivery valid together, and an answer to
the request. Rules that a stored row may break (identities, formats) are checks of the tables.
"""

from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

import polars as pl

from soundlink_assets.provider.body import BLOCK_BYTES, LineBlocks
from soundlink_assets.provider.decoder import LINE, LineDecoder
from soundlink_assets.provider.errors import ContractViolation
from soundlink_assets.schema.exports import Export
from soundlink_assets.schema.window import Window

EXPORTED_AT = "exported_at"

_SHOWN = 3
"""So many lines, days or ids does a message name."""


@dataclass(frozen=True, slots=True)
class ReadRows:
    """The rows of a delivery, valid alone and together.

    `frame` has the columns of `export.delivered`, and the rows in the order of the lines;
    `line_numbers` says of each row in which line of the body it stood. `row_count` is the number
    of rows delivered, which `X-Row-Count` announces: exact duplicates count, blank lines do not.
    `extra_fields` are the keys that the schema does not name, sorted; their values are in the
    column `extra`.
    """

    export: Export
    frame: pl.DataFrame
    line_numbers: pl.Series
    row_count: int
    merged_duplicates: int
    extra_fields: tuple[str, ...]


class DeliveryReader:
    """Reads one delivery of `export`, fed in chunks of bytes that may end anywhere.

    Feed everything, then `finish`. `feed` never raises: the first violation is kept and raised by
    `finish`, so that the whole body can be quarantined, and because another `schema_version`
    further down explains more than the first field that it changed.
    """

    def __init__(self, export: Export, *, block_bytes: int = BLOCK_BYTES) -> None:
        self._export = export
        self._blocks = LineBlocks(block_bytes)
        self._decoder = LineDecoder(export)
        self._frames: list[pl.DataFrame] = []
        self._violation: ContractViolation | None = None
        self.bytes = 0
        self._newlines = 0
        self._ends_in_line = False
        self.has_given_up = False
        """Whether nothing that follows in the body could be read or matter any more."""

    @property
    def lines(self) -> int:
        """How many lines have come, the last one with or without its newline."""
        return self._newlines + self._ends_in_line

    def feed(self, chunk: bytes) -> None:
        """Takes the next bytes of the body, and reads a block as soon as it is complete."""
        self.bytes += len(chunk)
        self._newlines += chunk.count(b"\n")
        self._ends_in_line = not chunk.endswith(b"\n") if chunk else self._ends_in_line
        if self.has_given_up:
            return
        try:
            for first_line, text in self._blocks.feed(chunk):
                self._read(first_line, text)
        except ContractViolation as violation:
            self._hold(violation)
            self.has_given_up = True

    def finish(self) -> ReadRows:
        """What was delivered, once the body has been fed to its end.

        Raises ContractViolation: a line is not a row of this schema version (`is_cut_off` tells
        whether the body ends inside its last line), two rows contradict each other, or a count is
        negative.
        """
        if not self.has_given_up:
            try:
                self._read(*self._blocks.finish())
            except ContractViolation as violation:
                self._hold(violation)
        if self._violation is not None:
            raise self._violation
        delivered = pl.concat(self._frames)
        self._frames.clear()
        rows = _merged(delivered, self._export)
        return ReadRows(
            export=self._export,
            frame=rows.drop(LINE),
            line_numbers=rows[LINE],
            row_count=delivered.height,
            merged_duplicates=delivered.height - rows.height,
            extra_fields=tuple(sorted(self._decoder.extra_fields)),
        )

    def _hold(self, violation: ContractViolation) -> None:
        self._frames.clear()
        is_version = violation.check == "schema_version"
        if self._violation is None or (is_version and not self.has_given_up):
            self._violation = violation
        self.has_given_up = self.has_given_up or is_version

    def _read(self, first_line: int, text: bytes) -> None:
        try:
            frame = self._decoder.read(text, first_line)
        except ContractViolation as violation:
            self._hold(violation)
        else:
            if self._violation is None:
                self._frames.append(frame)


def verify_request(rows: ReadRows, requested_id: str, window: Window, now: datetime) -> None:
    """Verifies that the rows are those of the request: one id, the window's days, no later stamp.

    `now` is the latest `exported_at` that can be true. A requested id that is not a UUID may be an
    alias of one (the contract's path example is not one, its rows have one).

    Raises ContractViolation.
    """
    export = rows.export
    frame = rows.frame.with_columns(rows.line_numbers)
    if frame.is_empty():
        return
    day, id_column = pl.col(export.day), export.scope.id_column
    expected = _id_of(frame[id_column][0], requested=requested_id)
    _refuse_where(
        (day < window.first) | (day > window.last),
        frame,
        export.day,
        f"days outside the window {window}",
    )
    _refuse_where(
        pl.col(id_column) != expected,
        frame,
        id_column,
        f"rows of another {export.scope.name} than {expected}",
    )
    _refuse_where(
        pl.col(EXPORTED_AT) > now,
        frame,
        EXPORTED_AT,
        f"exported in the future, after {now:%Y-%m-%d %H:%M:%S} UTC",
    )


def _id_of(delivered: str, *, requested: str) -> str:
    """The id that the rows must have, where the first of them has `delivered`."""
    asked_for, found = _uuid(requested), _uuid(delivered)
    is_alias = asked_for is None and found is not None
    is_same = asked_for is not None and asked_for == found
    return delivered if is_alias or is_same else requested


def _uuid(text: str) -> UUID | None:
    try:
        return UUID(text)
    except ValueError:
        return None


def _merged(delivered: pl.DataFrame, export: Export) -> pl.DataFrame:
    """The rows with exact duplicates merged into the first of them; `extra` does not distinguish.

    Raises ContractViolation for a key that stands twice, and for a count below its least value.
    """
    key = export.rows.key
    # Rows of one key have one hash: most deliveries need nothing that takes more memory.
    hashes = delivered.select(key).hash_rows()
    rows = delivered
    if hashes.n_unique() < delivered.height:
        suspects = delivered.filter(hashes.is_duplicated())
        distinct = suspects.unique(export.rows.column_names, keep="first")
        conflicting = distinct.filter(distinct.select(key).is_duplicated()).sort(LINE)
        if not conflicting.is_empty():
            raise _contradiction(conflicting, export)
        repeated = suspects.join(distinct, on=LINE, how="anti")
        rows = delivered.join(repeated, on=LINE, how="anti", maintain_order="left")
    for column in export.rows.columns:
        if column.minimum is not None:
            is_low = pl.col(column.name) < column.minimum
            _refuse_where(is_low, rows, column.name, f"less than {column.minimum}")
    return rows


def _contradiction(rows: pl.DataFrame, export: Export) -> ContractViolation:
    """The refusal of rows that share keys and differ elsewhere."""
    key = rows.select(export.rows.key).head(1)
    group = rows.join(key, on=export.rows.key, how="semi")
    differing = [name for name in export.rows.column_names if group[name].n_unique() > 1]
    shown = ", ".join(f"{name}={value}" for name, value in key.row(0, named=True).items())
    return _refusal(
        f"lines {_listed(group[LINE])} have one key ({shown}) and differ in {', '.join(differing)}",
        rows,
        field=differing[0],
    )


def _refuse_where(is_wrong: pl.Expr, rows: pl.DataFrame, field: str, what: str) -> None:
    wrong = rows.filter(is_wrong)
    if not wrong.is_empty():
        raise _refusal(f"{what}: {_listed(wrong[field])}", wrong, field=field)


def _refusal(message: str, rows: pl.DataFrame, *, field: str) -> ContractViolation:
    """The violation by these rows; it names the first of their lines."""
    several = f" ({rows.height} rows)" if rows.height > 1 else ""
    return ContractViolation(message + several, line=rows[LINE][0], field=field)


def _listed(values: pl.Series) -> str:
    """The different values in their order, as many as a message can hold."""
    unique = values.unique(maintain_order=True)
    more = ", ..." if unique.len() > _SHOWN else ""
    return ", ".join(map(str, unique.head(_SHOWN))) + more
