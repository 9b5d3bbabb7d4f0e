"""What a delivery replaces, and what it leaves alone."""

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from soundlink_assets.schema import CAMPAIGN_ENGAGEMENT_DAILY
from soundlink_assets.schema.frames import polars_schema
from soundlink_assets.schema.window import Window
from soundlink_assets.warehouse import DeliveryBatch, DoubledRowsError, Warehouse
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


def test_the_state_of_any_past_moment_can_be_read(warehouse: Warehouse) -> None:
    for number in (1, 2):
        write(warehouse, batch(ONE_DAY, {"a": {(DAY, "US"): number}}), now=hour(number))
    write(warehouse, batch(ONE_DAY, {"a": {}}), now=hour(3))

    def as_of(moment: Any) -> list[int]:
        rows = warehouse.query(f"SELECT streams FROM {NAME}_as_of($moment)", {"moment": moment})
        return rows.get_column("streams").to_list()

    assert [as_of(hour(h)) for h in (0.5, 1, 1.5, 2, 2.5, 3, 9)] == [[], [1], [1], [2], [2], [], []]
    assert as_of("2026-05-20 14:30:00+00") == [2]
    assert as_of(datetime(2026, 5, 20, tzinfo=UTC).date()) == []


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
        "SELECT table_name FROM information_schema.tables ORDER BY ALL"
    ).get_column("table_name")
    assert names.to_list() == [
        "campaign_engagement_daily",
        "campaign_engagement_daily_delivery_log",
        "campaign_engagement_daily_superseded",
    ]
