"""Runs the real command in a process of its own, as a user would, without settings of ours."""

import os
import subprocess
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path

TIMEOUT_SECONDS = 1200


def environment(settings: Mapping[str, str] | None = None) -> dict[str, str]:
    """This process's environment without what configures the platform, and then `settings`."""
    inherited = {
        name: value
        for name, value in os.environ.items()
        if not name.upper().startswith(("SOUNDLINK_", "DAGSTER_"))
        and not name.upper().endswith("_PROXY")
    }
    return inherited | {"COLUMNS": "200"} | dict(settings or {})


def soundlink_assets(
    arguments: Sequence[str], folder: Path, settings: Mapping[str, str] | None = None
) -> subprocess.CompletedProcess[str]:
    """`soundlink-assets ARGUMENTS` in `folder`."""
    return subprocess.run(
        [sys.executable, "-m", "soundlink_assets.cli", *arguments],
        cwd=folder,
        env=environment(settings),
        capture_output=True,
        text=True,
        timeout=TIMEOUT_SECONDS,
        check=False,
    )
