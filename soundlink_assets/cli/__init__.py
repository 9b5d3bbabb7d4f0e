"""The `soundlink-assets` command: one module for each subcommand.

Belongs here: what people type and read, `DAGSTER_HOME`, runs in this process. Does not belong here:
what an asset does, SQL of the warehouse (but for the demo's comparison), HTTP. Nothing but typer is
imported at the top of a command's module, so that `--help` comes up fast.
"""

from soundlink_assets.cli.app import app
from soundlink_assets.cli.backfill import backfill
from soundlink_assets.cli.demo import demo
from soundlink_assets.cli.dev import dev
from soundlink_assets.cli.doctor import doctor
from soundlink_assets.cli.explore import explore
from soundlink_assets.cli.export import export
from soundlink_assets.cli.init import init
from soundlink_assets.cli.maintain import maintain
from soundlink_assets.cli.move import move
from soundlink_assets.cli.prune import prune
from soundlink_assets.cli.report import report
from soundlink_assets.cli.sandbox import sandbox
from soundlink_assets.cli.start import start

__all__ = [
    "app",
    "backfill",
    "demo",
    "dev",
    "doctor",
    "explore",
    "export",
    "init",
    "maintain",
    "move",
    "prune",
    "report",
    "sandbox",
    "start",
]
