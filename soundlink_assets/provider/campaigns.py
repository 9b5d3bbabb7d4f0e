"""The campaign routes: the list of all pages, one campaign, its overview totals.

Field names and what they mean are in `contract.campaigns`.
"""

from collections.abc import Callable
from dataclasses import dataclass
from decimal import Decimal
from typing import Any
from urllib.parse import quote

import polars as pl

from soundlink_assets.provider.errors import About, ContractError, TruncatedDeliveryError
from soundlink_assets.provider.transport import Request
from soundlink_assets.schema.campaigns import CAMPAIGNS, SOURCE_FIELDS
from soundlink_assets.provider.lines import WrongValueError, typed_value
from soundlink_assets.schema.frames import polars_schema
from soundlink_assets.provider.violations import UnreadableDelivery
from soundlink_assets.schema.window import Window
from soundlink_assets.schema.tables import Kind

CAMPAIGNS_PATH = "/v1/campaigns"
PAGE_SIZE = 100
"""The largest page that the provider gives."""

_MOST_READINGS = 3

Get = Callable[[Request], Any]
"""Sends a request, again if need be, and gives the `data` of its envelope."""

_LIST = About(path=CAMPAIGNS_PATH)


def list_campaigns(get: Get) -> pl.DataFrame:
    """All campaigns, oldest first, with the columns of `CAMPAIGNS` that the provider fills.

    Raises TruncatedDeliveryError if fewer campaigns came than the provider says there are, or if
    their number changes during every reading, and ContractError for an item or a page that is not
    what the provider documents.
    """
    readings = (_read_list(get) for _ in range(_MOST_READINGS))
    found = next((reading for reading in readings if reading is not None), None)
    if found is None:
        raise _incomplete(
            f"the campaign list changed during each of {_MOST_READINGS} readings, so that one may "
            "be missing"
        )
    schema = polars_schema(CAMPAIGNS)
    return pl.DataFrame(
        list(found.values()), schema={name: schema[name] for name in SOURCE_FIELDS}, orient="row"
    )


def _read_list(get: Get) -> dict[str, dict[str, Any]] | None:
    """All pages in one go, by campaign id; None once the stated number of campaigns changes.

    A campaign that is deleted meanwhile moves those behind it up: the first of the next page would
    stand on the page that has already been read.
    """
    found: dict[str, dict[str, Any]] = {}
    page, pages, total = 0, 1, 0
    while page < pages:
        page += 1
        before = total
        items, pages, total = _page(get, page)
        if page > 1 and total != before:
            return None
        known = len(found)
        for item in items:
            row = _row(item, _LIST)
            found[row["campaign_id"]] = row
        if len(found) == known:
            break
    if len(found) < total:
        raise _incomplete(f"the campaign list holds {len(found)} of {total} campaigns")
    return found


def _incomplete(message: str) -> TruncatedDeliveryError:
    return TruncatedDeliveryError(
        message,
        about=_LIST,
        hint="Run again; report it if it stays so. SOUNDLINK_CAMPAIGN_IDS replaces the list.",
    )


def first_campaign(get: Get) -> tuple[str | None, int]:
    """The id of the oldest campaign (None without any), and how many there are; one request."""
    items, _pages, total = _page(get, 1)
    return (_row(items[0], _LIST)["campaign_id"] if items else None), total


def _page(get: Get, page: int) -> tuple[list[Any], int, int]:
    """The items of a page, how many pages there are, and how many campaigns."""
    data = get(
        Request(
            about=_LIST,
            params={
                "page": str(page),
                "pageSize": str(PAGE_SIZE),
                # Oldest first: what is created meanwhile comes last and shifts no page.
                "sortBy": "createdAt",
                "sortOrder": "asc",
            },
        )
    )
    pagination = data.get("pagination") if isinstance(data, dict) else None
    items = data.get("items") if isinstance(data, dict) else None
    if not isinstance(pagination, dict) or not isinstance(items, list):
        raise _unreadable(f"page {page} has no items or no pagination", _LIST)
    numbers = []
    for name in ("totalPages", "totalCount"):
        value = pagination.get(name)
        if not isinstance(value, int) or isinstance(value, bool) or value < 0:
            raise _unreadable(f"not a count on page {page}", _LIST, name)
        numbers.append(value)
    return items, numbers[0], numbers[1]


def read_campaign(get: Get, campaign_id: str) -> dict[str, Any]:
    """One campaign: the columns of the list, and `strategy_type` and `auto_renew` (or None)."""
    about = About(path=_path(campaign_id), campaign_id=campaign_id)
    item = get(Request(about=about))
    row = _row(item, about)
    for name, source, kind in _DETAIL_FIELDS:
        row[name] = _typed(item, source, kind, nullable=True, about=about)
    return row


@dataclass(frozen=True, slots=True, kw_only=True)
class Overview:
    """Totals of a campaign over a range of days, all countries together.

    Money in `currency`. `listeners` is a sum over countries and days, so it may count people twice.
    None means that the platform did not report the figure, not that it is zero. The three ratios
    are the provider's: `spend_media` per listener, per follower, and streams per listener.
    """

    listeners: int
    streams: int
    followers: int
    impressions: int | None
    ad_clicks: int | None
    link_clicks: int | None
    spend_media: Decimal
    spend_total: Decimal
    fees: Decimal
    currency: str
    cpl: float
    cpf: float
    streams_per_listener: float


def read_overview(get: Get, campaign_id: str, window: Window) -> Overview:
    """The totals of a campaign over the window, which may be longer than 90 days."""
    about = About(
        path=f"{_path(campaign_id)}/metrics/overview", campaign_id=campaign_id, window=window
    )
    params = {"startDate": str(window.first), "endDate": str(window.last)}
    data = get(Request(about=about, params=params))
    values = {
        name: _typed(data, name, kind, nullable=name in _MAY_BE_UNREPORTED, about=about)
        for name, kind in _OVERVIEW_FIELDS.items()
    }
    return Overview(**values)


_DETAIL_FIELDS = (
    ("strategy_type", "strategyType", Kind.TEXT),
    ("auto_renew", "autoRenew", Kind.FLAG),
)

_OVERVIEW_FIELDS = {
    **dict.fromkeys(("listeners", "streams", "followers"), Kind.COUNT),
    **dict.fromkeys(("impressions", "ad_clicks", "link_clicks"), Kind.COUNT),
    **dict.fromkeys(("spend_media", "spend_total", "fees"), Kind.MONEY),
    "currency": Kind.TEXT,
    **dict.fromkeys(("cpl", "cpf", "streams_per_listener"), Kind.RATIO),
}
_MAY_BE_UNREPORTED = ("impressions", "ad_clicks", "link_clicks")


def _path(campaign_id: str) -> str:
    return f"{CAMPAIGNS_PATH}/{quote(campaign_id, safe='')}"


def _row(item: object, about: About) -> dict[str, Any]:
    """A campaign object under our column names; absent fields are null."""
    columns = ((CAMPAIGNS.column(name), source) for name, source in SOURCE_FIELDS.items())
    return {
        column.name: _typed(item, source, column.kind, nullable=column.nullable, about=about)
        for column, source in columns
    }


def _typed(item: object, field: str, kind: Kind, *, nullable: bool, about: About) -> Any:
    if not isinstance(item, dict):
        raise _unreadable("an item that is no object", about)
    value = item.get(field)
    if value is None:
        if nullable:
            return None
        raise _unreadable("null or missing, where a value is required", about, field)
    try:
        return typed_value(kind, value)
    except WrongValueError as error:
        raise _unreadable(str(error), about, field) from None


def _unreadable(message: str, about: About, field: str | None = None) -> ContractError:
    violation = UnreadableDelivery(message, check="required_fields", field=field)
    return ContractError(
        violation, about=about, hint="The provider's answer has changed: please report it."
    )
