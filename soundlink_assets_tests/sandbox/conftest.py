"""A world to look at, and a sandbox to talk to."""

from collections.abc import Iterator
from datetime import UTC, date, datetime
from typing import Any
from uuid import UUID

import httpx
import pytest

from soundlink_assets.sandbox import RunningSandbox, SandboxConfig, World, serving
from soundlink_assets.schema import (
    CAMPAIGN_EXPORTS,
    SOUNDLINK_COUNTRY_DAILY,
    SOUNDLINK_ENGAGEMENT_DAILY,
)
from soundlink_assets.schema.window import Window

ALL_EXPORTS = (*CAMPAIGN_EXPORTS, SOUNDLINK_COUNTRY_DAILY, SOUNDLINK_ENGAGEMENT_DAILY)
CONFIG = SandboxConfig(anchor=date(2026, 4, 1), soundlink_count=5, exports=ALL_EXPORTS)
ANCHOR = date(2026, 4, 1)
NOW = datetime(2026, 4, 20, 12, tzinfo=UTC)
LAST_90_DAYS = Window(date(2026, 1, 20), date(2026, 4, 19))


@pytest.fixture(scope="session")
def world() -> World:
    return World(CONFIG, ANCHOR)


@pytest.fixture(scope="package")
def served() -> Iterator[RunningSandbox]:
    with serving(CONFIG, now=NOW) as sandbox:
        yield sandbox


@pytest.fixture
def sandbox(served: RunningSandbox) -> Iterator[RunningSandbox]:
    """The one sandbox of these tests, as new: no faults, an empty log, the usual time."""
    served.clear()
    served.forget_requests()
    served.set_clock(NOW)
    yield served
    served.clear()


@pytest.fixture
def http(sandbox: RunningSandbox) -> Iterator[httpx.Client]:
    """A client with the full key that does not ask for compression."""
    headers = {"x-api-key": sandbox.api_key, "accept-encoding": "identity"}
    with httpx.Client(base_url=sandbox.base_url, headers=headers, timeout=10) as client:
        yield client


def error_of(response: httpx.Response) -> tuple[int, str]:
    """Status and code, after checking the envelope."""
    assert response.headers["content-type"] == "application/json"
    envelope = response.json()
    assert set(envelope) == {"error", "meta"}
    assert envelope["error"]["message"]
    UUID(envelope["meta"]["requestId"])
    return response.status_code, envelope["error"]["code"]


def data_of(response: httpx.Response) -> Any:
    """The data of a good response, after checking the envelope."""
    assert response.status_code == 200, response.text
    assert response.headers["content-type"] == "application/json"
    envelope = response.json()
    assert set(envelope) == {"data", "meta"}
    UUID(envelope["meta"]["requestId"])
    return envelope["data"]
