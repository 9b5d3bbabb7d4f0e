"""The `soundlink-assets` command: one module for each subcommand.

Nothing but typer is imported here or at the top of those modules, so that `--help` comes up fast.
"""

from soundlink_assets.cli.app import app
from soundlink_assets.cli.backfill import backfill
from soundlink_assets.cli.demo import demo
from soundlink_assets.cli.dev import dev
from soundlink_assets.cli.doctor import doctor
from soundlink_assets.cli.init import init
from soundlink_assets.cli.prune import prune
from soundlink_assets.cli.report import report
from soundlink_assets.cli.sandbox import sandbox

__all__ = ["app", "backfill", "demo", "dev", "doctor", "init", "prune", "report", "sandbox"]
