"""The live page as a person meets it: `soundlink-assets explore` in headless Chromium."""

import re
import shutil
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest
from playwright.sync_api import Page, expect, sync_playwright

import soundlink_assets as sl
from soundlink_assets.explore import tables
from soundlink_assets.report import formats
from soundlink_assets_tests.cli.commands import environment
from soundlink_assets_tests.loaded_warehouse import WINDOW
from soundlink_assets_tests.waiting import wait_for

CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser")
SECONDS = 60
COMMAND = [sys.executable, "-m", "soundlink_assets.cli", "explore"]

pytestmark = pytest.mark.xdist_group("browser")


@pytest.fixture(scope="module")
def address(explored: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """Where the command, which is ended as by Ctrl-C, says that the page is."""
    folder = tmp_path_factory.mktemp("explore")
    log = folder / "log"
    with log.open("w") as output:
        process = subprocess.Popen(
            [*COMMAND, "--no-browser", "--port", "0"],
            cwd=folder,
            env=environment({"SOUNDLINK_WAREHOUSE": explored}),
            stdout=output,
            stderr=subprocess.STDOUT,
        )
        try:
            found = wait_for(
                lambda: re.search(r"http://127\.0\.0\.1:\S+", log.read_text()), SECONDS, "started"
            )
            yield found[0]
        finally:
            process.send_signal(signal.SIGINT)
            assert process.wait(timeout=SECONDS) == 0
    assert len(log.read_text().splitlines()) == 1, log.read_text()


@pytest.fixture(scope="module")
def page(address: str) -> Iterator[Page]:
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(
            executable_path=CHROMIUM, args=["--no-sandbox", "--disable-gpu"]
        )
        page = browser.new_page(viewport={"width": 1400, "height": 900})
        page.set_default_timeout(SECONDS * 1000)
        expect.set_options(timeout=SECONDS * 1000)
        page.goto(address)
        yield page
        browser.close()


@pytest.mark.browser
@pytest.mark.slow
@pytest.mark.skipif(CHROMIUM is None, reason="needs a Chromium (Debian: apt install chromium)")
def test_filters_change_the_tables_and_the_csv_is_what_is_shown(
    page: Page, explored: str, tmp_path: Path
) -> None:
    chosen = tables.Filters(
        first=WINDOW.first, last=WINDOW.last, currency="USD", countries=("US",), with_fees=True
    )
    query = tables.countries(chosen)
    expected = sl.open(explored).sql(query.sql, query.parameters)
    expect(page.get_by_text("Hollow: what open days")).to_be_visible()
    expect(page.get_by_text("Brazil")).to_be_visible()

    page.get_by_role("switch", name="With Soundlink's fees").click()
    page.locator("marimo-multiselect").nth(1).get_by_role("button").click()
    page.get_by_role("option", name="United States").click()
    page.keyboard.press("Escape")

    expect(page.get_by_text("Brazil")).to_be_hidden()
    cost = formats.cost(expected["cost_per_listener_all_in"].item(), "USD")
    expect(page.get_by_text(cost).first).to_be_visible()
    expect(page.get_by_text("none are drawn here")).to_be_visible()
    with page.expect_download() as downloading:
        page.get_by_text("Download as CSV").click()
    downloading.value.save_as(tmp_path / "countries.csv")
    assert (tmp_path / "countries.csv").read_text() == expected.write_csv()

    page.set_viewport_size({"width": 400, "height": 900})
    expect(page.locator("svg.narrow")).to_be_visible()
    assert page.evaluate("document.documentElement.scrollWidth") == 400


def test_the_page_is_for_those_who_were_given_its_address(address: str) -> None:
    refused = httpx.get(address.partition("?")[0])

    assert "Silver Tide" not in refused.text
    assert refused.status_code in {401, 303}
