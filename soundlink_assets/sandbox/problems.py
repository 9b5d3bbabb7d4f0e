"""The provider's errors: statuses, codes and what their messages say."""

from dataclasses import dataclass, field


@dataclass(frozen=True, slots=True)
class Problem:
    """What an error envelope says, and the headers that go with it."""

    status: int
    code: str
    message: str
    headers: dict[str, str] = field(default_factory=dict)


class RefusedError(Exception):
    """A request that is answered with a problem."""

    def __init__(self, problem: Problem) -> None:
        super().__init__(problem.code)
        self.problem = problem


INVALID_API_KEY = Problem(401, "invalid_api_key", "The API key is missing or not valid.")
API_KEY_REVOKED = Problem(401, "api_key_revoked", "This API key was revoked.")
API_KEY_EXPIRED = Problem(401, "api_key_expired", "This API key has expired.")
MIXED_CREDENTIALS = Problem(
    401, "mixed_credentials", "Send either x-api-key or Authorization, not both."
)
INVALID_TOKEN = Problem(401, "invalid_token", "The access token is not valid.")
ACCESS_DENIED = Problem(403, "access_denied", "Access is not enabled for this organisation.")
CAMPAIGN_NOT_FOUND = Problem(404, "campaign_not_found", "Campaign not found.")
NOT_FOUND = Problem(404, "not_found", "Not found.")
INTERNAL_ERROR = Problem(500, "internal_error", "Something went wrong.")


def insufficient_scope(scope: str) -> Problem:
    """403: the key is fine, but does not open this."""
    return Problem(403, "insufficient_scope", f"This API key lacks the scope {scope}.")


def invalid_parameter(name: str, message: str) -> Problem:
    """400: a value is not accepted; also a span over the cap."""
    return Problem(400, "invalid_query_parameter", f"{name}: {message}")


def invalid_date_range(message: str) -> Problem:
    """400: the range of days is reversed."""
    return Problem(400, "invalid_date_range", message)


def page_size_exceeded(maximum: int) -> Problem:
    """400: more rows a page than the route gives."""
    return Problem(400, "page_size_exceeded", f"pageSize is at most {maximum}.")


def rate_limited(seconds: int) -> Problem:
    """429, with the whole seconds to wait in Retry-After."""
    return Problem(
        429,
        "rate_limit_exceeded",
        "Too many requests with this API key.",
        {"Retry-After": str(seconds)},
    )
