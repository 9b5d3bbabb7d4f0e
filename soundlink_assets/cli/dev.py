"""`soundlink-assets dev`: the Dagster UI and daemon, with a history that lasts."""

import os
import socket
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated

import typer

from soundlink_assets.cli.app import UserError, app
from soundlink_assets.cli.demo import DEMO_FOLDER


@app.command()
def dev(
    *,
    sandbox: Annotated[
        bool, typer.Option("--sandbox", help="Run against a sandbox with synthetic data.")
    ] = False,
    port: Annotated[int, typer.Option(min=1, max=65535, help="Port of the UI.")] = 3000,
) -> None:
    """Serve the Dagster UI on 127.0.0.1 and run schedules and sensors, until interrupted.

    Dagster's history lasts in `DAGSTER_HOME` (default `data/dagster_home`, with `--sandbox`
    `data/sandbox/dagster_home`). One at a time may work there.
    """
    from soundlink_assets.cli.home import default_home, prepare_home
    from soundlink_assets.cli.servers import LOOPBACK, serve_until_stopped, sole_servers

    if _is_taken(port):
        raise UserError(f"Port {port} of {LOOPBACK} is taken; choose another with --port.")
    environment = dict(os.environ)
    home = DEMO_FOLDER / "dagster_home" if sandbox else default_home()
    # Away from a `.env` file with a real key and warehouse, which Dagster would prefer.
    folder = (DEMO_FOLDER if sandbox else Path()).absolute()
    if not sandbox:
        _check_settings()
    home = prepare_home(home)
    environment["DAGSTER_HOME"] = str(home)
    with ExitStack() as stack:
        lock = stack.enter_context(sole_servers(home))
        if sandbox:
            environment |= stack.enter_context(_sandbox_environment())
        typer.echo("Starting the Dagster UI and daemon ...")

        def say_where() -> None:
            typer.echo(f"Dagster UI: http://{LOOPBACK}:{port}   (stop with Ctrl-C)")

        raise typer.Exit(serve_until_stopped(port, environment, folder, say_where, lock))


def _check_settings() -> None:
    """SettingsError if a setting is wrong; a missing key is only remarked on, the UI works.

    UserError if `.env` and the environment disagree, because Dagster would take the other one.
    """
    from soundlink_assets.cli.environment import differing, read_settings
    from soundlink_assets.settings import SettingsError

    settings = read_settings()
    if names := differing(Path(".env"), os.environ):
        raise UserError(
            f"{', '.join(names)}: .env and the environment differ, and Dagster takes what is in "
            ".env. Unset it in one of them."
        )
    try:
        settings.require_api_key()
    except SettingsError as error:
        typer.secho(f"{error}\nUntil then no run can fetch.", fg=typer.colors.YELLOW, err=True)


@contextmanager
def _sandbox_environment() -> Iterator[dict[str, str]]:
    from soundlink_assets.cli.sandboxed import environment_of, lasting_world, sandbox_settings
    from soundlink_assets.sandbox import serving

    with serving(lasting_world(DEMO_FOLDER, datetime.now(UTC).date())) as api:
        folder = DEMO_FOLDER.absolute()
        yield environment_of(sandbox_settings(api.base_url, api.api_key, folder))


def _is_taken(port: int) -> bool:
    from soundlink_assets.cli.servers import LOOPBACK

    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((LOOPBACK, port))
        except OSError:
            return True
    return False
