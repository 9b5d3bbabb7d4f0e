"""The doctor on the settings: is each one right, is the key there, is a variable misspelt."""

import os
import stat
from collections.abc import Iterator, Mapping
from pathlib import Path

from soundlink_assets.cli.environment import differing
from soundlink_assets.cli.findings import Finding, broken, ok, warning
from soundlink_assets.settings import (
    Settings,
    SettingsError,
    load_settings,
    unknown_variables,
    variable_of,
)

OTHERS_MAY_READ = stat.S_IRGRP | stat.S_IROTH


def usable_settings() -> tuple[Settings, list[Finding]]:
    """The settings, a wrong one at its default, and a finding for each that is wrong."""
    try:
        return load_settings(), []
    except SettingsError as error:
        lines = str(error).splitlines()
    wrong = {
        name: field.default
        for name, field in Settings.model_fields.items()
        if any(
            line.startswith((f"{variable_of(name)} ", f"{variable_of(name)}:")) for line in lines
        )
    }
    findings = []
    for line in lines:
        said, _, allowed = line.partition(". Allowed: ")
        findings.append(broken("settings", said, allowed or "See the .env file that init writes."))
    return load_settings(**wrong), findings


def probe_settings(
    settings: Settings, wrong: list[Finding], environment: Mapping[str, str]
) -> Iterator[Finding]:
    """What is set, what is wrong, what is misspelt, and whether the key is there."""
    known = [variable_of(name) for name in Settings.model_fields]
    given = [name for name in known if environment.get(name)]
    yield from wrong
    for line in unknown_variables(environment):
        yield warning("settings", line, "Put the name right, or unset the variable.")
    if not wrong:
        shown = ", ".join(given) or "none, all at their defaults"
        yield ok("settings", f"set: {shown}", set=given)
    yield from _env_file(Path(".env"), environment)
    if not any(finding.said.startswith("SOUNDLINK_API_KEY") for finding in wrong):
        yield _key(settings)


def _key(settings: Settings) -> Finding:
    try:
        settings.require_api_key()
    except SettingsError as error:
        said, _, advice = str(error).partition(". ")
        return broken("key", said, advice)
    return ok("key", "is there and well-formed")


def _env_file(path: Path, environment: Mapping[str, str]) -> Iterator[Finding]:
    if not path.exists():
        return
    if path.is_dir():
        said = f"{path} is a folder, so no setting is read from it"
        yield warning("settings", said, f"Move it away; {path} is to be a file, as init writes it.")
        return
    if os.name == "posix" and path.stat().st_mode & OTHERS_MAY_READ:
        yield warning("settings", "other users may read .env", "chmod 600 .env")
    for name in differing(path, environment):
        yield warning(
            "settings",
            f"{name} differs between .env and the environment",
            "Unset one of them: our commands take the environment's, `dagster` takes .env's.",
        )
