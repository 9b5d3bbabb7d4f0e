"""The Dagster UI as a person meets it: `soundlink-assets dev --sandbox` in headless Chromium."""

import os
import shutil
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import httpx
import pytest
from playwright.sync_api import Page, expect, sync_playwright

from soundlink_assets_tests.ports import free_port
from soundlink_assets_tests.waiting import wait_for

CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser")
SECONDS_TO_START = 180
SECONDS_TO_RUN = 240
SECONDS_TO_SHOW = 60

pytestmark = [
    pytest.mark.browser,
    pytest.mark.xdist_group("browser"),
    pytest.mark.skipif(
        CHROMIUM is None, reason="the UI tests need a Chromium (Debian: apt install chromium)"
    ),
]

YESTERDAY = datetime.now(UTC).date() - timedelta(days=1)
COUNTRY = "soundlink/campaign_country_daily"
ENGAGEMENT = "soundlink/campaign_engagement_daily"


@contextmanager
def dev_server(folder: Path) -> Iterator[str]:
    """`dev --sandbox` in a folder of its own, ended as by Ctrl-C; yields the address of the UI."""
    port = free_port()
    log = folder / "dev.log"
    environment = {
        name: value
        for name, value in os.environ.items()
        if not name.startswith(("SOUNDLINK_", "DAGSTER_"))
    }
    command = [sys.executable, "-m", "soundlink_assets.cli", "dev", "--sandbox"]
    with log.open("w") as output:
        process = subprocess.Popen(
            [*command, "--port", str(port)],
            cwd=folder,
            # Stopped automations leave the runs of these tests to the tests.
            env=environment | {"SOUNDLINK_AUTOMATION": "off"},
            stdout=output,
            stderr=subprocess.STDOUT,
        )

        def ready() -> bool:
            assert process.poll() is None, log.read_text()
            return "Dagster UI: http" in log.read_text()

        try:
            wait_for(ready, SECONDS_TO_START, f"the UI is up\n{log.read_text()}")
            yield f"http://127.0.0.1:{port}"
        finally:
            process.send_signal(signal.SIGINT)
            process.wait(timeout=60)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder whose `.env` is somebody's own: Dagster reads such a file, the sandbox must not."""
    made = tmp_path_factory.mktemp("ui")
    own = "SOUNDLINK_API_KEY=sk_of_somebody\nSOUNDLINK_WAREHOUSE=own.duckdb\nDAGSTER_HOME=/own\n"
    (made / ".env").write_text(own, encoding="utf-8")
    return made


@pytest.fixture(scope="module")
def ui(folder: Path) -> Iterator[str]:
    with dev_server(folder) as address:
        yield address


@pytest.fixture(scope="module")
def page(ui: str) -> Iterator[Page]:
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(
            executable_path=CHROMIUM,
            args=["--no-sandbox", "--disable-gpu", "--disable-background-networking"],
        )
        page = browser.new_page(viewport={"width": 1500, "height": 950}, base_url=ui)
        page.set_default_timeout(SECONDS_TO_SHOW * 1000)
        expect.set_options(timeout=SECONDS_TO_SHOW * 1000)
        yield page
        browser.close()


def ask(ui: str, query: str, **variables: Any) -> Any:
    answer = httpx.post(
        f"{ui}/graphql", json={"query": query, "variables": variables}, timeout=SECONDS_TO_SHOW
    ).json()
    assert "errors" not in answer, answer
    return answer["data"]


def finished_runs(ui: str) -> list[str]:
    """The status of every run, once none is under way."""
    query = "{ runsOrError { ... on Runs { results { status } } } }"

    def settled() -> list[str]:
        runs = ask(ui, query)["runsOrError"]["results"]
        statuses = [str(run["status"]) for run in runs]
        return statuses if set(statuses) <= {"SUCCESS", "FAILURE", "CANCELED"} else []

    return list(wait_for(settled, SECONDS_TO_RUN, "all runs have ended"))


def materialize(page: Page, ui: str, asset: str, choose: Callable[[Page], None]) -> None:
    """Click an asset's way through the dialog that materialises it, and wait for the run."""
    before = len(finished_runs(ui)) if has_runs(ui) else 0
    page.goto(f"/assets/{asset}")
    page.get_by_role("button", name="Materialize").first.click()
    choose(page)
    wait_for(lambda: has_runs(ui) > before, SECONDS_TO_RUN, "a run was launched")
    assert set(finished_runs(ui)) == {"SUCCESS"}


def has_runs(ui: str) -> int:
    query = "{ runsOrError { ... on Runs { results { status } } } }"
    return len(ask(ui, query)["runsOrError"]["results"])


def choose_nothing(_page: Page) -> None:
    """An asset without partitions starts at once."""


def choose_the_latest_day(page: Page) -> None:
    page.get_by_text("Latest", exact=True).last.click()
    page.get_by_role("button", name="Launch 1 run").click()


def choose_the_last_week(page: Page) -> None:
    first = YESTERDAY - timedelta(days=6)
    selection = page.locator("input[placeholder*='artition']").first
    selection.fill(f"[{first}...{YESTERDAY}]")
    selection.press("Enter")
    page.get_by_role("button", name="Launch backfill").click()


@pytest.mark.parametrize(
    ("group", "assets"),
    [
        ("soundlink", ["campaigns", "campaign_country_daily", "campaign_engagement_daily"]),
        ("analytics", ["country_efficiency", "spillover_share", "campaign_scorecard"]),
    ],
)
def test_the_catalog_shows_the_assets_of_each_group(
    page: Page, group: str, assets: list[str]
) -> None:
    page.goto(f"/assets/{group}?view=folder")

    for asset in assets:
        expect(page.get_by_text(asset, exact=True).first).to_be_visible()


def test_a_day_is_materialized_by_clicking(page: Page, ui: str) -> None:
    materialize(page, ui, "soundlink/campaigns", choose_nothing)
    materialize(page, ui, COUNTRY, choose_the_latest_day)

    page.goto(f"/assets/{COUNTRY}?view=partitions&partition={YESTERDAY}")
    expect(page.get_by_text("dagster/partition_row_count").first).to_be_visible()
    expect(page.get_by_text("fetched_at").first).to_be_visible()


def test_a_week_is_backfilled_and_every_day_has_its_verdict(page: Page, ui: str) -> None:
    materialize(page, ui, ENGAGEMENT, choose_the_last_week)

    page.goto(f"/assets/{ENGAGEMENT}?view=checks&checkDetail=streams_identity")
    tabs = page.get_by_text("Partitions", exact=True)
    expect(tabs).to_have_count(2)
    tabs.last.click()

    expect(page.get_by_text("Passed (7)")).to_be_visible()
    expect(page.get_by_text(str(YESTERDAY), exact=True).first).to_be_visible()


def test_schedule_and_sensors_are_shown_with_what_they_are_for(page: Page) -> None:
    page.goto("/automation")

    for name in ("daily_exports_schedule", "revision_window_sensor"):
        expect(page.get_by_text(name).first).to_be_visible()


def test_the_warehouse_of_the_env_file_was_left_alone(ui: str, folder: Path) -> None:
    assert ui
    names = sorted(path.name for path in folder.rglob("*.duckdb"))
    assert names == ["warehouse.duckdb", "warehouse.read.duckdb"]


def test_nothing_deprecated_or_wrong_is_logged(ui: str, folder: Path) -> None:
    assert httpx.get(f"{ui}/server_info").status_code == httpx.codes.OK
    log = (folder / "dev.log").read_text()

    for word in ("Warning", "deprecated", "Traceback", "ERROR"):
        assert word not in log, log
