"""What cannot work is said before anything is fetched: what it is, and what to do."""

import subprocess
import sys
from pathlib import Path

import pytest

from soundlink_assets.sandbox import RunningSandbox
from soundlink_assets_tests.cli.conftest import Command
from soundlink_assets_tests.cli.output import BACKFILL, CLOSED_DAY, KEY, Mistake, assert_explained
from soundlink_assets_tests.documents import REPOSITORY
from soundlink_assets_tests.ports import free_port


def setting(variable: str, value: str, *words: str) -> Mistake:
    return Mistake(
        f"{variable}={value}", (variable, "Allowed: ", *words), settings={variable: value}
    )


BEFORE_ANY_RUN = [
    Mistake("no key", ("SOUNDLINK_API_KEY is not set", "developer settings", "demo")),
    setting("SOUNDLINK_API_KEY", "pk_live", "begins with sk_"),
    setting("SOUNDLINK_AUTH_STYLE", "basic"),
    setting("SOUNDLINK_BASE_URL", "http://api.getsoundlink.com", "use https"),
    setting("SOUNDLINK_BASE_URL", "https://" + "a" * 70, "not a host name"),
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
        ("not closed yet", "The last day to ask for is"),
        ("backfill", str(CLOSED_DAY), "2100-01-01"),
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
    Mistake("a page of nothing", ("holds no campaign figures", "backfill"), ("explore",)),
]


@pytest.mark.parametrize("mistake", BEFORE_ANY_RUN, ids=str)
def test_a_mistake_is_said_before_anything_runs(command: Command, mistake: Mistake) -> None:
    assert_explained(command(*mistake.arguments, **mistake.settings), *mistake.words)


def test_every_wrong_setting_is_named_at_once(command: Command) -> None:
    result = command(*BACKFILL, SOUNDLINK_MAX_ATTEMPTS="0", SOUNDLINK_AUTH_STYLE="basic")

    assert_explained(result, "SOUNDLINK_MAX_ATTEMPTS", "SOUNDLINK_AUTH_STYLE")


def test_a_misspelt_variable_is_remarked_on(command: Command) -> None:
    result = command("report", SOUNDLINK_WAREHUOSE="x.duckdb")

    assert "did you mean SOUNDLINK_WAREHOUSE?" in result.stderr


def test_an_unknown_command_is_told_the_nearest(command: Command) -> None:
    result = command("bakfill")

    assert result.exit_code == 2
    assert "backfill" in result.stderr


DAGSTER_YAML = [
    (b"telemetry: [}", "while parsing"),
    (b"nonsense: 1", "nonsense"),
    (b"notes of the week", "to parse to dictionary"),
    (b"- a list\n" * 1000, "to parse to dictionary"),
    ("# für später".encode("latin-1"), "not UTF-8"),
]


@pytest.mark.parametrize(("text", "said"), DAGSTER_YAML)
def test_a_dagster_yaml_that_is_not_valid(
    command: Command, tmp_path: Path, text: bytes, said: str
) -> None:
    (tmp_path / "dagster.yaml").write_bytes(text)

    assert_explained(
        command(*BACKFILL, **KEY, DAGSTER_HOME=tmp_path), said, "Put it right, or delete it"
    )


def test_an_env_file_of_another_encoding(command: Command, tmp_path: Path) -> None:
    (tmp_path / ".env").write_text("SOUNDLINK_API_KEY=sk_x\n", encoding="utf-16")

    assert_explained(command(*BACKFILL), ".env is not UTF-8")


@pytest.mark.parametrize("server", ["dev", "sandbox"])
def test_a_port_that_is_taken(command: Command, sandbox: RunningSandbox, server: str) -> None:
    port = sandbox.base_url.rpartition(":")[2]

    assert_explained(command(server, "--port", port), f"Port {port}", "taken", "--port")


def test_dev_refuses_to_guess_between_the_environment_and_the_env_file(
    command: Command, tmp_path: Path
) -> None:
    (tmp_path / ".env").write_text("SOUNDLINK_API_KEY=sk_another\n", encoding="utf-8")

    result = command("dev", "--port", str(free_port()), **KEY)

    assert_explained(result, "SOUNDLINK_API_KEY", ".env", "Unset it in one of them")


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
