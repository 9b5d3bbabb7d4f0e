"""One export of every campaign for the window of a run: fetched, verified, spooled.

Nothing is written to the warehouse here. What can stop a run, and what only leaves a campaign's
cells as they were, is decided by the client's errors.
"""

import time
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import date, datetime
from typing import TYPE_CHECKING

from soundlink_assets.schema.exports import Export
from soundlink_assets.schema.window import Window, final_at

if TYPE_CHECKING:
    import polars as pl

    from soundlink_assets.provider import Delivery, FailedDelivery
    from soundlink_assets.assets.soundlink_api import SoundlinkApi
    from soundlink_assets.warehouse.types import Deliveries

PROGRESS_EVERY_SECONDS = 10.0


@dataclass(slots=True)
class Fetched:
    """What the campaigns delivered: the spooled rows, and what there is to say about them.

    `fetched_at` is when the fetch began: every request was sent at or after it.
    """

    deliveries: "Deliveries"
    asked: int
    fetched_at: datetime
    delivered: set[str] = field(default_factory=set)
    failed: list["FailedDelivery"] = field(default_factory=list)
    unexpected_fields: set[str] = field(default_factory=set)
    merged_duplicates: int = 0
    unverified_row_counts: int = 0

    def take(self, delivery: "Delivery") -> None:
        """Spool one delivery and note what it says."""
        self.deliveries.add(
            delivery.requested_id, delivery.window, delivery.frame, delivery.fetched_at
        )
        self.delivered.add(delivery.requested_id)
        self.unexpected_fields.update(delivery.extra_fields)
        self.merged_duplicates += delivery.merged_duplicates
        self.unverified_row_counts += not delivery.row_count_stated

    def settled_days(self, ledger: "pl.DataFrame") -> set[date]:
        """The days of which nothing can change any more, by the ledger as this run leaves it.

        Cells that this run did not ask for count as well, since a run for one campaign says nothing
        of the others. A campaign that failed and has no cell keeps its day open.
        """
        from soundlink_assets.metrics.settled import CELL, IS_SETTLED, settled_cells

        campaigns: dict[date, set[str]] = {}
        still_open = set()
        for campaign_id, day, is_settled in settled_cells(ledger).select(*CELL, IS_SETTLED).rows():
            campaigns.setdefault(day, set()).add(campaign_id)
            if not is_settled:
                still_open.add(day)
        failed = {failed.requested_id for failed in self.failed}
        return {
            day
            for day in self.deliveries.window.dates()
            if self.fetched_at >= final_at(day)
            and day not in still_open
            and failed <= campaigns.get(day, set())
        }


def fetch(
    export: Export, window: Window, api: "SoundlinkApi", say: Callable[[str], None]
) -> Fetched:
    """Fetch one export of every campaign for the window.

    Raises the client's error if it stops the run; a campaign that failed is in `failed`.
    The spool is the caller's to close; the warehouse does so after it has written it.
    """
    from soundlink_assets.provider import FailedDelivery
    from soundlink_assets.warehouse.types import Deliveries

    campaign_ids = api.campaign_ids(window)
    fetched = Fetched(
        Deliveries(export.table, window), asked=len(campaign_ids), fetched_at=api.clock()
    )
    progress = _Progress(export.name, window, len(campaign_ids), say)
    try:
        for result in api.client.deliveries(export, campaign_ids, window):
            if isinstance(result, FailedDelivery):
                fetched.failed.append(result)
                say(f"{export.name}: {result.error}")
                progress.one_more(rows=0)
            else:
                fetched.take(result)
                progress.one_more(rows=result.frame.height)
    except BaseException:
        fetched.deliveries.close()
        raise
    return fetched


class _Progress:
    """Says now and then how many campaigns have come, and how long the rest will take."""

    def __init__(
        self, name: str, window: Window, campaigns: int, say: Callable[[str], None]
    ) -> None:
        self.name, self.window, self.campaigns, self.say = name, window, campaigns, say
        self.done = self.rows = 0
        self.started = self.said = time.monotonic()

    def one_more(self, rows: int) -> None:
        self.done += 1
        self.rows += rows
        now = time.monotonic()
        if now - self.said < PROGRESS_EVERY_SECONDS and self.done < self.campaigns:
            return
        self.said = now
        left = (now - self.started) / self.done * (self.campaigns - self.done)
        self.say(
            f"{self.name} {self.window}: {self.done} of {self.campaigns} campaigns, "
            f"{self.rows:,} rows, about {left:.0f} s left"
        )
