"""What the JSON lines of both exports have in common."""

import json
from datetime import date
from functools import lru_cache

from soundlink_assets.sandbox.campaigns import Campaign

EXPORTED_AT = "\x00"
"""Stands in a line where `exported_at` goes; JSON text never holds this character unescaped."""


@lru_cache(maxsize=4096)
def text(value: str | None) -> str:
    """A JSON string or null; letters beyond ASCII stay as they are."""
    return json.dumps(value, ensure_ascii=False)


def number(value: int | None) -> str:
    """A whole number or null."""
    return "null" if value is None else str(value)


def head_of(campaign: Campaign, day: date) -> str:
    """The twelve fields that every row begins with, up to the comma after them."""
    return (
        f'{{"provider":"soundlink","account_id":{text(campaign.account_id)},"schema_version":"1.0",'
        f'"report_date":"{day}","report_date_timezone":"UTC","exported_at":"{EXPORTED_AT}",'
        f'"campaign_id":{text(campaign.campaign_id)},"campaign_name":{text(campaign.name)},'
        f'"campaign_target_type":{text(campaign.target_type)},'
        f'"campaign_target_isrc":{text(campaign.target_isrc)},'
        f'"campaign_target_spotify_track_id":{text(campaign.target_track_id)},'
        f'"campaign_target_playlist_id":{text(campaign.target_playlist_id)},'
    )
