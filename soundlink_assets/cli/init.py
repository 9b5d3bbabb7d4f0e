"""`soundlink-assets init`: a folder of one's own, so that nobody needs a clone."""

import sys
from collections.abc import Mapping
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from types import MappingProxyType
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
| `data/` | the warehouse, once something was loaded |
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
    *,
    start_date: Annotated[
        datetime | None,
        typer.Option(
            formats=["%Y-%m-%d"],
            metavar="YYYY-MM-DD",
            help="The first day to keep (UTC); asked for in a terminal.",
            show_default="90 days ago",
        ),
    ] = None,
    for_cluster: Annotated[
        bool,
        typer.Option("--cluster", help="For several hosts: history and runs over PostgreSQL."),
    ] = False,
    shared: Annotated[
        Path | None,
        typer.Option(
            metavar="FOLDER",
            help="With --cluster: a folder that every host sees, for the lake's files, the report "
            "and refused bodies.  [default: data in the new folder]",
        ),
    ] = None,
) -> None:
    """Make a folder to work in: settings, workspace and Dagster's configuration.

    Nothing is overwritten. Afterwards `soundlink-assets dev`, and `dagster dev` as well, work in
    that folder.
    """
    from soundlink_assets.cli import cluster
    from soundlink_assets.cli.home import DAGSTER_YAML, WORKSPACE_YAML, prepare_home

    home = folder.expanduser().resolve()
    usual = first_usual_day()
    if start_date is None and sys.stdin.isatty():
        start_date = typer.prompt(
            "The first day to keep", default=str(usual), value_proc=datetime.fromisoformat
        )
    given = {"start_date": str(start_date.date() if start_date else usual)}
    texts = {".gitignore": GITIGNORE, "README.md": README}
    if for_cluster:
        files = (shared or home / "data").expanduser().resolve()
        texts["dagster.yaml"] = cluster.DAGSTER_YAML
        texts["workspace.yaml"] = cluster.WORKSPACE_YAML
        given |= cluster.settings_of(files)
        texts[".env"] = env_file(home, given, cluster.variables_of(files))
    else:
        texts["dagster.yaml"] = DAGSTER_YAML
        texts["workspace.yaml"] = WORKSPACE_YAML
        texts[".env"] = env_file(home, given)
    _refuse_to_overwrite(home, list(texts))
    home.mkdir(parents=True, exist_ok=True)
    for name, text in texts.items():
        write_new(home / name, text)
    if not for_cluster:
        prepare_home(home)
    typer.echo(cluster.what_next(folder) if for_cluster else _what_next(folder))


def first_usual_day() -> date:
    """From here on all closed days fit into one request for each campaign."""
    from soundlink_assets.schema.window import MAX_WINDOW_DAYS

    return datetime.now(UTC).date() - timedelta(days=MAX_WINDOW_DAYS)


def write_new(path: Path, text: str) -> None:
    """Write a file, a `.env` for its owner alone; FileExistsError if it exists."""
    path.touch(mode=OWNER_ONLY if path.name == ".env" else 0o666, exist_ok=False)
    path.write_text(text, encoding="utf-8")


def env_file(
    home: Path,
    given: Mapping[str, str] = MappingProxyType({}),
    further: Mapping[str, tuple[str, str]] = MappingProxyType({}),
) -> str:
    """The text of a `.env` file that explains every setting; only the key is left to fill in.

    Every other setting is commented out at its default, unless it is `given`. `home` becomes
    `DAGSTER_HOME`; `further` are variables of other programs, each with its value and what it is.
    """
    from soundlink_assets.settings import Settings, variable_of

    parts = [ENV_HEAD]
    for name, field in Settings.model_fields.items():
        line = f"{variable_of(name)}={as_text(field.default)}"
        if name in given:
            line = f"{variable_of(name)}={_quoted(given[name])}"
        shown = line if name == "api_key" or name in given else f"# {line}"
        parts.append(f"{_comment(field.description or '')}\n{shown}")
    for variable, (value, what) in further.items():
        parts.append(f"{_comment(what)}\n{variable}={_quoted(value)}")
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
  soundlink-assets start      asks for your key, checks everything, loads 90 days, shows the answers
  soundlink-assets dev        UI and daemon: it keeps itself up to date
"""
