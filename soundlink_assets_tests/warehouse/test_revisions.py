"""The history that the warehouse keeps is enough to say what a day was at each of its fetches."""

from datetime import UTC, date, datetime, time, timedelta

import pytest

from soundlink_assets.metrics.nowcast import revisions
from soundlink_assets.schema.window import Window
from soundlink_assets.warehouse import Warehouse
from soundlink_assets_tests.warehouse.deliveries import EXPORT, Streams, batch, write

DAY, NEXT = date(2026, 4, 1), date(2026, 4, 2)
BOTH = Window(DAY, NEXT)

DELIVERED: tuple[dict[str, Streams], ...] = (
    {"a": {(DAY, "US"): 5}, "b": {(NEXT, "US"): 1}},
    {"a": {(DAY, "US"): 5, (DAY, "DE"): 2}, "b": {(NEXT, "US"): 1}},
    {"a": {(DAY, "US"): 4, (NEXT, "FR"): 9}, "b": {}},
    {"a": {(DAY, "US"): 4, (NEXT, "FR"): 9}, "b": {(NEXT, "US"): 3}},
    {"a": {(DAY, "US"): 6, (NEXT, "FR"): 9}, "b": {(NEXT, "US"): 3}},
)


def noon(days_later: int) -> datetime:
    return datetime.combine(NEXT + timedelta(days=days_later + 1), time(12), UTC)


@pytest.mark.parametrize("later", [timedelta(0), timedelta(minutes=3)])
def test_each_stored_delivery_is_an_observation(warehouse: Warehouse, later: timedelta) -> None:
    """Whether it was written at the moment of the fetch or some time after it."""
    for number, delivered in enumerate(DELIVERED):
        at = noon(number)
        write(
            warehouse,
            batch(BOTH, delivered, exported_at=at, fetched_at=at),
            now=at + later,
        )
    with warehouse.reader() as reader:
        observed = revisions(
            EXPORT,
            reader.load(EXPORT.table, BOTH),
            reader.load(EXPORT.superseded, BOTH),
            reader.load(EXPORT.delivery_log, BOTH),
        )
    streams = observed.filter(measure="streams").sort("campaign_id", "report_date", "fetched_at")
    found = streams.group_by("campaign_id", "report_date", maintain_order=True).agg("value")
    assert {row[:2]: row[2] for row in found.iter_rows()} == {
        ("a", DAY): [5, 7, 4, 4, 6],
        ("a", NEXT): [0, 0, 9, 9, 9],
        ("b", NEXT): [1, 1, 0, 3, 3],
    }
    assert streams["fetched_at"].unique().sort().to_list() == [noon(each) for each in range(5)]
