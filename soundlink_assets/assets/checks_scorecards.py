"""The check of the scorecards: their sums to date are those of the daily table, row by row."""

from collections.abc import Sequence
from typing import TYPE_CHECKING

import dagster as dg

from soundlink_assets.assets.catalogue import asset_key
from soundlink_assets.assets.checks_derived import COUNTRY_MEASURES
from soundlink_assets.assets.checks_findings import differing_sums, known_sum, offenders
from soundlink_assets.schema.analytics import (
    CAMPAIGN_SCORECARD,
    COUNTRY_EFFICIENCY,
    COUNTRY_SCORECARD,
)
from soundlink_assets.schema.tables import Table

if TYPE_CHECKING:
    import polars as pl

CHECK_NAME = "totals_equal_daily_table"

ROWS = {
    CAMPAIGN_SCORECARD: ("campaign_id", "currency"),
    COUNTRY_SCORECARD: ("campaign_id", "country_code", "currency"),
}
"""What a row of each scorecard stands for, as columns of the daily table."""


def scorecard_checks(warehouse: str) -> list[dg.AssetChecksDefinition]:
    """The check of each scorecard, on the warehouse."""
    return [_totals_check(table, per, warehouse) for table, per in ROWS.items()]


def _totals_check(table: Table, per: Sequence[str], warehouse: str) -> dg.AssetChecksDefinition:
    measures = ", ".join(f"`{measure}`" for measure in COUNTRY_MEASURES)

    @dg.asset_check(
        asset=asset_key(table),
        name=CHECK_NAME,
        description=f"Nothing is lost or counted twice: {measures} per {', '.join(per)} are the "
        f"sums of {COUNTRY_EFFICIENCY.qualified_name} until `as_of`, to the cent. A warning only: "
        "the days may have been computed again since, and then the scorecard follows.",
    )
    def totals_equal_daily_table() -> dg.AssetCheckResult:
        from soundlink_assets.warehouse.connection import connect
        from soundlink_assets.warehouse.reading import load_table

        with connect(warehouse, read_only=True, purpose="checks") as connection:
            card = load_table(connection, table, columns=(*per, "as_of", *COUNTRY_MEASURES))
            days = load_table(
                connection, COUNTRY_EFFICIENCY, columns=(*per, "report_date", *COUNTRY_MEASURES)
            )
        return judge(card, days, per)

    return totals_equal_daily_table


def judge(card: "pl.DataFrame", days: "pl.DataFrame", per: Sequence[str]) -> dg.AssetCheckResult:
    """The verdict on a scorecard, from its rows and those of the daily table."""
    import polars as pl

    if card.is_empty():
        return dg.AssetCheckResult(passed=True, description="Nothing is stored yet.")
    sums = (
        days.filter(pl.col("report_date") <= card["as_of"].max())
        .group_by(per)
        .agg(known_sum(measure).alias(measure) for measure in COUNTRY_MEASURES)
    )
    both = card.join(sums, on=per, how="full", coalesce=True, suffix="_expected", nulls_equal=True)
    findings = differing_sums(both, per, {measure: measure for measure in COUNTRY_MEASURES})
    counts = {"rows": card.height, "differing_sums": findings.height}
    if findings.is_empty():
        said = f"All {card.height:,} rows are the sums of their days."
        return dg.AssetCheckResult(passed=True, description=said, metadata=counts)
    worst = findings.row(0, named=True)
    return dg.AssetCheckResult(
        passed=False,
        severity=dg.AssetCheckSeverity.WARN,
        description=f"{findings.height:,} sums are not those of the days. For example "
        f"{worst['field']} of campaign {worst['campaign_id']} is {worst['found']}, expected "
        f"{worst['expected']}.",
        metadata={**counts, "offenders": offenders(findings)},
    )
