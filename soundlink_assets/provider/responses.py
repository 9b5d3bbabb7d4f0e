"""What a response of the provider means: its envelope, its codes, what to do about each.

Codes and reactions are those of the provider's reference; a code that it does not name is judged
by its status. How a response is fetched is for `transport`.
"""

import json
from dataclasses import dataclass
from datetime import MAXYEAR, UTC, datetime
from email.utils import parsedate_to_datetime
from typing import Any

from soundlink_assets.provider.errors import (
    About,
    AuthenticationError,
    BadRequestError,
    NotFoundError,
    RateLimitError,
    ScopeError,
    ServerError,
    SoundlinkError,
    UnknownIdError,
)
from soundlink_assets.provider.lines import number_of
from soundlink_assets.schema import CAMPAIGN
from soundlink_assets.settings import AuthStyle

JSON_TYPE = "application/json"

LONGEST_RETRY_AFTER_SECONDS = 7200.0
"""The longest wait that the provider can ask for: a longer `Retry-After` ends the run instead.

Twice the provider's longest span, an hour. What we wait of our own accord is bounded elsewhere:
between attempts in `retries`, for the request budget by its longest limit.
"""

_LONGEST_SENSIBLE_WAIT = 7 * 86_400.0
"""A `Retry-After` beyond a week is nonsense, and treated as if there were none."""

_EARLIEST_EPOCH = 1e9
"""A `Retry-After` of so many seconds (30 years) is a Unix time; so many thousands, in ms."""

_LONGEST_TEXT = 300


@dataclass(frozen=True, slots=True)
class _Meaning:
    error: type[SoundlinkError]
    message: str
    hint: str


_CLIENT_DEFECT = "The client should not send such a request: please report it with the requestId."
_NEW_KEY = "Make a new key in Soundlink's developer settings and set SOUNDLINK_API_KEY."
_OTHER_HEADER = (
    "Check SOUNDLINK_API_KEY. If it is right, the API may expect it in the other header: set "
    "SOUNDLINK_AUTH_STYLE={other} (now {style})."
)

_CODES: dict[str, _Meaning] = {
    "invalid_query_parameter": _Meaning(
        BadRequestError, "the provider refuses a query parameter", _CLIENT_DEFECT
    ),
    "invalid_date_range": _Meaning(
        BadRequestError, "the provider refuses the range of dates", _CLIENT_DEFECT
    ),
    "page_size_exceeded": _Meaning(
        BadRequestError, "the provider refuses the page size", _CLIENT_DEFECT
    ),
    "invalid_api_key": _Meaning(
        AuthenticationError, "the provider does not know the API key", _OTHER_HEADER
    ),
    "api_key_revoked": _Meaning(AuthenticationError, "the API key was revoked", _NEW_KEY),
    "api_key_expired": _Meaning(AuthenticationError, "the API key has expired", _NEW_KEY),
    "mixed_credentials": _Meaning(
        AuthenticationError,
        "the provider received two kinds of credentials",
        "This client sends one header; look for a proxy that adds another one.",
    ),
    "invalid_token": _Meaning(
        AuthenticationError, "the provider does not accept the bearer token", _OTHER_HEADER
    ),
    "insufficient_scope": _Meaning(
        ScopeError,
        "the API key lacks the scope {permission}",
        "Scopes are frozen when a key is made: make a new key with {permissions}. Without "
        "campaigns:read, name the campaigns in SOUNDLINK_CAMPAIGN_IDS.",
    ),
    "access_denied": _Meaning(
        AuthenticationError,
        "the organisation does not allow this kind of access",
        "Use an API key (sk_...), or have access turned on in Soundlink's developer settings.",
    ),
    "not_found": _Meaning(
        NotFoundError,
        "unknown route, or the Public API is switched off for the organisation",
        "Check SOUNDLINK_BASE_URL, and that the Public API is on in Soundlink's settings.",
    ),
    "rate_limit_exceeded": _Meaning(
        RateLimitError,
        "more requests than the provider allows",
        "Something else uses the same key, perhaps on another machine. Lower "
        "SOUNDLINK_REQUESTS_PER_MINUTE and SOUNDLINK_REQUESTS_PER_HOUR here, or use another key.",
    ),
    "internal_error": _Meaning(
        ServerError, "the provider failed", "Try again later; report it with the requestId."
    ),
}
_UNKNOWN_ID = _Meaning(
    UnknownIdError,
    "there is no such {scope} in this organisation",
    "It may have been deleted, or belong to another organisation than the key.",
)
_REDIRECT = _Meaning(
    BadRequestError,
    "the provider redirects, and the key is not sent to another address",
    "Set SOUNDLINK_BASE_URL to the address of the API itself.",
)
_STATUSES: dict[int, _Meaning] = {
    401: _Meaning(AuthenticationError, "the provider does not accept the API key", _NEW_KEY),
    403: _Meaning(
        ScopeError, "the provider denies access", "Check the scopes of the key: {permissions}."
    ),
    404: _CODES["not_found"],
    429: _CODES["rate_limit_exceeded"],
}
_REFUSAL = _Meaning(BadRequestError, "the provider refuses the request", _CLIENT_DEFECT)


@dataclass(frozen=True, slots=True)
class Envelope:
    """A JSON body of the documented shape: data, or a message and mostly a code; the request id."""

    data: Any = None
    code: str | None = None
    message: str | None = None
    request_id: str | None = None


def read_envelope(content: bytes) -> Envelope | None:
    """The envelope in a JSON body; None if it is not one (a page of a gateway, say).

    Numbers with a fraction are Decimal, so that money stays exact.
    """
    try:
        body = json.loads(content, parse_float=number_of)
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
    envelope: Envelope,
    *,
    about: About,
    style: AuthStyle,
    retry_after: float | None = None,
) -> SoundlinkError:
    """The error that a response stands for, judged by its code, else by its status."""
    meaning = _meaning(status, envelope.code, about)
    scope = about.scope or CAMPAIGN
    is_metric = about.export is not None or "/metrics/" in about.path
    words = {
        "scope": scope.name,
        "permission": scope.export_permission if is_metric else scope.list_permission,
        "permissions": " and ".join(
            dict.fromkeys((scope.list_permission, scope.export_permission))
        ),
        "style": style.value,
        "other": next(other.value for other in AuthStyle if other is not style),
    }
    message = meaning.message.format(**words)
    error = meaning.error(
        f"{message}: {envelope.message}" if envelope.message else message,
        about=about,
        status=status,
        code=envelope.code,
        request_id=envelope.request_id,
        hint=meaning.hint.format(**words),
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
    """The header `Retry-After` in seconds: an integer, an HTTP date, or a Unix time.

    None if there is none, or if it makes no sense.
    """
    text = (value or "").strip()
    if text.isascii() and text.isdigit():
        seconds = float(text)
        if seconds >= _EARLIEST_EPOCH:
            is_in_ms = seconds >= _EARLIEST_EPOCH * 1000
            seconds = (seconds / 1000 if is_in_ms else seconds) - now.timestamp()
    elif (moment := http_date(text)) is not None:
        seconds = (moment - now).total_seconds()
    else:
        return None
    return max(seconds, 0.0) if seconds <= _LONGEST_SENSIBLE_WAIT else None


def http_date(value: str | None) -> datetime | None:
    """The moment of an HTTP date, in UTC; None if it is not one."""
    try:
        moment = parsedate_to_datetime(value or "")
        moment = moment.astimezone(UTC) if moment.tzinfo else moment.replace(tzinfo=UTC)
    except (ValueError, OverflowError):
        return None
    return moment if moment.year < MAXYEAR else None  # nothing could be added to it


def _meaning(status: int, code: str | None, about: About) -> _Meaning:
    if (
        about.scope is not None
        and about.requested_id is not None
        and code == about.scope.not_found_code
        and _agree(status, _UNKNOWN_ID)
    ):
        return _UNKNOWN_ID
    meaning = _CODES.get(code or "")
    return meaning if meaning and _agree(status, meaning) else _by_status(status)


def _agree(status: int, meaning: _Meaning) -> bool:
    """Whether the status is of the class that the code belongs to; 200 never contradicts."""
    documented = 5 if meaning.error is ServerError else 4
    return status < 300 or status // 100 == documented  # noqa: PLR2004 - classes of HTTP


def _by_status(status: int) -> _Meaning:
    if status in _STATUSES:
        return _STATUSES[status]
    return {3: _REDIRECT, 4: _REFUSAL}.get(status // 100, _CODES["internal_error"])


def _text(value: object) -> str | None:
    """A text of the provider in one line of a readable length; None for anything else."""
    if not isinstance(value, str):
        return None
    line = " ".join(value.encode("utf-8", "replace").decode().split())
    return line if len(line) <= _LONGEST_TEXT else f"{line[:_LONGEST_TEXT]}..."
