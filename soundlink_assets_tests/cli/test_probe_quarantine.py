"""The doctor says what was refused, and why."""

from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from soundlink_assets.cli import probe_quarantine as module
from soundlink_assets.cli.findings import Finding
from soundlink_assets.cli.probe_quarantine import probe_quarantine
from soundlink_assets.settings import load_settings
from soundlink_assets_tests.cli.refused import refused

NOW = datetime(2026, 6, 10, 12, tzinfo=UTC)
HOUR, WEEK = timedelta(hours=1), timedelta(days=7)


def probe(folder: Path) -> Finding:
    (finding,) = probe_quarantine(load_settings(quarantine_dir=folder), NOW)
    return finding


def test_nothing_was_refused(tmp_path: Path) -> None:
    found = probe(tmp_path / "quarantine")

    assert (found.verdict, found.said) == ("ok", "no refused bodies")


def test_what_was_refused_lately_is_to_be_looked_at(tmp_path: Path) -> None:
    refused(tmp_path, NOW - WEEK, "an older one")
    newest = refused(tmp_path, NOW - HOUR, "line 2: no JSON").body
    (tmp_path / "notes.jsonl").write_text("no body", encoding="utf-8")

    found = probe(tmp_path)

    assert found.verdict == "warning"
    assert "2 refused bodies" in found.said
    assert found.said.endswith("the newest of 2026-06-10 11:00 UTC: line 2: no JSON")
    assert found.advice == f"Look at {newest}."
    assert found.facts == {"bodies": 2, "bytes": 6, "newest_body": str(newest)}


def test_what_was_refused_long_ago_is_only_said(tmp_path: Path) -> None:
    refused(tmp_path, NOW - WEEK)

    found = probe(tmp_path)

    assert found.verdict == "ok"
    assert "1 refused body," in found.said


def test_much_of_it_is_to_be_pruned(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    refused(tmp_path, NOW - WEEK)
    monkeypatch.setattr(module, "MUCH_BYTES", 2)

    found = probe(tmp_path)

    assert found.verdict == "warning"
    assert "soundlink-assets prune" in found.advice


def test_a_body_whose_reason_could_not_be_kept_is_counted(tmp_path: Path) -> None:
    refused(tmp_path, NOW - WEEK).reason.unlink()

    assert probe(tmp_path).said.endswith("the reason could not be kept")
