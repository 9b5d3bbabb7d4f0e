"""The provider refuses, misbehaves or is not there: a line or two say so, and what to do."""

import json

import pytest

from soundlink_assets.sandbox import Fault, Key, RunningSandbox, SandboxConfig, serving
from soundlink_assets.settings import AuthStyle
from soundlink_assets_tests.cli.conftest import Command
from soundlink_assets_tests.cli.output import (
    BACKFILL,
    KEY,
    ONE_ASSET,
    Mistake,
    assert_explained,
)
from soundlink_assets_tests.ports import closed_port
from soundlink_assets_tests.provider.raw_server import Answer, http, raw_server

UNREACHABLE = [
    Mistake("nothing there", ("Nothing listens at http://127.0.0.1",), settings={}),
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
        ("HTTPS_PROXY", "the proxy cannot be used", "unset it"),
        settings={"SOUNDLINK_BASE_URL": "https://soundlink.invalid", "HTTPS_PROXY": "what://x"},
    ),
]


UNUSABLE = [
    Mistake(
        "a slash in the password of a proxy",
        ("HTTPS_PROXY", "the proxy cannot be used", "%2F"),
        settings={"HTTPS_PROXY": "http://user:secret/more@127.0.0.1:8080"},
    ),
    Mistake(
        "a SOCKS proxy",
        ("ALL_PROXY", "is a SOCKS proxy", "unset it"),
        settings={"ALL_PROXY": "socks5://user:secret@127.0.0.1:1080"},
    ),
    Mistake(
        "a port that is none",
        ("SOUNDLINK_BASE_URL", "its port is not a number"),
        settings={"SOUNDLINK_BASE_URL": "https://soundlink.invalid:secret"},
    ),
]


@pytest.mark.parametrize("mistake", UNUSABLE, ids=str)
def test_an_address_that_cannot_be_used(command: Command, mistake: Mistake) -> None:
    there = KEY | {"SOUNDLINK_BASE_URL": "https://soundlink.invalid"} | dict(mistake.settings)

    result = command(*BACKFILL, **there)
    found = command("doctor", **there)

    assert_explained(result, *mistake.words)
    assert found.exit_code == 1
    assert "Traceback" not in found.output
    for word in mistake.words:
        assert word in " ".join(found.output.split())
    if "PROXY" in " ".join(mistake.settings):
        assert "secret" not in result.output + found.output


@pytest.mark.parametrize("mistake", UNREACHABLE, ids=str)
def test_an_api_that_cannot_be_reached(command: Command, mistake: Mistake) -> None:
    nowhere = {"SOUNDLINK_BASE_URL": f"http://127.0.0.1:{closed_port()}"}

    assert_explained(command(*BACKFILL, **KEY | nowhere | dict(mistake.settings)), *mistake.words)


def test_a_server_without_tls(command: Command, on_sandbox: dict[str, str]) -> None:
    base_url = on_sandbox["SOUNDLINK_BASE_URL"].replace("http:", "https:")

    assert_explained(
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

    assert_explained(result, "requestId", *words)
    assert str(key) not in result.output


def test_a_refused_key_ends_a_backfill_of_many_runs_at_once(
    command: Command, sandbox: RunningSandbox, on_sandbox: dict[str, str]
) -> None:
    refused = on_sandbox | {"SOUNDLINK_API_KEY": Key.REVOKED.value}

    result = command("backfill", "2026-01-01", "2026-04-30", *ONE_ASSET, **refused)

    assert_explained(result, "revoked")
    assert "Not done: 2026-04-01..2026-04-30" in result.stderr
    assert len(sandbox.requests) == 1


def test_a_key_in_the_wrong_header(command: Command) -> None:
    with serving(SandboxConfig(auth_style=AuthStyle.BEARER)) as bearer:
        there = {"SOUNDLINK_BASE_URL": bearer.base_url, "SOUNDLINK_API_KEY": bearer.api_key}

        assert_explained(command(*BACKFILL, **there), "set SOUNDLINK_AUTH_STYLE=bearer")


FAULTS = [
    (Fault.NOT_FOUND, "/v1/campaigns", ("switched off", "Check SOUNDLINK_BASE_URL")),
    (Fault.INTERNAL_ERROR, "*/export", ("None of 2 campaigns", "Try again later")),
    (Fault.BAD_GATEWAY, "*/export", ("HTTP 502", "Try again later")),
    (Fault.OTHER_SCHEMA_VERSION, "*/export", ("schema version", "kept in", "quarantine")),
    (Fault.DROPPED_CONNECTION, "*/export", ("no complete response", "Check the network")),
]


@pytest.mark.parametrize(("fault", "path", "words"), FAULTS)
def test_an_api_that_misbehaves(
    command: Command, sandbox: RunningSandbox, fault: Fault, path: str, words: tuple[str, ...]
) -> None:
    sandbox.fail(path, fault, count=None)
    there = {"SOUNDLINK_BASE_URL": sandbox.base_url, "SOUNDLINK_API_KEY": sandbox.api_key}

    assert_explained(command(*BACKFILL, **there), *words)


def envelope(status: int, **content: object) -> bytes:
    body = json.dumps({**content, "meta": {"requestId": "1"}}).encode()
    return http(body, status=status, content_type="application/json")


def test_an_organisation_without_campaigns_is_not_a_failure_but_named(command: Command) -> None:
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
