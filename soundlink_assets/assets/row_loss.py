"""Rows and amounts that vanished: each campaign-day's newest delivery against the one before it."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date
from typing import TYPE_CHECKING

from soundlink_assets.assets.findings import ERROR, WARN, percent, short, table_of
from soundlink_assets.assets.verdicts import Verdict, Verdicts, each_day, failing, passing
from soundlink_assets.schema import Export
from soundlink_assets.schema.exports import INGESTED_AT

if TYPE_CHECKING:
    import polars as pl

MAX_ROWS_LOST = 0.20
"""Share of the rows of a day that may vanish before it is an ERROR."""

MAX_AMOUNT_LOST = 0.05
"""Share of the spend of a day that may vanish before it is an ERROR."""

ROW_LOSS = (
    "Figures of open days grow and change, but rows and spend seldom vanish. Compares each "
    "campaign-day with what was stored of it before: any row or amount that is gone is a warning; "
    f"more than {MAX_ROWS_LOST:.0%} of a day's rows or {MAX_AMOUNT_LOST:.0%} of its spend an "
    "error. What vanished is kept in the `_superseded` table."
)

_CURRENCY = "currency"


def row_loss(
    export: Export,
    rows: "pl.DataFrame",
    log: "pl.DataFrame",
    previous: "pl.DataFrame",
    days: Sequence[date],
) -> Verdicts:
    """The verdicts of `row_loss` on the days.

    `previous` are the rows that the newest write of each campaign-day changed or withdrew. A
    campaign-day that was delivered only once has lost nothing.
    """
    lines = compared_with_before(export, rows, log, previous)
    by_day = lines.partition_by(export.day, as_dict=True)
    nothing = lines.clear()
    return each_day(
        days,
        lambda day: _verdict(export, by_day.get((day,), nothing)),
        _verdict(export, lines),
    )


def compared_with_before(
    export: Export, rows: "pl.DataFrame", log: "pl.DataFrame", previous: "pl.DataFrame"
) -> "pl.DataFrame":
    """One line per campaign-day and currency: rows and amount before its newest write, and lost.

    `amount_lost` is the amount that no other row of the same campaign-day and currency made good.
    Exports without money have the currency null and no amount.
    """
    import polars as pl

    campaign_day = (export.scope.requested_column, export.day)
    identity = (export.scope.requested_column, *export.rows.key)
    exact = pl.Decimal(38, 6)
    nothing = pl.lit(0).cast(exact)
    amount = nothing if export.amount is None else pl.col(export.amount).cast(exact)
    currency = pl.lit(None, pl.String) if export.currency is None else pl.col(export.currency)

    def versions(
        frame: pl.DataFrame, *, before: int, now: int, lost: pl.Expr | int = 0
    ) -> pl.DataFrame:
        return frame.select(
            *campaign_day,
            export.scope.name_column,
            currency.alias(_CURRENCY),
            pl.lit(before).cast(pl.Int64).alias("rows_before"),
            pl.lit(now).cast(pl.Int64).alias("rows_now"),
            (lost if isinstance(lost, pl.Expr) else pl.lit(lost)).cast(pl.Int64).alias("rows_lost"),
            (amount if before else nothing).alias("amount_before"),
            (amount if now else nothing).alias("amount_now"),
        )

    written = rows.join(log.select(*campaign_day, "written_at"), on=campaign_day)
    is_new = pl.col(INGESTED_AT) >= pl.col("written_at")
    gone = previous.join(
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
        .group_by(*campaign_day, _CURRENCY)
        .agg(pl.col(export.scope.name_column).last(), pl.exclude(export.scope.name_column).sum())
    )
    shortfall = pl.col("amount_before") - pl.col("amount_now")
    return lines.with_columns(
        pl.when(shortfall > 0).then(shortfall).otherwise(nothing).alias("amount_lost"),
        (pl.col("rows_now").sum().over(campaign_day) == 0).alias("is_empty_now"),
    )


def _verdict(export: Export, lines: "pl.DataFrame") -> Verdict:
    import polars as pl

    before, lost = int(lines["rows_before"].sum()), int(lines["rows_lost"].sum())
    less = lines.filter((pl.col("rows_lost") > 0) | (pl.col("amount_lost") > 0))
    if less.is_empty():
        said = "Nothing vanished." if before else "Delivered for the first time."
        return passing(said, rows_before=before, rows_lost=0)
    amounts = [_Amount(*line) for line in _by_currency(lines).iter_rows()]
    rows_share = lost / before if before else 0.0
    amount_share = max((amount.share for amount in amounts), default=0.0)
    campaign_day = (export.scope.requested_column, export.day)
    emptied = lines.filter("is_empty_now", pl.col("rows_before") > 0).select(campaign_day)
    is_error = rows_share > MAX_ROWS_LOST or amount_share > MAX_AMOUNT_LOST
    return failing(
        ERROR if is_error else WARN,
        _sentence(before, lost, rows_share, amounts, emptied.n_unique()),
        rows_before=before,
        rows_lost=lost,
        rows_lost_share=short(rows_share),
        campaign_days_emptied=emptied.n_unique(),
        **({"amount_lost_share": short(amount_share)} if amounts else {}),
        findings=table_of(
            less.sort("rows_lost", "amount_lost", descending=True)
            .with_columns(pl.col("amount_before", "amount_lost").cast(pl.Float64))
            .select(
                export.day,
                export.scope.name_column,
                pl.col(export.scope.requested_column).alias(export.scope.id_column),
                *("rows_before", "rows_lost", _CURRENCY, "amount_before", "amount_lost"),
                "is_empty_now",
            )
        ),
    )


@dataclass(frozen=True, slots=True)
class _Amount:
    """What was spent in one currency before, and what of it is gone."""

    currency: str
    before: float
    lost: float

    @property
    def share(self) -> float:
        return self.lost / self.before if self.before > 0 else 0.0


def _by_currency(lines: "pl.DataFrame") -> "pl.DataFrame":
    import polars as pl

    return (
        lines.filter(pl.col(_CURRENCY).is_not_null())
        .group_by(_CURRENCY)
        .agg(pl.col("amount_before", "amount_lost").sum().cast(pl.Float64))
        .sort(_CURRENCY)
    )


def _sentence(
    before: int, lost: int, rows_share: float, amounts: Sequence[_Amount], emptied: int
) -> str:
    gone = [f"{lost:,} of {before:,} rows ({percent(rows_share)})"] if lost else []
    gone += [
        f"{amount.lost:,.2f} of {amount.before:,.2f} {amount.currency} ({percent(amount.share)})"
        for amount in amounts
        if amount.lost > 0
    ]
    empty = f" {emptied:,} campaign-days became empty." if emptied else ""
    return f"Vanished against the delivery before: {' and '.join(gone)}.{empty}"
