"""`soundlink-assets explore`: the live page, served to the browser of this machine."""

import os
from contextlib import suppress
from typing import Annotated

import typer

from soundlink_assets.cli.app import UserError, app, read_settings
from soundlink_assets.cli.sandbox import SANDBOX_FOLDER

LOOPBACK = "127.0.0.1"


@app.command()
def explore(
    *,
    sandbox: Annotated[
        bool, typer.Option("--sandbox", help="Show what `demo` or `dev --sandbox` loaded.")
    ] = False,
    port: Annotated[
        int, typer.Option(min=0, max=65535, help=f"Port on {LOOPBACK}; 0 takes a free one.")
    ] = 2718,
    browser: Annotated[bool, typer.Option(help="Open the page in the browser.")] = True,
) -> None:
    """Look at the figures in the browser: filter them, download tables as CSV, take their SQL.

    Shows what the warehouse holds; sends no request and needs no key. Ends with Ctrl-C.
    """
    import secrets
    import socket
    import webbrowser
    from importlib.resources import files

    import marimo
    import uvicorn

    import soundlink_assets
    from soundlink_assets.cli.report import nothing_in
    from soundlink_assets.explore.tables import CHOICES
    from soundlink_assets.schema.analytics import COUNTRY_EFFICIENCY
    from soundlink_assets.warehouse import open_warehouse

    if sandbox:
        os.environ["SOUNDLINK_WAREHOUSE"] = str(SANDBOX_FOLDER / "warehouse.duckdb")
    warehouse = read_settings().warehouse
    tables = soundlink_assets.open(warehouse)
    if (
        COUNTRY_EFFICIENCY.qualified_name not in tables.names()
        or tables.sql(CHOICES.sql).is_empty()
    ):
        raise UserError(*nothing_in(open_warehouse(warehouse).name))
    # Other pages of the browser can reach the port too; they do not know the token.
    token = secrets.token_urlsafe()
    page = str(files("soundlink_assets.explore") / "page.py")
    served = marimo.create_asgi_app(quiet=True, token=token).with_app(path="/", root=page).build()
    server = uvicorn.Server(
        uvicorn.Config(served, log_level="error", lifespan="off", timeout_graceful_shutdown=1)
    )
    with socket.socket() as listener:
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            listener.bind((LOOPBACK, port))
        except OSError:
            raise UserError(
                f"Port {port} of {LOOPBACK} is taken.", "Choose another with --port."
            ) from None
        listener.listen()
        address = f"http://{LOOPBACK}:{listener.getsockname()[1]}/?access_token={token}"
        typer.echo(f"The page: {address}   (stop with Ctrl-C)")
        if browser:
            webbrowser.open(address)
        with suppress(KeyboardInterrupt):
            server.run(sockets=[listener])
    os._exit(0)  # the page's sessions are threads that only read, and would not end by themselves
