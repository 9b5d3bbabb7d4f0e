"""Commands run in this process, in an empty folder, with no settings but those given."""

import os
from collections.abc import Callable, Iterator
from pathlib import Path
from unittest import mock

import pytest
from typer.testing import CliRunner, Result

from soundlink_assets.cli import app
from soundlink_assets.sandbox import RunningSandbox, SandboxConfig, serving
from soundlink_assets_tests.cli.commands import environment

Command = Callable[..., Result]


@pytest.fixture
def sandbox() -> Iterator[RunningSandbox]:
    with serving(SandboxConfig(campaign_count=2)) as running:
        yield running


@pytest.fixture
def command(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Command:
    """Runs `soundlink-assets ARGUMENTS` with `settings` and what is `typed`.

    Waits and retries are short.
    """
    monkeypatch.chdir(tmp_path)

    def run(*arguments: str, typed: str | None = None, **settings: object) -> Result:
        quick = {
            "SOUNDLINK_BUDGET_DIR": str(tmp_path / "budget"),
            "SOUNDLINK_MAX_ATTEMPTS": "1",
            "SOUNDLINK_REQUESTS_PER_MINUTE": "100000",
            "SOUNDLINK_REQUESTS_PER_HOUR": "1000000",
        }
        given = {name: str(value) for name, value in settings.items()}
        with mock.patch.dict(os.environ, environment(quick | given), clear=True):
            return CliRunner().invoke(app, arguments, input=typed)

    return run


@pytest.fixture
def on_sandbox(sandbox: RunningSandbox) -> dict[str, str]:
    """The settings that point at the sandbox."""
    return {"SOUNDLINK_BASE_URL": sandbox.base_url, "SOUNDLINK_API_KEY": sandbox.api_key}
