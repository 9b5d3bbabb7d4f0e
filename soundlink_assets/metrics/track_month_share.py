"""`analytics.track_month_share`: the part of a recording's streams that campaigns brought."""

import polars as pl

from soundlink_assets.metrics.aggregation import conformed, divided, exact_sum, newest
from soundlink_assets.metrics.final import with_is_settled
from soundlink_assets.schema import CAMPAIGN_ENGAGEMENT_DAILY
from soundlink_assets.schema.analytics import IS_SETTLED
from soundlink_assets.schema.fields import CATALOG, PLAYLIST
from soundlink_assets.schema.statements import (
    AFTER,
    BEFORE,
    BETWEEN,
    DURING,
    SPOTIFY,
    TRACK_MONTH_SHARE,
    UNKNOWN_COUNTRY,
)

PLAY_COLUMNS = (
    "requested_campaign_id",
    "report_date",
    "exported_at",
    "campaign_id",
    "campaign_name",
    "engagement_context",
    "country_code",
    "engaged_track_isrc",
    "streams",
)
"""What `monthly_plays` needs of the rows."""

_KEY = ("isrc", "month")
_COUNTRY = (*_KEY, "country_code")


def monthly_plays(rows: pl.DataFrame, log: pl.DataFrame) -> pl.DataFrame:
    """Rows of `soundlink.campaign_engagement_daily` by month; the months may be put together.

    One row per campaign, context, ISRC (null if unknown), month and country, with `streams` on
    final days and `open_streams` on the others.
    """
    isrc = pl.col("engaged_track_isrc").str.to_uppercase().str.replace_all(r"[\s-]", "")
    final = pl.col(IS_SETTLED)
    return (
        with_is_settled(rows, log, CAMPAIGN_ENGAGEMENT_DAILY)
        .with_columns(month_of_day(), pl.when(isrc != "").then(isrc).alias("isrc"))
        .group_by("campaign_id", "engagement_context", *_COUNTRY)
        .agg(
            newest("campaign_name"),
            pl.col("streams").filter(final).sum(),
            pl.col("streams").filter(~final).sum().alias("open_streams"),
        )
    )


def month_of_day() -> pl.Expr:
    """The first day of the month of `report_date`."""
    return pl.col("report_date").dt.truncate("1mo").alias("month")


def track_month_share(
    statements: pl.DataFrame, plays: pl.DataFrame, spend: pl.DataFrame
) -> pl.DataFrame:
    """The table, from `distributor.statements`, `monthly_plays` and `monthly_spend` of all months.

    Raises OutOfRangeError.
    """
    paid = statements.filter(pl.col("store") == SPOTIFY)
    played = plays.filter(
        pl.col("isrc").is_not_null(), (pl.col("streams") > 0) | (pl.col("open_streams") > 0)
    )
    observed = played.group_by(_KEY).agg(
        _streams_of(PLAYLIST).alias("playlist_streams"),
        _streams_of(CATALOG).alias("catalogue_streams"),
        exact_sum("open_streams"),
    )
    stated = paid.group_by(_KEY).agg(
        exact_sum("streams").alias("statement_streams"),
        ((pl.col("streams") < 0) | (pl.col("revenue") < 0)).any().alias("takes_back"),
        (pl.col("country_code") != UNKNOWN_COUNTRY).any().alias("names_countries"),
    )
    touched = played.select("isrc", "campaign_id").unique()
    known = pl.col("statement_streams").is_not_null()
    shares = (
        observed.join(stated, on=_KEY, how="full", coalesce=True)
        .join(_above_by_country(paid, played), on=_KEY, how="left")
        .join(touched.group_by("isrc").agg(campaign_count=pl.len()), on="isrc", how="left")
        .join(_spend_months(touched, spend), on="isrc", how="left")
        .with_columns(
            pl.col(
                "playlist_streams", "catalogue_streams", "open_streams", "campaign_count"
            ).fill_null(0)
        )
        .with_columns((pl.col("playlist_streams") + pl.col("catalogue_streams")).alias("observed"))
        .with_columns(
            divided(pl.col("observed"), pl.col("statement_streams")).alias("attributed_share"),
            pl.when(known)
            .then(
                pl.max_horizontal(
                    pl.lit(0),
                    pl.col("observed") - pl.col("statement_streams"),
                    pl.when("names_countries").then("above_by_country"),
                )
            )
            .alias("streams_above_statement"),
            _phase().alias("phase"),
            (pl.col("open_streams") == 0).alias(IS_SETTLED),
        )
        .with_columns(
            (
                (pl.col("streams_above_statement") > 0)
                | (pl.col("takes_back") & (pl.col("observed") > 0))
            )
            .fill_null(False)
            .alias("is_flagged")
        )
    )
    return conformed(shares, TRACK_MONTH_SHARE)


def _streams_of(context: str) -> pl.Expr:
    return (
        pl.when(pl.col("engagement_context") == context)
        .then("streams")
        .otherwise(0)
        .cast(pl.Decimal(38, 6))
        .sum()
    )


def _above_by_country(paid: pl.DataFrame, played: pl.DataFrame) -> pl.DataFrame:
    """Observed streams that exceed the paid ones of their country, per ISRC and month."""
    per_country = (
        played.group_by(_COUNTRY)
        .agg(exact_sum("streams"))
        .join(
            paid.group_by(_COUNTRY).agg(exact_sum("streams").alias("paid")),
            on=_COUNTRY,
            how="left",
        )
    )
    above = pl.col("streams") - pl.col("paid").fill_null(0)
    return per_country.group_by(_KEY).agg(above.filter(above > 0).sum().alias("above_by_country"))


def _spend_months(touched: pl.DataFrame, spend: pl.DataFrame) -> pl.DataFrame:
    """The months in which the campaigns that touched an ISRC spent, and the first and last."""
    months = spend.filter("has_spend").select("campaign_id", pl.col("month").alias("spent"))
    return (
        touched.join(months, on="campaign_id").group_by("isrc").agg(pl.col("spent").unique().sort())
    )


def _phase() -> pl.Expr:
    month, spent = pl.col("month"), pl.col("spent")
    return (
        pl.when(spent.is_null())
        .then(None)
        .when(spent.list.contains(month))
        .then(pl.lit(DURING))
        .when(month < spent.list.first())
        .then(pl.lit(BEFORE))
        .when(month > spent.list.last())
        .then(pl.lit(AFTER))
        .otherwise(pl.lit(BETWEEN))
    )
