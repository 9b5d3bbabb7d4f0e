"""Whether the stored rows of a campaign come to what the provider's overview says.

Only final days are compared: open ones change between two requests.
"""

from decimal import Decimal

import polars as pl

from soundlink_assets.metrics.aggregation import EXACT, known_sum
from soundlink_assets.metrics.final import final_campaign_days
from soundlink_assets.schema.analytics import IS_SETTLED
from soundlink_assets.schema.exports import EXTRA, Export
from soundlink_assets.schema.overview import (
    LISTENERS,
    OVERVIEW_AMOUNTS,
    OVERVIEW_COUNTS,
    TOTAL_LISTENERS,
)

CENT = Decimal("0.01")

DIFFERENCES = pl.Schema(
    {
        "campaign_id": pl.String(),
        "measure": pl.String(),
        "overview": EXACT,
        "stored": EXACT,
        "difference": EXACT,
    }
)
"""One row per campaign and measure that differs; `difference` is stored less overview."""


def final_windows(log: pl.DataFrame, export: Export) -> pl.DataFrame:
    """The days of each campaign that can be compared: `campaign_id`, `first_day`, `last_day`.

    From its first day to the last one before any open day. `log` has the current entries of the
    delivery log of all days. Days in between that were never delivered are part of it: they may be
    what is missing.
    """
    day = pl.col(export.day)
    return (
        final_campaign_days(log, export)
        .group_by(pl.col(export.scope.requested_column).alias("campaign_id"))
        .agg(
            day.min().alias("first_day"),
            pl.coalesce(
                day.filter(~pl.col(IS_SETTLED)).min() - pl.duration(days=1), day.max()
            ).alias("last_day"),
        )
        .filter(pl.col("last_day") >= pl.col("first_day"))
        .sort("campaign_id")
    )


def differences(overviews: pl.DataFrame, rows: pl.DataFrame, export: Export) -> pl.DataFrame:
    """What differs, as `DIFFERENCES`; without rows if all is equal.

    `overviews` are rows of `soundlink.campaign_overview`, `rows` the stored rows of their days.
    A total that neither side knows is equal, and an unknown one is equal to zero. Amounts in
    another currency than the overview's are left out.
    """
    measures = (*OVERVIEW_COUNTS, *OVERVIEW_AMOUNTS, LISTENERS)
    stored = (
        rows.select(
            pl.col(export.scope.requested_column).alias("campaign_id"),
            pl.col(export.day).alias("day"),
            pl.col(export.currency or "").alias("spent_in"),
            *measures,
            _new_listeners(),
        )
        .join(
            overviews.select("campaign_id", "first_day", "last_day", "currency"), on="campaign_id"
        )
        .filter(pl.col("day").is_between("first_day", "last_day"))
        .with_columns(
            pl.when(pl.col("spent_in") == pl.col("currency")).then(name).alias(name)
            for name in OVERVIEW_AMOUNTS
        )
        .group_by("campaign_id")
        .agg(*(known_sum(name) for name in measures), known_sum("new_listeners"))
    )
    both = overviews.join(stored, on="campaign_id", how="left", suffix="_stored")
    compared = [
        both.filter(_differs(name)).select(
            "campaign_id",
            pl.lit(name).alias("measure"),
            _known(name).alias("overview"),
            _known(f"{name}_stored").alias("stored"),
            (_known(f"{name}_stored") - _known(name)).alias("difference"),
        )
        for name in measures
    ]
    return pl.concat(compared).cast(DIFFERENCES).sort("campaign_id", maintain_order=True)


def _differs(name: str) -> pl.Expr:
    difference = (_known(f"{name}_stored") - _known(name)).abs()
    if name in OVERVIEW_AMOUNTS:
        return difference > CENT
    if name == LISTENERS:
        return (difference != 0) & ~_counts_new_listeners()
    return difference != 0


def _counts_new_listeners() -> pl.Expr:
    """Whether `listeners` is right by the provider's later reading: people new to the artist.

    Their number is the sum of the rows', where these tell it. Otherwise it can only be checked that
    it is part of all people, and these part of the listeners of countries and days.
    """
    new, people = _known(LISTENERS), _known(TOTAL_LISTENERS)
    possible = (new <= people) & (people <= _known(f"{LISTENERS}_stored"))
    told = pl.col("new_listeners")
    return pl.col(TOTAL_LISTENERS).is_not_null() & pl.when(told.is_null()).then(possible).otherwise(
        told == new
    )


def _new_listeners() -> pl.Expr:
    """The count of new listeners that later revisions add to a row, kept in `extra`."""
    found = pl.col(EXTRA).str.json_path_match("$.new_listeners")
    return found.cast(pl.Int64, strict=False).alias("new_listeners")


def _known(column: str) -> pl.Expr:
    return pl.col(column).cast(EXACT).fill_null(0)
