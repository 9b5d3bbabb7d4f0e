"""What tables and exports are: columns, keys, units, ratios, rules. Data only.

Here belongs what is known of a table before any row of it is read; nothing outside this package
names a column of an export, except the metrics that are about it. Standard library only, so that
the definitions load quickly; the one exception is `frames`, the columns as polars types.

A further export of the provider is one more `Export` in `EXPORTS`: see docs/adding-an-export.md.
"""

from soundlink_assets.schema.campaigns import (
    CAMPAIGN,
    CAMPAIGN_COUNTRY_DAILY,
    CAMPAIGN_ENGAGEMENT_DAILY,
    CAMPAIGN_EXPORTS,
    CAMPAIGNS,
)
from soundlink_assets.schema.exports import Export, Scope
from soundlink_assets.schema.soundlinks import (
    SOUNDLINK,
    SOUNDLINK_COUNTRY_DAILY,
    SOUNDLINK_ENGAGEMENT_DAILY,
    SOUNDLINK_EXPORTS,
    SOUNDLINKS,
)

EXPORTS: tuple[Export, ...] = (*CAMPAIGN_EXPORTS, *SOUNDLINK_EXPORTS)

__all__ = [
    "CAMPAIGN",
    "CAMPAIGNS",
    "CAMPAIGN_COUNTRY_DAILY",
    "CAMPAIGN_ENGAGEMENT_DAILY",
    "CAMPAIGN_EXPORTS",
    "EXPORTS",
    "SOUNDLINK",
    "SOUNDLINKS",
    "SOUNDLINK_COUNTRY_DAILY",
    "SOUNDLINK_ENGAGEMENT_DAILY",
    "SOUNDLINK_EXPORTS",
    "Export",
    "Scope",
]
