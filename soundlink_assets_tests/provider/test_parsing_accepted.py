"""What a delivery may look like and still be read: one behaviour a test."""

import json
from collections.abc import Callable
from datetime import UTC, date, datetime
from decimal import Decimal

import pytest

from soundlink_assets.schema import CAMPAIGN_COUNTRY_DAILY, CAMPAIGN_EXPORTS, Export
from soundlink_assets.schema.frames import polars_schema
from soundlink_assets_tests.provider.deliveries import (
    body_of,
    line_of,
    many_rows,
    parse,
    sample_body,
    sample_rows,
)

COUNTRY = CAMPAIGN_COUNTRY_DAILY
each_export = pytest.mark.parametrize("export", CAMPAIGN_EXPORTS, ids=lambda export: export.name)


@each_export
def test_a_delivery_becomes_a_frame_with_the_contracts_columns_in_its_order(export: Export) -> None:
    parsed = parse(export, sample_body(export))

    assert parsed.frame.schema == polars_schema(export.delivered)
    assert tuple(parsed.frame.columns) == export.delivered.column_names
    assert (parsed.row_count, parsed.merged_duplicates, parsed.extra_fields) == (2, 0, ())
    assert parsed.line_numbers.to_list() == [1, 2]


def test_values_arrive_typed_and_exact() -> None:
    row = parse(COUNTRY, sample_body(COUNTRY)).frame.row(0, named=True)

    assert row["report_date"] == date(2026, 4, 1)
    assert row["exported_at"] == datetime(2026, 5, 20, 3, tzinfo=UTC)
    assert row["spend_media"] == Decimal("42.50")
    assert row["impressions"] == 4821
    assert row["cpl"] == 0.293
    assert row["campaign_target_playlist_id"] is None


@each_export
@pytest.mark.parametrize("body", [b"", b"\n", b" \r\n\n", b"\xef\xbb\xbf", b'""', b'"\\n"'])
def test_a_delivery_without_rows_is_an_empty_frame(export: Export, body: bytes) -> None:
    parsed = parse(export, body)

    assert parsed.row_count == 0
    assert parsed.frame.height == 0
    assert parsed.frame.schema == polars_schema(export.delivered)


@each_export
@pytest.mark.parametrize(
    "spell",
    [
        pytest.param(lambda body: body.removesuffix(b"\n"), id="no final newline"),
        pytest.param(lambda body: body.replace(b"\n", b"\r\n"), id="carriage returns"),
        pytest.param(lambda body: b"\n\n" + body.replace(b"\n", b"\n \t\r\n\n"), id="blank lines"),
        pytest.param(lambda body: b"\xef\xbb\xbf" + body, id="byte order mark"),
        pytest.param(lambda body: body.replace(b',"', b', "'), id="spaces after commas"),
        pytest.param(lambda body: body.replace(b'":', b'" :\t'), id="white space around colons"),
        pytest.param(lambda body: b" " + body.replace(b"\n", b" \n "), id="white space around"),
        pytest.param(lambda body: body.replace(b"soundlink", rb"so\u0075ndlink"), id="escapes"),
        pytest.param(
            lambda body: body.replace(b'"provider"', rb'"pr\u006fvider"'), id="key escapes"
        ),
        pytest.param(lambda body: json.dumps(body.decode()).encode(), id="quoted as printed"),
        pytest.param(
            lambda body: b"\xef\xbb\xbf\n " + json.dumps(body.decode()).encode() + b" \n",
            id="quoted with white space around",
        ),
        pytest.param(
            lambda body: json.dumps(body.decode().strip()).replace("\\n", "\\u000a").encode(),
            id="quoted with other escapes",
        ),
        pytest.param(lambda body: body.replace(b"00Z", b"00.000Z"), id="fractional seconds"),
        pytest.param(lambda body: body.replace(b"00Z", b"00+00:00"), id="offset instead of Z"),
        pytest.param(lambda body: body.replace(b"42.50", b"4.25e1"), id="exponents"),
        pytest.param(lambda body: body.replace(b"42.50", b"42.50000000000000000000"), id="zeros"),
    ],
)
def test_another_spelling_of_the_same_rows_gives_the_same_frame(
    export: Export, spell: Callable[[bytes], bytes]
) -> None:
    body = sample_body(export)

    parsed = parse(export, spell(body))

    assert parsed.frame.equals(parse(export, body).frame)
    assert parsed.row_count == 2


def test_timestamps_keep_their_fraction_and_their_zone() -> None:
    row = sample_rows(COUNTRY)[0]
    spelled = {
        "2026-05-20T03:00:00.25Z": datetime(2026, 5, 20, 3, 0, 0, 250_000, tzinfo=UTC),
        "2026-05-20T03:00:00.123456Z": datetime(2026, 5, 20, 3, 0, 0, 123_456, tzinfo=UTC),
        "2026-05-20T03:00:00.123456789Z": datetime(2026, 5, 20, 3, 0, 0, 123_456, tzinfo=UTC),
        "2026-05-20T05:30:00+02:30": datetime(2026, 5, 20, 3, tzinfo=UTC),
        "2026-05-19T22:00:00.5-05:00": datetime(2026, 5, 20, 3, 0, 0, 500_000, tzinfo=UTC),
    }
    rows = [
        {**row, "country_code": f"C{index}", "exported_at": text}
        for index, text in enumerate(spelled)
    ]

    parsed = parse(COUNTRY, body_of(rows))

    assert parsed.frame["exported_at"].to_list() == list(spelled.values())


@each_export
def test_an_absent_optional_key_is_null(export: Export) -> None:
    row = sample_rows(export)[0]
    optional = [column.name for column in export.rows.columns if not column.required]
    assert optional

    for name in optional:
        parsed = parse(export, line_of({key: row[key] for key in row if key != name}))
        assert parsed.frame[name].to_list() == [None]

    bare = parse(export, line_of({key: row[key] for key in row if key not in optional}))
    assert bare.frame.select(optional).null_count().row(0) == (1,) * len(optional)


@each_export
def test_null_is_accepted_where_the_contract_allows_it(export: Export) -> None:
    nullable = [column.name for column in export.rows.columns if column.nullable]
    row = {**sample_rows(export)[0], **dict.fromkeys(nullable)}

    parsed = parse(export, line_of(row))

    assert parsed.frame.select(nullable).null_count().row(0) == (1,) * len(nullable)


@each_export
@pytest.mark.parametrize("count", [1, 100], ids=["few lines", "many lines"])
@pytest.mark.parametrize(
    "value", ["text", "", 7, 0.5, 1e300, True, None, [], [1, "a"], {}, {"a": 1}, {"a": [{"b": 1}]}]
)
def test_unknown_keys_are_named_and_kept_as_json_text(
    export: Export, count: int, value: object
) -> None:
    rows = many_rows(export, count)

    parsed = parse(export, body_of([{"zebra": 1, **row, "aardvark": value} for row in rows]))

    assert parsed.extra_fields == ("aardvark", "zebra")
    assert [json.loads(text) for text in parsed.frame["extra"]] == [
        {"aardvark": value, "zebra": 1}
    ] * count
    plain = parse(export, body_of(rows)).frame
    assert parsed.frame.drop("extra").equals(plain.drop("extra"))
    assert plain["extra"].null_count() == count


@each_export
def test_an_extra_key_in_one_of_many_lines_is_named(export: Export) -> None:
    rows = many_rows(export, 300)
    rows[177]["näw"] = 5

    parsed = parse(export, body_of(rows), block_bytes=20_000)

    assert parsed.extra_fields == ("näw",)
    assert parsed.frame["extra"].drop_nulls().to_list() == ['{"näw":5}']
    assert parsed.frame["streams"].to_list() == list(range(300))


@each_export
@pytest.mark.parametrize("count", [1, 100], ids=["few lines", "many lines"])
def test_keys_may_stand_in_any_order(export: Export, count: int) -> None:
    rows = many_rows(export, count)

    parsed = parse(export, body_of(dict(reversed(row.items())) for row in rows))

    assert parsed.frame.equals(parse(export, body_of(rows)).frame)


@each_export
def test_lines_with_keys_in_many_orders_keep_their_places(export: Export) -> None:
    rows = many_rows(export, 900)
    turned = []
    for index, row in enumerate(rows):
        items = list(row.items())
        by = index % 15
        turned.append(dict(items[by:] + items[:by]))

    parsed = parse(export, body_of(turned), block_bytes=100_000)

    assert parsed.frame.equals(parse(export, body_of(rows)).frame)


@each_export
@pytest.mark.parametrize(
    "name", ["\u2028", "\u2029", "a\u0085b", "a\x7fb", "\x0b\x1c\n", "\U0001f600"]
)
def test_a_name_may_hold_any_character_and_lines_end_at_newlines_only(
    export: Export, name: str
) -> None:
    rows = [{**row, "campaign_name": name} for row in sample_rows(export)]
    raw, escaped = body_of(rows), b"".join(json.dumps(row).encode() + b"\n" for row in rows)

    for body in (raw, escaped):
        parsed = parse(export, body)
        assert parsed.frame["campaign_name"].to_list() == [name, name]


@pytest.mark.parametrize("name", ["7", "1989", "true", "null", "{}", "[", '"', "a:b", '":', "\\"])
def test_a_name_may_look_like_another_json_type(name: str) -> None:
    row = {**sample_rows(COUNTRY)[0], "campaign_name": name}

    assert parse(COUNTRY, line_of(row)).frame["campaign_name"].to_list() == [name]


def test_a_country_may_be_any_text() -> None:
    rows = [{**sample_rows(COUNTRY)[0], "country_code": code} for code in ("NA", "", "xx", "?")]

    assert parse(COUNTRY, body_of(rows)).frame["country_code"].to_list() == ["NA", "", "xx", "?"]


@pytest.mark.parametrize(
    ("text", "amount"),
    [
        ("5", "5"),
        ("42.50", "42.50"),
        ("-0.01", "-0.01"),
        ("999999999.999999", "999999999.999999"),
        ("99999999999.9999", "99999999999.9999"),
        ("123456789012.345678", "123456789012.345678"),
        ("0.1234565", "0.123457"),
        ("0.1234564999999999", "0.123456"),
        ("-0.0000005", "-0.000001"),
        ("2.5e-6", "0.000003"),
        ("53.129999999999995", "53.13"),
    ],
)
def test_money_is_exact_to_six_decimals_and_halves_are_rounded_away_from_zero(
    text: str, amount: str
) -> None:
    body = line_of(sample_rows(COUNTRY)[0]).replace(b'"fees":10.63', b'"fees":' + text.encode())

    assert parse(COUNTRY, body).frame["fees"].to_list() == [Decimal(amount)]


@each_export
def test_exact_duplicates_are_merged_and_counted(export: Export) -> None:
    first, second = sample_rows(export)
    respelled = {**dict(reversed(first.items())), "extra": 1}

    parsed = parse(export, body_of([first, second, first, respelled]))

    assert parsed.row_count == 4
    assert parsed.merged_duplicates == 2
    assert parsed.line_numbers.to_list() == [1, 2]
    assert parsed.frame.equals(parse(export, sample_body(export)).frame)


def test_line_numbers_count_blank_lines() -> None:
    first, second = sample_rows(COUNTRY)

    parsed = parse(COUNTRY, b"\n\r\n" + line_of(first) + b"\n" + line_of(second))

    assert parsed.line_numbers.to_list() == [3, 5]
    assert parsed.row_count == 2
