"""`soundlink-assets sandbox`: serve a synthetic Soundlink API."""

from typing import Annotated

import typer

from soundlink_assets.cli.app import UserError, app


@app.command()
def sandbox(
    port: Annotated[int, typer.Option(min=0, max=65535, help="Port on 127.0.0.1.")] = 8765,
) -> None:
    """Serve a synthetic Soundlink API on loopback, to try things and to rehearse outages."""
    from soundlink_assets.sandbox import PortTakenError, serve

    try:
        serve(port=port)
    except PortTakenError as error:
        raise UserError(str(error)) from None
