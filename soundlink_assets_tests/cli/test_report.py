"""`soundlink-assets report`: a page from the warehouse, and clear words where there is none."""

from datetime import UTC, date, datetime
from pathlib import Path

import pytest

from soundlink_assets.assets.report import read_report_content
from soundlink_assets.report.page import render_page
from soundlink_assets.schema.window import Window
from soundlink_assets.warehouse import open_warehouse
from soundlink_assets_tests.cli.commands import soundlink_assets
from soundlink_assets_tests.cli.conftest import Command


def test_the_report_is_written_without_a_key(loaded_warehouse: str, tmp_path: Path) -> None:
    home = tmp_path / "dagster_home"
    settings = {"SOUNDLINK_WAREHOUSE": loaded_warehouse, "DAGSTER_HOME": str(home)}
    done = soundlink_assets(["report"], tmp_path, settings)

    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout.strip() == "Wrote campaign_report.html"
    page = (tmp_path / "campaign_report.html").read_text(encoding="utf-8")
    assert "<h1>Campaign report</h1>" in page
    assert "Spend against listeners, day by day" in page
    assert "No check results are recorded" in page
    assert not home.exists()


@pytest.mark.parametrize("by", ["campaign_id", "campaign_name"])
def test_one_campaign_goes_to_the_file_that_is_named(
    by: str, command: Command, loaded_warehouse: str, tmp_path: Path
) -> None:
    cards = open_warehouse(loaded_warehouse).query(
        "from analytics.campaign_scorecard order by spend_media desc limit 1"
    )
    named, name = cards[by][0].upper(), cards["campaign_name"][0]
    done = command(
        *("report", "--campaign", named, "--out", "reports/one.html"),
        SOUNDLINK_WAREHOUSE=loaded_warehouse,
    )

    assert done.exit_code == 0, done.stderr
    page = (tmp_path / "reports" / "one.html").read_text(encoding="utf-8")
    assert f"<h1>{name}</h1>" in page
    assert page.count('class="campaign"') == 1


def test_a_report_of_some_days_adds_them_up(loaded_warehouse: str) -> None:
    warehouse = open_warehouse(loaded_warehouse)
    week = Window(date(2026, 5, 1), date(2026, 5, 7))
    content = read_report_content(warehouse, made_at=datetime(2026, 5, 25, tzinfo=UTC), days=week)

    listeners = warehouse.query(
        "SELECT sum(listeners)::BIGINT FROM analytics.country_efficiency "
        "WHERE report_date BETWEEN $first AND $last",
        {"first": week.first, "last": week.last},
    )
    assert content.campaign_scorecard["listeners"].sum() == listeners.item()
    assert set(content.spend_by_day["report_date"]) == set(week.dates())
    assert "Figures of 1 to 7 May 2026" in render_page(content)


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["--campaign", "nobody"], "no figures of a campaign 'nobody'"),
        (["--out", "."], "is a directory"),
        (["--from", "2026-05-02", "--to", "2026-05-01"], "--to (2026-05-01) is before"),
        (["--to", "2020-01-01"], "no figures of these days"),
    ],
)
def test_mistakes_end_with_one_clear_message(
    arguments: list[str], said: str, command: Command, loaded_warehouse: str
) -> None:
    done = command("report", *arguments, SOUNDLINK_WAREHOUSE=loaded_warehouse)

    assert done.exit_code != 0
    assert said in done.stderr
    assert "Traceback" not in done.stderr


def test_an_empty_warehouse_says_what_to_do_first(command: Command, tmp_path: Path) -> None:
    done = command("report", SOUNDLINK_WAREHOUSE=tmp_path / "warehouse.duckdb")

    assert done.exit_code == 1
    assert "holds no campaign figures yet" in done.stderr
    assert not (tmp_path / "campaign_report.html").exists()
