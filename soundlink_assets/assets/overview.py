"""The asset of the provider's own totals, which the stored rows are reconciled with.

Once a week and on demand, each campaign is asked for its totals over its final days; what differs
is fetched again by itself. How totals are compared is in `metrics.reconciliation`.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from datetime import date, datetime, timedelta
from typing import TYPE_CHECKING, Any

import dagster as dg

from soundlink_assets.assets.catalog import KINDS, OWNERS, asset_key, asset_metadata
from soundlink_assets.assets.conditions import each_time
from soundlink_assets.assets.event_log import record_evaluations
from soundlink_assets.assets.exports import FETCHED_AT, IS_FINAL
from soundlink_assets.assets.findings import ERROR, table_of
from soundlink_assets.assets.listing import GROUP, TAGS, failure
from soundlink_assets.assets.resource import SoundlinkApi
from soundlink_assets.assets.verdicts import (
    Verdict,
    check_spec,
    failing,
    not_judged,
    passing,
    result_of,
)
from soundlink_assets.schema import CAMPAIGN_COUNTRY_DAILY
from soundlink_assets.schema.exports import EXTRA, INGESTED_AT, SUPERSEDED_AT
from soundlink_assets.schema.overview import (
    CAMPAIGN_OVERVIEW,
    LISTENERS,
    OVERVIEW_AMOUNTS,
    OVERVIEW_COUNTS,
)
from soundlink_assets.schema.window import Window

if TYPE_CHECKING:
    import polars as pl

    from soundlink_assets.provider import SoundlinkError
    from soundlink_assets.warehouse import Warehouse

EXPORT = CAMPAIGN_COUNTRY_DAILY
"""The export whose rows add up to the overview."""

OVERVIEW_KEY = asset_key(CAMPAIGN_OVERVIEW)
OVERVIEW_AT = "20 7 * * 1"
"""UTC: Mondays, after the daily run."""

MATCHES = "matches_overview"

MOST_CAMPAIGNS = 200
"""Campaigns asked for at once, those first whose totals are the oldest: a third of the requests
that a key has in an hour."""

CAMPAIGNS_NAMED = 3
"""Campaigns whose differences a sentence tells."""

REFETCH_AFTER = timedelta(days=27)
"""A campaign that differs is not fetched again for a while: what it delivered then, it delivers."""


def overview_asset(warehouse: "Warehouse") -> dg.AssetsDefinition:
    """The totals of each campaign, and the check that its rows come to them."""
    spec = check_spec(
        OVERVIEW_KEY,
        MATCHES,
        "The stored rows of each campaign's final days come to the provider's own totals: streams, "
        "followers, clicks and impressions exactly, money to the cent, listeners by either of the "
        "provider's readings. A campaign that differs is fetched again, once.",
    )

    @dg.asset(
        key=OVERVIEW_KEY,
        deps=[asset_key(EXPORT.table)],
        description=f"{CAMPAIGN_OVERVIEW.description} Grain: {CAMPAIGN_OVERVIEW.grain}. One "
        "request for each campaign.",
        group_name=GROUP,
        owners=OWNERS,
        tags=TAGS,
        kinds=KINDS,
        metadata=asset_metadata(CAMPAIGN_OVERVIEW),
        check_specs=[spec],
        automation_condition=each_time(OVERVIEW_AT),
    )
    def campaign_overview(
        context: dg.AssetExecutionContext, soundlink_api: dg.ResourceParam[SoundlinkApi]
    ) -> Iterator[Any]:
        from soundlink_assets.provider import SoundlinkError

        of = _Reconciliation(warehouse, soundlink_api, context)
        try:
            of.ask()
            before = of.differing()
            again = of.fetch_again(before) if not before.is_empty() else set()
        except SoundlinkError as error:
            yield result_of(spec, not_judged(f"nothing was answered: {error.message.rstrip('.')}"))
            raise failure(error) from None
        yield dg.Output(of.table(again), metadata=of.metadata(again))
        verdict = of.verdict(before)
        if again:
            record_evaluations(context.op_execution_context, [_evaluation(spec, verdict)])
            verdict = of.verdict(of.differing(), put_right=before)
        yield result_of(spec, verdict)

    return campaign_overview


@dataclass(slots=True)
class _Reconciliation:
    """The totals of the campaigns, and the rows that should come to them."""

    warehouse: "Warehouse"
    api: SoundlinkApi
    context: dg.AssetExecutionContext
    previous: "pl.DataFrame" = field(init=False)
    asked: "pl.DataFrame" = field(init=False)
    refused: dict[str, "SoundlinkError"] = field(default_factory=dict)

    def ask(self) -> None:
        """Ask for the totals. Raises the provider's error if it stops the run."""
        import polars as pl

        from soundlink_assets.metrics.reconciliation import final_windows
        from soundlink_assets.provider import SoundlinkError
        from soundlink_assets.schema.frames import polars_schema

        with self.warehouse.reader("which days are final") as reader:
            windows = final_windows(reader.delivery_log(EXPORT), EXPORT)
            self.previous = reader.load(CAMPAIGN_OVERVIEW)
        known = windows.join(
            self.previous.select("campaign_id", "fetched_at"), on="campaign_id", how="left"
        )
        rows: list[dict[str, Any]] = []
        for campaign, first, last, _ in (
            known.sort("fetched_at", "campaign_id", nulls_last=False)
            .head(MOST_CAMPAIGNS)
            .iter_rows()
        ):
            try:
                totals = self.api.client.overview(campaign, Window(first, last))
            except SoundlinkError as error:
                if error.stops_run and not rows:
                    raise
                self.refused[campaign] = error
                continue
            rows.append(
                {"campaign_id": campaign, "first_day": first, "last_day": last}
                | {"fetched_at": self.api.now(), "refetched_at": self._refetched_at(campaign)}
                | totals
            )
        self.asked = pl.DataFrame(rows, schema=polars_schema(CAMPAIGN_OVERVIEW))

    def _refetched_at(self, campaign: str) -> datetime | None:
        known = self.previous.filter(campaign_id=campaign)["refetched_at"]
        return known.item() if len(known) else None

    def differing(self) -> "pl.DataFrame":
        """What differs, by campaign and measure."""
        from soundlink_assets.metrics.reconciliation import differences

        columns = [
            *(EXPORT.scope.requested_column, EXPORT.day, EXPORT.currency or "", EXTRA),
            *(*OVERVIEW_COUNTS, *OVERVIEW_AMOUNTS, LISTENERS),
        ]
        rows = self.warehouse.load(EXPORT.table, self._window(), columns)
        return differences(self.asked, rows, EXPORT)

    def _window(self) -> Window | None:
        """The days of all campaigns."""
        if self.asked.is_empty():
            return None
        return Window(self.asked["first_day"].min(), self.asked["last_day"].max())  # type: ignore[arg-type]

    def fetch_again(self, differing: "pl.DataFrame") -> set[str]:
        """Fetch the campaigns that differ over their final days; who was fetched."""
        import polars as pl

        now = self.api.now()
        recently = pl.col("refetched_at").is_not_null() & (
            pl.col("refetched_at") > now - REFETCH_AFTER
        )
        due = self.asked.filter(~recently).join(differing, on="campaign_id", how="semi")
        return {
            campaign
            for campaign, first, last in due.select("campaign_id", "first_day", "last_day").rows()
            if self._fetch(campaign, Window(first, last))
        }

    def _fetch(self, campaign: str, window: Window) -> bool:
        """Store what one campaign delivers now; whether it delivered all of it."""
        from soundlink_assets.provider import FailedDelivery
        from soundlink_assets.warehouse import DeliveryBatch

        with DeliveryBatch(EXPORT, window) as batch:
            for delivery in self.api.client.deliveries(EXPORT, [campaign], window):
                if isinstance(delivery, FailedDelivery):
                    self.refused[campaign] = delivery.error
                    return False
                batch.add(campaign, delivery.window, delivery.frame, delivery.fetched_at)
            written = self.warehouse.write(
                batch, now=self.api.now(), run_id=self.context.run.run_id
            )
        self._materialized(self._changed_days(campaign, window, written.written_at), written.log)
        return True

    def _changed_days(self, campaign: str, window: Window, written_at: datetime) -> list[date]:
        """The days of which the write changed, added or withdrew a row."""
        import polars as pl

        requested, day = EXPORT.scope.requested_column, EXPORT.day
        changed = [
            self.warehouse.load(table, window, [requested, day, stamp])
            .filter(pl.col(requested) == campaign, pl.col(stamp) == written_at)
            .get_column(day)
            for table, stamp in ((EXPORT.table, INGESTED_AT), (EXPORT.superseded, SUPERSEDED_AT))
        ]
        return sorted(set(pl.concat(changed)))

    def _materialized(self, days: list[date], log: "pl.DataFrame") -> None:
        """Tell Dagster of the days that were stored anew, so that derived tables follow."""
        from soundlink_assets.metrics.final import final_days

        final = final_days(log, EXPORT)
        rows = dict(log.group_by(EXPORT.day).agg(_sum("row_count")).iter_rows())
        for day in days:
            self.context.log_event(
                dg.AssetMaterialization(
                    asset_key=asset_key(EXPORT.table),
                    partition=day.isoformat(),
                    description="One campaign was fetched again: its rows did not come to the "
                    "provider's own totals.",
                    metadata={
                        "dagster/partition_row_count": rows[day],
                        FETCHED_AT: dg.MetadataValue.timestamp(self.api.now()),
                        IS_FINAL: day in final,
                    },
                )
            )

    def table(self, fetched_again: set[str]) -> "pl.DataFrame":
        """What is stored: the new totals, and the previous ones of those that were not asked."""
        import polars as pl

        new = self.asked.with_columns(
            pl.when(pl.col("campaign_id").is_in(fetched_again))
            .then(pl.lit(self.api.now()))
            .otherwise("refetched_at")
            .cast(self.asked.schema["refetched_at"])
            .alias("refetched_at")
        )
        kept = self.previous.join(new, on="campaign_id", how="anti")
        return pl.concat([new, kept]).sort("campaign_id")

    def metadata(self, fetched_again: set[str]) -> Mapping[str, Any]:
        """Figures of the run."""
        return {
            "campaigns_asked": self.asked.height,
            "campaigns_fetched_again": len(fetched_again),
            "campaigns_refused": len(self.refused),
        }

    def verdict(
        self, differing: "pl.DataFrame", put_right: "pl.DataFrame | None" = None
    ) -> Verdict:
        """What differs, campaign by campaign; `put_right` is what differed before the refetch."""
        if self.asked.is_empty():
            return not_judged("no campaign has final days, or none was answered")
        if differing.is_empty():
            said = f"All {self.asked.height:,} campaigns come to the provider's totals."
            if put_right is not None:
                said += f" Fetched again, since before: {_named(put_right)}."
            return passing(said, campaigns=self.asked.height)
        campaigns = differing["campaign_id"].n_unique()
        return failing(
            ERROR,
            f"{campaigns:,} of {self.asked.height:,} campaigns do not come to the provider's "
            f"totals: {_named(differing)}.",
            campaigns=self.asked.height,
            campaigns_differing=campaigns,
            differences=table_of(differing),
        )


def _named(differing: "pl.DataFrame") -> str:
    """The differences of the first campaigns, and how many more campaigns there are."""
    campaigns = differing.partition_by("campaign_id", maintain_order=True)
    said = [
        f"campaign {of_one['campaign_id'][0]} has "
        + ", ".join(
            f"{row['measure']} {row['stored'].normalize():f} instead of "
            f"{row['overview'].normalize():f} ({row['difference'].normalize():+f})"
            for row in of_one.iter_rows(named=True)
        )
        for of_one in campaigns[:CAMPAIGNS_NAMED]
    ]
    more = len(campaigns) - len(said)
    return "; ".join(said) + (f"; and {more} more" if more else "")


def _sum(column: str) -> "pl.Expr":
    import polars as pl

    return pl.col(column).sum()


def _evaluation(spec: dg.AssetCheckSpec, verdict: Verdict) -> dg.AssetCheckEvaluation:
    return dg.AssetCheckEvaluation(
        asset_key=spec.asset_key,
        check_name=spec.name,
        passed=verdict.passed,
        severity=verdict.severity,
        description=verdict.description,
        metadata=dict(verdict.metadata),
    )
