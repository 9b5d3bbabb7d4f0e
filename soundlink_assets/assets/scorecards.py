"""The unpartitioned assets over all days: a scorecard of each campaign and of its countries."""

from collections.abc import Callable
from datetime import date, timedelta
from typing import Any

import dagster as dg

from soundlink_assets.clock import Clock
from soundlink_assets.assets.catalogue import KINDS, OWNERS, asset_key, asset_metadata
from soundlink_assets.assets.derived import GROUP
from soundlink_assets.assets.following import follows_any_day
from soundlink_assets.schema.analytics import (
    CAMPAIGN_SCORECARD,
    COUNTRY_EFFICIENCY,
    COUNTRY_SCORECARD,
    SPILLOVER_SHARE,
)
from soundlink_assets.schema.tables import Table

Compute = Callable[[Any, Any, date], Any]
"""`country_efficiency` and `spillover_share` of all days, and the last day to count."""


def scorecard_assets(clock: Clock) -> list[dg.AssetsDefinition]:
    """Both scorecards."""
    return [
        _scorecard_asset(CAMPAIGN_SCORECARD, _campaign_scorecard, clock),
        _scorecard_asset(COUNTRY_SCORECARD, _country_scorecard, clock),
    ]


def _campaign_scorecard(efficiency: Any, spillover: Any, as_of: date) -> Any:
    from soundlink_assets.metrics.scorecards import campaign_scorecard

    return campaign_scorecard(efficiency, spillover, as_of)


def _country_scorecard(efficiency: Any, spillover: Any, as_of: date) -> Any:
    from soundlink_assets.metrics.scorecards import country_scorecard

    return country_scorecard(efficiency, spillover, as_of)


def last_closed_day(clock: Clock) -> date:
    """Yesterday in UTC: the last day that has a partition."""
    return clock().date() - timedelta(days=1)


def _scorecard_asset(table: Table, compute: Compute, clock: Clock) -> dg.AssetsDefinition:
    sources = (COUNTRY_EFFICIENCY, SPILLOVER_SHARE)

    @dg.asset(
        key=asset_key(table),
        ins={
            "efficiency": dg.AssetIn(asset_key(COUNTRY_EFFICIENCY)),
            "spillover": dg.AssetIn(asset_key(SPILLOVER_SHARE)),
        },
        description=f"{table.description} Grain: {table.grain}.",
        group_name=GROUP,
        owners=OWNERS,
        kinds=KINDS,
        metadata=asset_metadata(table, sources={source.name: source for source in sources}),
        automation_condition=follows_any_day(),
    )
    def scorecard(efficiency: Any, spillover: Any) -> Any:
        return compute(efficiency, spillover, last_closed_day(clock))

    return scorecard
