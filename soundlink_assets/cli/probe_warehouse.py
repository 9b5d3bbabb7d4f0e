"""The doctor on the warehouse: can it be written, how large is it, what does it hold."""

import shutil
import tempfile
from collections.abc import Iterator
from datetime import date
from pathlib import Path

from soundlink_assets.cli.findings import MEGABYTE, Finding, broken, ok, warning
from soundlink_assets.schema import EXPORTS
from soundlink_assets.settings import Settings
from soundlink_assets.warehouse.errors import HeldWarehouseError

PATIENCE_SECONDS = 3.0
LITTLE_ROOM = 1_000 * MEGABYTE
SHOWN_ORGANISATIONS = 3


def probe_warehouse(settings: Settings) -> Iterator[Finding]:
    """Whether the warehouse opens and can be written, its size, its days, and the room left."""
    from soundlink_assets.warehouse.connection import warehouse_file

    file = warehouse_file(settings.warehouse)
    folder = _nearest_folder(file)
    if not folder.is_dir():
        yield broken("warehouse", f"{folder} is a file, not a folder", "Set SOUNDLINK_WAREHOUSE.")
        return
    yield from _room(folder)
    if not file.exists():
        with tempfile.TemporaryFile(dir=folder):
            pass
        yield ok("warehouse", f"{file} is not there yet; its folder can be written", bytes=0)
        return
    size = file.stat().st_size
    if (held := _held(settings.warehouse)) is not None:
        yield warning(
            "warehouse",
            f"{file}, {size / MEGABYTE:,.1f} MB, is in use right now: {held}",
            "Runs wait for it by themselves; what is said about it here is left out.",
            bytes=size,
        )
        return
    days = stored_days(settings.warehouse)
    newest = str(max(days)) if days else None
    shown = f"{len(days):,} days, the newest {newest}" if days else "no days yet"
    yield ok(
        "warehouse",
        f"{file} can be written; {size / MEGABYTE:,.1f} MB, {shown}",
        bytes=size,
        days=len(days),
        newest_day=newest,
    )


def probe_organisations(settings: Settings) -> Iterator[Finding]:
    """Whether the warehouse holds the figures of one organisation only; every sum would mix them.

    Nothing is said of the usual case.
    """
    from soundlink_assets.warehouse.connection import connect
    from soundlink_assets.warehouse.values import distinct_texts

    with connect(settings.warehouse, read_only=True, wait_seconds=PATIENCE_SECONDS) as connection:
        found = {
            account
            for export in EXPORTS
            for account in distinct_texts(connection, export.table, "account_id")
        }
    if len(found) > 1:
        accounts = sorted(found)
        more = ", ..." if len(accounts) > SHOWN_ORGANISATIONS else ""
        yield warning(
            "organisations",
            f"the warehouse holds figures of {len(accounts)} organisations: "
            f"{', '.join(accounts[:SHOWN_ORGANISATIONS])}{more}",
            "Use one SOUNDLINK_WAREHOUSE for each key.",
            organisations=accounts,
        )


def stored_days(warehouse: str) -> set[date]:
    """The days of which every export has been delivered, as the ledgers have them."""
    from soundlink_assets.warehouse.connection import connect
    from soundlink_assets.warehouse.reading import load_cells

    with connect(warehouse, read_only=True, wait_seconds=PATIENCE_SECONDS) as connection:
        return set.intersection(
            *(
                set(load_cells(connection, export.table)[export.rows.day_column].to_list())
                for export in EXPORTS
                if export.rows.day_column
            )
        )


def first_asked_day(warehouse: str) -> date | None:
    """The first day for which a campaign was asked; None if there is no campaign.

    Before the oldest campaign was made there was nobody to ask.
    """
    from soundlink_assets.schema.campaigns import CAMPAIGNS
    from soundlink_assets.warehouse.connection import connect
    from soundlink_assets.warehouse.reading import load_table

    with connect(warehouse, read_only=True, wait_seconds=PATIENCE_SECONDS) as connection:
        created_at = load_table(connection, CAMPAIGNS)["created_at"].to_list()
    known = [moment.date() for moment in created_at if moment is not None]
    if len(known) < len(created_at):
        return date.min
    return min(known, default=None)


def _held(warehouse: str) -> str | None:
    """Who keeps the warehouse from being written; None if nobody does."""
    from soundlink_assets.warehouse.connection import connect

    try:
        with connect(
            warehouse, read_only=False, purpose="the doctor", wait_seconds=PATIENCE_SECONDS
        ):
            return None
    except HeldWarehouseError as error:
        return str(error).partition(". Nothing was written")[0]


def _room(folder: Path) -> Iterator[Finding]:
    free = shutil.disk_usage(folder).free
    if free < LITTLE_ROOM:
        said = f"{free / MEGABYTE:,.0f} MB are left at {folder}"
        yield broken("disk", said, "Make room: a full disk ends runs.", bytes_free=free)


def _nearest_folder(file: Path) -> Path:
    """The folder of the file, or what there is of the path to it."""
    return next(parent for parent in file.parents if parent.exists())
