"""The Soundlink API over HTTP: client, deliveries, errors, request budget. No Dagster, no DuckDB.

Usable on its own; the key and everything else come from the environment:

    with SoundlinkClient.from_settings(load_settings()) as client:
        for campaign_id in client.campaigns()["campaign_id"]:
            print(client.export(CAMPAIGN_COUNTRY_DAILY, campaign_id, window).frame)

Here belongs what speaks to the provider: requests, retries, limits, errors, and handing bodies to
the parser of `contract`. What a valid row is, where rows are stored and when to fetch does not.
"""

from soundlink_assets.api.budget import Limit, RequestBudget, budget_file, provider_limits
from soundlink_assets.api.campaigns import Overview
from soundlink_assets.api.client import SoundlinkClient
from soundlink_assets.api.delivery import Delivery, FailedDelivery
from soundlink_assets.api.errors import (
    AuthenticationError,
    BadRequestError,
    BudgetError,
    CampaignNotFoundError,
    ContractError,
    NotFoundError,
    RateLimitError,
    ScopeError,
    ServerError,
    SoundlinkError,
    TransportError,
    TruncatedDeliveryError,
)
from soundlink_assets.api.stopping import StoppedError

__all__ = [
    "AuthenticationError",
    "BadRequestError",
    "BudgetError",
    "CampaignNotFoundError",
    "ContractError",
    "Delivery",
    "FailedDelivery",
    "Limit",
    "NotFoundError",
    "Overview",
    "RateLimitError",
    "RequestBudget",
    "ScopeError",
    "ServerError",
    "SoundlinkClient",
    "SoundlinkError",
    "StoppedError",
    "TransportError",
    "TruncatedDeliveryError",
    "budget_file",
    "provider_limits",
]
