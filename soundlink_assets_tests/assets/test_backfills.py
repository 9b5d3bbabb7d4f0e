"""Backfills: several at once, cut at ninety days, and one that failed repeated alone."""

import subprocess
import sys
from datetime import UTC, date, datetime, timedelta
from pathlib import Path

import polars as pl
import pytest

from soundlink_assets.assets.catalog import asset_key
from soundlink_assets.cli.home import prepare_home
from soundlink_assets.sandbox import PROVIDER_LIMITS, SandboxConfig, serving
from soundlink_assets.schema import (
    CAMPAIGN_COUNTRY_DAILY,
    CAMPAIGN_ENGAGEMENT_DAILY,
    CAMPAIGN_EXPORTS,
)
from soundlink_assets.schema.window import Window
from soundlink_assets.warehouse import open_warehouse
from soundlink_assets_tests.assets.simulation import platform
from soundlink_assets_tests.cli.commands import environment

TODAY = datetime.now(UTC).date()


def ago(days: int) -> date:
    return TODAY - timedelta(days=days)


@pytest.mark.slow
def test_two_backfills_at_once_keep_the_budget_and_their_own_days(tmp_path: Path) -> None:
    ranges = (Window(ago(20), ago(11)), Window(ago(10), ago(1)))
    with serving(SandboxConfig(campaign_count=2, limits=PROVIDER_LIMITS)) as sandbox:
        given = {
            "SOUNDLINK_API_KEY": sandbox.api_key,
            "SOUNDLINK_BASE_URL": sandbox.base_url,
            "SOUNDLINK_BUDGET_DIR": str(tmp_path / "budget"),
            "SOUNDLINK_START_DATE": ago(30).isoformat(),
            "DAGSTER_HOME": str(prepare_home(tmp_path / "home")),
        }
        select = "key:soundlink/campaign_country_daily"
        processes = [
            subprocess.Popen(
                [
                    *(sys.executable, "-m", "soundlink_assets.cli", "backfill"),
                    *(window.first.isoformat(), window.last.isoformat(), "--select", select),
                ],
                cwd=tmp_path,
                env=environment(given),
                stdout=subprocess.PIPE,
                stderr=subprocess.STDOUT,
                text=True,
            )
            for window in ranges
        ]
        ended = [
            (process.communicate(timeout=1200)[0], process.returncode) for process in processes
        ]

        assert [code for _, code in ended] == [0, 0], ended
        assert {request.status for request in sandbox.requests} == {200}
        asked = [
            (request.query["startDate"], request.query["endDate"])
            for request in sandbox.requests
            if request.path.endswith("/export")
        ]
        expected = [(str(window.first), str(window.last)) for window in ranges]
        assert sorted(asked) == sorted(expected * 2)
        stored = open_warehouse(str(tmp_path / "data" / "warehouse.duckdb")).query(
            "select report_date, count(*) as rows, count(distinct run_id) as runs "
            "from soundlink.campaign_country_daily group by all order by all",
        )
        served = [
            row["report_date"]
            for campaign in sandbox.world.campaigns
            for window in ranges
            for row in sandbox.world.rows(
                "campaign_country_daily", campaign.campaign_id, window, sandbox.now()
            )
        ]
    assert stored["rows"].sum() == len(served) > 0
    assert set(stored["report_date"]) == set(served)
    assert set(stored["runs"]) == {1}


@pytest.mark.parametrize("export", CAMPAIGN_EXPORTS, ids=lambda export: export.name)
def test_a_range_that_failed_is_repeated_alone_and_disturbs_no_other_day(
    tmp_path: Path, export: object
) -> None:
    assert export in (CAMPAIGN_COUNTRY_DAILY, CAMPAIGN_ENGAGEMENT_DAILY)
    table = export.table
    key = asset_key(table)
    now = datetime(2026, 5, 20, 12, tzinfo=UTC)
    early = Window(date(2026, 5, 1), date(2026, 5, 5))
    late = Window(date(2026, 5, 6), date(2026, 5, 10))

    def stored(window: Window) -> pl.DataFrame:
        return open_warehouse(settings.warehouse).query(
            f"from {table.qualified_name} where report_date between ? and ? order by all",
            [window.first, window.last],
        )

    with platform(tmp_path, now, SandboxConfig(campaign_count=2, anchor=early.first)) as simulated:
        settings = simulated.settings
        assert simulated.fetch(early, [key])
        first = stored(early)
        simulated.sandbox.fail("*/export", "internal_error", count=None)
        assert not simulated.fetch(late, [key])
        assert stored(late).is_empty()

        simulated.sandbox.clear()
        assert simulated.fetch(late, [key])

        assert stored(late).height > 0
        assert stored(early).equals(first)
