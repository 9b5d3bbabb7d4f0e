"""Checks of the derived tables: they add up to their export, and hold no impossible number.

What each table should add up to is data here; how its figures are computed is in `metrics`, on
purpose not used here: a check that divides like the table does would repeat its mistakes.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date
from functools import partial
from typing import TYPE_CHECKING

import dagster as dg

from soundlink_assets.schema import CAMPAIGN_COUNTRY_DAILY, CAMPAIGN_ENGAGEMENT_DAILY, Export
from soundlink_assets.schema.fields import CATALOG, PLAYLIST
from soundlink_assets.schema.window import Window
from soundlink_assets.assets.catalogue import asset_key
from soundlink_assets.assets.checks_findings import (
    differing_sums,
    known_sum,
    rows_by_day,
    verdicts_of,
)
from soundlink_assets.assets.checks_stored import ChecksStep, StoredCheck
from soundlink_assets.assets.checks_verdicts import Verdicts, check_spec
from soundlink_assets.schema.analytics import (
    COUNTRY_EFFICIENCY,
    PLAYLIST_TRACK_SHARE,
    SPILLOVER_SHARE,
)
from soundlink_assets.schema.tables import Kind, Table

if TYPE_CHECKING:
    import polars as pl

SHARE_SLACK = 1e-9
"""A sum of shares may be off by this much: a thousand binary roundings of 2^-53 are 1e-13."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Totals:
    """What a derived table must add up to.

    For each group of `per`, the sum of the table's columns on the left is the sum of the export's
    column on the right, over the export's rows that have the values of `only`.
    """

    per: tuple[str, ...]
    sums: Mapping[tuple[str, ...], str]
    only: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class Invariants:
    """What must hold for a derived table: its totals, and shares that sum to one per group."""

    table: Table
    source: Export
    totals: Totals
    shares: Mapping[str, tuple[str, ...]] = field(default_factory=dict)


COUNTRY_MEASURES = (
    "spend_media",
    "fees",
    "spend_total",
    "impressions",
    "ad_clicks",
    "link_clicks",
    "streams",
    "listeners",
    "followers",
)
"""What every table over countries adds up."""

_CAMPAIGN_DAY = ("report_date", "campaign_id")
_SPLIT = ("promoted", "spillover", "undetermined")

INVARIANTS = (
    Invariants(
        table=COUNTRY_EFFICIENCY,
        source=CAMPAIGN_COUNTRY_DAILY,
        totals=Totals(
            per=(*_CAMPAIGN_DAY, "currency"),
            sums={(measure,): measure for measure in COUNTRY_MEASURES},
        ),
        shares={
            "spend_share": (*_CAMPAIGN_DAY, "currency"),
            "listener_share": (*_CAMPAIGN_DAY, "currency"),
        },
    ),
    Invariants(
        table=SPILLOVER_SHARE,
        source=CAMPAIGN_ENGAGEMENT_DAILY,
        totals=Totals(
            per=(*_CAMPAIGN_DAY, "country_code"),
            sums={
                tuple(f"{part}_{measure}" for part in _SPLIT): measure
                for measure in ("streams", "new_listener_streams")
            },
            only={"engagement_context": CATALOG, "campaign_target_type": "track"},
        ),
    ),
    Invariants(
        table=PLAYLIST_TRACK_SHARE,
        source=CAMPAIGN_ENGAGEMENT_DAILY,
        totals=Totals(
            per=(*_CAMPAIGN_DAY, "country_code"),
            sums={(measure,): measure for measure in ("streams", "new_listener_streams")},
            only={"engagement_context": PLAYLIST},
        ),
        shares={
            "stream_share": _CAMPAIGN_DAY,
            "country_stream_share": (*_CAMPAIGN_DAY, "country_code"),
        },
    ),
)


@dataclass(frozen=True, slots=True, eq=False)
class StoredDerived:
    """The rows of a derived table for a window, and those of its export."""

    rows: "pl.DataFrame"
    source: "pl.DataFrame"


def derived_checks(
    invariants: Invariants, partitions: dg.PartitionsDefinition[str]
) -> ChecksStep[StoredDerived]:
    """The checks of a derived table."""
    asset = asset_key(invariants.table)
    checks = [
        StoredCheck(
            check_spec(asset, "totals_equal_export", _said_of_totals(invariants), partitions),
            partial(_judge_totals, invariants.totals),
        ),
        StoredCheck(
            check_spec(asset, "no_infinite_ratio", _NO_INFINITE_RATIO, partitions),
            partial(_judge_ratios, invariants.table),
        ),
    ]
    if invariants.shares:
        checks.append(
            StoredCheck(
                check_spec(asset, "shares_sum_to_one", _said_of_shares(invariants), partitions),
                partial(_judge_shares, invariants.shares),
            )
        )
    return ChecksStep(
        table=invariants.table,
        ledger=invariants.table,
        checks=checks,
        read=partial(_read, invariants),
    )


_NO_INFINITE_RATIO = (
    "Every ratio is a finite number, or empty where there is nothing to divide by: never infinite, "
    "never NaN."
)


def _said_of_totals(invariants: Invariants) -> str:
    totals = invariants.totals
    sums = "; ".join(f"`{' + '.join(ours)} = {theirs}`" for ours, theirs in totals.sums.items())
    rows = " and ".join(f"{column} `{value}`" for column, value in totals.only.items())
    of_rows = f" (its rows with {rows})" if rows else ""
    return (
        f"Nothing is lost or counted twice: the sums per {', '.join(totals.per)} equal those of "
        f"{invariants.source.table.qualified_name}{of_rows}, to the cent and to the play. {sums}."
    )


def _said_of_shares(invariants: Invariants) -> str:
    shares = "; ".join(
        f"`{share}` per {', '.join(per)}" for share, per in invariants.shares.items()
    )
    return f"Shares are parts of a whole: they sum to one. {shares}."


def _judge_totals(totals: Totals, stored: StoredDerived, days: Sequence[date]) -> Verdicts:
    ours = stored.rows.group_by(totals.per).agg(
        sum((known_sum(part) for part in parts[1:]), known_sum(parts[0])).alias(theirs)
        for parts, theirs in totals.sums.items()
    )
    theirs = (
        stored.source.filter(**totals.only)
        .group_by(totals.per)
        .agg(known_sum(column).alias(column) for column in totals.sums.values())
    )
    both = ours.join(theirs, on=totals.per, how="full", coalesce=True, suffix="_expected")
    said = {column: " + ".join(parts) for parts, column in totals.sums.items()}
    findings = differing_sums(both, totals.per, said)
    return verdicts_of(findings, rows_by_day(both, days), totals.per, "totals")


def _judge_shares(
    shares: Mapping[str, tuple[str, ...]], stored: StoredDerived, days: Sequence[date]
) -> Verdicts:
    import polars as pl

    groups = set().union(*shares.values())
    keys = [column for column in stored.rows.columns if column in groups]
    sums = pl.concat(
        (
            stored.rows.filter(pl.col(share).is_not_null())
            .group_by(per)
            .agg(found=pl.col(share).sum())
            .with_columns(field=pl.lit(share))
            for share, per in shares.items()
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
        far_off=pl.lit(value=True),
    )
    worst_first = findings.sort(pl.col("difference").abs(), descending=True)
    return verdicts_of(worst_first, rows_by_day(sums, days), [*keys, "field"], "sums of shares")


def _judge_ratios(table: Table, stored: StoredDerived, days: Sequence[date]) -> Verdicts:
    import polars as pl

    ratios = [column.name for column in table.columns if column.kind is Kind.RATIO]
    findings = pl.concat(
        stored.rows.filter(~pl.col(ratio).is_finite()).select(
            *table.key,
            "campaign_name",
            field=pl.lit(ratio),
            found=pl.col(ratio).cast(pl.String),
            far_off=pl.lit(value=True),
        )
        for ratio in ratios
    )
    return verdicts_of(findings, rows_by_day(stored.rows, days), table.key)


def _read(invariants: Invariants, warehouse: str, window: Window) -> StoredDerived:
    from soundlink_assets.warehouse.connection import connect
    from soundlink_assets.warehouse.reading import load_table

    totals = invariants.totals
    needed = [*totals.per, *totals.only, *totals.sums.values()]
    with connect(warehouse, read_only=True, purpose="checks") as connection:
        return StoredDerived(
            rows=load_table(connection, invariants.table, window),
            source=load_table(
                connection, invariants.source.table, window, list(dict.fromkeys(needed))
            ),
        )
