"""The kinds of JSON that parsers disagree about (JSONTestSuite), in a known and an unknown field.

`y`: must be read. `n`: must be refused. `i`: the standard leaves it open, and what is decided here
is what a column can hold exactly: everything else is refused.
"""

import json
from decimal import Decimal

import pytest

from soundlink_assets.schema import CAMPAIGN_COUNTRY_DAILY
from soundlink_assets_tests.provider.deliveries import line_of, parse, sample_rows, violation_of

EXPORT = CAMPAIGN_COUNTRY_DAILY
ROW = line_of({**sample_rows(EXPORT)[0], "campaign_name": "@"})
OTHER_ROW = line_of({**sample_rows(EXPORT)[1], "campaign_name": "other"})


def with_unknown(value: bytes) -> bytes:
    return ROW.replace(b"}\n", b',"unknown":' + value + b"}\n")


READ = [
    b"0", b"-0", b"-1", b"1e1", b"1E+2", b"1e-2", b"0e1", b"0e+1", b"-0.0", b"123.456e78", b"1.5",
    b"123456789012345678901234567890", b"0.1000000000000000055511151231257827", b"1e300",
    b'""', b'"\\u0000"', b'"\\u0012"', b'"\\uFFFF"', b'"\\u2028"', b'"\xe2\x80\xa8"', b'"\x7f"',
    b'"\\"\\\\\\/\\b\\f\\n\\r\\t"', b'"\\ud83d\\ude00"', b'"\\uD834\\udd1e"', b'"\xf0\x9f\x98\x80"',
    b'"\xef\xbf\xbf"', b'"\xef\xbb\xbf"', b'"\\u005C"', b'"a/*b*/c"', b'"\xf4\x8f\xbf\xbf"',
    b"null", b"true", b"false", b"[]", b"{}", b"[[]]", b'[1,"a",null,{"b":[]}]', b'{"a":{"":0}}',
    b'{"a b":1,"\xc3\xa9":2}', b"[1 , 2]", b" [ ] ", b'{"a":":","b":"\\":"}', b"\t1\t",
    b"[" * 200 + b"]" * 200,
]  # fmt: skip

REFUSED = [
    b"NaN", b"Infinity", b"-Infinity", b"[NaN]", b'{"a":[-Infinity]}', b"nan", b"Inf", b"-NaN",
    b"+1", b"01", b"-01", b".5", b"1.", b"-.5", b"1.e1", b"1e", b"1e+", b"1eE2", b"0x1", b"1_000",
    b"--1", b"-", b"- 1", b"1 000", b"1a", b"\xef\xbc\x91", b"2.e3", b"1e99999999999999999999",
    b"[1e99999999999999999999]", b"True", b"None", b"nul", b"undefined", b"TRUE",
    b"[1,]", b"[,1]", b"[1,,2]", b"[", b"[1", b"]", b"[1}", b'["a" "b"]', b"[1:2]", b"[3[4]]",
    b'{"a":1,}', b'{"a"}', b'{"a" 1}', b"{a:1}", b"{1:1}", b"{'a':1}", b'{"a":1,,"b":2}', b'{"a":}',
    b"{:1}", b'{"a":1', b'{"a":"a', b"{null:1}", b'{"a":1 "b":2}', b'{"a"::1}', b"",
    b"'a'", b'"', b'"a', b'"\\x41"', b'"\\u12"', b'"\\u12G4"', b'"\\U00000041"', b'"\\a"', b'"\\',
    b'"\t"', b'"\x00"', b'"\x1f"', b'"\\ud800"', b'"\\udc00"', b'"\\ud800\\n"', b'"\\ud83dx"',
    b'"\\ud800\\ud800"', b'"\\udd1e\\ud834"', b'{"\\ud800":1}', b'["\\udfff"]',
    b'"\xff"', b'"\xe9"', b'"\xc0\x80"', b'"\xc0\xaf"', b'"\xed\xa0\x80"', b'"\xf4\xbf\xbf\xbf"',
    b'"\xf0\x9f\x98"', b'"\x81"', b'{"\xff":1}', b'["\xfc\x80\x80\x80\x80\x80"]', b"\xff", b"\xe5",
    b"/* */ 1", b"1 // one", b"1;", b"1 #", b"1\x0c", b"\xc2\xa01", b"\x0b1", b"1\x00",
    b'1}{"a":1', b"1}}", b"*", b"<null>", b"@", b"b'a'", b'u"a"', b"[" * 100_000,
]  # fmt: skip


@pytest.mark.parametrize("value", READ, ids=lambda value: repr(value[:30]))
def test_json_is_read_and_kept_in_an_unknown_field(value: bytes) -> None:
    parsed = parse(EXPORT, with_unknown(value) + OTHER_ROW)

    text = parsed.frame["extra"][0]
    expected = json.loads(value, parse_float=Decimal)
    assert json.loads(text, parse_float=Decimal) == {"unknown": expected}
    assert parsed.frame["extra"][1] is None


@pytest.mark.parametrize("before", [b"", OTHER_ROW], ids=["first", "second"])
@pytest.mark.parametrize("value", REFUSED, ids=lambda value: repr(value[:30]))
def test_what_is_not_json_is_refused_in_an_unknown_field(value: bytes, before: bytes) -> None:
    violation = violation_of(EXPORT, before + with_unknown(value))

    assert (violation.check, violation.line) == ("valid_rows", 1 + before.count(b"\n"))
    assert not violation.is_cut_off


TEXTS = [value for value in READ if value.startswith(b'"')]


@pytest.mark.parametrize("value", TEXTS, ids=repr)
def test_any_text_is_read_in_a_known_field(value: bytes) -> None:
    parsed = parse(EXPORT, ROW.replace(b'"@"', value) + OTHER_ROW)

    assert parsed.frame["campaign_name"].to_list() == [json.loads(value), "other"]


@pytest.mark.parametrize("value", REFUSED, ids=lambda value: repr(value[:30]))
def test_what_is_not_json_is_refused_in_a_known_field(value: bytes) -> None:
    violation = violation_of(EXPORT, OTHER_ROW + ROW.replace(b'"@"', value))

    assert (violation.check, violation.line) == ("valid_rows", 2)


@pytest.mark.parametrize(
    "line",
    [
        b"", b" ", b"\t", b"\r",
    ],
    ids=repr,
)  # fmt: skip
def test_a_blank_line_is_not_a_row(line: bytes) -> None:
    assert parse(EXPORT, ROW + line + b"\n" + OTHER_ROW).row_count == 2


@pytest.mark.parametrize(
    "line",
    [
        b"{}", b"[]", b"null", b"1", b'"text"', b"[{}]", b"{", b"}", b"\xef\xbb\xbf{}", b"\0",
        b"{}{}", b"\xff\xfe{\x00}\x00", b"\x00{\x00}", b"\xa0", b"\x0c", b"\xc2\x85", b",", b"\\n",
    ],
    ids=repr,
)  # fmt: skip
def test_a_line_that_is_not_an_object_of_the_export_is_refused(line: bytes) -> None:
    violation = violation_of(EXPORT, ROW + line + b"\n" + OTHER_ROW)

    assert (violation.check, violation.line) == ("valid_rows", 2)


def test_extra_text_is_compact_sorted_and_has_one_spelling() -> None:
    spelled = [
        b'"b":1.0,"a":{"y":0.10,"x":[1e2, 100.0]},"\xc3\xa9":"\\u00e9"',
        b'"\\u00e9":"\xc3\xa9", "a" : {"x":[100.0,1E+2],"y":0.1} ,"b":1.00',
    ]
    texts = [
        parse(EXPORT, ROW.replace(b"}\n", b"," + members + b"}\n")).frame["extra"][0]
        for members in spelled
    ]

    assert texts == ['{"a":{"x":[100.0,100.0],"y":0.1},"b":1.0,"é":"é"}'] * 2


def test_a_field_that_is_called_extra_is_one_of_the_extra_fields() -> None:
    parsed = parse(EXPORT, with_unknown(b"1").replace(b'"unknown"', b'"extra"'))

    assert parsed.frame["extra"].to_list() == ['{"extra":1}']
    assert parsed.extra_fields == ("extra",)


def test_a_number_that_a_column_cannot_hold_names_its_field() -> None:
    for number in (b"1e99999999999999999999", b"1e400", b"NaN", b"-Infinity"):
        for field in (b'"cpl":', b'"fees":', b'"streams":'):
            start = ROW.index(field) + len(field)
            end = ROW.index(b",", start)
            violation = violation_of(EXPORT, ROW[:start] + number + ROW[end:])
            assert (violation.line, violation.field) == (1, field.decode()[1:-2])


def test_an_unknown_field_that_holds_no_number_is_named() -> None:
    violation = violation_of(EXPORT, OTHER_ROW + with_unknown(b'{"a":[1,NaN]}'))

    assert (violation.line, violation.field) == (2, "unknown")
    assert "NaN" in violation.message
