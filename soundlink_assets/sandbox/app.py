"""The HTTP side of the sandbox: how every request is answered, logged and, if asked, spoiled."""

import asyncio
import time
from collections.abc import Awaitable, Callable

from starlette.applications import Starlette
from starlette.requests import Request
from starlette.routing import Route

from soundlink_assets.sandbox import problems
from soundlink_assets.sandbox.answers import (
    INSTEAD,
    Answer,
    answer_instead,
    compressed,
    faults_on_the_way,
    problem_answer,
    spoil_on_the_way,
)
from soundlink_assets.sandbox.calls import Call
from soundlink_assets.sandbox.control import control_routes
from soundlink_assets.sandbox.faults import Fault
from soundlink_assets.sandbox.keys import Access
from soundlink_assets.sandbox.problems import RefusedError
from soundlink_assets.sandbox.requests_log import ServedRequest
from soundlink_assets.sandbox.routes import READ_ROUTES, Handler
from soundlink_assets.sandbox.state import Sandbox

_WORTH_COMPRESSING = 500
_ANY_METHOD = ("GET", "POST", "PUT", "PATCH", "DELETE", "OPTIONS")

Endpoint = Callable[[Request], Awaitable[Answer]]


def create_app(sandbox: Sandbox) -> Starlette:
    """The sandbox as an ASGI application: the read routes, and `/sandbox` to control it."""
    return Starlette(
        routes=[
            *control_routes(sandbox),
            *(
                Route(path, _serving(sandbox, handler), methods=["GET"])
                for path, handler in READ_ROUTES
            ),
            Route("/{path:path}", _serving(sandbox, _unknown_route), methods=_ANY_METHOD),
        ]
    )


def _unknown_route(_call: Call, _access: Access) -> Answer:
    raise RefusedError(problems.NOT_FOUND)


def _serving(sandbox: Sandbox, handler: Handler) -> Endpoint:
    """An endpoint that answers with `handler`, after faults, authentication and limits.

    All of it is decided and logged when the request arrives. A request that pauses longer than its
    client waits would otherwise meet a fault that was planned for a later one.
    """

    async def endpoint(request: Request) -> Answer:
        call = Call(sandbox, request, sandbox.now())
        moment = time.monotonic()
        delay = call.take(lambda planned: planned.fault is Fault.LATENCY)
        answer = _answer(call, handler, moment)
        sandbox.record(_served(call, answer, moment))
        if delay is not None:
            await asyncio.sleep(delay.seconds)
        return answer

    return endpoint


def _answer(call: Call, handler: Handler, moment: float) -> Answer:
    instead = call.take(lambda planned: planned.fault in INSTEAD)
    if instead is not None:
        return answer_instead(instead)
    try:
        answer = handler(call, call.access(moment))
    except RefusedError as error:
        return problem_answer(error.problem)
    on_the_way = faults_on_the_way(answer)
    spoiled = call.take(lambda planned: planned.fault in on_the_way)
    if spoiled is not None:
        answer = spoil_on_the_way(answer, spoiled)
    accepted = call.request.headers.get("accept-encoding", "")
    if "gzip" in accepted and len(answer.body) >= _WORTH_COMPRESSING:
        answer = compressed(answer)
    return answer


def _served(call: Call, answer: Answer, moment: float) -> ServedRequest:
    headers = call.request.headers
    key = headers.get("x-api-key") or headers.get("authorization") or ""
    return ServedRequest(
        method=call.request.method,
        path=call.request.url.path,
        query=dict(call.request.query_params),
        status=answer.status,
        key_tail=key[-4:],
        at=call.now,
        moment=moment,
        faults=tuple(call.met),
    )
