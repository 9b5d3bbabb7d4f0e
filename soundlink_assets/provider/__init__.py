"""The Soundlink API over HTTP: client, deliveries, errors, request budget. No Dagster, no DuckDB.

Usable on its own. The key, and whatever else is not the default, comes from the environment::

    from datetime import date

    from soundlink_assets.provider import Delivery, SoundlinkClient
    from soundlink_assets.schema import CAMPAIGN, CAMPAIGN_COUNTRY_DAILY
    from soundlink_assets.schema.window import Window
    from soundlink_assets.settings import load_settings

    quarter = Window(date(2026, 1, 1), date(2026, 3, 31))
    with SoundlinkClient.from_settings(load_settings()) as client:
        campaigns = client.listed(CAMPAIGN)["campaign_id"].to_list()
        for result in client.deliveries(CAMPAIGN_COUNTRY_DAILY, campaigns, quarter):
            shown = result.frame if isinstance(result, Delivery) else result.error
            print(result.requested_id, shown)

A delivery is complete and valid, or there is an error that says why: nothing in between. `Delivery`
says what came, the tree in `errors` what can go wrong and which errors concern the whole run.
Waits for the provider's limits stand in the log of `soundlink_assets.provider`, with their end.

Here belongs what speaks to the provider: requests, retries, limits, errors, reading and verifying
bodies, keeping what is refused. What columns and rules an export has belongs to `schema`, where
rows are stored to `warehouse`, and when to fetch to `assets`.
"""

from soundlink_assets.provider.budget import Limit, RequestBudget, provider_limits
from soundlink_assets.provider.budget_store import PostgresStore, SqliteStore
from soundlink_assets.provider.client import SoundlinkClient
from soundlink_assets.provider.deliveries import Delivery, FailedDelivery
from soundlink_assets.provider.errors import (
    AuthenticationError,
    BadRequestError,
    BudgetError,
    BudgetUsedUpError,
    ContractError,
    NotFoundError,
    RateLimitError,
    ScopeError,
    ServerError,
    SoundlinkError,
    TransportError,
    TruncatedDeliveryError,
    UnknownIdError,
)
from soundlink_assets.provider.retries import StoppedError

__all__ = [
    "AuthenticationError",
    "BadRequestError",
    "BudgetError",
    "BudgetUsedUpError",
    "ContractError",
    "Delivery",
    "FailedDelivery",
    "Limit",
    "NotFoundError",
    "PostgresStore",
    "RateLimitError",
    "RequestBudget",
    "ScopeError",
    "ServerError",
    "SoundlinkClient",
    "SoundlinkError",
    "SqliteStore",
    "StoppedError",
    "TransportError",
    "TruncatedDeliveryError",
    "UnknownIdError",
    "provider_limits",
]
