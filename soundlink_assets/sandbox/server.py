"""The sandbox over HTTP on this machine: in the background for tests and the demo, or in front."""

import asyncio
import errno
import socket
import threading
import time
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager, suppress
from datetime import datetime, timedelta
from typing import Any

import uvicorn
from pydantic import ValidationError
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.routing import Route

from soundlink_assets.sandbox.access import Key, RefusedError
from soundlink_assets.sandbox.config import SandboxConfig
from soundlink_assets.sandbox.faults import Stage, known_faults
from soundlink_assets.sandbox.responses import Response, control_response, problem_response
from soundlink_assets.sandbox.routes import Call, ReadRoute, read_routes
from soundlink_assets.sandbox.sandbox import Sandbox, ServedRequest

HOST = "127.0.0.1"
"""The sandbox is for this machine alone."""

_BACKLOG = 128
_WORTH_COMPRESSING = 500
_ANY_METHOD = ("GET", "POST", "PUT", "PATCH", "DELETE", "OPTIONS")


class PortTakenError(Exception):
    """Another program listens on the port that was asked for."""


class RunningSandbox(Sandbox):
    """A sandbox that is being served at `base_url`."""

    def __init__(self, config: SandboxConfig | None, now: datetime | None, port: int) -> None:
        super().__init__(config, now)
        self.base_url = f"http://{HOST}:{port}"


@contextmanager
def serving(
    config: SandboxConfig | None = None, *, now: datetime | None = None, port: int = 0
) -> Iterator[RunningSandbox]:
    """Serve a sandbox in a background thread while the block runs; port 0 is any free one.

    With `now` its clock stays at that time until it is set. Raises PortTakenError.
    """
    with _listening(port) as listener:
        sandbox = RunningSandbox(config, now, listener.getsockname()[1])
        server = _server(sandbox)
        thread = threading.Thread(
            target=server.run, args=([listener],), name="soundlink sandbox", daemon=True
        )
        thread.start()
        try:
            yield sandbox
        finally:
            server.should_exit = True
            thread.join()


def serve(port: int = 8765, config: SandboxConfig | None = None) -> None:
    """Serve a sandbox in the foreground until interrupted. Raises PortTakenError."""
    with _listening(port) as listener:
        sandbox = RunningSandbox(config, None, listener.getsockname()[1])
        print(banner(sandbox), flush=True)  # noqa: T201 - what the user copies from
        with suppress(KeyboardInterrupt):
            _server(sandbox).run([listener])


def banner(sandbox: RunningSandbox) -> str:
    """What the terminal shows: that nothing here is real, and the lines to copy."""
    world = sandbox.world
    return "\n".join(
        (
            "=" * 72,
            "  SOUNDLINK SANDBOX - synthetic data, nothing here is real",
            f"  {len(world.campaigns)} invented campaigns, laid out around {world.anchor}",
            "=" * 72,
            "",
            f"export SOUNDLINK_BASE_URL={sandbox.base_url}",
            f"export SOUNDLINK_API_KEY={sandbox.api_key}",
            "",
            f"Rehearse an outage: POST {sandbox.base_url}/sandbox/faults (see docs/sandbox.md)",
            "Stop with Ctrl+C.",
        )
    )


def create_app(sandbox: Sandbox) -> Starlette:
    """The sandbox as an ASGI application: the read routes, and `/sandbox` to control it."""
    unknown = ReadRoute("/{path:path}", "", _unknown_route)
    return Starlette(
        routes=[
            *(
                Route(path, _controlling(sandbox, control), methods=[method])
                for (method, path), control in _CONTROLS.items()
            ),
            *(
                Route(read.path, _serving(sandbox, read), methods=["GET"])
                for read in read_routes(sandbox.config)
            ),
            Route(unknown.path, _serving(sandbox, unknown), methods=_ANY_METHOD),
        ]
    )


def _unknown_route(_call: Call) -> Response:
    raise RefusedError(404, "not_found", "Not found.")


def _serving(sandbox: Sandbox, route: ReadRoute) -> Callable[[Request], Awaitable[Response]]:
    """An endpoint that serves the route, after faults, authentication and limits.

    All of it is decided and logged when the request arrives. A request that pauses longer than its
    client waits would otherwise meet a fault that was planned for a later one.
    """

    async def endpoint(request: Request) -> Response:
        call = Call(sandbox, request, sandbox.now())
        moment = time.monotonic()
        delay = call.take(Stage.DELAY, lambda planned: planned)
        response = _respond(call, route, moment)
        sandbox.record(_served(call, response, moment))
        if delay is not None:
            await asyncio.sleep(delay.seconds)
        return response

    return endpoint


def _respond(call: Call, route: ReadRoute, moment: float) -> Response:
    instead = call.take(Stage.INSTEAD, lambda planned: planned.fault.instead(planned, call.now))
    if instead is not None:
        return instead
    try:
        call.admit(route.permission, moment)
        response = route.handler(call)
    except RefusedError as error:
        return problem_response(error.status, error.code, error.message, error.headers).dated(
            call.now
        )
    response = response.dated(call.now)
    sent = call.take(Stage.SENDING, lambda planned: planned.fault.sent(response, planned))
    response = sent or response
    accepted = call.request.headers.get("accept-encoding", "")
    if "gzip" in accepted and len(response.body) >= _WORTH_COMPRESSING:
        response = response.compressed()
    return response


def _served(call: Call, response: Response, moment: float) -> ServedRequest:
    headers = call.request.headers
    key = headers.get("x-api-key") or headers.get("authorization") or ""
    return ServedRequest(
        method=call.request.method,
        path=call.request.url.path,
        query=dict(call.query),
        status=response.status,
        key_tail=key[-4:],
        at=call.now,
        moment=moment,
        faults=tuple(call.met),
    )


def _listening(port: int) -> socket.socket:
    listener = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        listener.bind((HOST, port))
    except OSError as error:
        listener.close()
        if error.errno == errno.EADDRINUSE:
            raise PortTakenError(
                f"Port {port} is taken by another program; choose another with --port."
            ) from None
        raise
    listener.listen(_BACKLOG)
    return listener


def _server(sandbox: Sandbox) -> uvicorn.Server:
    return uvicorn.Server(
        uvicorn.Config(
            create_app(sandbox),
            log_level="critical",
            access_log=False,
            date_header=False,  # the sandbox's clock tells the time, not the machine's
            server_header=False,
            lifespan="off",
            timeout_graceful_shutdown=1,
            ws="none",
        )
    )


def _show(sandbox: Sandbox, _given: Any) -> dict[str, Any]:
    now = sandbox.now()
    return {
        "synthetic": True,
        "now": now.isoformat(),
        "exportedAt": sandbox.world.exported_at(now).isoformat(),
        "anchor": sandbox.world.anchor,
        "keys": {key.name.lower(): key.value for key in Key},
        "campaigns": [
            {
                "campaignId": campaign.campaign_id,
                "name": campaign.name,
                "targetType": campaign.target_type,
                "firstDay": campaign.first_day,
                "lastDay": campaign.last_day,
            }
            for campaign in sandbox.world.campaigns_at(now)
        ],
        "soundlinks": [
            {"soundlinkId": link.id, "name": link.name, "targetType": link.target_type}
            for link in sandbox.world.links_at("soundlink", now)
        ],
    }


def _set_clock(sandbox: Sandbox, given: dict[str, Any]) -> dict[str, Any]:
    if "now" in given:
        now = datetime.fromisoformat(str(given["now"]))
        sandbox.set_clock(now, ticking=bool(given.get("ticking", False)))
    elif "advance_hours" in given:
        sandbox.clock.advance(timedelta(hours=float(given["advance_hours"])))
    else:
        raise ValueError('give "now" (a time with its zone) or "advance_hours"')
    return {"now": sandbox.now().isoformat()}


def _list_faults(sandbox: Sandbox, _given: Any) -> dict[str, Any]:
    faults = known_faults(sandbox.config.exports)
    return _pending(sandbox) | {"known": {name: fault.meaning for name, fault in faults.items()}}


def _plan_fault(sandbox: Sandbox, given: dict[str, Any]) -> dict[str, Any]:
    if not {"path", "fault"} <= given.keys() or not isinstance(given["fault"], str):
        raise ValueError('give "path" (a pattern) and "fault" (a name)')
    sandbox.fail(**given)
    return _pending(sandbox)


def _clear_faults(sandbox: Sandbox, _given: Any) -> dict[str, Any]:
    sandbox.clear()
    return _pending(sandbox)


def _pending(sandbox: Sandbox) -> dict[str, Any]:
    return {
        "pending": [
            {"fault": str(planned.fault)}
            | planned.model_dump(exclude_defaults=True, exclude={"fault"})
            for planned in sandbox.faults.pending()
        ]
    }


def _list_requests(sandbox: Sandbox, _given: Any) -> dict[str, Any]:
    return {
        "requests": [
            {
                "method": served.method,
                "path": served.path,
                "query": served.query,
                "status": served.status,
                "keyTail": served.key_tail,
                "at": served.at.isoformat(),
                "faults": served.faults,
            }
            for served in sandbox.requests
        ]
    }


def _forget_requests(sandbox: Sandbox, given: Any) -> dict[str, Any]:
    sandbox.forget_requests()
    return _list_requests(sandbox, given)


_CONTROLS: dict[tuple[str, str], Callable[[Sandbox, Any], dict[str, Any]]] = {
    ("GET", "/sandbox"): _show,
    ("POST", "/sandbox/clock"): _set_clock,
    ("GET", "/sandbox/faults"): _list_faults,
    ("POST", "/sandbox/faults"): _plan_fault,
    ("DELETE", "/sandbox/faults"): _clear_faults,
    ("GET", "/sandbox/requests"): _list_requests,
    ("DELETE", "/sandbox/requests"): _forget_requests,
}


def _controlling(
    sandbox: Sandbox, control: Callable[[Sandbox, Any], dict[str, Any]]
) -> Callable[[Request], Awaitable[Response]]:
    """An endpoint for a control route; what it cannot understand is 400 with the reason."""

    async def endpoint(request: Request) -> Response:
        try:
            given = await request.json() if request.method == "POST" else {}
            if isinstance(given, dict):
                status = 201 if control is _plan_fault else 200
                return control_response(status, control(sandbox, given))
            reason = "send a JSON object"
        except ValidationError as error:
            problems = error.errors(include_url=False)
            reason = "; ".join(
                f"{'.'.join(map(str, each['loc']))}: {each['msg']}" for each in problems
            )
        except (ValueError, TypeError) as error:
            reason = str(error)
        return control_response(400, {"error": reason})

    return endpoint
