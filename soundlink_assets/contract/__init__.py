"""What a row of schema version 1.0 is: fields, units, keys, identities, and how a body is read.

The descriptions (`export`, `rules`, `country`, `engagement`, `campaigns`, `window`) need the
standard library only. What works on bodies and frames (`schemas`; `parsing` and its parts `body`,
`blocks`, `line_pattern`, `lines`; `evaluation`) imports polars and dataframely. No HTTP, no files,
no DuckDB, no Dagster.

A further export of the provider is one more `Export` in a module of its own and in `EXPORTS`.
"""

from soundlink_assets.contract.country import CAMPAIGN_COUNTRY_DAILY
from soundlink_assets.contract.engagement import CAMPAIGN_ENGAGEMENT_DAILY
from soundlink_assets.contract.export import Export

EXPORTS: tuple[Export, ...] = (CAMPAIGN_COUNTRY_DAILY, CAMPAIGN_ENGAGEMENT_DAILY)

__all__ = ["CAMPAIGN_COUNTRY_DAILY", "CAMPAIGN_ENGAGEMENT_DAILY", "EXPORTS", "Export"]
