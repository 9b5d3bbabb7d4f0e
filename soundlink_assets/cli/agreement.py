"""The demo's proof: the derived tables, computed anew in SQL from the exports, differ in no row.

Written without a look at `metrics`: one rule, two languages.
"""

from soundlink_assets.schema.window import Window

COUNTRY_EFFICIENCY = """
with anew as (
    select report_date, campaign_id, country_code, currency,
           sum(spend_media) as spend_media, sum(listeners) as listeners,
           sum(spend_media)::double / nullif(sum(listeners), 0) as cost_per_listener,
           sum(spend_media)::double / nullif(sum(followers), 0) as cost_per_follower
    from soundlink.campaign_country_daily
    where report_date between $first and $last
    group by all
)
select count(*) as compared,
       count(*) filter (
           derived.spend_media is distinct from anew.spend_media
           or derived.listeners is distinct from anew.listeners
           or abs(coalesce(derived.cost_per_listener, -1) - coalesce(anew.cost_per_listener, -1))
              > 1e-9
           or abs(coalesce(derived.cost_per_follower, -1) - coalesce(anew.cost_per_follower, -1))
              > 1e-9
       ) as different
from anew full join (
    from analytics.country_efficiency where report_date between $first and $last
) as derived using (report_date, campaign_id, country_code, currency)
"""

SPILLOVER_SHARE = """
with plays as (
    select report_date, campaign_id, country_code, streams,
           nullif(trim(campaign_target_spotify_track_id), '') as target_id,
           nullif(trim(replace(upper(campaign_target_isrc), '-', '')), '') as target_isrc,
           coalesce(engaged_spotify_track_id = target_id, false)
             or coalesce(replace(upper(engaged_track_isrc), '-', '') = target_isrc, false)
             as is_promoted,
           not is_promoted and target_id is null and target_isrc is null as is_undetermined
    from soundlink.campaign_engagement_daily
    where report_date between $first and $last
      and engagement_context = 'catalog' and campaign_target_type = 'track'
), anew as (
    select report_date, campaign_id, country_code,
           coalesce(sum(streams) filter (is_promoted), 0) as promoted,
           coalesce(sum(streams) filter (not is_promoted and not is_undetermined), 0) as spillover,
           coalesce(sum(streams) filter (is_undetermined), 0) as undetermined
    from plays
    group by all
)
select count(*) as compared,
       count(*) filter (
           derived.promoted_streams is distinct from anew.promoted
           or derived.spillover_streams is distinct from anew.spillover
           or derived.undetermined_streams is distinct from anew.undetermined
           or abs(coalesce(derived.spillover_stream_share, -1)
                  - coalesce(anew.spillover / nullif(anew.promoted + anew.spillover, 0), -1)) > 1e-9
       ) as different
from anew full join (
    from analytics.spillover_share where report_date between $first and $last
) as derived using (report_date, campaign_id, country_code)
"""


def differing_rows(warehouse: str, window: Window) -> tuple[int, int]:
    """Rows of both derived tables that were compared, and those of them that differ."""
    from soundlink_assets.warehouse.reading import read_frame

    days = {"first": window.first, "last": window.last}
    results = [
        read_frame(warehouse, sql, days).row(0) for sql in (COUNTRY_EFFICIENCY, SPILLOVER_SHARE)
    ]
    return sum(result[0] for result in results), sum(result[1] for result in results)
