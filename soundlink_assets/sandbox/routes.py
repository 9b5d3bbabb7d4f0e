"""The provider's read routes for campaigns."""

import json
from collections.abc import Callable
from datetime import timedelta
from functools import partial
from typing import Any

from soundlink_assets.sandbox.answers import Answer, data_answer, raw_data_answer
from soundlink_assets.sandbox.calls import Call
from soundlink_assets.sandbox.faults import Fault
from soundlink_assets.sandbox.keys import CAMPAIGNS_READ, METRICS_READ, Access
from soundlink_assets.sandbox.listing import campaign_object, overview
from soundlink_assets.sandbox.queries import (
    Paging,
    read_context,
    read_export_window,
    read_paging,
    read_window,
)
from soundlink_assets.sandbox.rows import read_rows
from soundlink_assets.sandbox.spoiling import (
    LISTING_FAULTS,
    Delivery,
    can_spoil,
    spoil_campaigns,
    spoil_delivery,
)
from soundlink_assets.schema import CAMPAIGN_COUNTRY_DAILY, EXPORTS, Export
from soundlink_assets.schema.window import Window

Handler = Callable[[Call, Access], Answer]

_SORT_FIELDS = {
    "breakdown": ("report_date", "spend_total"),
    "engagement": ("report_date", "streams", "listeners"),
}


def ping(_call: Call, _access: Access) -> Answer:
    """Any valid key."""
    return data_answer({"status": "ok"})


def list_campaigns(call: Call, access: Access) -> Answer:
    """A page of the organisation's campaigns."""
    access.require(CAMPAIGNS_READ)
    paging = read_paging(
        call.request.query_params,
        default_size=10,
        max_size=100,
        sort_fields=("createdAt", "status"),
    )
    listed = [
        campaign_object(campaign, call.now)
        for campaign in call.world(access).campaigns_at(call.now)
    ]
    listed.sort(key=lambda shown: (shown[paging.sort_by], shown["createdAt"], shown["campaignId"]))
    if paging.descending:
        listed.reverse()
    items = listed[(paging.number - 1) * paging.size :][: paging.size]
    fault = call.take(lambda planned: bool(items) and planned.fault in LISTING_FAULTS)
    if fault is not None:
        items = spoil_campaigns(items, fault)
    return data_answer({"items": items, "pagination": _pagination(paging, len(listed))})


def campaign_detail(call: Call, access: Access) -> Answer:
    """One campaign, with the fields that the list leaves out."""
    access.require(CAMPAIGNS_READ)
    return data_answer(campaign_object(call.campaign(access), call.now, detail=True))


def metrics_overview(call: Call, access: Access) -> Answer:
    """Totals of the breakdown rows over any range of days."""
    access.require(METRICS_READ)
    campaign = call.campaign(access)
    window = read_window(call.request.query_params, campaign.created_at.date(), call.now.date())
    body = call.world(access).body(CAMPAIGN_COUNTRY_DAILY, campaign, window, call.now)
    rows = read_rows(CAMPAIGN_COUNTRY_DAILY, body.content.splitlines())
    return data_answer(overview(rows))


def metrics_page(call: Call, access: Access, export: Export) -> Answer:
    """A page of an export's rows, inside the envelope."""
    access.require(METRICS_READ)
    campaign = call.campaign(access)
    query = call.request.query_params
    paging = read_paging(
        query, default_size=50, max_size=500, sort_fields=_SORT_FIELDS[export.segment]
    )
    context = read_context(query) if export.segment == "engagement" else None
    window = read_window(query, campaign.created_at.date(), call.now.date())
    body = call.world(access).body(export, campaign, window, call.now, context)
    lines = body.content.decode().split("\n")[:-1]
    if (paging.sort_by, paging.descending) != ("report_date", False):
        lines.sort(key=lambda line: json.loads(line)[paging.sort_by], reverse=paging.descending)
    items = lines[(paging.number - 1) * paging.size :][: paging.size]
    pagination = json.dumps(_pagination(paging, len(lines)))
    return raw_data_answer(
        f'{{"schemaVersion":"{export.schema_version}","items":[{",".join(items)}],'
        f'"pagination":{pagination}}}'
    )


def metrics_export(call: Call, access: Access, export: Export) -> Answer:
    """An export: bare JSON lines, with the faults that befall them."""
    access.require(METRICS_READ)
    campaign = call.campaign(access)
    query = call.request.query_params
    window = read_export_window(
        query, campaign.created_at.date(), call.now.date(), call.sandbox.config.over_cap
    )
    context = read_context(query) if export.segment == "engagement" else None
    world = call.world(access)
    body = world.body(export, campaign, window, call.now, context)
    delivery = Delivery(body.content, body.row_count)
    fault = call.take(can_spoil(export, body.content))
    if fault is not None and fault.fault is Fault.STALE_EXPORT:
        back = timedelta(hours=fault.hours)
        older = world.body(export, campaign, window, call.now - back, context)
        delivery = Delivery(older.content, older.row_count)
    elif fault is not None:
        delivery = spoil_delivery(delivery, export, window, fault)
    return _lines_answer(delivery, export, campaign.campaign_id, window)


def _lines_answer(delivery: Delivery, export: Export, campaign_id: str, window: Window) -> Answer:
    name = export.file_name(campaign_id, window)
    headers = {
        "content-type": delivery.content_type,
        "content-disposition": f'attachment; filename="{name}"',
    }
    if delivery.row_count is not None:
        headers["x-row-count"] = str(delivery.row_count)
    return Answer(status=200, headers=headers, body=delivery.content)


def _pagination(paging: Paging, total: int) -> dict[str, Any]:
    return {
        "page": paging.number,
        "pageSize": paging.size,
        "totalCount": total,
        "totalPages": -(-total // paging.size),
    }


_METRICS = "/v1/campaigns/{campaign_id}/metrics"

READ_ROUTES: tuple[tuple[str, Handler], ...] = (
    ("/v1/ping", ping),
    ("/v1/campaigns", list_campaigns),
    ("/v1/campaigns/{campaign_id}", campaign_detail),
    (f"{_METRICS}/overview", metrics_overview),
    *((f"{_METRICS}/{export.segment}", partial(metrics_page, export=export)) for export in EXPORTS),
    *(
        (f"{_METRICS}/{export.segment}/export", partial(metrics_export, export=export))
        for export in EXPORTS
    ),
)
"""The paths served, and what answers them."""
