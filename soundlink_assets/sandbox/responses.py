"""Responses as they leave the sandbox: envelopes, errors, and how bytes are sent or not sent.

`Response` is an ASGI application like Starlette's responses; it can also break off or take its
time, which those cannot.
"""

import asyncio
import gzip
import json
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from email.utils import format_datetime
from uuid import uuid4

from starlette.types import Receive, Scope, Send

JSON = "application/json"
NDJSON = "application/x-ndjson"

_PIECE = 2**18


@dataclass(frozen=True, slots=True, kw_only=True)
class Timing:
    """How a response is sent.

    The body goes out in `pieces` with `pause` seconds before each but the first; if `delayed`, the
    pause is before the response. With `dropped_after` the connection is lost after that fraction of
    the body; with 0 before anything is sent.
    """

    pieces: int = 1
    pause: float = 0.0
    delayed: bool = False
    dropped_after: float | None = None


NORMAL = Timing()


@dataclass(frozen=True, slots=True, kw_only=True)
class Response:
    """One response."""

    status: int
    headers: dict[str, str] = field(default_factory=dict)
    body: bytes = b""
    timing: Timing = NORMAL

    async def __call__(self, _scope: Scope, receive: Receive, send: Send) -> None:
        """Send the response, as far as it gets."""
        timing = self.timing
        if timing.dropped_after == 0:
            _transport(receive).abort()
            return
        headers = [(name.encode(), value.encode("latin-1")) for name, value in self.headers.items()]
        await send({"type": "http.response.start", "status": self.status, "headers": headers})
        sent = self.body[: int(len(self.body) * (timing.dropped_after or 1))]
        size = max(1, -(-len(sent) // timing.pieces))
        for start in range(0, len(sent), size):
            if start:
                await asyncio.sleep(timing.pause)
            for at in range(start, min(start + size, len(sent)), _PIECE):
                piece = sent[at : min(at + _PIECE, start + size)]
                await send({"type": "http.response.body", "body": piece, "more_body": True})
        if timing.dropped_after is not None:
            _transport(receive).close()
            return
        await send({"type": "http.response.body", "body": b"", "more_body": False})

    def with_headers(self, changes: Mapping[str, str | None]) -> "Response":
        """The response with headers set, or removed (None)."""
        headers = {**self.headers, **changes}
        kept = {name: value for name, value in headers.items() if value is not None}
        return replace(self, headers=kept)

    def dated(self, now: datetime) -> "Response":
        """The response with that time in its `Date` header."""
        return self.with_headers({"date": format_datetime(now.astimezone(UTC), usegmt=True)})

    def compressed(self) -> "Response":
        """The response with its body as gzip, unless it is already."""
        if "content-encoding" in self.headers:
            return self
        body = gzip.compress(self.body, compresslevel=1, mtime=0)
        return replace(self, body=body, headers={**self.headers, "content-encoding": "gzip"})


def _transport(receive: Receive) -> asyncio.Transport:
    """The connection. ASGI has no word for dropping it, so uvicorn's own transport is used."""
    cycle = getattr(receive, "__self__", None)
    transport: asyncio.Transport | None = getattr(cycle, "transport", None)
    if transport is None:
        raise RuntimeError("a connection can be dropped only when uvicorn serves the sandbox")
    return transport


def data_response(data: str) -> Response:
    """200 with the envelope of the JSON routes; `data` is JSON text."""
    return _json(200, f'{{"data":{data},{_meta()}}}')


def problem_response(
    status: int, code: str, message: str, headers: Mapping[str, str] | None = None
) -> Response:
    """The error envelope."""
    error = json.dumps({"code": code, "message": message})
    return _json(status, f'{{"error":{error},{_meta()}}}').with_headers(headers or {})


def control_response(status: int, content: object) -> Response:
    """JSON without an envelope, for the control routes."""
    return _json(status, json.dumps(content, ensure_ascii=False, default=str))


def _json(status: int, text: str) -> Response:
    return Response(status=status, headers={"content-type": JSON}, body=text.encode())


def _meta() -> str:
    return f'"meta":{{"requestId":"{uuid4()}"}}'
