"""Scorecards and report in a run of the main job, over real HTTP on the sandbox."""

import base64
import re
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path

import dagster as dg
import polars as pl
import pytest
from markupsafe import escape
from polars.testing import assert_frame_equal
from soundlink_assets.assets.check_results import last_check_results
from soundlink_assets.assets.checks_scorecards import CHECK_NAME

from soundlink_assets.assets.report import REPORT_FILE, REPORT_KEY
from soundlink_assets_tests.assets.checked_runs import (
    DAYS,
    NOW,
    Platform,
    number,
    over,
    platform_in,
    table,
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
        yield platform


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


def _scorecard_verdict(platform: Platform, scorecard: str) -> dg.AssetCheckEvaluation:
    key = dg.AssetCheckKey(dg.AssetKey(["analytics", scorecard]), CHECK_NAME)
    checked = platform.check([key])
    return checked.for_run(f"analytics/{scorecard}", CHECK_NAME)


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


@pytest.mark.parametrize("scorecard", SCORECARDS)
@pytest.mark.parametrize(
    "spoil",
    [
        "update analytics.{} set listeners = listeners + 1 where days > 0",
        "delete from analytics.{0} where rowid = (select min(rowid) from analytics.{0})",
        "insert into analytics.{0} select * replace ('nobody' as campaign_id) from analytics.{0}",
    ],
    ids=["another sum", "a row too few", "a row too many"],
)
def test_a_scorecard_that_does_not_add_up_is_told(
    loaded: Platform, scorecard: str, spoil: str, tmp_path: Path
) -> None:
    kept = tmp_path / "kept.parquet"
    loaded.write(f"copy analytics.{scorecard} to '{kept}'")
    try:
        loaded.write(spoil.format(scorecard))
        verdict = _scorecard_verdict(loaded, scorecard)
    finally:
        loaded.write(
            f"delete from analytics.{scorecard}; "
            f"insert into analytics.{scorecard} by name from '{kept}'"
        )

    assert not verdict.passed
    assert verdict.severity is dg.AssetCheckSeverity.WARN
    assert number(verdict, "differing_sums") > 0
    assert {row["expected"] == row["found"] for row in table(verdict, "findings")} == {False}


def test_without_anything_stored_the_scorecards_have_nothing_to_add_up(tmp_path: Path) -> None:
    with platform_in(tmp_path) as empty:
        assert all(_scorecard_verdict(empty, scorecard).passed for scorecard in SCORECARDS)


def test_the_picture_of_the_report_is_in_its_metadata(loaded: Platform) -> None:
    metadata = _materialization(loaded, REPORT_KEY).metadata
    picture = metadata["picture"]
    assert isinstance(picture, dg.MarkdownMetadataValue)
    found = re.fullmatch(
        r"!\[[^\]]+\]\(data:image/png;base64,([A-Za-z0-9+/=]+)\)", picture.md_str or ""
    )
    assert found
    assert base64.b64decode(found.group(1)).startswith(b"\x89PNG")
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


def test_the_report_can_be_materialised_alone(loaded: Platform) -> None:
    job = loaded.definitions.resolve_implicit_global_asset_job_def()
    requests = len(loaded.sandbox.requests)
    result = job.get_subset(asset_selection={REPORT_KEY}).execute_in_process(
        instance=loaded.instance,
        run_config={"loggers": {"console": {"config": {"log_level": "CRITICAL"}}}},
    )
    assert result.success
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
    assert last_check_results(loaded.instance, [never]) == []
