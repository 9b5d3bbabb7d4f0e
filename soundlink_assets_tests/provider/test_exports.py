"""One delivery: what is asked for, what is accepted, what is refused and kept."""

import gzip
import json
import os
import textwrap
import threading
from datetime import UTC, datetime, timedelta
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest

from soundlink_assets import provider
from soundlink_assets.provider import (
    ContractError,
    SoundlinkClient,
    StoppedError,
    TruncatedDeliveryError,
)
from soundlink_assets.provider.quarantine import kept_bodies
from soundlink_assets.sandbox import Fault, RunningSandbox
from soundlink_assets.schema import CAMPAIGN_COUNTRY_DAILY, CAMPAIGN_EXPORTS, Export
from soundlink_assets.schema.window import Window
from soundlink_assets.settings import AuthStyle, load_settings
from soundlink_assets_tests.provider.bodies import CAMPAIGN, DAY, WINDOW, body, rows
from soundlink_assets_tests.provider.conftest import KEY, MakeClient, Waits
from soundlink_assets_tests.provider.raw_server import http, raw_server


def window_of(sandbox: RunningSandbox) -> tuple[str, Window]:
    """A campaign of the sandbox with figures, and a week in which it has some."""
    campaign = sandbox.world.campaigns[0]
    return campaign.campaign_id, Window(campaign.first_day, campaign.first_day + timedelta(days=6))


@pytest.mark.parametrize("style", list(AuthStyle))
def test_a_request_carries_one_credential_both_dates_and_what_it_accepts(
    style: AuthStyle, make_client: MakeClient
) -> None:
    with raw_server(http(body(), rows=2)) as server:
        make_client(server.base_url, auth_style=style).export(
            CAMPAIGN_COUNTRY_DAILY, CAMPAIGN, WINDOW
        )

    (asked,) = server.asked
    credentials = [name for name in asked.names() if name in {"x-api-key", "authorization"}]
    if style is AuthStyle.X_API_KEY:
        assert credentials == ["x-api-key"]
        assert asked.header("x-api-key") == KEY
    else:
        assert credentials == ["authorization"]
        assert asked.header("authorization") == f"Bearer {KEY}"
    assert asked.path == f"/v1/campaigns/{CAMPAIGN}/metrics/breakdown/export"
    assert asked.query == "startDate=2026-04-01&endDate=2026-04-01"
    assert asked.header("accept") == "application/x-ndjson"
    assert asked.header("accept-encoding") == "gzip"
    assert str(asked.header("user-agent")).startswith("soundlink-assets/")


def test_a_delivery_says_what_came_and_how(make_client: MakeClient) -> None:
    sent_at = datetime(2026, 6, 1, 6, 30, tzinfo=UTC)
    content = body(*rows(), rows()[0], {**rows()[0], "country_code": "FR", "mood": "sunny"})
    with raw_server(http(content, rows=4)) as server:
        client = make_client(server.base_url, clock=lambda: sent_at)
        delivery = client.export(CAMPAIGN_COUNTRY_DAILY, CAMPAIGN, WINDOW)

    assert delivery.export is CAMPAIGN_COUNTRY_DAILY
    assert (delivery.requested_id, delivery.window) == (CAMPAIGN, WINDOW)
    assert delivery.fetched_at == sent_at
    assert (delivery.frame.height, delivery.merged_duplicates) == (3, 1)
    assert delivery.extra_fields == ("mood",)
    assert tuple(delivery.frame.columns) == CAMPAIGN_COUNTRY_DAILY.delivered.column_names
    assert delivery.row_count_stated
    assert (delivery.attempts, delivery.bytes) == (1, len(content))
    assert delivery.seconds > 0
    assert "spend_media" not in repr(delivery)


@pytest.mark.parametrize("export", CAMPAIGN_EXPORTS, ids=lambda export: export.name)
def test_what_the_sandbox_serves_is_what_the_client_delivers(
    export: Export, sandbox: RunningSandbox, make_client: MakeClient
) -> None:
    campaign, window = window_of(sandbox)
    delivery = make_client(sandbox.base_url, api_key=sandbox.api_key).export(
        export, campaign, window
    )

    truth = sandbox.world.rows(export.name, campaign, window, sandbox.now())
    assert delivery.frame.height == len(truth) > 0
    key = list(export.rows.key)
    delivered = {tuple(map(str, row)) for row in delivery.frame.select(key).rows()}
    assert delivered == {tuple(str(row[name]) for name in key) for row in truth}
    assert int(delivery.frame["streams"].sum()) == sum(row["streams"] for row in truth)


@pytest.mark.parametrize(
    "fault",
    [
        Fault.GZIP,
        Fault.MISSING_ROW_COUNT,
        Fault.NO_FINAL_NEWLINE,
        Fault.BLANK_LINES,
        Fault.CRLF,
        Fault.FRACTIONAL_SECONDS,
        Fault.ABSENT_OPTIONAL_KEYS,
        Fault.EXTRA_KEYS,
        Fault.SHUFFLED_LINES,
        Fault.QUOTED_STRING_BODY,
        Fault.EXACT_DUPLICATES,
        Fault.SLOW_BODY,
        Fault.LATENCY,
    ],
)
@pytest.mark.parametrize("export", CAMPAIGN_EXPORTS, ids=lambda export: export.name)
def test_every_form_that_the_contract_leaves_open_is_accepted_with_the_same_content(
    fault: Fault, export: Export, sandbox: RunningSandbox, make_client: MakeClient
) -> None:
    campaign, window = window_of(sandbox)
    client = make_client(sandbox.base_url, api_key=sandbox.api_key)
    plain = client.export(export, campaign, window)
    options: dict[str, Any] = {"seconds": 0.05} if fault in {Fault.SLOW_BODY, Fault.LATENCY} else {}
    sandbox.fail("*/export", fault, **options)

    odd = client.export(export, campaign, window)

    key = list(export.rows.key)
    assert odd.frame.sort(key).drop("extra").equals(plain.frame.sort(key).drop("extra"))
    assert odd.frame["extra"].is_null().all() is (fault is not Fault.EXTRA_KEYS)
    assert odd.attempts == 1
    assert odd.row_count_stated is (fault is not Fault.MISSING_ROW_COUNT)
    assert odd.merged_duplicates == (1 if fault is Fault.EXACT_DUPLICATES else 0)
    assert odd.extra_fields == (("mood",) if fault is Fault.EXTRA_KEYS else ())


def test_names_with_odd_line_separators_stay_in_their_line(
    sandbox: RunningSandbox, make_client: MakeClient
) -> None:
    campaign, window = window_of(sandbox)
    sandbox.fail("*/export", Fault.UNICODE_LINE_SEPARATORS)

    delivery = make_client(sandbox.base_url, api_key=sandbox.api_key).export(
        CAMPAIGN_COUNTRY_DAILY, campaign, window
    )

    assert all("\u2028two\u2029three\x85four" in name for name in delivery.frame["campaign_name"])


def test_an_empty_delivery_is_a_delivery(make_client: MakeClient) -> None:
    with raw_server(http(b"", rows=0)) as server:
        delivery = make_client(server.base_url).export(CAMPAIGN_COUNTRY_DAILY, CAMPAIGN, WINDOW)

    assert delivery.frame.height == 0
    assert tuple(delivery.frame.columns) == CAMPAIGN_COUNTRY_DAILY.delivered.column_names
    assert delivery.row_count_stated


@pytest.mark.parametrize(
    "stated",
    ["many", "-2", "2.0", "", "\u0662", pytest.param("9" * 5000, id="too long for a count")],
)
def test_a_row_count_that_cannot_be_read_does_not_count_as_absent(
    stated: str, make_client: MakeClient
) -> None:
    unreadable = http(body(), headers={"X-Row-Count": stated})
    with raw_server(unreadable, http(body(), rows=2)) as server:
        delivery = make_client(server.base_url).export(CAMPAIGN_COUNTRY_DAILY, CAMPAIGN, WINDOW)
    with (
        raw_server(unreadable) as stubborn,
        pytest.raises(TruncatedDeliveryError, match="not a number of rows"),
    ):
        make_client(stubborn.base_url, max_attempts=2).export(
            CAMPAIGN_COUNTRY_DAILY, CAMPAIGN, WINDOW
        )

    assert (delivery.attempts, delivery.row_count_stated) == (2, True)


NO_ROWS = {
    "nothing": http(b""),
    "blank lines": http(b"\n\n"),
    "a carriage return": http(b"\r\n"),
    "204": http(status=204, content_type=None),
}


@pytest.mark.parametrize("empty", NO_ROWS)
def test_no_rows_without_a_count_are_believed_when_they_come_twice(
    empty: str, make_client: MakeClient, waits: Waits
) -> None:
    with raw_server(NO_ROWS[empty]) as server:
        delivery = make_client(server.base_url).export(CAMPAIGN_COUNTRY_DAILY, CAMPAIGN, WINDOW)

    assert (delivery.frame.height, delivery.attempts) == (0, 2)
    assert delivery.frame.columns == list(CAMPAIGN_COUNTRY_DAILY.delivered.column_names)
    assert not delivery.row_count_stated
    assert len(waits.between_attempts) == 1


@pytest.mark.parametrize("empty", NO_ROWS)
def test_no_rows_without_a_count_are_not_believed_once(empty: str, make_client: MakeClient) -> None:
    with raw_server(NO_ROWS[empty], http(body(), rows=2)) as server:
        delivery = make_client(server.base_url).export(CAMPAIGN_COUNTRY_DAILY, CAMPAIGN, WINDOW)
    with (
        raw_server(NO_ROWS[empty]) as once,
        pytest.raises(TruncatedDeliveryError, match="no X-Row-Count states that there are none"),
    ):
        make_client(once.base_url, max_attempts=1).export(CAMPAIGN_COUNTRY_DAILY, CAMPAIGN, WINDOW)

    assert (delivery.frame.height, delivery.attempts) == (2, 2)


def test_an_empty_body_may_claim_to_be_compressed(make_client: MakeClient) -> None:
    with raw_server(http(b"", rows=0, headers={"Content-Encoding": "gzip"})) as server:
        delivery = make_client(server.base_url).export(CAMPAIGN_COUNTRY_DAILY, CAMPAIGN, WINDOW)

    assert (delivery.frame.height, delivery.attempts) == (0, 1)


def test_a_gzip_body_of_several_members_is_read_to_its_end(make_client: MakeClient) -> None:
    lines = body().splitlines(keepends=True)
    content = b"".join(gzip.compress(line) for line in lines)
    with raw_server(http(content, rows=2, headers={"Content-Encoding": "gzip"})) as server:
        delivery = make_client(server.base_url).export(CAMPAIGN_COUNTRY_DAILY, CAMPAIGN, WINDOW)

    assert delivery.frame.height == 2


BREACHES = {
    Fault.OTHER_SCHEMA_VERSION: "schema_version",
    Fault.UNPARSABLE_LINE: "valid_rows",
    Fault.NOT_AN_OBJECT: "valid_rows",
    Fault.INVALID_UTF8: "valid_rows",
    Fault.REQUIRED_KEY_MISSING: "valid_rows",
    Fault.REQUIRED_KEY_NULL: "valid_rows",
    Fault.WRONG_TYPE: "valid_rows",
    Fault.OTHER_CAMPAIGN: "valid_rows",
    Fault.OTHER_DAY: "valid_rows",
    Fault.CONFLICTING_DUPLICATES: "valid_rows",
    Fault.NEGATIVE_COUNT: "valid_rows",
}


@pytest.mark.parametrize("fault", BREACHES)
@pytest.mark.parametrize("export", CAMPAIGN_EXPORTS, ids=lambda export: export.name)
def test_a_body_that_breaks_the_contract_is_refused_and_kept_with_the_reason(
    fault: Fault,
    export: Export,
    sandbox: RunningSandbox,
    make_client: MakeClient,
    tmp_path: Path,
) -> None:
    campaign, window = window_of(sandbox)
    client = make_client(sandbox.base_url, api_key=sandbox.api_key)
    sandbox.fail("*/export", fault)

    with pytest.raises(ContractError) as raised:
        client.export(export, campaign, window)

    error = raised.value
    assert error.stops_run is (fault is Fault.OTHER_SCHEMA_VERSION)
    assert error.violation.check == BREACHES[fault]
    assert (error.about.requested_id, error.about.window) == (campaign, window)
    assert len(sandbox.requests) == 1
    kept, reason_file = sorted((tmp_path / "quarantine").iterdir())
    assert error.quarantined == kept
    assert kept.name.endswith(".jsonl")
    assert reason_file.name == kept.name.replace(".jsonl", ".reason.json")
    reason = json.loads(reason_file.read_text())
    assert reason["reason"] in str(error)
    assert reason["check"] == error.violation.check
    assert (reason["line"], reason["field"]) == (error.violation.line, error.violation.field)
    assert (reason["export"], reason["requested_id"]) == (export.name, campaign)
    assert reason["window"] == str(window)
    assert datetime.fromisoformat(reason["time"]).tzinfo is not None
    assert reason["body"] == kept.name
    assert str(kept) in str(error)
    assert len(str(error).splitlines()) == 2


def test_the_kept_body_is_what_came_to_the_byte_however_long(
    make_client: MakeClient, tmp_path: Path
) -> None:
    one = json.dumps(rows()[0]).encode()
    content = b"".join(
        one.replace(b'"US"', f'"{number}"'.encode()) + b"\n" for number in range(9000)
    )
    content += b"{}\n" + one + b"\n"
    with (
        raw_server(http(content, rows=9002)) as server,
        pytest.raises(ContractError, match="line 9001"),
    ):
        make_client(server.base_url).export(CAMPAIGN_COUNTRY_DAILY, CAMPAIGN, WINDOW)

    (kept,) = (tmp_path / "quarantine").glob("*.jsonl")
    assert kept.read_bytes() == content
    assert len(content) > 4 * 2**20


def test_names_in_the_quarantine_are_unique_and_hold_no_path(
    make_client: MakeClient, tmp_path: Path
) -> None:
    campaign = "../../etc/passwd\x00\n" + "x" * 300
    with raw_server(http(b"{}\n", rows=1)) as server:
        client = make_client(server.base_url)
        for _ in range(3):
            with pytest.raises(ContractError):
                client.export(CAMPAIGN_COUNTRY_DAILY, campaign, WINDOW)

    kept = list((tmp_path / "quarantine").iterdir())
    assert len(kept) == 6
    assert all(len(file.name) < 150 and ".." not in file.name for file in kept)
    assert list(tmp_path.glob("*passwd*")) == []


def test_a_quarantine_that_cannot_be_written_does_not_hide_the_violation(
    make_client: MakeClient, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    (tmp_path / "file").write_text("in the way")
    with (
        raw_server(http(b"{}\n", rows=1)) as server,
        pytest.raises(ContractError, match="could not be kept") as raised,
    ):
        make_client(server.base_url, quarantine_dir=tmp_path / "file").export(
            CAMPAIGN_COUNTRY_DAILY, CAMPAIGN, WINDOW
        )

    assert raised.value.quarantined is None
    assert raised.value.violation.line == 1
    assert any("could not be kept" in message for message in caplog.messages)


def test_partial_files_that_a_dead_process_left_are_removed_by_the_next(
    make_client: MakeClient, tmp_path: Path
) -> None:
    folder = tmp_path / "quarantine"
    folder.mkdir()
    left, being_written = folder / ".left.partial", folder / ".now.partial"
    for file in (left, being_written):
        file.write_bytes(b"{}")
    os.utime(left, (0, 0))
    with raw_server(http(b"{}\n", rows=1)) as server, pytest.raises(ContractError):
        make_client(server.base_url).export(CAMPAIGN_COUNTRY_DAILY, CAMPAIGN, WINDOW)

    assert not left.exists()
    assert being_written.exists()
    assert len(kept_bodies(folder)) == 1


def test_a_whole_delivery_leaves_nothing_behind(make_client: MakeClient, tmp_path: Path) -> None:
    with raw_server(http(body(), rows=2)) as server:
        make_client(server.base_url).export(CAMPAIGN_COUNTRY_DAILY, CAMPAIGN, WINDOW)

    assert not (tmp_path / "quarantine").exists()


def test_a_window_of_more_than_90_days_is_not_asked_for(make_client: MakeClient) -> None:
    with raw_server(http(b"", rows=0)) as server:
        client = make_client(server.base_url)
        client.export(CAMPAIGN_COUNTRY_DAILY, CAMPAIGN, Window(DAY, DAY + timedelta(days=89)))
        with pytest.raises(ValueError, match="at most 90"):
            client.export(CAMPAIGN_COUNTRY_DAILY, CAMPAIGN, Window(DAY, DAY + timedelta(days=90)))

    assert len(server.asked) == 1


def test_connections_are_reused(make_client: MakeClient) -> None:
    served: list[str] = []
    connections: list[object] = []

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def setup(self) -> None:
            connections.append(self.request)
            super().setup()

        def do_GET(self) -> None:
            served.append(self.path)
            self.send_response(200)
            self.send_header("Content-Type", "application/x-ndjson")
            self.send_header("Content-Length", "0")
            self.send_header("X-Row-Count", "0")
            self.end_headers()

        def log_message(self, *_: object) -> None:
            pass

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        threading.Thread(target=server.serve_forever, args=(0.02,), daemon=True).start()
        with make_client(f"http://127.0.0.1:{server.server_port}") as client:
            for _ in range(5):
                client.export(CAMPAIGN_COUNTRY_DAILY, CAMPAIGN, WINDOW)
        server.shutdown()

    assert (len(served), len(connections)) == (5, 1)


def test_the_settings_make_the_client(tmp_path: Path) -> None:
    with raw_server(http(body(), rows=2)) as server:
        settings = load_settings(
            api_key=f" '{KEY}'\n",
            base_url=server.base_url + "/",
            auth_style="bearer",
            budget_dir=tmp_path / "budget",
            quarantine_dir=tmp_path / "quarantine",
        )
        with SoundlinkClient.from_settings(settings) as client:
            client.export(CAMPAIGN_COUNTRY_DAILY, CAMPAIGN, WINDOW)

    assert server.asked[0].header("authorization") == f"Bearer {KEY}"
    (file,) = (tmp_path / "budget").iterdir()
    assert KEY not in file.name


def test_the_request_budget_is_that_of_the_settings(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    stopped: list[StoppedError] = []
    pong = http(b'{"data": {"status": "ok"}}', content_type="application/json")
    with raw_server(pong) as server:
        settings = load_settings(
            api_key=KEY,
            base_url=server.base_url,
            budget_dir=tmp_path,
            requests_per_minute=100,
            requests_per_hour=2,
        )
        client = SoundlinkClient.from_settings(settings)

        def ask_three_times() -> None:
            try:
                for _ in range(3):
                    client.ping()
            except StoppedError as error:
                stopped.append(error)

        asking = threading.Thread(target=ask_three_times)
        asking.start()
        while not caplog.messages:
            asking.join(0.01)
            assert asking.is_alive()
        client.close()
        asking.join(30)

    assert len(stopped) == 1
    assert len(server.asked) == 2
    assert "for the request budget (2 requests in 3600 s)" in caplog.messages[0]


def test_the_example_of_the_package_runs(
    sandbox: RunningSandbox,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.setenv("SOUNDLINK_API_KEY", sandbox.api_key)
    monkeypatch.setenv("SOUNDLINK_BASE_URL", sandbox.base_url)
    monkeypatch.setenv("SOUNDLINK_BUDGET_DIR", str(tmp_path))
    example = str(provider.__doc__).split("::\n", 1)[1].split("\n\nA delivery", 1)[0]

    exec(compile(textwrap.dedent(example), "example", "exec"), {})  # noqa: S102 - our own text

    printed = capsys.readouterr().out
    assert all(campaign.campaign_id in printed for campaign in sandbox.world.campaigns)


@pytest.mark.parametrize(
    "key", ["", "   ", "sk_", "pk_live_1", "sk_a b", "sk_a\nb", "sk_ä", "sk_\x00", "Bearer sk_a"]
)
def test_what_cannot_be_a_key_is_refused_without_repeating_it(
    key: str, make_client: MakeClient
) -> None:
    with pytest.raises(ValueError, match="key") as raised:
        make_client("http://127.0.0.1:9", api_key=key)

    assert key.strip() in {"", "sk_"} or key.strip() not in str(raised.value)


def test_a_key_is_never_sent_in_the_clear_to_another_machine(make_client: MakeClient) -> None:
    with pytest.raises(ValueError, match="https"):
        make_client("http://api.getsoundlink.com")


def test_a_client_that_was_closed_sends_nothing(make_client: MakeClient) -> None:
    with raw_server(http(body(), rows=2)) as server:
        client = make_client(server.base_url)
        client.close()
        with pytest.raises(StoppedError):
            client.export(CAMPAIGN_COUNTRY_DAILY, CAMPAIGN, WINDOW)

    assert server.asked == []
