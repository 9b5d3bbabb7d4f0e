"""The synthetic world: an organisation's links and what the exports say of them at any moment.

Everything follows from the configuration, the anchor date and the moment asked about; a day is
computed when it is asked for and does not depend on other days. `World.rows` is the truth that a
reader's tables can be compared with. HTTP is not known here.
"""

from collections.abc import Sequence
from datetime import date, datetime, time, timedelta
from functools import lru_cache

from soundlink_assets.sandbox import draws
from soundlink_assets.sandbox.completeness import stage_of
from soundlink_assets.sandbox.config import SandboxConfig
from soundlink_assets.sandbox.layout import campaigns_of, soundlinks_of
from soundlink_assets.sandbox.links import Campaign, Link, Soundlink, stamp
from soundlink_assets.sandbox.rows import EXPORTED_AT, Row, RowWriter, read_rows
from soundlink_assets.schema import Export
from soundlink_assets.schema.window import Window, final_at

_PLACEHOLDER = EXPORTED_AT.encode()
_BATCH = time(3)
"""When exports are built every day, UTC."""
_CACHED_DAYS = 4096


def anchor_of(config: SandboxConfig, now: datetime) -> date:
    """The date that links are laid out around: configured, or the first of this month."""
    return config.anchor or now.date().replace(day=1)


class World:
    """The links of one organisation and their exports."""

    def __init__(self, config: SandboxConfig, anchor: date, organisation: str = "ours") -> None:
        self._config = config
        self._writers = {export.name: RowWriter(export, config.seed) for export in config.exports}
        self._day = lru_cache(_CACHED_DAYS)(self._render_day)
        self.anchor = anchor
        self.account_id = draws.uuid(config.seed, "account", organisation)
        self.campaigns: tuple[Campaign, ...] = campaigns_of(config, anchor, self.account_id)
        self.soundlinks: tuple[Soundlink, ...] = soundlinks_of(config, anchor, self.account_id)
        self._links: dict[str, dict[str, Link]] = {
            "campaign": {link.id: link for link in self.campaigns},
            "soundlink": {link.id: link for link in self.soundlinks},
        }

    def link(self, scope_name: str, link_id: str, now: datetime) -> Link | None:
        """The link of that scope, if it exists by then."""
        found = self._links.get(scope_name, {}).get(link_id)
        return found if found is not None and found.created_at <= now else None

    def links_at(self, scope_name: str, now: datetime) -> Sequence[Link]:
        """The links of a scope that were created by then, oldest first."""
        links = self._links.get(scope_name, {}).values()
        return [link for link in links if link.created_at <= now]

    def campaigns_at(self, now: datetime) -> tuple[Campaign, ...]:
        """The campaigns created by then, oldest first."""
        return tuple(campaign for campaign in self.campaigns if campaign.created_at <= now)

    def exported_at(self, now: datetime) -> datetime:
        """When the exports served at `now` were built: the last batch."""
        batch = datetime.combine(now.date(), _BATCH, now.tzinfo)
        return batch if batch <= now else batch - timedelta(days=1)

    def lines(self, export: Export, link: Link, window: Window, now: datetime) -> bytes:
        """The lines of an export of the window at `now`, each with its line end."""
        exported_at = self.exported_at(now)
        first = max(window.first, link.created_at.date())
        last = min(window.last, exported_at.date(), self._writers[export.name].last_day(link))
        if last < first:
            return b""
        days = [
            self._day(export.name, link.id, day, min(exported_at, final_at(day)))
            for day in Window(first, last).dates()
        ]
        return b"".join(days).replace(_PLACEHOLDER, stamp(exported_at).encode())

    def rows(self, export_name: str, link_id: str, window: Window, now: datetime) -> list[Row]:
        """The rows that the export serves for the window at `now`, typed; see `rows.Row`.

        KeyError for an export that is not served. No rows for an unknown link.
        """
        export = self._config.export(export_name)
        link = self.link(export.scope.name, link_id, now)
        if link is None:
            return []
        return read_rows(export, self.lines(export, link, window, now).splitlines())

    def _render_day(self, export_name: str, link_id: str, day: date, built: datetime) -> bytes:
        stage = stage_of(day, built, self._config.completeness, self._config.seed, link_id)
        if stage is None:
            return b""
        scope = self._config.export(export_name).scope
        return self._writers[export_name].day(self._links[scope.name][link_id], day, stage)
