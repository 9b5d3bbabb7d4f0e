"""The derived tables equal an independent computation in SQL over the export rows."""

import duckdb
import polars as pl
from hypothesis import given, settings
from polars.testing import assert_frame_equal

from soundlink_assets.metrics.country_efficiency import country_efficiency
from soundlink_assets.metrics.engagement import playlist_track_share, spillover_share
from soundlink_assets.metrics.scorecards import country_scorecard
from soundlink_assets_tests.metrics.rows import log_of, midnight
from soundlink_assets_tests.metrics.strategies import DAYS, country_frames, engagement_frames

FINAL = """
final AS (
    SELECT requested_campaign_id, report_date,
        (fetched_at >= report_date::TIMESTAMP AT TIME ZONE 'UTC' + INTERVAL 8 DAY
            AND coalesce(oldest_exported_at, 'infinity'::TIMESTAMPTZ)
                >= report_date::TIMESTAMP AT TIME ZONE 'UTC' + INTERVAL 8 DAY)
        OR fetched_at >= report_date::TIMESTAMP AT TIME ZONE 'UTC' + INTERVAL 10 DAY AS is_settled
    FROM log
)
"""

COUNTRY_EFFICIENCY = f"""
WITH {FINAL},
per_country AS (
    SELECT
        report_date, campaign_id, country_code, currency,
        arg_max(campaign_name, (exported_at, campaign_name)) AS campaign_name,
        sum(spend_media) AS spend_media, sum(fees) AS fees, sum(spend_total) AS spend_total,
        sum(impressions) AS impressions, sum(ad_clicks) AS ad_clicks,
        sum(link_clicks) AS link_clicks,
        sum(streams) AS streams, sum(listeners) AS listeners, sum(followers) AS followers,
        sum(spend_media) FILTER (link_clicks IS NOT NULL) / nullif(sum(link_clicks), 0)
            AS cost_per_link_click,
        1000 * sum(spend_media) FILTER (impressions IS NOT NULL) / nullif(sum(impressions), 0)
            AS cpm,
        sum(link_clicks) FILTER (impressions IS NOT NULL)
            / nullif(sum(impressions) FILTER (link_clicks IS NOT NULL), 0) AS ctr_link,
        bool_and(is_settled) AS is_settled
    FROM rows JOIN final USING (requested_campaign_id, report_date)
    GROUP BY ALL
),
per_campaign AS (
    SELECT report_date, campaign_id, currency,
        sum(spend_media) AS campaign_spend, sum(listeners) AS campaign_listeners
    FROM rows GROUP BY ALL
)
SELECT
    report_date, campaign_id, campaign_name, country_code, currency,
    spend_media, fees, spend_total, impressions, ad_clicks, link_clicks,
    streams, listeners, followers,
    spend_media / nullif(listeners, 0) AS cost_per_listener,
    spend_total / nullif(listeners, 0) AS cost_per_listener_all_in,
    spend_media / nullif(followers, 0) AS cost_per_follower,
    spend_media / nullif(streams, 0) AS cost_per_stream,
    cost_per_link_click, cpm, ctr_link,
    followers / nullif(listeners, 0) AS follow_rate,
    streams / nullif(listeners, 0) AS streams_per_listener,
    spend_media / nullif(campaign_spend, 0) AS spend_share,
    listeners / nullif(campaign_listeners, 0) AS listener_share,
    (listeners * campaign_spend) / nullif(campaign_listeners * spend_media, 0) AS efficiency_index,
    is_settled
FROM per_country JOIN per_campaign USING (report_date, campaign_id, currency)
ORDER BY report_date, campaign_id, country_code, currency
"""

SPILLOVER_SHARE = f"""
WITH {FINAL},
plays AS (
    SELECT *,
        engaged_spotify_track_id IS NOT DISTINCT FROM campaign_target_spotify_track_id
        OR coalesce(upper(replace(engaged_track_isrc, '-', ''))
            = upper(replace(campaign_target_isrc, '-', '')), false) AS promoted,
        campaign_target_spotify_track_id IS NULL AND campaign_target_isrc IS NULL AS undetermined
    FROM rows JOIN final USING (requested_campaign_id, report_date)
    WHERE engagement_context = 'catalog' AND campaign_target_type = 'track'
),
tracks AS (
    SELECT report_date, campaign_id, country_code, engaged_spotify_track_id AS track_id,
        sum(streams) AS streams,
        arg_max(engaged_track_name, (exported_at, engaged_track_name)) AS track_name
    FROM plays WHERE NOT promoted AND NOT undetermined
    GROUP BY ALL HAVING sum(streams) > 0
),
top_tracks AS (
    SELECT report_date, campaign_id, country_code, count(DISTINCT track_id) AS spillover_tracks
    FROM tracks GROUP BY ALL
),
first_tracks AS (
    SELECT * FROM tracks QUALIFY row_number() OVER (
        PARTITION BY report_date, campaign_id, country_code ORDER BY streams DESC, track_id) = 1
),
seen AS (
    SELECT report_date, campaign_id, sum(streams) FILTER (promoted) > 0 AS seen
    FROM plays GROUP BY ALL
),
split AS (
    SELECT report_date, campaign_id, country_code,
        arg_max(campaign_name, (exported_at, campaign_name)) AS campaign_name,
        coalesce(sum(streams) FILTER (promoted), 0) AS p,
        coalesce(sum(streams) FILTER (NOT promoted AND NOT undetermined), 0) AS s,
        coalesce(sum(streams) FILTER (undetermined AND NOT promoted), 0) AS u,
        coalesce(sum(new_listener_streams) FILTER (promoted), 0) AS np,
        coalesce(sum(new_listener_streams) FILTER (NOT promoted AND NOT undetermined), 0) AS ns,
        coalesce(sum(new_listener_streams) FILTER (undetermined AND NOT promoted), 0) AS nu,
        bool_and(is_settled) AS is_settled
    FROM plays GROUP BY ALL
)
SELECT
    report_date, campaign_id, campaign_name, 'campaign' AS link_kind, country_code,
    p AS promoted_streams, s AS spillover_streams, u AS undetermined_streams,
    s / nullif(p + s, 0) AS spillover_stream_share,
    s / nullif(p, 0) AS halo_multiplier,
    np AS promoted_new_listener_streams, ns AS spillover_new_listener_streams,
    nu AS undetermined_new_listener_streams,
    ns / nullif(np + ns, 0) AS spillover_new_listener_stream_share,
    coalesce(spillover_tracks, 0) AS spillover_tracks,
    track_id AS top_spillover_track_id, track_name AS top_spillover_track_name,
    coalesce(seen, false) AS promoted_track_seen,
    is_settled
FROM split
LEFT JOIN top_tracks USING (report_date, campaign_id, country_code)
LEFT JOIN first_tracks USING (report_date, campaign_id, country_code)
JOIN seen USING (report_date, campaign_id)
ORDER BY report_date, campaign_id, country_code
"""

PLAYLIST_TRACK_SHARE = f"""
WITH {FINAL},
plays AS (
    SELECT report_date, campaign_id, country_code, engaged_spotify_track_id AS track_id,
        arg_max(campaign_name, (exported_at, campaign_name)) AS campaign_name,
        arg_max(engaged_track_name, (exported_at, engaged_track_name)) AS track_name,
        sum(streams) AS streams, sum(new_listener_streams) AS new_listener_streams,
        bool_and(is_settled) AS is_settled
    FROM rows JOIN final USING (requested_campaign_id, report_date)
    WHERE engagement_context = 'playlist' GROUP BY ALL
),
positions AS (
    SELECT report_date, campaign_id, engaged_spotify_track_id AS track_id,
        min(playlist_position) FILTER (playlist_position >= 1) AS playlist_position
    FROM rows WHERE engagement_context = 'playlist' GROUP BY ALL
)
SELECT
    report_date, campaign_id, campaign_name, 'campaign' AS link_kind, country_code,
    track_id, track_name, streams, new_listener_streams,
    streams / nullif(sum(streams) OVER (PARTITION BY report_date, campaign_id), 0) AS stream_share,
    streams / nullif(sum(streams) OVER (PARTITION BY report_date, campaign_id, country_code), 0)
        AS country_stream_share,
    new_listener_streams / nullif(streams, 0) AS new_listener_stream_share,
    playlist_position,
    count(playlist_position) OVER (PARTITION BY report_date, campaign_id) > 0 AS positions_known,
    is_settled
FROM plays JOIN positions USING (report_date, campaign_id, track_id)
ORDER BY report_date, campaign_id, country_code, track_id
"""

COUNTRY_SCORECARD = f"""
WITH {FINAL.replace("FROM log", "FROM country_log")},
{FINAL.replace("FROM log", "FROM engagement_log").replace("final AS", "plays_final AS")},
spend AS (
    SELECT * FROM country_rows JOIN final USING (requested_campaign_id, report_date)
),
days AS (
    SELECT report_date, campaign_id, country_code, currency, bool_and(is_settled) AS is_settled
    FROM spend GROUP BY ALL
),
plays AS (
    SELECT report_date, campaign_id, country_code, streams, is_settled,
        engaged_spotify_track_id IS NOT DISTINCT FROM campaign_target_spotify_track_id
        OR coalesce(upper(replace(engaged_track_isrc, '-', ''))
            = upper(replace(campaign_target_isrc, '-', '')), false) AS promoted,
        campaign_target_spotify_track_id IS NULL AND campaign_target_isrc IS NULL AS undetermined
    FROM engagement_rows JOIN plays_final USING (requested_campaign_id, report_date)
    WHERE engagement_context = 'catalog' AND campaign_target_type = 'track'
),
newest AS (
    SELECT max(report_date) AS day FROM (
        FROM days SELECT report_date WHERE is_settled
        UNION ALL FROM plays SELECT report_date WHERE is_settled
    )
),
spend_sums AS (
    SELECT campaign_id, country_code, currency, count(DISTINCT report_date) AS days,
        sum(spend_media) AS spend_media, sum(listeners) AS listeners,
        sum(followers) AS followers, sum(impressions) AS impressions
    FROM spend GROUP BY ALL
),
recent AS (
    SELECT campaign_id, country_code, currency, sum(spend_media) AS spend_media_28d,
        sum(listeners) AS listeners_28d
    FROM spend JOIN days USING (report_date, campaign_id, country_code, currency), newest
    WHERE days.is_settled AND report_date > newest.day - 28
    GROUP BY ALL
),
play_sums AS (
    SELECT campaign_id, country_code,
        coalesce(sum(streams) FILTER (promoted), 0) AS promoted_streams,
        coalesce(sum(streams) FILTER (NOT promoted AND NOT undetermined), 0) AS spillover_streams
    FROM plays GROUP BY ALL
)
SELECT campaign_id, country_code, currency, newest.day AS last_settled_day, days,
    spend_media, listeners, impressions,
    spend_media / nullif(listeners, 0) AS cost_per_listener,
    followers / nullif(listeners, 0) AS follow_rate,
    promoted_streams, spillover_streams,
    spillover_streams / nullif(promoted_streams + spillover_streams, 0) AS spillover_stream_share,
    spend_media_28d, listeners_28d,
    spend_media_28d / nullif(listeners_28d, 0) AS cost_per_listener_28d
FROM spend_sums
LEFT JOIN recent USING (campaign_id, country_code, currency)
LEFT JOIN play_sums USING (campaign_id, country_code), newest
ORDER BY campaign_id, country_code, currency
"""

_modest = settings(max_examples=25, deadline=None)


def _partly_open(rows: pl.DataFrame) -> pl.DataFrame:
    return log_of(rows, midnight(DAYS[1], 10))


def _query(statement: str, **frames: pl.DataFrame) -> pl.DataFrame:
    with duckdb.connect() as connection:
        connection.execute("SET TimeZone = 'UTC'")
        for name, frame in frames.items():
            connection.register(name, frame.to_arrow())
        return connection.sql(statement).pl()


def _same(result: pl.DataFrame, expected: pl.DataFrame) -> None:
    assert result.columns == expected.columns
    assert_frame_equal(
        result, expected.cast(result.schema), check_exact=False, rel_tol=1e-9, abs_tol=1e-12
    )


@given(rows=country_frames)
@_modest
def test_country_efficiency_equals_sql(rows: pl.DataFrame) -> None:
    log = _partly_open(rows)
    expected = _query(COUNTRY_EFFICIENCY, rows=rows, log=log)
    _same(country_efficiency(rows, log), expected)


@given(rows=engagement_frames)
@_modest
def test_spillover_share_equals_sql(rows: pl.DataFrame) -> None:
    log = _partly_open(rows)
    expected = _query(SPILLOVER_SHARE, rows=rows, log=log)
    _same(spillover_share(rows, log), expected)


@given(rows=engagement_frames)
@_modest
def test_playlist_track_share_equals_sql(rows: pl.DataFrame) -> None:
    log = _partly_open(rows)
    expected = _query(PLAYLIST_TRACK_SHARE, rows=rows, log=log)
    _same(playlist_track_share(rows, log), expected)


@given(spend=country_frames, plays=engagement_frames)
@_modest
def test_country_scorecard_equals_sql(spend: pl.DataFrame, plays: pl.DataFrame) -> None:
    spend_log, play_log = _partly_open(spend), _partly_open(plays)
    expected = _query(
        COUNTRY_SCORECARD,
        country_rows=spend,
        country_log=spend_log,
        engagement_rows=plays,
        engagement_log=play_log,
    )
    card = country_scorecard(
        country_efficiency(spend, spend_log), spillover_share(plays, play_log), DAYS[-1]
    )
    _same(card.filter(pl.col("days") > 0).select(expected.columns), expected)
