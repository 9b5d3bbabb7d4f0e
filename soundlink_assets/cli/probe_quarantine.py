"""The doctor on quarantine: what the provider delivered and the contract refused."""

import json
from collections.abc import Iterator
from datetime import datetime, timedelta
from pathlib import Path

from soundlink_assets.cli.findings import MEGABYTE, Finding, ok, warning
from soundlink_assets.settings import Settings

LATELY = timedelta(days=1)
"""Every day is fetched again within that time while it may change."""

MUCH_BYTES = 1_000 * MEGABYTE


def probe_quarantine(settings: Settings, now: datetime) -> Iterator[Finding]:
    """How many bodies there are, and why the newest was refused."""
    from soundlink_assets.provider.quarantine import kept_bodies

    kept = kept_bodies(settings.quarantine_dir)
    if not kept:
        yield ok("quarantine", "no refused bodies", bodies=0, bytes=0)
        return
    newest = kept[-1]
    size = sum(each.body.stat().st_size for each in kept)
    bodies = "1 refused body" if len(kept) == 1 else f"{len(kept):,} refused bodies"
    said = (
        f"{bodies}, {size / MEGABYTE:,.1f} MB; the newest of {newest.refused_at:%Y-%m-%d %H:%M} "
        f"UTC: {_why(newest.reason)}"
    )
    facts = {"bodies": len(kept), "bytes": size, "newest_body": str(newest.body)}
    if now - newest.refused_at < LATELY:
        yield warning("quarantine", said, f"Look at {newest.body}.", **facts)
    elif size > MUCH_BYTES:
        advice = "`soundlink-assets prune` deletes old ones."
        yield warning("quarantine", said, advice, **facts)
    else:
        yield ok("quarantine", said, **facts)


def _why(reason: Path) -> str:
    try:
        return str(json.loads(reason.read_text(encoding="utf-8"))["reason"])
    except (OSError, ValueError, LookupError):
        return "the reason could not be kept"
