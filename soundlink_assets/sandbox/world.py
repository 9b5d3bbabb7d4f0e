"""The synthetic world: an organisation's campaigns and what the exports say of them at any moment.

Everything follows from the configuration, the anchor date and the moment asked about; a day is
computed when it is asked for and does not depend on other days. `World.rows` is the truth that a
reader's tables can be compared with. HTTP is not known here.
"""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import date, datetime, time, timedelta

from soundlink_assets.sandbox import draws
from soundlink_assets.sandbox.cache import ByteCache
from soundlink_assets.sandbox.campaigns import Campaign
from soundlink_assets.sandbox.config import SandboxConfig
from soundlink_assets.sandbox.country_figures import country_lines
from soundlink_assets.sandbox.engagement_figures import engagement_lines
from soundlink_assets.sandbox.layout import campaigns_of
from soundlink_assets.sandbox.lines import EXPORTED_AT
from soundlink_assets.sandbox.maturing import Stage, stage_of
from soundlink_assets.sandbox.rows import Row, read_rows
from soundlink_assets.schema import (
    CAMPAIGN_COUNTRY_DAILY,
    CAMPAIGN_ENGAGEMENT_DAILY,
    EXPORTS,
    Export,
)
from soundlink_assets.schema.window import Window, final_at

_LINES: dict[str, Callable[[int, Campaign, date, Stage], list[str]]] = {
    CAMPAIGN_COUNTRY_DAILY.name: country_lines,
    CAMPAIGN_ENGAGEMENT_DAILY.name: engagement_lines,
}
_PLACEHOLDER = EXPORTED_AT.encode()


@dataclass(frozen=True, slots=True)
class Body:
    """The lines of one delivery, each with its line end, and how many they are."""

    content: bytes
    row_count: int


def anchor_of(config: SandboxConfig, now: datetime) -> date:
    """The date that campaigns are laid out around: configured, or the first of this month."""
    return config.anchor or now.date().replace(day=1)


class World:
    """The campaigns of one organisation and their exports.

    `exports` has what is served; a further export needs a function in `_LINES`.
    """

    def __init__(self, config: SandboxConfig, anchor: date, organisation: str = "ours") -> None:
        self._config = config
        self._cache = ByteCache(config.cache_bytes)
        self.anchor = anchor
        self.account_id = draws.uuid(config.seed, "account", organisation)
        self.campaigns: tuple[Campaign, ...] = campaigns_of(config, anchor, self.account_id)
        self._by_id = {campaign.campaign_id: campaign for campaign in self.campaigns}

    def campaign(self, campaign_id: str, now: datetime) -> Campaign | None:
        """The campaign, if it exists by then."""
        found = self._by_id.get(campaign_id)
        return found if found is not None and found.created_at <= now else None

    def campaigns_at(self, now: datetime) -> tuple[Campaign, ...]:
        """The campaigns created by then, oldest first."""
        return tuple(campaign for campaign in self.campaigns if campaign.created_at <= now)

    def exported_at(self, now: datetime) -> datetime:
        """When the exports served at `now` were built: the last batch, or this very second."""
        if not self._config.batch_hours:
            return now.replace(microsecond=0)
        midnight = datetime.combine(now.date(), time.min, now.tzinfo)
        batches = (
            midnight + timedelta(days=day, hours=hour)
            for day in (-1, 0)
            for hour in self._config.batch_hours
        )
        return max(batch for batch in batches if batch <= now)

    def body(
        self,
        export: Export,
        campaign: Campaign,
        window: Window,
        now: datetime,
        context: str | None = None,
    ) -> Body:
        """The lines that an export of the window holds at `now`, in the contract's order."""
        if context is not None and context != campaign.context:
            return Body(b"", 0)
        exported_at = self.exported_at(now)
        first = max(window.first, campaign.created_at.date())
        last = min(window.last, exported_at.date(), campaign.last_day_with_rows(export.segment))
        if last < first:
            return Body(b"", 0)
        days = [
            self._day(export, campaign, day, exported_at) for day in Window(first, last).dates()
        ]
        content = b"".join(days)
        stamp = f"{exported_at:%Y-%m-%dT%H:%M:%SZ}".encode()
        return Body(content.replace(_PLACEHOLDER, stamp), content.count(b"\n"))

    def rows(self, export_name: str, campaign_id: str, window: Window, now: datetime) -> list[Row]:
        """The rows that the export serves for the window at `now`, typed; see `rows.Row`.

        KeyError for an export that the contract does not know. No rows for an unknown campaign.
        """
        export = {known.name: known for known in EXPORTS}[export_name]
        campaign = self.campaign(campaign_id, now)
        if campaign is None:
            return []
        return read_rows(export, self.body(export, campaign, window, now).content.splitlines())

    def _day(self, export: Export, campaign: Campaign, day: date, exported_at: datetime) -> bytes:
        built = min(exported_at, final_at(day))
        key = (export.name, campaign.campaign_id, day, built)
        return self._cache.get(key, lambda: self._render_day(export, campaign, day, built))

    def _render_day(
        self, export: Export, campaign: Campaign, day: date, exported_at: datetime
    ) -> bytes:
        stage = stage_of(day, exported_at)
        if stage is None:
            return b""
        lines = _LINES[export.name](self._config.seed, campaign, day, stage)
        return "".join(f"{line}\n" for line in lines).encode()
