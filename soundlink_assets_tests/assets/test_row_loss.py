"""What vanished since the delivery before: on frames, and in real runs."""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from typing import Any

import dagster as dg
import polars as pl
import pytest

from soundlink_assets.assets.row_loss import row_loss
from soundlink_assets.assets.verdicts import Verdicts
from soundlink_assets.schema import CAMPAIGN_COUNTRY_DAILY, CAMPAIGN_ENGAGEMENT_DAILY, Export
from soundlink_assets.schema.frames import polars_schema
from soundlink_assets_tests.assets.checked_runs import (
    DAYS,
    ERROR,
    WARN,
    Checked,
    Platform,
    number,
    platform_in,
    table,
)

COUNTRY, ENGAGEMENT = CAMPAIGN_COUNTRY_DAILY, CAMPAIGN_ENGAGEMENT_DAILY
COUNTRY_ASSET = "soundlink/campaign_country_daily"
ENGAGEMENT_ASSET = "soundlink/campaign_engagement_daily"
DAY = date(2024, 4, 5)
FIRST = datetime(2024, 4, 6, tzinfo=UTC)
SECOND = FIRST + timedelta(hours=6)

Row = dict[str, Any]


def row(country: str, spend: str = "10.00", at: datetime = FIRST, currency: str = "USD") -> Row:
    return {
        "provider": "soundlink",
        "account_id": "a",
        "report_date": DAY,
        "campaign_id": "c",
        "requested_campaign_id": "c",
        "campaign_name": "Night Drive",
        "country_code": country,
        "currency": currency,
        "spend_total": Decimal(spend),
        "ingested_at": at,
    }


def frame(export: Export, rows: list[Row]) -> pl.DataFrame:
    """The rows as stored; columns that the verdict does not look at are null."""
    schema = polars_schema(export.table)
    known = {name: [each.get(name) for each in rows] for name in schema}
    return pl.DataFrame(known, schema=schema)


def judged(now: list[Row], before: list[Row], export: Export = COUNTRY) -> Verdicts:
    """The verdicts when `before` are the rows that the newest write changed or withdrew."""
    log = pl.DataFrame(
        {"requested_campaign_id": ["c"], "report_date": [DAY], "written_at": [SECOND]},
        schema_overrides={"written_at": pl.Datetime("us", "UTC")},
    )
    return row_loss(export, frame(export, now), log, frame(export, before), [DAY])


def countries(count: int, spend: str = "10.00", at: datetime = FIRST) -> list[Row]:
    return [row(f"C{index}", spend, at) for index in range(count)]


def test_a_first_delivery_has_lost_nothing() -> None:
    verdict = judged(countries(3, at=SECOND), []).run
    assert verdict.passed
    assert verdict.description == "Delivered for the first time."


def test_rows_that_come_again_or_grow_are_no_loss() -> None:
    grown = judged([row("DE", "12.00", SECOND), row("FR"), row("IT", at=SECOND)], [row("DE")])
    assert grown.run.passed
    assert grown.run.metadata["rows_before"] == 2


@pytest.mark.parametrize(
    ("lost", "kept", "severity"), [(1, 29, WARN), (20, 80, ERROR), (1, 19, WARN), (21, 79, ERROR)]
)
def test_rows_that_vanish_are_a_warning_and_much_spend_with_them_an_error(
    lost: int, kept: int, severity: dg.AssetCheckSeverity
) -> None:
    rows = countries(lost + kept)
    verdict = judged(rows[lost:], rows[:lost]).run
    assert not verdict.passed
    assert verdict.severity is severity
    assert verdict.metadata["rows_lost"] == lost
    assert verdict.metadata["rows_lost_share"] == pytest.approx(lost / (lost + kept), rel=1e-5)


@pytest.mark.parametrize(("lost", "severity"), [(20, WARN), (21, ERROR)])
def test_more_than_a_fifth_of_the_rows_is_an_error(
    lost: int, severity: dg.AssetCheckSeverity
) -> None:
    rows = countries(100, spend="0")
    assert judged(rows[lost:], rows[:lost]).run.severity is severity


@pytest.mark.parametrize(
    ("now", "severity"), [("99.99", WARN), ("95.00", WARN), ("94.99", ERROR), ("0", ERROR)]
)
def test_spend_that_vanishes_from_rows_that_stay_is_a_warning_beyond_a_twentieth_an_error(
    now: str, severity: dg.AssetCheckSeverity
) -> None:
    verdict = judged([row("DE", now, SECOND)], [row("DE", "100.00")]).run
    assert not verdict.passed
    assert verdict.severity is severity
    assert verdict.metadata["rows_lost"] == 0


def test_spend_that_moves_to_another_country_of_the_campaign_is_not_lost() -> None:
    moved = judged([row("DE", "4.00", SECOND), row("FR", "16.00", SECOND)], [row("DE"), row("FR")])
    assert moved.run.passed


def test_spend_of_one_currency_does_not_make_good_that_of_another() -> None:
    now = [row("DE", "0", SECOND), row("FR", "90.00", SECOND, currency="EUR")]
    before = [row("DE", "10.00"), row("FR", "80.00", currency="EUR")]
    verdict = judged(now, before).run
    assert verdict.severity is ERROR
    assert verdict.metadata["amount_lost_share"] == 1.0


def test_a_campaigns_day_that_became_empty_is_told() -> None:
    verdict = judged([], countries(4)).run
    assert verdict.severity is ERROR
    assert verdict.metadata["campaign_days_emptied"] == 1
    assert "1 campaign-days became empty" in verdict.description


def test_an_export_without_money_is_judged_by_its_rows() -> None:
    played = {"engagement_context": "catalog", "engaged_spotify_track_id": "t"}
    rows = [each | played for each in countries(10)]
    verdict = judged(rows[1:], rows[:1], ENGAGEMENT).run
    assert verdict.severity is WARN
    assert verdict.metadata["rows_lost"] == 1
    assert "amount_lost_share" not in verdict.metadata


# In real runs


@dataclass(frozen=True)
class Runs:
    """A clean run; one in which rows are withdrawn and a campaign is emptied; a clean one."""

    platform: Platform
    withdrawn: Checked
    back: Checked
    with_fewer_rows: str
    without_rows: str
    rows_before: int


@pytest.fixture(scope="module")
def runs(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Runs]:
    with platform_in(tmp_path_factory.mktemp("loss"), 6) as platform:
        platform.run()
        with_fewer_rows = platform.campaigns_with_rows(COUNTRY)[-1]
        without_rows = platform.campaigns_with_rows(ENGAGEMENT)[0]
        rows_before = count(platform, "campaign_engagement_daily")
        platform.fail(COUNTRY, with_fewer_rows, "vanished_rows")
        platform.fail(ENGAGEMENT, without_rows, "empty")
        withdrawn = platform.run()
        yield Runs(platform, withdrawn, platform.run(), with_fewer_rows, without_rows, rows_before)


def count(platform: Platform, table_name: str) -> int:
    return int(platform.read(f"SELECT count(*) FROM soundlink.{table_name}").item())


def loss(checked: Checked, asset: str) -> dict[str | None, dg.AssetCheckEvaluation]:
    return checked.of(asset, "row_loss")


def test_withdrawn_rows_are_told_for_their_days_and_do_not_stop_the_run(runs: Runs) -> None:
    recorded = loss(runs.withdrawn, COUNTRY_ASSET)
    superseded = runs.platform.read(
        "SELECT report_date, count(*) FROM soundlink.campaign_country_daily_superseded GROUP BY ALL"
    )
    lost = {str(day): rows for day, rows in superseded.iter_rows()}

    assert not recorded[None].passed
    assert runs.withdrawn.run.status is dg.DagsterRunStatus.SUCCESS
    assert {day: number(each, "rows_lost") for day, each in recorded.items() if day} == {
        str(day): lost.get(str(day), 0) for day in DAYS.dates()
    }
    assert number(recorded[None], "rows_lost") == sum(lost.values()) > 0
    assert {line["campaign_id"] for line in table(recorded[None], "findings")} == {
        runs.with_fewer_rows
    }


def test_a_campaign_that_delivers_nothing_any_more_has_lost_everything(runs: Runs) -> None:
    for_run = loss(runs.withdrawn, ENGAGEMENT_ASSET)[None]

    assert not for_run.passed
    assert number(for_run, "rows_before") == runs.rows_before
    assert number(for_run, "campaign_days_emptied") == DAYS.days
    lines = table(for_run, "findings")
    assert {line["campaign_id"] for line in lines} == {runs.without_rows}
    assert all(line["is_empty_now"] for line in lines)
    assert number(for_run, "rows_lost") == sum(line["rows_before"] for line in lines)


def test_what_comes_back_is_no_loss(runs: Runs) -> None:
    for asset in (COUNTRY_ASSET, ENGAGEMENT_ASSET):
        assert all(each.passed for each in loss(runs.back, asset).values())
