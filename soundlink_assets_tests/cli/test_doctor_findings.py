"""What the doctor finds in single places, probed alone: no request, and no other process."""

from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from shutil import copyfile

import duckdb
import pytest
from dagster import AssetMaterialization, DagsterInstance, DagsterRunStatus, job

from soundlink_assets.assets.catalog import asset_key
from soundlink_assets.cli import probe_warehouse as module
from soundlink_assets.cli.doctor import probe_settings
from soundlink_assets.cli.findings import Finding, probed
from soundlink_assets.cli.home import open_history, prepare_home
from soundlink_assets.cli.probe_history import probe_history, probe_home
from soundlink_assets.cli.probe_provider import probe_provider
from soundlink_assets.cli.probe_warehouse import (
    probe_campaigns,
    probe_organisations,
    probe_quarantine,
)
from soundlink_assets.cli.runs import RUNNING
from soundlink_assets.schema import CAMPAIGN_EXPORTS, Export
from soundlink_assets.settings import load_settings
from soundlink_assets_tests.cli.refused import refused
from soundlink_assets_tests.independent_provider import Campaign, independent_provider

NOW = datetime(2026, 6, 10, 12, tzinfo=UTC)
DAYS = [date(2026, 6, 5), date(2026, 6, 9)]


def fetched(instance: DagsterInstance) -> None:
    """Both exports have the first and the last of `DAYS`, and nothing between."""
    for export in CAMPAIGN_EXPORTS:
        for day in DAYS:
            event = AssetMaterialization(asset_key(export.table), partition=str(day))
            instance.report_runless_asset_event(event)


def days_found(home: Path, start: date) -> list[Finding]:
    settings = load_settings(start_date=start)
    found = probe_history(settings, home, NOW, warehouse_opens=False)
    return [finding for finding in found if finding.about == "days"]


@pytest.fixture
def home(tmp_path: Path) -> Path:
    home = prepare_home(tmp_path / "home")
    with open_history(home) as instance:
        fetched(instance)
    return home


def test_days_before_the_start_date_are_not_missing(home: Path) -> None:
    (from_before,) = days_found(home, date(2026, 1, 1))
    (from_later,) = days_found(home, date(2026, 6, 8))

    assert from_before.facts["missing"] == ["2026-06-06", "2026-06-07", "2026-06-08"]
    assert from_later.facts["missing"] == ["2026-06-08"]


def test_a_start_date_to_come_is_remarked_on_and_no_day_is_missing(home: Path) -> None:
    (finding,) = days_found(home, date(2026, 7, 1))

    assert finding.verdict == "warning"
    assert finding.what.startswith("SOUNDLINK_START_DATE is 2026-07-01")
    assert "missing" not in finding.what


def test_a_damaged_dagster_home_is_named(tmp_path: Path) -> None:
    home = prepare_home(tmp_path / "home")
    (home / "history" / "runs.db").write_text("nothing of use" * 1000, encoding="utf-8")

    settings = load_settings()
    (finding,) = probed(
        "history", lambda: probe_history(settings, home, NOW, warehouse_opens=False)
    )

    assert str(home) in finding.what
    assert "restore the folder from a backup" in finding.advice


@pytest.mark.parametrize("kept_in", [".", "data/dagster_home"])
def test_a_folder_that_was_moved_is_asked_about(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, kept_in: str
) -> None:
    there = tmp_path / kept_in
    prepare_home(there)
    monkeypatch.chdir(tmp_path)
    old = tmp_path / "old"

    (moved,) = probe_home(old, {"DAGSTER_HOME": str(old)})
    (right,) = probe_home(there, {"DAGSTER_HOME": str(there)})

    assert moved.verdict == "broken"
    assert "was this folder moved?" in moved.what
    assert str(there) in moved.advice
    assert right.verdict == "ok"


def test_an_env_that_is_a_folder_is_called_one(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / ".env").mkdir()

    found = list(probe_settings(load_settings(), (), {}))

    assert any(".env is a folder" in finding.what for finding in found)
    assert not any("chmod" in finding.advice for finding in found)


@job
def nothing_to_do() -> None:
    """For runs that nobody executes."""


def runs_found(home: Path, now: datetime) -> list[Finding]:
    found = probe_history(load_settings(), home, now, warehouse_opens=False)
    return [finding for finding in found if finding.about == "runs"]


def test_runs_of_killed_commands_and_long_silent_ones_are_broken(home: Path) -> None:
    started, waiting = DagsterRunStatus.STARTED, DagsterRunStatus.NOT_STARTED
    with open_history(home) as instance:
        killed = instance.create_run_for_job(nothing_to_do, status=started).run_id
        silent = instance.create_run_for_job(nothing_to_do, status=started).run_id
        instance.create_run_for_job(nothing_to_do, status=waiting)
    (home / RUNNING).mkdir()
    (home / RUNNING / killed).touch()
    now = datetime.now(UTC)

    (of_killed,) = runs_found(home, now + HOUR)
    later = runs_found(home, now + 3 * HOUR)

    assert (of_killed.verdict, of_killed.facts) == ("broken", {"killed": [killed]})
    assert "`soundlink-assets backfill` or `dev` marks them as failed" in of_killed.advice
    assert [finding.facts for finding in later] == [{"killed": [killed]}, {"silent": [silent]}]
    assert later[-1].verdict == "broken"


@pytest.mark.parametrize(("minutes", "said"), [(-3, "ahead of"), (3, "behind"), (1, None)])
def test_a_clock_that_is_not_the_providers_is_broken(
    tmp_path: Path, minutes: int, said: str | None
) -> None:
    now = datetime.now(UTC)
    with independent_provider([Campaign("a")], now + timedelta(minutes=minutes)) as provider:
        settings = load_settings(
            api_key=provider.api_key, base_url=provider.base_url, budget_dir=tmp_path
        )
        found = [each for each in probe_provider(settings, now) if each.about == "clock"]

    assert [finding.verdict for finding in found] == ["broken"] * bool(said)
    assert all(f"{said} the provider's" in finding.what for finding in found)


HOUR, WEEK = timedelta(hours=1), timedelta(days=7)


def probe_bodies(folder: Path) -> Finding:
    (finding,) = probe_quarantine(load_settings(quarantine_dir=folder), NOW)
    return finding


def test_nothing_was_refused(tmp_path: Path) -> None:
    found = probe_bodies(tmp_path / "quarantine")

    assert (found.verdict, found.what) == ("ok", "no refused bodies")


def test_what_was_refused_lately_is_to_be_looked_at(tmp_path: Path) -> None:
    refused(tmp_path, NOW - WEEK, "an older one")
    newest = refused(tmp_path, NOW - HOUR, "line 2: no JSON").body
    (tmp_path / "notes.jsonl").write_text("no body", encoding="utf-8")

    found = probe_bodies(tmp_path)

    assert found.verdict == "warning"
    assert "2 refused bodies" in found.what
    assert found.what.endswith("the newest of 2026-06-10 11:00 UTC: line 2: no JSON")
    assert found.advice == f"Look at {newest}."
    assert found.facts == {"bodies": 2, "bytes": 6, "newest_body": str(newest)}


def test_what_was_refused_long_ago_is_only_mentioned(tmp_path: Path) -> None:
    refused(tmp_path, NOW - WEEK)

    found = probe_bodies(tmp_path)

    assert found.verdict == "ok"
    assert "1 refused body," in found.what


def test_much_of_it_is_to_be_pruned(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    refused(tmp_path, NOW - WEEK)
    monkeypatch.setattr(module, "MUCH_BYTES", 2)

    found = probe_bodies(tmp_path)

    assert found.verdict == "warning"
    assert "soundlink-assets prune" in found.advice


def test_a_body_whose_reason_could_not_be_kept_is_counted(tmp_path: Path) -> None:
    refused(tmp_path, NOW - WEEK).reason.unlink()

    assert probe_bodies(tmp_path).what.endswith("the reason could not be kept")


@pytest.fixture
def warehouse(loaded_warehouse: str, tmp_path: Path) -> str:
    """A warehouse with the sandbox's campaigns, to be changed."""
    copy = tmp_path / "copy.duckdb"
    copyfile(loaded_warehouse, copy)
    return str(copy)


@pytest.mark.parametrize("export", CAMPAIGN_EXPORTS, ids=lambda export: export.name)
def test_figures_of_several_organisations_are_named(warehouse: str, export: Export) -> None:
    one = load_settings(warehouse=warehouse)
    assert list(probe_organisations(one)) == []
    with duckdb.connect(warehouse) as connection:
        connection.execute(
            f"UPDATE {export.table.qualified_name} SET account_id = 'another' "
            f"WHERE report_date = (SELECT max(report_date) FROM {export.table.qualified_name})"
        )

    (finding,) = probe_organisations(one)
    several = load_settings(warehouse=warehouse, allow_several_organisations=True)
    (allowed,) = probe_organisations(several)

    assert finding.verdict == allowed.verdict == "warning"
    assert "another" in finding.facts["organisations"]
    assert finding.advice == "Use one SOUNDLINK_WAREHOUSE for each key."
    assert "SOUNDLINK_ALLOW_SEVERAL_ORGANISATIONS allows" in allowed.advice


class TestCampaigns:
    """One that lacks days, and one that left."""

    def found(self, warehouse: str) -> list[Finding]:
        return list(probe_campaigns(load_settings(warehouse=warehouse), NOW))

    def test_nothing_is_found_where_all_have_the_days_of_their_lives(self, warehouse: str) -> None:
        assert self.found(warehouse) == []

    def test_one_that_lacks_a_day_is_named_with_the_command_that_fetches_it(
        self, warehouse: str
    ) -> None:
        day = "2026-05-10"
        with duckdb.connect(warehouse) as connection:
            connection.execute(
                "delete from soundlink.campaign_country_daily_delivery_log where report_date = ? "
                "and requested_campaign_id = (select min(requested_campaign_id) "
                "from soundlink.campaign_country_daily_delivery_log where report_date = ?)",
                [day, day],
            )

        (finding,) = self.found(warehouse)

        assert finding.verdict == "warning"
        assert finding.facts["incomplete"]["days"] == [day]
        assert f"`soundlink-assets backfill {day} {day}`" in finding.advice

    def test_one_that_left_the_list_with_open_days_is_named(self, warehouse: str) -> None:
        with duckdb.connect(warehouse) as connection:
            gone = connection.execute(
                "select max(requested_campaign_id) from soundlink.campaign_engagement_daily"
            ).fetchone()
            assert gone is not None
            connection.execute("delete from soundlink.campaigns where campaign_id = ?", gone)

        found = self.found(warehouse)

        assert {finding.facts["no_longer_listed"]["ids"][0] for finding in found} == set(gone)
        assert all("no longer listed" in finding.what for finding in found)
