"""The provider's questions, computed in SQL over export rows and statements, equal the tables."""

import duckdb
import polars as pl
from hypothesis import given, settings
from polars import selectors
from polars.testing import assert_frame_equal

from soundlink_assets.metrics.campaign_return import (
    campaign_return,
    country_value,
    monthly_spend,
)
from soundlink_assets.metrics.engagement import playlist_track_share
from soundlink_assets.metrics.track_month_share import monthly_plays, track_month_share
from soundlink_assets_tests.documents import REPOSITORY, blocks
from soundlink_assets_tests.metrics.rows import log_of, midnight
from soundlink_assets_tests.metrics.statement_frames import (
    DAYS,
    mixed_sale_frames,
    play_frames,
    spend_frames,
)

PAGE = REPOSITORY / "docs" / "statements.md"

FINAL = """
final AS (
    SELECT requested_campaign_id, report_date FROM log
    WHERE fetched_at >= report_date::TIMESTAMP AT TIME ZONE 'UTC' + INTERVAL 10 DAY
        OR (fetched_at >= report_date::TIMESTAMP AT TIME ZONE 'UTC' + INTERVAL 8 DAY
            AND oldest_exported_at >= report_date::TIMESTAMP AT TIME ZONE 'UTC' + INTERVAL 8 DAY)
),
played AS (
    SELECT campaign_id, engagement_context, country_code, streams,
        date_trunc('month', report_date) AS month,
        upper(replace(engaged_track_isrc, '-', '')) AS isrc
    FROM plays SEMI JOIN final USING (requested_campaign_id, report_date)
    WHERE streams > 0
),
spotify AS (FROM sales WHERE store = 'Spotify')
"""

TRACK_MONTH_SHARE = f"""
WITH {FINAL},
observed AS (
    SELECT isrc, month, sum(streams) AS streams FROM played WHERE isrc IS NOT NULL GROUP BY ALL
),
stated AS (SELECT isrc, month, sum(streams) AS streams FROM spotify GROUP BY ALL)
SELECT isrc, month,
    coalesce(observed.streams, 0)::BIGINT AS observed_streams,
    stated.streams::BIGINT AS statement_streams,
    coalesce(observed.streams, 0) / nullif(stated.streams, 0) AS attributed_share
FROM observed FULL JOIN stated USING (isrc, month) ORDER BY ALL
"""

PHASES = """
WITH touched AS (
    SELECT DISTINCT campaign_id, upper(replace(engaged_track_isrc, '-', '')) AS isrc
    FROM plays WHERE streams > 0 AND engaged_track_isrc IS NOT NULL
),
spent AS (
    SELECT isrc, date_trunc('month', report_date) AS month
    FROM touched JOIN spend USING (campaign_id) WHERE spend_total > 0
)
SELECT isrc, sales.month, sum(streams)::BIGINT AS statement_streams,
    CASE
        WHEN NOT EXISTS (FROM spent WHERE spent.isrc = sales.isrc) THEN NULL
        WHEN EXISTS (FROM spent WHERE spent.isrc = sales.isrc AND spent.month = sales.month)
            THEN 'during'
        WHEN sales.month < (SELECT min(month) FROM spent WHERE spent.isrc = sales.isrc)
            THEN 'before'
        WHEN sales.month > (SELECT max(month) FROM spent WHERE spent.isrc = sales.isrc)
            THEN 'after'
        ELSE 'between'
    END AS phase
FROM sales WHERE store = 'Spotify' GROUP BY ALL ORDER BY ALL
"""

RECOUP_BY_MONTH = f"""
WITH {FINAL},
rates AS (
    SELECT isrc, month, currency, any_value(paid.streams) AS paid,
        sum(revenue)::DOUBLE / any_value(paid.streams) AS rate
    FROM spotify
    JOIN (SELECT isrc, month, sum(streams) AS streams FROM spotify GROUP BY ALL) paid
        USING (isrc, month)
    GROUP BY ALL
),
earned AS (
    SELECT campaign_id, currency, sum(streams * rate) AS revenue
    FROM played JOIN rates USING (isrc, month) WHERE paid > 0 GROUP BY ALL
),
spent AS (
    SELECT campaign_id, currency, sum(spend_total)::DOUBLE AS spend_total
    FROM spend SEMI JOIN spend_final USING (requested_campaign_id, report_date) GROUP BY ALL
)
SELECT campaign_id, currency, revenue / nullif(spend_total, 0) AS recoup_ratio_by_month
FROM earned JOIN spent USING (campaign_id, currency) ORDER BY ALL
"""

ATTRIBUTED = f"""
WITH {FINAL},
rated AS (
    SELECT *,
        (SELECT sum(streams) FROM spotify s WHERE s.isrc = p.isrc AND s.month = p.month
            AND s.country_code = p.country_code) AS country_streams,
        (SELECT sum(streams) FROM spotify s WHERE s.isrc = p.isrc AND s.month = p.month)
            AS month_streams,
        (SELECT sum(streams) FROM spotify s WHERE s.isrc = p.isrc) AS isrc_streams,
        (SELECT sum(streams) FROM spotify s WHERE p.engagement_context = 'catalog')
            AS catalogue_streams
    FROM played p
),
earned AS (
    SELECT campaign_id, country_code, c.currency, streams, CASE
        WHEN country_streams > 0 THEN streams * (SELECT sum(revenue)::DOUBLE FROM spotify s
            WHERE s.isrc = p.isrc AND s.month = p.month AND s.country_code = p.country_code
            AND s.currency = c.currency) / country_streams
        WHEN month_streams > 0 THEN streams * (SELECT sum(revenue)::DOUBLE FROM spotify s
            WHERE s.isrc = p.isrc AND s.month = p.month AND s.currency = c.currency)
            / month_streams
        WHEN isrc_streams > 0 THEN streams * (SELECT sum(revenue)::DOUBLE FROM spotify s
            WHERE s.isrc = p.isrc AND s.currency = c.currency) / isrc_streams
        WHEN catalogue_streams > 0 THEN streams * (SELECT sum(revenue)::DOUBLE FROM spotify s
            WHERE s.currency = c.currency) / catalogue_streams
        END AS revenue
    FROM rated p, (SELECT DISTINCT currency FROM spotify) c
)
"""

RETURN_BY_CAMPAIGN = f"""
{ATTRIBUTED}
SELECT campaign_id, currency, sum(revenue) AS attributed_revenue
FROM earned WHERE revenue IS NOT NULL GROUP BY ALL ORDER BY ALL
"""

RETURN_BY_COUNTRY = f"""
{ATTRIBUTED}
, listeners AS (
    SELECT campaign_id, country_code, currency, sum(listeners) AS listeners
    FROM spend SEMI JOIN spend_final USING (requested_campaign_id, report_date) GROUP BY ALL
)
SELECT campaign_id, country_code, currency,
    sum(revenue) / sum(streams) AS revenue_per_stream,
    sum(revenue) / nullif(any_value(listeners), 0) AS break_even_cost_per_listener
FROM earned LEFT JOIN listeners USING (campaign_id, country_code, currency)
WHERE revenue IS NOT NULL GROUP BY ALL ORDER BY ALL
"""

_modest = settings(max_examples=15, deadline=None)
_inputs = given(sales=mixed_sale_frames, plays=play_frames, spend=spend_frames)


def _log(rows: pl.DataFrame) -> pl.DataFrame:
    """A log by which the last two days are open."""
    return log_of(rows, midnight(DAYS[1], 8))


def _query(
    statement: str, sales: pl.DataFrame, plays: pl.DataFrame, spend: pl.DataFrame
) -> pl.DataFrame:
    frames = {
        "sales": sales,
        "plays": plays,
        "log": _log(plays),
        "spend": spend,
        "spend_final": _log(spend).filter(pl.col("report_date") <= DAYS[1]),
    }
    with duckdb.connect() as connection:
        connection.execute("SET TimeZone = 'UTC'; SET threads = 1")
        for name, frame in frames.items():
            connection.register(name, frame.to_arrow())
        return connection.sql(statement).pl()


def _same(result: pl.DataFrame, expected: pl.DataFrame) -> None:
    result = result.select(expected.columns).with_columns(selectors.decimal().cast(pl.Float64))
    result = result.sort(expected.columns[:3])
    expected = expected.cast(result.schema).sort(expected.columns[:3])
    assert_frame_equal(result, expected, check_exact=False, rel_tol=1e-6, abs_tol=2e-6)


def _computed(
    sales: pl.DataFrame, plays: pl.DataFrame, spend: pl.DataFrame
) -> tuple[pl.DataFrame, pl.DataFrame, pl.DataFrame]:
    monthly = (monthly_plays(plays, _log(plays)), monthly_spend(spend, _log(spend)))
    return (
        track_month_share(sales, *monthly),
        campaign_return(sales, *monthly),
        country_value(sales, *monthly),
    )


@_inputs
@_modest
def test_the_share_of_a_months_streams_equals_sql(
    sales: pl.DataFrame, plays: pl.DataFrame, spend: pl.DataFrame
) -> None:
    shares, _, _ = _computed(sales, plays, spend)
    result = shares.with_columns(
        observed_streams=pl.col("playlist_streams") + pl.col("catalogue_streams")
    ).filter((pl.col("observed_streams") > 0) | pl.col("statement_streams").is_not_null())
    _same(result, _query(TRACK_MONTH_SHARE, sales, plays, spend))


@_inputs
@_modest
def test_months_before_during_and_after_the_spend_equal_sql(
    sales: pl.DataFrame, plays: pl.DataFrame, spend: pl.DataFrame
) -> None:
    shares, _, _ = _computed(sales, plays, spend)
    expected = _query(PHASES, sales, plays, spend)
    _same(shares.filter(pl.col("statement_streams").is_not_null()), expected)


@_inputs
@_modest
def test_the_providers_recoup_ratio_equals_sql(
    sales: pl.DataFrame, plays: pl.DataFrame, spend: pl.DataFrame
) -> None:
    _, returns, _ = _computed(sales, plays, spend)
    expected = _query(RECOUP_BY_MONTH, sales, plays, spend).drop_nulls()
    _same(returns.filter(pl.col("recoup_ratio_by_month").is_not_null()), expected)


@_inputs
@_modest
def test_attributed_revenue_equals_sql_with_its_fallbacks(
    sales: pl.DataFrame, plays: pl.DataFrame, spend: pl.DataFrame
) -> None:
    _, returns, by_country = _computed(sales, plays, spend)
    # Unknown countries have no rate of their own, and no listener is in one.
    earned = returns.filter(pl.col("attributed_revenue").is_not_null())
    _same(earned, _query(RETURN_BY_CAMPAIGN, sales, plays, spend))
    _same(by_country, _query(RETURN_BY_COUNTRY, sales, plays, spend))


SLOTS = f"""
WITH {FINAL},
tracks AS (
    SELECT campaign_id, report_date, engaged_spotify_track_id,
        min(playlist_position) AS slot, sum(streams) AS streams
    FROM plays WHERE engagement_context = 'playlist' GROUP BY ALL
),
final_days AS (
    SELECT DISTINCT requested_campaign_id AS campaign_id, report_date FROM final
)
SELECT CASE WHEN slot <= 10 THEN '1-10' WHEN slot <= 25 THEN '11-25' ELSE '26+' END AS slots,
    count(*) AS track_days, sum(streams)::DOUBLE / count(*) AS streams_per_track_day
FROM tracks SEMI JOIN final_days USING (campaign_id, report_date)
WHERE slot IS NOT NULL GROUP BY slots ORDER BY slots
"""


@_inputs
@_modest
def test_streams_by_slot_of_the_playlist_as_the_page_queries_them_equal_sql(
    sales: pl.DataFrame, plays: pl.DataFrame, spend: pl.DataFrame
) -> None:
    (query,) = [block for block in blocks(PAGE, "sql") if "playlist_track_share" in block.text]
    derived = playlist_track_share(plays, _log(plays))
    with duckdb.connect() as connection:
        connection.execute("CREATE SCHEMA analytics")
        connection.register("derived", derived.to_arrow())
        connection.execute("CREATE TABLE analytics.playlist_track_share AS FROM derived")
        result = connection.sql(query.text).pl()
    assert_frame_equal(result, _query(SLOTS, sales, plays, spend), check_dtypes=False)
