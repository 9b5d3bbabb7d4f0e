"""The provider's rate limits: so many requests of a key in any span of time."""

import math
from collections import defaultdict, deque
from collections.abc import Sequence

from soundlink_assets.sandbox import problems
from soundlink_assets.sandbox.config import Limit
from soundlink_assets.sandbox.problems import RefusedError


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
            raise RefusedError(problems.rate_limited(max(1, math.ceil(wait))))
        if self._limits:
            served.append(moment)


def _wait(served: deque[float], limit: Limit, moment: float) -> float:
    """Seconds until the request that fills the limit leaves its span; 0 if there is room."""
    if len(served) < limit.requests:
        return 0.0
    oldest_that_counts = served[-limit.requests]
    return max(0.0, oldest_that_counts + limit.seconds - moment)
