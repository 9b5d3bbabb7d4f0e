"""The assets that answer questions: each a pure function of `metrics` over stored rows."""

from collections import defaultdict
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from typing import TYPE_CHECKING, Any

import dagster as dg

from soundlink_assets.assets.catalog import KINDS, OWNERS, asset_key, asset_metadata
from soundlink_assets.assets.conditions import follows_any_day, follows_its_sources
from soundlink_assets.assets.derived_checks import judge_scorecard, scorecard_checks
from soundlink_assets.assets.findings import table_of
from soundlink_assets.assets.partitions import RUN_LENGTH, window_to_fetch
from soundlink_assets.assets.returns import earned_by, return_checks
from soundlink_assets.assets.verdicts import result_of
from soundlink_assets.clock import Clock
from soundlink_assets.schema import (
    CAMPAIGN_COUNTRY_DAILY,
    CAMPAIGN_ENGAGEMENT_DAILY,
    SOUNDLINK_ENGAGEMENT_DAILY,
    Export,
)
from soundlink_assets.schema.analytics import (
    CAMPAIGN_SCORECARD,
    COUNTRY_EFFICIENCY,
    COUNTRY_SCORECARD,
    PLAYLIST_TRACK_SHARE,
    SCORECARDS,
    SPILLOVER_SHARE,
)
from soundlink_assets.schema.nowcast import REVISION_NOWCAST
from soundlink_assets.schema.statements import CAMPAIGN_RETURN, STATEMENTS, TRACK_MONTH_SHARE
from soundlink_assets.schema.tables import Table
from soundlink_assets.warehouse import DerivedDays, StoredDays

if TYPE_CHECKING:
    import polars as pl

    from soundlink_assets.warehouse import Warehouse

GROUP = "analytics"
ROW_COUNT = "dagster/partition_row_count"


@dataclass(frozen=True, slots=True)
class Derivation:
    """A daily table that is computed from the stored days of each of its sources.

    `shown` are the columns whose sums the page of a day shows, amounts by currency.
    """

    table: Table
    sources: tuple[Export, ...]
    compute: Callable[[StoredDays], Any]
    shown: tuple[str, ...] = ()

    def figures(self, frame: "pl.DataFrame") -> Mapping[date, dict[str, Any]]:
        """The metadata of each day that has rows."""
        import polars as pl

        by = [name for name in (self.table.day_column, "currency") if name in frame.columns]
        sums = frame.group_by(by).agg(pl.len().alias(ROW_COUNT), pl.col(self.shown).sum())
        figures: dict[date, dict[str, Any]] = defaultdict(lambda: defaultdict(int))
        for row in sums.iter_rows(named=True):
            for name in (ROW_COUNT, *self.shown):
                is_money = frame.schema.get(name) == pl.Decimal
                figures[row[by[0]]][f"{name} {row['currency']}" if is_money else name] += (
                    float(row[name]) if is_money else row[name]
                )
        return figures


def _country_efficiency(stored: StoredDays) -> Any:
    from soundlink_assets.metrics.country_efficiency import country_efficiency

    return country_efficiency(stored.rows, stored.log)


def _spillover_share(stored: StoredDays) -> Any:
    from soundlink_assets.metrics.engagement import spillover_share

    return spillover_share(stored.rows, stored.log, stored.export)


def _playlist_track_share(stored: StoredDays) -> Any:
    from soundlink_assets.metrics.engagement import playlist_track_share

    return playlist_track_share(stored.rows, stored.log, stored.export)


_PLAYS = (CAMPAIGN_ENGAGEMENT_DAILY, SOUNDLINK_ENGAGEMENT_DAILY)

DERIVATIONS = (
    Derivation(
        COUNTRY_EFFICIENCY,
        (CAMPAIGN_COUNTRY_DAILY,),
        _country_efficiency,
        ("spend_media", "listeners"),
    ),
    Derivation(
        SPILLOVER_SHARE, _PLAYS, _spillover_share, ("promoted_streams", "spillover_streams")
    ),
    Derivation(PLAYLIST_TRACK_SHARE, _PLAYS, _playlist_track_share),
)


def daily_asset(
    derivation: Derivation, exports: Sequence[Export], partitions: dg.PartitionsDefinition[str]
) -> dg.AssetsDefinition:
    """A derived table by days, partitioned like its sources among the `exports`."""
    table = derivation.table
    sources = [asset_key(export.table) for export in derivation.sources if export in exports]

    @dg.asset(
        key=asset_key(table),
        ins={key.path[-1]: dg.AssetIn(key, dagster_type=StoredDays) for key in sources},
        description=f"{table.description} Grain: {table.grain}.",
        group_name=GROUP,
        owners=OWNERS,
        kinds=KINDS,
        metadata=asset_metadata(table, {each.name: each.table for each in derivation.sources}),
        partitions_def=partitions,
        backfill_policy=RUN_LENGTH,
        automation_condition=follows_its_sources(optional=sources[1:]),
    )
    def derived(context: dg.AssetExecutionContext, **stored: StoredDays) -> Any:
        import polars as pl

        window = window_to_fetch(context)
        frame = _computed(lambda: pl.concat(map(derivation.compute, stored.values())))
        figures = derivation.figures(frame)
        for day in window.dates():
            context.add_asset_metadata(
                figures.get(day, {ROW_COUNT: 0}), partition_key=day.isoformat()
            )
        return DerivedDays(frame, list(stored.values()))

    return derived


def scorecards_asset(clock: Clock, warehouse: "Warehouse") -> dg.AssetsDefinition:
    """What is computed over all days: both scorecards, and what campaigns earned by statements.

    The scorecards count until yesterday (UTC), the last day that has a partition. Without
    statements the tables about them are empty, and cost nothing.
    """
    sources = (
        COUNTRY_EFFICIENCY,
        SPILLOVER_SHARE,
        STATEMENTS,
        REVISION_NOWCAST,
        CAMPAIGN_COUNTRY_DAILY.table,
        CAMPAIGN_ENGAGEMENT_DAILY.table,
    )
    checks = scorecard_checks()
    earned_checks = return_checks()

    @dg.multi_asset(
        name="scorecards",
        outs={
            table.name: dg.AssetOut(
                key=asset_key(table),
                description=f"{table.description} Grain: {table.grain}.",
                group_name=GROUP,
                owners=OWNERS,
                kinds=KINDS,
                metadata=asset_metadata(table, sources={source.name: source for source in sources}),
                automation_condition=follows_any_day(),
            )
            for table in (*SCORECARDS, TRACK_MONTH_SHARE, CAMPAIGN_RETURN)
        },
        ins={
            "efficiency": dg.AssetIn(asset_key(COUNTRY_EFFICIENCY)),
            "spillover": dg.AssetIn(asset_key(SPILLOVER_SHARE)),
            "statements": dg.AssetIn(asset_key(STATEMENTS)),
            "nowcast": dg.AssetIn(asset_key(REVISION_NOWCAST)),
        },
        check_specs=[*checks.values(), *earned_checks.values()],
    )
    def scorecards(efficiency: Any, spillover: Any, statements: Any, nowcast: Any) -> Iterator[Any]:
        from soundlink_assets.metrics.scorecards import campaign_scorecard, country_scorecard

        as_of = clock().date() - timedelta(days=1)
        earned = _computed(lambda: earned_by(statements, warehouse))
        computed = {
            CAMPAIGN_SCORECARD: _computed(
                lambda: campaign_scorecard(efficiency, spillover, as_of, nowcast)
            ),
            COUNTRY_SCORECARD: _computed(
                lambda: country_scorecard(efficiency, spillover, as_of, earned.country_value)
            ),
        }
        for table, card in computed.items():
            yield dg.Output(card, output_name=table.name, metadata=_largest_rows(table, card))
            yield result_of(checks[table], judge_scorecard(table, card, efficiency))
        yield dg.Output(
            earned.shares,
            output_name=TRACK_MONTH_SHARE.name,
            metadata={**earned.metadata, **_largest_rows(TRACK_MONTH_SHARE, earned.shares)},
        )
        yield dg.Output(
            earned.returns,
            output_name=CAMPAIGN_RETURN.name,
            metadata=_largest_rows(CAMPAIGN_RETURN, earned.returns),
        )
        for name, verdict in earned.verdicts.items():
            yield result_of(earned_checks[name], verdict)

    return scorecards


ANSWERS = {
    CAMPAIGN_SCORECARD: "campaign_name currency spend_total listeners cost_per_listener "
    "cost_per_follower spillover_stream_share",
    COUNTRY_SCORECARD: "campaign_name country_code currency spend_total listeners "
    "cost_per_listener rank",
    TRACK_MONTH_SHARE: "isrc month playlist_streams statement_streams attributed_share",
    CAMPAIGN_RETURN: "campaign_name currency spend_total attributed_revenue recoup_ratio "
    "covers_until",
}
"""The columns of the rows that the UI shows of a table; those with the most of the first number."""


def _largest_rows(table: Table, frame: Any) -> dict[str, dg.TableMetadataValue]:
    """Metadata that answers the asset's question in the UI; none of an empty table."""
    columns = ANSWERS[table].split()
    size = next(name for name in columns if name in {"spend_total", "playlist_streams"})
    rows = frame.sort(size, descending=True, nulls_last=True).select(columns)
    return {} if rows.is_empty() else {"largest_rows": table_of(rows)}


def _computed(compute: Callable[[], Any]) -> Any:
    """What it computes; dagster.Failure in one sentence if a sum leaves the range of its column."""
    from soundlink_assets.metrics.aggregation import OutOfRangeError

    try:
        return compute()
    except OutOfRangeError as error:
        raise dg.Failure(f"{error}. Nothing was written.", allow_retries=False) from None
