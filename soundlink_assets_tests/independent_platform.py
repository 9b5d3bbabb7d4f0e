"""The real definitions on the independent provider, and what they stored in its own words."""

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, date, datetime
from decimal import Decimal
from pathlib import Path
from typing import Any, cast

import dagster as dg

from soundlink_assets.schema.window import Window
from soundlink_assets_tests.assets.checked_runs import Platform
from soundlink_assets_tests.independent_faults import LOADED
from soundlink_assets_tests.independent_provider import (
    COUNTRY,
    ENGAGEMENT,
    Campaign,
    Provider,
    Row,
    independent_provider,
    stamp,
)

WINDOW = Window(date(2024, 4, 2), date(2024, 4, 4))
FINAL = datetime(2024, 4, 20, 6, tzinfo=UTC)
ASSETS = {
    COUNTRY: "soundlink/campaign_country_daily",
    ENGAGEMENT: "soundlink/campaign_engagement_daily",
}


@contextmanager
def platform_on(
    folder: Path, names: list[str], **given: Any
) -> Iterator[tuple[Platform, Provider]]:
    campaigns = [Campaign(name) for name in names]
    with (
        independent_provider(campaigns, LOADED) as provider,
        dg.DagsterInstance.ephemeral(str(folder)) as instance,
    ):
        # It asks its sandbox for the address, the key and the time: all that a provider is.
        yield Platform(folder, cast("Any", provider), instance, **given), provider


def truth(provider: Provider, export: str) -> dict[str, list[Row]]:
    """What the provider has now, by the name of the campaign."""
    return {
        campaign.name: provider.truth(campaign, export, WINDOW.first, WINDOW.last)
        for campaign in provider.campaigns
    }


def stored(platform: Platform, provider: Provider, export: str) -> dict[str, list[Row]]:
    """What the platform holds, as the provider writes it, without what we add to it."""
    names = {campaign.campaign_id: campaign.name for campaign in provider.campaigns}
    rows: dict[str, list[Row]] = {name: [] for name in names.values()}
    frame = platform.read(
        "SELECT * EXCLUDE (requested_campaign_id, ingested_at, run_id, extra) "
        f"FROM {ASSETS[export].replace('/', '.')} ORDER BY report_date, country_code"
    )
    for found in frame.iter_rows(named=True):
        values = {name: _plain(value) for name, value in found.items() if value is not None}
        rows[names[found["campaign_id"]]].append(values)
    return rows


def _plain(value: Any) -> Any:
    match value:
        case datetime():
            return stamp(value)
        case date():
            return value.isoformat()
        case Decimal():
            return float(value)
    return value
