"""One asset for each export: fetch what every campaign delivers for the days of a run, store it.

A delivery is verified by the provider's client before it comes here, and spooled; nothing is
written before all have come. Who is asked for is in `listing`, what the checks say in `checks`.
"""

import time
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from datetime import date, datetime
from typing import TYPE_CHECKING, Any

import dagster as dg

from soundlink_assets.assets.catalog import KINDS, OWNERS, asset_key, asset_metadata
from soundlink_assets.assets.checks import (
    Outcome,
    delivery_checks,
    verdicts_on_error,
    verdicts_on_refusal,
)
from soundlink_assets.assets.listing import (
    GROUP,
    LEFT_RECENTLY,
    REFUSED_AT,
    TAGS,
    Listing,
    failure,
    read_listing,
)
from soundlink_assets.assets.partitions import RUN_LENGTH, window_to_fetch
from soundlink_assets.assets.resource import CLOCK_TOLERANCE, SoundlinkApi
from soundlink_assets.assets.verdicts import Verdicts, report
from soundlink_assets.schema import Export
from soundlink_assets.schema.exports import ACCOUNT
from soundlink_assets.schema.window import Window, consecutive, final_at, final_at_latest

if TYPE_CHECKING:
    import polars as pl

    from soundlink_assets.provider import Delivery, FailedDelivery
    from soundlink_assets.warehouse import DeliveryBatch, Replaced, Warehouse

FETCHED_AT = "fetched_at"
IS_FINAL = "is_settled"
"""Metadata of each stored day, which schedule and sensor decide by."""

NOT_THERE = (404, 410)
"""Statuses that say of an id that there is no such thing (any more)."""

PROGRESS_EVERY_SECONDS = 10.0


def export_asset(
    export: Export,
    exports: Sequence[Export],
    partitions: dg.PartitionsDefinition[str],
    warehouse: "Warehouse",
) -> dg.AssetsDefinition:
    """The asset of an export; `exports` are all whose figures the warehouse holds."""
    checks = delivery_checks(export, partitions)

    @dg.asset(
        key=asset_key(export.table),
        deps=[asset_key(export.scope.listing)],
        description=f"{export.rows.description} Grain: {export.rows.grain}. A delivery replaces "
        f"the days of the {export.scope.name} that were asked for; what it changed or withdrew "
        f"moves to `{export.superseded.qualified_name}`.",
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
        from soundlink_assets.provider import SoundlinkError

        window = window_to_fetch(context)
        fetch = _Fetch(export, window, soundlink_api, warehouse, context)
        try:
            fetch.run()
            fetch.refuse_other_organisations(exports)
        except SoundlinkError as error:
            fetch.batch.close()
            yield from report(context, checks, verdicts_on_error(error, window))
            raise failure(error) from error
        except BaseException:
            fetch.batch.close()
            raise
        verdicts = fetch.verdicts()
        if fetch.failed and not fetch.batch.requested_ids:
            fetch.batch.close()
            yield from report(context, checks, verdicts)
            raise fetch.nothing_delivered() from fetch.failed[0].error
        yield dg.Output(fetch.batch, metadata=fetch.run_metadata())
        # After the output: a verdict is about the materialisation that is the latest by then.
        yield from report(context, checks, verdicts)

    return deliveries


@dataclass(slots=True)
class _Fetch:
    """One export of everyone in its scope, for the window of a run."""

    export: Export
    window: Window
    api: SoundlinkApi
    warehouse: "Warehouse"
    context: dg.AssetExecutionContext
    batch: "DeliveryBatch" = field(init=False)
    listing: Listing = field(init=False)
    asked: list[str] = field(default_factory=list)
    failed: list["FailedDelivery"] = field(default_factory=list)
    gone: list[str] = field(default_factory=list)
    accounts: set[str] = field(default_factory=set)
    fetched_at: datetime | None = None
    merged_duplicates: int = 0
    uncounted: int = 0

    def __post_init__(self) -> None:
        from soundlink_assets.warehouse import DeliveryBatch

        self.batch = DeliveryBatch(self.export, self.window, on_stored=self._describe_days)

    def run(self) -> None:
        """Fetch and spool. Raises the provider's error if it stops the run; others are `failed`."""
        from soundlink_assets.provider import FailedDelivery

        export, window = self.export, self.window
        since = Window(window.first - LEFT_RECENTLY, window.last)
        with self.warehouse.reader(f"what is stored of {export.name}") as reader:
            self.listing = read_listing(self.api, export.scope, reader, self.context.instance)
            log = reader.delivery_log(export, since)
        if self.listing.refusal:
            self.context.log.info("Skipped: %s.", self.listing.refusal)
        self._refuse_open_days()
        self.asked = self.listing.to_ask(log, export, window)
        listed = set(self.listing.ids)
        progress = _Progress(f"{export.name} {window}", len(self.asked), self.context.log.info)
        for result in self.api.client.deliveries(export, self.asked, window):
            if not isinstance(result, FailedDelivery):
                self._take(result)
                progress.one_more(result.frame.height)
                continue
            if result.requested_id not in listed and result.error.status in NOT_THERE:
                self.gone.append(result.requested_id)
            else:
                self.failed.append(result)
                self.context.log.info("%s: %s", export.name, result.error)
            progress.one_more(0)
        if self.gone and not self.listing.is_doubtful:
            self._keep_as_final(log)

    def _refuse_open_days(self) -> None:
        """dagster.Failure if a day has not closed by the provider's clock, and ours is wrong."""
        offset = self.api.clock_offset
        if offset is None or abs(offset) <= CLOCK_TOLERANCE:
            return
        if self.window.last >= self.listing.now.date():
            raise dg.Failure(
                f"{self.window.last} has not closed yet by the provider's clock "
                f"({self.listing.now:%Y-%m-%d %H:%M} UTC). This machine's clock is wrong by "
                f"{abs(offset)}: set it. Nothing was fetched.",
                allow_retries=False,
            )

    def _take(self, delivery: "Delivery") -> None:
        self.batch.add(delivery.requested_id, delivery.window, delivery.frame, delivery.fetched_at)
        self.fetched_at = min(self.fetched_at or delivery.fetched_at, delivery.fetched_at)
        self.accounts.update(delivery.frame[ACCOUNT].unique())
        self.merged_duplicates += delivery.merged_duplicates
        self.uncounted += not delivery.row_count_stated

    def _keep_as_final(self, log: "pl.DataFrame") -> None:
        """What is gone can no longer change: from D+10 on, it is final as it is stored.

        Its rows are delivered once more as they are, with the moment at which it was gone.
        """
        import polars as pl

        from soundlink_assets.metrics.final import final_campaign_days

        export, now = self.export, self.listing.now
        requested, day = export.scope.requested_column, export.day
        closed = [each for each in self.window.dates() if now >= final_at_latest(each)]
        states = final_campaign_days(log, export).filter(
            pl.col(requested).is_in(self.gone), pl.col(day).is_in(closed), ~pl.col("is_settled")
        )
        if states.is_empty():
            return
        rows = self.warehouse.load(export.table, self.window)
        for (gone,), days in states.partition_by(requested, as_dict=True).items():
            for window in consecutive(days[day]):
                kept = rows.filter(
                    pl.col(requested) == gone, pl.col(day).is_between(window.first, window.last)
                )
                self.batch.add(str(gone), window, kept.select(export.delivered.column_names), now)

    def refuse_other_organisations(self, exports: Sequence[Export]) -> None:
        """dagster.Failure if the figures belong to others than those that the warehouse holds."""
        if self.api.settings.allow_several_organisations or not self.accounts:
            return
        with self.warehouse.reader("the organisations in it") as reader:
            known = {
                account for export in exports for account in reader.distinct(export.table, ACCOUNT)
            }
        strange = self.accounts - known
        if known and strange:
            raise dg.Failure(
                f"The key belongs to organisation {', '.join(sorted(strange))}, but the warehouse "
                f"{self.warehouse.name} holds figures of {', '.join(sorted(known))}. Nothing was "
                "stored. Use another SOUNDLINK_WAREHOUSE for each organisation, or set "
                "SOUNDLINK_ALLOW_SEVERAL_ORGANISATIONS=1 to keep them together.",
                allow_retries=False,
            )

    def verdicts(self) -> dict[str, Verdicts]:
        """What the checks say of it."""
        if self.listing.refusal:
            return verdicts_on_refusal(self.listing.refusal)
        return Outcome(self.export, self.window, len(self.asked), self.failed, self.gone).verdicts()

    def nothing_delivered(self) -> dg.Failure:
        """What ends the run when nobody's delivery could be fetched."""
        reasons = sorted({str(failed.error) for failed in self.failed})
        return dg.Failure(
            f"None of {len(self.asked)} {self.export.scope.plural} could be fetched; nothing was "
            f"written. {reasons[0]}",
            metadata={"reasons": reasons},
        )

    def run_metadata(self) -> dict[str, Any]:
        """What is worth telling of the run; each day's own figures come with `_describe_days`."""
        counts = {
            "run_merged_duplicates": self.merged_duplicates,
            "run_deliveries_without_row_count": self.uncounted,
        }
        return {name: count for name, count in counts.items() if count}

    def _describe_days(self, replaced: "Replaced") -> None:
        """Metadata of each day: its stored rows, when it was fetched, and whether it is final."""
        rows: Counter[date] = Counter()
        for day, count in replaced.log.select(self.export.day, "row_count").iter_rows():
            rows[day] += count
        final = self._final_days(replaced.log)
        fetched_at = dg.MetadataValue.timestamp(self.fetched_at or self.api.now())
        refused_at = self.listing.refused_at
        refused = {REFUSED_AT: dg.MetadataValue.timestamp(refused_at)} if refused_at else {}
        for day in self.window.dates():
            failed = sum(day in each.window for each in self.failed)
            self.context.add_asset_metadata(
                {
                    "dagster/partition_row_count": rows[day],
                    FETCHED_AT: fetched_at,
                    IS_FINAL: day in final,
                    **({"failed": failed} if failed else {}),
                    **refused,
                },
                partition_key=day.isoformat(),
            )

    def _final_days(self, log: "pl.DataFrame") -> set[date]:
        """The days of which nothing can change any more, by the log as this run leaves it.

        Campaign-days that this run did not ask for count as well, since a run for one campaign says
        nothing of the others. One that failed and was never stored keeps its day open, and so
        does a list that is not to be believed. A day on which nobody existed is final in time.
        """
        from soundlink_assets.metrics.final import final_days

        if self.listing.is_doubtful:
            return set()
        final = final_days(log, self.export, {failed.requested_id for failed in self.failed})
        if not self.asked and (self.listing.ids or self.export.scope.is_optional):
            stored = set(log[self.export.day])
            empty = (day for day in self.window.dates() if day not in stored)
            final |= {day for day in empty if self.listing.now >= final_at(day)}
        return final


class _Progress:
    """Says now and then how many have been delivered, and how long the rest will take."""

    def __init__(self, what: str, total: int, say: Callable[[str], None]) -> None:
        self.what, self.total, self.say = what, total, say
        self.done = self.rows = 0
        self.started = self.last = time.monotonic()

    def one_more(self, rows: int) -> None:
        self.done += 1
        self.rows += rows
        now = time.monotonic()
        if now - self.last < PROGRESS_EVERY_SECONDS and self.done < self.total:
            return
        self.last = now
        left = (now - self.started) / self.done * (self.total - self.done)
        self.say(
            f"{self.what}: {self.done} of {self.total} requests, {self.rows:,} rows, "
            f"about {left:.0f} s left"
        )
