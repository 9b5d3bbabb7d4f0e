"""One HTTP request to the API: within the budget, with the key in one header, errors as ours.

What is asked and what is done with the body belongs to `deliveries` and `client`; how often it is
tried, to `retries`; what a refusal means, to `responses`.
"""

import contextlib
import zlib
from collections.abc import Collection, Generator, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime, timedelta
from importlib.metadata import version
from itertools import chain

import httpx
from pydantic import SecretStr

from soundlink_assets.clock import Clock
from soundlink_assets.provider.budget import RequestBudget
from soundlink_assets.provider.errors import (
    About,
    BadRequestError,
    RateLimitError,
    SoundlinkError,
    TransportError,
)
from soundlink_assets.provider.network import Network, advice, http_transport
from soundlink_assets.provider.quarantine import REDACTED
from soundlink_assets.provider.responses import (
    JSON_TYPE,
    Envelope,
    error_of,
    http_date,
    read_envelope,
    retry_after_seconds,
)
from soundlink_assets.provider.retries import Deadline, check_stop
from soundlink_assets.settings import AuthStyle

CONNECT_SECONDS = 10.0
"""Longest wait for a connection; also how long closing the client may have to wait for one."""

CLOCK_TOLERANCE = timedelta(minutes=2)
"""A clock of ours that differs from the provider's by more than this is not believed."""

_OTHER_ROUTES = ("", ".", "..")
_LONGEST_ID = 500

_MOST_CODINGS = 3
"""So many codings one in another are expanded at most."""

_ERROR_BODY_BYTES = 2**20
_JSON_BODY_BYTES = 64 * 2**20
_PIECE_BYTES = 2**20
"""Compressed bytes are expanded in pieces of at most this size."""


def redact(text: str, key: SecretStr) -> str:
    """The text with the key replaced, for what the provider may echo."""
    return text.replace(key.get_secret_value(), REDACTED)


@dataclass(frozen=True, slots=True, kw_only=True)
class Response:
    """A response whose body is still to be read.

    `sent_at` is when the request was sent, in UTC: by the provider's clock if it states one that
    differs from ours. `date` is the moment of the response by the provider's clock, if stated.
    """

    http: httpx.Response
    sent_at: datetime
    date: datetime | None

    @property
    def content_type(self) -> str:
        """The media type, in lower case and without parameters; empty if none is stated."""
        stated: str = self.http.headers.get("content-type", "")
        return stated.partition(";")[0].strip().lower()

    def chunks(self) -> Iterator[bytes]:
        """The body in pieces, expanded. httpx.HTTPError or zlib.error if cut off or damaged."""
        codings = self.http.headers.get("content-encoding", "").lower().split(",")
        return _expanded(self.http.iter_raw(), [coding.strip() for coding in codings])


class KeyHeader(httpx.Auth):
    """Puts the key into its one header while a request is being sent, and takes it out again.

    So an httpx error or response that outlives the request does not hold the key: httpx hides
    `authorization` in the repr of headers, but not `x-api-key`.
    """

    def __init__(self, key: SecretStr, style: AuthStyle) -> None:
        self._key = key
        self._style = style

    def auth_flow(self, request: httpx.Request) -> Generator[httpx.Request, httpx.Response, None]:
        """Sends the request once, with the header."""
        secret = self._key.get_secret_value()
        if self._style is AuthStyle.X_API_KEY:
            name, value = "x-api-key", secret
        else:
            name, value = "Authorization", f"Bearer {secret}"
        request.headers[name] = value
        try:
            yield request
        finally:
            del request.headers[name]


class Transport:
    """The connections to the API, the key and the budget. Safe for threads.

    `clock_offset` is the provider's clock minus ours, by the newest response that states a `Date`.
    """

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
        self.clock_offset: timedelta | None = None
        self._network = Network()
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
            transport=http_transport(self._network, httpx.URL(base_url), connections),
            follow_redirects=False,
            trust_env=False,
        )

    @contextmanager
    def open(
        self,
        about: About,
        params: Mapping[str, str],
        deadline: Deadline,
        *,
        accept: str = JSON_TYPE,
        accepted: Collection[int] = (200,),
    ) -> Iterator[Response]:
        """The response to a GET with an accepted status, its body still to be read in the block.

        Raises a SoundlinkError for every other response, and for a connection that fails or takes
        too long before or within the block; StoppedError while it waits for the budget.
        """
        self._refuse_odd_ids(about)
        self._network.current.deadline = deadline
        try:
            request = self._http.build_request(
                "GET", about.path, params=dict(params), headers={"Accept": accept}
            )
            response = self._send(request, deadline)
            try:
                if response.http.status_code not in accepted:
                    raise self._error(response, about)
                yield response
            finally:
                response.http.close()
        except (httpx.HTTPError, zlib.error) as error:
            if deadline.left <= 0:
                raise TransportError(
                    f"the response was incomplete after {deadline.max_seconds:.0f} s, all attempts "
                    "together",
                    about=about,
                    hint="Run again when the provider is faster, or ask for fewer days at once.",
                ) from None
            raise TransportError(
                f"no complete response: {self._describe(error)}",
                about=about,
                hint=advice(error, self._http.base_url),
            ) from None
        finally:
            self._network.current.deadline = None

    def envelope(self, response: Response, about: About) -> Envelope:
        """The envelope in the body of a response with status 200.

        Raises what an error in it means, and TransportError if there is no envelope.
        """
        envelope = read_envelope(self._read(response, _JSON_BODY_BYTES))
        if envelope is None:
            raise self.not_the_api(response, about)
        if envelope.message is not None:
            raise self._error_in(envelope, response, about)
        return envelope

    def not_the_api(self, response: Response, about: About) -> TransportError:
        """The error for a response that the API never gives: a page of something in between."""
        kind = redact(response.content_type, self._key) or "of no stated type"
        return TransportError(
            f"the response is not one of the API, but {kind}",
            about=about,
            status=response.http.status_code,
            hint="Check SOUNDLINK_BASE_URL, and proxies between here and the API.",
        )

    def close(self) -> None:
        """Ends all connections, those in use as well: who reads from them gets an error."""
        self._network.close()
        self._http.close()

    def _refuse_odd_ids(self, about: About) -> None:
        """Raises for ids that lead to another route, put the key into a path, or are no id."""
        requested_id, scope = about.requested_id, about.scope
        if requested_id is None or scope is None:
            return
        has_key = self._key.get_secret_value() in requested_id
        if requested_id in _OTHER_ROUTES or has_key or len(requested_id) > _LONGEST_ID:
            shown = redact(requested_id, self._key)[:_LONGEST_ID]
            raise BadRequestError(
                f"{shown!r} is not a {scope.name} id",
                about=About(scope=scope, export=about.export, requested_id=shown),
                hint=f"Check SOUNDLINK_{scope.name.upper()}_IDS.",
            )

    def _send(self, request: httpx.Request, deadline: Deadline) -> Response:
        with self._budget.request(deadline.stop) as waited:
            deadline.extend(waited)
            sent_at = self._clock()
            try:
                received = self._http.send(request, stream=True)
            except RuntimeError:
                # httpx says so when the client was closed at this very moment.
                check_stop(deadline.stop)
                raise
        date = http_date(received.headers.get("date"))
        if date is not None:
            self.clock_offset = offset = date - self._clock()
            sent_at += offset if abs(offset) > CLOCK_TOLERANCE else timedelta(0)
        return Response(http=received, sent_at=sent_at, date=date)

    def _error(self, response: Response, about: About) -> SoundlinkError:
        """The error of a response with another status, also if its body is cut off."""
        content = b""
        with contextlib.suppress(httpx.HTTPError, zlib.error):
            content = self._read(response, _ERROR_BODY_BYTES)
        envelope = read_envelope(content) or Envelope()
        if response.http.is_redirect:
            location = response.http.headers.get("location", "nowhere")
            envelope = Envelope(message=f"to {redact(location, self._key)}")
        return self._error_in(envelope, response, about)

    def _error_in(self, envelope: Envelope, response: Response, about: About) -> SoundlinkError:
        error = error_of(
            response.http.status_code,
            envelope,
            about=about,
            style=self._style,
            retry_after=retry_after_seconds(
                response.http.headers.get("retry-after"), response.date or self._clock()
            ),
        )
        if isinstance(error, RateLimitError) and error.retryable and error.retry_after is not None:
            self._budget.pause(error.retry_after)
        return error

    def _read(self, response: Response, at_most: int) -> bytes:
        """The body without the key, or its beginning if it is longer than `at_most` bytes."""
        content = bytearray()
        for chunk in response.chunks():
            content += chunk
            if len(content) > at_most:
                break
        return bytes(content).replace(self._key.get_secret_value().encode(), REDACTED.encode())

    def _describe(self, error: Exception) -> str:
        name = type(error).__name__
        return redact(f"{name}: {error}" if str(error) else name, self._key)


def _expanded(raw: Iterator[bytes], codings: list[str]) -> Iterator[bytes]:
    """The body without its compression, declared or not; JSON never begins as compressed data does.

    httpx itself accepts a compressed stream that was cut off. No bytes at all are an empty body,
    whatever the headers say; what an empty body means is for who reads it.
    """
    is_known = {"", "identity", "gzip", "x-gzip", "deflate"}.issuperset(codings)
    if not is_known or len(codings) > _MOST_CODINGS:
        raise httpx.DecodingError("the body is compressed in a way that was not asked for")
    for coding in reversed(codings):
        if coding.endswith("gzip"):
            raw = _inflated(raw, zlib.MAX_WBITS | 16)
        elif coding == "deflate":
            raw = _inflated(raw, None)
    first = next((chunk for chunk in raw if chunk), b"")
    rest = chain([first], raw)
    if first.startswith(b"\x1f\x8b"):
        return _inflated(rest, zlib.MAX_WBITS | 16)
    return _inflated(rest, zlib.MAX_WBITS) if _is_zlib(first) else rest


def _inflated(raw: Iterator[bytes], window_bits: int | None) -> Iterator[bytes]:
    """The stream expanded, in bounded pieces; several members may follow each other."""
    decoder = None
    for chunk in raw:
        rest = chunk
        while rest:
            if decoder is None or decoder.eof:
                bits = window_bits or (zlib.MAX_WBITS if _is_zlib(rest) else -zlib.MAX_WBITS)
                decoder = zlib.decompressobj(bits)
            yield decoder.decompress(rest, _PIECE_BYTES)
            rest = decoder.unused_data if decoder.eof else decoder.unconsumed_tail
    if decoder is not None and not decoder.eof:
        raise httpx.RemoteProtocolError("the compressed body ends too early")


def _is_zlib(start: bytes) -> bool:
    """Whether data begins with the header of a zlib stream (RFC 1950)."""
    return (
        len(start) > 1
        and start[0] == 0x78  # noqa: PLR2004 - deflate, 32 KiB window
        and int.from_bytes(start[:2], "big") % 31 == 0
    )
