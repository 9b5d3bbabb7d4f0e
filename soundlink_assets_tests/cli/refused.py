"""Bodies in quarantine, put there by the client's own function."""

from datetime import datetime
from io import BytesIO
from pathlib import Path

from pydantic import SecretStr

from soundlink_assets.provider.errors import About, ContractViolation
from soundlink_assets.provider.quarantine import KeptBody, Quarantine


def refused(folder: Path, at: datetime, why: str = "line 2: no JSON") -> KeptBody:
    """A small body that was refused at that moment."""
    about = About(export="campaign_country_daily", requested_id="some-campaign")
    quarantine = Quarantine(folder=folder, key=SecretStr("sk_x"))
    return KeptBody(
        quarantine.keep(BytesIO(b"{}\n"), ContractViolation(why), about=about, at=at), at
    )
