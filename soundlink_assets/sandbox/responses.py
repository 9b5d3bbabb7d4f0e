"""Responses as they leave the sandbox: envelopes, errors, and how bytes are sent or not sent.

`Response` is an ASGI application like Starlette's responses; it can also break off or take its
time, which those cannot.
"""

import asyncio
import gzip
import json
import zlib
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from email.utils import format_datetime
from uuid import uuid4

from starlette.types import Receive, Scope, Send

from soundlink_assets.sandbox.access import Problem

JSON = "application/json"
NDJSON = "application/x-ndjson"

_PIECE = 2**18
_SLOW_FOR = 600
"""Lines or pieces after which a response that trickles gives up."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Timing:
    """How a response is sent.

    The body goes out in `pieces` with `pause` seconds before each but the first. With
    `dropped_after` the connection is lost after that fraction of the body; with 0 before anything
    is sent. With `slow_headers` header lines trickle, one each `pause`, and never end; with
    `endless` line ends follow the body in the same way.
    """

    pieces: int = 1
    pause: float = 0.0
    dropped_after: float | None = None
    slow_headers: bool = False
    endless: bool = False


NORMAL = Timing()


@dataclass(frozen=True, slots=True, kw_only=True)
class Response:
    """One response; `is_encoded` once its body is compressed, declared or not."""

    status: int
    headers: dict[str, str] = field(default_factory=dict)
    body: bytes = b""
    timing: Timing = NORMAL
    is_encoded: bool = False

    async def __call__(self, _scope: Scope, receive: Receive, send: Send) -> None:
        """Send the response, as far as it gets."""
        timing = self.timing
        if timing.dropped_after == 0:
            _transport(receive).abort()
            return
        if timing.slow_headers:
            await self._trickle_headers(_transport(receive))
            return
        headers = [(name.encode(), value.encode("latin-1")) for name, value in self.headers.items()]
        await send({"type": "http.response.start", "status": self.status, "headers": headers})
        sent = self.body[: int(len(self.body) * (timing.dropped_after or 1))]
        size = max(1, -(-len(sent) // timing.pieces))
        for start in range(0, len(sent), size):
            if start:
                await asyncio.sleep(timing.pause)
            for piece in range(start, min(start + size, len(sent)), _PIECE):
                await _send_more(send, sent[piece : min(piece + _PIECE, start + size)])
        if timing.dropped_after is not None:
            _transport(receive).close()
            return
        if timing.endless:
            for _ in range(_SLOW_FOR):
                await asyncio.sleep(timing.pause)
                await _send_more(send, b"\n")
        await send({"type": "http.response.body", "body": b"", "more_body": False})

    async def _trickle_headers(self, transport: asyncio.Transport) -> None:
        transport.write(f"HTTP/1.1 {self.status} OK\r\n".encode())
        for number in range(_SLOW_FOR):
            if transport.is_closing():
                return
            transport.write(f"x-slow-{number}: {number}\r\n".encode())
            await asyncio.sleep(self.timing.pause)
        transport.abort()

    def with_headers(self, changes: Mapping[str, str | None]) -> "Response":
        """The response with headers set, or removed (None)."""
        headers = {**self.headers, **changes}
        kept = {name: value for name, value in headers.items() if value is not None}
        return replace(self, headers=kept)

    def dated(self, now: datetime) -> "Response":
        """The response with that time in its `Date` header."""
        return self.with_headers({"date": http_date(now)})

    def encoded(self, encoding: str, declared: str | None) -> "Response":
        """The response with its body compressed (gzip, deflate), declared by that word or not."""
        if self.is_encoded:
            return self
        body = (
            gzip.compress(self.body, compresslevel=1, mtime=0)
            if encoding == "gzip"
            else zlib.compress(self.body, 1)
        )
        changed = replace(self, body=body, is_encoded=True)
        return changed if declared is None else changed.with_headers({"content-encoding": declared})


async def _send_more(send: Send, piece: bytes) -> None:
    await send({"type": "http.response.body", "body": piece, "more_body": True})


def _transport(receive: Receive) -> asyncio.Transport:
    """The connection. ASGI has no word for dropping it, so uvicorn's own transport is used."""
    cycle = getattr(receive, "__self__", None)
    transport: asyncio.Transport | None = getattr(cycle, "transport", None)
    if transport is None:
        raise RuntimeError("a connection can be dropped only when uvicorn serves the sandbox")
    return transport


def http_date(moment: datetime) -> str:
    """A moment as headers write it."""
    return format_datetime(moment.astimezone(UTC), usegmt=True)


def data_response(data: str) -> Response:
    """200 with the envelope of the JSON routes; `data` is JSON text."""
    return _json(200, f'{{"data":{data},{_meta()}}}')


def problem_response(problem: Problem) -> Response:
    """The error envelope."""
    error = json.dumps({"code": problem.code, "message": problem.message})
    return _json(problem.status, f'{{"error":{error},{_meta()}}}').with_headers(problem.headers)


def control_response(status: int, content: object) -> Response:
    """JSON without an envelope, for the control routes."""
    return _json(status, json.dumps(content, ensure_ascii=False, default=str))


def _json(status: int, text: str) -> Response:
    return Response(status=status, headers={"content-type": JSON}, body=text.encode())


def _meta() -> str:
    return f'"meta":{{"requestId":"{uuid4()}"}}'
