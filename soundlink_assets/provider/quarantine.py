"""Refused bodies, kept for people to look at, each with a JSON file beside it that says why."""

import json
import re
import secrets
import time
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import IO

from pydantic import SecretStr

from soundlink_assets.provider.errors import About, ContractViolation

REDACTED = "sk_***"

MOST_KEPT_BYTES = 256 * 2**20
"""Of a longer body, only the beginning is kept."""

_UNSAFE = re.compile(r"[^A-Za-z0-9-]+")
_LONGEST_ID = 40
_PIECE_BYTES = 2**20
_MOMENT = "%Y%m%dT%H%M%SZ"
_NAME = re.compile(r"_(\d{8}T\d{6}Z)_[0-9a-f]{8}\.jsonl$")
_PARTIAL = ".partial"
_ABANDONED_SECONDS = 3600.0
"""A partial file as old as this was left by a process that died."""


@dataclass(frozen=True, slots=True)
class KeptBody:
    """A refused body in quarantine, and when it was refused."""

    body: Path
    refused_at: datetime

    @property
    def reason(self) -> Path:
        """The file that says why; it is missing if the disk was full."""
        return self.body.with_suffix(".reason.json")


@dataclass(frozen=True, slots=True, kw_only=True)
class Quarantine:
    """The folder of refused bodies. `key` is the API key, which no file may hold."""

    folder: Path
    key: SecretStr

    def keep(
        self, body: IO[bytes], violation: ContractViolation, *, about: About, at: datetime
    ) -> Path:
        """Copies the body into the folder, without the key should it occur, and says why.

        Returns the file of the body; the reason has the same name with `.reason.json`. Names are
        unique, and both files appear whole or not at all. Raises OSError.
        """
        self.folder.mkdir(parents=True, exist_ok=True)
        remove_abandoned(self.folder)
        safe_id = _UNSAFE.sub("-", about.requested_id or "")[:_LONGEST_ID]
        days = f"{about.window.first}_{about.window.last}" if about.window else ""
        stem = f"{about.export}_{safe_id}_{days}_{at:{_MOMENT}}_{secrets.token_hex(4)}"
        target = self.folder / f"{stem}.jsonl"
        partial = self.folder / f".{stem}{_PARTIAL}"
        reason = {
            "reason": str(violation),
            "check": violation.check,
            "line": violation.line,
            "field": violation.field,
            "export": about.export,
            "requested_id": about.requested_id,
            "window": str(about.window),
            "time": at.isoformat(),
            "body": target.name,
            "is_whole": body.seek(0, 2) <= MOST_KEPT_BYTES,
        }
        body.seek(0)
        try:
            with partial.open("wb") as file:
                file.writelines(_without(self.key.get_secret_value().encode(), body))
            partial.replace(target)
            text = json.dumps(reason, indent=2, ensure_ascii=False)
            partial.write_text(text + "\n", encoding="utf-8")
            partial.replace(KeptBody(target, at).reason)
        finally:
            partial.unlink(missing_ok=True)
        return target


def kept_bodies(folder: Path) -> list[KeptBody]:
    """What was kept in the folder and is still there, oldest first; no other files."""
    found = (
        KeptBody(path, datetime.strptime(name[1], _MOMENT).replace(tzinfo=UTC))
        for path in folder.glob("*.jsonl")
        if (name := _NAME.search(path.name))
    )
    return sorted(found, key=lambda kept: (kept.refused_at, kept.body))


def remove_abandoned(folder: Path) -> list[Path]:
    """Removes the partial files that processes left which died while they kept a body."""
    latest = time.time() - _ABANDONED_SECONDS
    abandoned = [
        path
        for path in folder.glob(f".*{_PARTIAL}")
        if path.is_file() and path.stat().st_mtime < latest
    ]
    for path in abandoned:
        path.unlink(missing_ok=True)
    return abandoned


def _without(secret: bytes, body: IO[bytes]) -> Iterator[bytes]:
    """The body in pieces, with the secret replaced, also where it lies across two pieces."""
    rest = b""
    left = MOST_KEPT_BYTES
    while piece := body.read(min(_PIECE_BYTES, left)):
        left -= len(piece)
        clean = (rest + piece).replace(secret, REDACTED.encode())
        cut = max(len(clean) - len(secret) + 1, 0)
        yield clean[:cut]
        rest = clean[cut:]
    yield rest
