"""The doctor against a real API, real files and a real Dagster history, whole and broken."""

import json
import subprocess
import sys
import time
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from dagster import DagsterInstance
from dagster._daemon.types import DaemonHeartbeat
from typer.testing import Result

from soundlink_assets.cli.home import prepare_home
from soundlink_assets.cli.probe_provider import probe_cost
from soundlink_assets.sandbox import Fault, Key, RunningSandbox, SandboxConfig, serving
from soundlink_assets.schema import CAMPAIGN, SOUNDLINK
from soundlink_assets.settings import AuthStyle, load_settings
from soundlink_assets_tests.cli.conftest import Command
from soundlink_assets_tests.ports import closed_port


def findings(result: Result) -> dict[str, dict[str, Any]]:
    """By what they are about; of several, the worst."""
    found = json.loads(result.stdout)["findings"]
    order = ["ok", "warning", "broken"]
    return {f["about"]: f for f in sorted(found, key=lambda f: order.index(f["verdict"]))}


def verdicts(result: Result) -> dict[str, str]:
    return {about: finding["verdict"] for about, finding in findings(result).items()}


def test_with_a_good_key_nothing_is_broken_and_at_most_four_requests_are_sent(
    command: Command, sandbox: RunningSandbox, on_sandbox: dict[str, str]
) -> None:
    result = command("doctor", "--json", **on_sandbox)

    assert result.exit_code == 0
    found = verdicts(result)
    about = ["settings", "key", "provider", "campaigns:read", "metrics:read", "cost", "warehouse"]
    assert {found[name] for name in [*about, "versions"]} == {"ok"}
    assert findings(result)["campaigns:read"]["facts"]["campaigns"] == len(sandbox.world.campaigns)
    assert len(sandbox.requests) <= 4


def test_the_screen_has_a_line_for_each_finding(
    command: Command, on_sandbox: dict[str, str]
) -> None:
    lines = command("doctor", **on_sandbox).stdout.splitlines()

    assert sum(line.startswith("✓") for line in lines) >= 8
    assert lines[-1] == "Nothing is broken."


@pytest.mark.parametrize("form", ["--json", "--verbose"])
def test_the_key_is_in_no_output(command: Command, on_sandbox: dict[str, str], form: str) -> None:
    assert on_sandbox["SOUNDLINK_API_KEY"] not in command("doctor", form, **on_sandbox).output


KEYS = [
    (Key.REVOKED, "provider", "revoked"),
    (Key.EXPIRED, "provider", "expired"),
    (Key.WITHOUT_METRICS, "metrics:read", "lacks the scope metrics:read"),
    (Key.WITHOUT_CAMPAIGNS, "campaigns:read", "lacks the scope campaigns:read"),
]


@pytest.mark.parametrize(("key", "about", "said"), KEYS)
def test_what_is_wrong_with_a_key_is_named(
    command: Command, on_sandbox: dict[str, str], key: Key, about: str, said: str
) -> None:
    result = command("doctor", "--json", **on_sandbox | {"SOUNDLINK_API_KEY": key.value})

    assert result.exit_code == 1
    finding = findings(result)[about]
    assert finding["verdict"] == "broken"
    assert said in finding["what"]
    assert "ake a new key" in finding["advice"]


def test_a_key_without_campaigns_read_is_good_when_the_campaigns_are_named(
    command: Command, sandbox: RunningSandbox, on_sandbox: dict[str, str]
) -> None:
    named = {
        "SOUNDLINK_API_KEY": Key.WITHOUT_CAMPAIGNS.value,
        "SOUNDLINK_CAMPAIGN_IDS": sandbox.world.campaigns[0].campaign_id,
    }

    result = command("doctor", "--json", **on_sandbox | named)

    assert result.exit_code == 0
    assert findings(result)["campaigns"]["facts"]["campaigns"] == 1
    assert verdicts(result)["metrics:read"] == "ok"


def test_a_named_campaign_that_is_not_there_is_named(
    command: Command, on_sandbox: dict[str, str]
) -> None:
    named = {"SOUNDLINK_API_KEY": Key.WITHOUT_CAMPAIGNS.value, "SOUNDLINK_CAMPAIGN_IDS": "nobody"}

    finding = findings(command("doctor", "--json", **on_sandbox | named))["metrics:read"]

    assert finding["verdict"] == "broken"
    assert "no such campaign" in finding["what"]


def test_a_good_key_in_the_wrong_header_is_told_the_right_one(command: Command) -> None:
    with serving(SandboxConfig(auth_style=AuthStyle.BEARER)) as bearer:
        there = {"SOUNDLINK_BASE_URL": bearer.base_url, "SOUNDLINK_API_KEY": bearer.api_key}
        finding = findings(command("doctor", "--json", **there))["provider"]
        advised = finding["advice"].removeprefix("Set ").rstrip(".").split("=")
        again = command("doctor", "--json", **there | {advised[0]: advised[1]})

    assert finding["verdict"] == "broken"
    assert advised == ["SOUNDLINK_AUTH_STYLE", "bearer"]
    assert verdicts(again)["provider"] == "ok"


def test_an_unknown_key_is_tried_in_both_headers_and_refused(
    command: Command, sandbox: RunningSandbox, on_sandbox: dict[str, str]
) -> None:
    unknown = on_sandbox | {"SOUNDLINK_API_KEY": "sk_unknown_to_all"}

    finding = findings(command("doctor", "--json", **unknown))["provider"]

    assert "does not know the API key" in finding["what"]
    assert [request.status for request in sandbox.requests] == [401, 401]


def test_an_api_that_is_switched_off_is_named(
    command: Command, sandbox: RunningSandbox, on_sandbox: dict[str, str]
) -> None:
    sandbox.fail("/v1/*", Fault.NOT_FOUND, count=None)

    finding = findings(command("doctor", "--json", **on_sandbox))["provider"]

    assert "switched off" in finding["what"]


def test_a_used_up_budget_is_not_waited_for(command: Command, on_sandbox: dict[str, str]) -> None:
    started = time.monotonic()

    result = command("doctor", "--json", **on_sandbox, SOUNDLINK_REQUESTS_PER_MINUTE=1)

    assert time.monotonic() - started < 45
    finding = findings(result)["campaigns:read"]
    assert finding["verdict"] == "broken"
    assert "budget" in finding["what"]


def test_a_misspelt_variable_is_pointed_out(command: Command, on_sandbox: dict[str, str]) -> None:
    result = command("doctor", "--json", **on_sandbox, SOUNDLINK_REFRESH_HUORS=3)

    assert result.exit_code == 0
    assert "did you mean SOUNDLINK_REFRESH_HOURS?" in findings(result)["settings"]["what"]


def test_a_wrong_setting_does_not_hide_the_rest(
    command: Command, on_sandbox: dict[str, str]
) -> None:
    result = command("doctor", "--json", **on_sandbox, SOUNDLINK_START_DATE="soon")

    assert result.exit_code == 1
    assert "SOUNDLINK_START_DATE is 'soon'" in findings(result)["settings"]["what"]
    assert verdicts(result)["metrics:read"] == "ok"


def test_a_key_file_that_others_may_read_is_pointed_out(
    command: Command, on_sandbox: dict[str, str], tmp_path: Path
) -> None:
    (tmp_path / ".env").write_text("SOUNDLINK_REFRESH_HOURS=3\n", encoding="utf-8")
    (tmp_path / ".env").chmod(0o644)

    finding = findings(command("doctor", "--json", **on_sandbox))["settings"]

    assert (finding["verdict"], finding["advice"]) == ("warning", "chmod 600 .env")


def test_a_variable_that_the_env_file_sets_otherwise_is_pointed_out(
    command: Command, on_sandbox: dict[str, str], tmp_path: Path
) -> None:
    (tmp_path / ".env").touch(mode=0o600)
    (tmp_path / ".env").write_text("SOUNDLINK_API_KEY=\n", encoding="utf-8")

    finding = findings(command("doctor", "--json", **on_sandbox))["settings"]

    assert "SOUNDLINK_API_KEY differs" in finding["what"]


def test_a_file_that_is_no_warehouse_is_named(
    command: Command, on_sandbox: dict[str, str], tmp_path: Path
) -> None:
    (tmp_path / "notes.txt").write_text("not a database", encoding="utf-8")

    result = command("doctor", "--json", **on_sandbox, SOUNDLINK_WAREHOUSE=tmp_path / "notes.txt")

    assert verdicts(result)["warehouse"] == "broken"
    assert "not a DuckDB" in findings(result)["warehouse"]["what"]


def test_a_warehouse_that_is_in_use_is_a_warning(
    command: Command, on_sandbox: dict[str, str], loaded_warehouse: str, tmp_path: Path
) -> None:
    held = tmp_path / "held.duckdb"
    held.write_bytes(Path(loaded_warehouse).read_bytes())
    hold = f"import duckdb; c = duckdb.connect({str(held)!r}); print('held', flush=True); input()"
    holder = subprocess.Popen(
        [sys.executable, "-c", hold], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    )
    try:
        assert holder.stdout is not None
        assert holder.stdout.readline() == "held\n"
        result = command("doctor", "--json", **on_sandbox, SOUNDLINK_WAREHOUSE=held)
    finally:
        holder.communicate("\n")

    finding = findings(result)["warehouse"]
    assert finding["verdict"] == "warning"
    assert str(holder.pid) in finding["what"]


def test_size_and_newest_day_of_the_warehouse_are_named(
    command: Command, on_sandbox: dict[str, str], loaded_warehouse: str, tmp_path: Path
) -> None:
    copy = tmp_path / "copy.duckdb"
    copy.write_bytes(Path(loaded_warehouse).read_bytes())

    facts = findings(command("doctor", "--json", **on_sandbox, SOUNDLINK_WAREHOUSE=copy))[
        "warehouse"
    ]["facts"]

    assert facts["bytes"] == copy.stat().st_size
    assert facts["newest_day"] == "2026-05-20"
    assert facts["days"] == 40


def test_days_are_open_missing_failing_or_lost(
    command: Command, sandbox: RunningSandbox, on_sandbox: dict[str, str], tmp_path: Path
) -> None:
    yesterday = datetime.now(UTC).date() - timedelta(days=1)
    last = yesterday - timedelta(days=1)
    first = last - timedelta(days=1)
    days = [str(first), str(last)]
    assert command("backfill", *days, **on_sandbox).exit_code == 0

    whole = findings(command("doctor", "--json", **on_sandbox))["days"]
    sandbox.fail("*/export", Fault.INTERNAL_ERROR, count=None)
    assert command("backfill", *days, **on_sandbox).exit_code == 1
    sandbox.clear()
    failed = findings(command("doctor", "--json", **on_sandbox))["days"]
    (tmp_path / "data" / "warehouse.duckdb").rename(tmp_path / "elsewhere.duckdb")
    moved = findings(command("doctor", "--json", **on_sandbox))["days"]

    assert whole["facts"] | {"late": []} == {
        "final": 0,
        "open": days,
        "late": [],
        "missing": [str(yesterday)],
    }
    assert failed["facts"] == {"failing": days}
    assert failed["verdict"] == "broken"
    assert moved["facts"] == {"lost": days}


HEARTBEATS = [
    (timedelta(seconds=5), "ok", "is alive"),
    (timedelta(minutes=10), "warning", "has been silent for 10 min"),
    (timedelta(hours=3), "broken", "does not run"),
]


@pytest.mark.parametrize(("age", "verdict", "said"), HEARTBEATS)
def test_the_daemon_is_alive_or_it_is_not(
    command: Command, tmp_path: Path, age: timedelta, verdict: str, said: str
) -> None:
    home = prepare_home(tmp_path / "home")
    beat_at = (datetime.now(UTC) - age).timestamp()
    with DagsterInstance.from_config(str(home)) as instance:
        for daemon in instance.get_required_daemon_types():
            instance.add_daemon_heartbeat(DaemonHeartbeat(beat_at, daemon, "a daemon", []))

    finding = findings(command("doctor", "--json", DAGSTER_HOME=home))["daemon"]

    assert finding["verdict"] == verdict
    assert said in finding["what"]


def test_a_large_history_is_told_to_be_pruned(command: Command, tmp_path: Path) -> None:
    home = prepare_home(tmp_path / "home")
    small = findings(command("doctor", "--json", DAGSTER_HOME=home))["DAGSTER_HOME"]
    with (home / "history" / "large.db").open("wb") as sparse:
        sparse.truncate(3_000_000_000)
    large = findings(command("doctor", "--json", DAGSTER_HOME=home))["DAGSTER_HOME"]

    assert small["verdict"] == "ok"
    assert 0 < small["facts"]["bytes"] < 10_000_000
    assert large["verdict"] == "warning"
    assert "soundlink-assets prune" in large["advice"]


def test_with_everything_broken_every_line_is_still_there(command: Command, tmp_path: Path) -> None:
    file = tmp_path / "file"
    file.write_text("nothing of use", encoding="utf-8")

    result = command(
        "doctor",
        "--json",
        DAGSTER_HOME=file / "home",
        SOUNDLINK_API_KEY="sk_x_y",
        SOUNDLINK_BASE_URL=f"http://127.0.0.1:{closed_port()}",
        SOUNDLINK_WAREHOUSE=file / "warehouse.duckdb",
        SOUNDLINK_AUTH_STYLE="by pigeon",
        SOUNDLINK_MAX_ATTEMPTS="many",
        SOUNDLINK_BUDGET_DIR=file,
    )

    assert result.exit_code == 1
    found = verdicts(result)
    assert {found[about] for about in ("settings", "provider", "warehouse")} == {"broken"}
    assert {"key", "cost", "DAGSTER_HOME", "versions"} <= set(found)
    assert "Traceback" not in result.output


def test_a_damaged_history_is_one_line(command: Command, tmp_path: Path) -> None:
    home = prepare_home(tmp_path / "home")
    (home / "history" / "runs.db").write_text("nothing of use" * 1000, encoding="utf-8")

    finding = findings(command("doctor", "--json", DAGSTER_HOME=home))["history"]

    assert finding["verdict"] == "broken"
    assert "Dagster's history cannot be used" in finding["what"]


@pytest.mark.parametrize(("hours", "runs"), [(48, 1), (24, 1), (6, 4), (1, 24)])
def test_a_refresh_interval_makes_so_many_runs_a_day(hours: float, runs: int) -> None:
    (cost,) = probe_cost(load_settings(refresh_hours=hours), {CAMPAIGN: 7})

    assert cost.verdict == "ok"
    assert cost.facts["requests_a_refresh"] == 1 + 2 * 7
    assert cost.facts["requests_a_day"] == runs * (1 + 2 * 7)


def test_soundlinks_cost_as_much_as_campaigns() -> None:
    (cost,) = probe_cost(load_settings(), {CAMPAIGN: 7, SOUNDLINK: 101})

    assert cost.facts["requests_a_refresh"] == 1 + 2 * 7 + 2 + 2 * 101
    assert "7 campaigns and 101 soundlinks" in cost.what


def test_the_cost_of_many_campaigns_is_broken_until_the_advice_is_taken() -> None:
    (dear,) = probe_cost(load_settings(refresh_hours=1), {CAMPAIGN: 1_000})
    advised = int("".join(c for c in dear.advice if c.isdigit()))
    (affordable,) = probe_cost(load_settings(refresh_hours=advised), {CAMPAIGN: 1_000})

    assert dear.verdict == "broken"
    assert affordable.verdict != "broken"
    assert affordable.facts["requests_a_day"] <= affordable.facts["requests_allowed_a_day"]
