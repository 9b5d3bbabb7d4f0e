"""`docs/tables.md`: every table and column as described in the code, and ten queries that run."""

import re
from datetime import timedelta
from typing import Any

import polars as pl
import pytest

from soundlink_assets.definitions import tables_of
from soundlink_assets.metrics.engagement import spillover_tracks
from soundlink_assets.schema import (
    CAMPAIGN_COUNTRY_DAILY,
    CAMPAIGN_ENGAGEMENT_DAILY,
    EXPORTS,
    Export,
)
from soundlink_assets.schema.tables import Kind, Table
from soundlink_assets.schema.window import Window
from soundlink_assets.warehouse import open_for_reading, open_warehouse
from soundlink_assets_tests.docs.tables_page import NUMBERS, PAGE, SUMMED, summed, with_reference
from soundlink_assets_tests.loaded_warehouse import FETCHES, LAST_DAY, WINDOW, world

TEXT = PAGE.read_text(encoding="utf-8")
QUERIES = {
    int(number): sql
    for number, sql in re.findall(
        r"^### (\d+)\. [^\n]*\n(?:(?!^###).)*?```sql\n(.*?)```", TEXT, re.DOTALL | re.MULTILINE
    )
}
TABLES = (
    *tables_of(),
    *(export.superseded for export in EXPORTS),
    *(export.delivery_log for export in EXPORTS),
)


def read_frame(warehouse: str, sql: str) -> pl.DataFrame:
    return open_for_reading(warehouse).query(sql)


@pytest.fixture(scope="module")
def answers(loaded_warehouse: str) -> dict[int, pl.DataFrame]:
    return {number: read_frame(loaded_warehouse, sql) for number, sql in QUERIES.items()}


def test_the_reference_is_what_the_code_describes() -> None:
    """Write it anew with `python -m soundlink_assets_tests.docs.tables_page`."""
    assert with_reference(TEXT) == TEXT


@pytest.mark.parametrize("table", TABLES, ids=lambda table: table.name)
def test_every_table_has_a_section(table: Table) -> None:
    assert f"\n### `{table.qualified_name}`\n" in TEXT


@pytest.mark.parametrize("table", TABLES, ids=lambda table: table.name)
def test_the_stored_tables_have_the_documented_columns(table: Table, loaded_warehouse: str) -> None:
    stored = open_warehouse(loaded_warehouse).query(f"describe {table.qualified_name}")
    assert stored["column_name"].to_list() == list(table.column_names)


def test_no_ratio_is_said_to_be_summable() -> None:
    for table in TABLES:
        for column in table.columns:
            if column.kind is Kind.RATIO:
                assert summed(table, column) == "no"
            if column.kind not in NUMBERS:
                assert summed(table, column) == ""


def test_rules_on_sums_are_about_columns_that_exist() -> None:
    columns = {table.name: set(table.column_names) for table in TABLES}
    for table, rules in SUMMED.items():
        assert set(rules) <= columns[table]


def test_there_are_ten_queries() -> None:
    assert sorted(QUERIES) == list(range(1, 11))


@pytest.mark.parametrize("number", range(1, 11))
def test_each_query_runs_and_answers(number: int, answers: dict[int, pl.DataFrame]) -> None:
    assert not answers[number].is_empty()
    floats = answers[number].select(pl.col(pl.Float64))
    assert floats.filter(~pl.all_horizontal(pl.all().fill_null(0).is_finite())).is_empty()


def test_1_countries_are_the_sums_of_their_campaigns(
    answers: dict[int, pl.DataFrame], loaded_warehouse: str
) -> None:
    rows = read_frame(loaded_warehouse, "from analytics.country_scorecard")
    for row in answers[1].iter_rows(named=True):
        mine = rows.filter(country_code=row["country_code"])
        assert row["spend"] == mine["spend_media_28d"].sum()
        assert row["daily_listeners"] == mine["listeners_28d"].sum() >= 100
        assert row["campaigns_cheaper"] <= row["campaigns"] <= mine.height
        assert row["cost_per_listener"] == pytest.approx(
            float(row["spend"]) / float(row["daily_listeners"])
        )


def test_2_countries_are_of_one_campaign_in_order_of_rank(
    answers: dict[int, pl.DataFrame],
) -> None:
    ranks = answers[2]["rank"].drop_nulls().to_list()
    assert ranks == list(range(1, len(ranks) + 1))
    inside = (pl.col("cost_per_listener") >= pl.col("cost_per_listener_low")) & (
        pl.col("cost_per_listener") <= pl.col("cost_per_listener_high")
    )
    assert answers[2].drop_nulls().select(inside.all()).item()


def test_3_weeks_are_final_and_add_up(
    answers: dict[int, pl.DataFrame], loaded_warehouse: str
) -> None:
    daily = read_frame(loaded_warehouse, "from analytics.country_efficiency")
    first_open = daily.filter(~pl.col("is_settled"))["report_date"].min()
    weeks = answers[3].with_columns((pl.col("week").cast(pl.Date) + timedelta(days=6)).alias("end"))
    assert weeks["end"].max() < first_open  # type: ignore[operator]  # both are dates
    name, week = answers[3]["campaign_name"][0], answers[3]["week"].cast(pl.Date)[0]
    days = daily.filter(
        pl.col("campaign_name") == name, pl.col("report_date").dt.truncate("1w") == week
    )
    assert answers[3]["spend"][0] == days["spend_media"].sum()


def test_4_spillover_lowers_the_cost_of_a_play_and_of_a_listener(
    answers: dict[int, pl.DataFrame],
) -> None:
    for row in answers[4].iter_rows(named=True):
        ratio = row["cost_per_promoted_play"] / row["cost_per_play"]
        assert ratio > 1
        assert row["cost_per_listener"] / row["cost_per_listener_with_spillover"] == pytest.approx(
            ratio
        )


def test_5_first_figures_are_those_that_the_provider_served_first(
    answers: dict[int, pl.DataFrame],
) -> None:
    served = [_served(CAMPAIGN_COUNTRY_DAILY.name, now) for now in FETCHES]
    changed = 0
    for row in answers[5].iter_rows(named=True):
        first, current = (day.get(row["report_date"], {}) for day in served)
        assert row["listeners_first"] == first["listeners"]
        assert row["listeners_now"] == current["listeners"]
        assert (row["spend_first"], row["spend_now"]) == (first["spend"], current["spend"])
        changed += row["listeners_first"] != row["listeners_now"]
    assert answers[5].height == 14
    assert changed > 3


@pytest.mark.parametrize("export", EXPORTS, ids=lambda export: export.name)
def test_the_documented_macro_gives_the_rows_of_that_moment(
    export: Export, loaded_warehouse: str
) -> None:
    (statement,) = re.findall(rf"`(from {export.table.qualified_name}_as_of\(.*?\))`", TEXT)
    rows = read_frame(loaded_warehouse, statement)
    of = world()
    served = [
        row
        for link in of.links_at(export.scope.name, FETCHES[0])
        for row in of.rows(export.name, link.id, WINDOW, FETCHES[0])
    ]
    assert rows.height == len(served)
    assert rows["listeners"].sum() == sum(row["listeners"] for row in served)


def test_6_open_days_are_the_newest_ones(answers: dict[int, pl.DataFrame]) -> None:
    assert answers[6]["report_date"].max() == LAST_DAY
    assert answers[6]["report_date"].n_unique() < 9
    assert answers[6].filter(pl.col("open_spend") > pl.col("spend")).is_empty()


def test_7_spillover_tracks_are_those_of_the_metric(
    answers: dict[int, pl.DataFrame], loaded_warehouse: str
) -> None:
    rows = read_frame(loaded_warehouse, f"from {CAMPAIGN_ENGAGEMENT_DAILY.table.qualified_name}")
    expected = {row[:2]: row[3] for row in spillover_tracks(rows).iter_rows()}
    found = {
        (row["campaign_id"], row["engaged_spotify_track_id"]): row["plays"]
        for row in answers[7].iter_rows(named=True)
    }
    assert found == expected


def test_8_every_known_position_is_listed_once(answers: dict[int, pl.DataFrame]) -> None:
    positions = answers[8]["position"].to_list()
    assert positions[0] == 1
    assert len(set(positions)) == len(positions)
    assert answers[8].filter(~pl.col("usual_share_of_plays").is_between(0, 1)).is_empty()


def test_9_dear_countries_bring_fewer_listeners_than_their_money_would(
    answers: dict[int, pl.DataFrame],
) -> None:
    assert (
        answers[9]
        .filter(pl.col("daily_listeners_there") >= pl.col("at_the_campaigns_cost"))
        .is_empty()
    )
    assert answers[9].filter(~pl.col("share_of_spend").is_between(0, 1)).is_empty()


def test_10_the_fee_is_the_sandboxs_fifth(answers: dict[int, pl.DataFrame]) -> None:
    assert answers[10]["fee_share"].to_list() == pytest.approx(
        [0.2] * answers[10].height, abs=0.001
    )


def _served(export: str, now: Any) -> dict[Any, dict[str, Any]]:
    """Listeners and spend of each day, as the sandbox serves them at that moment."""
    of = world()
    window = Window(LAST_DAY - timedelta(days=13), WINDOW.last)
    days: dict[Any, dict[str, Any]] = {}
    for campaign in of.campaigns_at(now):
        for row in of.rows(export, campaign.campaign_id, window, now):
            day = days.setdefault(row["report_date"], {"listeners": 0, "spend": 0})
            day["listeners"] += row["listeners"]
            day["spend"] += row["spend_media"]
    return days
