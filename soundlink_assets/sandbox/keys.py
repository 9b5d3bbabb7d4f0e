"""The sandbox's API keys, and how a request is authenticated.

The keys are no secrets: they open nothing but the sandbox.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum

from soundlink_assets.sandbox import problems
from soundlink_assets.sandbox.problems import Problem, RefusedError
from soundlink_assets.settings import AuthStyle

CAMPAIGNS_READ = "campaigns:read"
METRICS_READ = "metrics:read"
OURS = "ours"
OTHERS = "others"


class Key(StrEnum):
    """The keys that the sandbox knows; the value is what a client sends."""

    FULL = "sk_sandbox_everything"
    SECOND = "sk_sandbox_second"
    """Opens the same as `FULL`, with limits of its own."""
    REVOKED = "sk_sandbox_revoked"
    EXPIRED = "sk_sandbox_expired"
    WITHOUT_METRICS = "sk_sandbox_no_metrics"
    WITHOUT_CAMPAIGNS = "sk_sandbox_no_campaigns"
    WITHOUT_SCOPES = "sk_sandbox_no_scopes"
    OTHER_ORGANISATION = "sk_sandbox_other_org"


@dataclass(frozen=True, slots=True)
class Access:
    """What a valid key opens."""

    key: Key
    organisation: str
    scopes: frozenset[str]

    def require(self, scope: str) -> None:
        """Raise 403 `insufficient_scope` without that scope."""
        if scope not in self.scopes:
            raise RefusedError(problems.insufficient_scope(scope))


_SCOPES: dict[Key, frozenset[str]] = {
    Key.WITHOUT_METRICS: frozenset({CAMPAIGNS_READ}),
    Key.WITHOUT_CAMPAIGNS: frozenset({METRICS_READ}),
    Key.WITHOUT_SCOPES: frozenset(),
}
_DEAD: dict[Key, Problem] = {
    Key.REVOKED: problems.API_KEY_REVOKED,
    Key.EXPIRED: problems.API_KEY_EXPIRED,
}


def authenticate(headers: Mapping[str, str], style: AuthStyle) -> Access:
    """What the request's key opens; raises the provider's 401 otherwise.

    With `x-api-key` the contract's rules hold: a second header is `mixed_credentials`. With
    `bearer` those of the later revision: `x-api-key` is not looked at.
    """
    given = headers.get("x-api-key")
    authorization = headers.get("authorization")
    if style is AuthStyle.X_API_KEY:
        if given is not None and authorization is not None:
            raise RefusedError(problems.MIXED_CREDENTIALS)
    else:
        scheme, _, token = (authorization or "").partition(" ")
        given = token.strip() if scheme.lower() == "bearer" else None
        if given and not given.startswith("sk_"):
            raise RefusedError(problems.INVALID_TOKEN)
    if given not in set(Key):
        raise RefusedError(problems.INVALID_API_KEY)
    key = Key(given)
    if key in _DEAD:
        raise RefusedError(_DEAD[key])
    return Access(
        key,
        OTHERS if key is Key.OTHER_ORGANISATION else OURS,
        _SCOPES.get(key, frozenset({CAMPAIGNS_READ, METRICS_READ})),
    )
