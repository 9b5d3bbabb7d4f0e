"""Alerts of a simulated week, received by a real HTTP server on loopback."""

import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, date, datetime, timedelta
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path

import dagster as dg
import pytest

from soundlink_assets.assets.alerts import failed_runs
from soundlink_assets.definitions import build_definitions
from soundlink_assets.sandbox import SandboxConfig
from soundlink_assets.schema import CAMPAIGN_EXPORTS
from soundlink_assets.schema.window import Window
from soundlink_assets.settings import Settings, SettingsError, load_settings
from soundlink_assets_tests.assets.simulation import Platform, platform

PATH = "T0-the-secret-path"
FRIDAY = datetime(2026, 5, 15, 14, tzinfo=UTC)
DAY = timedelta(days=1)


class Webhook:
    """Keeps the texts that it is sent, and answers with `status`."""

    def __init__(self) -> None:
        self.status = 200
        self.texts: list[str] = []


@contextmanager
def receiving() -> Iterator[tuple[Webhook, str]]:
    webhook = Webhook()

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["Content-Length"]))
            if webhook.status == 200:
                webhook.texts.append(json.loads(body)["text"])
            self.send_response(webhook.status)
            self.end_headers()

        def log_message(self, *_: object) -> None:
            """Quiet."""

    with HTTPServer(("127.0.0.1", 0), Handler) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield webhook, f"http://127.0.0.1:{server.server_port}/{PATH}"
        server.shutdown()


class Week:
    """A platform that posts to a webhook, and the cursor that its alerts' sensor leaves."""

    def __init__(self, platform: Platform, webhook: Webhook) -> None:
        self.platform, self.webhook = platform, webhook
        self.cursor: str | None = None
        self.reasons: list[str] = []

    def told(self) -> list[str]:
        """The lines that arrive of two ticks."""
        repository = self.platform.repository
        for _ in range(2):
            context = dg.build_sensor_context(
                instance=self.platform.instance, repository_def=repository, cursor=self.cursor
            )
            with self.platform.frozen():
                tick = repository.get_sensor_def("alerts_sensor").evaluate_tick(context)
            self.cursor = tick.cursor
            self.reasons.append(tick.skip_message or "")
        lines = [line for text in self.webhook.texts for line in text.splitlines()]
        self.webhook.texts.clear()
        return lines

    def fetch(self, day: date) -> bool:
        return self.platform.fetch(Window(day, day))


@pytest.fixture
def week(tmp_path: Path) -> Iterator[Week]:
    """From Friday on, when all was well."""
    with (
        receiving() as (webhook, url),
        platform(tmp_path, FRIDAY, SandboxConfig(campaign_count=2), alert_url=url) as running,
    ):
        begun = Week(running, webhook)
        assert begun.fetch(FRIDAY.date() - DAY)
        running.tick_sensor()
        assert begun.told() == []
        yield begun
        everything: list[object] = [*begun.reasons, begun.cursor, running.settings]
        for run in running.instance.get_runs():
            everything += running.instance.all_logs(run.run_id)
        assert PATH not in " ".join(map(repr, everything))


def solved(lines: list[str]) -> list[str]:
    return sorted(line.replace("*Problem*", "*Solved*") for line in lines)


@pytest.mark.slow
def test_each_trouble_of_a_week_is_told_once_and_its_end_too(week: Week) -> None:
    sandbox, today = week.platform.sandbox, FRIDAY.date()

    sandbox.set_clock(FRIDAY + DAY)
    sandbox.fail("*", "bad_gateway", count=None)
    assert not week.fetch(today)
    outage = week.told()
    assert not week.fetch(today)
    assert week.told() == [], "the second failed run is no other problem"
    assert len(outage) == 1
    assert "of daily_exports failed" in outage[0]
    sandbox.clear()
    assert week.fetch(today)
    assert week.told() == solved(outage)

    sandbox.set_clock(FRIDAY + 2 * DAY)
    sandbox.fail("*", "api_key_revoked", count=None)
    assert not week.fetch(today + DAY)
    refused = week.told()
    assert len(refused) == 1
    assert "the API key is refused" in refused[0]
    assert "api_key_revoked" in refused[0]

    sandbox.clear()
    campaign = sandbox.world.campaigns[0].campaign_id
    sandbox.fail(f"*{campaign}/*/export", "internal_error", count=None)
    assert week.fetch(today + DAY)
    told = week.told()
    red = [line for line in told if "every_campaign_delivered" in line]
    assert len(red) == len(CAMPAIGN_EXPORTS)
    assert sorted(told) == sorted([*red, *solved(refused)])
    sandbox.clear()
    assert week.fetch(today + DAY)
    assert sorted(week.told()) == solved(red)

    sandbox.set_clock(FRIDAY + 3 * DAY)
    weekly = week.told()
    assert weekly[0] == "*The week*"
    assert any("media spend" in line for line in weekly)
    week.platform.tick_sensor()
    late = week.told()
    assert len(late) == len(CAMPAIGN_EXPORTS)
    assert all("newest_day_present" in line for line in late)
    assert week.fetch(today + 2 * DAY)
    week.platform.tick_sensor()
    assert sorted(week.told()) == solved(late)


@pytest.mark.slow
def test_what_could_not_be_posted_comes_later_and_once(week: Week) -> None:
    week.platform.sandbox.fail("*", "bad_gateway", count=None)
    assert not week.fetch(FRIDAY.date() - DAY)
    week.webhook.status = 503
    assert week.told() == []
    assert "could not be posted (HTTP 503)" in week.reasons[-1]

    week.webhook.status = 200
    assert len(week.told()) == 1
    assert week.told() == []


@pytest.mark.slow
def test_a_red_day_stays_told_when_later_runs_are_of_other_days(
    week: Week, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("soundlink_assets.assets.alerts.LATEST_RUNS", 1)
    sandbox, day = week.platform.sandbox, FRIDAY.date() - DAY
    campaign = sandbox.world.campaigns[0].campaign_id
    sandbox.fail(f"*{campaign}/*/export", "internal_error", count=None)
    assert week.fetch(day)
    red = week.told()
    assert red
    sandbox.clear()

    assert week.fetch(day - DAY)
    assert week.told() == []
    assert week.fetch(day)
    assert sorted(week.told()) == solved(red)


def test_a_failed_run_is_made_good_by_one_that_has_all_its_assets() -> None:
    assets = [dg.asset(name=name)(lambda: None) for name in ("first", "second")]
    job = dg.Definitions(assets).resolve_implicit_global_asset_job_def()
    known = {"run first": "run 0 of first failed"}
    with dg.DagsterInstance.ephemeral() as instance:

        def problems_after(status: dg.DagsterRunStatus, *assets: str, latest: int = 9) -> list[str]:
            keys = frozenset(map(dg.AssetKey, assets))
            instance.create_run_for_job(job, status=status, asset_selection=keys)
            runs = instance.get_runs(limit=latest)
            return [name for name, _ in failed_runs(instance, runs, known)]

        failure, success = dg.DagsterRunStatus.FAILURE, dg.DagsterRunStatus.SUCCESS
        assert problems_after(failure, "first") == ["run first"]
        assert problems_after(success, "second") == ["run first"]
        assert problems_after(success, "second", latest=1) == ["run first"]
        assert problems_after(success, "first", "second") == []


def test_without_a_url_there_is_no_sensor() -> None:
    repository = build_definitions(Settings()).get_repository_def()

    assert not repository.has_sensor_def("alerts_sensor")


@pytest.mark.parametrize("url", ["http://hooks.example.com/secret", "ftp://x/secret", "secret"])
def test_a_url_that_would_be_read_on_the_way_is_refused_and_not_repeated(
    url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SOUNDLINK_ALERT_URL", url)

    with pytest.raises(SettingsError, match="SOUNDLINK_ALERT_URL") as refused:
        load_settings()

    assert "secret" not in str(refused.value).replace("A secret", "")
