"""What an answer of the provider means: its envelope, its error codes, what to do about each.

Codes and reactions are those of the provider's reference; a code that it does not name is judged
by its status.
"""

import json
from dataclasses import dataclass
from datetime import UTC, datetime
from decimal import Decimal
from email.utils import parsedate_to_datetime
from typing import Any

from soundlink_assets.provider.credentials import other_style
from soundlink_assets.provider.errors import (
    About,
    AuthenticationError,
    BadRequestError,
    CampaignNotFoundError,
    NotFoundError,
    RateLimitError,
    ScopeError,
    ServerError,
    SoundlinkError,
)
from soundlink_assets.settings import AuthStyle

JSON_TYPE = "application/json"

LONGEST_RETRY_AFTER_SECONDS = 7200.0
"""The longest wait that the provider can ask for: a longer `Retry-After` ends the run instead.

Twice the provider's longest span, an hour. What we wait of our own accord is bounded elsewhere:
between attempts in `retries`, for the request budget by its longest limit.
"""

_LONGEST_TEXT = 300

_CLIENT_DEFECT = "The client should not send such a request: please report it with the requestId."
_NEW_KEY = "Make a new key in Soundlink's developer settings and set SOUNDLINK_API_KEY."


@dataclass(frozen=True, slots=True)
class _Meaning:
    status: int
    error: type[SoundlinkError]
    message: str
    hint: str


_CODES: dict[str, _Meaning] = {
    "invalid_query_parameter": _Meaning(
        400, BadRequestError, "the provider refuses a query parameter", _CLIENT_DEFECT
    ),
    "invalid_date_range": _Meaning(
        400, BadRequestError, "the provider refuses the range of dates", _CLIENT_DEFECT
    ),
    "page_size_exceeded": _Meaning(
        400, BadRequestError, "the provider refuses the page size", _CLIENT_DEFECT
    ),
    "invalid_api_key": _Meaning(
        401,
        AuthenticationError,
        "the provider does not know the API key",
        "Check SOUNDLINK_API_KEY. If it is right, the API may expect it in the other header: set "
        "SOUNDLINK_AUTH_STYLE={other} (now {style}).",
    ),
    "api_key_revoked": _Meaning(401, AuthenticationError, "the API key was revoked", _NEW_KEY),
    "api_key_expired": _Meaning(401, AuthenticationError, "the API key has expired", _NEW_KEY),
    "mixed_credentials": _Meaning(
        401,
        AuthenticationError,
        "the provider received two kinds of credentials",
        "This client sends one header; look for a proxy that adds another one.",
    ),
    "invalid_token": _Meaning(
        401,
        AuthenticationError,
        "the provider does not accept the bearer token",
        "Check SOUNDLINK_API_KEY. If it is right, the API may expect it in the other header: set "
        "SOUNDLINK_AUTH_STYLE={other} (now {style}).",
    ),
    "insufficient_scope": _Meaning(
        403,
        ScopeError,
        "the API key lacks the scope {scope}",
        "Scopes are frozen when a key is made: make a new key with campaigns:read and "
        "metrics:read. Without campaigns:read, name the campaigns in SOUNDLINK_CAMPAIGN_IDS.",
    ),
    "access_denied": _Meaning(
        403,
        AuthenticationError,
        "the organisation does not allow this kind of access",
        "Use an API key (sk_...), or have access turned on in Soundlink's developer settings.",
    ),
    "campaign_not_found": _Meaning(
        404,
        CampaignNotFoundError,
        "there is no such campaign in this organisation",
        "It may have been deleted, or belong to another organisation than the key.",
    ),
    "not_found": _Meaning(
        404,
        NotFoundError,
        "unknown route, or the Public API is switched off for the organisation",
        "Check SOUNDLINK_BASE_URL, and that the Public API is on in Soundlink's settings.",
    ),
    "rate_limit_exceeded": _Meaning(
        429,
        RateLimitError,
        "more requests than the provider allows",
        "Something else uses the same key, perhaps on another machine. Lower "
        "SOUNDLINK_REQUESTS_PER_MINUTE and SOUNDLINK_REQUESTS_PER_HOUR here, or use another key.",
    ),
    "internal_error": _Meaning(
        500, ServerError, "the provider failed", "Try again later; report it with the requestId."
    ),
}

_CLASSES: tuple[tuple[range, _Meaning], ...] = (
    (
        range(300, 400),
        _Meaning(
            300,
            BadRequestError,
            "the provider redirects, and the key is not sent to another address",
            "Set SOUNDLINK_BASE_URL to the address of the API itself.",
        ),
    ),
    (
        range(401, 402),
        _Meaning(401, AuthenticationError, "the provider does not accept the API key", _NEW_KEY),
    ),
    (
        range(403, 404),
        _Meaning(
            403,
            ScopeError,
            "the provider denies access",
            "Check the scopes of the key: campaigns:read and metrics:read.",
        ),
    ),
    (range(404, 405), _CODES["not_found"]),
    (range(429, 430), _CODES["rate_limit_exceeded"]),
    (
        range(400, 500),
        _Meaning(400, BadRequestError, "the provider refuses the request", _CLIENT_DEFECT),
    ),
)


@dataclass(frozen=True, slots=True)
class Envelope:
    """A JSON answer, as far as it has the documented shape: data or error, and the request id."""

    data: Any = None
    code: str | None = None
    message: str | None = None
    request_id: str | None = None

    @property
    def is_error(self) -> bool:
        """Whether the envelope holds an error instead of data."""
        return self.code is not None or self.message is not None


def read_envelope(content: bytes) -> Envelope | None:
    """The envelope in a JSON body; None if it is not one (a page of a gateway, say).

    Numbers with a fraction are Decimal, so that money stays exact.
    """
    try:
        body = json.loads(content, parse_float=Decimal)
    except (ValueError, RecursionError):
        return None
    if not isinstance(body, dict):
        return None
    meta = body.get("meta")
    request_id = _text(meta.get("requestId")) if isinstance(meta, dict) else None
    if "error" in body:
        error = body["error"]
        found = error if isinstance(error, dict) else {"message": error}
        code, message = _text(found.get("code")), _text(found.get("message"))
        return Envelope(code=code, message=message or code or "no message", request_id=request_id)
    if "data" in body:
        return Envelope(data=body["data"], request_id=request_id)
    return None


def error_of(
    status: int,
    envelope: Envelope | None,
    *,
    about: About,
    style: AuthStyle,
    retry_after: float | None = None,
) -> SoundlinkError:
    """The error that an answer stands for, judged by its code, else by its status."""
    code = envelope.code if envelope else None
    meaning = _CODES.get(code or "")
    if meaning is None or not _agree(status, meaning.status):
        meaning = _by_status(status)
    said = envelope.message if envelope else None
    is_metric = about.export is not None or "/metrics/" in about.path
    scope = "metrics:read" if is_metric else "campaigns:read"
    message = meaning.message.format(scope=scope)
    error = meaning.error(
        f"{message}: {said}" if said else message,
        about=about,
        status=status,
        code=code,
        request_id=envelope.request_id if envelope else None,
        hint=meaning.hint.format(style=style.value, other=other_style(style).value),
        retry_after=retry_after,
    )
    if retry_after is not None and retry_after > LONGEST_RETRY_AFTER_SECONDS:
        error.retryable = False
        error.stops_run = True
        error.hint = (
            f"It asks to wait {retry_after:.0f} s, which is too long to wait here. {error.hint}"
        )
    return error


def retry_after_seconds(value: str | None, now: datetime) -> float | None:
    """The header `Retry-After` in seconds: an integer, or an HTTP date; None if it is neither."""
    if value is None:
        return None
    text = value.strip()
    if text.isascii() and text.isdigit():
        return float(text)
    try:
        moment = parsedate_to_datetime(text)
    except (ValueError, OverflowError):
        return None
    aware = moment if moment.tzinfo else moment.replace(tzinfo=UTC)
    return max((aware - now).total_seconds(), 0.0)


def _agree(status: int, documented: int) -> bool:
    """Whether the status is of the class that the code belongs to; 200 never contradicts."""
    return status < 300 or status // 100 == documented // 100  # noqa: PLR2004 - classes of HTTP


def _by_status(status: int) -> _Meaning:
    for statuses, meaning in _CLASSES:
        if status in statuses:
            return meaning
    return _CODES["internal_error"]


def _text(value: object) -> str | None:
    """A text of the provider in one line of a readable length; None for anything else."""
    if not isinstance(value, str):
        return None
    line = " ".join(value.split())
    return line if len(line) <= _LONGEST_TEXT else f"{line[:_LONGEST_TEXT]}..."
