"""Compression, declared or not, whole or cut: a body is rows or an error that is tried again."""

import gzip
import zlib
from pathlib import Path

import pytest

from soundlink_assets.provider import ContractError, SoundlinkError, TransportError, deliveries
from soundlink_assets.schema import CAMPAIGN, CAMPAIGN_COUNTRY_DAILY
from soundlink_assets_tests.provider.bodies import CAMPAIGN as CAMPAIGN_ID
from soundlink_assets_tests.provider.bodies import WINDOW, body, envelope
from soundlink_assets_tests.provider.conftest import MakeClient
from soundlink_assets_tests.provider.raw_server import http, raw_server

WHOLE = body()


def raw_deflate(content: bytes) -> bytes:
    packer = zlib.compressobj(wbits=-zlib.MAX_WBITS)
    return packer.compress(content) + packer.flush()


PACKED = {
    "gzip": gzip.compress(WHOLE),
    "zlib": zlib.compress(WHOLE),
    "raw deflate": raw_deflate(WHOLE),
    "gzip in gzip": gzip.compress(gzip.compress(WHOLE)),
}
DECLARED = [
    ("gzip", "gzip"),
    ("gzip", "x-gzip"),
    ("gzip", "GZip "),
    ("gzip", ""),
    ("gzip", None),
    ("gzip", "identity"),
    ("zlib", "deflate"),
    ("zlib", None),
    ("raw deflate", "deflate"),
    ("gzip in gzip", "gzip, gzip"),
    ("gzip in gzip", "gzip"),
]


def packed(content: bytes, declared: str | None, rows: int | None = 2) -> bytes:
    headers = {} if declared is None else {"Content-Encoding": declared}
    return http(content, rows=rows, headers=headers)


@pytest.mark.parametrize(("how", "declared"), DECLARED)
def test_a_compressed_body_is_read_however_it_is_declared(
    how: str, declared: str | None, make_client: MakeClient
) -> None:
    with raw_server(packed(PACKED[how], declared)) as server:
        delivery = make_client(server.base_url).export(CAMPAIGN_COUNTRY_DAILY, CAMPAIGN_ID, WINDOW)

    assert (delivery.frame.height, delivery.attempts) == (2, 1)
    assert delivery.bytes == len(WHOLE)


@pytest.mark.parametrize(("share", "rows"), [(0.1, 2), (0.5, None), (0.99, None)])
@pytest.mark.parametrize(("how", "declared"), DECLARED)
def test_a_cut_compressed_body_is_tried_again(
    how: str, declared: str | None, rows: int | None, share: float, make_client: MakeClient
) -> None:
    content = PACKED[how]
    cut = packed(content[: max(int(len(content) * share), 2)], declared, rows)
    with raw_server(cut, http(WHOLE, rows=2)) as server:
        client = make_client(server.base_url)
        delivery = client.export(CAMPAIGN_COUNTRY_DAILY, CAMPAIGN_ID, WINDOW)

    assert (delivery.frame.height, delivery.attempts) == (2, 2)


@pytest.mark.parametrize("declared", ["br", "zstd", "compress", "gzip, br", "nonsense"])
def test_a_coding_that_was_not_asked_for_is_a_retryable_error_of_that_campaign(
    declared: str, make_client: MakeClient
) -> None:
    with raw_server(packed(b"\x0b\x02\x80hello\x03", declared)) as server:
        client = make_client(server.base_url, max_attempts=2)
        with pytest.raises(TransportError) as raised:
            client.export(CAMPAIGN_COUNTRY_DAILY, CAMPAIGN_ID, WINDOW)

    assert not raised.value.stops_run
    assert len(server.asked) == 2


def test_a_list_that_is_compressed_without_saying_so_is_read(make_client: MakeClient) -> None:
    data = {"items": [], "pagination": {"totalCount": 0, "totalPages": 0}}
    content = gzip.compress(envelope(data))
    with raw_server(http(content, content_type="application/json")) as server:
        assert make_client(server.base_url).listed(CAMPAIGN).is_empty()


def bomb(unit: bytes, times: int) -> bytes:
    packer = zlib.compressobj(9, wbits=zlib.MAX_WBITS | 16)
    block = unit * (2**20 // len(unit))
    return b"".join(packer.compress(block) for _ in range(times)) + packer.flush()


@pytest.mark.parametrize(("declared", "rows"), [("gzip", None), (None, 5)])
def test_a_bomb_without_line_ends_is_given_up_early_and_not_tried_again(
    declared: str | None, rows: int | None, make_client: MakeClient, tmp_path: Path
) -> None:
    with raw_server(packed(bomb(b"\0", 200), declared, rows)) as server:
        client = make_client(server.base_url)
        with pytest.raises(ContractError, match="a line of more than") as raised:
            client.export(CAMPAIGN_COUNTRY_DAILY, CAMPAIGN_ID, WINDOW)

    assert not raised.value.stops_run
    assert len(server.asked) == 1
    kept = sum(file.stat().st_size for file in (tmp_path / "quarantine").iterdir())
    assert kept < 20 * 2**20


@pytest.mark.parametrize("unit", [b"\n", b"{}\n"], ids=["blank lines", "wrong lines"])
def test_a_bomb_of_lines_is_given_up_at_a_bound_of_expanded_bytes(
    unit: bytes, make_client: MakeClient, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(deliveries, "MOST_BODY_BYTES", 3 * 2**20)
    for module in ("quarantine", "deliveries"):
        monkeypatch.setattr(f"soundlink_assets.provider.{module}.MOST_KEPT_BYTES", 2**20)
    with raw_server(packed(bomb(unit, 100), "gzip", None)) as server:
        client = make_client(server.base_url)
        with pytest.raises(ContractError, match="the body holds more than 3145728 bytes"):
            client.export(CAMPAIGN_COUNTRY_DAILY, CAMPAIGN_ID, WINDOW)

    assert len(server.asked) == 1
    (kept,) = (tmp_path / "quarantine").glob("*.jsonl")
    assert kept.stat().st_size == 2**20


def test_a_bomb_as_an_error_or_a_list_is_read_to_its_bound_only(make_client: MakeClient) -> None:
    zeros = bomb(b"\0", 200)
    headers = {"Content-Encoding": "gzip"}
    refused = http(zeros, status=403, content_type="application/json", headers=headers)
    with raw_server(refused) as server, pytest.raises(SoundlinkError) as raised:
        make_client(server.base_url).ping()

    assert raised.value.status == 403
