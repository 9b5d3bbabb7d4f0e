"""The tables of the page: what the filters choose, and the SQL that is shown."""

from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta

import polars as pl
import pytest

import soundlink_assets as sl
from soundlink_assets.explore import tables
from soundlink_assets.explore.tables import Filters, Query
from soundlink_assets_tests.loaded_warehouse import LAST_DAY

ALL = Filters(first=LAST_DAY - timedelta(days=27), last=LAST_DAY, currency="USD")
NARROW = replace(ALL, last=LAST_DAY - timedelta(days=20), countries=("US", "MX"), with_fees=True)
TABLES = (
    tables.totals,
    tables.countries,
    tables.campaigns,
    tables.days,
    tables.open_days,
    tables.other_tracks,
)


@pytest.fixture
def read(explored: str) -> Callable[[Query], pl.DataFrame]:
    opened = sl.open(explored)
    return lambda query: opened.sql(query.sql, query.parameters)


@pytest.mark.parametrize("filters", [ALL, replace(NARROW, campaigns=("it's", "b"))])
@pytest.mark.parametrize("table", TABLES)
def test_the_sql_that_is_shown_gives_the_table(
    table: Callable[[Filters], Query],
    filters: Filters,
    explored: str,
    read: Callable[[Query], pl.DataFrame],
) -> None:
    query = table(filters)

    assert sl.open(explored).sql(str(query)).equals(read(query))


@pytest.mark.parametrize("filters", [ALL, NARROW])
def test_every_table_adds_up_to_the_totals(
    filters: Filters, read: Callable[[Query], pl.DataFrame]
) -> None:
    total = read(tables.totals(filters))

    assert total["listeners"].item() > 0
    for table in (tables.countries, tables.campaigns, tables.days):
        sums = read(table(filters)).select(pl.col(filters.spend, "listeners", "streams").sum())
        assert sums.equals(total.select(sums.columns), null_equal=True)


def test_filters_choose_campaigns_countries_and_days(read: Callable[[Query], pl.DataFrame]) -> None:
    assert set(read(tables.countries(NARROW))["country_code"]) == {"US", "MX"}
    assert read(tables.days(NARROW))["report_date"].max() == NARROW.last
    first = read(tables.campaigns(ALL))["campaign_id"][0]
    assert read(tables.campaigns(replace(ALL, campaigns=(first,))))["campaign_id"].to_list() == [
        first
    ]


def test_fees_are_in_spend_and_costs_when_they_are_asked_for(
    read: Callable[[Query], pl.DataFrame],
) -> None:
    media = read(tables.totals(ALL)).row(0, named=True)
    paid = read(tables.totals(replace(ALL, with_fees=True))).row(0, named=True)

    assert paid["spend_total"] > media["spend_media"]
    assert paid["cost_per_listener_all_in"] > media["cost_per_listener"]


def test_intervals_are_given_for_one_campaign_only(read: Callable[[Query], pl.DataFrame]) -> None:
    every = read(tables.open_days(ALL)).row(0, named=True)
    first = read(tables.campaigns(ALL))["campaign_id"][0]
    one = read(tables.open_days(replace(ALL, campaigns=(first,)))).row(0, named=True)

    assert every["expected"] == pytest.approx(1.5 * every["reported"])
    assert every["low"] is None
    assert one["low"] == pytest.approx(1.2 * one["reported"])
