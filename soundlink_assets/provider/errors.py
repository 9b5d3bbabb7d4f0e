"""What can go wrong with the provider, as one small tree.

Every error carries what a reader needs to act: HTTP status, the provider's code and `requestId`,
the campaign and the window asked for, and a hint. Which answer means which error is in `answers`.
No error holds the API key.
"""

from dataclasses import dataclass
from pathlib import Path

from soundlink_assets.provider.violations import ContractViolation, UnreadableDelivery
from soundlink_assets.schema.window import Window


@dataclass(frozen=True, slots=True, kw_only=True)
class About:
    """What a request was about: the path, and for exports the campaign and the window."""

    path: str = ""
    export: str | None = None
    campaign_id: str | None = None
    window: Window | None = None


class SoundlinkError(Exception):
    """Anything that went wrong between the client and the provider.

    `stops_run`: every other request would fail too, or what was delivered shows that nothing of
    this run can be trusted. `retryable`: the same request may succeed a little later; the client
    has already tried again as often as it may when such an error reaches the caller.
    `retry_after` is how long the provider asked to wait, in seconds.
    """

    stops_run: bool = False
    retryable: bool = False

    def __init__(  # noqa: PLR0913 - one keyword for each fact that an error carries
        self,
        message: str,
        *,
        about: About | None = None,
        status: int | None = None,
        code: str | None = None,
        request_id: str | None = None,
        hint: str = "",
        retry_after: float | None = None,
    ) -> None:
        super().__init__(message)
        self.message = message
        self.about = about or About()
        self.status = status
        self.code = code
        self.request_id = request_id
        self.hint = hint
        self.retry_after = retry_after

    @property
    def campaign_id(self) -> str | None:
        """The campaign in the request path, if there was one."""
        return self.about.campaign_id

    @property
    def window(self) -> Window | None:
        """The report dates asked for, if any were."""
        return self.about.window

    def __str__(self) -> str:
        facts = [
            f"HTTP {self.status}" if self.status is not None else "",
            self.code or "",
            self.about.export or self.about.path,
            f"campaign {self.campaign_id}" if self.campaign_id is not None else "",
            str(self.window) if self.window is not None else "",
            f"requestId {self.request_id}" if self.request_id is not None else "",
        ]
        known = ", ".join(fact for fact in facts if fact)
        first = f"{self.message} ({known})" if known else self.message
        return f"{first}\n{self.hint}" if self.hint else first


class AuthenticationError(SoundlinkError):
    """The provider does not accept the key: 401, or 403 `access_denied`."""

    stops_run = True


class ScopeError(SoundlinkError):
    """The key is good but lacks a scope: 403."""

    stops_run = True


class NotFoundError(SoundlinkError):
    """The route does not exist, or the Public API is off for the organisation: 404."""

    stops_run = True


class CampaignNotFoundError(NotFoundError):
    """No such campaign in this organisation: 404 `campaign_not_found`."""

    stops_run = False


class BadRequestError(SoundlinkError):
    """The provider rejects the request itself: 400, another 4xx, or a redirect."""

    stops_run = True


class BudgetError(SoundlinkError):
    """The request budget cannot be kept, so no request may be sent."""

    stops_run = True


class RateLimitError(SoundlinkError):
    """More requests than the provider allows: 429."""

    retryable = True


class ServerError(SoundlinkError):
    """The provider failed: 5xx, or an answer that is none of its documented ones."""

    retryable = True


class TransportError(SoundlinkError):
    """No answer of the provider: connection fault, timeout, or a page of something in between."""

    retryable = True


class TruncatedDeliveryError(SoundlinkError):
    """The body or the list is shorter (or longer) than the provider says it is."""

    retryable = True


class ContractError(SoundlinkError):
    """What was delivered breaks the contract.

    `violation` says which line and field, `quarantined` where the body is kept (None if it could
    not be kept, or there is no body to keep).
    """

    def __init__(
        self,
        violation: ContractViolation,
        *,
        about: About,
        request_id: str | None = None,
        quarantined: Path | None = None,
        hint: str = "",
    ) -> None:
        super().__init__(str(violation), about=about, request_id=request_id, hint=hint)
        self.violation = violation
        self.quarantined = quarantined
        self.stops_run = isinstance(violation, UnreadableDelivery)
