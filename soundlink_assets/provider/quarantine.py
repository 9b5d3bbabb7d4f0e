"""Refused bodies, kept for people to look at, each with a JSON file beside it that says why."""

import json
import re
import secrets
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import IO

from pydantic import SecretStr

from soundlink_assets.provider.credentials import REDACTED
from soundlink_assets.provider.errors import About

_UNSAFE = re.compile(r"[^A-Za-z0-9-]+")
_LONGEST_ID = 40
_PIECE_BYTES = 2**20
_MOMENT = "%Y%m%dT%H%M%SZ"
_NAME = re.compile(r"_(\d{8}T\d{6}Z)_[0-9a-f]{8}\.jsonl$")


@dataclass(frozen=True, slots=True)
class KeptBody:
    """A refused body in quarantine, and when it was refused."""

    body: Path
    refused_at: datetime

    @property
    def reason(self) -> Path:
        """The file that says why; it is missing if the disk was full."""
        return self.body.with_suffix(".reason.json")


def keep_body(  # noqa: PLR0913 - all that stands in the name and the reason
    folder: Path,
    body: IO[bytes],
    reason: Mapping[str, object],
    *,
    about: About,
    at: datetime,
    key: SecretStr,
) -> Path:
    """Copies the body into the folder, without the key should it occur, and `reason` beside it.

    Returns the file of the body; the reason has the same name with `.reason.json`. Names are
    unique, and both files appear whole or not at all. Raises OSError.
    """
    folder.mkdir(parents=True, exist_ok=True)
    safe_id = _UNSAFE.sub("-", about.campaign_id or "")[:_LONGEST_ID]
    days = f"{about.window.first}_{about.window.last}" if about.window else ""
    stem = f"{about.export}_{safe_id}_{days}_{at:{_MOMENT}}_{secrets.token_hex(4)}"
    target = folder / f"{stem}.jsonl"
    secret = key.get_secret_value().encode()
    body.seek(0)
    partial = folder / f".{stem}.partial"
    with partial.open("wb") as file:
        file.writelines(_without(secret, body))
    partial.replace(target)
    text = json.dumps({**reason, "body": target.name}, indent=2, ensure_ascii=False, default=str)
    partial.write_text(text + "\n", encoding="utf-8")
    partial.replace(KeptBody(target, at).reason)
    return target


def kept_bodies(folder: Path) -> list[KeptBody]:
    """What `keep_body` put into the folder and is still there, oldest first; no other files."""
    found = (
        KeptBody(path, datetime.strptime(name[1], _MOMENT).replace(tzinfo=UTC))
        for path in folder.glob("*.jsonl")
        if (name := _NAME.search(path.name))
    )
    return sorted(found, key=lambda kept: (kept.refused_at, kept.body))


def _without(secret: bytes, body: IO[bytes]) -> Iterator[bytes]:
    """The body in pieces, with the secret replaced, also where it lies across two pieces."""
    rest = b""
    while piece := body.read(_PIECE_BYTES):
        clean = (rest + piece).replace(secret, REDACTED.encode())
        cut = max(len(clean) - len(secret) + 1, 0)
        yield clean[:cut]
        rest = clean[cut:]
    yield rest
