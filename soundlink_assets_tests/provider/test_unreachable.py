"""Connections that fail for real on loopback, and what the error says to do."""

import traceback
from pathlib import Path

import pytest

from soundlink_assets.provider import (
    RequestBudget,
    SoundlinkClient,
    SqliteStore,
    TransportError,
    provider_limits,
)
from soundlink_assets.sandbox import serving
from soundlink_assets.settings import SettingsError
from soundlink_assets_tests.ports import closed_port

ELSEWHERE = "https://soundlink.invalid"
"""A name that no resolver knows (RFC 2606)."""


@pytest.fixture(autouse=True)
def no_proxies(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("HTTPS_PROXY", "HTTP_PROXY", "ALL_PROXY", "NO_PROXY", "SSL_CERT_FILE"):
        monkeypatch.delenv(name, raising=False)
        monkeypatch.delenv(name.lower(), raising=False)


def client(base_url: str, folder: Path) -> SoundlinkClient:
    return SoundlinkClient(
        "sk_test_0123456789abcdef",
        base_url=base_url,
        budget=RequestBudget(SqliteStore(folder / "budget.sqlite"), provider_limits(1_000, 1_000)),
        quarantine_dir=folder,
        max_attempts=1,
    )


def hint(base_url: str, folder: Path) -> str:
    with client(base_url, folder) as unreachable, pytest.raises(TransportError) as failed:
        unreachable.ping()
    return failed.value.hint


def test_where_nothing_listens_the_address_is_named(tmp_path: Path) -> None:
    base_url = f"http://127.0.0.1:{closed_port()}"

    assert hint(base_url, tmp_path).startswith(f"Nothing listens at {base_url}")


def test_an_unknown_name_is_said_to_be_one(tmp_path: Path) -> None:
    assert hint(ELSEWHERE, tmp_path).startswith("The name soundlink.invalid is not known here")


def test_what_does_not_speak_tls_is_said_not_to(tmp_path: Path) -> None:
    with serving() as sandbox:
        said = hint(sandbox.base_url.replace("http:", "https:"), tmp_path)

    assert "does not speak TLS" in said


@pytest.mark.parametrize("variable", ["HTTPS_PROXY", "https_proxy", "ALL_PROXY"])
def test_a_proxy_in_between_is_named_by_its_variable_never_by_its_address(
    variable: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(variable, f"http://user:secret@127.0.0.1:{closed_port()}")

    said = hint(ELSEWHERE, tmp_path)

    assert "proxy in HTTPS_PROXY or ALL_PROXY" in said
    assert "secret" not in said


def test_a_proxy_that_refuses_is_named_too(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with serving() as not_a_proxy:
        monkeypatch.setenv("HTTPS_PROXY", not_a_proxy.base_url)
        said = hint(ELSEWHERE, tmp_path)

    assert "proxy in HTTPS_PROXY" in said


def test_a_host_that_goes_past_the_proxy_is_not_blamed_on_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HTTPS_PROXY", f"http://127.0.0.1:{closed_port()}")
    monkeypatch.setenv("NO_PROXY", "soundlink.invalid")

    assert hint(ELSEWHERE, tmp_path).startswith("The name soundlink.invalid")


@pytest.mark.parametrize(
    ("variable", "value"),
    [
        ("HTTPS_PROXY", "nonsense://user:secret@x"),
        ("HTTPS_PROXY", "http://user:secret/more@127.0.0.1:8080"),
        ("ALL_PROXY", "http://user:secret\n@127.0.0.1:8080"),
        ("ALL_PROXY", "socks5://user:secret@127.0.0.1:1080"),
        ("SSL_CERT_FILE", "/no/such/file"),
    ],
)
def test_a_variable_that_cannot_be_used_is_named(
    variable: str, value: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(variable, value)

    with pytest.raises(SettingsError, match=variable) as refused:
        client(ELSEWHERE, tmp_path)

    told = "".join(traceback.format_exception(refused.value))
    assert "unset it" in told
    assert "secret" not in told


@pytest.mark.parametrize(
    "entries",
    ["fe80::/10", "[::1]", "::1", "10.0.0.0/8,[fe80::1]:8080", "127.0.0.1:port", "*.x:", ",,", "["],
)
def test_an_entry_of_no_proxy_never_makes_the_client_unusable(
    entries: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("NO_PROXY", entries)
    monkeypatch.setenv("HTTPS_PROXY", f"http://127.0.0.1:{closed_port()}")

    assert "proxy in HTTPS_PROXY" in hint(ELSEWHERE, tmp_path)
    monkeypatch.setenv("NO_PROXY", f"{entries},soundlink.invalid")
    assert hint(ELSEWHERE, tmp_path).startswith("The name soundlink.invalid")


def test_a_socks_proxy_is_said_to_be_one(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ALL_PROXY", "socks5://127.0.0.1:1080")

    with pytest.raises(SettingsError, match="is a SOCKS proxy"):
        client(ELSEWHERE, tmp_path)
