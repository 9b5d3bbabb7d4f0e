"""Bodies in quarantine, put there by the client's own function."""

from datetime import datetime
from io import BytesIO
from pathlib import Path

from pydantic import SecretStr

from soundlink_assets.provider.errors import About
from soundlink_assets.provider.quarantine import KeptBody, keep_body


def refused(folder: Path, at: datetime, why: str = "line 2: no JSON") -> KeptBody:
    """A small body that was refused at that moment."""
    about = About(export="campaign_country_daily", campaign_id="some-campaign")
    kept = keep_body(
        folder, BytesIO(b"{}\n"), {"reason": why}, about=about, at=at, key=SecretStr("sk_x")
    )
    return KeptBody(kept, at)
