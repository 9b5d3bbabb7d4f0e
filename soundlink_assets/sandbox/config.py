"""What a sandbox can be told before it starts. What it does with it stands in the other modules."""

from dataclasses import dataclass
from datetime import date
from enum import StrEnum

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
    `history_days` is how long before the anchor the oldest campaigns began.
    `batch_hours` are the hours (UTC) at which the provider builds its exports every day; figures
    and `exported_at` change then and only then. Without any, exports are built on request.
    `limits` are per key; none by default. `cache_bytes` bounds the memory for rendered days.
    """

    seed: int = 7
    anchor: date | None = None
    campaign_count: int = 7
    history_days: int = 210
    daily_budget_factor: float = 1.0
    batch_hours: tuple[int, ...] = (3,)
    auth_style: AuthStyle = AuthStyle.X_API_KEY
    limits: tuple[Limit, ...] = ()
    over_cap: OverCap = OverCap.REFUSE
    cache_bytes: int = 256 * 2**20

    def __post_init__(self) -> None:
        if self.campaign_count < 1:
            raise ValueError("a sandbox needs at least one campaign")
        if any(hour not in range(24) for hour in self.batch_hours):
            raise ValueError("batch_hours are hours of the day, 0 to 23")
