"""What each campaign-day was at each fetch, and what is said of the open ones."""

from datetime import UTC, date, datetime, timedelta
from typing import Any

import numpy as np
import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from soundlink_assets.metrics.nowcast import NO_CURRENCY, REVISIONS, revision_nowcast, revisions
from soundlink_assets.metrics.nowcast_backtest import judged_nowcasts, nowcast_backtest
from soundlink_assets.schema import CAMPAIGN_COUNTRY_DAILY, CAMPAIGN_ENGAGEMENT_DAILY
from soundlink_assets.schema.frames import polars_schema
from soundlink_assets.schema.nowcast import (
    CAMPAIGN,
    NOTHING_REPORTED,
    NOWCAST_BACKTEST,
    ORGANISATION,
    REVISION_NOWCAST,
    TOO_FEW_DAYS,
)
from soundlink_assets_tests.metrics.observations import START, Array, days_of, observed
from soundlink_assets_tests.metrics.rows import DAY, country_rows, engagement_rows, midnight

CURVE = np.array([0.5, 0.65, 0.77, 0.86, 0.92, 0.96, 0.985])
DAYS = 70
EXPORT = CAMPAIGN_COUNTRY_DAILY
_COLUMNS = ("country_code", "listeners", "spend_media")


def steady(size: float, campaigns: int = 1, days: int = DAYS, seed: int = 0) -> Array:
    sizes = np.full((campaigns, days), size)
    return days_of(sizes, days, CURVE, np.random.default_rng(seed), steady=12.0)


def newest_day(nowcast: pl.DataFrame, campaign: str = "c0") -> dict[str, Any]:
    return nowcast.filter(campaign_id=campaign, age_days=0).row(0, named=True)


# ---- what a campaign-day was at each fetch ----


def history_of(
    *deliveries: list[tuple[str, int, str]] | None, day: date = DAY, hours: int = 24
) -> tuple[pl.DataFrame, pl.DataFrame, pl.DataFrame]:
    """Rows, superseded rows and delivery log after deliveries, the first of them at the day's end.

    A delivery is a list of (country, listeners, spend), or None where it was not stored.
    """
    versions: list[dict[str, Any]] = []
    log = []
    for number, delivery in enumerate(deliveries):
        if delivery is None:
            continue
        at = midnight(day, 1) + timedelta(hours=hours * number)
        stays = [dict(zip(_COLUMNS, row, strict=True)) for row in delivery]
        for version in versions:
            figures = {name: version[name] for name in _COLUMNS}
            if version["superseded_at"] is None:
                if figures in stays:
                    stays.remove(figures)
                else:
                    version["superseded_at"] = at
        versions += [row | {"ingested_at": at, "superseded_at": None} for row in stays]
        log.append(
            {
                "requested_campaign_id": "c1",
                "report_date": day,
                "fetched_at": at,
                "oldest_exported_at": at,
                "delivery_exported_at": at,
                "written_at": at,
            }
        )
    ended = [version.pop("superseded_at") for version in versions]
    rows = country_rows(*({**version, "report_date": day} for version in versions))
    rows = rows.with_columns(pl.Series("superseded_at", ended, pl.Datetime("us", "UTC")))
    times = ("fetched_at", "oldest_exported_at", "delivery_exported_at", "written_at")
    return (
        rows.filter(pl.col("superseded_at").is_null()).drop("superseded_at"),
        rows.filter(pl.col("superseded_at").is_not_null()),
        pl.DataFrame(log).cast(dict.fromkeys(times, pl.Datetime("us", "UTC"))),
    )


def values(observations: pl.DataFrame, measure: str = "listeners") -> list[float]:
    return observations.filter(measure=measure).sort("fetched_at")["value"].to_list()


def test_a_day_is_observed_at_each_fetch_also_where_nothing_changed() -> None:
    first, more = [("US", 5, "1.00")], [("US", 5, "1.00"), ("DE", 2, "0.10")]
    observations = revisions(EXPORT, *history_of(first, first, more))
    assert observations.schema == REVISIONS
    assert values(observations) == [5, 5, 7]
    assert values(observations, "spend_media") == [1.0, 1.0, 1.1]


def test_rows_that_were_changed_or_withdrawn_count_until_then() -> None:
    history = history_of([("US", 5, "1"), ("DE", 2, "1")], [("US", 4, "1")], [], [("US", 6, "2")])
    assert values(revisions(EXPORT, *history)) == [7, 4, 0, 6]


def test_the_last_of_many_fetches_is_final_by_the_delivery_log() -> None:
    delivered = [[("US", 5, "1")]] * 9
    observations = revisions(EXPORT, *history_of(*delivered)).filter(measure="listeners")
    assert observations.sort("fetched_at")["is_settled"].to_list() == [False] * 7 + [True] * 2


def test_fetches_of_a_day_that_has_not_closed_are_left_out() -> None:
    rows, superseded, log = history_of([("US", 5, "1")], [("US", 6, "1")])
    early = log.with_columns(pl.col("fetched_at") - timedelta(hours=1))
    assert values(revisions(EXPORT, rows, superseded, early)) == [6]


def test_amounts_are_kept_by_currency_and_counts_are_not() -> None:
    rows = country_rows(
        {"country_code": "US", "listeners": 3, "spend_media": "5", "currency": "USD"},
        {"country_code": "DE", "listeners": 2, "spend_media": "4", "currency": "EUR"},
    ).with_columns(pl.lit(midnight(DAY, 1)).alias("ingested_at"))
    _, superseded, log = history_of([("US", 1, "1")])
    found = revisions(EXPORT, rows, superseded, log)
    spend = found.filter(measure="spend_media").sort("currency")
    assert spend["currency"].to_list() == ["EUR", "USD"]
    assert spend["value"].to_list() == [4.0, 5.0]
    assert values(found) == [5]
    assert found.filter(measure="listeners")["currency"].to_list() == [NO_CURRENCY]


def test_streams_of_the_engagement_export_are_a_measure_of_their_own() -> None:
    rows = engagement_rows(
        {"country_code": "US", "streams": 3}, {"country_code": "DE", "streams": 4}
    ).with_columns(pl.lit(midnight(DAY, 1)).alias("ingested_at"))
    superseded = rows.clear().with_columns(
        pl.lit(None, pl.Datetime("us", "UTC")).alias("superseded_at")
    )
    _, _, log = history_of([("US", 1, "1")])
    found = revisions(CAMPAIGN_ENGAGEMENT_DAILY, rows, superseded, log)
    assert values(found, "engagement_streams") == [7]


_delivery = st.lists(
    st.tuples(
        st.sampled_from(["US", "DE", "FR"]), st.integers(0, 9), st.sampled_from(["1.10", "0.20"])
    ),
    unique_by=lambda row: row[0],
)


@given(st.lists(st.none() | _delivery, min_size=1, max_size=8))
def test_every_fetch_observes_the_sum_of_what_it_delivered(
    deliveries: list[list[tuple[str, int, str]] | None],
) -> None:
    delivered = [each for each in deliveries if each is not None]
    seen = any(delivered)
    if not seen:
        return
    found = revisions(EXPORT, *history_of(*deliveries))
    assert values(found) == [sum(row[1] for row in each) for each in delivered]
    assert values(found, "spend_media") == pytest.approx(
        [sum(float(row[2]) for row in each) for each in delivered]
    )


# ---- what is said of open days ----


def test_there_is_a_row_for_each_open_day_campaign_and_measure() -> None:
    both = [observed(steady(30, 2)), observed(steady(60, 2), measure="streams")]
    nowcast = revision_nowcast(pl.concat(both))
    assert nowcast.schema == polars_schema(REVISION_NOWCAST)
    assert nowcast.height == 2 * 2 * 7
    assert nowcast["age_days"].unique().sort().to_list() == list(range(7))
    newest = START + timedelta(days=DAYS - 1)
    assert nowcast["report_date"].max() == newest
    assert newest_day(nowcast)["as_of"] == datetime(2026, 3, 12, 6, tzinfo=UTC)


def test_an_expectation_is_what_is_reported_over_how_complete_such_days_were() -> None:
    day = newest_day(revision_nowcast(observed(steady(5_000))))
    assert day["expected"] == pytest.approx(day["reported"] / CURVE[0], rel=0.05)
    assert day["completeness"] == pytest.approx(day["reported"] / day["expected"])
    assert day["low"] < day["low_50"] < day["expected"] < day["high_50"] < day["high"]
    assert (day["basis_days"], day["pooled"], day["reason"]) == (56, CAMPAIGN, None)


def test_counts_that_only_rise_are_not_expected_to_fall() -> None:
    nowcast = revision_nowcast(observed(steady(30, 4)))
    assert (nowcast["low"] >= nowcast["reported"]).all()


def test_a_measure_that_is_revised_downwards_is_expected_to_fall() -> None:
    final = steady(200)[:, :, -1:]
    falling = np.round(final * np.linspace(1.2, 1.0, 8))
    day = newest_day(revision_nowcast(observed(falling)))
    assert day["expected"] == pytest.approx(day["reported"] / 1.2, rel=0.03)
    assert day["high"] < day["reported"]


def test_days_that_rise_or_fall_have_room_on_both_sides() -> None:
    rng = np.random.default_rng(2)
    counts = np.round(steady(500)[:, :, -1:] * (1 + rng.normal(0, 0.05, (1, DAYS, 8))))
    nowcast = revision_nowcast(observed(counts))
    assert (nowcast["low"] < nowcast["reported"]).all()
    assert (nowcast["high"] > nowcast["reported"]).all()


def test_a_day_of_which_nothing_is_in_yet_is_expected_at_the_level_of_the_others() -> None:
    counts = steady(8)
    counts[:, -1, 0] = 0
    day = newest_day(revision_nowcast(observed(counts)))
    assert 1 < day["expected"] < 6
    assert day["completeness"] == 0
    assert day["high"] >= 5


@pytest.mark.parametrize(("reported", "least", "most"), [(0, 0, 2), (2_000, 3_500, 4_500)])
def test_a_day_unlike_the_others_is_judged_by_itself(
    reported: float, least: float, most: float
) -> None:
    """A campaign that stopped, and one whose budget was raised tenfold."""
    counts = steady(400)
    counts[:, -1, 0] = reported
    assert least <= newest_day(revision_nowcast(observed(counts)))["expected"] <= most


def test_a_new_campaign_is_expected_to_come_in_as_the_organisation_does() -> None:
    newcomer = steady(300)
    newcomer[:, :-4] = np.nan
    both = pl.concat([observed(steady(100, 3)), observed(newcomer, prefix="new ")])
    day = newest_day(revision_nowcast(both), "new 0")
    assert (day["pooled"], day["basis_days"]) == (ORGANISATION, 56)
    assert day["expected"] == pytest.approx(day["reported"] / CURVE[0], rel=0.15)
    own = newest_day(revision_nowcast(both), "c0")
    relative = [(each["high"] - each["low"]) / each["expected"] for each in (day, own)]
    assert relative[0] > 0.5 * relative[1]


def test_nothing_is_learnt_from_another_organisation() -> None:
    newcomer = steady(300)
    newcomer[:, :-4] = np.nan
    others = observed(steady(100, 3), account="another")
    nowcast = revision_nowcast(pl.concat([others, observed(newcomer, prefix="new ")]))
    assert newest_day(nowcast, "new 0")["reason"] == TOO_FEW_DAYS


@pytest.mark.parametrize(("final_days", "speaks"), [(13, False), (14, True)])
def test_it_speaks_from_fourteen_final_days_on(final_days: int, speaks: bool) -> None:  # noqa: FBT001
    day = newest_day(revision_nowcast(observed(steady(30, days=final_days + 7))))
    assert day["basis_days"] == final_days
    assert (day["reason"] is None) is speaks
    assert (day["expected"] is not None) is speaks
    assert day["reported"] > 0


def test_days_that_were_fetched_only_once_final_teach_nothing() -> None:
    loaded_at_once = steady(30)
    loaded_at_once[:, :-7, :7] = np.nan
    day = newest_day(revision_nowcast(observed(loaded_at_once)))
    assert (day["reason"], day["basis_days"]) == (TOO_FEW_DAYS, 0)


def test_a_campaign_that_is_fetched_at_another_hour_is_compared_with_that_hour() -> None:
    """Fetched at 6:00 and 18:00, of which only the latter sees a further tenth of the day."""
    counts = np.floor(1_000 * np.concatenate([CURVE, [1.0]]) * np.ones((1, DAYS, 1)))
    morning = observed(counts, hour=6)
    evening = observed(np.minimum(counts + 100, 1_000), hour=18)
    after_noon = revision_nowcast(pl.concat([morning, evening]))
    assert newest_day(after_noon)["expected"] == pytest.approx(1_000, rel=0.02)
    before = evening.filter(pl.col("fetched_at") < evening["fetched_at"].max())
    before_noon = revision_nowcast(pl.concat([morning, before]))
    assert newest_day(before_noon)["reported"] == 500
    assert newest_day(before_noon)["expected"] == pytest.approx(1_000, rel=0.02)


def test_a_day_that_is_reported_in_full_is_expected_to_stay() -> None:
    still = np.broadcast_to(steady(50)[:, :, -1:], (1, DAYS, 8))
    nowcast = revision_nowcast(observed(np.array(still)))
    assert nowcast["low"].equals(nowcast["reported"])
    assert nowcast["high"].to_list() == pytest.approx(nowcast["reported"].to_list(), abs=1)


def test_nothing_is_said_without_observations() -> None:
    nothing = pl.DataFrame(schema=REVISIONS)
    assert revision_nowcast(nothing).equals(pl.DataFrame(schema=polars_schema(REVISION_NOWCAST)))
    assert nowcast_backtest(nothing).equals(pl.DataFrame(schema=polars_schema(NOWCAST_BACKTEST)))


# ---- money ----


def spend(seed: int = 0, noise: float = 0.02) -> Array:
    """Amounts that are corrected up or down, the less the older the day is."""
    rng = np.random.default_rng(seed)
    final = rng.uniform(20, 60, (3, DAYS, 1))
    correction = rng.normal(0.03, noise, (3, DAYS, 1)) * np.linspace(1, 0, 8)
    return np.round(final * (1 - correction), 2)


def test_money_is_expected_in_proportion_with_room_on_both_sides() -> None:
    nowcast = revision_nowcast(observed(spend(), measure="spend_media"))
    assert nowcast["currency"].unique().to_list() == ["USD"]
    day = newest_day(nowcast)
    assert day["expected"] == pytest.approx(day["reported"] / 0.97, rel=0.01)
    assert 0.9 * day["expected"] < day["low"] < day["reported"] < day["high"]


def test_intervals_of_money_cover_what_they_say() -> None:
    judged = nowcast_backtest(observed(spend(1), measure="spend_media"), days=40)
    together = judged.select(pl.col("covered_95", "covered_50", "cases").sum()).row(0)
    assert 0.92 < together[0] / together[2] < 0.99
    assert 0.42 < together[1] / together[2] < 0.60


def test_money_of_which_none_is_reported_has_no_expectation() -> None:
    amounts = spend()
    amounts[0, -1, 0] = 0
    day = newest_day(revision_nowcast(observed(amounts, measure="spend_media")))
    assert (day["expected"], day["high"], day["reason"]) == (None, None, NOTHING_REPORTED)


# ---- the backtest ----


def test_the_backtest_is_of_the_last_28_final_days() -> None:
    backtest = nowcast_backtest(observed(steady(30, 2)))
    assert backtest["last_day"].unique().to_list() == [START + timedelta(days=DAYS - 8)]
    assert backtest["first_day"].unique().to_list() == [START + timedelta(days=DAYS - 35)]
    assert backtest["cases"].to_list() == [2 * 28] * 7


def test_a_nowcast_of_the_past_knows_nothing_of_later_fetches() -> None:
    counts = steady(30, 2)
    changed = counts.copy()
    changed[:, -12:] += 1_000
    moment = pl.lit(datetime.combine(START + timedelta(days=DAYS - 12), datetime.max.time(), UTC))
    said = [
        judged_nowcasts(observed(each), 28)
        .filter(pl.col("as_of") < moment)
        .drop("final")
        .sort("campaign_id", "report_date", "as_of")
        for each in (counts, changed)
    ]
    assert said[0].equals(said[1])
    assert said[0].height > 100


def test_reported_figures_score_their_absolute_error() -> None:
    backtest = nowcast_backtest(observed(steady(200)))
    scores = backtest.sort("age_days")["interval_score_reported"]
    assert scores[0] == pytest.approx(100, rel=0.15)
    assert scores.is_sorted(descending=True)
    assert (backtest["gain"] > 0).all()


def test_sizes_are_those_of_the_campaign_and_not_of_the_outcome() -> None:
    both = pl.concat([observed(steady(5)), observed(steady(400), prefix="d")])
    sizes = nowcast_backtest(both).group_by("size").agg(pl.col("cases").sum())
    assert dict(sizes.iter_rows()) == {"below 10": 196, "100 and more": 196}


# ---- whatever comes ----


@pytest.mark.filterwarnings("error")
@settings(max_examples=40, deadline=None)
@given(
    seed=st.integers(0, 2**32 - 1),
    size=st.sampled_from([0.1, 3.0, 50.0, 1e4, 1e9]),
    days=st.integers(1, 60),
    revised=st.sampled_from(["up", "down", "both", "never", "from nothing"]),
    measure=st.sampled_from(["listeners", "spend_media"]),
)
def test_intervals_are_ordered_and_finite_for_any_history(
    seed: int, size: float, days: int, revised: str, measure: str
) -> None:
    rng = np.random.default_rng(seed)
    final = rng.poisson(size * rng.gamma(2.0, 0.5, (2, days, 1))).astype(float)
    curve = np.sort(np.append(rng.uniform(0, 1, 7), 1.0))
    factor = {
        "up": curve,
        "down": 2 - curve,
        "both": np.append(rng.uniform(0, 2, 7), 1.0),
        "never": np.ones(8),
        "from nothing": np.append(np.zeros(7), 1.0),
    }[revised]
    counts = np.floor(final * factor)
    counts[rng.uniform(size=counts.shape) < 0.2] = np.nan
    said = revision_nowcast(observed(counts, measure=measure)).drop_nulls("expected")
    ends = said.select("low", "low_50", "high_50", "high").to_numpy()
    assert np.isfinite(ends).all()
    assert (ends >= 0).all()
    assert (np.diff(ends) >= 0).all()
    assert (said["expected"] >= 0).all()
