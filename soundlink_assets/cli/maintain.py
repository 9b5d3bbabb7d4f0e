"""`soundlink-assets maintain`: compact the warehouse."""

import typer

from soundlink_assets.cli.app import app, read_settings


@app.command()
def maintain() -> None:
    """Compact the warehouse, and remove the files of a lake that no reader needs any more.

    Runs wait meanwhile, readers do not wait on a lake. What a lake held within the last
    SOUNDLINK_SNAPSHOT_DAYS stays readable. Needs no key.

    Example: `soundlink-assets maintain`
    """
    from datetime import timedelta

    from soundlink_assets.warehouse import open_warehouse

    settings = read_settings()
    warehouse = open_warehouse(settings.warehouse, lake_data=settings.lake_data)
    done = warehouse.maintain(timedelta(days=settings.snapshot_days))
    figures = ", ".join(f"{name.replace('_', ' ')} {count:,}" for name, count in done.items())
    typer.echo(f"{warehouse.name}: {figures or 'it does not exist yet; nothing to do'}.")
