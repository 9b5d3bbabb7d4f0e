"""`python -m soundlink_assets.cli` is `soundlink-assets`."""

from soundlink_assets.cli import app

app()
