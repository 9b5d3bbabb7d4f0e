"""The assets that hold what the provider delivered: the campaigns and one asset for each export."""

from collections import Counter
from collections.abc import Iterator
from datetime import date
from functools import partial
from typing import TYPE_CHECKING, Any

import dagster as dg

from soundlink_assets.schema import EXPORTS
from soundlink_assets.schema.campaigns import CAMPAIGNS
from soundlink_assets.schema.exports import Export
from soundlink_assets.schema.window import final_at
from soundlink_assets.assets.catalogue import KINDS, OWNERS, asset_key, asset_metadata
from soundlink_assets.assets.checks_door import (
    door_specs,
    verdicts_on_delivery,
    verdicts_on_nothing,
    verdicts_on_unreadable,
)
from soundlink_assets.assets.checks_verdicts import report
from soundlink_assets.assets.fetching import Fetched, fetch
from soundlink_assets.assets.partitions import RUN_LENGTH, window_of
from soundlink_assets.assets.records import FETCHED_AT, IS_SETTLED
from soundlink_assets.assets.soundlink_api import SoundlinkApi

if TYPE_CHECKING:
    import polars as pl

    from soundlink_assets.provider import SoundlinkError

GROUP = "soundlink"
TAGS = {"provider": "soundlink"}


def export_assets(partitions: dg.PartitionsDefinition[str]) -> list[dg.AssetsDefinition]:
    """The campaign list and every export that the contract describes."""
    return [_campaigns_asset(), *(_export_asset(export, partitions) for export in EXPORTS)]


def _campaigns_asset() -> dg.AssetsDefinition:
    @dg.asset(
        key=asset_key(CAMPAIGNS),
        description=CAMPAIGNS.description,
        group_name=GROUP,
        owners=OWNERS,
        tags=TAGS,
        kinds=KINDS,
        metadata=asset_metadata(CAMPAIGNS),
    )
    def campaigns(
        context: dg.AssetExecutionContext, soundlink_api: dg.ResourceParam[SoundlinkApi]
    ) -> Any:
        import polars as pl

        from soundlink_assets.provider import SoundlinkError

        try:
            listed = soundlink_api.campaigns
        except SoundlinkError as error:
            raise failure(error) from None
        if listed.is_empty():
            context.log.warning("The organisation of this key has no campaigns yet.")
        return listed.with_columns(
            ingested_at=pl.lit(soundlink_api.listed_at).cast(pl.Datetime("us", "UTC")),
            run_id=pl.lit(context.run.run_id),
        )

    return campaigns


def _export_asset(export: Export, partitions: dg.PartitionsDefinition[str]) -> dg.AssetsDefinition:
    checks = door_specs(export, partitions)

    @dg.asset(
        key=asset_key(export.table),
        deps=[asset_key(CAMPAIGNS)],
        description=f"{export.rows.description} Grain: {export.rows.grain}. A delivery replaces "
        "the campaign's days that were asked for; what it changed or withdrew moves to "
        f"`{export.table.qualified_name}_superseded`.",
        group_name=GROUP,
        owners=OWNERS,
        tags=TAGS,
        kinds=KINDS,
        metadata=asset_metadata(export.table),
        partitions_def=partitions,
        backfill_policy=RUN_LENGTH,
        check_specs=list(checks.values()),
    )
    def deliveries(
        context: dg.AssetExecutionContext, soundlink_api: dg.ResourceParam[SoundlinkApi]
    ) -> Iterator[Any]:
        from soundlink_assets.provider import ContractError, SoundlinkError

        window = window_of(context)
        try:
            fetched = fetch(export, window, soundlink_api, context.log.info)
        except SoundlinkError as error:
            if isinstance(error, ContractError) and error.about.export:
                yield from report(context, checks, verdicts_on_unreadable(error, window))
            raise failure(error) from None
        if fetched.asked and not fetched.delivered:
            fetched.deliveries.close()
            yield from report(context, checks, verdicts_on_nothing(fetched, window))
            raise nothing_delivered(fetched)
        fetched.deliveries.when_written = partial(describe_days, context, fetched)
        yield dg.Output(fetched.deliveries, metadata=_run_metadata(fetched))
        # After the output: a verdict counts for the materialisation that stands when it is given.
        yield from report(context, checks, verdicts_on_delivery(fetched, window))

    return deliveries


def failure(error: "SoundlinkError") -> dg.Failure:
    """What ends the run when the provider refuses: its code, its request id, what to do."""
    known = {"status": error.status, "code": error.code, "request_id": error.request_id}
    return dg.Failure(
        str(error),
        metadata={name: value for name, value in known.items() if value is not None},
        allow_retries=False,
    )


def nothing_delivered(fetched: Fetched) -> dg.Failure:
    """What ends the run when not one campaign could be fetched."""
    reasons = sorted({str(failed.error) for failed in fetched.failed})
    return dg.Failure(
        f"None of {fetched.asked} campaigns could be fetched; nothing was written. {reasons[0]}",
        metadata={"reasons": reasons},
    )


def describe_days(
    context: dg.AssetExecutionContext, fetched: Fetched, ledger: "pl.DataFrame"
) -> None:
    """Metadata of each day: its stored rows, what failed, and whether its figures are final."""
    rows: Counter[date] = Counter()
    for day, row_count in ledger.select("report_date", "row_count").iter_rows():
        rows[day] += row_count
    settled = fetched.settled_days(ledger)
    for day in fetched.deliveries.window.dates():
        context.add_asset_metadata(
            {
                "dagster/partition_row_count": rows[day],
                "campaigns_delivered": len(fetched.delivered),
                "campaigns_failed": len(fetched.failed),
                FETCHED_AT: dg.MetadataValue.timestamp(fetched.fetched_at),
                "settles_at": dg.MetadataValue.timestamp(final_at(day)),
                IS_SETTLED: day in settled,
            },
            partition_key=day.isoformat(),
        )


def _run_metadata(fetched: Fetched) -> dict[str, Any]:
    metadata: dict[str, Any] = {}
    if fetched.failed:
        metadata["failed_campaigns"] = [str(failed.error) for failed in fetched.failed]
    if fetched.unexpected_fields:
        metadata["unexpected_fields"] = sorted(fetched.unexpected_fields)
    if fetched.merged_duplicates:
        metadata["merged_duplicates"] = fetched.merged_duplicates
    if fetched.unverified_row_counts:
        metadata["deliveries_without_row_count"] = fetched.unverified_row_counts
    return metadata
