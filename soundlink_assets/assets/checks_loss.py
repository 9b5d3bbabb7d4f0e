"""Rows and spend that vanished: each cell's newest delivery against the one before it."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import date
from typing import TYPE_CHECKING, Any

import dagster as dg

from soundlink_assets.schema.exports import Export
from soundlink_assets.assets.checks_findings import offenders, over_days, percent, short
from soundlink_assets.assets.checks_verdicts import Verdict, Verdicts

if TYPE_CHECKING:
    import polars as pl

MAX_ROWS_LOST = 0.20
"""Share of the rows of a day that may vanish before it is an ERROR."""

MAX_SPEND_LOST = 0.05
"""Share of the spend of a day that may vanish before it is an ERROR."""

SPEND = "spend_total"

ROW_LOSS = (
    "Figures of open days grow and change, but rows and spend seldom vanish. Compares each "
    "campaign's day with what was stored of it before: any row or amount that is gone is a "
    f"warning; more than {MAX_ROWS_LOST:.0%} of a day's rows or {MAX_SPEND_LOST:.0%} of its spend "
    "an error. What vanished is kept in the `_superseded` table."
)


_CELL = ("requested_campaign_id", "report_date")


def row_loss(
    export: Export,
    rows: "pl.DataFrame",
    cells: "pl.DataFrame",
    superseded: "pl.DataFrame",
    days: Sequence[date],
) -> Verdicts:
    """The verdicts of `row_loss` on the days.

    `superseded` are the rows that the newest write of each cell changed or withdrew. A cell that
    was delivered only once has lost nothing.
    """
    lines = compared_with_before(export, rows, cells, superseded)
    verdicts = {day: _verdict(lines.filter(report_date=day)) for day in days}
    whole = _verdict(lines)
    if any(_is_error(verdict) for verdict in verdicts.values()):
        whole = replace(whole, severity=dg.AssetCheckSeverity.ERROR)
    return Verdicts(days=verdicts, run=over_days(whole, verdicts))


def compared_with_before(
    export: Export, rows: "pl.DataFrame", cells: "pl.DataFrame", superseded: "pl.DataFrame"
) -> "pl.DataFrame":
    """One line per cell and currency: rows and spend before its newest write, and what is gone.

    `spend_lost` is the spend that no other row of the same cell and currency made good. Exports
    without money have the currency null and no spend.
    """
    import polars as pl

    identity = ("requested_campaign_id", *export.rows.key)
    has_money = SPEND in rows.columns
    spend = pl.col(SPEND) if has_money else pl.lit(0)
    money = spend.cast(pl.Decimal(38, 6))
    nothing = pl.lit(0).cast(pl.Decimal(38, 6))

    def versions(
        frame: pl.DataFrame, *, before: int, now: int, lost: pl.Expr | int = 0
    ) -> pl.DataFrame:
        return frame.select(
            *_CELL,
            "campaign_name",
            pl.col("currency") if has_money else pl.lit(None, dtype=pl.String).alias("currency"),
            pl.lit(before).cast(pl.Int64).alias("rows_before"),
            pl.lit(now).cast(pl.Int64).alias("rows_now"),
            (lost if isinstance(lost, pl.Expr) else pl.lit(lost)).cast(pl.Int64).alias("rows_lost"),
            (money if before else nothing).alias("spend_before"),
            (money if now else nothing).alias("spend_now"),
        )

    written = rows.join(cells.select(*_CELL, "written_at"), on=_CELL)
    is_new = pl.col("ingested_at") >= pl.col("written_at")
    gone = superseded.join(
        rows.select(*identity, is_current=pl.lit(value=True)), on=identity, how="left"
    ).with_columns(pl.col("is_current").fill_null(value=False))
    lines = (
        pl.concat(
            (
                versions(written.filter(~is_new), before=1, now=1),
                versions(written.filter(is_new), before=0, now=1),
                versions(gone, before=1, now=0, lost=~pl.col("is_current")),
            )
        )
        .group_by(*_CELL, "currency")
        .agg(pl.col("campaign_name").last(), pl.exclude("campaign_name").sum())
    )
    shortfall = pl.col("spend_before") - pl.col("spend_now")
    return lines.with_columns(
        pl.when(shortfall > 0).then(shortfall).otherwise(nothing).alias("spend_lost"),
        (pl.col("rows_now").sum().over(_CELL) == 0).alias("is_empty_now"),
    )


def _is_error(verdict: Verdict) -> bool:
    return not verdict.passed and verdict.severity is dg.AssetCheckSeverity.ERROR


def _verdict(lines: "pl.DataFrame") -> Verdict:
    import polars as pl

    before, lost = int(lines["rows_before"].sum()), int(lines["rows_lost"].sum())
    rows_share = lost / before if before else 0.0
    spend = [_SpendLost(*line) for line in _spend_by_currency(lines).iter_rows()]
    spend_share = max((of_currency.share for of_currency in spend), default=0.0)
    less = lines.filter((pl.col("rows_lost") > 0) | (pl.col("spend_lost") > 0))
    emptied = lines.filter("is_empty_now", pl.col("rows_before") > 0).select(_CELL).n_unique()

    metadata: dict[str, Any] = {
        "rows_before": before,
        "rows_lost": lost,
        "rows_lost_share": short(rows_share),
        "cells_emptied": emptied,
    }
    if spend:
        metadata["spend_lost_share"] = short(spend_share)
    if less.is_empty():
        said = "Nothing vanished" if before else "Delivered for the first time"
        return Verdict(passed=True, description=f"{said}.", metadata=metadata)
    is_error = rows_share > MAX_ROWS_LOST or spend_share > MAX_SPEND_LOST
    return Verdict(
        passed=False,
        severity=dg.AssetCheckSeverity.ERROR if is_error else dg.AssetCheckSeverity.WARN,
        description=_sentence(before, lost, rows_share, spend, emptied),
        metadata={**metadata, "offenders": offenders(_shown(less))},
    )


@dataclass(frozen=True, slots=True)
class _SpendLost:
    currency: str
    before: float
    lost: float

    @property
    def share(self) -> float:
        return self.lost / self.before if self.before > 0 else 0.0


def _spend_by_currency(lines: "pl.DataFrame") -> "pl.DataFrame":
    import polars as pl

    return (
        lines.filter(pl.col("currency").is_not_null())
        .group_by("currency")
        .agg(pl.col("spend_before", "spend_lost").sum().cast(pl.Float64))
        .sort("currency")
    )


def _sentence(
    before: int, lost: int, rows_share: float, spend: Sequence[_SpendLost], emptied: int
) -> str:
    gone = [f"{lost:,} of {before:,} rows ({percent(rows_share)})"] if lost else []
    gone += [
        f"{of_currency.lost:,.2f} of {of_currency.before:,.2f} {of_currency.currency} "
        f"({percent(of_currency.share)})"
        for of_currency in spend
        if of_currency.lost > 0
    ]
    empty = f" {emptied:,} campaign-days became empty." if emptied else ""
    return f"Vanished against the delivery before: {' and '.join(gone)}.{empty}"


def _shown(less: "pl.DataFrame") -> "pl.DataFrame":
    import polars as pl

    ordered = less.sort("rows_lost", "spend_lost", descending=True)
    return ordered.select(
        "report_date",
        "campaign_name",
        pl.col("requested_campaign_id").alias("campaign_id"),
        "rows_before",
        "rows_lost",
        "currency",
        pl.col("spend_before", "spend_lost").cast(pl.Float64),
        "is_empty_now",
    )
