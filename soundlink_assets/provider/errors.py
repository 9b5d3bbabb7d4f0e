"""What can go wrong with the provider, as one small tree with the facts as fields.

Which response means which error is in `responses`; what a valid line is, in `lines`. Nobody has to
read a message to know what happened. No error holds the API key.
"""

from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from soundlink_assets.schema.exports import Scope
from soundlink_assets.schema.window import Window

CheckName = Literal["schema_version", "valid_rows"]
"""The asset check that a violation of the contract fails."""


class ContractViolation(Exception):  # noqa: N818 - named for what happened, as the contract says it
    """A delivered body that is not what the contract promises: a line, or what lines say together.

    `check` is the asset check that fails. `line` counts the body's lines from 1, blank ones
    included; it and `field` are None where the violation is not of one line or one field.
    `is_cut_off` tells that the body ends inside this line: what a broken connection leaves.
    """

    def __init__(
        self,
        message: str,
        *,
        check: CheckName = "valid_rows",
        line: int | None = None,
        field: str | None = None,
        is_cut_off: bool = False,
    ) -> None:
        self.message = message
        self.check: CheckName = check
        self.line = line
        self.field = field
        self.is_cut_off = is_cut_off
        super().__init__(message)

    def __str__(self) -> str:
        place = [
            f"line {self.line}" if self.line is not None else "",
            f"field {self.field!r}" if self.field is not None else "",
        ]
        where = ", ".join(part for part in place if part)
        return f"{where}: {self.message}" if where else self.message


@dataclass(frozen=True, slots=True, kw_only=True)
class About:
    """What a request was about: the path, and for exports the id asked for and the window."""

    path: str = ""
    scope: Scope | None = None
    export: str | None = None
    requested_id: str | None = None
    window: Window | None = None


class SoundlinkError(Exception):
    """Anything that went wrong between the client and the provider.

    `stops_run`: every other request would fail too, or what was delivered shows that nothing of
    the export can be trusted. `retryable`: the same request may succeed a little later; the client
    has already tried again as often as it may when such an error reaches the caller.
    `retry_after` is how long the provider asked to wait, in seconds. `hint` says what to do.
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
    def facts(self) -> str:
        """What is known of the request and the response, for a message; empty if nothing is."""
        about = self.about
        what = about.scope.name if about.scope else "id"
        known = [
            f"HTTP {self.status}" if self.status is not None else "",
            self.code or "",
            about.export or about.path,
            f"{what} {about.requested_id}" if about.requested_id is not None else "",
            str(about.window) if about.window is not None else "",
            f"requestId {self.request_id}" if self.request_id is not None else "",
        ]
        return ", ".join(fact for fact in known if fact)

    def __str__(self) -> str:
        first = f"{self.message} ({self.facts})" if self.facts else self.message
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


class UnknownIdError(NotFoundError):
    """No such campaign (or soundlink) in this organisation: 404 with the code of its scope."""

    stops_run = False


class BadRequestError(SoundlinkError):
    """The provider rejects the request itself: 400, another 4xx, or a redirect."""

    stops_run = True


class BudgetError(SoundlinkError):
    """The request budget cannot be kept, so no request may be sent."""

    stops_run = True


class BudgetUsedUpError(BudgetError):
    """The wait would be longer than the caller wants; `free_at` in Unix seconds."""

    def __init__(self, message: str, *, free_at: float) -> None:
        super().__init__(message, hint="Ask again then, or see what else uses the key.")
        self.free_at = free_at


class RateLimitError(SoundlinkError):
    """More requests than the provider allows: 429."""

    retryable = True


class ServerError(SoundlinkError):
    """The provider failed: 5xx, or a response that is none of its documented ones."""

    retryable = True


class TransportError(SoundlinkError):
    """No response of the provider: connection fault, timeout, or a page of something in between."""

    retryable = True


class TruncatedDeliveryError(SoundlinkError):
    """The body or the list is shorter (or longer) than the provider says it is, or may be."""

    retryable = True


class ContractError(SoundlinkError):
    """What was delivered breaks the contract.

    `violation` says which check, line and field, `quarantined` where the body is kept (None if it
    could not be kept, or there is no body to keep). Another `schema_version`, and a list that is
    not as documented, stop the run; a body with a wrong row is the fault of that delivery alone.
    """

    def __init__(
        self,
        violation: ContractViolation,
        *,
        about: About,
        quarantined: Path | None = None,
        hint: str = "",
    ) -> None:
        super().__init__(str(violation), about=about, hint=hint)
        self.violation = violation
        self.quarantined = quarantined
        self.stops_run = violation.check == "schema_version" or about.export is None
