"""`soundlink-assets init`: a folder of one's own, so that nobody needs a clone."""

from pathlib import Path
from typing import Annotated

import typer

from soundlink_assets.cli.app import UserError, app

GITIGNORE = """\
# The key, the data, and what Dagster keeps
.env
data/
history/
logs/
running/
schedules/
storage/
*.lock
.logs_queue/
.nux/
.telemetry/
.tmp_dagster_home_*/
"""

README = """\
# Soundlink data

A workspace of soundlink-assets: run all commands here.

| file | what it is |
|---|---|
| `.env` | the settings, the API key among them: keep it to yourself |
| `workspace.yaml` | which definitions Dagster loads |
| `dagster.yaml` | how Dagster runs; this folder is `DAGSTER_HOME`, so its history is here too |
| `data/` | the warehouse, a DuckDB file, once something was loaded |
"""

ENV_HEAD = """\
# Settings of soundlink-assets, read by its commands and by `dagster dev` in this folder.
# A line without the leading # takes effect. Relative paths start in this folder."""

OWNER_ONLY = 0o600


@app.command()
def init(
    folder: Annotated[
        Path, typer.Argument(metavar="FOLDER", help="The folder to make; it may exist already.")
    ],
) -> None:
    """Make a folder to work in: settings, workspace and Dagster's configuration.

    Nothing is overwritten. Afterwards `soundlink-assets dev`, and `dagster dev` as well, work in
    that folder.
    """
    from soundlink_assets.cli.home import WORKSPACE_YAML, prepare_home

    home = folder.expanduser().resolve()
    texts = {
        ".env": env_file(home),
        "workspace.yaml": WORKSPACE_YAML,
        ".gitignore": GITIGNORE,
        "README.md": README,
    }
    _refuse_to_overwrite(home, [*texts, "dagster.yaml"])
    home.mkdir(parents=True, exist_ok=True)
    for name, text in texts.items():
        path = home / name
        path.touch(mode=OWNER_ONLY if name == ".env" else 0o666, exist_ok=False)
        path.write_text(text, encoding="utf-8")
    prepare_home(home)
    typer.echo(_what_next(folder))


def env_file(home: Path) -> str:
    """The text of a `.env` file that explains every setting; only the key is left to fill in.

    Every other setting is commented out at its default. `home` becomes `DAGSTER_HOME`.
    """
    from soundlink_assets.settings import Settings, variable_of

    parts = [ENV_HEAD]
    for name, field in Settings.model_fields.items():
        line = f"{variable_of(name)}={as_text(field.default)}"
        shown = line if name == "api_key" else f"# {line}"
        parts.append(f"{_comment(field.description or '')}\n{shown}")
    parts.append(
        f"{_comment('Where Dagster keeps its history; must be an absolute path.')}\n"
        f"DAGSTER_HOME={_quoted(str(home))}"
    )
    return "\n\n".join(parts) + "\n"


def as_text(value: object) -> str:
    """A setting's value as it is written in an environment variable."""
    if value is None:
        return ""
    if isinstance(value, bool):
        return "on" if value else "off"
    if isinstance(value, tuple):
        return ",".join(value)
    return str(value)


def _refuse_to_overwrite(home: Path, names: list[str]) -> None:
    if home.exists() and not home.is_dir():
        raise UserError(f"{home} is a file.", "Give another folder.")
    there = [name for name in names if (home / name).exists()]
    if there:
        raise UserError(
            f"{home} already has {', '.join(there)}; nothing was changed.", "Give another folder."
        )


def _comment(text: str) -> str:
    import textwrap

    return textwrap.fill(text, 96, initial_indent="# ", subsequent_indent="# ")


def _quoted(text: str) -> str:
    return "'" + text.replace("\\", "\\\\").replace("'", "\\'") + "'"


def _what_next(folder: Path) -> str:
    import shlex

    return f"""Made {folder}. What next:

  cd {shlex.quote(str(folder))}
  put your key into .env (SOUNDLINK_API_KEY=...)
  soundlink-assets doctor                   is everything as it should be?
  soundlink-assets backfill                 load the last two weeks
  soundlink-assets dev                      UI and daemon: it keeps itself up to date
"""
