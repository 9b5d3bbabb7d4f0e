"""The sandbox over HTTP on this machine: in the background for tests and the demo, or in front."""

import errno
import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from datetime import datetime

import uvicorn

from soundlink_assets.sandbox.app import create_app
from soundlink_assets.sandbox.config import SandboxConfig
from soundlink_assets.sandbox.state import Sandbox

HOST = "127.0.0.1"
"""The sandbox is for this machine alone."""

_BACKLOG = 128


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

    With `now` its clock stands at that time until it is set. Raises PortTakenError.
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
            lifespan="off",
            timeout_graceful_shutdown=1,
            ws="none",
        )
    )
