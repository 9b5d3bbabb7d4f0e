"""The checks of what is derived: it adds up to its export, and holds no impossible number.

What each table should add up to is data here; how its figures are computed is in `metrics`, on
purpose not used here: a check that divides like the table does would repeat its mistakes.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date
from functools import partial
from typing import TYPE_CHECKING

import dagster as dg

from soundlink_assets.assets.catalog import asset_key
from soundlink_assets.assets.checks import ChecksStep, Partitions, StoredCheck
from soundlink_assets.assets.findings import (
    ERROR,
    Judged,
    differing_sums,
    rows_by_day,
    table_of,
)
from soundlink_assets.assets.verdicts import (
    Verdict,
    Verdicts,
    check_spec,
    failing,
    not_judged,
    passing,
)
from soundlink_assets.schema import (
    CAMPAIGN_COUNTRY_DAILY,
    CAMPAIGN_ENGAGEMENT_DAILY,
    SOUNDLINK_ENGAGEMENT_DAILY,
    Export,
)
from soundlink_assets.schema.analytics import (
    CAMPAIGN_SCORECARD,
    COUNTRY_EFFICIENCY,
    COUNTRY_SCORECARD,
    MEASURES,
    PLAYLIST_TRACK_SHARE,
    SPILLOVER_SHARE,
)
from soundlink_assets.schema.fields import CATALOG, PLAYLIST, TRACK
from soundlink_assets.schema.tables import Kind, Table
from soundlink_assets.schema.window import Window

if TYPE_CHECKING:
    import polars as pl

    from soundlink_assets.warehouse import Warehouse

SHARE_SLACK = 1e-9
"""A sum of shares may be off by this much: a thousand binary roundings of 2^-53 are 1e-13."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Totals:
    """What a derived table must add up to.

    For each group of `per`, the sum of the table's columns on the left is the sum of the export's
    column on the right, over the rows of its exports that have the values of `only`. Columns of
    soundlinks have the names that campaigns have for them.
    """

    per: tuple[str, ...]
    sums: Mapping[tuple[str, ...], str]
    only: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class Invariants:
    """What must hold for a derived table: its totals, and shares that sum to one per group."""

    table: Table
    sources: tuple[Export, ...]
    totals: Totals
    shares: Mapping[str, tuple[str, ...]] = field(default_factory=dict)

    @property
    def day(self) -> str:
        """The column of the day, in the table and in its exports."""
        return self.sources[0].day


_CAMPAIGN_DAY = ("report_date", "campaign_id")
_PLAYS = ("streams", "new_listener_streams")
_SPLIT = ("promoted", "spillover", "undetermined")

INVARIANTS = (
    Invariants(
        table=COUNTRY_EFFICIENCY,
        sources=(CAMPAIGN_COUNTRY_DAILY,),
        totals=Totals(
            per=(*_CAMPAIGN_DAY, "currency"),
            sums={(measure,): measure for measure in MEASURES},
        ),
        shares={
            "spend_share": (*_CAMPAIGN_DAY, "currency"),
            "listener_share": (*_CAMPAIGN_DAY, "currency"),
        },
    ),
    Invariants(
        table=SPILLOVER_SHARE,
        sources=(CAMPAIGN_ENGAGEMENT_DAILY, SOUNDLINK_ENGAGEMENT_DAILY),
        totals=Totals(
            per=(*_CAMPAIGN_DAY, "country_code"),
            sums={tuple(f"{part}_{plays}" for part in _SPLIT): plays for plays in _PLAYS},
            only={"engagement_context": CATALOG, "campaign_target_type": TRACK},
        ),
    ),
    Invariants(
        table=PLAYLIST_TRACK_SHARE,
        sources=(CAMPAIGN_ENGAGEMENT_DAILY, SOUNDLINK_ENGAGEMENT_DAILY),
        totals=Totals(
            per=(*_CAMPAIGN_DAY, "country_code"),
            sums={(plays,): plays for plays in _PLAYS},
            only={"engagement_context": PLAYLIST},
        ),
        shares={
            "stream_share": _CAMPAIGN_DAY,
            "country_stream_share": (*_CAMPAIGN_DAY, "country_code"),
        },
    ),
)


# ---- tables by days ----


@dataclass(frozen=True, slots=True, eq=False)
class StoredDerived:
    """The rows of a derived table for a window, and those of its exports."""

    rows: "pl.DataFrame"
    source: "pl.DataFrame"


def derived_checks(
    invariants: Invariants, exports: Sequence[Export], partitions: Partitions
) -> ChecksStep[StoredDerived]:
    """The checks of a derived table by days; what comes of `exports` is in it."""
    asset = asset_key(invariants.table)
    judged = {
        "totals_equal_export": (_said_of_totals(invariants), _judge_totals),
        "no_infinite_ratio": (_NO_INFINITE_RATIO, _judge_ratios),
        **(
            {"shares_sum_to_one": (_said_of_shares(invariants), _judge_shares)}
            if invariants.shares
            else {}
        ),
    }
    return ChecksStep(
        table=invariants.table,
        days=invariants.table,
        checks=[
            StoredCheck(
                check_spec(asset, name, description, partitions), partial(judge, invariants)
            )
            for name, (description, judge) in judged.items()
        ],
        read=partial(_read, invariants, exports),
    )


_NO_INFINITE_RATIO = (
    "Every ratio is a finite number, or empty where there is nothing to divide by: never infinite, "
    "never NaN."
)


def _said_of_totals(invariants: Invariants) -> str:
    totals = invariants.totals
    sums = "; ".join(f"`{' + '.join(ours)} = {theirs}`" for ours, theirs in totals.sums.items())
    rows = " and ".join(f"{column} `{value}`" for column, value in totals.only.items())
    sources = " and ".join(source.table.qualified_name for source in invariants.sources)
    of_rows = f" (rows with {rows})" if rows else ""
    return (
        f"Nothing is lost or counted twice: the sums per {', '.join(totals.per)} equal those of "
        f"{sources}{of_rows}, to the cent and to the play. {sums}."
    )


def _said_of_shares(invariants: Invariants) -> str:
    shares = "; ".join(
        f"`{share}` per {', '.join(per)}" for share, per in invariants.shares.items()
    )
    return f"Shares are parts of a whole: they sum to one. {shares}."


def _judge_totals(invariants: Invariants, stored: StoredDerived, days: Sequence[date]) -> Verdicts:
    totals = invariants.totals
    ours = stored.rows.group_by(totals.per).agg(
        sum((_known_sum(part) for part in parts[1:]), _known_sum(parts[0])).alias(theirs)
        for parts, theirs in totals.sums.items()
    )
    theirs = (
        stored.source.filter(**totals.only)
        .group_by(totals.per)
        .agg(_known_sum(column).alias(column) for column in totals.sums.values())
    )
    both = ours.join(theirs, on=totals.per, how="full", coalesce=True, suffix="_expected")
    said = {column: " + ".join(parts) for parts, column in totals.sums.items()}
    findings = differing_sums(both, totals.per, said)
    rows = rows_by_day(both, invariants.day, days)
    return Judged(invariants.day, rows, totals.per, where=totals.per, unit="totals").verdicts(
        findings
    )


def _judge_shares(invariants: Invariants, stored: StoredDerived, days: Sequence[date]) -> Verdicts:
    import polars as pl

    groups = set().union(*invariants.shares.values())
    keys = [column for column in stored.rows.columns if column in groups]
    sums = pl.concat(
        (
            stored.rows.filter(pl.col(share).is_not_null())
            .group_by(per)
            .agg(found=pl.col(share).sum())
            .with_columns(field=pl.lit(share))
            for share, per in invariants.shares.items()
        ),
        how="diagonal",
    )
    # NaN and infinity are far from one too: only what is close keeps the rule.
    close = ((pl.col("found") - 1).abs() <= SHARE_SLACK).fill_null(value=False)
    findings = sums.filter(~close).select(
        *keys,
        "field",
        "found",
        expected=1.0,
        difference=pl.col("found") - 1,
        is_error=pl.lit(value=True),
    )
    worst_first = findings.sort(pl.col("difference").abs(), descending=True)
    rows = rows_by_day(sums, invariants.day, days)
    return Judged(
        invariants.day, rows, [*keys, "field"], where=keys, unit="sums of shares"
    ).verdicts(worst_first)


def _judge_ratios(invariants: Invariants, stored: StoredDerived, days: Sequence[date]) -> Verdicts:
    import polars as pl

    table = invariants.table
    ratios = [column.name for column in table.columns if column.kind is Kind.RATIO]
    findings = pl.concat(
        stored.rows.filter(~pl.col(ratio).is_finite()).select(
            *table.key,
            "campaign_name",
            field=pl.lit(ratio),
            found=pl.col(ratio).cast(pl.String),
            is_error=pl.lit(value=True),
        )
        for ratio in ratios
    )
    rows = rows_by_day(stored.rows, invariants.day, days)
    where = ("campaign_name", table.key[-1], invariants.day)
    return Judged(invariants.day, rows, table.key, where=where).verdicts(findings)


def _read(
    invariants: Invariants, exports: Sequence[Export], warehouse: "Warehouse", window: Window
) -> StoredDerived:
    import polars as pl

    totals = invariants.totals
    needed = list(dict.fromkeys([*totals.per, *totals.only, *totals.sums.values()]))
    with warehouse.reader("checks") as reader:
        sources = []
        for export in invariants.sources:
            if export in exports:
                ours = {theirs: name for name, theirs in export.as_of_campaigns.items()}
                columns = [ours.get(name, name) for name in needed]
                rows = reader.load(export.table, window, columns).select(columns)
                sources.append(rows.rename(dict(zip(columns, needed, strict=True))))
        return StoredDerived(reader.load(invariants.table, window), pl.concat(sources))


def _known_sum(column: str) -> "pl.Expr":
    """The sum of what is known, exact for any number of rows; null if nothing is known."""
    import polars as pl

    exact = pl.col(column).cast(pl.Decimal(38, 6))
    return pl.when(exact.count() > 0).then(exact.sum())


# ---- scorecards ----

TOTALS_EQUAL_DAILY_TABLE = "totals_equal_daily_table"

SCORECARD_ROWS = {
    CAMPAIGN_SCORECARD: ("campaign_id", "currency"),
    COUNTRY_SCORECARD: ("campaign_id", "country_code", "currency"),
}
"""What a row of each scorecard is about, as columns of the daily table."""


def scorecard_checks() -> dict[Table, dg.AssetCheckSpec]:
    """The check of each scorecard, which the asset reports itself."""
    measures = ", ".join(f"`{measure}`" for measure in MEASURES)
    return {
        table: check_spec(
            asset_key(table),
            TOTALS_EQUAL_DAILY_TABLE,
            f"Nothing is lost or counted twice: {measures} per {', '.join(per)} are the sums of "
            f"{COUNTRY_EFFICIENCY.qualified_name} until `as_of`, to the cent.",
        )
        for table, per in SCORECARD_ROWS.items()
    }


def judge_scorecard(table: Table, card: "pl.DataFrame", days: "pl.DataFrame") -> Verdict:
    """The verdict on a scorecard, from its rows and those of the daily table that it came from."""
    import polars as pl

    if card.is_empty():
        return not_judged("nothing is stored yet")
    per = SCORECARD_ROWS[table]
    sums = (
        days.filter(pl.col("report_date") <= card["as_of"].max())
        .group_by(per)
        .agg(_known_sum(measure).alias(measure) for measure in MEASURES)
    )
    both = card.select(
        *per, *(pl.col(measure).cast(pl.Decimal(38, 6)) for measure in MEASURES)
    ).join(sums, on=per, how="full", coalesce=True, suffix="_expected", nulls_equal=True)
    findings = differing_sums(both, per, {measure: measure for measure in MEASURES})
    if findings.is_empty():
        return passing(f"All {card.height:,} rows are the sums of their days.", rows=card.height)
    worst = findings.row(0, named=True)
    return failing(
        ERROR,
        f"{findings.height:,} sums are not those of the days. For example {worst['field']} of "
        f"campaign {worst['campaign_id']} is {worst['found']}, expected {worst['expected']}.",
        rows=card.height,
        differing_sums=findings.height,
        findings=table_of(findings),
    )
