"""Every failure that a user can cause or meet ends in a line or two: what it is, and what to do.

The real command, the real API double, real files; the stack trace is there when it is asked for.
"""

import errno
import json
import resource
import signal
import socket
import sqlite3
import subprocess
import sys
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from dagster import DagsterEventType, DagsterInstance, DagsterRunStatus
from typer.testing import Result

from soundlink_assets.cli.failures import explain, report
from soundlink_assets.sandbox import Fault, Key, RunningSandbox, SandboxConfig, serving
from soundlink_assets.settings import AuthStyle
from soundlink_assets.warehouse.errors import FullDiskError
from soundlink_assets_tests.api.raw_server import Answer, http, raw_server
from soundlink_assets_tests.cli.commands import environment
from soundlink_assets_tests.cli.conftest import Command
from soundlink_assets_tests.documents import REPOSITORY

YESTERDAY = datetime.now(UTC).date() - timedelta(days=1)
DAYS = (str(YESTERDAY), str(YESTERDAY))
BACKFILL = ("backfill", *DAYS)
KEY = {"SOUNDLINK_API_KEY": "sk_test_0123456789abcdef"}

ONE_ASSET = ("--select", "soundlink/campaign_country_daily")

MOST_LINES = 2


def lines_of_error(result: Result) -> list[str]:
    """What is said about the failure itself, without the run's line and the checks' verdicts."""
    told = ("failed  ", "done  ", "Not done: ", "  ERROR  ", "  WARN  ")
    return [line for line in result.stderr.splitlines() if line and not line.startswith(told)]


def assert_said(result: Result, *words: str) -> None:
    said = lines_of_error(result)
    assert result.exit_code == 1, result.output
    assert 1 <= len(said) <= MOST_LINES, result.output
    assert "Traceback" not in result.output
    for word in words:
        assert word in "\n".join(said)


def closed_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


@dataclass(frozen=True)
class Mistake:
    """A command that cannot work: its arguments, settings, and words that have to be said."""

    name: str
    words: tuple[str, ...]
    arguments: tuple[str, ...] = BACKFILL
    settings: Mapping[str, str] = field(default_factory=dict)

    def __str__(self) -> str:
        return self.name


def setting(variable: str, value: str, *words: str) -> Mistake:
    return Mistake(
        f"{variable}={value}", (variable, "Allowed: ", *words), settings={variable: value}
    )


BEFORE_ANY_RUN = [
    Mistake("no key", ("SOUNDLINK_API_KEY is not set", "developer settings", "demo")),
    setting("SOUNDLINK_API_KEY", "pk_live", "begins with sk_"),
    setting("SOUNDLINK_AUTH_STYLE", "basic"),
    setting("SOUNDLINK_BASE_URL", "http://api.getsoundlink.com", "use https"),
    setting("SOUNDLINK_BASE_URL", "https://" + "a" * 70, "no host name"),
    setting("SOUNDLINK_START_DATE", "soon", "YYYY-MM-DD"),
    setting("SOUNDLINK_WAREHOUSE", "md:soundlink", "file path"),
    setting("SOUNDLINK_REFRESH_HOURS", "0"),
    setting("SOUNDLINK_CATCH_UP_DAYS", "1"),
    setting("SOUNDLINK_AUTOMATION", "perhaps"),
    setting("SOUNDLINK_MAX_CONCURRENCY", "0"),
    setting("SOUNDLINK_TIMEOUT_SECONDS", "never"),
    setting("SOUNDLINK_MAX_ATTEMPTS", "0"),
    setting("SOUNDLINK_REQUESTS_PER_MINUTE", "x"),
    setting("SOUNDLINK_REQUESTS_PER_HOUR", "x"),
    Mistake("dates reversed", ("first day first",), ("backfill", "2026-02-02", "2026-02-01"), KEY),
    Mistake("not a date", ("YYYY-MM-DD",), ("backfill", "yesterday", "today"), KEY),
    Mistake(
        "a day to come",
        ("not closed yet", "the last day to ask for is"),
        ("backfill", DAYS[0], "2100-01-01"),
        KEY,
    ),
    Mistake(
        "before the first partition",
        ("before SOUNDLINK_START_DATE", "earlier"),
        ("backfill", "2020-01-01", "2020-01-02"),
        KEY,
    ),
    Mistake(
        "an unknown asset",
        ("selects nothing", "soundlink/campaign_country_daily"),
        (*BACKFILL, "--select", "soundlink/nothing"),
        KEY,
    ),
    Mistake("no selection at all", ("selects nothing",), (*BACKFILL, "--select", "((("), KEY),
    Mistake("a report of nothing", ("holds no campaign figures", "backfill"), ("report",)),
]


@pytest.mark.parametrize("mistake", BEFORE_ANY_RUN, ids=str)
def test_a_mistake_is_said_before_anything_runs(command: Command, mistake: Mistake) -> None:
    assert_said(command(*mistake.arguments, **mistake.settings), *mistake.words)


def test_every_wrong_setting_is_named_at_once(command: Command) -> None:
    result = command(*BACKFILL, SOUNDLINK_MAX_ATTEMPTS="0", SOUNDLINK_AUTH_STYLE="basic")

    assert_said(result, "SOUNDLINK_MAX_ATTEMPTS", "SOUNDLINK_AUTH_STYLE")


def test_a_misspelt_variable_is_remarked_on(command: Command) -> None:
    result = command("report", SOUNDLINK_WAREHUOSE="x.duckdb")

    assert "did you mean SOUNDLINK_WAREHOUSE?" in result.stderr


def test_an_unknown_command_is_told_the_nearest(command: Command) -> None:
    result = command("bakfill")

    assert result.exit_code == 2
    assert "backfill" in result.stderr


UNREACHABLE = [
    Mistake("nothing there", ("Nothing answers at http://127.0.0.1",), settings={}),
    Mistake(
        "an unknown name",
        ("soundlink.invalid is not known here", "DNS"),
        settings={"SOUNDLINK_BASE_URL": "https://soundlink.invalid"},
    ),
    Mistake(
        "a proxy that is not there",
        ("proxy in HTTPS_PROXY",),
        settings={
            "SOUNDLINK_BASE_URL": "https://soundlink.invalid",
            "HTTPS_PROXY": f"http://127.0.0.1:{closed_port()}",
        },
    ),
    Mistake(
        "a proxy that is none",
        ("The proxy in HTTPS_PROXY", "unset it"),
        settings={"SOUNDLINK_BASE_URL": "https://soundlink.invalid", "HTTPS_PROXY": "what://x"},
    ),
]


@pytest.mark.parametrize("mistake", UNREACHABLE, ids=str)
def test_an_api_that_cannot_be_reached(command: Command, mistake: Mistake) -> None:
    nowhere = {"SOUNDLINK_BASE_URL": f"http://127.0.0.1:{closed_port()}"}

    assert_said(command(*BACKFILL, **KEY | nowhere | dict(mistake.settings)), *mistake.words)


def test_a_server_without_tls(command: Command, on_sandbox: dict[str, str]) -> None:
    base_url = on_sandbox["SOUNDLINK_BASE_URL"].replace("http:", "https:")

    assert_said(
        command(*BACKFILL, **on_sandbox | {"SOUNDLINK_BASE_URL": base_url}),
        "does not speak TLS",
        "SOUNDLINK_BASE_URL",
    )


KEYS = [
    ("sk_unknown", ("invalid_api_key", "Check SOUNDLINK_API_KEY", "SOUNDLINK_AUTH_STYLE=bearer")),
    (Key.REVOKED, ("api_key_revoked", "Make a new key")),
    (Key.EXPIRED, ("api_key_expired", "Make a new key")),
    (Key.WITHOUT_METRICS, ("insufficient_scope", "metrics:read", "make a new key")),
    (Key.WITHOUT_CAMPAIGNS, ("insufficient_scope", "SOUNDLINK_CAMPAIGN_IDS")),
]


@pytest.mark.parametrize(("key", "words"), KEYS)
def test_a_key_that_is_refused(
    command: Command, on_sandbox: dict[str, str], key: str, words: tuple[str, ...]
) -> None:
    result = command(*BACKFILL, **on_sandbox | {"SOUNDLINK_API_KEY": str(key)})

    assert_said(result, "requestId", *words)
    assert str(key) not in result.output


def test_a_refused_key_ends_a_backfill_of_many_runs_at_once(
    command: Command, sandbox: RunningSandbox, on_sandbox: dict[str, str]
) -> None:
    refused = on_sandbox | {"SOUNDLINK_API_KEY": Key.REVOKED.value}

    result = command("backfill", "2026-01-01", "2026-04-30", *ONE_ASSET, **refused)

    assert_said(result, "revoked")
    assert "Not done: 2026-04-01..2026-04-30" in result.stderr
    assert len(sandbox.requests) == 1


def test_a_key_in_the_wrong_header(command: Command) -> None:
    with serving(SandboxConfig(auth_style=AuthStyle.BEARER)) as bearer:
        there = {"SOUNDLINK_BASE_URL": bearer.base_url, "SOUNDLINK_API_KEY": bearer.api_key}

        assert_said(command(*BACKFILL, **there), "set SOUNDLINK_AUTH_STYLE=bearer")


FAULTS = [
    (Fault.NOT_FOUND, "/v1/campaigns", ("switched off", "Check SOUNDLINK_BASE_URL")),
    (Fault.INTERNAL_ERROR, "*/export", ("None of 2 campaigns", "Try again later")),
    (Fault.BAD_GATEWAY, "*/export", ("HTTP 502", "Try again later")),
    (Fault.OTHER_SCHEMA_VERSION, "*/export", ("schema version", "kept in", "quarantine")),
    (Fault.DROPPED_CONNECTION, "*/export", ("no complete answer", "Check the network")),
]


@pytest.mark.parametrize(("fault", "path", "words"), FAULTS)
def test_an_api_that_misbehaves(
    command: Command, sandbox: RunningSandbox, fault: Fault, path: str, words: tuple[str, ...]
) -> None:
    sandbox.fail(path, fault, count=None)
    there = {"SOUNDLINK_BASE_URL": sandbox.base_url, "SOUNDLINK_API_KEY": sandbox.api_key}

    assert_said(command(*BACKFILL, **there), *words)


def envelope(status: int, **content: object) -> bytes:
    body = json.dumps({**content, "meta": {"requestId": "1"}}).encode()
    return http(body, status=status, content_type="application/json")


def test_an_organisation_without_campaigns_is_no_failure_but_said(command: Command) -> None:
    pagination = {"page": 1, "pageSize": 100, "totalCount": 0, "totalPages": 0}
    answers: dict[str, list[Answer]] = {
        "/v1/ping": [envelope(200, data={"status": "ok"})],
        "/v1/campaigns": [envelope(200, data={"items": [], "pagination": pagination})],
    }
    unknown = envelope(404, error={"code": "campaign_not_found", "message": "Not found."})
    with raw_server(unknown, by_path=answers) as server:
        there = KEY | {"SOUNDLINK_BASE_URL": server.base_url}
        result = command(*BACKFILL, **there)
        found = command("doctor", **there)

    assert result.exit_code == 0, result.output
    assert "no campaigns yet" in result.stderr
    assert "0 rows of campaign_country_daily" in result.stderr
    assert found.exit_code == 0, found.output
    assert "no campaigns yet" in found.stdout


FILE_IN_THE_WAY = [
    ("SOUNDLINK_WAREHOUSE", "file", ("no DuckDB database", "SOUNDLINK_WAREHOUSE")),
    ("SOUNDLINK_WAREHOUSE", "file/warehouse.duckdb", ("cannot be made", "SOUNDLINK_WAREHOUSE")),
    ("SOUNDLINK_BUDGET_DIR", "file/budget", ("SOUNDLINK_BUDGET_DIR", "user may write")),
    ("DAGSTER_HOME", "file", ("cannot be kept in", "Set DAGSTER_HOME")),
    ("DAGSTER_HOME", "file/home", ("cannot be kept in", "Set DAGSTER_HOME")),
]


@pytest.mark.parametrize(("variable", "path", "words"), FILE_IN_THE_WAY)
def test_a_file_where_another_thing_should_be(
    command: Command, tmp_path: Path, variable: str, path: str, words: tuple[str, ...]
) -> None:
    (tmp_path / "file").write_text("somebody's notes", encoding="utf-8")
    with serving() as sandbox:
        there = {"SOUNDLINK_BASE_URL": sandbox.base_url, "SOUNDLINK_API_KEY": sandbox.api_key}
        result = command(*BACKFILL, **there | {variable: str(tmp_path / path)})

    assert_said(result, *words)
    assert (tmp_path / "file").read_text(encoding="utf-8") == "somebody's notes"


DAGSTER_YAML = [
    ("telemetry: [}", "while parsing"),
    ("nonsense: 1", "nonsense"),
]


@pytest.mark.parametrize(("text", "said"), DAGSTER_YAML)
def test_a_dagster_yaml_that_is_not_valid(
    command: Command, tmp_path: Path, text: str, said: str
) -> None:
    (tmp_path / "dagster.yaml").write_text(text, encoding="utf-8")

    assert_said(
        command(*BACKFILL, **KEY, DAGSTER_HOME=tmp_path), said, "Put it right, or delete it"
    )


def test_a_damaged_history(command: Command, tmp_path: Path) -> None:
    (tmp_path / "history").mkdir()
    (tmp_path / "history" / "runs.db").write_text("no database" * 1000, encoding="utf-8")

    assert_said(command(*BACKFILL, **KEY, DAGSTER_HOME=tmp_path), "Dagster's history", "backup")


def test_an_env_file_of_another_encoding(command: Command, tmp_path: Path) -> None:
    (tmp_path / ".env").write_text("SOUNDLINK_API_KEY=sk_x\n", encoding="utf-16")

    assert_said(command(*BACKFILL), ".env is not UTF-8")


def limited(arguments: Sequence[str], folder: Path, settings: Mapping[str, str]) -> str:
    """What a command says that may not write a file of more than 50 kB, as on a full disk."""
    result = subprocess.run(
        [sys.executable, "-m", "soundlink_assets.cli", *arguments],
        cwd=folder,
        env=environment(settings),
        preexec_fn=lambda: resource.setrlimit(resource.RLIMIT_FSIZE, (50_000, 50_000)),
        capture_output=True,
        text=True,
        check=False,
    )
    assert result.returncode == 1
    assert len(result.stderr.splitlines()) <= MOST_LINES, result.stderr
    return result.stderr


def test_no_room_for_the_report(loaded_warehouse: str, tmp_path: Path) -> None:
    said = limited(["report"], tmp_path, {"SOUNDLINK_WAREHOUSE": loaded_warehouse})

    assert "File too large" in said
    assert "raise the limit" in said


def test_no_room_for_the_history(tmp_path: Path) -> None:
    said = limited(BACKFILL, tmp_path, KEY)

    assert "Dagster's history cannot be used" in said
    assert "disk" in said


FULL = [
    OSError(errno.ENOSPC, "No space left on device", "/data/x"),
    sqlite3.OperationalError("database or disk is full"),
    FullDiskError("The disk of /data/x is full"),
]


@pytest.mark.parametrize("error", FULL, ids=lambda error: type(error).__name__)
def test_a_full_disk_is_called_one(error: Exception) -> None:
    wrapped = RuntimeError("a library wraps it")
    wrapped.__cause__ = error

    said = explain(wrapped)

    assert said is not None
    assert "full" in said


def test_an_error_that_nobody_foresaw_names_itself_and_the_way_to_its_trace(
    capsys: pytest.CaptureFixture[str],
) -> None:
    report(KeyError("odd"), verbose=False)

    first, second = capsys.readouterr().err.splitlines()
    assert first == "Unexpected error, KeyError: 'odd'"
    assert "--verbose" in second


@pytest.mark.parametrize("server", ["dev", "sandbox"])
def test_a_port_that_is_taken(command: Command, sandbox: RunningSandbox, server: str) -> None:
    port = sandbox.base_url.rpartition(":")[2]

    assert_said(command(server, "--port", port), f"Port {port}", "taken", "--port")


def test_dev_refuses_to_guess_between_the_environment_and_the_env_file(
    command: Command, tmp_path: Path
) -> None:
    (tmp_path / ".env").write_text("SOUNDLINK_API_KEY=sk_another\n", encoding="utf-8")

    assert_said(command("dev", **KEY), "SOUNDLINK_API_KEY", ".env", "Unset it in one of them")


def test_another_python_than_is_needed(tmp_path: Path) -> None:
    old = tmp_path / "python3.10"
    old.write_text(
        f"#!{sys.executable}\nimport sys\n"
        "sys.version_info, sys.version = (3, 10, 1), '3.10.1 (x)'\n"
        "exec(sys.argv[sys.argv.index('-c') + 1])\n",
        encoding="utf-8",
    )
    old.chmod(0o755)

    result = subprocess.run(
        ["/usr/bin/env", "make", "demo", f"PYTHON={old}", f"VENV={tmp_path}/venv"],
        cwd=REPOSITORY,
        capture_output=True,
        text=True,
        check=False,
    )

    assert result.returncode != 0
    assert "Python 3.11 or later is needed; this is 3.10.1" in result.stderr
    assert "make PYTHON=" in result.stderr


def test_the_stack_trace_of_a_failed_run_is_in_dagsters_log_and_with_verbose(
    command: Command, tmp_path: Path
) -> None:
    (tmp_path / "file").write_text("somebody's notes", encoding="utf-8")
    home = tmp_path / "home"
    with serving() as sandbox:
        broken = {
            "SOUNDLINK_BASE_URL": sandbox.base_url,
            "SOUNDLINK_API_KEY": sandbox.api_key,
            "SOUNDLINK_WAREHOUSE": str(tmp_path / "file"),
            "DAGSTER_HOME": str(home),
        }
        short = command(*BACKFILL, **broken)
        long = command(*BACKFILL, "--verbose", **broken)

    where = "soundlink_assets/warehouse/connection.py"
    assert where not in short.stderr
    assert where in long.stderr
    with DagsterInstance.from_config(str(home)) as instance:
        for run in instance.get_runs():
            log = instance.all_logs(run.run_id, of_type=DagsterEventType.STEP_FAILURE)
            error = log[0].get_dagster_event().step_failure_data.error
            assert error is not None
            assert where in error.to_string()


def test_the_stack_trace_of_a_command_is_there_with_verbose_wherever_it_stands(
    command: Command,
) -> None:
    for arguments in [("--verbose", *BACKFILL), (*BACKFILL, "--verbose")]:
        assert "Traceback (most recent call last)" in command(*arguments).stderr


@pytest.mark.parametrize("asked", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
def test_a_backfill_ended_by_the_user_puts_its_run_down_and_says_what_is_left(
    asked: signal.Signals, sandbox: RunningSandbox, on_sandbox: dict[str, str], tmp_path: Path
) -> None:
    """By Ctrl-C, by `kill`, or by closing the terminal."""
    sandbox.fail("*/export", Fault.LATENCY, count=None, seconds=60)
    process = subprocess.Popen(
        [sys.executable, "-m", "soundlink_assets.cli", *BACKFILL, *ONE_ASSET],
        cwd=tmp_path,
        env=environment({**on_sandbox, "SOUNDLINK_BUDGET_DIR": str(tmp_path)}),
        stderr=subprocess.PIPE,
        text=True,
    )
    while len(sandbox.requests) < 2 and process.poll() is None:
        time.sleep(0.05)

    process.send_signal(asked)
    _, said = process.communicate(timeout=120)

    assert process.returncode == 130
    assert said.splitlines()[-1] == "Interrupted."
    assert f"Not done: {YESTERDAY}. " in said
    assert "Traceback" not in said
    with DagsterInstance.from_config(str(tmp_path / "data" / "dagster_home")) as instance:
        assert [run.status for run in instance.get_runs()] == [DagsterRunStatus.FAILURE]
