"""What a sandbox can be told before it starts. What it does with it is in the other modules."""

from dataclasses import dataclass
from datetime import date

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


@dataclass(frozen=True, slots=True, kw_only=True)
class SandboxConfig:
    """The settings of a sandbox.

    `seed` and `anchor` decide every figure of the world: campaigns are laid out around the anchor,
    and figures depend on nothing else but the clock. An anchor of None is the first day of the
    month in which the sandbox starts, so that a sandbox restarted in that month is the same one.
    `history_days` is how long before the anchor the oldest campaigns began. `exports` are served,
    with the lists of their scopes; their rows follow from their description. `limits` are per key;
    none by default.
    """

    seed: int = 7
    anchor: date | None = None
    campaign_count: int = 7
    soundlink_count: int = 0
    history_days: int = 210
    completeness: Completeness = AS_USUAL
    exports: tuple[Export, ...] = EXPORTS
    auth_style: AuthStyle = AuthStyle.X_API_KEY
    limits: tuple[Limit, ...] = ()

    def __post_init__(self) -> None:
        if self.campaign_count < 1:
            raise ValueError("a sandbox needs at least one campaign")

    @property
    def scopes(self) -> tuple[Scope, ...]:
        """The scopes of the exports, each once."""
        return tuple({export.scope.name: export.scope for export in self.exports}.values())

    def export(self, name: str) -> Export:
        """The export of that name; KeyError if it is not served."""
        return {export.name: export for export in self.exports}[name]
