import os
import re
import signal
import socket
import subprocess
import sys
import threading
from datetime import UTC, datetime
from pathlib import Path

import httpx
import pytest

from soundlink_assets.sandbox import Key, PortTakenError, RunningSandbox, serve, serving
from soundlink_assets.sandbox.faults import known_faults
from soundlink_assets.schema import CAMPAIGN_COUNTRY_DAILY
from soundlink_assets.settings import load_settings
from soundlink_assets_tests.sandbox.conftest import ALL_EXPORTS, NOW

DOCUMENT = Path(__file__).parents[2] / "docs" / "sandbox.md"


class TestServing:
    def test_it_listens_on_loopback_only_and_stops_with_the_block(self) -> None:
        threads = threading.active_count()
        with serving() as sandbox:
            assert threading.active_count() > threads
            assert re.fullmatch(r"http://127\.0\.0\.1:\d+", sandbox.base_url)
            headers = {"x-api-key": sandbox.api_key}
            assert httpx.get(f"{sandbox.base_url}/v1/ping", headers=headers).status_code == 200
        with pytest.raises(httpx.ConnectError):
            httpx.get(f"{sandbox.base_url}/v1/ping")
        assert threading.active_count() == threads

    def test_several_sandboxes_run_side_by_side(self) -> None:
        with serving(now=NOW) as one, serving(now=NOW.replace(year=2025)) as other:
            assert one.base_url != other.base_url
            shown = [httpx.get(f"{box.base_url}/sandbox").json()["now"] for box in (one, other)]
            assert shown == ["2026-04-20T12:00:00+00:00", "2025-04-20T12:00:00+00:00"]

    def test_a_port_that_is_taken_is_named_in_one_sentence(self) -> None:
        with socket.socket() as taken:
            taken.bind(("127.0.0.1", 0))
            taken.listen()
            port = taken.getsockname()[1]
            with pytest.raises(PortTakenError, match=f"^Port {port} is taken .*--port"):
                serve(port)

    def test_its_key_and_address_are_valid_settings(self, sandbox: RunningSandbox) -> None:
        settings = load_settings(api_key=sandbox.api_key, base_url=sandbox.base_url)
        assert settings.require_api_key().get_secret_value() == sandbox.api_key

    def test_in_the_foreground_it_shows_a_banner_with_lines_that_work_until_interrupted(
        self,
    ) -> None:
        code = "from soundlink_assets.sandbox import serve; serve(0)"
        process = subprocess.Popen(
            [sys.executable, "-c", code],
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            cwd=Path(__file__).parents[2],
            env={**os.environ, "PYTHONDONTWRITEBYTECODE": "1"},
        )
        try:
            assert process.stdout is not None
            lines = []
            for line in process.stdout:
                lines.append(line.rstrip())
                if line.startswith("Stop with"):
                    break
            banner = "\n".join(lines)
            assert "synthetic data, nothing here is real" in banner
            exported = dict(re.findall(r"^export (\w+)=(\S+)$", banner, re.MULTILINE))
            response = httpx.get(
                f"{exported['SOUNDLINK_BASE_URL']}/v1/ping",
                headers={"x-api-key": exported["SOUNDLINK_API_KEY"]},
            )
            assert response.json()["data"] == {"status": "ok"}
            process.send_signal(signal.SIGINT)
            _, errors = process.communicate(timeout=30)
            assert errors == ""
            assert process.returncode == 0
        finally:
            process.kill()
            process.wait()


class TestControl:
    def test_it_shows_what_it_is(self, http: httpx.Client, sandbox: RunningSandbox) -> None:
        shown = http.get("/sandbox").json()
        assert shown["synthetic"] is True
        assert shown["keys"]["full"] == Key.FULL
        assert shown["exportedAt"] == "2026-04-20T03:00:00+00:00"
        ids = [campaign["campaignId"] for campaign in shown["campaigns"]]
        assert ids == [campaign.campaign_id for campaign in sandbox.world.campaigns_at(NOW)]

    def test_faults_are_planned_listed_and_cleared_without_a_key(
        self, http: httpx.Client, sandbox: RunningSandbox
    ) -> None:
        plan = {"path": "/v1/ping", "fault": "rate_limited", "count": 2, "seconds": 7}
        planned = httpx.post(f"{sandbox.base_url}/sandbox/faults", json=plan)
        assert planned.status_code == 201
        response = http.get("/v1/ping")
        assert (response.status_code, response.headers["retry-after"]) == (429, "7")
        listed = http.get("/sandbox/faults").json()
        assert listed["pending"] == [{"path": "/v1/ping", "fault": "rate_limited", "seconds": 7.0}]
        assert listed["known"] == {
            name: fault.meaning for name, fault in known_faults(ALL_EXPORTS).items()
        }
        assert http.delete("/sandbox/faults").json() == {"pending": []}
        assert http.get("/v1/ping").status_code == 200

    @pytest.mark.parametrize(
        ("path", "sent", "reason"),
        [
            ("faults", {"path": "*"}, 'give "path"'),
            ("faults", {"path": "*", "fault": "sabotage"}, "'sabotage' is not a fault"),
            ("faults", {"path": "*", "fault": "empty", "count": "x"}, "count: "),
            ("faults", {"path": "*", "fault": "empty", "speed": 1}, "speed: Extra"),
            ("faults", [1], "send a JSON object"),
            ("clock", {}, "advance_hours"),
            ("clock", {"now": "tomorrow"}, "tomorrow"),
            ("clock", {"now": "2026-04-09T03:00:00"}, "give a time with its zone"),
        ],
    )
    def test_what_it_cannot_understand_is_answered_with_the_reason(
        self, http: httpx.Client, path: str, sent: object, reason: str
    ) -> None:
        response = http.post(f"/sandbox/{path}", json=sent)
        assert response.status_code == 400
        assert reason in response.json()["error"]

    def test_what_is_not_json_is_refused_too(self, http: httpx.Client) -> None:
        assert http.post("/sandbox/clock", content=b"{").status_code == 400

    def test_the_clock_can_be_set_and_moved(
        self, http: httpx.Client, sandbox: RunningSandbox
    ) -> None:
        http.post("/sandbox/clock", json={"now": "2026-04-09T02:00:00Z"})
        assert sandbox.now() == datetime(2026, 4, 9, 2, tzinfo=UTC)
        moved = http.post("/sandbox/clock", json={"advance_hours": 1}).json()
        assert moved == {"now": "2026-04-09T03:00:00+00:00"}
        campaign = sandbox.world.campaigns[0]
        body = http.get(CAMPAIGN_COUNTRY_DAILY.path(campaign.campaign_id)).text
        assert '"exported_at":"2026-04-09T03:00:00Z"' in body

    def test_a_ticking_clock_runs_on_from_where_it_was_set(
        self, http: httpx.Client, sandbox: RunningSandbox
    ) -> None:
        http.post("/sandbox/clock", json={"now": "2026-04-09T02:00:00Z", "ticking": True})
        first, second = sandbox.now(), sandbox.now()
        assert datetime(2026, 4, 9, 2, tzinfo=UTC) < first <= second
        assert second < datetime(2026, 4, 9, 3, tzinfo=UTC)

    def test_the_log_is_shown_without_the_key_and_can_be_emptied(
        self, http: httpx.Client, sandbox: RunningSandbox
    ) -> None:
        http.get("/v1/campaigns", params={"page": "2"})
        shown = http.get("/sandbox/requests")
        (entry,) = shown.json()["requests"]
        assert (entry["path"], entry["query"]) == ("/v1/campaigns", {"page": "2"})
        assert sandbox.api_key not in shown.text
        http.delete("/sandbox/requests")
        assert sandbox.requests == ()


class TestDocument:
    def test_it_lists_every_fault_with_its_meaning(self) -> None:
        listed = set(re.findall(r"^\| `(\w+)` \| (.+) \|$", DOCUMENT.read_text(), re.MULTILINE))
        assert {
            (name, fault.meaning) for name, fault in known_faults(ALL_EXPORTS).items()
        } <= listed

    def test_it_lists_every_key(self) -> None:
        text = DOCUMENT.read_text()
        assert [key for key in Key if f"`{key}`" not in text] == []
