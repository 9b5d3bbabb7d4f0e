"""The Soundlink API as a Dagster resource: one client and one campaign list a run."""

from collections.abc import Iterator
from datetime import datetime
from functools import cached_property
from typing import TYPE_CHECKING

import dagster as dg

from soundlink_assets.clock import Clock
from soundlink_assets.schema.window import Window
from soundlink_assets.settings import Settings, SettingsError

if TYPE_CHECKING:
    import polars as pl

    from soundlink_assets.provider import SoundlinkClient

RESOURCE_KEY = "soundlink_api"


class SoundlinkApi:
    """What the assets of one run share: settings, client, and the campaign list.

    The client is made when it is first used, so that a run which needs no request needs no key.
    """

    def __init__(self, settings: Settings, clock: Clock) -> None:
        self.settings = settings
        self.clock = clock
        self.listed_at: datetime | None = None

    @cached_property
    def client(self) -> "SoundlinkClient":
        """The client; dagster.Failure with one sentence if there is no usable key."""
        from soundlink_assets.provider import SoundlinkClient

        try:
            return SoundlinkClient.from_settings(self.settings, self.clock)
        except SettingsError as error:
            raise dg.Failure(str(error), allow_retries=False) from None

    @cached_property
    def campaigns(self) -> "pl.DataFrame":
        """The organisation's campaigns, listed once a run; or the ids that the settings name."""
        import polars as pl

        from soundlink_assets.schema.campaigns import CAMPAIGN, CAMPAIGNS
        from soundlink_assets.schema.frames import empty_frame

        self.listed_at = self.clock()
        if not self.settings.campaign_ids:
            return self.client.listed(CAMPAIGN)
        listed = empty_frame(CAMPAIGNS).drop("ingested_at", "run_id")
        named = pl.DataFrame({"campaign_id": list(self.settings.campaign_ids)})
        return pl.concat([listed, named], how="diagonal")

    def campaign_ids(self, window: Window) -> list[str]:
        """The campaigns to ask for: all but those created after the window ends."""
        import polars as pl

        created_on = pl.col("created_at").dt.date()
        asked = self.campaigns.filter(created_on.is_null() | (created_on <= window.last))
        return asked["campaign_id"].to_list()

    def close(self) -> None:
        """Close the connections, if there are any."""
        if "client" in self.__dict__:
            self.client.close()


def soundlink_api_resource(settings: Settings, clock: Clock) -> dg.ResourceDefinition:
    """The resource; its settings stay in a closure, so that no key can appear in a config."""

    def open_api(_context: dg.InitResourceContext) -> Iterator[SoundlinkApi]:
        api = SoundlinkApi(settings, clock)
        try:
            yield api
        finally:
            api.close()

    return dg.ResourceDefinition(
        resource_fn=open_api,
        description=f"The Soundlink API at {settings.base_url}: one client and one campaign list "
        "for each run, within the request budget of the key.",
    )
