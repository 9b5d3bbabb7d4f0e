"""Export bodies made from the contract's sample rows, for the raw server."""

import json
from datetime import date
from pathlib import Path
from typing import Any

from soundlink_assets.schema.window import Window

SAMPLES = Path(__file__).parents[1] / "samples"
DAY = date(2026, 4, 1)
WINDOW = Window(DAY, DAY)


def rows(**changed: Any) -> list[dict[str, Any]]:
    """The two sample rows of the breakdown export, with some values changed in the second."""
    lines = (SAMPLES / "campaign_country_daily.jsonl").read_text().splitlines()
    found = [json.loads(line) for line in lines if line]
    found[-1].update(changed)
    return found


CAMPAIGN = str(rows()[0]["campaign_id"])


def body(*of: dict[str, Any]) -> bytes:
    """Rows as JSONL; the sample rows if none are given."""
    return b"".join(json.dumps(row).encode() + b"\n" for row in of or rows())


def envelope(data: Any = None, *, code: str | None = None, message: str = "no") -> bytes:
    """The provider's JSON envelope, with data or with an error."""
    meta = {"requestId": "req-1"}
    if code is None:
        return json.dumps({"data": data, "meta": meta}).encode()
    return json.dumps({"error": {"code": code, "message": message}, "meta": meta}).encode()
