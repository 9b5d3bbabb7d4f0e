"""One request on its way through the sandbox."""

from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime

from starlette.requests import Request

from soundlink_assets.sandbox import problems
from soundlink_assets.sandbox.campaigns import Campaign
from soundlink_assets.sandbox.faults import PlannedFault
from soundlink_assets.sandbox.keys import Access, authenticate
from soundlink_assets.sandbox.problems import RefusedError
from soundlink_assets.sandbox.state import Sandbox
from soundlink_assets.sandbox.world import World


@dataclass(slots=True)
class Call:
    """A request, the sandbox that answers it, and the time it is answered for.

    `met` collects the names of the faults that it meets.
    """

    sandbox: Sandbox
    request: Request
    now: datetime
    met: list[str] = field(default_factory=list)

    def access(self, moment: float) -> Access:
        """What the key opens; raises the provider's 401, or 429 over the limits."""
        access = authenticate(self.request.headers, self.sandbox.config.auth_style)
        self.sandbox.limits.admit(access.key, moment)
        return access

    def world(self, access: Access) -> World:
        """The world of the key's organisation."""
        return self.sandbox.worlds[access.organisation]

    def campaign(self, access: Access) -> Campaign:
        """The campaign of the path; raises 404 when it is not one of the key's organisation."""
        campaign_id = self.request.path_params["campaign_id"]
        campaign = self.world(access).campaign(campaign_id, self.now)
        if campaign is None:
            raise RefusedError(problems.CAMPAIGN_NOT_FOUND)
        return campaign

    def take(self, can_show: Callable[[PlannedFault], bool]) -> PlannedFault | None:
        """The planned fault that this answer meets, if it can show one."""
        planned = self.sandbox.faults.take(self.request.url.path, can_show)
        if planned is not None:
            self.met.append(planned.fault.value)
        return planned
