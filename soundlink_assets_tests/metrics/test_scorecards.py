"""`campaign_scorecard` and `country_scorecard` on small cases that are computed by hand."""

from datetime import date, timedelta
from decimal import Decimal
from typing import Any

import numpy as np
import polars as pl
import pytest
from polars.testing import assert_frame_equal

from soundlink_assets.metrics.country_efficiency import country_efficiency
from soundlink_assets.metrics.engagement import spillover_share
from soundlink_assets.metrics.scorecards import campaign_scorecard, country_scorecard
from soundlink_assets.metrics.uncertainty import poisson_interval
from soundlink_assets.schema.analytics import (
    CAMPAIGN_SCORECARD,
    COUNTRY_EFFICIENCY,
    COUNTRY_SCORECARD,
    SPILLOVER_SHARE,
)
from soundlink_assets.schema.frames import empty_frame, polars_schema
from soundlink_assets_tests.metrics.rows import (
    DAY,
    PROMOTED_ID,
    country_rows,
    engagement_rows,
    log_of,
    midnight,
)

AS_OF = DAY + timedelta(days=60)
NO_PLAYS = empty_frame(SPILLOVER_SHARE)
NO_SPEND = empty_frame(COUNTRY_EFFICIENCY)


def _day(offset: int) -> date:
    return DAY + timedelta(days=offset)


def _daily(*rows: dict[str, Any], settled_until: date | None = None) -> pl.DataFrame:
    """`country_efficiency` of the rows; days after `settled_until` are open."""
    frame = country_rows(*rows)
    log = log_of(frame, midnight(AS_OF, 30))
    if settled_until is not None:
        log = log.with_columns(
            fetched_at=pl.when(pl.col("report_date") > settled_until)
            .then(pl.lit(midnight(DAY)))
            .otherwise("fetched_at")
        )
    return country_efficiency(frame, log)


def _plays(*rows: dict[str, Any]) -> pl.DataFrame:
    frame = engagement_rows(*rows)
    return spillover_share(frame, log_of(frame, midnight(AS_OF, 30)))


def _only(card: pl.DataFrame) -> dict[str, Any]:
    assert card.height == 1
    return card.row(0, named=True)


def test_ratios_are_ratios_of_sums_and_not_averages_of_ratios() -> None:
    card = _only(
        campaign_scorecard(
            _daily(
                {"spend_media": "100.00", "listeners": 100, "followers": 10},
                {
                    "spend_media": "1.00",
                    "listeners": 100,
                    "followers": 0,
                    "report_date": _day(1),
                    "country_code": "BR",
                },
            ),
            NO_PLAYS,
            AS_OF,
        )
    )
    assert card["spend_media"] == Decimal("101.00")
    assert card["listeners"] == 200
    assert card["cost_per_listener"] == pytest.approx(101 / 200)
    assert card["cost_per_follower"] == pytest.approx(101 / 10)
    assert card["days"] == 2
    assert (card["first_day"], card["last_day"]) == (DAY, _day(1))
    assert card["as_of"] == AS_OF


def test_unknown_clicks_are_left_out_of_both_sums() -> None:
    card = _only(
        campaign_scorecard(
            _daily(
                {"spend_media": "8.00", "link_clicks": 20, "impressions": 400},
                {
                    "spend_media": "2.00",
                    "link_clicks": None,
                    "impressions": 600,
                    "country_code": "DE",
                },
            ),
            NO_PLAYS,
            AS_OF,
        )
    )
    assert card["link_clicks"] == 20
    assert card["cost_per_link_click"] == pytest.approx(8 / 20)
    assert card["ctr_link"] == pytest.approx(20 / 400)
    assert card["ctr_link_low"] == pytest.approx(0.0326, abs=1e-4)
    assert card["ctr_link_high"] == pytest.approx(0.0760, abs=1e-4)


def test_intervals_surround_the_cost() -> None:
    card = _only(
        campaign_scorecard(_daily({"spend_media": "50", "listeners": 10}), NO_PLAYS, AS_OF)
    )
    assert card["cost_per_listener_low"] == pytest.approx(50 / 18.3904, rel=1e-4)
    assert card["cost_per_listener"] == pytest.approx(5.0)
    assert card["cost_per_listener_high"] == pytest.approx(50 / 4.7954, rel=1e-4)
    assert card["cost_per_follower"] is None
    assert card["cost_per_follower_low"] == pytest.approx(50 / 3.6889, rel=1e-4)
    assert card["cost_per_follower_high"] is None


def _width(card: pl.DataFrame) -> float:
    row = _only(card)
    return float(row["cost_per_listener_high"] - row["cost_per_listener_low"])


def test_intervals_are_as_wide_as_the_days_differ() -> None:
    even, uneven = (
        _daily(
            *(
                {"spend_media": "50", "listeners": 100 + way * swing, "report_date": _day(n)}
                for n, way in enumerate((1, -1) * 7)
            )
        )
        for swing in (10, 90)
    )
    widths = [_width(campaign_scorecard(daily, NO_PLAYS, AS_OF)) for daily in (even, uneven)]
    assert widths[1] > 1.5 * widths[0]
    few = uneven.filter(pl.col("report_date") < _day(6))
    row = _only(campaign_scorecard(few, NO_PLAYS, AS_OF))
    assert row["cost_per_listener_low"] == pytest.approx(
        300 / poisson_interval(np.array([600.0]))[1][0]
    )


def test_open_days_do_not_widen_where_there_are_seven_final_ones() -> None:
    """Listeners are still missing on the last days: that is not how much days differ."""
    rows = [
        {"spend_media": "50", "listeners": 200 if n < 10 else 120, "report_date": _day(n)}
        for n in range(14)
    ]
    final, partly_open, few_final = (_daily(*rows, settled_until=_day(last)) for last in (13, 9, 5))
    widths = [
        _width(campaign_scorecard(daily, NO_PLAYS, AS_OF))
        for daily in (final, partly_open, few_final)
    ]
    assert widths[0] == pytest.approx(widths[2])
    assert widths[1] < 0.5 * widths[0]


def test_settled_days_and_share_of_spend() -> None:
    card = _only(
        campaign_scorecard(
            _daily(
                {"spend_media": "30", "report_date": _day(0)},
                {"spend_media": "30", "report_date": _day(1)},
                {"spend_media": "20", "report_date": _day(2)},
                settled_until=_day(1),
            ),
            NO_PLAYS,
            AS_OF,
        )
    )
    assert (card["days"], card["settled_days"]) == (3, 2)
    assert card["settled_spend_share"] == pytest.approx(0.75)


def test_the_last_28_settled_days_end_at_the_newest_settled_day() -> None:
    daily = _daily(
        *({"spend_media": "1", "listeners": 1, "report_date": _day(n)} for n in range(40)),
        settled_until=_day(34),
    )
    card = _only(campaign_scorecard(daily, NO_PLAYS, AS_OF))
    assert card["last_settled_day"] == _day(34)
    assert (card["days"], card["days_28d"]) == (40, 28)
    assert card["spend_media_28d"] == Decimal(28)
    assert card["listeners_28d"] == 28


def test_an_open_row_within_the_28_days_is_left_out() -> None:
    rows = country_rows(
        {"spend_media": "1", "campaign_id": "late"}, {"spend_media": "1", "campaign_id": "good"}
    )
    log = log_of(rows, midnight(AS_OF)).with_columns(
        fetched_at=pl.when(pl.col("requested_campaign_id") == "late")
        .then(pl.lit(midnight(DAY)))
        .otherwise("fetched_at")
    )
    card = campaign_scorecard(country_efficiency(rows, log), NO_PLAYS, AS_OF)
    assert card.select("campaign_id", "days", "days_28d", "spend_media_28d").rows() == [
        ("good", 1, 1, Decimal(1)),
        ("late", 1, 0, None),
    ]


def test_nothing_settled_leaves_the_28_days_empty() -> None:
    daily = _daily({"spend_media": "1", "listeners": 2}, settled_until=_day(-1))
    card = _only(campaign_scorecard(daily, NO_PLAYS, AS_OF))
    assert card["last_settled_day"] is None
    assert card["days_28d"] == 0
    assert card["cost_per_listener_28d"] is None
    assert card["settled_spend_share"] == pytest.approx(0.0)
    assert card["cost_per_listener"] == pytest.approx(0.5)


def test_days_after_as_of_are_left_out() -> None:
    daily = _daily({"spend_media": "1"}, {"spend_media": "5", "report_date": _day(3)})
    plays = _plays({"streams": 7}, {"streams": 9, "report_date": _day(3)})
    card = _only(campaign_scorecard(daily, plays, _day(2)))
    assert card["spend_media"] == Decimal(1)
    assert card["spillover_streams"] == 7
    assert card["last_day"] == DAY


def test_currencies_are_never_added() -> None:
    daily = _daily(
        {"spend_media": "1", "listeners": 4},
        {"spend_media": "3", "listeners": 3, "currency": "EUR", "country_code": "DE"},
    )
    card = campaign_scorecard(daily, NO_PLAYS, AS_OF)
    assert card.select("currency", "cost_per_listener").rows() == [("EUR", 1.0), ("USD", 0.25)]


def test_spillover_is_a_ratio_of_sums() -> None:
    promoted = {"engaged_spotify_track_id": PROMOTED_ID}
    plays = _plays(
        {**promoted, "streams": 90},
        {"streams": 10},
        {**promoted, "streams": 10, "country_code": "DE"},
        {"streams": 90, "country_code": "DE", "report_date": _day(1)},
    )
    card = _only(campaign_scorecard(_daily({"spend_media": "1"}), plays, AS_OF))
    assert (card["promoted_streams"], card["spillover_streams"]) == (100, 100)
    assert card["spillover_stream_share"] == pytest.approx(0.5)
    assert card["halo_multiplier"] == pytest.approx(1.0)


def test_a_playlist_campaign_has_no_spillover_figures() -> None:
    card = _only(campaign_scorecard(_daily({"spend_media": "1"}), NO_PLAYS, AS_OF))
    assert card["promoted_streams"] is None
    assert card["spillover_stream_share"] is None


def test_a_campaign_with_plays_only_has_a_row_with_unknown_spend() -> None:
    card = _only(campaign_scorecard(NO_SPEND, _plays({"streams": 3}), AS_OF))
    assert card["currency"] is None
    assert card["spend_media"] is None
    assert card["cost_per_listener"] is None
    assert card["days"] == 0
    assert card["spillover_streams"] == 3


def test_plays_take_the_currency_of_their_campaign() -> None:
    card = country_scorecard(
        _daily({"spend_media": "1", "country_code": "US"}),
        _plays({"streams": 3, "country_code": "FR"}),
        AS_OF,
    )
    assert card.select("country_code", "currency", "spend_media", "spillover_streams").rows() == [
        ("FR", "USD", None, 3),
        ("US", "USD", Decimal(1), None),
    ]


def test_countries_are_ranked_by_the_shrunk_cost() -> None:
    """One lucky listener for a cent does not beat a thousand for a thousand cents each."""
    card = country_scorecard(
        _daily(
            {"country_code": "AA", "spend_media": "100", "listeners": 100},
            {"country_code": "BB", "spend_media": "100", "listeners": 400},
            {"country_code": "CC", "spend_media": "0.10", "listeners": 1},
            {"country_code": "DD", "spend_media": "100", "listeners": 80},
        ),
        NO_PLAYS,
        AS_OF,
    )
    cheapest_raw = card.sort("cost_per_listener")["country_code"].to_list()
    ranked = card.sort("rank")["country_code"].to_list()
    assert cheapest_raw == ["CC", "BB", "AA", "DD"]
    assert ranked == ["BB", "CC", "AA", "DD"]
    beats = dict(card.select("country_code", "probability_beats_campaign").iter_rows())
    assert beats["BB"] > 0.99
    assert beats["DD"] < 0.01
    assert 0.2 < beats["CC"] < 0.9


def test_a_country_is_compared_with_the_cost_that_its_campaign_shows() -> None:
    """400 for 2,000 listeners, 400 of them in a country without spend: 0.20, and not 0.25."""
    daily = _daily(
        {"country_code": "FR", "spend_media": "217", "listeners": 1000},
        {"country_code": "US", "spend_media": "183", "listeners": 600},
        {"country_code": "BR", "spend_media": "0", "listeners": 400},
    )
    campaign = _only(campaign_scorecard(daily, NO_PLAYS, AS_OF))
    card = country_scorecard(daily, NO_PLAYS, AS_OF)
    for period in ("", "_28d"):
        assert campaign[f"cost_per_listener{period}"] == pytest.approx(0.2)
        beats = dict(card.select("country_code", f"probability_beats_campaign{period}").iter_rows())
        assert beats["FR"] < 0.01
        assert beats["US"] < 0.01
        assert beats["BR"] is None
        ranks = dict(card.select("country_code", f"rank{period}").iter_rows())
        assert ranks == {"FR": 1, "US": 2, "BR": None}


def test_each_currency_of_a_campaign_has_a_cost_of_its_own_to_beat() -> None:
    """Listeners without spend in dollars leave the countries that were paid in euros alone."""
    euros = (
        {"country_code": "FR", "spend_media": "100", "listeners": 600, "currency": "EUR"},
        {"country_code": "DE", "spend_media": "100", "listeners": 400, "currency": "EUR"},
    )
    dollars = {"country_code": "BR", "spend_media": "0", "listeners": 5000}
    alone, beside = (
        country_scorecard(_daily(*rows), NO_PLAYS, AS_OF).filter(currency="EUR")
        for rows in (euros, (*euros, dollars))
    )
    assert_frame_equal(alone, beside)
    assert alone["probability_beats_campaign"].to_list()[1] > 0.99


def test_a_campaign_without_spend_has_no_costs_to_compare() -> None:
    card = country_scorecard(
        _daily(
            {"country_code": "BR", "spend_media": "0", "listeners": 400},
            {"country_code": "US", "spend_media": "0", "listeners": 4},
        ),
        NO_PLAYS,
        AS_OF,
    )
    compared = card.select("cost_per_listener_shrunk", "rank", "probability_beats_campaign")
    assert compared.rows() == [(None, None, None), (None, None, None)]


def test_ranks_are_within_a_campaign_and_a_currency() -> None:
    card = country_scorecard(
        _daily(
            {"country_code": "US", "spend_media": "1", "listeners": 1},
            {"country_code": "DE", "spend_media": "2", "listeners": 1},
            {"country_code": "DE", "spend_media": "9", "listeners": 1, "campaign_id": "c2"},
            {"country_code": "FR", "spend_media": "9", "listeners": 1, "currency": "EUR"},
        ),
        NO_PLAYS,
        AS_OF,
    )
    assert card.select("campaign_id", "country_code", "rank").rows() == [
        ("c1", "DE", 2),
        ("c1", "FR", 1),
        ("c1", "US", 1),
        ("c2", "DE", 1),
    ]


def test_a_country_without_spend_or_a_campaign_without_listeners_has_no_rank() -> None:
    card = country_scorecard(
        _daily(
            {"country_code": "US", "spend_media": "5", "listeners": 5},
            {"country_code": "DE", "spend_media": "0", "listeners": 5},
            {"country_code": "US", "spend_media": "5", "listeners": 0, "campaign_id": "c2"},
        ),
        NO_PLAYS,
        AS_OF,
    )
    assert card.select("campaign_id", "country_code", "rank").rows() == [
        ("c1", "DE", None),
        ("c1", "US", 1),
        ("c2", "US", None),
    ]


def test_the_order_of_rows_changes_nothing() -> None:
    daily = _daily(
        *(
            {
                "country_code": country,
                "spend_media": f"{n}.37",
                "listeners": n * 3 % 17,
                "report_date": _day(n % 5),
            }
            for n, country in enumerate(["US", "DE", "FR", "NO", "NA"] * 5, start=1)
        )
    )
    plays = _plays({"streams": 3}, {"streams": 5, "country_code": "DE"})
    card = country_scorecard(daily, plays, AS_OF)
    assert_frame_equal(card, country_scorecard(daily.reverse(), plays.reverse(), AS_OF))


@pytest.mark.parametrize(
    ("compute", "table"),
    [(campaign_scorecard, CAMPAIGN_SCORECARD), (country_scorecard, COUNTRY_SCORECARD)],
)
def test_the_result_has_the_described_columns_and_types(compute: Any, table: Any) -> None:
    assert compute(NO_SPEND, NO_PLAYS, AS_OF).schema == polars_schema(table)
    card = compute(_daily({"spend_media": "1", "listeners": 1}), NO_PLAYS, AS_OF)
    assert card.schema == polars_schema(table)
    required = [column.name for column in table.columns if not column.nullable]
    assert not card.select(required).null_count().row(0).count(1)


def test_a_country_has_a_value_where_statements_give_one() -> None:
    daily = _daily({"country_code": "US"}, {"country_code": "DE"})
    value = pl.DataFrame(
        {
            "campaign_id": ["c1", "c1"],
            "country_code": ["US", "US"],
            "currency": ["USD", "EUR"],
            "revenue_per_stream": [0.004, 0.1],
            "break_even_cost_per_listener": [0.01, None],
        }
    )
    columns = ["country_code", "revenue_per_stream", "break_even_cost_per_listener"]
    card = country_scorecard(daily, NO_PLAYS, AS_OF, value)
    assert card.select(columns).rows() == [("DE", None, None), ("US", 0.004, 0.01)]
    assert country_scorecard(daily, NO_PLAYS, AS_OF)["revenue_per_stream"].null_count() == 2
