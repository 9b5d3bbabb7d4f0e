"""What makes a delivery unreadable or refused: one behaviour a test, each with line and field."""

import json
from collections.abc import Callable
from datetime import UTC, date, datetime
from typing import Any

import pytest

from soundlink_assets.provider.errors import ContractViolation
from soundlink_assets.provider.reader import DeliveryReader, verify_request
from soundlink_assets.schema import CAMPAIGN_COUNTRY_DAILY, CAMPAIGN_EXPORTS, Export
from soundlink_assets.schema.tables import Kind
from soundlink_assets.schema.window import Window
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


def _with_second_line(line: bytes) -> bytes:
    first, second = sample_rows(COUNTRY)
    return line_of(first) + line + line_of(second)


@pytest.mark.parametrize(
    "line",
    [
        b"<html>\n",
        b"{\n",
        b'{"a":1}}\n',
        b'{"a":1}{"a":1}\n',
        b'{"a":1,}\n',
        b"{'a':1}\n",
        b'{"a":01}\n',
        b'{"a":+1}\n',
        b'{"a":.5}\n',
        b'{"a":"\x01"}\n',
        b'{"a":"\\x41"}\n',
        b'{"a":"\\ud800"}\n',
        b'{"a":"\xff"}\n',
        b'{"a":"\xed\xa0\x80"}\n',
        b"[" * 100_000 + b"\n",
        b"\xef\xbb\xbf{}\n",
        b"\0\n",
    ],
    ids=lambda line: repr(line[:16]),
)
def test_an_unparsable_line_is_unreadable(line: bytes) -> None:
    violation = violation_of(COUNTRY, _with_second_line(line))

    assert (violation.check, violation.line, violation.field) == ("valid_rows", 2, None)
    assert not violation.is_cut_off


@pytest.mark.parametrize("line", [b"[]\n", b"[{}]\n", b"5\n", b"true\n", b"null\n", b'"text"\n'])
def test_a_line_that_is_no_object_is_unreadable(line: bytes) -> None:
    violation = violation_of(COUNTRY, _with_second_line(line))

    assert violation.line == 2
    assert "where an object is due" in str(violation)


@pytest.mark.parametrize("rest", [b"", sample_body(COUNTRY)], ids=["alone", "before rows"])
def test_a_body_whose_first_line_is_a_string_is_unreadable(rest: bytes) -> None:
    violation = violation_of(COUNTRY, b'"text"\n' + rest)

    assert violation.line == 1
    assert not violation.is_cut_off


@each_export
def test_a_missing_required_key_is_unreadable(export: Export) -> None:
    row = sample_rows(export)[0]
    required = [column.name for column in export.rows.columns if column.required]
    assert "campaign_target_type" in required

    for name in required:
        violation = violation_of(export, line_of({key: row[key] for key in row if key != name}))
        assert (violation.check, violation.line, violation.field) == ("valid_rows", 1, name)


@each_export
def test_null_in_a_required_field_is_unreadable(export: Export) -> None:
    row = sample_rows(export)[0]

    for column in export.rows.columns:
        if not column.nullable:
            violation = violation_of(export, line_of({**row, column.name: None}))
            assert (violation.check, violation.field) == ("valid_rows", column.name)


WRONG_VALUES: dict[Kind, tuple[Any, ...]] = {
    Kind.TEXT: (7, 5.5, True, ["US"], {"a": "b"}),
    Kind.DATE: (20260401, True, "", "2026-02-30", "2026-4-1", "01.04.2026", "2026-04-01T00:00:00Z"),
    Kind.TIMESTAMP: (
        1779246000,
        "2026-05-20",
        "2026-05-20T03:00:00",
        "2026-05-20 03:00:00Z",
        "2026-05-20T03:00Z",
        "2026-05-20T24:00:00Z",
        "2026-05-20T03:60:00Z",
        "2026-05-20T03:00:60Z",
        "2026-02-29T03:00:00Z",
        "2026-05-20T03:00:00.Z",
        "2026-05-20T03:00:00+0200",
        "2026-05-20T03:00:00Z[UTC]",
        "0001-01-01T00:00:00+12:00",
    ),
    Kind.COUNT: ("7", "", 5.0, 5.5, True, [5], {}, 2**63, -(2**63) - 1, 10**30),
    Kind.MONEY: ("7", "42.50", False, [5], {}, 10**12, -(10**12), 999_999_999_999.9999999),
    Kind.RATIO: ("7", "NaN", True, [0.5], {}),
}


@each_export
@pytest.mark.parametrize("rows_around", [0, 5], ids=["alone", "among others"])
def test_a_value_of_another_type_is_unreadable(export: Export, rows_around: int) -> None:
    row = sample_rows(export)[0]
    around = body_of(many_rows(export, rows_around))

    for column in export.rows.columns:
        if column.name == "schema_version":
            continue
        for value in WRONG_VALUES[column.kind]:
            violation = violation_of(export, around + line_of({**row, column.name: value}))
            assert (violation.check, violation.line, violation.field) == (
                "valid_rows",
                rows_around + 1,
                column.name,
            )


@pytest.mark.parametrize("number", ["NaN", "Infinity", "-Infinity", "1e400", "-1e400"])
def test_a_ratio_that_is_no_finite_number_is_unreadable(number: str) -> None:
    body = sample_body(COUNTRY).replace(b'"cpl":0.293', f'"cpl":{number}'.encode())

    violation = violation_of(COUNTRY, body)

    assert (violation.line, violation.field) == (1, "cpl")


@each_export
@pytest.mark.parametrize("key", ["streams", "campaign_target_isrc", "not_in_the_contract"])
def test_a_key_that_stands_twice_in_a_line_is_unreadable(export: Export, key: str) -> None:
    first, second = sample_rows(export)
    doubled = line_of(second).replace(b"}\n", f',"{key}":null,"{key}":null}}\n'.encode())

    violation = violation_of(export, line_of(first) + doubled)

    assert (violation.line, violation.field) == (2, key)


def test_a_doubled_key_does_not_hide_behind_an_absent_one() -> None:
    rows = many_rows(COUNTRY, 100)
    body = body_of(rows).replace(b'"result_type":"follow"}\n', b'"link_clicks":89}\n', 1)

    violation = violation_of(COUNTRY, body)

    assert (violation.line, violation.field) == (1, "link_clicks")


@each_export
@pytest.mark.parametrize("version", ["2.0", "1.00", "", " 1.0", 1.0, 1, True, [], {}])
def test_another_schema_version_is_unreadable(export: Export, version: object) -> None:
    first, second = sample_rows(export)

    violation = violation_of(export, body_of([first, {**second, "schema_version": version}]))

    assert (violation.check, violation.line, violation.field) == (
        "schema_version",
        2,
        "schema_version",
    )


@pytest.mark.parametrize(
    "broken",
    [
        b'{"streams":"x"}\n',
        b"<html>\n",
        b'{"schema_version":"1.0","a":}\n',
        b"\xff\n",
        body_of([{**sample_rows(COUNTRY)[0], "streams": None}]),
    ],
)
@pytest.mark.parametrize("rows_between", [0, 50], ids=["in one block", "in another block"])
def test_another_schema_version_is_reported_before_what_else_is_wrong(
    broken: bytes, rows_between: int
) -> None:
    between = body_of(many_rows(COUNTRY, rows_between))
    other = line_of({**sample_rows(COUNTRY)[0], "schema_version": "1.1"})

    violation = violation_of(COUNTRY, broken + between + other, block_bytes=5_000)

    assert (violation.check, violation.line) == ("schema_version", rows_between + 2)


def test_another_schema_version_is_seen_in_a_line_that_is_no_json() -> None:
    violation = violation_of(COUNTRY, b'{"schema_version":"3.0","shares":NaN,,}\n')

    assert (violation.check, violation.line) == ("schema_version", 1)


@each_export
def test_a_body_that_ends_inside_its_last_line_is_marked_as_cut_off(export: Export) -> None:
    body = sample_body(export)

    violation = violation_of(export, body[:-20])

    assert violation.is_cut_off
    assert violation.line == 2


def test_a_complete_last_line_that_is_wrong_is_not_marked_as_cut_off() -> None:
    for end in (b"", b"\n"):
        body = line_of({**sample_rows(COUNTRY)[0], "streams": "x"}).rstrip() + end
        assert not violation_of(COUNTRY, body).is_cut_off
    assert not violation_of(COUNTRY, sample_body(COUNTRY) + b"{\n").is_cut_off


def test_a_quoted_body_without_its_last_quotation_mark_is_marked_as_cut_off() -> None:
    quoted = json.dumps(sample_body(COUNTRY).decode()).encode()

    for end in range(1, len(quoted)):
        assert violation_of(COUNTRY, quoted[:end]).is_cut_off
    assert not violation_of(COUNTRY, quoted + b"\n{}").is_cut_off


def test_a_line_too_long_to_be_one_is_unreadable() -> None:
    rows = body_of(many_rows(COUNTRY, 30))

    for body in (rows + b"x" * 50_000, json.dumps(rows.decode()).encode()[:-1] + b"x" * 50_000):
        violation = violation_of(COUNTRY, body, block_bytes=10_000)
        assert violation.line == 31
        assert not violation.is_cut_off


@each_export
@pytest.mark.parametrize(
    "character",
    [
        b"\\ud800",
        b"\\udfff",
        b"\\ud83d\\ud83d",
        b"\\ud83dx",
        b"\x00",
        b"\x1f",
        b"\t",
        b"\r",
        b"\xff",
    ],
    ids=repr,
)
def test_a_name_that_is_no_text_makes_its_line_unparsable(export: Export, character: bytes) -> None:
    first, second = (line_of({**row, "campaign_name": "@"}) for row in sample_rows(export))

    violation = violation_of(export, first + second.replace(b"@", character))

    assert (violation.line, violation.field) == (2, None)


def test_feeding_never_raises_and_the_first_violation_is_the_one_reported() -> None:
    parser = DeliveryReader(COUNTRY, block_bytes=2_000)
    parser.feed(sample_body(COUNTRY) + b"first\n" + sample_body(COUNTRY) * 5 + b"second\n")
    parser.feed(b"x" * 10_000)

    with pytest.raises(ContractViolation) as raised:
        parser.finish()

    assert raised.value.line == 3


@each_export
def test_rows_that_differ_under_one_primary_key_are_refused(export: Export) -> None:
    first, second = sample_rows(export)
    other = {**first, "streams": first["streams"] + 1, "listeners": 0}

    violation = violation_of(export, body_of([second, first, second, other]))

    assert (violation.check, violation.line) == ("valid_rows", 2)
    assert violation.field in {"streams", "listeners"}
    assert "lines 2, 4" in str(violation)
    assert "streams" in str(violation)


def test_rows_under_one_primary_key_with_other_export_times_are_refused() -> None:
    first = sample_rows(COUNTRY)[0]
    later = {**first, "exported_at": "2026-05-20T04:00:00Z"}

    violation = violation_of(COUNTRY, body_of([first, later]))

    assert (violation.check, violation.field) == ("valid_rows", "exported_at")


@each_export
def test_a_negative_count_is_refused(export: Export) -> None:
    first, second = sample_rows(export)
    counts = [column.name for column in export.rows.columns if column.minimum == 0]
    assert "streams" in counts

    for name in counts:
        violation = violation_of(export, b"\n" + body_of([first, {**second, name: -1}]))
        assert (violation.check, violation.line, violation.field) == ("valid_rows", 3, name)


@each_export
def test_an_unreadable_line_is_reported_before_a_refused_row(export: Export) -> None:
    first, second = sample_rows(export)

    violation = violation_of(export, body_of([{**first, "streams": -1}, {**second, "streams": ""}]))

    assert violation.line == 2


WINDOW = Window(date(2026, 4, 1), date(2026, 4, 8))
NOW = datetime(2026, 5, 20, 3, tzinfo=UTC)
CAMPAIGN = "f1e28d31-c358-4284-9bef-00a2334625fd"
OTHER_CAMPAIGN = "00000000-0000-4000-8000-000000000000"


def _refusal(rows: list[dict[str, Any]], campaign_id: str = CAMPAIGN) -> ContractViolation:
    with pytest.raises(ContractViolation) as raised:
        verify_request(parse(COUNTRY, body_of(rows)), campaign_id, WINDOW, NOW)
    assert raised.value.check == "valid_rows"
    return raised.value


def test_rows_of_the_request_are_accepted() -> None:
    verify_request(parse(COUNTRY, sample_body(COUNTRY)), CAMPAIGN, WINDOW, NOW)
    verify_request(parse(COUNTRY, sample_body(COUNTRY)), CAMPAIGN.upper(), WINDOW, NOW)
    verify_request(parse(COUNTRY, b""), CAMPAIGN, WINDOW, NOW)


@pytest.mark.parametrize("day", ["2026-03-31", "2026-04-09"])
def test_a_row_of_another_day_is_refused(day: str) -> None:
    first, second = sample_rows(COUNTRY)

    refusal = _refusal([first, {**second, "report_date": day}])

    assert (refusal.line, refusal.field) == (2, "report_date")
    assert day in str(refusal)


def test_the_first_and_the_last_day_of_the_window_belong_to_it() -> None:
    first, second = sample_rows(COUNTRY)
    rows = [first, {**second, "report_date": "2026-04-08"}]

    verify_request(parse(COUNTRY, body_of(rows)), CAMPAIGN, WINDOW, NOW)


def test_rows_of_another_campaign_are_refused() -> None:
    rows = [{**row, "campaign_id": OTHER_CAMPAIGN} for row in sample_rows(COUNTRY)]

    refusal = _refusal(rows)

    assert (refusal.line, refusal.field) == (1, "campaign_id")
    assert OTHER_CAMPAIGN in str(refusal)


@pytest.mark.parametrize("requested", [CAMPAIGN, "camp_abc123"], ids=["uuid", "alias"])
def test_rows_of_several_campaigns_are_refused(requested: str) -> None:
    first, second = sample_rows(COUNTRY)

    refusal = _refusal([first, {**second, "campaign_id": OTHER_CAMPAIGN}], requested)

    assert (refusal.line, refusal.field) == (2, "campaign_id")


def test_rows_of_one_campaign_answer_an_id_that_is_no_uuid() -> None:
    verify_request(parse(COUNTRY, sample_body(COUNTRY)), "camp_abc123", WINDOW, NOW)


def test_an_alias_stands_for_a_uuid_only() -> None:
    rows = [{**row, "campaign_id": "camp_xyz"} for row in sample_rows(COUNTRY)]

    verify_request(parse(COUNTRY, body_of(rows)), "camp_xyz", WINDOW, NOW)
    assert _refusal(rows, "camp_abc123").field == "campaign_id"


def test_a_row_exported_in_the_future_is_refused() -> None:
    first, second = sample_rows(COUNTRY)
    later = {**second, "exported_at": "2099-01-01T00:00:00Z"}

    refusal = _refusal([first, later])

    assert (refusal.line, refusal.field) == (2, "exported_at")
    assert "2099-01-01" in str(refusal)


MESSAGES: list[tuple[Callable[[bytes], bytes], str]] = [
    (lambda body: body.replace(b'"streams":203', b'"streams":"203"'), '"203" where an integer'),
    (lambda body: body.replace(b'"streams":203', b'"streams":[203]'), "an array where an integer"),
    (lambda body: body.replace(b'"streams":203', b'"streams":{}'), "an object where an integer"),
    (lambda body: body.replace(b'"streams":203', b'"streams":true'), "true where an integer"),
    (lambda body: body.replace(b'"Sleep Playlist"', b"7"), "7 where text"),
]


@pytest.mark.parametrize(("spoil", "said"), MESSAGES, ids=[said for _, said in MESSAGES])
def test_a_message_says_what_stands_there_and_what_is_due(
    spoil: Callable[[bytes], bytes], said: str
) -> None:
    assert said in str(violation_of(COUNTRY, spoil(sample_body(COUNTRY))))


def test_a_message_does_not_repeat_a_long_value() -> None:
    body = sample_body(COUNTRY).replace(b'"2026-04-01"', b'"' + b"9" * 10_000 + b'"')

    assert len(str(violation_of(COUNTRY, body))) < 300
