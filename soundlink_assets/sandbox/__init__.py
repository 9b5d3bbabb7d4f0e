"""A synthetic Soundlink API to run against, for the demo, the tests and rehearsed outages.

Here: a world of invented campaigns and soundlinks (`world`), whose rows are generated from the
columns and rules of the exports (`rows`, `figures`); the provider's read routes for it (`routes`),
its clock, limits and keys; and faults on request (`faults`). Not here: anything that
knows Dagster or DuckDB, or how a client should react.

In a test or a program::

    with serving() as sandbox:
        settings = load_settings(api_key=sandbox.api_key, base_url=sandbox.base_url)
        client = SoundlinkClient.from_settings(settings, utc_now)
        sandbox.fail("*/breakdown/export", "bad_gateway", count=2)
        sandbox.set_clock(datetime(2026, 4, 9, 3, tzinfo=UTC))
        truth = sandbox.world.rows("campaign_country_daily", campaign_id, window, sandbox.now())

Over HTTP, without a key: `POST /sandbox/faults` with `{"path": "*/export", "fault": "bad_gateway",
"count": 2}`, `DELETE /sandbox/faults`, `POST /sandbox/clock` with `{"advance_hours": 24}`,
`GET /sandbox/requests`. `docs/sandbox.md` explains every fault.
"""

from soundlink_assets.sandbox.access import Key
from soundlink_assets.sandbox.completeness import Completeness
from soundlink_assets.sandbox.config import PROVIDER_LIMITS, Limit, SandboxConfig
from soundlink_assets.sandbox.faults import Fault
from soundlink_assets.sandbox.responses import Timing
from soundlink_assets.sandbox.sandbox import Sandbox
from soundlink_assets.sandbox.server import PortTakenError, RunningSandbox, serve, serving
from soundlink_assets.sandbox.world import World

__all__ = [
    "PROVIDER_LIMITS",
    "Completeness",
    "Fault",
    "Key",
    "Limit",
    "PortTakenError",
    "RunningSandbox",
    "Sandbox",
    "SandboxConfig",
    "Timing",
    "World",
    "serve",
    "serving",
]
