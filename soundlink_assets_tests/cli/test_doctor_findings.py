"""What the doctor says of single things, probed alone: no request, and no other process."""

import threading
from datetime import UTC, date, datetime, timedelta
from pathlib import Path

import pytest
from dagster import AssetMaterialization, DagsterInstance
from pydantic import SecretStr

from soundlink_assets.provider import budget_file, provider_limits
from soundlink_assets.cli.app import UserError
from soundlink_assets.cli.findings import Finding, probed
from soundlink_assets.cli.home import open_history, prepare_home
from soundlink_assets.cli.probe_budget import ImpatientBudget
from soundlink_assets.cli.probe_history import probe_history, probe_home
from soundlink_assets.cli.probe_settings import probe_settings
from soundlink_assets.schema import EXPORTS
from soundlink_assets.assets.catalogue import asset_key
from soundlink_assets.settings import load_settings

NOW = datetime(2026, 6, 10, 12, tzinfo=UTC)
DAYS = [date(2026, 6, 5), date(2026, 6, 9)]


def fetched(instance: DagsterInstance) -> None:
    """Both exports have the first and the last of `DAYS`, and nothing between."""
    for export in EXPORTS:
        for day in DAYS:
            event = AssetMaterialization(asset_key(export.table), partition=str(day))
            instance.report_runless_asset_event(event)


def days_said(home: Path, start: date) -> list[Finding]:
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
    (from_before,) = days_said(home, date(2026, 1, 1))
    (from_later,) = days_said(home, date(2026, 6, 8))

    assert from_before.facts["missing"] == ["2026-06-06", "2026-06-07", "2026-06-08"]
    assert from_later.facts["missing"] == ["2026-06-08"]


def test_a_start_date_to_come_is_remarked_on_and_no_day_is_missing(home: Path) -> None:
    (finding,) = days_said(home, date(2026, 7, 1))

    assert finding.verdict == "warning"
    assert finding.said.startswith("SOUNDLINK_START_DATE is 2026-07-01")
    assert "missing" not in finding.said


def test_a_damaged_dagster_home_is_named(tmp_path: Path) -> None:
    home = prepare_home(tmp_path / "home")
    (home / "history" / "runs.db").write_text("nothing of use" * 1000, encoding="utf-8")

    settings = load_settings()
    (finding,) = probed(
        "history", lambda: probe_history(settings, home, NOW, warehouse_opens=False)
    )

    assert str(home) in finding.said
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
    assert "was this folder moved?" in moved.said
    assert str(there) in moved.advice
    assert right.verdict == "ok"


def test_a_used_up_budget_says_when_a_request_is_free_and_does_not_wait(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    now = NOW.timestamp()
    file = budget_file(tmp_path, SecretStr("sk_x"), "http://localhost")
    budget = ImpatientBudget(file, provider_limits(60, 1), clock=lambda: now)
    with budget.request(threading.Event()):
        pass
    now = (NOW + timedelta(minutes=29, seconds=41)).timestamp()

    with pytest.raises(UserError, match=r"until 13:00:00 UTC, for 31 min"):
        budget.request(threading.Event()).__enter__()

    assert not caplog.records


ERRORS = [
    ("It is damaged. Restore it, or begin anew.", "It is damaged", "Restore it, or begin anew."),
    ("wrong. Really\nDo this. Then that.", "wrong. Really", "Do this. Then that."),
    ("DuckDB 1.5.3 is too old", "DuckDB 1.5.3 is too old", ""),
]


@pytest.mark.parametrize(("text", "said", "advice"), ERRORS)
def test_an_error_is_parted_into_what_is_wrong_and_what_to_do(
    text: str, said: str, advice: str
) -> None:
    def fail() -> list[Finding]:
        raise UserError(text)

    (finding,) = probed("something", fail)

    assert (finding.said, finding.advice) == (said, advice)


def test_an_env_that_is_a_folder_is_called_one(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / ".env").mkdir()

    found = list(probe_settings(load_settings(), [], {}))

    assert any(".env is a folder" in finding.said for finding in found)
    assert not any("chmod" in finding.advice for finding in found)
