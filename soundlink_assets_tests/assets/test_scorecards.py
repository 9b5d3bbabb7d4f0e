"""Scorecards and report in a run of the main job, over real HTTP on the sandbox."""

import base64
import re
from collections.abc import Callable, Iterator
from datetime import timedelta
from operator import attrgetter
from pathlib import Path

import dagster as dg
import polars as pl
import pytest
from markupsafe import escape
from polars.testing import assert_frame_equal

from soundlink_assets.assets.derived_checks import TOTALS_EQUAL_DAILY_TABLE as CHECK_NAME
from soundlink_assets.assets.derived_checks import judge_scorecard
from soundlink_assets.assets.report import REPORT_FILE, REPORT_KEY, last_check_results
from soundlink_assets.schema.analytics import (
    CAMPAIGN_SCORECARD,
    COUNTRY_EFFICIENCY,
    COUNTRY_SCORECARD,
)
from soundlink_assets.schema.frames import empty_frame
from soundlink_assets.schema.tables import Table
from soundlink_assets.warehouse import open_warehouse
from soundlink_assets_tests.assets.checked_runs import (
    DAYS,
    NOW,
    Platform,
    over,
    platform_in,
)

EXPORT = "soundlink/campaign_country_daily"
CHECK = dg.AssetCheckKey(dg.AssetKey(EXPORT.split("/")), "cpl_identity")

CAMPAIGN_TOTALS = """
WITH spend AS (
    SELECT campaign_id, currency, sum(spend_media)::DECIMAL(18,6) AS spend_media,
        sum(listeners)::BIGINT AS listeners, sum(followers)::BIGINT AS followers,
        count(DISTINCT report_date) AS days
    FROM soundlink.campaign_country_daily GROUP BY ALL
),
plays AS (
    SELECT campaign_id, sum(streams)::BIGINT AS catalogue_streams
    FROM soundlink.campaign_engagement_daily
    WHERE engagement_context = 'catalog' AND campaign_target_type = 'track' GROUP BY ALL
)
SELECT campaign_id, currency, days, spend_media, listeners, followers,
    spend_media / nullif(listeners, 0) AS cost_per_listener,
    catalogue_streams
FROM spend LEFT JOIN plays USING (campaign_id) ORDER BY campaign_id
"""


@pytest.fixture(scope="module")
def loaded(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Platform]:
    """The whole main job over `DAYS`, run once."""
    with platform_in(tmp_path_factory.mktemp("loaded")) as platform:
        result = platform.definitions.resolve_job_def("daily_exports").execute_in_process(
            instance=platform.instance,
            tags=over(DAYS),
            run_config={"loggers": {"console": {"config": {"log_level": "CRITICAL"}}}},
        )
        assert result.success
        assert materialized_alone(platform, REPORT_KEY)
        yield platform


def materialized_alone(platform: Platform, key: dg.AssetKey) -> bool:
    job = platform.definitions.resolve_implicit_global_asset_job_def()
    return (
        job.get_subset(asset_selection={key})
        .execute_in_process(
            instance=platform.instance,
            run_config={"loggers": {"console": {"config": {"log_level": "CRITICAL"}}}},
        )
        .success
    )


def _materialization(platform: Platform, key: dg.AssetKey) -> dg.AssetMaterialization:
    event = platform.instance.get_latest_materialization_event(key)
    assert event is not None
    assert event.asset_materialization is not None
    return event.asset_materialization


def _report(platform: Platform) -> str:
    path = Path(platform.settings.warehouse).with_name(REPORT_FILE)
    return path.read_text(encoding="utf-8")


def test_the_scorecard_equals_sql_over_the_export_tables(loaded: Platform) -> None:
    expected = loaded.read(CAMPAIGN_TOTALS)
    card = loaded.read("from analytics.campaign_scorecard order by campaign_id")
    kinds = pl.sum_horizontal(
        "promoted_streams", "spillover_streams", "undetermined_streams", ignore_nulls=False
    )
    assert_frame_equal(
        card.with_columns(kinds.alias("catalogue_streams")).select(expected.columns), expected
    )
    assert card["as_of"].unique().to_list() == [NOW.date() - timedelta(days=1)]


def test_every_country_is_in_the_country_scorecard(loaded: Platform) -> None:
    per_country = loaded.read(
        "select campaign_id, country_code, sum(spend_media)::decimal(18,6) as spend_media "
        "from soundlink.campaign_country_daily group by all order by all"
    )
    card = loaded.read(
        "select campaign_id, country_code, spend_media from analytics.country_scorecard "
        "where days > 0 order by all"
    )
    assert_frame_equal(card, per_country)


SCORECARDS = ("campaign_scorecard", "country_scorecard")


@pytest.mark.parametrize("scorecard", SCORECARDS)
def test_a_scorecard_of_the_days_passes_its_check(loaded: Platform, scorecard: str) -> None:
    results = {
        (result.asset, result.check): result.passed
        for result in last_check_results(
            loaded.instance,
            [dg.AssetCheckKey(dg.AssetKey(["analytics", scorecard]), CHECK_NAME)],
        )
    }
    assert results == {(f"analytics/{scorecard}", CHECK_NAME): True}


@pytest.mark.parametrize("table", [CAMPAIGN_SCORECARD, COUNTRY_SCORECARD], ids=attrgetter("name"))
@pytest.mark.parametrize(
    "change",
    [
        lambda card: card.with_columns(pl.col("listeners") + 1),
        lambda card: card.head(-1),
        lambda card: pl.concat([card, card.with_columns(campaign_id=pl.lit("nobody"))]),
    ],
    ids=["another sum", "a row too few", "a row too many"],
)
def test_a_scorecard_that_does_not_add_up_fails_its_check(
    loaded: Platform, table: Table, change: Callable[[pl.DataFrame], pl.DataFrame]
) -> None:
    warehouse = open_warehouse(loaded.settings.warehouse)
    card, days = warehouse.load(table), warehouse.load(COUNTRY_EFFICIENCY)

    assert judge_scorecard(table, card.filter(pl.col("days") > 0), days).passed
    verdict = judge_scorecard(table, change(card.filter(pl.col("days") > 0)), days)

    assert not verdict.passed
    assert verdict.severity is dg.AssetCheckSeverity.ERROR
    assert verdict.metadata["differing_sums"] > 0


def test_without_anything_stored_a_scorecard_is_not_judged() -> None:
    nothing = empty_frame(CAMPAIGN_SCORECARD)
    verdict = judge_scorecard(CAMPAIGN_SCORECARD, nothing, empty_frame(COUNTRY_EFFICIENCY))
    assert verdict.passed
    assert verdict.description.startswith("Not judged")


def test_the_ui_shows_the_campaigns_that_spent_most(loaded: Platform) -> None:
    key = dg.AssetKey(["analytics", "campaign_scorecard"])
    shown = _materialization(loaded, key).metadata["largest_rows"]
    assert isinstance(shown, dg.TableMetadataValue)
    stored = loaded.read(
        "SELECT campaign_name FROM analytics.campaign_scorecard ORDER BY spend_total DESC"
    )

    assert [record.data["campaign_name"] for record in shown.records] == stored[:, 0].to_list()


def test_the_picture_of_the_report_is_in_its_metadata(loaded: Platform) -> None:
    metadata = _materialization(loaded, REPORT_KEY).metadata
    picture = metadata["picture"]
    assert isinstance(picture, dg.MarkdownMetadataValue)
    found = re.fullmatch(
        r"!\[[^\]]+\]\(data:image/jpeg;base64,([A-Za-z0-9+/=]+)\)", picture.md_str or ""
    )
    assert found
    assert base64.b64decode(found.group(1)).startswith(b"\xff\xd8\xff")
    assert len(found.group(1)) < 60_000
    assert metadata["path"].value == str(
        Path(loaded.settings.warehouse).absolute().with_name(REPORT_FILE)
    )


def test_the_report_shows_every_campaign_that_has_figures(loaded: Platform) -> None:
    page = _report(loaded)
    names = loaded.read("from analytics.campaign_scorecard select campaign_name").to_series()
    assert len(names) > 1
    assert all(f"<h2>{escape(name)}</h2>" in page for name in names)
    assert "Synthetic data from the sandbox" in page


def test_nothing_of_the_key_is_in_report_or_metadata(loaded: Platform) -> None:
    metadata = str(_materialization(loaded, REPORT_KEY).metadata)
    assert loaded.sandbox.api_key not in _report(loaded) + metadata


def test_the_report_is_made_without_a_request_and_not_by_the_run_that_fetches(
    loaded: Platform,
) -> None:
    job = loaded.definitions.resolve_job_def("daily_exports")
    assert REPORT_KEY not in job.asset_layer.executable_asset_keys
    requests = len(loaded.sandbox.requests)
    assert materialized_alone(loaded, REPORT_KEY)
    assert len(loaded.sandbox.requests) == requests


def test_check_results_are_the_last_verdicts_of_each_day(loaded: Platform) -> None:
    (before,) = last_check_results(loaded.instance, [CHECK])
    assert (before.asset, before.check, before.passed) == (EXPORT, "cpl_identity", True)

    loaded.write(
        "update soundlink.campaign_country_daily set cpl = cpl + 7 "
        f"where report_date = '{DAYS.first}'"
    )
    loaded.check([CHECK], over(DAYS))
    (after,) = last_check_results(loaded.instance, [CHECK])
    assert not after.passed
    assert after.severity == "ERROR"
    assert after.description.startswith("5 Apr 2024. ")
    assert after.checked_at > before.checked_at


def test_a_check_that_never_ran_has_no_result(loaded: Platform) -> None:
    never = dg.AssetCheckKey(dg.AssetKey(["no", "asset"]), "nothing")
    assert last_check_results(loaded.instance, [never]) == ()
