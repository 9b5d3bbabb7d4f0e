"""The settings of a command: from the environment, with a word about names that are misspelt."""

import os
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
