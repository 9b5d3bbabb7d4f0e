"""The report's file is whole whoever writes it, and its verdicts are on what is stored now."""

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from threading import Barrier
from typing import Any

import dagster as dg
import pytest

from soundlink_assets.assets.report import last_check_results, write_report
from soundlink_assets.report import page
from soundlink_assets.report.content import ReportContent
from soundlink_assets_tests.report.contents import content_of

DAYS = dg.StaticPartitionsDefinition(["2026-04-01", "2026-04-02"])


@dg.asset
def whole() -> None: ...


@dg.asset_check(asset=whole)
def good() -> dg.AssetCheckResult:
    return dg.AssetCheckResult(passed=True)


@dg.asset(partitions_def=DAYS)
def daily() -> None: ...


@dg.asset_check(asset=daily)
def also_good() -> dg.AssetCheckResult:
    return dg.AssetCheckResult(passed=True)


DEFINITIONS = dg.Definitions(assets=[whole, daily], asset_checks=[good, also_good])


@pytest.fixture
def instance() -> Iterator[dg.DagsterInstance]:
    with dg.DagsterInstance.ephemeral() as instance:
        yield instance


def _run(instance: dg.DagsterInstance, what: dg.AssetSelection, day: str | None = None) -> None:
    job = dg.define_asset_job("job", what).resolve(asset_graph=DEFINITIONS.resolve_asset_graph())
    assert job.execute_in_process(instance=instance, partition_key=day).success


def _outdated(instance: dg.DagsterInstance, check: dg.AssetChecksDefinition) -> bool:
    (result,) = last_check_results(instance, check.check_keys)
    return result.is_outdated


def test_a_verdict_is_outdated_from_the_next_write_to_the_next_verdict(
    instance: dg.DagsterInstance,
) -> None:
    table = dg.AssetSelection.assets(whole).without_checks()
    _run(instance, dg.AssetSelection.assets(whole))
    assert not _outdated(instance, good)
    _run(instance, table)
    assert _outdated(instance, good)
    _run(instance, dg.AssetSelection.checks(good))
    assert not _outdated(instance, good)


def test_verdicts_on_days_are_not_outdated_by_other_days(instance: dg.DagsterInstance) -> None:
    _run(instance, dg.AssetSelection.assets(daily), "2026-04-01")
    _run(instance, dg.AssetSelection.assets(daily).without_checks(), "2026-04-02")
    assert not _outdated(instance, also_good)


def test_reports_written_at_once_leave_one_whole_page(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    pages = [letter * 300_000 for letter in "abcdefgh"]
    together = Barrier(len(pages))

    def rendered(content: Any) -> str:
        together.wait(timeout=60)
        return str(content)

    monkeypatch.setattr(page, "render_page", rendered)
    path = tmp_path / "report.html"

    def write(text: Any) -> None:
        for _ in range(10):
            write_report(text, path)

    with ThreadPoolExecutor(len(pages)) as pool:
        list(pool.map(write, pages))
    assert path.read_text(encoding="utf-8") in pages
    assert list(tmp_path.iterdir()) == [path]


def test_a_report_that_cannot_be_written_leaves_the_old_one_and_nothing_else(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def unencodable(_: ReportContent) -> str:
        return "half of it \ud800"

    path = tmp_path / "report.html"
    path.write_text("old", encoding="utf-8")
    monkeypatch.setattr(page, "render_page", unencodable)
    with pytest.raises(UnicodeEncodeError):
        write_report(content_of([]), path)
    assert [(found.name, found.read_text()) for found in tmp_path.iterdir()] == [
        ("report.html", "old")
    ]
