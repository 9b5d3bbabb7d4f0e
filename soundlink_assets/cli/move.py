"""`soundlink-assets move`: copy the warehouse to another kind of warehouse, or another place."""

from typing import Annotated

import typer

from soundlink_assets.cli.app import UserError, app, read_settings


@app.command()
def move(
    target: Annotated[
        str, typer.Argument(help="A new DuckDB file, or ducklake:postgres: and libpq's words.")
    ],
) -> None:
    """Copy every table and all history from SOUNDLINK_WAREHOUSE to a new warehouse.

    All is copied in one transaction, or nothing; runs wait for a file that is copied, so end the
    automation before. The old warehouse stays as it is. A new lake needs SOUNDLINK_LAKE_DATA.

    Example: `soundlink-assets move "ducklake:postgres:host=db dbname=soundlink user=soundlink"`
    """
    from soundlink_assets.warehouse import open_warehouse
    from soundlink_assets.warehouse.copying import copy_warehouse

    settings = read_settings()
    old = open_warehouse(settings.warehouse, lake_data=settings.lake_data)
    new = open_warehouse(target, lake_data=settings.lake_data)
    if old.name == new.name:
        raise UserError(f"{new.name} is where the warehouse is.", "Name another one.")
    rows = copy_warehouse(old, new, lambda table, rows: typer.echo(f"{table}: {rows:,} rows"))
    if not rows:
        raise UserError(f"{old.name} holds no tables.", "Look at SOUNDLINK_WAREHOUSE.")
    typer.echo(f"{len(rows)} tables are in {new.name}. Set SOUNDLINK_WAREHOUSE to it.")
