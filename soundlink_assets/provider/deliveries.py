"""Deliveries of an export: one, asked for until it is complete and verified; and many at once.

A body is streamed into the reader, verified, or refused and kept. How a request is sent belongs to
`transport`, how often it is tried to `retries`, what a valid row is to `lines` and `reader`.
"""

import logging
import tempfile
import threading
from collections.abc import Generator, Iterable, Iterator
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from contextlib import closing
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from itertools import islice
from typing import IO

import polars as pl

from soundlink_assets.provider.errors import (
    About,
    AuthenticationError,
    BadRequestError,
    ContractError,
    ContractViolation,
    NotFoundError,
    ScopeError,
    ServerError,
    SoundlinkError,
    TransportError,
    TruncatedDeliveryError,
)
from soundlink_assets.provider.quarantine import MOST_KEPT_BYTES, Quarantine
from soundlink_assets.provider.reader import DeliveryReader, ReadRows, verify_request
from soundlink_assets.provider.responses import JSON_TYPE
from soundlink_assets.provider.retries import Deadline, RetryPolicy
from soundlink_assets.provider.transport import Response, Transport, redact
from soundlink_assets.schema.exports import Export
from soundlink_assets.schema.window import Window

log = logging.getLogger(__name__)

NDJSON_TYPE = "application/x-ndjson"
ROW_COUNT_HEADER = "X-Row-Count"

MOST_BODY_BYTES = 4 * 2**30
"""A body, expanded, that is longer than this is refused: three million rows are a third of it."""

STAMP_TOLERANCE = timedelta(minutes=10)
STAMP_TOLERANCE_WITHOUT_DATE = timedelta(days=1)
"""So far may `exported_at` be ahead of the response's clock; or of ours, if it states none."""

FIRST_REFUSALS = 3
"""So many ids refused before any was served are taken for a refusal of the key."""

OUTAGE_AFTER = 5
"""So many deliveries in a row that failed for the provider's or the network's fault are taken for
an outage: each is still tried, but once, so that retries do not spend the budget."""

_LONGEST_COUNT = 18
"""So many digits at most make a row count; no body holds as many rows."""

_SPOOL_BYTES = 4 * 2**20
"""A body longer than this is kept on disk while it is read."""

_OK, _NO_CONTENT, _UNAUTHORIZED = 200, 204, 401
_FOREIGN_TYPES = ("text/html", "application/xhtml+xml", "text/xml", "application/xml")
_REFUSALS = (AuthenticationError, ScopeError, NotFoundError, BadRequestError)


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Delivery:
    """One complete and valid delivery: one campaign (or soundlink), one window of at most 90 days.

    `frame` has the columns of `export.delivered`, typed. `fetched_at` (UTC) is when the request was
    sent, by the provider's clock if its responses state one that differs from ours by more than two
    minutes. `extra_fields` are keys that the schema does not name; their values are in the column
    `extra`. `merged_duplicates` exact duplicates were left out. `row_count_stated` is False if the
    provider did not state a row count, so that a body cut between two lines could not be told.
    `attempts` counts requests, `seconds` runs from the first of them to the verified frame, waits
    included, `bytes` is the length of the expanded body.
    """

    export: Export = field(repr=False)
    requested_id: str
    window: Window
    frame: pl.DataFrame = field(repr=False)
    fetched_at: datetime
    extra_fields: tuple[str, ...]
    merged_duplicates: int
    row_count_stated: bool
    attempts: int
    seconds: float
    bytes: int


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class FailedDelivery:
    """A delivery that did not come, for a reason that does not concern the others."""

    export: Export = field(repr=False)
    requested_id: str
    window: Window
    error: SoundlinkError


@dataclass(slots=True, kw_only=True)
class ExportRequest:
    """One campaign (or soundlink) over one window, and what its attempts have shown so far."""

    transport: Transport
    quarantine: Quarantine
    export: Export
    requested_id: str
    window: Window
    was_empty: bool = False
    """Whether an earlier response had no rows without saying so."""

    @property
    def about(self) -> About:
        """What errors say of the request."""
        return About(
            path=self.export.path(self.requested_id),
            scope=self.export.scope,
            export=self.export.name,
            requested_id=self.requested_id,
            window=self.window,
        )

    def attempt(self, number: int, deadline: Deadline) -> Delivery:
        """One request and its verified rows. Raises a SoundlinkError, or StoppedError."""
        params = {"startDate": str(self.window.first), "endDate": str(self.window.last)}
        reader = DeliveryReader(self.export)
        with (
            tempfile.SpooledTemporaryFile(max_size=_SPOOL_BYTES) as spool,
            self.transport.open(
                self.about, params, deadline, accept=NDJSON_TYPE, accepted=(_OK, _NO_CONTENT)
            ) as response,
        ):
            self._refuse_other_content(response)
            try:
                _receive(response, reader, spool)
                stated = self._stated_rows(response)
                rows = self._complete_rows(reader, stated)
                verify_request(rows, self.requested_id, self.window, _latest_stamp(response))
            except ContractViolation as violation:
                failure = self._refused(violation, spool, response.sent_at)
            else:
                return Delivery(
                    export=self.export,
                    requested_id=self.requested_id,
                    window=self.window,
                    frame=rows.frame,
                    fetched_at=response.sent_at,
                    extra_fields=tuple(map(self._redacted, rows.extra_fields)),
                    merged_duplicates=rows.merged_duplicates,
                    row_count_stated=stated is not None,
                    attempts=number,
                    seconds=deadline.seconds,
                    bytes=reader.bytes,
                )
        raise failure

    def _refuse_other_content(self, response: Response) -> None:
        """Raises for a 200 that holds no rows: an envelope, or a page of something in between."""
        if response.http.status_code == _OK and response.content_type == JSON_TYPE:
            envelope = self.transport.envelope(response, self.about)
            raise ServerError(
                "the provider sent a JSON envelope where rows are due",
                about=self.about,
                status=response.http.status_code,
                request_id=envelope.request_id,
                hint="Try again later; report it with the requestId.",
            )
        if response.content_type in _FOREIGN_TYPES and response.http.status_code == _OK:
            raise self.transport.not_the_api(response, self.about)

    def _stated_rows(self, response: Response) -> int | None:
        """The number of rows that the provider states, None if it states none."""
        stated = response.http.headers.get(ROW_COUNT_HEADER)
        if stated is None:
            return None
        digits = stated.strip()
        if digits.isascii() and digits.isdigit() and len(digits) <= _LONGEST_COUNT:
            return int(digits)
        shown = self._redacted(digits[:_LONGEST_COUNT])
        raise self._truncated(f"{ROW_COUNT_HEADER} is not a number of rows: {shown!r}")

    def _complete_rows(self, reader: DeliveryReader, stated: int | None) -> ReadRows:
        """What was read. TruncatedDeliveryError if that is not all, else ContractViolation.

        No rows without a count are believed only if they come twice: a blank page of something in
        between would otherwise withdraw every row of the window.
        """
        try:
            rows = reader.finish()
        except ContractViolation as violation:
            # A page that a gateway appends to half a body is not JSON either.
            is_short = stated is not None and reader.lines < stated and violation.field is None
            if violation.is_cut_off or (is_short and not reader.has_given_up):
                raise self._truncated(f"the body was cut off: {violation}") from None
            raise
        if stated is not None and rows.row_count != stated:
            raise self._truncated(
                f"the body holds {rows.row_count} rows, where {ROW_COUNT_HEADER} states {stated}"
            )
        if stated is None and rows.row_count == 0 and not self.was_empty:
            self.was_empty = True
            raise self._truncated(
                f"no rows came, and no {ROW_COUNT_HEADER} states that there are none"
            )
        return rows

    def _truncated(self, message: str) -> TruncatedDeliveryError:
        what = self.export.scope.name
        return TruncatedDeliveryError(
            message,
            about=self.about,
            hint=f"Something between here and the API may have cut or replaced the response. Run "
            f"again; the days of this {what} stay as they were.",
        )

    def _refused(
        self, violation: ContractViolation, body: IO[bytes], at: datetime
    ) -> ContractError:
        """The error for a body that breaks the contract, which is kept for people to look at."""
        violation.message = self._redacted(violation.message)
        violation.field = self._redacted(violation.field) if violation.field else None
        violation.args = (violation.message,)
        try:
            kept = self.quarantine.keep(body, violation, about=self.about, at=at)
        except OSError as error:
            folder = self.quarantine.folder
            log.warning("a refused body could not be kept in %s: %s", folder, error)
            return ContractError(violation, about=self.about, hint="The body could not be kept.")
        return ContractError(
            violation, about=self.about, quarantined=kept, hint=f"The body is kept in {kept}"
        )

    def _redacted(self, text: str) -> str:
        return redact(text, self.quarantine.key)


def _receive(response: Response, reader: DeliveryReader, spool: IO[bytes]) -> None:
    """Reads the body to its end, or until nothing more of it could matter.

    Raises ContractViolation for a body that is too long.
    """
    for chunk in response.chunks():
        if spool.tell() <= MOST_KEPT_BYTES:
            spool.write(chunk)
        reader.feed(chunk)
        if reader.has_given_up:
            return
        if reader.bytes > MOST_BODY_BYTES:
            raise ContractViolation(f"the body holds more than {MOST_BODY_BYTES} bytes")


def _latest_stamp(response: Response) -> datetime:
    if response.date is None:
        return response.sent_at + STAMP_TOLERANCE_WITHOUT_DATE
    return response.date + STAMP_TOLERANCE


# Many at once


@dataclass(slots=True, kw_only=True)
class ManyDeliveries:
    """The deliveries of many ids over many windows, of one export.

    `served` holds the exports of which the key was given a delivery.
    """

    requests: Iterable[ExportRequest]
    policy: RetryPolicy
    at_once: int
    stop: threading.Event
    served: set[str]
    failures_in_a_row: int = 0

    def results(self) -> Iterator[Delivery | FailedDelivery]:
        """The results as they complete; raises an error that stops the run.

        A refusal is held back until it is clear what it means: once another id has been served, it
        concerns that one alone; where the first ids are all refused, it concerns the key.
        """
        held: list[FailedDelivery] = []
        with closing(self._completed()) as results:
            for result in results:
                error = result.error if isinstance(result, FailedDelivery) else None
                name = result.export.name
                if error is not None and error.stops_run and not _is_refusal(error):
                    raise error
                if error is None or isinstance(error, ContractError):
                    self.served.add(name)
                if isinstance(result, FailedDelivery) and result.error.stops_run:
                    held.append(result)
                else:
                    yield result
                if name in self.served:
                    yield from map(_failed_alone, held)
                    held.clear()
                elif len({failed.requested_id for failed in held}) >= FIRST_REFUSALS:
                    break
        if held:
            raise held[0].error

    def _completed(self) -> Generator[Delivery | FailedDelivery]:
        """The results in the order in which they complete.

        At most `at_once` are begun and not yet taken by the caller, so that a slow caller holds
        the work up instead of filling the memory. When the caller stops early, `stop` is set, what
        has not begun is dropped, and what runs is not waited for.
        """
        remaining = iter(self.requests)
        executor = ThreadPoolExecutor(self.at_once, thread_name_prefix="soundlink")
        pending: set[Future[Delivery | FailedDelivery]] = set()
        try:
            while True:
                for request in islice(remaining, self.at_once - len(pending)):
                    pending.add(executor.submit(self._fetch, request))
                if not pending:
                    return
                done, _ = wait(pending, return_when=FIRST_COMPLETED)
                future = done.pop()
                pending.discard(future)
                yield future.result()
        finally:
            self.stop.set()
            executor.shutdown(wait=False, cancel_futures=True)

    def _fetch(self, request: ExportRequest) -> Delivery | FailedDelivery:
        policy = self.policy
        if self.failures_in_a_row >= OUTAGE_AFTER:
            policy = replace(policy, max_attempts=1)
        try:
            delivery = policy.run(request.attempt, self.stop)
        except SoundlinkError as error:
            is_down = isinstance(error, ServerError | TransportError)
            self.failures_in_a_row = self.failures_in_a_row + 1 if is_down else 0
            return FailedDelivery(
                export=request.export,
                requested_id=request.requested_id,
                window=request.window,
                error=error,
            )
        self.failures_in_a_row = 0
        return delivery


def _is_refusal(error: SoundlinkError) -> bool:
    """Whether the provider refuses what was asked for, and not the key as such."""
    return isinstance(error, _REFUSALS) and error.status != _UNAUTHORIZED


def _failed_alone(failed: FailedDelivery) -> FailedDelivery:
    """The refusal of one id, where others are served with the same key."""
    what, error = failed.export.scope.name, failed.error
    error.stops_run = False
    error.hint = (
        f"Other {failed.export.scope.plural} are served with this key, so this concerns the {what} "
        f"alone: its days stay as they were. If it stays so, ask Soundlink"
        + (", with the requestId." if error.request_id else ".")
    )
    return failed
