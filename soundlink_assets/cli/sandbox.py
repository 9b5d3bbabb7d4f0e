"""`soundlink-assets sandbox`: serve a synthetic Soundlink API; and how other commands use one."""

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from soundlink_assets.cli.app import UserError, app

if TYPE_CHECKING:
    from soundlink_assets.sandbox import SandboxConfig, World
    from soundlink_assets.schema.window import Window
    from soundlink_assets.settings import Settings

SANDBOX_FOLDER = Path("data/sandbox")
"""Where `demo` and what takes `--sandbox` keep everything."""

SOUNDLINKS = 3
"""Self-serve soundlinks beside the campaigns of the sandbox."""

WAREHOUSE = "warehouse.duckdb"
UNLIMITED = 100_000
"""A request budget that a local sandbox never reaches."""


@app.command()
def sandbox(
    port: Annotated[int, typer.Option(min=0, max=65535, help="Port on 127.0.0.1.")] = 8765,
) -> None:
    """Serve a synthetic Soundlink API on loopback, to try things and to rehearse outages."""
    from soundlink_assets.sandbox import PortTakenError, SandboxConfig, serve

    try:
        serve(port, SandboxConfig(soundlink_count=SOUNDLINKS))
    except PortTakenError as error:
        raise UserError(str(error)) from None


def lasting_world(folder: Path, today: date) -> "SandboxConfig":
    """The sandbox whose world `folder` was begun with.

    The world is laid out around an anchor. Kept beside the data, it stays the same world in later
    months, so that the warehouse and the sandbox never contradict each other.
    """
    from soundlink_assets.sandbox import SandboxConfig

    anchor = folder / "anchor.txt"
    if not anchor.exists():
        folder.mkdir(parents=True, exist_ok=True)
        anchor.write_text(f"{today.replace(day=1)}\n", encoding="utf-8")
    return SandboxConfig(anchor=_kept_day(anchor), soundlink_count=SOUNDLINKS)


def _kept_day(anchor: Path) -> date:
    try:
        return date.fromisoformat(anchor.read_text(encoding="utf-8").strip())
    except ValueError:
        raise UserError(
            f"{anchor} does not hold the day on which the sandbox's world was begun.",
            f"Delete the folder {anchor.parent} to begin another world, or write the day into the "
            "file, the first of a month: YYYY-MM-DD.",
        ) from None


def write_statements(world: "World", folder: Path, window: "Window") -> None:
    """Synthetic statements, marked as such, of the months of the window and the one before.

    A real statement comes about two months later; waiting for it would leave a demo without.
    """
    from soundlink_assets.sandbox.statements import statement_files

    months = {day.replace(day=1) for day in window.dates()}
    months.add((min(months) - timedelta(days=1)).replace(day=1))
    folder.mkdir(parents=True, exist_ok=True)
    for name, text in statement_files(world, sorted(months)).items():
        path = folder / name
        if not path.exists() or path.read_text(encoding="utf-8") != text:
            path.write_text(text, encoding="utf-8")


@contextmanager
def sandbox_environment(days: int) -> Iterator[dict[str, str]]:
    """Serve the lasting sandbox meanwhile; the variables that point at it and its history.

    The first partition is `days` before today, or the first day that its warehouse holds.
    """
    from soundlink_assets.sandbox import serving

    today, folder = datetime.now(UTC).date(), SANDBOX_FOLDER.absolute()
    with serving(lasting_world(folder, today)) as api:
        first = first_partition(folder, today - timedelta(days=days))
        settings = sandbox_settings(api.base_url, api.api_key, folder, first)
        yield environment_of(settings) | {"DAGSTER_HOME": str(folder / "dagster_home")}


def first_partition(folder: Path, first: date) -> date:
    """`first`, or the first day that the sandbox's warehouse in `folder` holds, if it is earlier.

    So that partitions are those that were loaded, and none is lost.
    """
    from soundlink_assets.cli.probe_warehouse import stored_days

    return min({first} | stored_days(str(folder / WAREHOUSE)))


def sandbox_settings(
    base_url: str, api_key: str, folder: Path, start_date: date | None = None
) -> "Settings":
    """Settings for a sandbox at `base_url`, with everything that is kept below `folder`.

    What would not fit a sandbox is not taken from the environment.
    """
    from soundlink_assets.settings import AuthStyle, Settings, load_settings

    return load_settings(
        base_url=base_url,
        api_key=api_key,
        auth_style=AuthStyle.X_API_KEY,
        campaign_ids=(),
        alert_url=None,
        start_date=start_date or Settings.model_fields["start_date"].default,
        warehouse=str(folder / WAREHOUSE),
        quarantine_dir=folder / "quarantine",
        statements_dir=folder / "statements",
        budget_dir=folder / "budget",
        requests_per_minute=UNLIMITED,
        requests_per_hour=UNLIMITED,
    )


def environment_of(settings: "Settings") -> dict[str, str]:
    """The environment variables that give a child process these sandbox settings."""
    return {
        "SOUNDLINK_BASE_URL": settings.base_url,
        "SOUNDLINK_API_KEY": settings.require_api_key().get_secret_value(),
        "SOUNDLINK_AUTH_STYLE": settings.auth_style.value,
        "SOUNDLINK_CAMPAIGN_IDS": "",
        "SOUNDLINK_ALERT_URL": "",
        "SOUNDLINK_START_DATE": settings.start_date.isoformat(),
        "SOUNDLINK_WAREHOUSE": settings.warehouse,
        "SOUNDLINK_QUARANTINE_DIR": str(settings.quarantine_dir),
        "SOUNDLINK_STATEMENTS_DIR": str(settings.statements_dir),
        "SOUNDLINK_BUDGET_DIR": str(settings.budget_dir),
        "SOUNDLINK_REQUESTS_PER_MINUTE": str(settings.requests_per_minute),
        "SOUNDLINK_REQUESTS_PER_HOUR": str(settings.requests_per_hour),
    }
