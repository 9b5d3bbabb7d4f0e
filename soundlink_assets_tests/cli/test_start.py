"""`soundlink-assets start`: from a key that is typed to the answers."""

import stat
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from dotenv import dotenv_values

from soundlink_assets.sandbox import RunningSandbox
from soundlink_assets_tests.cli.conftest import Command


@pytest.mark.slow
def test_a_typed_key_is_kept_and_all_days_are_loaded_and_answered(
    command: Command, sandbox: RunningSandbox, tmp_path: Path
) -> None:
    key, today = sandbox.api_key, datetime.now(UTC).date()
    first, last = today - timedelta(days=2), today - timedelta(days=1)

    result = command(
        "start",
        "--no-open",
        typed=f"not a key\n{key}\n",
        SOUNDLINK_BASE_URL=sandbox.base_url,
        SOUNDLINK_START_DATE=first,
    )

    assert result.exit_code == 0, result.output
    assert "a Soundlink API key begins with sk_" in result.output
    for words in (f"done  {first}..{last}", "cost per listener", "spillover plays"):
        assert words in result.output
    assert key not in result.output
    assert (tmp_path / "campaign_report.html").exists()
    written = dotenv_values(tmp_path / ".env")
    assert written["SOUNDLINK_API_KEY"] == key
    assert written["SOUNDLINK_START_DATE"] == str(today - timedelta(days=90))
    assert stat.S_IMODE((tmp_path / ".env").stat().st_mode) == 0o600


def test_a_refused_key_is_not_kept(
    command: Command, sandbox: RunningSandbox, tmp_path: Path
) -> None:
    result = command("start", typed="sk_wrong\n", SOUNDLINK_BASE_URL=sandbox.base_url)

    assert result.exit_code == 1
    assert "invalid_api_key" in result.output
    assert dotenv_values(tmp_path / ".env")["SOUNDLINK_API_KEY"] == ""
    assert not (tmp_path / "data" / "warehouse.duckdb").exists()
