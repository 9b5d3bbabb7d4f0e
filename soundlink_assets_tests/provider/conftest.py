"""Clients on loopback whose waits are recorded instead of slept."""

import threading
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from soundlink_assets.provider import RequestBudget, SoundlinkClient, SqliteStore, provider_limits
from soundlink_assets.provider.retries import check_stop
from soundlink_assets.sandbox import RunningSandbox, serving
from soundlink_assets_tests.provider.fake_time import Time

KEY = "sk_test_0123456789abcdef"


MakeClient = Callable[..., SoundlinkClient]


@dataclass
class Waits:
    """How long the client would have slept between attempts, and how long for the budget."""

    time: Time = field(default_factory=Time)
    between_attempts: list[float] = field(default_factory=list)

    def wait(self, seconds: float, stop: threading.Event) -> None:
        check_stop(stop)
        self.between_attempts.append(seconds)
        self.time.now += seconds

    @property
    def for_the_budget(self) -> list[float]:
        return self.time.waits


@pytest.fixture
def waits() -> Waits:
    return Waits()


@pytest.fixture
def budget(tmp_path: Path, waits: Waits) -> RequestBudget:
    """A budget that lives in the same time as the waits between attempts."""
    return RequestBudget(
        SqliteStore(tmp_path / "budget.sqlite", waits.time),
        provider_limits(10_000, 10_000),
        wait=waits.time.wait,
    )


@pytest.fixture
def make_client(tmp_path: Path, waits: Waits, budget: RequestBudget) -> Iterator[MakeClient]:
    """Makes clients that are closed at the end; what is not given is harmless."""
    with ExitStack() as stack:

        def make(base_url: str, **given: Any) -> SoundlinkClient:
            arguments: dict[str, Any] = {
                "api_key": KEY,
                "budget": budget,
                "quarantine_dir": tmp_path / "quarantine",
                "timeout_seconds": 10.0,
                "wait": waits.wait,
                **given,
            }
            key = arguments.pop("api_key")
            return stack.enter_context(SoundlinkClient(key, base_url=base_url, **arguments))

        yield make


@pytest.fixture(scope="module")
def shared_sandbox() -> Iterator[RunningSandbox]:
    with serving() as running:
        yield running


@pytest.fixture
def sandbox(shared_sandbox: RunningSandbox) -> Iterator[RunningSandbox]:
    """A sandbox without faults or remembered requests."""
    shared_sandbox.clear()
    shared_sandbox.forget_requests()
    yield shared_sandbox
    shared_sandbox.clear()
