"""The routes that control the sandbox itself, under `/sandbox`; they need no key.

They are not part of the provider's API. `docs/sandbox.md` shows how they are used.
"""

from collections.abc import Awaitable, Callable
from datetime import datetime, timedelta
from typing import Any

from pydantic import ValidationError
from starlette.requests import Request
from starlette.routing import Route

from soundlink_assets.sandbox.access import Key
from soundlink_assets.sandbox.ready_made import known_faults
from soundlink_assets.sandbox.responses import Response, control_response
from soundlink_assets.sandbox.sandbox import Sandbox

_Control = Callable[[Sandbox, Request], Awaitable[Response]]


async def _show(sandbox: Sandbox, _request: Request) -> Response:
    now = sandbox.now()
    return control_response(
        200,
        {
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
        },
    )


async def _set_clock(sandbox: Sandbox, request: Request) -> Response:
    given = await _json_object(request)
    ticking = bool(given.get("ticking", False))
    if "now" in given:
        sandbox.set_clock(datetime.fromisoformat(str(given["now"])), ticking=ticking)
    elif "advance_hours" in given:
        sandbox.clock.advance(timedelta(hours=float(given["advance_hours"])))
    else:
        raise ValueError('give "now" (a time with its zone) or "advance_hours"')
    return control_response(200, {"now": sandbox.now().isoformat()})


async def _list_faults(sandbox: Sandbox, _request: Request) -> Response:
    faults = known_faults(sandbox.config.exports)
    known = {name: fault.meaning for name, fault in faults.items()}
    return control_response(200, {"pending": _pending(sandbox), "known": known})


async def _plan_fault(sandbox: Sandbox, request: Request) -> Response:
    given = await _json_object(request)
    if not {"path", "fault"} <= given.keys() or not isinstance(given["fault"], str):
        raise ValueError('give "path" (a pattern) and "fault" (a name)')
    sandbox.fail(**given)
    return control_response(201, {"pending": _pending(sandbox)})


def _pending(sandbox: Sandbox) -> list[dict[str, Any]]:
    return [
        {
            "fault": planned.fault.name,
            **planned.model_dump(exclude_defaults=True, exclude={"fault"}),
        }
        for planned in sandbox.faults.pending()
    ]


async def _clear_faults(sandbox: Sandbox, _request: Request) -> Response:
    sandbox.clear()
    return control_response(200, {"pending": []})


async def _list_requests(sandbox: Sandbox, _request: Request) -> Response:
    served = [
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
    return control_response(200, {"requests": served})


async def _forget_requests(sandbox: Sandbox, _request: Request) -> Response:
    sandbox.forget_requests()
    return control_response(200, {"requests": []})


async def _json_object(request: Request) -> dict[str, Any]:
    given = await request.json()
    if not isinstance(given, dict):
        raise TypeError("send a JSON object")
    return given


_CONTROLS: tuple[tuple[str, str, _Control], ...] = (
    ("GET", "/sandbox", _show),
    ("POST", "/sandbox/clock", _set_clock),
    ("GET", "/sandbox/faults", _list_faults),
    ("POST", "/sandbox/faults", _plan_fault),
    ("DELETE", "/sandbox/faults", _clear_faults),
    ("GET", "/sandbox/requests", _list_requests),
    ("DELETE", "/sandbox/requests", _forget_requests),
)


def control_routes(sandbox: Sandbox) -> list[Route]:
    """The control routes; what they cannot understand is answered 400 with the reason."""
    return [
        Route(path, _controlling(sandbox, control), methods=[method])
        for method, path, control in _CONTROLS
    ]


def _controlling(sandbox: Sandbox, control: _Control) -> Callable[[Request], Awaitable[Response]]:
    async def endpoint(request: Request) -> Response:
        try:
            return await control(sandbox, request)
        except ValidationError as error:
            return control_response(400, {"error": _explained(error)})
        except (ValueError, TypeError) as error:
            return control_response(400, {"error": str(error)})

    return endpoint


def _explained(error: ValidationError) -> str:
    return "; ".join(
        f"{'.'.join(str(part) for part in problem['loc'])}: {problem['msg']}"
        for problem in error.errors(include_url=False)
    )
