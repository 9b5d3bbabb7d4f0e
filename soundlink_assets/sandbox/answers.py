"""Answers as they leave the sandbox: envelopes, errors, lines, and answers gone wrong on the way.

`Answer` is an ASGI application like Starlette's responses; it can also break off, which those
cannot.
"""

import asyncio
import gzip
import json
import math
from dataclasses import dataclass, field, replace
from uuid import uuid4

from starlette.types import Receive, Scope, Send

from soundlink_assets.sandbox import problems
from soundlink_assets.sandbox.faults import Fault, PlannedFault
from soundlink_assets.sandbox.problems import Problem

_PIECE = 2**18

_PROBLEMS: dict[Fault, Problem] = {
    Fault.INVALID_API_KEY: problems.INVALID_API_KEY,
    Fault.API_KEY_REVOKED: problems.API_KEY_REVOKED,
    Fault.API_KEY_EXPIRED: problems.API_KEY_EXPIRED,
    Fault.MIXED_CREDENTIALS: problems.MIXED_CREDENTIALS,
    Fault.INVALID_TOKEN: problems.INVALID_TOKEN,
    Fault.INSUFFICIENT_SCOPE: problems.insufficient_scope("metrics:read"),
    Fault.ACCESS_DENIED: problems.ACCESS_DENIED,
    Fault.CAMPAIGN_NOT_FOUND: problems.CAMPAIGN_NOT_FOUND,
    Fault.NOT_FOUND: problems.NOT_FOUND,
    Fault.INVALID_QUERY_PARAMETER: problems.invalid_parameter("startDate", "not accepted"),
    Fault.INVALID_DATE_RANGE: problems.invalid_date_range("The date range is not accepted."),
    Fault.UNKNOWN_CLIENT_ERROR: Problem(409, "campaign_busy", "Not possible right now."),
    Fault.RATE_LIMITED_SILENTLY: Problem(429, "rate_limit_exceeded", "Too many requests."),
    Fault.INTERNAL_ERROR: problems.INTERNAL_ERROR,
    Fault.UNKNOWN_SERVER_ERROR: Problem(503, "service_unavailable", "Not available right now."),
}

INSTEAD = frozenset(
    {
        *_PROBLEMS,
        Fault.RATE_LIMITED,
        Fault.BAD_GATEWAY,
        Fault.GATEWAY_TIMEOUT,
        Fault.REDIRECT,
        Fault.DROPPED_CONNECTION,
    }
)
"""Faults that stand in the place of an answer."""

_ON_THE_WAY = frozenset({Fault.SLOW_BODY, Fault.DROPPED_BODY, Fault.GZIP, Fault.GZIP_CUT})
JSON = "application/json"


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """One answer.

    `pause_seconds` lie in the middle of the body. With `dropped_after` the connection is lost after
    that fraction of the body; with 0 before anything is sent.
    """

    status: int
    headers: dict[str, str] = field(default_factory=dict)
    body: bytes = b""
    pause_seconds: float = 0.0
    dropped_after: float | None = None

    async def __call__(self, _scope: Scope, receive: Receive, send: Send) -> None:
        """Send the answer, as far as it gets."""
        if self.dropped_after == 0:
            _transport(receive).abort()
            return
        headers = [(name.encode(), value.encode("latin-1")) for name, value in self.headers.items()]
        await send({"type": "http.response.start", "status": self.status, "headers": headers})
        middle = len(self.body) // 2
        end = int(len(self.body) * self.dropped_after) if self.dropped_after else len(self.body)
        for start in range(0, end, _PIECE):
            piece = self.body[start : min(start + _PIECE, end)]
            if self.pause_seconds and start <= middle < start + _PIECE:
                cut = middle - start
                await _send_more(send, piece[:cut])
                await asyncio.sleep(self.pause_seconds)
                piece = piece[cut:]
            await _send_more(send, piece)
        if self.dropped_after is not None:
            _transport(receive).close()
            return
        await send({"type": "http.response.body", "body": b"", "more_body": False})


async def _send_more(send: Send, piece: bytes) -> None:
    await send({"type": "http.response.body", "body": piece, "more_body": True})


def _transport(receive: Receive) -> asyncio.Transport:
    """The connection. ASGI has no word for dropping it, so uvicorn's own transport is used."""
    cycle = getattr(receive, "__self__", None)
    transport: asyncio.Transport | None = getattr(cycle, "transport", None)
    if transport is None:
        raise RuntimeError("a connection can be dropped only when uvicorn serves the sandbox")
    return transport


def data_answer(data: object) -> Answer:
    """200 with the envelope of the JSON routes."""
    return _json(200, f'{{"data":{json.dumps(data, ensure_ascii=False)},{_meta()}}}')


def raw_data_answer(data: str) -> Answer:
    """As `data_answer`, for data that is JSON text already."""
    return _json(200, f'{{"data":{data},{_meta()}}}')


def problem_answer(problem: Problem) -> Answer:
    """The error envelope."""
    error = json.dumps({"code": problem.code, "message": problem.message})
    answer = _json(problem.status, f'{{"error":{error},{_meta()}}}')
    return replace(answer, headers={**answer.headers, **problem.headers})


def control_answer(status: int, content: object) -> Answer:
    """JSON without an envelope, for the control routes."""
    return _json(status, json.dumps(content, ensure_ascii=False, default=str))


def _json(status: int, text: str) -> Answer:
    return Answer(status=status, headers={"content-type": JSON}, body=text.encode())


def _meta() -> str:
    return f'"meta":{{"requestId":"{uuid4()}"}}'


def answer_instead(planned: PlannedFault) -> Answer:
    """The answer that a fault of `INSTEAD` gives."""
    match planned.fault:
        case Fault.RATE_LIMITED:
            return problem_answer(problems.rate_limited(math.ceil(planned.seconds)))
        case Fault.BAD_GATEWAY:
            page = b"<html><head><title>502 Bad Gateway</title></head><body></body></html>\r\n"
            return Answer(status=502, headers={"content-type": "text/html"}, body=page)
        case Fault.GATEWAY_TIMEOUT:
            return Answer(status=504)
        case Fault.REDIRECT:
            return Answer(status=307, headers={"location": planned.location})
        case Fault.DROPPED_CONNECTION:
            return Answer(status=0, dropped_after=0)
        case fault:
            return problem_answer(_PROBLEMS[fault])


def faults_on_the_way(answer: Answer) -> frozenset[Fault]:
    """The faults that can befall this answer while it is sent: none without a body."""
    if not answer.body:
        return frozenset()
    is_json = answer.headers.get("content-type") == JSON
    return _ON_THE_WAY | {Fault.CUT_JSON} if is_json else _ON_THE_WAY


def spoil_on_the_way(answer: Answer, planned: PlannedFault) -> Answer:
    """The answer with a fault of `faults_on_the_way`."""
    match planned.fault:
        case Fault.CUT_JSON:
            return replace(answer, body=answer.body[: len(answer.body) // 2])
        case Fault.SLOW_BODY:
            return replace(answer, pause_seconds=planned.seconds)
        case Fault.DROPPED_BODY:
            return replace(answer, dropped_after=0.6)
        case Fault.GZIP:
            return compressed(answer)
        case _:
            whole = compressed(answer)
            return replace(whole, body=whole.body[: len(whole.body) // 2])


def compressed(answer: Answer) -> Answer:
    """The answer with its body compressed by gzip."""
    if "content-encoding" in answer.headers:
        return answer
    return replace(
        answer,
        body=gzip.compress(answer.body, compresslevel=1, mtime=0),
        headers={**answer.headers, "content-encoding": "gzip"},
    )
