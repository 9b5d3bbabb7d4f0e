"""What holds for every body: cuts, orders, spellings and replaced values."""

import json
import random
import re
from collections.abc import Callable
from datetime import UTC, date
from decimal import ROUND_HALF_UP, Decimal
from itertools import pairwise
from typing import Any
from unittest import mock

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from soundlink_assets.provider import decoder
from soundlink_assets.provider.errors import ContractViolation
from soundlink_assets.schema import CAMPAIGN_COUNTRY_DAILY, CAMPAIGN_EXPORTS, Export
from soundlink_assets.schema.tables import Column, Kind
from soundlink_assets_tests.provider.deliveries import (
    body_of,
    line_of,
    many_rows,
    parse,
    sample_body,
    sample_rows,
    violation_of,
)

COUNTRY = CAMPAIGN_COUNTRY_DAILY
each_export = pytest.mark.parametrize("export", CAMPAIGN_EXPORTS, ids=lambda export: export.name)
exports = st.sampled_from(CAMPAIGN_EXPORTS)
patient = settings(deadline=None, max_examples=60)


@each_export
def test_a_body_cut_anywhere_is_shorter_by_whole_lines_or_marked_as_cut_off(
    export: Export,
) -> None:
    named = [{**row, "campaign_name": 'é\u2028"\\'} for row in sample_rows(export)]
    body = body_of(named)
    line_ends = [match.start() for match in re.finditer(b"\n", body)]
    around_line_ends = {end + by for end in line_ends for by in (-1, 0, 1)}

    for end in {*range(0, len(body), 7), *around_line_ends}:
        part = body[:end]
        complete_lines = [line for line in body.split(b"\n") if line and part.count(line)]
        ends_between_lines = not part.strip() or part.rstrip().endswith(b"}")
        if ends_between_lines:
            assert parse(export, part).row_count == len(complete_lines)
        else:
            violation = violation_of(export, part)
            assert violation.is_cut_off
            assert violation.line == len(complete_lines) + 1


@patient
@given(export=exports, data=st.data())
def test_chunk_and_block_boundaries_do_not_matter(export: Export, data: st.DataObject) -> None:
    name = 'é\u2028\U0001f600"\\n'
    body = body_of({**row, "campaign_name": name} for row in many_rows(export, 8))
    if data.draw(st.booleans(), label="quoted"):
        body = json.dumps(body.decode()).encode()
    cuts = data.draw(st.lists(st.integers(0, len(body)), max_size=12).map(sorted), label="cuts")
    block_bytes = data.draw(st.integers(2_500, len(body) + 10), label="block_bytes")
    edges = [0, *cuts, len(body)]
    chunks = [body[start:end] for start, end in pairwise(edges)]

    parsed = parse(export, *chunks, block_bytes=block_bytes)

    whole = parse(export, body)
    assert parsed.frame.equals(whole.frame)
    assert parsed.line_numbers.equals(whole.line_numbers)


@patient
@given(export=exports, seed=st.integers(), repeats=st.integers(1, 3))
def test_the_order_of_lines_does_not_matter(export: Export, seed: int, repeats: int) -> None:
    rows = many_rows(export, 40)
    shuffled = rows * repeats
    random.Random(seed).shuffle(shuffled)  # noqa: S311 - an order, not a secret

    parsed = parse(export, body_of(shuffled), block_bytes=5_000)

    in_order = parse(export, body_of(rows)).frame
    assert parsed.frame.sort(export.rows.key).equals(in_order.sort(export.rows.key))
    assert parsed.merged_duplicates == len(rows) * (repeats - 1)
    assert parsed.line_numbers.is_sorted()


def _is_date(text: str) -> bool:
    try:
        return date.fromisoformat(text).isoformat() == text
    except ValueError:
        return False


def _is_number(value: object) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)


FITTING: dict[Kind, tuple[Callable[[Any], bool], str]] = {
    Kind.TEXT: (lambda value: isinstance(value, str), "any text is text, '7' and '' too"),
    Kind.DATE: (lambda value: isinstance(value, str) and _is_date(value), "it is that date"),
    Kind.TIMESTAMP: (lambda _: False, "no generated text is a timestamp"),
    Kind.COUNT: (
        lambda value: isinstance(value, int) and not isinstance(value, bool),
        "every integer drawn is in range",
    ),
    Kind.MONEY: (_is_number, "JSON has one type of number: 5 is 5.00"),
    Kind.RATIO: (_is_number, "JSON has one type of number: 1 is 1.0"),
}
"""Which values of another JSON type a column takes all the same, and why that is right."""

any_value = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(0, 10**9),
    st.floats(-1e9, 1e9),
    st.sampled_from(["7", "-1.5", "true", "null", "NaN", "", "[]", "{}", "2026-04-01"]),
    st.text(max_size=5),
    st.lists(st.integers(), max_size=2),
    st.dictionaries(st.text(max_size=3), st.integers(), max_size=2),
)


def _fits(column: Column, value: Any, export: Export) -> bool:
    if value is None:
        return column.nullable
    if column.name == "schema_version":
        return bool(value == export.schema_version)
    fits, _ = FITTING[column.kind]
    return fits(value)


@settings(deadline=None, max_examples=120)
@given(export=exports, data=st.data(), value=any_value, rows_before=st.sampled_from([0, 40]))
def test_a_value_of_another_type_is_refused_with_its_line_and_field(
    export: Export, data: st.DataObject, value: Any, rows_before: int
) -> None:
    column = data.draw(st.sampled_from(export.rows.columns), label="column")
    row = {**sample_rows(export)[0], column.name: value}
    body = body_of(many_rows(export, rows_before)) + line_of(row)

    if _fits(column, value, export):
        assert parse(export, body).row_count == rows_before + 1
    else:
        violation = violation_of(export, body)
        assert (violation.line, violation.field) == (rows_before + 1, column.name)


def _outcome(export: Export, body: bytes) -> tuple[Any, ...]:
    try:
        parsed = parse(export, body)
    except ContractViolation as violation:
        return type(violation), violation.check, violation.line, violation.field
    return parsed.frame.rows(), parsed.extra_fields, parsed.line_numbers.to_list()


def _decoded_and_exact(export: Export, body: bytes) -> tuple[tuple[Any, ...], tuple[Any, ...]]:
    """The outcome of a body, and of the same where the decoder takes no line."""
    decoded = _outcome(export, body)
    with mock.patch.object(decoder, "_SPACED_COLON", re.compile(b"")):
        return decoded, _outcome(export, body)


JSON_BYTES = [bytes([byte]) for byte in b'"\\{}[]:,0123456789eE+-.tfnu \t\r\n\x00\x1f\x7f\xff']


@settings(deadline=None, max_examples=120)
@given(
    export=exports,
    at=st.floats(0, 1, exclude_max=True),
    width=st.integers(0, 3),
    put=st.one_of(
        st.lists(st.sampled_from(JSON_BYTES), max_size=3).map(b"".join),
        st.text(max_size=2).map(lambda text: text.encode(errors="ignore")),
    ),
)
def test_the_decoder_and_the_exact_reading_agree_on_any_damaged_line(
    export: Export, at: float, width: int, put: bytes
) -> None:
    body = sample_body(export)
    start = int(at * len(body))
    damaged = body[:start] + put + body[start + width :]

    decoded, exact = _decoded_and_exact(export, damaged)

    assert decoded == exact


texts = st.text(st.characters(exclude_categories=["Cs"]), max_size=20)


SPELLED: dict[Kind, st.SearchStrategy[str]] = {
    Kind.TEXT: st.builds(json.dumps, texts, ensure_ascii=st.booleans()),
    Kind.DATE: st.dates().map(str).map(json.dumps),
    Kind.TIMESTAMP: st.builds(
        lambda moment, zone: json.dumps(moment.isoformat() + zone),
        st.datetimes(),
        st.sampled_from(["Z", "+00:00"]),
    ),
    Kind.COUNT: st.integers(0, 2**63 - 1).map(str),
    Kind.MONEY: st.decimals(-(10**11), 10**11, allow_nan=False).map(str),
    Kind.RATIO: st.floats(allow_nan=False, allow_infinity=False).map(repr),
}
"""Values that a column can hold, spelled as JSON."""


def _spelled(column: Column, export: Export) -> st.SearchStrategy[str]:
    if column.name == "schema_version":
        return st.just(json.dumps(export.schema_version))
    spelled = SPELLED[column.kind]
    return st.one_of(st.just("null"), spelled) if column.nullable else spelled


unknown_members = st.dictionaries(
    texts.map("x".__add__),
    st.recursive(
        st.one_of(st.none(), st.booleans(), st.integers(), st.floats(-1e9, 1e9), texts),
        lambda inner: st.one_of(
            st.lists(inner, max_size=3), st.dictionaries(texts, inner, max_size=3)
        ),
        max_leaves=5,
    ),
    max_size=3,
)
"""Keys that no export names, with any value of JSON."""


@st.composite
def valid_lines(draw: st.DrawFn, export: Export) -> bytes:
    members = [
        f'"{column.name}":{draw(_spelled(column, export))}'
        for column in export.rows.columns
        if column.required or draw(st.booleans())
    ]
    members += [
        f"{json.dumps(key)}:{json.dumps(value, ensure_ascii=draw(st.booleans()))}"
        for key, value in draw(unknown_members).items()
    ]
    return f"{{{','.join(members)}}}\n".encode()


@patient
@given(data=st.data(), export=exports)
def test_the_decoder_and_the_exact_reading_agree_on_any_valid_line(
    data: st.DataObject, export: Export
) -> None:
    lines = data.draw(st.lists(valid_lines(export), min_size=1, max_size=3))

    decoded, exact = _decoded_and_exact(export, b"".join(lines))

    assert decoded == exact
    assert all(_outcome(export, line)[0] is not ContractViolation for line in lines)


@patient
@given(
    amounts=st.lists(
        st.tuples(st.integers(-(10**15) + 1, 10**15 - 1), st.integers(0, 12)),
        min_size=1,
        max_size=30,
    )
)
def test_money_of_up_to_15_digits_is_exact(amounts: list[tuple[int, int]]) -> None:
    exact = [Decimal(digits).scaleb(-scale) for digits, scale in amounts]
    step, bound = Decimal("0.000001"), Decimal(10**12)
    exact = [amount for amount in exact if abs(amount) < bound]
    row = sample_rows(COUNTRY)[0]
    rows = [{**row, "country_code": str(i), "fees": amount} for i, amount in enumerate(exact)]

    parsed = parse(COUNTRY, body_of(rows))

    assert parsed.frame["fees"].to_list() == [
        amount.quantize(step, ROUND_HALF_UP) for amount in exact
    ]


@patient
@given(
    ratios=st.lists(
        st.one_of(
            st.floats(allow_nan=False, allow_infinity=False).map(repr),
            st.decimals(0, 10**6, places=4).map(str),
            st.from_regex(r"\A(0|[1-9][0-9]{0,14})\.[0-9]{1,40}\Z"),
        ),
        min_size=1,
        max_size=20,
    )
)
def test_a_ratio_is_the_nearest_float(ratios: list[str]) -> None:
    lines = [
        line_of({**sample_rows(COUNTRY)[0], "country_code": str(index)}).replace(
            b'"cpl":0.293', f'"cpl":{text}'.encode()
        )
        for index, text in enumerate(ratios)
    ]

    assert parse(COUNTRY, b"".join(lines)).frame["cpl"].to_list() == list(map(float, ratios))


HELD: dict[Kind, st.SearchStrategy[Any]] = {
    Kind.TEXT: texts,
    Kind.DATE: st.dates(),
    Kind.TIMESTAMP: st.datetimes(timezones=st.just(UTC)),
    Kind.COUNT: st.integers(0, 2**63 - 1),
    Kind.MONEY: st.decimals(-(10**11), 10**11, places=6),
    Kind.RATIO: st.floats(allow_nan=False, allow_infinity=False),
}
"""Values as a frame holds them."""


def _held(column: Column, export: Export) -> st.SearchStrategy[Any]:
    if column.name == "schema_version":
        return st.just(export.schema_version)
    held = HELD[column.kind]
    return st.one_of(st.none(), held) if column.nullable else held


@settings(deadline=None, max_examples=20)
@given(export=exports, data=st.data())
def test_any_rows_survive_the_way_through_json(export: Export, data: st.DataObject) -> None:
    row = st.fixed_dictionaries(
        {column.name: _held(column, export) for column in export.rows.columns}
    )
    rows = data.draw(
        st.lists(
            row, max_size=4, unique_by=lambda row: tuple(row[name] for name in export.rows.key)
        )
    )

    parsed = parse(export, body_of(map(_as_delivered, rows)))

    assert parsed.frame.drop("extra").rows(named=True) == rows


def _as_delivered(row: dict[str, Any]) -> dict[str, Any]:
    return {
        name: value.isoformat().replace("+00:00", "Z") if isinstance(value, date) else value
        for name, value in row.items()
    }
