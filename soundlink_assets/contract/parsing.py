"""From the bytes of a delivery to a verified, typed frame.

The body is parsed in blocks of whole lines, so that memory stays bounded. In a block, lines that
match `line_pattern` go to polars; all others are read one by one by `lines`, which decides.
Rules that a stored row may break (identities, formats) are in `evaluation`.
"""

from dataclasses import dataclass
from typing import Any
from uuid import UUID

import polars as pl
from polars.exceptions import ComputeError

from soundlink_assets.contract.body import BLOCK_BYTES, LineBlocks
from soundlink_assets.contract.export import Export
from soundlink_assets.contract.line_pattern import line_pattern
from soundlink_assets.contract.lines import BLANK, read_line
from soundlink_assets.contract.schemas import (
    MONEY,
    empty_frame,
    polars_schema,
    row_schema,
)
from soundlink_assets.contract.violations import (
    ContractViolation,
    RefusedDelivery,
    UnreadableDelivery,
)
from soundlink_assets.contract.window import Window
from soundlink_assets.tables import Kind

__all__ = [
    "ContractViolation",
    "DeliveryParser",
    "ParsedDelivery",
    "RefusedDelivery",
    "UnreadableDelivery",
    "verify_request",
]

_ROW = "__row__"
_SAMPLE = 3
"""Keys of violating rows that a message names."""

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


@dataclass(frozen=True, slots=True)
class ParsedDelivery:
    """A delivery that keeps the contract.

    `frame` has the contract's columns in its order, in the order of the lines. `line_count` is the
    number of rows delivered, which `X-Row-Count` announces: exact duplicates count, blank lines
    do not. `extra_fields` are keys that the contract does not name, sorted; they are not stored.
    """

    frame: pl.DataFrame
    line_count: int
    merged_duplicates: int
    extra_fields: tuple[str, ...]


class DeliveryParser:
    """Parses one delivery of `export`, fed in chunks of bytes that may end anywhere.

    Feed everything, then `finish`. `feed` never raises: the first violation is kept and raised by
    `finish`, so that the whole body can be quarantined, and because another `schema_version`
    further down explains more than the first field that it changed.
    """

    def __init__(self, export: Export, *, block_bytes: int = BLOCK_BYTES) -> None:
        self._export = export
        self._blocks = LineBlocks(block_bytes)
        self._frames: list[pl.DataFrame] = []
        self._extra_fields: set[str] = set()
        self._lines_read = 0
        self._violation: UnreadableDelivery | None = None
        self._is_undecodable = False

    def feed(self, chunk: bytes) -> None:
        """Takes the next bytes of the body, and parses a block as soon as it is complete."""
        if self._is_undecodable:
            return
        try:
            for block in self._blocks.feed(chunk):
                self._read(block)
        except UnreadableDelivery as violation:
            self._is_undecodable = True
            self._hold(violation)

    def finish(self) -> ParsedDelivery:
        """What was delivered, once the body has been fed to its end.

        Raises:
            UnreadableDelivery: A line is not a row of this schema version. `is_cut_off` tells
                whether the body ends inside its last line.
            RefusedDelivery: Two rows contradict each other, or a count is negative.
        """
        if not self._is_undecodable:
            try:
                self._read(self._blocks.finish())
            except UnreadableDelivery as violation:
                self._hold(violation)
        if self._violation is not None:
            raise self._violation
        delivered = pl.concat([empty_frame(self._export.rows), *self._frames])
        self._frames.clear()
        frame = _without_duplicates(delivered, self._export)
        _refuse_invalid_rows(frame, self._export)
        return ParsedDelivery(
            frame=frame,
            line_count=delivered.height,
            merged_duplicates=delivered.height - frame.height,
            extra_fields=tuple(sorted(self._extra_fields)),
        )

    def _hold(self, violation: UnreadableDelivery) -> None:
        self._frames.clear()
        if self._violation is None or (
            violation.check == "schema_version" != self._violation.check
        ):
            self._violation = violation

    def _read(self, block: bytes) -> None:
        first_line = self._lines_read + 1
        self._lines_read += block.count(b"\n")
        if self._violation is None:
            try:
                self._frames.append(self._frame(block, first_line))
            except UnreadableDelivery as violation:
                self._hold(violation)
        if self._violation is not None and self._violation.check != "schema_version":
            self._look_for_other_version(block, first_line)

    def _frame(self, block: bytes, first_line: int) -> pl.DataFrame:
        lines = _split(block)
        if lines is not None:
            matches = lines.str.contains(line_pattern(self._export))
            if matches.all():
                frame = _frame_of_matching(block, lines.len(), self._export)
                if frame is not None:
                    return frame
        return self._frame_of_any(block, first_line)

    def _frame_of_any(self, block: bytes, first_line: int) -> pl.DataFrame:
        known = set(self._export.rows.column_names)
        rows: list[dict[str, Any]] = []
        lines = block.split(b"\n")
        for offset, raw in enumerate(lines):
            if not raw.strip(BLANK):
                continue
            line = read_line(
                raw, first_line + offset, self._export, has_newline=offset < len(lines) - 1
            )
            rows.append(line.values)
            self._extra_fields.update(known.symmetric_difference(line.keys) - known)
        return pl.DataFrame(rows, schema=polars_schema(self._export.rows), orient="row")

    def _look_for_other_version(self, block: bytes, first_line: int) -> None:
        for offset, raw in enumerate(block.split(b"\n")):
            if not raw.strip(BLANK):
                continue
            try:
                read_line(raw, first_line + offset, self._export)
            except UnreadableDelivery as violation:
                if violation.check == "schema_version":
                    self._hold(violation)
                    return


def _split(block: bytes) -> pl.Series | None:
    """The lines of a block, or None if it is not UTF-8."""
    try:
        return pl.read_lines(block).to_series()
    except ComputeError:
        return None


def _frame_of_matching(block: bytes, line_count: int, export: Export) -> pl.DataFrame | None:
    """The frame of lines that all match the pattern; None if a value needs the exact reading."""
    columns = export.rows.columns
    delivered = pl.read_ndjson(
        block, schema={column.name: _DELIVERED_AS[column.kind] for column in columns}
    )
    frame = delivered.with_columns(
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
    lost = frame.null_count().row(0) != delivered.null_count().row(0)
    return None if lost or frame.height != line_count else frame


def _without_duplicates(frame: pl.DataFrame, export: Export) -> pl.DataFrame:
    keys = frame.select(export.rows.key)
    if keys.hash_rows().n_unique() == frame.height:
        return frame
    return frame.unique(maintain_order=True)


def _refuse_invalid_rows(frame: pl.DataFrame, export: Export) -> None:
    """Raises RefusedDelivery if a row breaks the schema: its key stands twice, a count is < 0."""
    _, failures = row_schema(export).filter(frame)
    counts = failures.counts()
    if not counts:
        return
    examples = failures.invalid().select(export.rows.key).head(_SAMPLE).rows(named=True)
    is_key = set(counts) == {"primary_key"}
    raise RefusedDelivery(
        f"{', '.join(f'{rule}: {count} rows' for rule, count in counts.items())}; "
        f"for example {'; '.join(map(_shown, examples))}",
        check="primary_key" if is_key else "required_fields",
        field=None if is_key else next(iter(counts)).partition("|")[0],
    )


def _shown(key: dict[str, Any]) -> str:
    return ", ".join(f"{name}={value}" for name, value in key.items())


def verify_request(frame: pl.DataFrame, campaign_id: str, window: Window) -> None:
    """Verifies that the rows are those of the request: one campaign, the window's days.

    A requested id that is not a UUID may be an alias (the contract's path example is none), so
    the rows of any one campaign answer it.

    Raises RefusedDelivery.
    """
    days = frame["report_date"]
    outside = days.filter((days < window.first) | (days > window.last)).unique().sort()
    if outside.len():
        raise RefusedDelivery(
            f"{outside.len()} days outside the window {window}, from {outside[0]} to {outside[-1]}",
            check="request_match",
            field="report_date",
        )
    delivered = frame["campaign_id"].unique().sort().to_list()
    if len(delivered) > 1:
        raise RefusedDelivery(
            f"rows of {len(delivered)} campaigns: {', '.join(delivered[:_SAMPLE])}",
            check="request_match",
            field="campaign_id",
        )
    if delivered and _is_uuid(campaign_id) and not _is_same_id(delivered[0], campaign_id):
        raise RefusedDelivery(
            f"rows of campaign {delivered[0]}, where {campaign_id} was asked for",
            check="request_match",
            field="campaign_id",
        )


def _is_uuid(text: str) -> bool:
    try:
        UUID(text)
    except ValueError:
        return False
    return True


def _is_same_id(left: str, right: str) -> bool:
    return left == right or (_is_uuid(left) and UUID(left) == UUID(right))
