"""From the bytes of a delivery to a verified, typed frame.

The body is read in blocks of whole lines, so that memory stays bounded. What makes a single line
valid is in `lines`; here it is what makes the rows of a delivery valid together. Rules that a
stored row may break (identities, formats) are in `evaluation`.
"""

from dataclasses import dataclass
from uuid import UUID

import polars as pl

from soundlink_assets.provider.blocks import LINE, BlockReader
from soundlink_assets.provider.body import BLOCK_BYTES, Block, LineBlocks
from soundlink_assets.schema.exports import Export
from soundlink_assets.provider.lines import read_line
from soundlink_assets.schema.frames import row_schema
from soundlink_assets.provider.violations import (
    CheckName,
    ContractViolation,
    RefusedDelivery,
    UnreadableDelivery,
)
from soundlink_assets.schema.window import Window

__all__ = [
    "ContractViolation",
    "DeliveryParser",
    "ParsedDelivery",
    "RefusedDelivery",
    "UnreadableDelivery",
    "verify_request",
]

_SHOWN = 3
"""So many lines, days or campaigns does a message name."""


@dataclass(frozen=True, slots=True)
class ParsedDelivery:
    """A delivery whose rows are valid, alone and together.

    `frame` has the contract's columns in its order, and the rows in the order of the lines;
    `line_numbers` says of each row in which line of the body it stood. `line_count` is the number
    of rows delivered, which `X-Row-Count` announces: exact duplicates count, blank lines do not.
    `extra_fields` are the keys that the contract does not name, sorted; they are not stored.
    """

    frame: pl.DataFrame
    line_numbers: pl.Series
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
        self._reader = BlockReader(export)
        self._frames: list[pl.DataFrame] = []
        self._violation: UnreadableDelivery | None = None
        self._is_undecodable = False

    def feed(self, chunk: bytes) -> None:
        """Takes the next bytes of the body, and reads a block as soon as it is complete."""
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
        delivered = pl.concat(self._frames)
        self._frames.clear()
        rows = _verified_rows(delivered, self._export)
        return ParsedDelivery(
            frame=rows.drop(LINE),
            line_numbers=rows[LINE],
            line_count=delivered.height,
            merged_duplicates=delivered.height - rows.height,
            extra_fields=self._reader.extra_fields,
        )

    def _hold(self, violation: UnreadableDelivery) -> None:
        self._frames.clear()
        if self._violation is None or (
            violation.check == "schema_version" != self._violation.check
        ):
            self._violation = violation

    def _read(self, block: Block) -> None:
        if self._violation is None:
            try:
                self._frames.append(self._reader.read(block))
            except UnreadableDelivery as violation:
                self._hold(violation)
        if self._violation is not None and self._violation.check != "schema_version":
            self._look_for_other_version(block)

    def _look_for_other_version(self, block: Block) -> None:
        for number, raw, has_newline in block.lines():
            try:
                read_line(raw, number, self._export, has_newline=has_newline)
            except UnreadableDelivery as violation:
                if violation.check == "schema_version":
                    self._hold(violation)
                    return


def verify_request(parsed: ParsedDelivery, campaign_id: str, window: Window) -> None:
    """Verifies that the rows are those of the request: one campaign, the window's days.

    A requested id that is not a UUID may be an alias (the contract's path example is none, its
    rows have one), so the rows of any one campaign answer it.

    Raises RefusedDelivery.
    """
    rows = parsed.frame.with_columns(parsed.line_numbers)
    day = pl.col("report_date")
    outside = rows.filter((day < window.first) | (day > window.last))
    if not outside.is_empty():
        raise _refusal(
            f"days outside the window {window}: {_listed(outside['report_date'])}",
            outside,
            check="request_match",
            field="report_date",
        )
    if rows.is_empty():
        return
    expected = _campaign_of(rows["campaign_id"][0], requested=campaign_id)
    others = rows.filter(pl.col("campaign_id") != expected)
    if not others.is_empty():
        raise _refusal(
            f"rows of another campaign than {expected}: {_listed(others['campaign_id'])}",
            others,
            check="request_match",
            field="campaign_id",
        )


def _campaign_of(delivered: str, *, requested: str) -> str:
    """The campaign id that the rows must have, where the first of them has `delivered`."""
    asked_for = _uuid(requested)
    return delivered if asked_for in (None, _uuid(delivered)) else requested


def _uuid(text: str) -> UUID | None:
    try:
        return UUID(text)
    except ValueError:
        return None


def _verified_rows(delivered: pl.DataFrame, export: Export) -> pl.DataFrame:
    """The rows with exact duplicates merged into the first of them.

    Raises RefusedDelivery for a key that stands twice, and for a count below its least value.
    """
    suspects = delivered.filter(_is_suspect(delivered, export))
    if suspects.is_empty():
        return delivered
    distinct = suspects.unique(export.rows.column_names, keep="first")
    _refuse_invalid_rows(distinct, export)
    merged = suspects.join(distinct, on=LINE, how="anti")
    return delivered.join(merged, on=LINE, how="anti", maintain_order="left")


def _is_suspect(rows: pl.DataFrame, export: Export) -> pl.Series:
    """Whether a row may be invalid; the row schema itself would need as much memory as the rows.

    Rows of one key have one hash, so that rows with a hash of their own have a key of their own.
    """
    hashes = rows.select(export.rows.key).hash_rows()
    is_low = rows.select(
        pl.any_horizontal(
            pl.col(column.name) < column.minimum
            for column in export.rows.columns
            if column.minimum is not None
        ).fill_null(value=False)
    ).to_series()
    return is_low if hashes.n_unique() == rows.height else is_low | hashes.is_duplicated()


def _refuse_invalid_rows(rows: pl.DataFrame, export: Export) -> None:
    _, failure = row_schema(export).filter(rows)
    counts = failure.counts()
    if not counts:
        return
    rule = "primary_key" if "primary_key" in counts else next(iter(counts))
    keys = failure.details().filter(pl.col(rule) == "invalid").select(export.rows.key)
    invalid = rows.join(keys, on=export.rows.key, how="semi").sort(LINE)
    if rule == "primary_key":
        raise _contradiction(invalid, export)
    field, _, broken = rule.partition("|")
    raise _refusal(
        f"{_listed(invalid[field])} breaks the rule {broken!r} of the row schema",
        invalid,
        check="required_fields",
        field=field,
    )


def _contradiction(rows: pl.DataFrame, export: Export) -> RefusedDelivery:
    """The refusal of rows that share keys and differ elsewhere."""
    key = rows.select(export.rows.key).head(1)
    group = rows.join(key, on=export.rows.key, how="semi")
    differing = [name for name in export.rows.column_names if group[name].n_unique() > 1]
    shown = ", ".join(f"{name}={value}" for name, value in key.row(0, named=True).items())
    return _refusal(
        f"lines {_listed(group[LINE])} have one key ({shown}) and differ in {', '.join(differing)}",
        rows,
        check="primary_key",
        field=differing[0],
    )


def _refusal(message: str, rows: pl.DataFrame, *, check: CheckName, field: str) -> RefusedDelivery:
    """The refusal of a delivery because of these rows; it names the first of their lines."""
    several = f" ({rows.height} rows)" if rows.height > 1 else ""
    return RefusedDelivery(
        message + several, check=check, line=rows.row(0, named=True)[LINE], field=field
    )


def _listed(values: pl.Series) -> str:
    """The different values in their order, as many as a message can hold."""
    unique = values.unique(maintain_order=True)
    more = ", ..." if unique.len() > _SHOWN else ""
    return ", ".join(map(str, unique.head(_SHOWN))) + more
