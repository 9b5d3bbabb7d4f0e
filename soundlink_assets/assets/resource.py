"""The Soundlink API as a Dagster resource: one client and one list of each scope a run."""

from collections.abc import Iterator, Sequence
from datetime import datetime, timedelta
from functools import cached_property
from typing import TYPE_CHECKING

import dagster as dg

from soundlink_assets.clock import Clock
from soundlink_assets.schema import CAMPAIGN, EXPORTS, SOUNDLINK, Export, Scope
from soundlink_assets.settings import Settings, SettingsError

if TYPE_CHECKING:
    import polars as pl

    from soundlink_assets.provider import SoundlinkClient

RESOURCE_KEY = "soundlink_api"

CLOCK_TOLERANCE = timedelta(minutes=2)
"""This machine's clock may differ from the provider's by this much before it counts as wrong."""


def loaded_exports(settings: Settings, exports: Sequence[Export] = EXPORTS) -> list[Export]:
    """The exports that the settings let be loaded."""
    return [each for each in exports if each.scope != SOUNDLINK or settings.soundlinks != "off"]


class SoundlinkApi:
    """What the assets of one run share: the settings, the client, and what was listed.

    The client is made when it is first used, so that a run which needs no request needs no key.
    """

    def __init__(self, settings: Settings, clock: Clock) -> None:
        self.settings = settings
        self._clock = clock
        self._listed: dict[Scope, pl.DataFrame | None] = {}

    @cached_property
    def client(self) -> "SoundlinkClient":
        """The client; dagster.Failure with one sentence if there is no usable key."""
        from soundlink_assets.provider import SoundlinkClient

        try:
            return SoundlinkClient.from_settings(self.settings, self._clock)
        except SettingsError as error:
            raise dg.Failure(str(error), allow_retries=False) from error

    @property
    def clock_offset(self) -> timedelta | None:
        """The provider's clock minus this machine's; None before the first response."""
        return self.client.clock_offset

    def now(self) -> datetime:
        """The time (UTC) by the provider's clock, or by this machine's where that is not known.

        Within the tolerance, both are as good: then it is this machine's.
        """
        offset = self.clock_offset or timedelta(0)
        return self._clock() + (offset if abs(offset) > CLOCK_TOLERANCE else timedelta(0))

    def listed(self, scope: Scope) -> "pl.DataFrame | None":
        """What the provider lists in the scope, read once a run; or the ids of the settings.

        The columns of the listing that the provider fills. None if the scope is optional and the
        key does not open it. Raises the provider's errors.
        """
        if scope not in self._listed:
            named = self.settings.campaign_ids if scope == CAMPAIGN else ()
            self._listed[scope] = _named(scope, named) if named else self._read_list(scope)
        return self._listed[scope]

    def _read_list(self, scope: Scope) -> "pl.DataFrame | None":
        from soundlink_assets.provider import NotFoundError, ScopeError

        try:
            return self.client.listed(scope)
        except (ScopeError, NotFoundError):  # early revisions of the API have no soundlinks
            if scope.is_optional:
                return None
            raise

    def close(self) -> None:
        """Close the connections, if there are any."""
        if "client" in self.__dict__:
            self.client.close()


def _named(scope: Scope, ids: tuple[str, ...]) -> "pl.DataFrame":
    import polars as pl

    from soundlink_assets.schema.frames import empty_frame

    listed = empty_frame(scope.listing).select(*scope.source_fields)
    return pl.concat([listed, pl.DataFrame({scope.id_column: list(ids)})], how="diagonal")


def soundlink_api_resource(settings: Settings, clock: Clock) -> dg.ResourceDefinition:
    """The resource. Its settings stay in a closure: fields of a resource show in the UI, a key too.

    The connections are closed when the run ends.
    """

    def open_api(_context: dg.InitResourceContext) -> Iterator[SoundlinkApi]:
        api = SoundlinkApi(settings, clock)
        try:
            yield api
        finally:
            api.close()

    return dg.ResourceDefinition(
        resource_fn=open_api,
        description=f"The Soundlink API at {settings.base_url}: one client and one list a run, "
        "within the request budget of the key.",
    )
