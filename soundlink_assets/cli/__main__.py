"""Runs the command as `python -m soundlink_assets.cli`."""

from soundlink_assets.cli import app

app()
