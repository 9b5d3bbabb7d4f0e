"""The assets that answer questions: each a pure function of `metrics` over stored export rows."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import dagster as dg

from soundlink_assets.schema import CAMPAIGN_COUNTRY_DAILY, CAMPAIGN_ENGAGEMENT_DAILY, Export
from soundlink_assets.assets.catalogue import KINDS, OWNERS, asset_key, asset_metadata
from soundlink_assets.assets.following import follows_its_sources
from soundlink_assets.assets.partitions import RUN_LENGTH, window_of
from soundlink_assets.schema.analytics import (
    COUNTRY_EFFICIENCY,
    PLAYLIST_TRACK_SHARE,
    SPILLOVER_SHARE,
)
from soundlink_assets.schema.tables import Table
from soundlink_assets.warehouse.types import DerivedDays, StoredDays

GROUP = "analytics"


@dataclass(frozen=True, slots=True)
class Derivation:
    """A daily table that is computed from the stored days of one export."""

    table: Table
    source: Export
    compute: Callable[[StoredDays], Any]


def _country_efficiency(stored: StoredDays) -> Any:
    from soundlink_assets.metrics.country_efficiency import country_efficiency

    return country_efficiency(stored.rows, stored.cells)


def _spillover_share(stored: StoredDays) -> Any:
    from soundlink_assets.metrics.spillover_share import spillover_share

    return spillover_share(stored.rows, stored.cells)


def _playlist_track_share(stored: StoredDays) -> Any:
    from soundlink_assets.metrics.playlist_track_share import playlist_track_share

    return playlist_track_share(stored.rows, stored.cells)


DERIVATIONS = (
    Derivation(COUNTRY_EFFICIENCY, CAMPAIGN_COUNTRY_DAILY, _country_efficiency),
    Derivation(SPILLOVER_SHARE, CAMPAIGN_ENGAGEMENT_DAILY, _spillover_share),
    Derivation(PLAYLIST_TRACK_SHARE, CAMPAIGN_ENGAGEMENT_DAILY, _playlist_track_share),
)


def derived_assets(partitions: dg.PartitionsDefinition[str]) -> list[dg.AssetsDefinition]:
    """Every derived table, partitioned like the exports."""
    return [_derived_asset(derivation, partitions) for derivation in DERIVATIONS]


def _derived_asset(
    derivation: Derivation, partitions: dg.PartitionsDefinition[str]
) -> dg.AssetsDefinition:
    table, source = derivation.table, derivation.source

    @dg.asset(
        key=asset_key(table),
        ins={"stored": dg.AssetIn(asset_key(source.table))},
        description=f"{table.description} Grain: {table.grain}.",
        group_name=GROUP,
        owners=OWNERS,
        kinds=KINDS,
        metadata=asset_metadata(table, sources={source.name: source.table}),
        partitions_def=partitions,
        backfill_policy=RUN_LENGTH,
        automation_condition=follows_its_sources(),
    )
    def derived(context: dg.AssetExecutionContext, stored: StoredDays) -> Any:
        frame = derivation.compute(stored)
        counts = dict(frame.group_by(table.day_column).len().iter_rows())
        for day in window_of(context).dates():
            context.add_asset_metadata(
                {"dagster/partition_row_count": counts.get(day, 0)},
                partition_key=day.isoformat(),
            )
        return DerivedDays(frame, source.table, stored)

    return derived
