"""The assets of what open days will come to, and of how good such statements were.

How a day is nowcast is in `metrics`. The nowcast is part of every run; the backtest, which nowcasts
each of many past days again, is made once a day.
"""

from collections.abc import Iterator, Sequence
from datetime import timedelta
from typing import TYPE_CHECKING, Any

import dagster as dg

from soundlink_assets.assets.catalog import KINDS, OWNERS, asset_key, asset_metadata
from soundlink_assets.assets.conditions import each_time, follows_any_day
from soundlink_assets.assets.derived import GROUP
from soundlink_assets.assets.findings import WARN, percent
from soundlink_assets.assets.verdicts import (
    Verdict,
    check_spec,
    failing,
    not_judged,
    passing,
    result_of,
)
from soundlink_assets.clock import Clock
from soundlink_assets.schema import Export
from soundlink_assets.schema.nowcast import (
    BACKTEST_DAYS,
    BASIS_DAYS,
    MEASURES,
    NOWCAST_BACKTEST,
    REVISION_NOWCAST,
)
from soundlink_assets.schema.window import REVISION_DAYS, Window

if TYPE_CHECKING:
    import polars as pl

    from soundlink_assets.warehouse import Warehouse

BACKTEST_KEY = asset_key(NOWCAST_BACKTEST)
BACKTEST_AT = "40 6 * * *"
"""UTC; after the daily run."""

CALIBRATED = "nowcast_calibrated"

_SLACK_DAYS = 10
"""Days by which the newest final day may lag behind the end of its revision window."""


def nowcast_assets(
    exports: Sequence[Export], warehouse: "Warehouse", clock: Clock
) -> list[dg.AssetsDefinition]:
    """The nowcast and its backtest, of the measures of these exports."""
    sources = [export for export in exports if export.name in MEASURES]
    return [_nowcast(sources, warehouse, clock), _backtest(sources, warehouse, clock)]


def _nowcast(
    sources: Sequence[Export], warehouse: "Warehouse", clock: Clock
) -> dg.AssetsDefinition:
    @dg.asset(
        key=asset_key(REVISION_NOWCAST),
        deps=[asset_key(export.table) for export in sources],
        description=f"{REVISION_NOWCAST.description} Grain: {REVISION_NOWCAST.grain}.",
        group_name=GROUP,
        owners=OWNERS,
        kinds=KINDS,
        metadata=asset_metadata(REVISION_NOWCAST, {each.name: each.table for each in sources}),
        automation_condition=follows_any_day(),
    )
    def revision_nowcast(context: dg.AssetExecutionContext) -> Any:
        from soundlink_assets.metrics.nowcast import revision_nowcast

        nowcast = revision_nowcast(_read(sources, warehouse, clock, BASIS_DAYS))
        context.add_output_metadata(
            {
                "open_days": nowcast["report_date"].n_unique(),
                "expectations": nowcast["expected"].count(),
                "without_expectation": nowcast["expected"].null_count(),
            }
        )
        return nowcast

    return revision_nowcast


def _backtest(
    sources: Sequence[Export], warehouse: "Warehouse", clock: Clock
) -> dg.AssetsDefinition:
    spec = check_spec(
        BACKTEST_KEY,
        CALIBRATED,
        f"The 95 percent intervals of the last {BACKTEST_DAYS} final days held between 90 and 99 "
        "percent of the final values.",
    )

    @dg.asset(
        key=asset_key(NOWCAST_BACKTEST),
        deps=[asset_key(export.table) for export in sources],
        description=f"{NOWCAST_BACKTEST.description} Grain: {NOWCAST_BACKTEST.grain}.",
        group_name=GROUP,
        owners=OWNERS,
        kinds=KINDS,
        metadata=asset_metadata(NOWCAST_BACKTEST, {each.name: each.table for each in sources}),
        check_specs=[spec],
        automation_condition=each_time(BACKTEST_AT),
    )
    def nowcast_backtest() -> Iterator[Any]:
        from soundlink_assets.metrics.nowcast_backtest import nowcast_backtest

        backtest = nowcast_backtest(_read(sources, warehouse, clock, BASIS_DAYS + BACKTEST_DAYS))
        yield dg.Output(backtest, metadata={"nowcasts": int(backtest["cases"].sum())})
        yield result_of(spec, judge_calibration(backtest))

    return nowcast_backtest


def judge_calibration(backtest: "pl.DataFrame") -> Verdict:
    """Whether intervals held as many final values as they say."""
    from soundlink_assets.metrics.nowcast_backtest import CALIBRATED, ENOUGH_CASES, miscalibrated

    cases = int(backtest["cases"].sum())
    if cases < ENOUGH_CASES:
        return not_judged(
            f"{cases} nowcasts of final days are known, and {ENOUGH_CASES} are needed"
        )
    off = miscalibrated(backtest)
    if off.is_empty():
        covered = float(backtest["covered_95"].sum()) / cases
        return passing(
            f"{percent(covered)} of {cases:,} final values lay within the 95 percent interval of "
            "their nowcasts.",
            nowcasts=cases,
        )
    least, _ = CALIBRATED
    said = [
        f"{row['measure']}: {percent(row['coverage'])} of {row['cases']:,} final values lay within "
        f"the 95 percent intervals, which are too {'narrow' if row['coverage'] < least else 'wide'}"
        for row in off.iter_rows(named=True)
    ]
    return failing(WARN, "; ".join(said) + ".", nowcasts=cases)


def _read(
    sources: Sequence[Export], warehouse: "Warehouse", clock: Clock, days: int
) -> "pl.DataFrame":
    """What was observed of the open days and of so many final days before them."""
    import polars as pl

    from soundlink_assets.metrics.nowcast import REVISIONS, columns_read, revisions

    yesterday = clock().date() - timedelta(days=1)
    window = Window(yesterday - timedelta(days=days + REVISION_DAYS + _SLACK_DAYS), yesterday)
    with warehouse.reader("how recent days came about") as reader:
        observed = [
            revisions(
                export,
                *(
                    reader.load(table, window, columns_read(export, table))
                    for table in (export.table, export.superseded, export.delivery_log)
                ),
            )
            for export in sources
        ]
    return pl.concat([pl.DataFrame(schema=REVISIONS), *observed])
