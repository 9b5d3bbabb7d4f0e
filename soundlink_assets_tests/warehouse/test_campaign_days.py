"""What a delivery replaces, and what it leaves alone."""

from datetime import UTC, datetime, timedelta
from typing import Any

import polars as pl
import pytest

from soundlink_assets.schema import CAMPAIGN_ENGAGEMENT_DAILY
from soundlink_assets.schema.frames import polars_schema
from soundlink_assets.schema.window import Window
from soundlink_assets.warehouse import DeliveryBatch, DoubledRowsError, Replaced, Warehouse
from soundlink_assets_tests.warehouse.deliveries import (
    DAY,
    EXPORT,
    HISTORY,
    LOG,
    NAME,
    NEXT_DAY,
    NOON,
    ONE_DAY,
    TABLE,
    TWO_DAYS,
    batch,
    frame,
    hour,
    write,
)


def stored(warehouse: Warehouse, table: str = NAME) -> list[tuple[Any, ...]]:
    return warehouse.query(
        "SELECT requested_campaign_id, report_date, country_code, streams "
        f"FROM {table} ORDER BY ALL",
    ).rows()


def test_a_delivery_is_stored_with_its_types_and_stamps(warehouse: Warehouse) -> None:
    write(warehouse, batch(ONE_DAY, {"a": {(DAY, "US"): 5}}), now=hour(1), run_id="first")

    row = warehouse.query(f"SELECT * FROM {NAME}").row(0, named=True)

    assert tuple(row) == TABLE.column_names
    assert row["streams"] == 5
    assert row["spend_media"].as_tuple().exponent == -6
    assert row["exported_at"] == NOON
    assert (row["requested_campaign_id"], row["ingested_at"], row["run_id"]) == (
        "a",
        hour(1),
        "first",
    )


def test_what_is_loaded_has_the_types_of_the_description_and_times_in_utc(
    warehouse: Warehouse,
) -> None:
    for _ in range(2):
        with warehouse.reader() as reader:
            days = reader.stored_days(EXPORT, ONE_DAY)
            assert days.rows.schema == polars_schema(TABLE)
            assert days.log.schema == polars_schema(EXPORT.delivery_log)
            assert reader.previous_rows(EXPORT, ONE_DAY).schema == polars_schema(EXPORT.superseded)
        write(warehouse, batch(ONE_DAY, {"a": {(DAY, "US"): 5}}))

    text = warehouse.query(f"SELECT exported_at::VARCHAR FROM {NAME}").item()
    assert text == "2026-05-20 12:00:00+00"


def test_a_delivery_replaces_its_campaign_and_its_days_only(warehouse: Warehouse) -> None:
    both_days = {(DAY, "US"): 1, (NEXT_DAY, "US"): 1}
    write(warehouse, batch(TWO_DAYS, {"a": both_days, "b": both_days}))

    replaced = write(
        warehouse,
        batch(Window(NEXT_DAY, NEXT_DAY), {"a": {(NEXT_DAY, "DE"): 2}}, exported_at=hour(1)),
    )

    assert stored(warehouse) == [
        ("a", DAY, "US", 1),
        ("a", NEXT_DAY, "DE", 2),
        ("b", DAY, "US", 1),
        ("b", NEXT_DAY, "US", 1),
    ]
    assert stored(warehouse, HISTORY) == [("a", NEXT_DAY, "US", 1)]
    assert (replaced.replaced_days, replaced.rows, replaced.superseded_rows) == (1, 1, 1)


def test_rows_that_come_again_keep_their_stamps_and_take_the_new_export_time(
    warehouse: Warehouse,
) -> None:
    write(warehouse, batch(ONE_DAY, {"a": {(DAY, "US"): 1, (DAY, "DE"): 1}}), run_id="first")

    replaced = write(
        warehouse,
        batch(ONE_DAY, {"a": {(DAY, "US"): 1, (DAY, "DE"): 2}}, exported_at=hour(1)),
        run_id="second",
    )

    rows = warehouse.query(
        f"SELECT country_code, run_id, exported_at FROM {NAME} ORDER BY ALL"
    ).rows()
    assert rows == [("DE", "second", hour(1)), ("US", "first", hour(1))]
    assert stored(warehouse, HISTORY) == [("a", DAY, "DE", 1)]
    assert (replaced.unchanged_rows, replaced.superseded_rows) == (1, 1)


def test_an_empty_delivery_empties_its_days_and_is_remembered(warehouse: Warehouse) -> None:
    write(warehouse, batch(ONE_DAY, {"a": {(DAY, "US"): 1}}))

    replaced = write(warehouse, batch(ONE_DAY, {"a": {}}, fetched_at=hour(1)))

    assert stored(warehouse) == []
    assert stored(warehouse, HISTORY) == [("a", DAY, "US", 1)]
    assert (replaced.rows, replaced.superseded_rows) == (0, 1)
    cell = warehouse.query(
        f"SELECT row_count, exported_at, fetched_at FROM {LOG} WHERE superseded_at IS NULL"
    )
    assert cell.rows() == [(0, None, hour(1))]


def test_a_first_delivery_without_rows_makes_the_tables(warehouse: Warehouse) -> None:
    write(warehouse, batch(TWO_DAYS, {"a": {}}))

    with warehouse.reader() as reader:
        days = reader.stored_days(EXPORT, TWO_DAYS)
    assert days.rows.is_empty()
    assert tuple(days.rows.columns) == TABLE.column_names
    assert days.log.get_column("report_date").sort().to_list() == [DAY, NEXT_DAY]
    assert stored(warehouse, HISTORY) == []


def test_deliveries_of_no_campaign_write_nothing_and_succeed(warehouse: Warehouse) -> None:
    write(warehouse, batch(ONE_DAY, {"a": {(DAY, "US"): 1}}))

    replaced = write(warehouse, DeliveryBatch(EXPORT, ONE_DAY))

    assert (replaced.replaced_days, replaced.rows, replaced.superseded_rows) == (0, 0, 0)
    assert stored(warehouse) == [("a", DAY, "US", 1)]


@pytest.mark.parametrize(
    ("exported", "fetched", "replaces"),
    [
        pytest.param(1, -1, True, id="a newer export, even if it was fetched earlier"),
        pytest.param(-1, 1, False, id="an older export, even if it was fetched later"),
        pytest.param(0, 1, True, id="the same export, fetched later"),
        pytest.param(0, 0, True, id="the same delivery again"),
        pytest.param(0, -1, False, id="the same export, fetched earlier"),
        pytest.param(None, 1, True, id="an empty delivery, fetched later"),
        pytest.param(None, -1, False, id="an empty delivery, fetched earlier"),
    ],
)
def test_the_newest_delivery_wins(
    warehouse: Warehouse, exported: float | None, fetched: float, *, replaces: bool
) -> None:
    write(warehouse, batch(ONE_DAY, {"a": {(DAY, "US"): 1}}))

    replaced = write(
        warehouse,
        batch(
            ONE_DAY,
            {"a": {} if exported is None else {(DAY, "US"): 2}},
            exported_at=hour(exported or 0),
            fetched_at=hour(fetched),
        ),
    )

    assert (replaced.replaced_days, replaced.kept_days) == ((1, 0) if replaces else (0, 1))
    assert replaced.kept_ids == (() if replaces else ("a",))
    expected = [] if exported is None else [("a", DAY, "US", 2)]
    assert stored(warehouse) == (expected if replaces else [("a", DAY, "US", 1)])
    fetched_at = warehouse.query(f"SELECT fetched_at FROM {LOG} WHERE superseded_at IS NULL").item()
    assert fetched_at == (hour(fetched) if replaces else NOON)


def test_a_day_that_was_emptied_yields_only_to_a_later_fetch(warehouse: Warehouse) -> None:
    write(warehouse, batch(ONE_DAY, {"a": {}}, fetched_at=hour(5)))

    late = batch(ONE_DAY, {"a": {(DAY, "US"): 1}}, exported_at=hour(4), fetched_at=hour(4))
    assert write(warehouse, late).kept_days == 1

    newer = batch(ONE_DAY, {"a": {(DAY, "US"): 1}}, exported_at=hour(4), fetched_at=hour(6))
    assert write(warehouse, newer).replaced_days == 1


def test_the_newest_wins_for_each_day_by_itself(warehouse: Warehouse) -> None:
    write(
        warehouse,
        batch(Window(NEXT_DAY, NEXT_DAY), {"a": {(NEXT_DAY, "US"): 1}}, exported_at=hour(2)),
    )

    replaced = write(
        warehouse,
        batch(TWO_DAYS, {"a": {(DAY, "US"): 7, (NEXT_DAY, "US"): 7}}, exported_at=hour(1)),
    )

    assert stored(warehouse) == [("a", DAY, "US", 7), ("a", NEXT_DAY, "US", 1)]
    assert (replaced.replaced_days, replaced.kept_days, replaced.rows) == (1, 1, 1)


def test_stamps_follow_the_order_of_the_writes_even_if_the_clock_goes_back(
    warehouse: Warehouse,
) -> None:
    first = write(warehouse, batch(ONE_DAY, {"a": {(DAY, "US"): 1}}), now=hour(2))
    second = write(warehouse, batch(ONE_DAY, {"a": {(DAY, "US"): 2}}), now=hour(1))

    assert second.written_at == first.written_at + timedelta(microseconds=1)


def test_a_delivery_that_lags_does_not_empty_a_day_that_it_does_not_have_yet(
    warehouse: Warehouse,
) -> None:
    week = Window(DAY, DAY + timedelta(days=6))
    whole = {(day, "US"): 1 for day in week.dates()}
    write(warehouse, batch(week, {"a": whole}, exported_at=hour(33), fetched_at=hour(33)))
    lagging = {(day, "US"): 1 for day in week.dates() if day != week.last}

    done = write(warehouse, batch(week, {"a": lagging}, exported_at=hour(0), fetched_at=hour(34)))

    assert done.kept_days == 7
    assert stored(warehouse) == [("a", day, "US", 1) for day in week.dates()]


def test_a_day_that_was_emptied_is_not_filled_by_a_delivery_that_lags(warehouse: Warehouse) -> None:
    both = {(DAY, "US"): 1, (NEXT_DAY, "US"): 1}
    write(warehouse, batch(TWO_DAYS, {"a": both}, exported_at=hour(0)))
    write(warehouse, batch(TWO_DAYS, {"a": {(DAY, "US"): 1}}, exported_at=hour(5)))

    lagging = batch(TWO_DAYS, {"a": both}, exported_at=hour(4), fetched_at=hour(6))
    assert write(warehouse, lagging).kept_days == 2
    assert stored(warehouse) == [("a", DAY, "US", 1)]

    newer = batch(TWO_DAYS, {"a": both}, exported_at=hour(7), fetched_at=hour(7))
    assert write(warehouse, newer).replaced_days == 2
    assert stored(warehouse) == [("a", DAY, "US", 1), ("a", NEXT_DAY, "US", 1)]


def mixed(window: Window, fetched_at: datetime, *rows: pl.DataFrame) -> DeliveryBatch:
    """A delivery whose rows were exported at different times."""
    taken = DeliveryBatch(EXPORT, window)
    taken.add("a", window, pl.concat(rows), fetched_at)
    return taken


def test_an_older_row_of_a_newer_delivery_does_not_replace_a_newer_row(
    warehouse: Warehouse,
) -> None:
    write(warehouse, batch(ONE_DAY, {"a": {(DAY, "US"): 10}}, exported_at=hour(10)))

    done = write(
        warehouse,
        mixed(
            ONE_DAY,
            hour(12),
            frame("a", {(DAY, "DE"): 12}, hour(12)),
            frame("a", {(DAY, "US"): 3}, hour(-14)),
        ),
    )

    assert stored(warehouse) == [("a", DAY, "DE", 12), ("a", DAY, "US", 10)]
    assert (done.replaced_days, done.rows, done.superseded_rows) == (1, 1, 0)
    log = warehouse.load(EXPORT.delivery_log).filter(pl.col("superseded_at").is_null())
    assert log.select("exported_at", "oldest_exported_at", "row_count").rows() == [
        (hour(12), hour(10), 2)
    ]


def test_a_newer_row_of_an_older_delivery_replaces_an_older_row(warehouse: Warehouse) -> None:
    held = mixed(
        ONE_DAY,
        hour(12),
        frame("a", {(DAY, "DE"): 8}, hour(8)),
        frame("a", {(DAY, "US"): 12}, hour(12)),
    )
    write(warehouse, held)

    rows = {(DAY, "DE"): 10, (DAY, "US"): 10, (DAY, "FR"): 10}
    done = write(warehouse, batch(ONE_DAY, {"a": rows}, exported_at=hour(10), fetched_at=hour(13)))

    assert stored(warehouse) == [("a", DAY, "DE", 10), ("a", DAY, "US", 12)]
    assert (done.replaced_days, done.rows, done.superseded_rows) == (1, 1, 1)


@pytest.mark.parametrize("rows", [{}, {(DAY, "US"): 1}], ids=["empty", "with rows"])
def test_what_was_stored_by_a_clock_that_was_ahead_yields(
    warehouse: Warehouse, rows: dict[Any, int]
) -> None:
    ahead = hour(12 * 24)
    write(warehouse, batch(ONE_DAY, {"a": rows}, exported_at=hour(0), fetched_at=ahead), now=ahead)

    corrected = batch(ONE_DAY, {"a": {(DAY, "US"): 2}}, exported_at=hour(0), fetched_at=hour(1))
    done = write(warehouse, corrected, now=hour(1))

    assert done.kept_days == 0
    assert stored(warehouse) == [("a", DAY, "US", 2)]


def test_rows_with_a_stamp_from_the_future_yield(warehouse: Warehouse) -> None:
    stamped_2099 = datetime(2099, 1, 1, tzinfo=UTC)
    held = mixed(
        ONE_DAY,
        hour(0),
        frame("a", {(DAY, "DE"): 1, (DAY, "FR"): 1}, stamped_2099),
        frame("a", {(DAY, "US"): 1}, hour(0)),
    )
    write(warehouse, held, now=hour(0))

    rows = {(DAY, "DE"): 2, (DAY, "US"): 2}
    next_one = batch(ONE_DAY, {"a": rows}, exported_at=hour(1), fetched_at=hour(1))
    done = write(warehouse, next_one, now=hour(1))

    assert done.kept_days == 0
    assert stored(warehouse) == [("a", DAY, "DE", 2), ("a", DAY, "US", 2)]


def test_a_request_that_was_stored_late_does_not_take_a_newer_one_for_a_wrong_clock(
    warehouse: Warehouse,
) -> None:
    write(warehouse, batch(ONE_DAY, {"a": {(DAY, "US"): 2}}, fetched_at=hour(2)), now=hour(2))

    late = batch(ONE_DAY, {"a": {(DAY, "US"): 1}}, fetched_at=hour(1))
    assert write(warehouse, late, now=hour(3)).kept_days == 1


def test_a_write_hands_over_the_log_before_it_is_committed(warehouse: Warehouse) -> None:
    seen = []

    def refuse(replaced: Replaced) -> None:
        seen.append(replaced)
        raise RuntimeError("not like this")

    write(warehouse, batch(ONE_DAY, {"a": {(DAY, "US"): 1}}))
    taken = DeliveryBatch(EXPORT, TWO_DAYS, on_stored=refuse)
    taken.add("b", ONE_DAY, frame("b", {(DAY, "US"): 1}), NOON)

    with pytest.raises(RuntimeError, match="not like this"):
        write(warehouse, taken)

    assert sorted(seen[0].log["requested_campaign_id"]) == ["a", "b"]
    assert seen[0].table_rows == 2
    assert stored(warehouse) == [("a", DAY, "US", 1)]


def test_one_campaign_under_two_requested_ids_is_refused(warehouse: Warehouse) -> None:
    write(warehouse, batch(ONE_DAY, {"a": {(DAY, "US"): 1}}))
    alias = DeliveryBatch(EXPORT, ONE_DAY)
    alias.add("alias", ONE_DAY, frame("a", {(DAY, "US"): 1}), NOON)

    with pytest.raises(DoubledRowsError, match="a and alias deliver the same campaign"):
        write(warehouse, alias)

    assert stored(warehouse) == [("a", DAY, "US", 1)]


def test_every_export_table_has_what_the_warehouse_keeps_beside_it(warehouse: Warehouse) -> None:
    write(warehouse, DeliveryBatch(CAMPAIGN_ENGAGEMENT_DAILY, ONE_DAY))

    names = warehouse.query(
        "SELECT table_name FROM duckdb_tables() WHERE schema_name = 'soundlink' ORDER BY ALL"
    ).get_column("table_name")
    assert names.to_list() == [
        "campaign_engagement_daily",
        "campaign_engagement_daily_delivery_log",
        "campaign_engagement_daily_superseded",
    ]
