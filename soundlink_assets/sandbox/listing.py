"""Campaign objects and overview totals, as the JSON routes show them."""

from collections.abc import Sequence
from datetime import datetime
from typing import Any

from soundlink_assets.sandbox.campaigns import Campaign
from soundlink_assets.sandbox.rounding import half_up
from soundlink_assets.sandbox.rows import Row

FIRST_FIELDS = (
    "campaignId",
    "organizationId",
    "status",
    "socialPlatform",
    "dailyBudget",
    "totalBudget",
    "campaignDuration",
    "createdAt",
    "updatedAt",
)
"""The fields that campaign objects had from the first revision on; all others came later."""


def campaign_object(campaign: Campaign, now: datetime, *, detail: bool = False) -> dict[str, Any]:
    """A campaign as listed at `now`; two fields more with `detail`."""
    shown: dict[str, Any] = {
        "campaignId": campaign.campaign_id,
        "organizationId": campaign.account_id,
        "status": campaign.listed_status(now.date()),
        "socialPlatform": "meta",
        "dailyBudget": campaign.daily_budget_cents / 100,
        "totalBudget": campaign.daily_budget_cents * campaign.cycle_days / 100,
        "campaignDuration": campaign.cycle_days,
        "createdAt": _stamp(campaign.created_at),
        "updatedAt": _stamp(campaign.updated_at(now)),
        "generation": 3,
        "artistId": campaign.artist_id,
        "artistName": campaign.artist_name,
        "trackId": campaign.target_track_id,
        "playlistId": campaign.target_playlist_id,
        "trackName": campaign.promoted_title if campaign.target_type == "track" else None,
        "campaignUrl": f"https://app.soundlink.invalid/insights/{campaign.campaign_id[:8]}",
    }
    if detail:
        shown["strategyType"] = "market_discovery"
        shown["autoRenew"] = campaign.last_day is None
    return shown


def _stamp(moment: datetime) -> str:
    return f"{moment:%Y-%m-%dT%H:%M:%SZ}"


def overview(rows: Sequence[Row]) -> dict[str, Any]:
    """The totals of breakdown rows; costs and ratios are those of the totals."""
    total = {name: sum(row[name] for row in rows) for name in ("listeners", "streams", "followers")}
    media, fees = (int(sum(row[name] for row in rows) * 100) for name in ("spend_media", "fees"))
    return {
        **total,
        **{name: _known_sum(rows, name) for name in ("impressions", "ad_clicks", "link_clicks")},
        "spend_media": media / 100,
        "spend_total": (media + fees) / 100,
        "fees": fees / 100,
        "currency": "USD",
        "cpl": _quotient(media, 100 * total["listeners"], 3),
        "cpf": _quotient(media, 100 * total["followers"], 3),
        "streams_per_listener": _quotient(total["streams"], total["listeners"], 2),
    }


def _known_sum(rows: Sequence[Row], name: str) -> int | None:
    """The sum of what is known; null when nothing is."""
    known = [row[name] for row in rows if row[name] is not None]
    return sum(known) if known else None


def _quotient(numerator: int, denominator: int, decimals: int) -> float:
    if not denominator:
        return 0
    scale: int = 10**decimals
    return half_up(numerator * scale, denominator) / scale
