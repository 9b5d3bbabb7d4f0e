"""One request of an export: its body streamed into the parser, verified, or refused and kept.

How often it is tried is for `retries`; how many run at once, for `concurrency`.
"""

import logging
import tempfile
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import IO

from pydantic import SecretStr

from soundlink_assets.provider.answers import JSON_TYPE
from soundlink_assets.provider.credentials import redact
from soundlink_assets.provider.delivery import Delivery
from soundlink_assets.provider.effort import Effort
from soundlink_assets.provider.errors import (
    About,
    ContractError,
    ServerError,
    TransportError,
    TruncatedDeliveryError,
)
from soundlink_assets.provider.quarantine import keep_body
from soundlink_assets.provider.transport import Answer, Request, Transport
from soundlink_assets.schema.exports import Export
from soundlink_assets.provider.parsing import DeliveryParser, ParsedDelivery, verify_request
from soundlink_assets.provider.violations import ContractViolation
from soundlink_assets.schema.window import Window

log = logging.getLogger(__name__)

NDJSON_TYPE = "application/x-ndjson"
ROW_COUNT_HEADER = "X-Row-Count"

_LONGEST_COUNT = 18
"""So many digits at most make a row count; no body holds as many rows."""

_SPOOL_BYTES = 4 * 2**20
"""A body longer than this is kept on disk while it is read."""

_FOREIGN_TYPES = ("text/html", "application/xhtml+xml", "text/xml", "application/xml")
_RERUN = "Run again; the cells of this campaign stay as they were."


@dataclass(frozen=True, slots=True, kw_only=True)
class ExportReader:
    """Fetches one delivery at a time; holds no state of its own, so threads share it."""

    transport: Transport
    quarantine_dir: Path
    key: SecretStr

    def fetch(
        self, export: Export, campaign_id: str, window: Window, attempt: int, effort: Effort
    ) -> Delivery:
        """One attempt. Raises a SoundlinkError, or StoppedError."""
        about = About(
            path=export.path(campaign_id),
            export=export.name,
            campaign_id=campaign_id,
            window=window,
        )
        request = Request(
            about=about,
            params={"startDate": str(window.first), "endDate": str(window.last)},
            accept=NDJSON_TYPE,
        )
        with (
            tempfile.SpooledTemporaryFile(max_size=_SPOOL_BYTES) as spool,
            self.transport.open(request, effort) as answer,
        ):
            self._refuse_other_content(answer, about)
            parser = DeliveryParser(export)
            received = _receive(answer, parser, spool, about, effort)
            stated = _stated_rows(answer)
            try:
                parsed = _finish(parser, received, stated, about)
                verify_request(parsed, campaign_id, window)
            except ContractViolation as violation:
                failure = self._refuse(violation, spool, about, answer.sent_at)
            else:
                return Delivery(
                    export=export,
                    campaign_id=campaign_id,
                    window=window,
                    frame=parsed.frame,
                    fetched_at=answer.sent_at,
                    line_count=parsed.line_count,
                    merged_duplicates=parsed.merged_duplicates,
                    extra_fields=tuple(redact(name, self.key) for name in parsed.extra_fields),
                    row_count_header_seen=stated is not None,
                    attempts=attempt,
                    seconds=effort.seconds,
                    bytes=received.bytes,
                )
        raise failure

    def _refuse_other_content(self, answer: Answer, about: About) -> None:
        """Raises for a 200 that holds no rows: an envelope, or a page of something in between."""
        if answer.content_type == JSON_TYPE:
            envelope = self.transport.envelope(answer, about)
            raise ServerError(
                "the provider answered with a JSON envelope where rows are due",
                about=about,
                status=answer.response.status_code,
                request_id=envelope.request_id,
                hint="Try again later; report it with the requestId.",
            )
        if answer.content_type in _FOREIGN_TYPES:
            raise self.transport.not_the_api(answer, about)

    def _refuse(
        self, violation: ContractViolation, body: IO[bytes], about: About, at: datetime
    ) -> ContractError:
        """The error for a body that breaks the contract, which is kept for people to look at."""
        violation.message = redact(violation.message, self.key)
        violation.args = (violation.message,)
        reason = {
            "reason": str(violation),
            "check": violation.check,
            "line": violation.line,
            "field": violation.field,
            "export": about.export,
            "campaign": about.campaign_id,
            "window": str(about.window),
            "time": at.isoformat(),
        }
        try:
            kept = keep_body(self.quarantine_dir, body, reason, about=about, at=at, key=self.key)
        except OSError as error:
            log.warning("a refused body could not be kept in %s: %s", self.quarantine_dir, error)
            return ContractError(violation, about=about, hint="The body could not be kept.")
        return ContractError(
            violation, about=about, quarantined=kept, hint=f"The body is kept in {kept}"
        )


@dataclass(slots=True)
class _Received:
    """How much of a body has come."""

    bytes: int = 0
    newlines: int = 0
    ends_in_line: bool = False

    @property
    def lines(self) -> int:
        return self.newlines + self.ends_in_line


def _receive(
    answer: Answer, parser: DeliveryParser, spool: IO[bytes], about: About, effort: Effort
) -> _Received:
    received = _Received()
    for chunk in answer.chunks():
        effort.check_stop()
        if effort.left < 0:
            raise TransportError(
                f"the body was incomplete after {effort.max_seconds:.0f} s, all attempts together",
                about=about,
                hint="Ask for fewer days at once, or run again when the provider is faster.",
            )
        received.bytes += len(chunk)
        received.newlines += chunk.count(b"\n")
        received.ends_in_line = not chunk.endswith(b"\n") if chunk else received.ends_in_line
        spool.write(chunk)
        parser.feed(chunk)
    return received


def _finish(
    parser: DeliveryParser, received: _Received, stated: int | None, about: About
) -> ParsedDelivery:
    """What was parsed. TruncatedDeliveryError if that is not all, else ContractViolation.

    No rows are believed only if the provider counts them: a blank page of something in between
    would otherwise withdraw every row of the window.
    """
    try:
        parsed = parser.finish()
    except ContractViolation as violation:
        # A page that a gateway appends to half a body is no JSON either.
        is_short = stated is not None and received.lines < stated and violation.field is None
        if violation.is_cut_off or is_short:
            raise TruncatedDeliveryError(
                f"the body was cut off: {violation}", about=about, hint=_RERUN
            ) from None
        raise
    if stated is None and parsed.line_count == 0:
        raise TruncatedDeliveryError(
            f"no rows came, and no {ROW_COUNT_HEADER} states that there are none",
            about=about,
            hint=f"Something between here and the API may have answered in its place. {_RERUN}",
        )
    if stated is not None and parsed.line_count != stated:
        raise TruncatedDeliveryError(
            f"the body holds {parsed.line_count} rows, where {ROW_COUNT_HEADER} states {stated}",
            about=about,
            hint=_RERUN,
        )
    return parsed


def _stated_rows(answer: Answer) -> int | None:
    """The number of rows that the provider states; None if it states none, or no such number."""
    stated = answer.response.headers.get(ROW_COUNT_HEADER, "").strip()
    is_count = stated.isascii() and stated.isdigit() and len(stated) <= _LONGEST_COUNT
    return int(stated) if is_count else None
