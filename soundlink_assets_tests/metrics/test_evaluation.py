"""The rules on frames: what passes, what does not, and by how much."""

from datetime import date
from decimal import ROUND_HALF_UP, Decimal

import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from soundlink_assets.metrics.evaluation import FINDINGS, failing_rows
from soundlink_assets.schema import (
    CAMPAIGN_COUNTRY_DAILY,
    CAMPAIGN_ENGAGEMENT_DAILY,
    EXPORTS,
    SOUNDLINK_COUNTRY_DAILY,
    SOUNDLINK_ENGAGEMENT_DAILY,
    Export,
)
from soundlink_assets.schema.frames import polars_schema
from soundlink_assets.schema.rules import (
    Format,
    KnownValues,
    PlaylistPosition,
    RatioIdentity,
    Rule,
    SumIdentity,
)
from soundlink_assets.schema.tables import Kind

BASE = {
    "provider": "soundlink",
    "account_id": "a7ac3173-2f71-4e79-921f-d15d7112dd11",
    "schema_version": "1.0",
    "report_date": "2026-04-01",
    "report_date_timezone": "UTC",
    "exported_at": "2026-05-20T03:00:00Z",
    "campaign_id": "f1e28d31-c358-4284-9bef-00a2334625fd",
    "campaign_name": "Sleep Playlist",
    "campaign_target_type": "track",
    "campaign_target_isrc": "DEXW62500259",
    "campaign_target_spotify_track_id": "6habFhsOp2NvndAvgiJ01P",
    "campaign_target_playlist_id": None,
    "country_code": "DE",
}
COUNTRY_ROW = BASE | {
    "impressions": 2000,
    "ad_clicks": 48,
    "link_clicks": 31,
    "streams": 87,
    "listeners": 61,
    "followers": 4,
    "streams_per_listener": 1.43,
    "spend_media": "18.20",
    "spend_total": "22.75",
    "fees": "4.55",
    "currency": "USD",
    "currency_account": "USD",
    "cpl": 0.298,
    "cpf": 4.55,
    "cpc_linkclick": 0.587,
    "ctr_linkclick": 0.0155,
    "ctr_adclick": 0.024,
    "cost_per_result": 4.55,
    "result_type": "follow",
}
ENGAGEMENT_ROW = BASE | {
    "status": "ended",
    "engagement_context": "playlist",
    "engaged_track_isrc": "DEXW62500001",
    "engaged_spotify_track_id": "4cOdK2wGLETKBW3PvgPWqT",
    "engaged_track_name": "Till The Sunrise",
    "playlist_position": 14,
    "new_listeners": 19,
    "returning_listeners": 7,
    "listeners": 26,
    "new_listener_streams": 24,
    "returning_listener_streams": 11,
    "streams": 35,
    "spl": 1.35,
}
SOUNDLINK_BASE = {name.replace("campaign", "soundlink"): value for name, value in BASE.items()}
SOUNDLINK_ROW: dict[str, object] = SOUNDLINK_BASE | {
    "views": 200,
    "link_clicks": 31,
    "streams": 87,
    "listeners": 61,
    "new_listeners": 40,
    "returning_listeners": 21,
    "new_listener_streams": 50,
    "returning_listener_streams": 37,
    "followers": 4,
    "streams_per_listener": 1.43,
    "ctr_lp": 0.155,
}
VALID: dict[str, dict[str, object]] = {
    CAMPAIGN_COUNTRY_DAILY.name: COUNTRY_ROW,
    CAMPAIGN_ENGAGEMENT_DAILY.name: ENGAGEMENT_ROW,
    SOUNDLINK_COUNTRY_DAILY.name: SOUNDLINK_ROW,
    SOUNDLINK_ENGAGEMENT_DAILY.name: ENGAGEMENT_ROW | SOUNDLINK_BASE,
}
EVERY_EXPORT = (*EXPORTS, SOUNDLINK_COUNTRY_DAILY, SOUNDLINK_ENGAGEMENT_DAILY)

EACH_RULE = [
    pytest.param(export, rule, id=f"{export.name}-{rule.name}")
    for export in EVERY_EXPORT
    for rule in export.rules
]
EACH_RATIO = [
    pytest.param(export, rule, id=f"{export.name}-{rule.name}")
    for export in EVERY_EXPORT
    for rule in export.rules
    if isinstance(rule, RatioIdentity)
]


def frame(export: Export, *rows: dict[str, object]) -> pl.DataFrame:
    columns, types = export.rows.columns, polars_schema(export.rows)
    text = pl.DataFrame(
        {c.name: [None if r[c.name] is None else str(r[c.name]) for r in rows] for c in columns},
        schema=dict.fromkeys(export.rows.column_names, pl.String),
    )
    return text.select(
        pl.col(c.name).str.to_datetime(time_zone="UTC")
        if c.kind is Kind.TIMESTAMP
        else pl.col(c.name).str.to_date()
        if c.kind is Kind.DATE
        else pl.col(c.name).cast(types[c.name])
        for c in columns
    )


def rule_named(export: Export, name: str) -> Rule:
    return next(rule for rule in export.rules if rule.name == name)


def found(export: Export, name: str, **changes: object) -> pl.DataFrame:
    rows = frame(export, VALID[export.name] | changes)
    return failing_rows(rows, rule_named(export, name), export.rows.key)


def half_up(value: Decimal, decimals: int) -> Decimal:
    return value.quantize(Decimal(1).scaleb(-decimals), ROUND_HALF_UP)


@pytest.mark.parametrize(("export", "rule"), EACH_RULE)
def test_a_row_that_keeps_the_contract_breaks_no_rule(export: Export, rule: Rule) -> None:
    rows = frame(export, VALID[export.name])
    assert failing_rows(rows, rule, export.rows.key).is_empty()


@pytest.mark.parametrize(("export", "rule"), EACH_RULE)
def test_no_rows_break_no_rule_and_the_columns_are_the_same(export: Export, rule: Rule) -> None:
    empty = failing_rows(frame(export), rule, export.rows.key)
    assert empty.is_empty()
    assert empty.columns == [*export.rows.key, *FINDINGS]
    assert {name: empty.schema[name] for name in FINDINGS} == FINDINGS


@pytest.mark.parametrize("rule", [pytest.param(*p.values[1:], id=p.id) for p in EACH_RULE])
def test_a_rule_explains_itself_in_a_sentence_that_names_its_columns(rule: Rule) -> None:
    match rule:
        case SumIdentity() | RatioIdentity():
            named = [rule.formula]
        case Format():
            named = list(rule.columns)
        case KnownValues():
            named = [rule.column]
        case PlaylistPosition():
            named = [rule.column]
    assert all(name in rule.description for name in named)
    assert rule.description.endswith(".")


# Sums


def test_a_cent_between_total_spend_and_its_parts_passes() -> None:
    assert found(CAMPAIGN_COUNTRY_DAILY, "spend_total_identity", spend_total="22.76").is_empty()
    assert found(CAMPAIGN_COUNTRY_DAILY, "spend_total_identity", spend_total="22.74").is_empty()


def test_up_to_two_cents_between_total_spend_and_its_parts_are_a_warning() -> None:
    for total in ("22.760001", "22.77", "22.73"):
        finding = found(CAMPAIGN_COUNTRY_DAILY, "spend_total_identity", spend_total=total)
        assert finding["is_error"].to_list() == [False]


def test_more_than_two_cents_between_total_spend_and_its_parts_are_an_error() -> None:
    for total in ("22.770001", "22.729999", "0"):
        finding = found(CAMPAIGN_COUNTRY_DAILY, "spend_total_identity", spend_total=total)
        assert finding["is_error"].to_list() == [True]


def test_a_sum_finding_says_what_was_published_and_what_was_expected() -> None:
    finding = found(CAMPAIGN_COUNTRY_DAILY, "spend_total_identity", spend_total="23.00")
    assert finding.row(0, named=True) == {
        "provider": "soundlink",
        "account_id": BASE["account_id"],
        "report_date": date(2026, 4, 1),
        "campaign_id": BASE["campaign_id"],
        "country_code": "DE",
        "field": "spend_total",
        "published": "23",
        "expected": "22.75",
        "difference": 0.25,
        "tolerance": 0.01,
        "is_error": True,
    }


@pytest.mark.parametrize("total", ["listeners", "streams"])
@pytest.mark.parametrize("error", [-1, 1, 1000])
def test_one_person_or_play_too_many_or_too_few_is_an_error(total: str, error: int) -> None:
    published = int(str(ENGAGEMENT_ROW[total])) + error
    finding = found(CAMPAIGN_ENGAGEMENT_DAILY, f"{total}_identity", **{total: published})
    assert finding["is_error"].to_list() == [True]
    assert finding["difference"].to_list() == [error]


def test_sums_beyond_64_bits_do_not_wrap_into_a_pass() -> None:
    half = 2**62
    finding = found(
        CAMPAIGN_ENGAGEMENT_DAILY,
        "listeners_identity",
        new_listeners=half,
        returning_listeners=half,
        listeners=0,
    )
    assert finding["expected"].to_list() == [str(2**63)]


def test_a_sum_with_an_unknown_part_is_not_judged() -> None:
    rule = SumIdentity(total="total", parts=("a", "b"), meaning="Total is a and b.")
    rows = pl.DataFrame({"k": [1, 2], "total": [5, 5], "a": [2, 2], "b": [None, 2]})
    assert failing_rows(rows, rule, ["k"])["k"].to_list() == [2]


def test_a_rule_on_a_column_that_is_not_there_is_named() -> None:
    rule = KnownValues(column="device", values=("ios",))
    with pytest.raises(pl.exceptions.ColumnNotFoundError, match=r"^rule device_known: .*device"):
        failing_rows(pl.DataFrame({"k": [1]}), rule, ["k"])


# Ratios

PARTS = {"spend_media": st.integers(0, 10**10).map(lambda n: Decimal(n).scaleb(-5))}
COUNTS = st.one_of(st.integers(0, 20), st.integers(0, 5_000_000))


@st.composite
def exact_row(draw: st.DrawFn, rule: RatioIdentity) -> dict[str, object]:
    """A row as a faithful provider makes it: exact values first, then each rounded half up."""
    exact = draw(PARTS.get(rule.numerator, COUNTS.map(Decimal)))
    divisor = draw(COUNTS)
    ratio: Decimal | None
    if divisor:
        ratio = half_up(exact / divisor, rule.decimals)
    else:
        ratio = None if rule.undefined is None else Decimal(rule.undefined)
    decimals = 0 if rule.numerator_decimals is None else rule.numerator_decimals
    return {
        rule.numerator: half_up(exact, decimals),
        rule.denominator: divisor,
        rule.ratio: ratio,
    }


@pytest.mark.parametrize(("export", "rule"), EACH_RATIO)
@settings(max_examples=30, deadline=None)
@given(data=st.data())
def test_a_ratio_that_was_rounded_half_up_from_exact_values_passes(
    export: Export, rule: RatioIdentity, data: st.DataObject
) -> None:
    rows = data.draw(st.lists(exact_row(rule), min_size=20, max_size=60))
    delivered = frame(export, *(VALID[export.name] | row for row in rows))
    assert failing_rows(delivered, rule, export.rows.key).is_empty()


@pytest.mark.parametrize(("export", "rule"), EACH_RATIO)
@pytest.mark.parametrize("units", [-3, 3])
@settings(max_examples=20, deadline=None)
@given(data=st.data())
def test_three_units_in_the_last_place_are_caught_where_the_denominator_is_large(
    export: Export, rule: RatioIdentity, units: int, data: st.DataObject
) -> None:
    unit = Decimal(1).scaleb(-rule.decimals)
    divisor = data.draw(st.integers(20_000, 5_000_000))
    exact = Decimal(data.draw(st.integers(divisor, 20 * divisor)))
    published = half_up(exact / divisor, rule.decimals) + units * unit
    row = {rule.numerator: exact, rule.denominator: divisor, rule.ratio: published}
    finding = failing_rows(frame(export, VALID[export.name] | row), rule, export.rows.key)
    assert finding["field"].to_list() == [rule.ratio]
    assert finding["is_error"].to_list() == [True]


@pytest.mark.parametrize(("export", "rule"), EACH_RATIO)
def test_exactly_the_tolerance_passes_and_the_next_unit_is_a_warning(
    export: Export, rule: RatioIdentity
) -> None:
    unit = Decimal(1).scaleb(-rule.decimals)
    # 3 / 2 has no remainder; a denominator this large leaves nothing to the rounding of money.
    large = 2_000_000_000
    parts = {rule.numerator: 3 * large // 2, rule.denominator: large}
    verdicts = []
    for units in (-2, -1, 0, 1, 2):
        row = VALID[export.name] | parts | {rule.ratio: Decimal("1.5") + units * unit}
        finding = failing_rows(frame(export, row), rule, export.rows.key)
        verdicts.append(finding["is_error"].to_list())
    assert verdicts == [[False], [], [], [], [False]]


@pytest.mark.parametrize(
    ("cpl", "verdict"),
    [(0.006, []), (0.0061, [False]), (0.012, [False]), (0.0121, [True])],
)
def test_the_rounding_of_money_widens_the_tolerance_of_small_denominators(
    cpl: float, verdict: list[bool]
) -> None:
    """One listener: 0.001 + 0.005 around spend_media, an error beyond 0.012."""
    finding = found(
        CAMPAIGN_COUNTRY_DAILY, "cpl_identity", spend_media="0.00", listeners=1, cpl=cpl
    )
    assert finding["is_error"].to_list() == verdict


@pytest.mark.parametrize(("export", "rule"), EACH_RATIO)
def test_nothing_to_divide_by_has_its_own_published_value(
    export: Export, rule: RatioIdentity
) -> None:
    nothing = {rule.denominator: 0}
    wrong: list[float | None] = [0.5, -0.5, 10.0**-rule.decimals, 1e-9]
    wrong.append(0.0 if rule.undefined is None else None)
    for value in wrong:
        row = VALID[export.name] | nothing | {rule.ratio: value}
        assert failing_rows(frame(export, row), rule, export.rows.key).height == 1, value
    row = VALID[export.name] | nothing | {rule.ratio: rule.undefined}
    assert failing_rows(frame(export, row), rule, export.rows.key).is_empty()


def test_a_number_on_zero_people_is_an_error_and_one_instead_of_null_a_warning() -> None:
    cpl = found(CAMPAIGN_COUNTRY_DAILY, "cpl_identity", listeners=0, cpl=0.298)
    assert cpl.select("expected", "difference", "is_error").row(0) == ("0.0", 0.298, True)
    ctr = found(CAMPAIGN_COUNTRY_DAILY, "ctr_linkclick_identity", impressions=0)
    assert ctr.select("expected", "difference", "is_error").row(0) == ("null", None, False)


@pytest.mark.parametrize(
    ("ratio", "unknown"),
    [
        ("cpc_linkclick", "link_clicks"),
        ("ctr_linkclick", "link_clicks"),
        ("ctr_linkclick", "impressions"),
        ("ctr_adclick", "ad_clicks"),
        ("ctr_adclick", "impressions"),
    ],
)
def test_a_ratio_of_an_unknown_count_is_null(ratio: str, unknown: str) -> None:
    name = f"{ratio}_identity"
    assert found(CAMPAIGN_COUNTRY_DAILY, name, **{unknown: None, ratio: None}).is_empty()
    for value in (0.0, 0.0155):
        finding = found(CAMPAIGN_COUNTRY_DAILY, name, **{unknown: None, ratio: value})
        assert finding["expected"].to_list() == ["null"]


@pytest.mark.parametrize(("export", "rule"), EACH_RATIO)
def test_a_ratio_that_can_be_computed_must_be_published(
    export: Export, rule: RatioIdentity
) -> None:
    row = VALID[export.name] | {rule.ratio: None}
    finding = failing_rows(frame(export, row), rule, export.rows.key)
    assert finding.select("published", "is_error").rows() == [("null", False)]


@pytest.mark.parametrize(("export", "rule"), EACH_RATIO)
@pytest.mark.parametrize("value", ["inf", "-inf", "nan", "1e300"])
def test_a_ratio_that_is_not_a_sensible_number_is_an_error(
    export: Export, rule: RatioIdentity, value: str
) -> None:
    row = VALID[export.name] | {rule.ratio: value}
    finding = failing_rows(frame(export, row), rule, export.rows.key)
    assert finding["is_error"].to_list() == [True]


def test_cost_per_result_is_the_cost_per_follower_only_where_a_follow_is_the_result() -> None:
    name = "cost_per_result_identity"
    for result in ("follow", None):
        changes = {"result_type": result, "cost_per_result": 0.21}
        assert found(CAMPAIGN_COUNTRY_DAILY, name, **changes)["is_error"].to_list() == [True]
    for result in ("stream", "lp_click"):
        changes = {"result_type": result, "cost_per_result": 0.21}
        assert found(CAMPAIGN_COUNTRY_DAILY, name, **changes).is_empty()


# Formats and known values


@pytest.mark.parametrize(
    ("export", "name", "field", "value"),
    [
        (CAMPAIGN_COUNTRY_DAILY, "country_code_format", "country_code", "de"),
        (CAMPAIGN_COUNTRY_DAILY, "country_code_format", "country_code", "DEU"),
        (CAMPAIGN_COUNTRY_DAILY, "country_code_format", "country_code", "DE\n"),
        (CAMPAIGN_COUNTRY_DAILY, "country_code_format", "country_code", ""),
        (CAMPAIGN_COUNTRY_DAILY, "isrc_format", "campaign_target_isrc", "DEXW6250025"),
        (CAMPAIGN_ENGAGEMENT_DAILY, "isrc_format", "engaged_track_isrc", "dexw62500001"),
        (CAMPAIGN_COUNTRY_DAILY, "uuid_format", "account_id", "org_xyz"),
        (CAMPAIGN_COUNTRY_DAILY, "uuid_format", "campaign_id", "camp_abc123"),
        (CAMPAIGN_COUNTRY_DAILY, "currency_format", "currency", "usd"),
        (CAMPAIGN_COUNTRY_DAILY, "currency_format", "currency_account", "US Dollar"),
        (
            CAMPAIGN_ENGAGEMENT_DAILY,
            "spotify_id_format",
            "engaged_spotify_track_id",
            "spotify:track:4cOdK2wGLETKBW3PvgPWqT",
        ),
        (CAMPAIGN_COUNTRY_DAILY, "provider_known", "provider", "Soundlink"),
        (CAMPAIGN_COUNTRY_DAILY, "result_type_known", "result_type", "purchase"),
        (CAMPAIGN_ENGAGEMENT_DAILY, "campaign_target_type_known", "campaign_target_type", "album"),
        (CAMPAIGN_ENGAGEMENT_DAILY, "status_known", "status", "paused"),
        (CAMPAIGN_ENGAGEMENT_DAILY, "engagement_context_known", "engagement_context", "radio"),
    ],
)
def test_a_value_outside_the_contract_is_a_warning_that_names_the_field(
    export: Export, name: str, field: str, value: str
) -> None:
    finding = found(export, name, **{field: value})
    assert finding.select("field", "published", "is_error").rows() == [(field, value, False)]


@pytest.mark.parametrize("export", EXPORTS, ids=lambda export: export.name)
def test_days_of_another_time_zone_are_an_error(export: Export) -> None:
    finding = found(export, "report_date_timezone_known", report_date_timezone="Europe/Berlin")
    assert finding.select("published", "expected", "is_error").rows() == [
        ("Europe/Berlin", "UTC", True)
    ]


@pytest.mark.parametrize("isrc", ["DEXW62500259", "DE-XW6-25-00259", None])
def test_an_isrc_may_have_hyphens_or_be_unknown(isrc: str | None) -> None:
    assert found(CAMPAIGN_COUNTRY_DAILY, "isrc_format", campaign_target_isrc=isrc).is_empty()


@pytest.mark.parametrize(
    ("context", "position", "expected"),
    [
        ("playlist", 1, []),
        ("playlist", None, []),
        ("catalog", None, []),
        ("catalog", 14, ["null"]),
        ("catalog", 0, ["null"]),
        ("playlist", 0, ["1 or more"]),
        ("playlist", -3, ["1 or more"]),
    ],
)
def test_a_playlist_position_begins_at_one_and_catalog_rows_have_none(
    context: str, position: int | None, expected: list[str]
) -> None:
    finding = found(
        CAMPAIGN_ENGAGEMENT_DAILY,
        "playlist_position",
        engagement_context=context,
        playlist_position=position,
    )
    assert finding["expected"].to_list() == expected


def test_errors_come_first_then_the_larger_difference() -> None:
    rows = frame(
        CAMPAIGN_COUNTRY_DAILY,
        *(
            COUNTRY_ROW | {"country_code": code, "cpf": cpf}
            for code, cpf in [("AA", 4.5529), ("BB", 4.7), ("CC", 9.9), ("DD", 4.55), ("EE", None)]
        ),
    )
    rule = rule_named(CAMPAIGN_COUNTRY_DAILY, "cpf_identity")
    finding = failing_rows(rows, rule, CAMPAIGN_COUNTRY_DAILY.rows.key)
    assert finding["country_code"].to_list() == ["CC", "BB", "AA", "EE"]
