"""The doctor on the warehouse and the quarantine: what is stored, what lacks, what was refused."""

import json
from collections.abc import Iterator
from datetime import date, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING

from soundlink_assets.cli.findings import (
    MEGABYTE,
    Finding,
    backfills,
    broken,
    error_finding,
    ok,
    ranges,
    warning,
)
from soundlink_assets.schema import EXPORTS
from soundlink_assets.schema.exports import ACCOUNT
from soundlink_assets.settings import Settings

if TYPE_CHECKING:
    from soundlink_assets.schema import Export
    from soundlink_assets.warehouse import Reader

WAIT_SECONDS = 3.0
LITTLE_ROOM = 1_000 * MEGABYTE
SHOWN_IDS = 3

LATELY = timedelta(days=1)
"""Every day is fetched again within that time while it may change."""

MUCH_BYTES = 1_000 * MEGABYTE

REQUIRED = [export for export in EXPORTS if not export.scope.is_optional]
"""The exports that every warehouse has."""


def probe_warehouse(settings: Settings) -> Iterator[Finding]:
    """Whether the warehouse opens and can be written, its size, its days, and the room left."""
    from soundlink_assets.warehouse import open_warehouse

    facts = open_warehouse(settings.warehouse).facts()
    if facts.bytes_free is not None and facts.bytes_free < LITTLE_ROOM:
        what = f"{facts.bytes_free / MEGABYTE:,.0f} MB are left for {facts.location}"
        yield broken("disk", what, "Make room: a full disk ends runs.", bytes_free=facts.bytes_free)
    size = "" if facts.bytes is None else f", {facts.bytes / MEGABYTE:,.1f} MB"
    if facts.problem is not None:
        yield error_finding("warehouse", facts.problem)
    elif facts.locked_by is not None:
        yield warning(
            "warehouse",
            f"{facts.location}{size}, is in use right now: {facts.locked_by}",
            "Runs wait for it by themselves; what is known of it is left out here.",
            bytes=facts.bytes,
        )
    elif not facts.exists:
        what = f"{facts.location} does not exist yet; its place can be written"
        yield ok("warehouse", what, bytes=facts.bytes)
    else:
        days = stored_days(settings.warehouse)
        newest = str(max(days)) if days else None
        shown = f"{len(days):,} days, the newest {newest}" if days else "no days yet"
        yield ok(
            "warehouse",
            f"{facts.location} can be written{size}, {shown}",
            bytes=facts.bytes,
            days=len(days),
            newest_day=newest,
        )


def stored_days(warehouse: str) -> set[date]:
    """The days of which every export that each key opens was delivered, by the delivery logs."""
    from soundlink_assets.warehouse import open_warehouse

    with open_warehouse(warehouse).reader("the doctor", WAIT_SECONDS) as reader:
        return set.intersection(
            *(set(reader.delivery_log(export)[export.day].to_list()) for export in REQUIRED)
        )


def first_asked_day(warehouse: str) -> date | None:
    """The first day for which something was asked; None if nothing is listed.

    Before the oldest campaign was made there was nobody to ask.
    """
    from soundlink_assets.warehouse import open_warehouse

    with open_warehouse(warehouse).reader("the doctor", WAIT_SECONDS) as reader:
        created_at = [
            moment
            for listing in {
                export.scope.listing.name: export.scope.listing for export in REQUIRED
            }.values()
            for moment in reader.load(listing)["created_at"].to_list()
        ]
    known = [moment.date() for moment in created_at if moment is not None]
    if len(known) < len(created_at):
        return date.min
    return min(known, default=None)


def probe_organisations(settings: Settings) -> Iterator[Finding]:
    """Whether the warehouse holds the figures of one organisation only; every sum would mix them.

    Nothing is found in the usual case.
    """
    from soundlink_assets.warehouse import open_warehouse

    with open_warehouse(settings.warehouse).reader("the doctor", WAIT_SECONDS) as reader:
        found = {
            account for export in EXPORTS for account in reader.distinct(export.table, ACCOUNT)
        }
    if len(found) > 1:
        accounts = sorted(found)
        more = ", ..." if len(accounts) > SHOWN_IDS else ""
        allowed = settings.allow_several_organisations
        yield warning(
            "organisations",
            f"the warehouse holds figures of {len(accounts)} organisations: "
            f"{', '.join(accounts[:SHOWN_IDS])}{more}",
            "Every sum mixes them, as SOUNDLINK_ALLOW_SEVERAL_ORGANISATIONS allows."
            if allowed
            else "Use one SOUNDLINK_WAREHOUSE for each key.",
            organisations=accounts,
        )


def probe_campaigns(settings: Settings, now: datetime) -> Iterator[Finding]:
    """What is listed and lacks days, and what is no longer listed and still open."""
    from soundlink_assets.warehouse import open_warehouse

    with open_warehouse(settings.warehouse).reader("the doctor", WAIT_SECONDS) as reader:
        for export in EXPORTS:
            yield from _incomplete(reader, export, now)


def _incomplete(reader: "Reader", export: "Export", now: datetime) -> Iterator[Finding]:
    from soundlink_assets.assets.listing import Listing

    scope, log = export.scope, reader.delivery_log(export)
    stored = reader.load(scope.listing)
    if stored.is_empty():
        return
    listing = Listing(scope, stored, stored, is_chosen=False, now=now)
    missing = listing.incomplete_days(log, export)
    if not missing.is_empty():
        days = sorted(set(missing[export.day].to_list()))
        ids = sorted(set(missing[scope.requested_column].to_list()))
        yield warning(
            scope.plural,
            f"{len(ids)} {scope.plural} lack days of {export.name} that others have: "
            f"{_named(ids)}; {ranges(days)}",
            "While the daemon runs, recent days are fetched again by themselves; older ones with "
            f"{backfills(days)}.",
            incomplete={"export": export.name, "ids": ids, "days": [str(day) for day in days]},
        )
    if left := sorted(listing.left(log, export)):
        yield warning(
            scope.plural,
            f"{len(left)} {scope.plural} with open days of {export.name} are no longer listed: "
            f"{_named(left)}",
            "They are asked for by id until their days are final. If they were not deleted, check "
            "that the key is of the organisation you mean.",
            no_longer_listed={"export": export.name, "ids": left},
        )


def _named(ids: list[str]) -> str:
    return ", ".join(ids[:SHOWN_IDS]) + (", ..." if len(ids) > SHOWN_IDS else "")


def probe_quarantine(settings: Settings, now: datetime) -> Iterator[Finding]:
    """How many refused bodies there are, and why the newest was refused."""
    from soundlink_assets.provider.quarantine import kept_bodies

    kept = kept_bodies(settings.quarantine_dir)
    if not kept:
        yield ok("quarantine", "no refused bodies", bodies=0, bytes=0)
        return
    newest = kept[-1]
    size = sum(each.body.stat().st_size for each in kept)
    bodies = "1 refused body" if len(kept) == 1 else f"{len(kept):,} refused bodies"
    what = (
        f"{bodies}, {size / MEGABYTE:,.1f} MB; the newest of {newest.refused_at:%Y-%m-%d %H:%M} "
        f"UTC: {_why(newest.reason)}"
    )
    facts = {"bodies": len(kept), "bytes": size, "newest_body": str(newest.body)}
    if now - newest.refused_at < LATELY:
        yield warning("quarantine", what, f"Look at {newest.body}.", **facts)
    elif size > MUCH_BYTES:
        advice = "`soundlink-assets prune` deletes old ones."
        yield warning("quarantine", what, advice, **facts)
    else:
        yield ok("quarantine", what, **facts)


def _why(reason: Path) -> str:
    try:
        return str(json.loads(reason.read_text(encoding="utf-8"))["reason"])
    except (OSError, ValueError, LookupError):
        return "the reason could not be kept"
