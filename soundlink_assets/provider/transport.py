"""One HTTP request to the API: within the budget, with the key in one header, errors as ours.

What is asked and what is done with the body belongs to `exports` and `campaigns`; how often it is
tried, to `retries`.
"""

import contextlib
import socket
import threading
import zlib
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import datetime
from importlib.metadata import version
from typing import Any
from weakref import WeakSet

import httpx
from pydantic import SecretStr

from soundlink_assets.provider.answers import (
    JSON_TYPE,
    Envelope,
    error_of,
    read_envelope,
    retry_after_seconds,
)
from soundlink_assets.provider.budget import RequestBudget
from soundlink_assets.provider.credentials import REDACTED, KeyHeader, redact
from soundlink_assets.provider.effort import Effort
from soundlink_assets.provider.errors import (
    About,
    BadRequestError,
    RateLimitError,
    SoundlinkError,
    TransportError,
)
from soundlink_assets.provider.unreachable import advice, is_behind_proxy, unusable_environment
from soundlink_assets.clock import Clock
from soundlink_assets.settings import AuthStyle, is_loopback

CONNECT_SECONDS = 10.0
"""Longest wait for a connection; also how long closing the client may have to wait for one."""

_OTHER_ROUTES = ("", ".", "..")

_ERROR_BODY_BYTES = 2**20
_JSON_BODY_BYTES = 64 * 2**20


@dataclass(frozen=True, slots=True, kw_only=True)
class Request:
    """One GET request."""

    about: About
    params: Mapping[str, str] = field(default_factory=dict)
    accept: str = JSON_TYPE


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """An answer with status 200 whose body is still to be read. `sent_at` is in UTC."""

    response: httpx.Response
    sent_at: datetime

    @property
    def content_type(self) -> str:
        """The media type, in lower case and without parameters; empty if none is stated."""
        stated: str = self.response.headers.get("content-type", "")
        return stated.partition(";")[0].strip().lower()

    def chunks(self) -> Iterator[bytes]:
        """The decoded body in pieces. httpx.HTTPError or zlib.error if it is cut off or damaged."""
        return _decoded(self.response)


class Transport:
    """The connections to the API, the key and the budget. Safe for threads."""

    def __init__(  # noqa: PLR0913 - one keyword for each part
        self,
        *,
        key: SecretStr,
        base_url: str,
        style: AuthStyle,
        timeout_seconds: float,
        connections: int,
        budget: RequestBudget,
        clock: Clock,
    ) -> None:
        self._key = key
        self._style = style
        self._budget = budget
        self._clock = clock
        self.request_count = 0
        self._lock = threading.Lock()
        self._is_closed = False
        self._streams: WeakSet[Any] = WeakSet()
        # A proxy from the environment cannot reach this machine's own loopback.
        self._trusts_environment = not is_loopback(httpx.URL(base_url).host)
        try:
            self._http = httpx.Client(
                base_url=base_url,
                auth=KeyHeader(key, style),
                headers={
                    "Accept-Encoding": "gzip",
                    "User-Agent": f"soundlink-assets/{version('soundlink-assets')}",
                },
                timeout=httpx.Timeout(
                    timeout_seconds, connect=min(timeout_seconds, CONNECT_SECONDS), pool=None
                ),
                limits=httpx.Limits(
                    max_connections=connections, max_keepalive_connections=connections
                ),
                follow_redirects=False,
                trust_env=self._trusts_environment,
            )
        except (OSError, ValueError, ImportError, httpx.InvalidURL) as error:
            raise unusable_environment(error) from None

    @contextmanager
    def open(self, request: Request, effort: Effort) -> Iterator[Answer]:
        """The answer with status 200, its body still to be read in the block.

        Raises a SoundlinkError for every other answer, and for a connection that fails before
        or within the block; StoppedError while it waits for the budget.
        """
        self._refuse_odd_ids(request.about.campaign_id)
        try:
            answer = self._send(request, effort)
            try:
                if answer.response.status_code != httpx.codes.OK:
                    raise self._error(answer, request.about)
                yield answer
            finally:
                answer.response.close()
        except (httpx.HTTPError, zlib.error) as error:
            raise TransportError(
                f"no complete answer: {self._describe(error)}",
                about=request.about,
                hint=self._advice(error),
            ) from None

    def get(self, request: Request, effort: Effort) -> Envelope:
        """The envelope of a JSON answer; it holds data."""
        with self.open(request, effort) as answer:
            return self.envelope(answer, request.about)

    def envelope(self, answer: Answer, about: About) -> Envelope:
        """The envelope in the body of an answer with status 200.

        Raises what an error in it stands for, and TransportError if there is no envelope.
        """
        envelope = read_envelope(self._read(answer, _JSON_BODY_BYTES))
        if envelope is None:
            raise self.not_the_api(answer, about)
        if envelope.is_error:
            raise self._error_in(envelope, answer, about)
        return envelope

    def not_the_api(self, answer: Answer, about: About) -> TransportError:
        """The error for an answer that the API never gives: a page of something in between."""
        kind = redact(answer.content_type, self._key) or "of no stated type"
        return TransportError(
            f"the answer is not one of the API, but {kind}",
            about=about,
            status=answer.response.status_code,
            hint="Check SOUNDLINK_BASE_URL, and proxies between here and the API.",
        )

    def close(self) -> None:
        """Ends all connections, those in use as well: who reads from them gets an error."""
        with self._lock:
            self._is_closed = True
            streams = list(self._streams)
        for stream in streams:
            _shut(stream)
        self._http.close()

    def _refuse_odd_ids(self, campaign_id: str | None) -> None:
        """Raises for ids that would lead to another route, or put the key into a path."""
        if campaign_id is None:
            return
        if campaign_id in _OTHER_ROUTES or self._key.get_secret_value() in campaign_id:
            raise BadRequestError(
                f"{redact(campaign_id, self._key)!r} is not a campaign id",
                hint="Check SOUNDLINK_CAMPAIGN_IDS.",
            )

    def _send(self, request: Request, effort: Effort) -> Answer:
        prepared = self._http.build_request(
            "GET",
            request.about.path,
            params=dict(request.params),
            headers={"Accept": request.accept},
            extensions={"trace": self._note_stream},
        )
        with self._budget.request(effort.stop) as waited:
            effort.excuse(waited)
            with self._lock:
                self.request_count += 1
            sent_at = self._clock()
            try:
                return Answer(response=self._http.send(prepared, stream=True), sent_at=sent_at)
            except RuntimeError:
                # httpx says so when the client was closed at this very moment.
                effort.check_stop()
                raise

    def _note_stream(self, event: str, info: dict[str, Any]) -> None:
        """Remember each connection, so that `close` can end a read that waits for the provider."""
        if event.endswith(("connect_tcp.complete", "start_tls.complete")):
            stream = info["return_value"]
            with self._lock:
                self._streams.add(stream)
                too_late = self._is_closed
            if too_late:
                _shut(stream)

    def _error(self, answer: Answer, about: About) -> SoundlinkError:
        """The error of an answer whose status is not 200, also if its body is cut off."""
        content = b""
        with contextlib.suppress(httpx.HTTPError, zlib.error):
            content = self._read(answer, _ERROR_BODY_BYTES)
        envelope = read_envelope(content) or Envelope()
        if answer.response.is_redirect:
            location = answer.response.headers.get("location", "nowhere")
            envelope = Envelope(message=f"to {redact(location, self._key)}")
        return self._error_in(envelope, answer, about)

    def _error_in(self, envelope: Envelope, answer: Answer, about: About) -> SoundlinkError:
        asked = answer.response.headers.get("retry-after")
        error = error_of(
            answer.response.status_code,
            envelope,
            about=about,
            style=self._style,
            retry_after=retry_after_seconds(asked, self._clock()),
        )
        if isinstance(error, RateLimitError) and error.retryable and error.retry_after is not None:
            self._budget.pause(error.retry_after)
        return error

    def _read(self, answer: Answer, at_most: int) -> bytes:
        """The body without the key, or its beginning if it is longer than `at_most` bytes."""
        content = bytearray()
        for chunk in answer.chunks():
            content += chunk
            if len(content) > at_most:
                break
        return bytes(content).replace(self._key.get_secret_value().encode(), REDACTED.encode())

    def _describe(self, error: Exception) -> str:
        name = type(error).__name__
        return redact(f"{name}: {error}" if str(error) else name, self._key)

    def _advice(self, error: Exception) -> str:
        base_url = self._http.base_url
        behind_proxy = self._trusts_environment and is_behind_proxy(base_url)
        return advice(error, base_url, behind_proxy=behind_proxy)


def _shut(stream: Any) -> None:
    """Ends a connection from another thread: unlike a close, this wakes who reads from it."""
    with contextlib.suppress(OSError):
        stream.get_extra_info("socket").shutdown(socket.SHUT_RDWR)


def _decoded(response: httpx.Response) -> Iterator[bytes]:
    """The body without its gzip; httpx itself accepts a gzip stream that was cut off.

    No bytes at all are an empty body, whatever the headers say; what an empty body means is for
    who reads it.
    """
    if response.headers.get("content-encoding", "").strip().lower() != "gzip":
        yield from response.iter_bytes()
        return
    decoder = None
    for chunk in response.iter_raw():
        rest = chunk
        while rest:
            if decoder is None or decoder.eof:
                decoder = zlib.decompressobj(zlib.MAX_WBITS | 16)
            yield decoder.decompress(rest)
            rest = decoder.unused_data
    if decoder is not None and not decoder.eof:
        raise httpx.RemoteProtocolError("the compressed body ends too early")
