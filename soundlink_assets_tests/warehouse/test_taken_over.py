"""A file that version 0.1 wrote: read as it is, and taken over by the first write.

It holds campaigns a and b on two days; the second write changed a's US row of the first day and
withdrew its US row of the second.
"""

import gzip
from pathlib import Path

import pytest

from soundlink_assets.warehouse import OutdatedError, StoredDays, Warehouse
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
    hour,
    write,
)

FILE_ONLY = True
STREAMS = [("a", DAY, "DE", 1), ("a", DAY, "US", 2), ("b", DAY, "US", 5)]


@pytest.fixture(autouse=True)
def old_file(setting: str) -> None:
    packed = Path(__file__).with_name("version_0_1.duckdb.gz").read_bytes()
    Path(setting).write_bytes(gzip.decompress(packed))


def streams(warehouse: Warehouse, table: str = NAME) -> list[tuple[object, ...]]:
    return warehouse.query(
        f"SELECT requested_campaign_id, report_date, country_code, streams FROM {table} "
        "ORDER BY ALL"
    ).rows()


def test_it_reads_before_any_write(warehouse: Warehouse) -> None:
    with warehouse.reader() as reader:
        days = reader.stored_days(EXPORT, TWO_DAYS)
        before = reader.previous_rows(EXPORT, TWO_DAYS)

    assert days.rows.get_column("extra").to_list() == [None] * 3
    assert days.rows.height == 3
    assert sorted(
        days.log.select("requested_campaign_id", "report_date", "row_count", "exported_at").rows()
    ) == [
        ("a", DAY, 2, hour(2)),
        ("a", NEXT_DAY, 0, None),
        ("b", DAY, 1, NOON),
        ("b", NEXT_DAY, 0, None),
    ]
    assert sorted(before.select("report_date", "streams", "extra").rows()) == [
        (DAY, 1, None),
        (NEXT_DAY, 1, None),
    ]


def test_the_first_write_takes_its_log_over(warehouse: Warehouse) -> None:
    write(
        warehouse,
        batch(ONE_DAY, {"b": {(DAY, "US"): 6}}, exported_at=hour(3), fetched_at=hour(3)),
        now=hour(3),
    )

    assert streams(warehouse) == [*STREAMS[:2], ("b", DAY, "US", 6)]
    assert "campaign_country_daily_cells" not in str(
        warehouse.query("SELECT table_name FROM information_schema.tables").rows()
    )
    entries = warehouse.query(
        "SELECT requested_campaign_id, report_date, row_count, exported_at, delivery_exported_at, "
        f"superseded_at, run_id FROM {LOG} ORDER BY ALL"
    ).rows()
    assert entries == [
        ("a", DAY, 2, hour(2), hour(2), None, "second"),
        ("a", NEXT_DAY, 0, None, None, None, "second"),
        ("b", DAY, 1, NOON, NOON, hour(3), "first"),
        ("b", DAY, 1, hour(3), hour(3), None, "run"),
        ("b", NEXT_DAY, 0, None, None, None, "first"),
    ]
    assert warehouse.load(TABLE).get_column("extra").null_count() == 2
    assert streams(warehouse, HISTORY) == [
        ("a", DAY, "US", 1),
        ("a", NEXT_DAY, "US", 1),
        ("b", DAY, "US", 5),
    ]


def test_its_past_is_still_the_past(warehouse: Warehouse) -> None:
    moments = [hour(0.5), hour(1), hour(2), hour(2.5)]
    before = [streams(warehouse, f"{NAME}_as_of('{moment}')") for moment in moments]

    write(warehouse, batch(ONE_DAY, {"b": {}}, fetched_at=hour(3)), now=hour(3))

    assert before[-1] == STREAMS
    assert [streams(warehouse, f"{NAME}_as_of('{moment}')") for moment in moments] == before
    assert streams(warehouse, f"{NAME}_as_of('{hour(3)}')") == STREAMS[:2]


def test_a_newer_delivery_that_it_holds_is_kept(warehouse: Warehouse) -> None:
    done = write(warehouse, batch(ONE_DAY, {"a": {(DAY, "US"): 9}}, exported_at=hour(1)))

    assert done.kept_ids == ("a",)
    assert streams(warehouse) == STREAMS


def test_what_was_derived_from_older_days_is_refused(warehouse: Warehouse) -> None:
    with warehouse.reader() as reader:
        stored = reader.stored_days(EXPORT, ONE_DAY)
    first = stored.log.filter(stored.log["run_id"] == "first")
    outdated = StoredDays(stored.rows, first, EXPORT)

    with pytest.raises(OutdatedError, match="another run has written 1 campaign-days"):
        warehouse.replace_days(TABLE, stored.rows, ONE_DAY, [outdated])
