"""`soundlink-assets demo`: loaded, checked and answered, on a world of its own."""

from pathlib import Path

import duckdb

from soundlink_assets_tests.cli.commands import soundlink_assets


def test_the_demo_loads_derives_checks_and_answers(tmp_path: Path) -> None:
    somebodys = {"SOUNDLINK_API_KEY": "sk_of_somebody", "SOUNDLINK_AUTH_STYLE": "bearer"}

    result = soundlink_assets(["demo", "--days", "3"], tmp_path, somebodys)

    assert result.returncode == 0, result.stdout + result.stderr
    for words in (
        "Loaded 3 days",
        "7 campaigns",
        "cost per listener",
        "spillover",
        "checks passed",
    ):
        assert words in result.stdout
    warehouse = tmp_path / "data" / "sandbox" / "warehouse.duckdb"
    with duckdb.connect(warehouse, read_only=True) as connection:
        days = connection.execute(
            "SELECT count(DISTINCT report_date) FROM analytics.country_efficiency"
        ).fetchone()
    assert days == (3,)
    assert [path.name for path in tmp_path.iterdir()] == ["data"]
