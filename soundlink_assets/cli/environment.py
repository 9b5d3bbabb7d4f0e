"""What commands read from the environment, and what is odd about it."""

import os
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING

import typer

if TYPE_CHECKING:
    from soundlink_assets.settings import Settings


def read_settings() -> "Settings":
    """The settings. SettingsError if one is wrong; a misspelt variable is only remarked on."""
    from soundlink_assets.settings import load_settings, unknown_variables

    for line in unknown_variables(os.environ):
        typer.secho(line, fg=typer.colors.YELLOW, err=True)
    return load_settings()


def differing(env_file: Path, environment: Mapping[str, str]) -> list[str]:
    """The variables that both set, to different values."""
    from dotenv import dotenv_values

    return [
        name
        for name, value in dotenv_values(env_file).items()
        if value is not None and environment.get(name, value) != value
    ]
