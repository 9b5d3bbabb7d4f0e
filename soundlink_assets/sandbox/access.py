"""Who may ask for what, and how often: keys, permissions, rate limits, and the provider's refusals.

The keys are no secrets: they open nothing but the sandbox.
"""

import math
from collections import defaultdict, deque
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum

from soundlink_assets.sandbox.config import Limit
from soundlink_assets.settings import AuthStyle

OURS = "ours"
OTHERS = "others"

SOUNDLINKS_READ = "soundlinks:read"
PERMISSIONS = frozenset({"campaigns:read", "metrics:read", SOUNDLINKS_READ})


class RefusedError(Exception):
    """A request that is refused with an error envelope, and the headers that go with it."""

    def __init__(self, status: int, code: str, message: str, **headers: str) -> None:
        super().__init__(code)
        self.status, self.code, self.message, self.headers = status, code, message, headers


class Key(StrEnum):
    """The keys that the sandbox knows; the value is what a client sends."""

    FULL = "sk_sandbox_everything"
    SECOND = "sk_sandbox_second"
    """Opens the same as `FULL`, with limits of its own."""
    REVOKED = "sk_sandbox_revoked"
    EXPIRED = "sk_sandbox_expired"
    WITHOUT_METRICS = "sk_sandbox_no_metrics"
    WITHOUT_CAMPAIGNS = "sk_sandbox_no_campaigns"
    WITHOUT_SOUNDLINKS = "sk_sandbox_no_soundlinks"
    WITHOUT_SCOPES = "sk_sandbox_no_scopes"
    OTHER_ORGANISATION = "sk_sandbox_other_org"


@dataclass(frozen=True, slots=True)
class Access:
    """What a valid key opens."""

    key: Key
    organisation: str
    permissions: frozenset[str]

    def require(self, permission: str) -> None:
        """Raise 403 `insufficient_scope` without that permission."""
        if permission not in self.permissions:
            message = f"This API key lacks the scope {permission}."
            raise RefusedError(403, "insufficient_scope", message)


_LACKING: dict[Key, frozenset[str]] = {
    Key.WITHOUT_METRICS: frozenset({"metrics:read"}),
    Key.WITHOUT_CAMPAIGNS: frozenset({"campaigns:read"}),
    Key.WITHOUT_SOUNDLINKS: frozenset({SOUNDLINKS_READ}),
    Key.WITHOUT_SCOPES: PERMISSIONS,
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
            message = "Send either x-api-key or Authorization, not both."
            raise RefusedError(401, "mixed_credentials", message)
    else:
        scheme, _, token = (authorization or "").partition(" ")
        given = token.strip() if scheme.lower() == "bearer" else None
        if given and not given.startswith("sk_"):
            raise RefusedError(401, "invalid_token", "The access token is not valid.")
    if given not in set(Key):
        raise RefusedError(401, "invalid_api_key", "The API key is missing or not valid.")
    key = Key(given)
    if key is Key.REVOKED:
        raise RefusedError(401, "api_key_revoked", "This API key was revoked.")
    if key is Key.EXPIRED:
        raise RefusedError(401, "api_key_expired", "This API key has expired.")
    organisation = OTHERS if key is Key.OTHER_ORGANISATION else OURS
    return Access(key, organisation, PERMISSIONS - _LACKING.get(key, frozenset()))


class RateLimits:
    """Counts the requests of each key by the machine's steady clock; refused ones do not count."""

    def __init__(self, limits: Sequence[Limit]) -> None:
        self._limits = limits
        self._longest = max((limit.seconds for limit in limits), default=0.0)
        self._served: dict[str, deque[float]] = defaultdict(deque)

    def admit(self, key: str, moment: float) -> None:
        """Count a request at `moment` (seconds); raises 429 with the whole seconds to wait."""
        served = self._served[key]
        while served and served[0] <= moment - self._longest:
            served.popleft()
        wait = max((_wait(served, limit, moment) for limit in self._limits), default=0.0)
        if wait > 0:
            raise RefusedError(
                429,
                "rate_limit_exceeded",
                "Too many requests with this API key.",
                **{"Retry-After": str(max(1, math.ceil(wait)))},
            )
        if self._limits:
            served.append(moment)


def _wait(served: deque[float], limit: Limit, moment: float) -> float:
    """Seconds until the request that fills the limit leaves its span; 0 if there is room."""
    if len(served) < limit.requests:
        return 0.0
    oldest_that_counts = served[-limit.requests]
    return max(0.0, oldest_that_counts + limit.seconds - moment)
