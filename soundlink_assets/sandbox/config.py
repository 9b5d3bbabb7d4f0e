"""What a sandbox can be told before it starts. What it does with it is in the other modules."""

from dataclasses import dataclass
from datetime import date
from enum import StrEnum

from soundlink_assets.sandbox.completeness import AS_USUAL, Completeness
from soundlink_assets.schema import EXPORTS, Export, Scope
from soundlink_assets.settings import AuthStyle


@dataclass(frozen=True, slots=True)
class Limit:
    """At most `requests` of one key in any span of `seconds`."""

    requests: int
    seconds: float


PROVIDER_LIMITS = (Limit(60, 60), Limit(600, 3600))
"""The provider's limits: 60 requests a minute and 600 an hour per key; both apply."""


class OverCap(StrEnum):
    """What an export does with a window of more than 90 days; the provider's documents differ."""

    REFUSE = "refuse"
    """400 `invalid_query_parameter`, as the export guide and the later OpenAPI say."""

    NEWEST = "newest"
    """Only the newest 90 days and no word about it, as the early OpenAPI says."""


@dataclass(frozen=True, slots=True, kw_only=True)
class SandboxConfig:
    """The settings of a sandbox.

    `seed` and `anchor` decide every figure of the world: campaigns are laid out around the anchor,
    and figures depend on nothing else but the clock. An anchor of None is the first day of the
    month in which the sandbox starts, so that a sandbox restarted in that month is the same one.
    `history_days` is how long before the anchor the oldest campaigns began. `dispersion` is the
    variance by which a campaign's audience varies from day to day, as a share of its mean squared.
    `batch_hours` are the hours (UTC) at which the provider builds its exports every day; figures
    and `exported_at` change then and only then. Without any, exports are built on request.
    `exports` are served, with the lists of their scopes; their rows follow from their description.
    `limits` are per key; none by default. `cached_days` bounds how many rendered days are kept.
    """

    seed: int = 7
    anchor: date | None = None
    campaign_count: int = 7
    soundlink_count: int = 0
    history_days: int = 210
    daily_budget_factor: float = 1.0
    dispersion: float = 0.0
    completeness: Completeness = AS_USUAL
    batch_hours: tuple[int, ...] = (3,)
    exports: tuple[Export, ...] = EXPORTS
    auth_style: AuthStyle = AuthStyle.X_API_KEY
    limits: tuple[Limit, ...] = ()
    over_cap: OverCap = OverCap.REFUSE
    cached_days: int = 4096

    def __post_init__(self) -> None:
        if self.campaign_count < 1:
            raise ValueError("a sandbox needs at least one campaign")
        if any(hour not in range(24) for hour in self.batch_hours):
            raise ValueError("batch_hours are hours of the day, 0 to 23")

    @property
    def scopes(self) -> tuple[Scope, ...]:
        """The scopes of the exports, each once."""
        return tuple({export.scope.name: export.scope for export in self.exports}.values())

    def export(self, name: str) -> Export:
        """The export of that name; KeyError if it is not served."""
        return {export.name: export for export in self.exports}[name]
