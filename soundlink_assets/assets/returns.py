"""What campaigns earned by the statements: from stored rows to tables, verdicts and metadata.

Computed in one step with the scorecards, see `derived`. The figures themselves are in `metrics`.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import timedelta
from typing import TYPE_CHECKING, Any

import dagster as dg

from soundlink_assets.assets.catalog import asset_key
from soundlink_assets.assets.findings import ERROR, WARN, table_of
from soundlink_assets.assets.statements import months_between, named
from soundlink_assets.assets.verdicts import Verdict, check_spec, failing, not_judged, passing
from soundlink_assets.schema import CAMPAIGN_COUNTRY_DAILY, CAMPAIGN_ENGAGEMENT_DAILY, Export
from soundlink_assets.schema.statements import CAMPAIGN_RETURN, SPOTIFY, TRACK_MONTH_SHARE
from soundlink_assets.schema.window import Window

if TYPE_CHECKING:
    import polars as pl

    from soundlink_assets.warehouse import Reader, Warehouse

Compute = Callable[[Any, Any], Any]
"""Rows of an export and their delivery log to figures by month."""


@dataclass(frozen=True, slots=True, eq=False)
class Earned:
    """What the statements say of campaigns; without any, empty tables and nothing judged."""

    shares: Any
    returns: Any
    country_value: Any
    verdicts: Mapping[str, Verdict]
    metadata: Mapping[str, Any]


def earned_by(statements: "pl.DataFrame", warehouse: "Warehouse") -> Earned:
    """What the stored rows earned by these statements. Raises OutOfRangeError."""
    from soundlink_assets.metrics.campaign_return import campaign_return, country_value
    from soundlink_assets.metrics.track_month_share import track_month_share
    from soundlink_assets.schema.frames import empty_frame

    if statements.is_empty():
        verdict = not_judged("there are no statements")
        shares, returns = empty_frame(TRACK_MONTH_SHARE), empty_frame(CAMPAIGN_RETURN)
        return Earned(shares, returns, None, dict.fromkeys(return_checks(), verdict), {})
    plays, spend = monthly_figures(warehouse)
    shares = track_month_share(statements, plays, spend)
    returns = campaign_return(statements, plays, spend)
    return Earned(
        shares,
        returns,
        country_value(statements, plays, spend),
        {
            "share_at_most_one": judge_shares(shares),
            "no_currency_mixed": judge_currencies(returns, statements, spend),
        },
        unmatched(statements, plays),
    )


def monthly_figures(warehouse: "Warehouse") -> "tuple[pl.DataFrame, pl.DataFrame]":
    """`monthly_plays` and `monthly_spend` of all that is stored, read month by month."""
    import polars as pl

    from soundlink_assets.metrics.campaign_return import SPEND_COLUMNS, monthly_spend
    from soundlink_assets.metrics.track_month_share import PLAY_COLUMNS, monthly_plays
    from soundlink_assets.schema.frames import empty_frame

    def by_month(
        reader: "Reader", export: Export, columns: Sequence[str], compute: Compute
    ) -> "pl.DataFrame":
        parts: list[pl.DataFrame] = [
            compute(empty_frame(export.table), empty_frame(export.delivery_log))
        ]
        days = set(reader.delivery_log(export)[export.day])
        for month in months_between(min(days), max(days)) if days else ():
            last = (month + timedelta(days=31)).replace(day=1) - timedelta(days=1)
            stored = reader.stored_days(export, Window(month, last), columns)
            parts.append(compute(stored.rows, stored.log))
        return pl.concat(parts)

    with warehouse.reader("what campaigns earned") as reader:
        return (
            by_month(reader, CAMPAIGN_ENGAGEMENT_DAILY, PLAY_COLUMNS, monthly_plays),
            by_month(reader, CAMPAIGN_COUNTRY_DAILY, SPEND_COLUMNS, monthly_spend),
        )


def return_checks() -> dict[str, dg.AssetCheckSpec]:
    """The checks of what campaigns earned, by name; the asset reports them itself."""
    return {
        "share_at_most_one": check_spec(
            asset_key(TRACK_MONTH_SHARE),
            "share_at_most_one",
            "No campaign brought more streams of a recording in a month than were paid: "
            "`attributed_share` is at most 1. More means that the statement is incomplete, or that "
            "several campaigns observed the same streams.",
        ),
        "no_currency_mixed": check_spec(
            asset_key(CAMPAIGN_RETURN),
            "no_currency_mixed",
            "Amounts of different currencies are never added: spend per campaign and currency is "
            "that of the export's final days, and revenue is in a currency of the statements. A "
            "campaign whose revenue is in another currency than its spend has no recoup ratio.",
        ),
    }


def judge_shares(shares: "pl.DataFrame") -> Verdict:
    """Whether any share is above one."""
    import polars as pl

    judged = shares.filter(pl.col("attributed_share").is_not_null())
    above = judged.filter(pl.col("attributed_share") > 1).sort("attributed_share", descending=True)
    if above.is_empty():
        return passing(f"All {judged.height:,} shares are at most 1.", rows=judged.height)
    worst = above.row(0, named=True)
    return failing(
        WARN,
        f"{above.height:,} of {judged.height:,} shares are above 1. For example {worst['isrc']} in "
        f"{worst['month']:%Y-%m}: {worst['attributed_share']:.2f}.",
        rows=judged.height,
        findings=table_of(above.select("isrc", "month", "statement_streams", "attributed_share")),
    )


def judge_currencies(
    returns: "pl.DataFrame", statements: "pl.DataFrame", spend: "pl.DataFrame"
) -> Verdict:
    """Whether spend and revenue are each in their own currency."""
    import polars as pl

    key = ["campaign_id", "currency"]
    exact = pl.col("spend_total").cast(pl.Decimal(38, 6))
    expected = spend.group_by(key).agg(exact.sum().alias("expected"))
    differing = (
        returns.select(*key, exact.alias("found"))
        .join(expected, on=key, how="full", coalesce=True)
        .filter(~pl.col("found").eq_missing(pl.col("expected")))
    )
    unpaid = returns.filter(pl.col("attributed_revenue").is_not_null()).join(
        statements.filter(pl.col("store") == SPOTIFY), on="currency", how="anti"
    )
    if differing.height or unpaid.height:
        return failing(
            ERROR,
            f"{differing.height} sums of spend and {unpaid.height} of revenue are not those of "
            "their currency.",
            findings=table_of(pl.concat([differing, unpaid.select(key)], how="diagonal")),
        )
    spends = pl.col("campaign_id").is_in(spend["campaign_id"].implode())
    apart = returns.filter(
        pl.col("attributed_revenue").is_not_null(), pl.col("spend_total").is_null(), spends
    )
    if apart.height:
        currencies = ", ".join(apart["currency"].unique().sort())
        return failing(
            WARN,
            f"{apart.height} campaigns earn in a currency that they do not spend in "
            f"({currencies}): nothing is converted, and their recoup ratio is unknown.",
            rows=returns.height,
        )
    return passing(f"All {returns.height:,} rows hold one currency.", rows=returns.height)


def unmatched(statements: "pl.DataFrame", plays: "pl.DataFrame") -> dict[str, Any]:
    """What statements and campaigns do not have in common, for metadata: ISRCs and months."""
    import polars as pl

    paid = statements.filter(pl.col("store") == SPOTIFY)
    brought = plays.filter(pl.col("streams") > 0, pl.col("isrc").is_not_null())
    by_streams = brought.group_by("isrc").agg(pl.col("streams").sum()).sort("streams", "isrc")
    lacking = by_streams.join(paid, on="isrc", how="anti")["isrc"].reverse().to_list()
    others = paid.join(brought, on="isrc", how="anti")["isrc"].unique().sort().to_list()
    months = sorted(set(brought["month"]) - set(paid["month"]))
    return {
        "isrcs_without_statement": len(lacking),
        "isrcs_without_campaign": len(others),
        "months_without_statement": named([f"{month:%Y-%m}" for month in months]),
        "isrcs_without_statement_named": named(lacking),
        "isrcs_without_campaign_named": named(others),
        "currencies": ", ".join(sorted(set(paid["currency"]))),
    }
