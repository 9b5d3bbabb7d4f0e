"""Bodies of deliveries for the tests, and what becomes of them."""

import json
from collections.abc import Iterable, Mapping
from decimal import Decimal
from functools import cache
from pathlib import Path
from typing import Any

from soundlink_assets.provider.body import BLOCK_BYTES
from soundlink_assets.provider.errors import ContractViolation
from soundlink_assets.provider.reader import DeliveryReader, ReadRows
from soundlink_assets.schema import Export

SAMPLES = Path(__file__).parents[1] / "samples"


@cache
def sample_body(export: Export) -> bytes:
    """The two rows that the contract's page prints."""
    return (SAMPLES / f"{export.name}.jsonl").read_bytes()


def sample_rows(export: Export) -> list[dict[str, Any]]:
    return [json.loads(line) for line in sample_body(export).splitlines()]


def many_rows(export: Export, count: int) -> list[dict[str, Any]]:
    """Rows that differ in their country and in one count."""
    first = sample_rows(export)[0]
    return [{**first, "country_code": f"C{index}", "streams": index} for index in range(count)]


def line_of(row: Mapping[str, Any]) -> bytes:
    """The row as the provider spells it; decimals as numbers with all their digits."""
    members = (f"{json.dumps(key)}:{_token(value)}" for key, value in row.items())
    return f"{{{','.join(members)}}}\n".encode()


def _token(value: Any) -> str:
    if isinstance(value, Decimal):
        return format(value, "f")
    return json.dumps(value, ensure_ascii=False, separators=(",", ":"))


def body_of(rows: Iterable[Mapping[str, Any]]) -> bytes:
    return b"".join(map(line_of, rows))


def parse(export: Export, *chunks: bytes, block_bytes: int = BLOCK_BYTES) -> ReadRows:
    parser = DeliveryReader(export, block_bytes=block_bytes)
    for chunk in chunks:
        parser.feed(chunk)
    return parser.finish()


def violation_of(
    export: Export, *chunks: bytes, block_bytes: int = BLOCK_BYTES
) -> ContractViolation:
    """What is wrong with a delivery; AssertionError if nothing is."""
    try:
        parsed = parse(export, *chunks, block_bytes=block_bytes)
    except ContractViolation as violation:
        return violation
    raise AssertionError(f"accepted: {parsed}")
