"""`soundlink-assets report`: a page from the warehouse, and clear words where there is none."""

from pathlib import Path

import pytest

from soundlink_assets.warehouse import open_warehouse
from soundlink_assets_tests.cli.commands import soundlink_assets


def _settings(warehouse: str, folder: Path) -> dict[str, str]:
    return {"SOUNDLINK_WAREHOUSE": warehouse, "DAGSTER_HOME": str(folder / "dagster_home")}


def test_the_report_is_written_without_a_key(loaded_warehouse: str, tmp_path: Path) -> None:
    done = soundlink_assets(["report"], tmp_path, _settings(loaded_warehouse, tmp_path))

    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout.strip() == "Wrote campaign_report.html"
    page = (tmp_path / "campaign_report.html").read_text(encoding="utf-8")
    assert "<h1>Campaign report</h1>" in page
    assert "Spend against listeners, day by day" in page
    assert "No check results are recorded" in page
    assert not (tmp_path / "dagster_home").exists()


def test_one_campaign_goes_to_the_file_that_is_named(loaded_warehouse: str, tmp_path: Path) -> None:
    cards = open_warehouse(loaded_warehouse).query(
        "from analytics.campaign_scorecard order by spend_media desc limit 1"
    )
    campaign, name = cards["campaign_id"][0], cards["campaign_name"][0]
    done = soundlink_assets(
        ["report", "--campaign", campaign, "--out", "reports/one.html"],
        tmp_path,
        _settings(loaded_warehouse, tmp_path),
    )

    assert done.returncode == 0, done.stderr
    page = (tmp_path / "reports" / "one.html").read_text(encoding="utf-8")
    assert f"<h1>{name}</h1>" in page
    assert page.count('class="campaign"') == 1


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["--campaign", "nobody"], "no figures of a campaign 'nobody'"),
        (["--out", "."], "is a directory"),
    ],
)
def test_mistakes_end_with_one_clear_message(
    arguments: list[str], said: str, loaded_warehouse: str, tmp_path: Path
) -> None:
    done = soundlink_assets(["report", *arguments], tmp_path, _settings(loaded_warehouse, tmp_path))

    assert done.returncode != 0
    assert said in done.stderr
    assert "Traceback" not in done.stderr


def test_an_empty_warehouse_says_what_to_do_first(tmp_path: Path) -> None:
    settings = _settings(str(tmp_path / "warehouse.duckdb"), tmp_path)
    done = soundlink_assets(["report"], tmp_path, settings)

    assert done.returncode == 1
    assert "holds no campaign figures yet" in done.stderr
    assert not (tmp_path / "campaign_report.html").exists()
