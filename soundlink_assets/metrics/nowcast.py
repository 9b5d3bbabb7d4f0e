"""`analytics.revision_nowcast`: what each open day will come to, and how sure that is.

`revisions` reads from an export's history and delivery log what each campaign-day was at each
fetch; `revision_nowcast` lines the final days up by age and asks `nowcast_model` for the open ones.
Nothing here says how an expectation is estimated.
"""

from dataclasses import fields
from datetime import date, datetime, timedelta

import numpy as np
import polars as pl

from soundlink_assets.metrics.aggregation import conformed, divided
from soundlink_assets.metrics.final import final_campaign_days
from soundlink_assets.metrics.nowcast_model import (
    AGES,
    Array,
    Expectation,
    History,
    OpenDays,
    expected_amounts,
    expected_counts,
)
from soundlink_assets.schema import nowcast as schema
from soundlink_assets.schema.analytics import IS_SETTLED
from soundlink_assets.schema.exports import ACCOUNT, INGESTED_AT, SUPERSEDED_AT, Export
from soundlink_assets.schema.frames import empty_frame
from soundlink_assets.schema.tables import Kind, Table

SERIES = ("account_id", "campaign_id", "measure", "currency")
"""A measure of a campaign, whose days are compared with one another."""

REVISIONS = pl.Schema(
    {
        "account_id": pl.String(),
        "campaign_id": pl.String(),
        "measure": pl.String(),
        "currency": pl.String(),
        "report_date": pl.Date(),
        "fetched_at": pl.Datetime("us", "UTC"),
        "value": pl.Float64(),
        "is_amount": pl.Boolean(),
        IS_SETTLED: pl.Boolean(),
    }
)
"""One row per series, day and fetch: its value at that fetch, and whether the day was final."""

NO_CURRENCY = ""
_ESTIMATES = tuple(field.name for field in fields(Expectation))
_ENDS = _ESTIMATES[1:]


def columns_read(export: Export, table: Table) -> list[str]:
    """The columns of the export's table, history table or delivery log that `revisions` needs."""
    needed = {
        export.scope.requested_column,
        export.day,
        *(ACCOUNT, INGESTED_AT, SUPERSEDED_AT, export.currency),
        *schema.MEASURES[export.name].values(),
        *("fetched_at", "written_at", "oldest_exported_at", "delivery_exported_at"),
    }
    return [name for name in table.column_names if name in needed]


def revisions(
    export: Export, rows: pl.DataFrame, superseded: pl.DataFrame, log: pl.DataFrame
) -> pl.DataFrame:
    """What every measure of a campaign-day was at each of its fetches (`REVISIONS`).

    `rows` are current rows of the export's table, `superseded` and `log` its history and delivery
    log over the same days, superseded entries of the log included. A fetch that changed nothing is
    an observation too; one that delivered no rows observes zero. Fetches before the day closed are
    left out.
    """
    versions = pl.concat(
        [rows.with_columns(pl.lit(None, pl.Datetime("us", "UTC")).alias(SUPERSEDED_AT)), superseded]
    )
    fetches = log.select(
        pl.col(export.scope.requested_column).alias("campaign_id"),
        pl.col(export.day).alias("report_date"),
        "fetched_at",
        "written_at",
    ).with_columns(final_campaign_days(log, export)[IS_SETTLED])
    fetches = fetches.filter(pl.col("fetched_at") >= _closed_at())
    measures = schema.MEASURES[export.name]
    amounts = {
        name: source
        for name, source in measures.items()
        if export.rows.column(source).kind is Kind.MONEY
    }
    counts = {name: source for name, source in measures.items() if name not in amounts}
    return pl.concat(
        _values_at(fetches, _versions(export, versions, part, currency)).with_columns(
            pl.lit(part is amounts).alias("is_amount")
        )
        for part, currency in (
            (counts, pl.lit(NO_CURRENCY)),
            (amounts, pl.col(export.currency or "")),
        )
        if part
    ).select(REVISIONS.names())


def _versions(
    export: Export, versions: pl.DataFrame, measures: dict[str, str], currency: pl.Expr
) -> pl.DataFrame:
    return versions.select(
        pl.col(ACCOUNT).alias("account_id"),
        pl.col(export.scope.requested_column).alias("campaign_id"),
        currency.alias("currency"),
        pl.col(export.day).alias("report_date"),
        INGESTED_AT,
        SUPERSEDED_AT,
        *(pl.col(source).cast(pl.Float64).alias(name) for name, source in measures.items()),
    )


def _values_at(fetches: pl.DataFrame, versions: pl.DataFrame) -> pl.DataFrame:
    """The sum of the rows that were current after each fetch, one row per measure.

    A row counts from when it was stored until it was superseded: a running sum of what came and
    what went.
    """
    day = ["account_id", "campaign_id", "currency", "report_date"]
    measures = [name for name in versions.columns if name not in {*day, INGESTED_AT, SUPERSEDED_AT}]
    came = versions.select(*day, pl.col(INGESTED_AT).alias("at"), *measures)
    went = versions.drop_nulls(SUPERSEDED_AT).select(
        *day, pl.col(SUPERSEDED_AT).alias("at"), *(-pl.col(name) for name in measures)
    )
    changes = pl.concat([came, went]).group_by(*day, "at").agg(pl.col(measures).sum()).sort("at")
    sums = changes.with_columns(pl.col(measures).cum_sum().over(day))
    return (
        sums.select(day)
        .unique()
        .join(fetches, on=["campaign_id", "report_date"])
        .sort("written_at")
        .join_asof(sums, left_on="written_at", right_on="at", by=day, check_sortedness=False)
        .unpivot(measures, index=[*day, "fetched_at", IS_SETTLED], variable_name="measure")
        .with_columns(pl.col("value").fill_null(0.0).round(6))
    )


def revision_nowcast(observed: pl.DataFrame) -> pl.DataFrame:
    """The table, from the `revisions` of all exports."""
    moment = observed["fetched_at"].max()
    if not isinstance(moment, datetime):
        return empty_frame(schema.REVISION_NOWCAST)
    return conformed(
        NowcastHistory(observed)
        .nowcast(moment)
        .with_columns(
            pl.col("currency").replace(NO_CURRENCY, None),
            divided(pl.col("reported"), pl.col("expected")).alias("completeness"),
        ),
        schema.REVISION_NOWCAST,
    )


class NowcastHistory:
    """Revisions, and the nowcasts that follow from what of them was known at a moment."""

    def __init__(self, observed: pl.DataFrame) -> None:
        """`observed` is a frame of `REVISIONS`."""
        series = observed.select(*SERIES, "is_amount").unique().sort(SERIES)
        self._series = series.with_row_index("series").with_columns(
            pl.struct("account_id", "measure", "currency").rank("dense").sub(1).alias("group")
        )
        self._observed = (
            observed.join(self._series.select(*SERIES, "series"), on=SERIES)
            .with_columns(
                ((pl.col("fetched_at") - _closed_at()).dt.total_seconds() / 3600).alias("hours")
            )
            .select("series", "report_date", "fetched_at", "hours", "value", IS_SETTLED)
            .sort("fetched_at")
        )

    def nowcast(self, moment: datetime) -> pl.DataFrame:
        """What was said of each open day at `moment`, from fetches until then."""
        known = self._observed.filter(pl.col("fetched_at") <= moment)
        newest = known.group_by("series", "report_date", maintain_order=True).last()
        final, still_open = newest.filter(IS_SETTLED), newest.filter(~pl.col(IS_SETTLED))
        # Days are compared at the same hour: an evening's fetch has seen more than a morning's.
        hour = known.group_by("series").agg((pl.col("hours").last() % 24).alias("hour"))
        age = ((pl.col("hours") - pl.col("hour")) / 24).round().cast(pl.Int64)
        last = final["report_date"].max()
        first = (last if isinstance(last, date) else moment.date()) - timedelta(
            days=schema.BASIS_DAYS - 1
        )
        basis = final.filter(pl.col("report_date") >= first)
        open_days = still_open.join(hour, on="series").with_columns(
            age.clip(0, AGES - 1).alias("age")
        )
        learnt_from = (
            known.join(basis, on=["series", "report_date"], how="semi")
            .join(hour, on="series")
            .with_columns(age.alias("age"))
            .filter(pl.col("age").is_between(0, AGES - 1))
            # The fetch nearest to that hour comes last, and replaces the others of its age.
            .sort((pl.col("hours") - pl.col("hour") - 24 * pl.col("age")).abs(), descending=True)
        )
        shape = (self._series.height, schema.BASIS_DAYS)
        finals, reported = np.full(shape, np.nan), np.full((*shape, AGES), np.nan)
        finals[basis["series"], _offset(basis, first)] = basis["value"]
        at = (learnt_from["series"], _offset(learnt_from, first), learnt_from["age"])
        reported[at] = learnt_from["value"]
        history = History(
            reported,
            finals,
            self._series["group"].to_numpy().astype(np.int64),
            (np.arange(schema.BASIS_DAYS) + first.weekday()) % 7,
        )
        return self._said(history, open_days)

    def _said(self, history: History, open_days: pl.DataFrame) -> pl.DataFrame:
        """The nowcast of each open day, or why there is none."""
        days = OpenDays(
            open_days["series"].to_numpy().astype(np.int64),
            open_days["age"].to_numpy(),
            open_days["report_date"].dt.weekday().to_numpy().astype(np.int64) - 1,
            open_days["value"].to_numpy(),
        )
        estimates = self._estimates(history, days)
        own = history.known.sum(1)[days.series, days.age]
        group = (history.of_group(history.known.astype(float)) > 0).sum(1)[days.series, days.age]
        known = np.isfinite(history.final)
        usual = np.where(known, history.final, 0.0).sum(1) / np.maximum(known.sum(1), 1)
        enough = pl.max_horizontal("own", "group") >= schema.LEAST_BASIS_DAYS
        pooled = pl.col("own") < schema.LEAST_BASIS_DAYS
        said = open_days.with_columns(
            *(pl.Series(name, estimates[name]) for name in _ESTIMATES),
            pl.Series("own", own),
            pl.Series("group", group),
            pl.Series("usual", usual[days.series]),
        ).with_columns(
            pl.when(~enough)
            .then(pl.lit(schema.TOO_FEW_DAYS))
            .when(pl.col("mean").is_nan())
            .then(pl.lit(schema.NOTHING_REPORTED))
            .alias("reason"),
            pl.when(pooled).then("group").otherwise("own").alias("basis_days"),
            pl.when(pooled)
            .then(pl.lit(schema.ORGANISATION))
            .otherwise(pl.lit(schema.CAMPAIGN))
            .alias("pooled"),
        )
        spoken = pl.col("reason").is_null()
        return said.join(self._series, on="series").select(
            "report_date",
            "campaign_id",
            "measure",
            "currency",
            "is_amount",
            "usual",
            pl.col("fetched_at").alias("as_of"),
            (pl.col("hours") // 24).cast(pl.Int64).alias("age_days"),
            pl.col("value").alias("reported"),
            pl.when(spoken).then("mean").alias("expected"),
            *(pl.when(spoken).then(name).alias(name) for name in _ENDS),
            "basis_days",
            pl.when(spoken).then("pooled").alias("pooled"),
            "reason",
        )

    def _estimates(self, history: History, days: OpenDays) -> dict[str, Array]:
        """`Expectation`s of all days, by the name of the figure."""
        is_amount = self._series["is_amount"].to_numpy()
        found = {name: np.full(days.value.shape, np.nan) for name in _ESTIMATES}
        for estimate, chosen in ((expected_counts, ~is_amount), (expected_amounts, is_amount)):
            here = chosen[days.series]
            of_chosen = OpenDays(
                (chosen.cumsum() - 1)[days.series[here]],
                days.age[here],
                days.weekday[here],
                days.value[here],
            )
            expectation = estimate(history.of(chosen), of_chosen)
            for name in _ESTIMATES:
                found[name][here] = getattr(expectation, name)
        return found


def _closed_at() -> pl.Expr:
    """When the day of `report_date` closed: the next day, 00:00 UTC."""
    day = pl.col("report_date").cast(pl.Datetime("us")).dt.replace_time_zone("UTC")
    return day.dt.offset_by("1d")


def _offset(days: pl.DataFrame, first: date) -> pl.Series:
    return (days["report_date"] - first).dt.total_days()
