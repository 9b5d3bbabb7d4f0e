import gzip
import json
from datetime import date
from decimal import ROUND_HALF_UP, Decimal

import httpx
import pytest

from soundlink_assets.sandbox import RunningSandbox
from soundlink_assets.sandbox.links import Campaign
from soundlink_assets.schema import (
    CAMPAIGN_COUNTRY_DAILY,
    CAMPAIGN_EXPORTS,
    Export,
)
from soundlink_assets.schema.window import Window
from soundlink_assets_tests.sandbox.conftest import LAST_90_DAYS, NOW, data_of, error_of

APRIL = Window(date(2026, 4, 1), date(2026, 4, 14))


def params(window: Window, **more: str) -> dict[str, str]:
    return {"startDate": str(window.first), "endDate": str(window.last), **more}


def campaign_of(sandbox: RunningSandbox, target_type: str = "track") -> Campaign:
    return next(c for c in sandbox.world.campaigns if c.target_type == target_type)


class TestCampaigns:
    def test_the_list_is_newest_first_in_pages_of_ten(
        self, http: httpx.Client, sandbox: RunningSandbox
    ) -> None:
        data = data_of(http.get("/v1/campaigns"))
        oldest_first = [c.campaign_id for c in sandbox.world.campaigns_at(NOW)]
        assert [item["campaignId"] for item in data["items"]] == oldest_first[::-1]
        assert data["pagination"] == {
            "page": 1,
            "pageSize": 10,
            "totalCount": len(oldest_first),
            "totalPages": 1,
        }

    def test_pages_cover_the_list_without_overlap(
        self, http: httpx.Client, sandbox: RunningSandbox
    ) -> None:
        query = {"pageSize": "3", "sortBy": "createdAt", "sortOrder": "asc"}
        pages = [
            data_of(http.get("/v1/campaigns", params={**query, "page": str(page)}))
            for page in (1, 2, 3, 4)
        ]
        ids = [item["campaignId"] for page in pages for item in page["items"]]
        assert ids == [c.campaign_id for c in sandbox.world.campaigns_at(NOW)]
        assert pages[0]["pagination"]["totalPages"] == 3
        assert pages[3]["items"] == []

    def test_campaigns_not_created_yet_are_not_there(
        self, http: httpx.Client, sandbox: RunningSandbox
    ) -> None:
        newest = sandbox.world.campaigns[-1]
        sandbox.set_clock(sandbox.world.campaigns[-2].created_at)
        ids = [item["campaignId"] for item in data_of(http.get("/v1/campaigns"))["items"]]
        assert len(ids) == len(sandbox.world.campaigns) - 1
        missing = http.get(CAMPAIGN_COUNTRY_DAILY.path(newest.campaign_id))
        assert error_of(missing) == (404, "campaign_not_found")

    def test_an_organisation_without_campaigns_has_no_pages(
        self, http: httpx.Client, sandbox: RunningSandbox
    ) -> None:
        sandbox.set_clock(NOW.replace(year=2020))
        data = data_of(http.get("/v1/campaigns"))
        assert data["items"] == []
        assert data["pagination"]["totalPages"] == data["pagination"]["totalCount"] == 0


@pytest.mark.parametrize("export", CAMPAIGN_EXPORTS, ids=lambda export: export.segment)
class TestExports:
    def test_the_body_is_the_worlds_lines(
        self, http: httpx.Client, sandbox: RunningSandbox, export: Export
    ) -> None:
        for campaign in sandbox.world.campaigns_at(NOW):
            response = http.get(export.path(campaign.campaign_id), params=params(LAST_90_DAYS))
            truth = sandbox.world.rows(export.name, campaign.campaign_id, LAST_90_DAYS, NOW)
            lines = response.content.splitlines()
            assert response.status_code == 200
            assert response.content == b"".join(line + b"\n" for line in lines)
            assert [json.loads(line)["report_date"] for line in lines] == [
                str(row["report_date"]) for row in truth
            ]
            assert response.headers["x-row-count"] == str(len(truth))

    def test_the_body_is_compressed_when_asked_for(
        self, http: httpx.Client, sandbox: RunningSandbox, export: Export
    ) -> None:
        path = export.path(campaign_of(sandbox).campaign_id)
        plain = http.get(path, params=params(APRIL))
        with http.stream(
            "GET", path, params=params(APRIL), headers={"accept-encoding": "gzip"}
        ) as response:
            raw = b"".join(response.iter_raw())
        assert response.headers["content-encoding"] == "gzip"
        assert gzip.decompress(raw) == plain.content
        assert "content-encoding" not in plain.headers

    def test_without_dates_the_last_ninety_days_are_served(
        self, http: httpx.Client, sandbox: RunningSandbox, export: Export
    ) -> None:
        path = export.path(campaign_of(sandbox).campaign_id)
        lines = http.get(path).content.splitlines()
        days = [json.loads(line)["report_date"] for line in lines]
        assert (days[0], days[-1]) == ("2026-01-21", "2026-04-20")


def test_money_has_two_decimals_and_ratios_no_trailing_zeros(
    http: httpx.Client, sandbox: RunningSandbox
) -> None:
    path = CAMPAIGN_COUNTRY_DAILY.path(campaign_of(sandbox).campaign_id)
    lines = http.get(path, params=params(APRIL)).text.splitlines()
    printed = [json.loads(line, parse_float=str, parse_int=str) for line in lines]
    assert all(len(row["spend_media"].partition(".")[2]) == 2 for row in printed)
    assert any(row["spend_media"].endswith("0") for row in printed)
    assert not any("." in row["cpl"] and row["cpl"].endswith("0") for row in printed)


class TestOverview:
    def test_totals_are_the_sums_of_the_breakdown_and_ratios_those_of_the_totals(
        self, http: httpx.Client, sandbox: RunningSandbox
    ) -> None:
        campaign = campaign_of(sandbox)
        path = f"/v1/campaigns/{campaign.campaign_id}/metrics/overview"
        shown = data_of(http.get(path, params=params(APRIL)))
        rows = sandbox.world.rows(CAMPAIGN_COUNTRY_DAILY.name, campaign.campaign_id, APRIL, NOW)
        for name in ("listeners", "streams", "followers", "impressions", "ad_clicks"):
            assert shown[name] == sum(row[name] or 0 for row in rows)
        media = sum((row["spend_media"] for row in rows), Decimal(0))
        assert Decimal(str(shown["spend_media"])) == media
        assert shown["spend_total"] == pytest.approx(shown["spend_media"] + shown["fees"])
        cost = (media / shown["listeners"]).quantize(Decimal("0.001"), ROUND_HALF_UP)
        assert Decimal(str(shown["cpl"])) == cost
        assert shown["currency"] == "USD"

    def test_it_reaches_back_to_the_start_without_a_cap(
        self, http: httpx.Client, sandbox: RunningSandbox
    ) -> None:
        campaign = campaign_of(sandbox)
        path = f"/v1/campaigns/{campaign.campaign_id}/metrics/overview"
        whole = data_of(http.get(path))
        recent = data_of(http.get(path, params=params(LAST_90_DAYS)))
        assert whole["streams"] > recent["streams"]

    def test_nothing_is_zero_and_unknown_is_null(
        self, http: httpx.Client, sandbox: RunningSandbox
    ) -> None:
        path = f"/v1/campaigns/{campaign_of(sandbox).campaign_id}/metrics/overview"
        future = Window(date(2027, 1, 1), date(2027, 1, 31))
        shown = data_of(http.get(path, params=params(future)))
        assert shown["listeners"] == shown["cpl"] == shown["streams_per_listener"] == 0
        assert shown["impressions"] is None
