"""The faults that can be asked for, by name, and which of them a request meets.

What a fault does to an answer is in `answers` (statuses and transport) and `spoiling` (lines).
"""

import threading
from collections.abc import Callable
from enum import StrEnum
from fnmatch import fnmatchcase
from typing import Any, Self

from pydantic import BaseModel, ConfigDict, NonNegativeFloat, NonNegativeInt, PositiveInt


class Fault(StrEnum):
    """Every misbehaviour that the sandbox can show; `meaning` says what a client sees."""

    meaning: str

    def __new__(cls, value: str, meaning: str) -> Self:
        """A member that is its name, with its meaning beside it."""
        member = str.__new__(cls, value)
        member._value_ = value
        member.meaning = meaning
        return member

    @classmethod
    def named(cls, name: str) -> "Fault":
        """The fault of that name; ValueError that lists all names if there is none."""
        for fault in cls:
            if fault.value == name:
                return fault
        raise ValueError(f"{name!r} is no fault; there are {', '.join(cls)}")

    INVALID_API_KEY = "invalid_api_key", "401 `invalid_api_key`."
    API_KEY_REVOKED = "api_key_revoked", "401 `api_key_revoked`."
    API_KEY_EXPIRED = "api_key_expired", "401 `api_key_expired`."
    MIXED_CREDENTIALS = "mixed_credentials", "401 `mixed_credentials`."
    INVALID_TOKEN = "invalid_token", "401 `invalid_token`."
    INSUFFICIENT_SCOPE = "insufficient_scope", "403 `insufficient_scope`."
    ACCESS_DENIED = "access_denied", "403 `access_denied`."
    CAMPAIGN_NOT_FOUND = "campaign_not_found", "404 `campaign_not_found`."
    NOT_FOUND = "not_found", "404 `not_found`: the API is switched off for the organisation."
    INVALID_QUERY_PARAMETER = "invalid_query_parameter", "400 `invalid_query_parameter`."
    INVALID_DATE_RANGE = "invalid_date_range", "400 `invalid_date_range`."
    UNKNOWN_CLIENT_ERROR = "unknown_client_error", "A 4xx with a code that no document names."
    RATE_LIMITED = "rate_limited", "429 with Retry-After; option `seconds` (default 1)."
    RATE_LIMITED_SILENTLY = "rate_limited_silently", "429 without Retry-After."
    INTERNAL_ERROR = "internal_error", "500 `internal_error`."
    UNKNOWN_SERVER_ERROR = "unknown_server_error", "503 with a code that no document names."
    BAD_GATEWAY = "bad_gateway", "502 with an HTML page instead of an envelope."
    GATEWAY_TIMEOUT = "gateway_timeout", "504 with an empty body."
    REDIRECT = "redirect", "307 to another host; option `location`."

    LATENCY = "latency", "A pause before the answer; option `seconds` (default 1)."
    SLOW_BODY = "slow_body", "A pause in the middle of the body; option `seconds` (default 1)."
    DROPPED_CONNECTION = "dropped_connection", "The connection is reset before any answer."
    DROPPED_BODY = "dropped_body", "The connection is reset in the middle of the body."
    GZIP = "gzip", "The body is compressed although nobody asked."
    GZIP_CUT = "gzip_cut", "A compressed body without its end."

    ENVELOPE = "envelope", "200 with a JSON envelope instead of rows."
    CUT_INSIDE_LINE = "cut_inside_line", "The body ends in the middle of a line."
    CUT_BETWEEN_LINES = "cut_between_lines", "The body ends at a line end, some lines early."
    FEWER_ROWS = "fewer_rows", "A line in the middle is missing, against X-Row-Count."
    MISSING_ROW_COUNT = "missing_row_count", "No X-Row-Count header."
    NO_FINAL_NEWLINE = "no_final_newline", "The last line has no line end."
    BLANK_LINES = "blank_lines", "Blank lines between the rows and at the end."
    CRLF = "crlf", "Lines end in carriage return and newline."
    FRACTIONAL_SECONDS = "fractional_seconds", "`exported_at` with milliseconds."
    ABSENT_OPTIONAL_KEYS = (
        "absent_optional_keys",
        "Keys that may be absent are, wherever they would be null (campaigns: all later fields).",
    )
    EXTRA_KEYS = "extra_keys", "A key that the contract does not know; option `field`."
    SHUFFLED_LINES = "shuffled_lines", "The lines in no order."
    QUOTED_STRING_BODY = (
        "quoted_string_body",
        "The whole body as one JSON string, as the contract's page prints its sample.",
    )
    UNICODE_LINE_SEPARATORS = (
        "unicode_line_separators",
        "Unescaped U+2028, U+2029 and U+0085 in names: valid JSON, no line ends.",
    )
    EMPTY = "empty", "No rows at all: everything was withdrawn."
    VANISHED_ROWS = "vanished_rows", "Every third row is withdrawn; X-Row-Count agrees."
    STALE_EXPORT = (
        "stale_export",
        "An older batch: `exported_at` goes back; option `hours` (default 48).",
    )

    UNPARSABLE_LINE = "unparsable_line", "A line in the middle that is no JSON."
    NOT_AN_OBJECT = "not_an_object", "A line in the middle that is JSON but no object."
    INVALID_UTF8 = "invalid_utf8", "Bytes that are not UTF-8 within a name."
    REQUIRED_KEY_MISSING = "required_key_missing", "A row lacks a required key; option `field`."
    REQUIRED_KEY_NULL = "required_key_null", "A row has null for a required key; option `field`."
    WRONG_TYPE = "wrong_type", "A row has a value of another type; options `field`, `value`."
    OTHER_SCHEMA_VERSION = (
        "other_schema_version",
        "All rows say another schema version; option `value` (default 1.1).",
    )
    OTHER_CAMPAIGN = "other_campaign", "A row of another campaign."
    OTHER_DAY = "other_day", "A row of a day before the window."
    CONFLICTING_DUPLICATES = "conflicting_duplicates", "One row twice, with different figures."
    EXACT_DUPLICATES = "exact_duplicates", "One row twice, the same."
    NEGATIVE_COUNT = "negative_count", "A row has a negative count; option `field`."

    BROKEN_LISTENERS = (
        "broken_listeners_identity",
        "listeners is off by `by` (default 1) from new + returning.",
    )
    BROKEN_STREAMS = (
        "broken_streams_identity",
        "streams is off by `by` (default 1) from its two parts.",
    )
    BROKEN_SPEND_TOTAL = (
        "broken_spend_total_identity",
        "spend_total is off by `by` (default 1) from spend_media + fees.",
    )
    BROKEN_STREAMS_PER_LISTENER = (
        "broken_streams_per_listener_identity",
        "The published ratio is off by `by` (default 1).",
    )
    BROKEN_CPL = "broken_cpl_identity", "The published ratio is off by `by` (default 1)."
    BROKEN_CPF = "broken_cpf_identity", "The published ratio is off by `by` (default 1)."
    BROKEN_COST_PER_RESULT = (
        "broken_cost_per_result_identity",
        "The published ratio is off by `by` (default 1).",
    )
    BROKEN_CPC_LINKCLICK = (
        "broken_cpc_linkclick_identity",
        "The published ratio is off by `by` (default 1).",
    )
    BROKEN_CTR_LINKCLICK = (
        "broken_ctr_linkclick_identity",
        "The published ratio is off by `by` (default 1).",
    )
    BROKEN_CTR_ADCLICK = (
        "broken_ctr_adclick_identity",
        "The published ratio is off by `by` (default 1).",
    )
    BROKEN_SPL = "broken_spl_identity", "The published ratio is off by `by` (default 1)."

    SHORT_PAGE = "short_page", "A page of a list lacks an item that `totalCount` counts."
    CUT_JSON = "cut_json", "The body of a JSON route ends in its middle."


class PlannedFault(BaseModel):
    """A fault for the requests whose path matches the shell pattern `path`.

    It lets `after` matching requests pass, then meets `count` of them (None: all). What the other
    options do stands in the `meaning` of the faults that have them.
    """

    model_config = ConfigDict(extra="forbid")

    path: str
    fault: Fault
    count: PositiveInt | None = 1
    after: NonNegativeInt = 0
    seconds: NonNegativeFloat = 1.0
    location: str = "https://elsewhere.invalid/v1/"
    field: str | None = None
    value: Any = None
    by: float = 1.0
    hours: NonNegativeFloat = 48.0


class FaultPlan:
    """The faults that are still to come; safe to share between threads."""

    def __init__(self) -> None:
        self._planned: list[PlannedFault] = []
        self._lock = threading.Lock()

    def add(self, planned: PlannedFault) -> None:
        """Plan one more fault; the first planned is the first met."""
        with self._lock:
            self._planned.append(planned)

    def clear(self) -> None:
        """Forget what is planned."""
        with self._lock:
            self._planned.clear()

    def pending(self) -> tuple[PlannedFault, ...]:
        """What is planned and not spent, with the counts that are left."""
        with self._lock:
            return tuple(planned.model_copy() for planned in self._planned)

    def take(self, path: str, can_show: Callable[[PlannedFault], bool]) -> PlannedFault | None:
        """The first planned fault that this answer can show; it counts as met."""
        with self._lock:
            for planned in self._planned:
                if not fnmatchcase(path, planned.path) or not can_show(planned):
                    continue
                if planned.after > 0:
                    planned.after -= 1
                    continue
                if planned.count == 1:
                    self._planned.remove(planned)
                elif planned.count is not None:
                    planned.count -= 1
                return planned
        return None
