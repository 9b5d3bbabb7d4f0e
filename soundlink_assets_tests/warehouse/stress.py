"""Processes that replace the same campaign-days of a lake while it is compacted and read.

Every delivery has a number: its export hour, and the streams of each of its rows. So of each
campaign the newest delivery has to be there, in one piece, and of the older ones what was stored of
them has to be in the history, in one piece.
"""

from datetime import timedelta
from typing import Any

from soundlink_assets.schema.window import Window
from soundlink_assets.warehouse import Warehouse, open_warehouse
from soundlink_assets_tests.warehouse.deliveries import (
    DAY,
    HISTORY,
    LOG,
    NAME,
    batch,
    hour,
    write,
)

WINDOW = Window(DAY, DAY + timedelta(days=29))
COUNTRIES = ("DE", "FR", "US")
SHARED = ("shared a", "shared b", "shared c")
ROWS = WINDOW.days * len(COUNTRIES)
"""Of a campaign."""

_WHOLE = "count(*), count(DISTINCT (report_date, country_code)), min(streams), max(streams)"


def deliver(warehouse: Warehouse, number: int, *campaigns: str) -> int:
    """Write the delivery of that number; how many campaign-days it replaced."""
    streams = {(day, code): number for day in WINDOW.dates() for code in COUNTRIES}
    delivery = dict.fromkeys(campaigns, streams)
    taken = batch(WINDOW, delivery, exported_at=hour(number), fetched_at=hour(number))
    return write(warehouse, taken).replaced_days


def replace_days(words: str, writer: int, replacements: int, told: Any) -> None:
    """Write until so many campaign-days were replaced; tell the number of the last delivery."""
    warehouse = open_warehouse(f"ducklake:postgres:{words}")
    number = replaced = 0
    while replaced < replacements:
        number += 1
        replaced += deliver(warehouse, number, f"own {writer}", *SHARED)
    told.put((writer, number, replaced))


def maintain_until(words: str, age: timedelta, stop: Any, told: Any) -> None:
    """Compact again and again; tell how often, and what was done."""
    warehouse = open_warehouse(f"ducklake:postgres:{words}")
    times, done = 0, dict[str, int]()
    while not stop.is_set():
        for what, count in warehouse.maintain(age).items():
            done[what] = done.get(what, 0) + count
        times += 1
    told.put((times, done))


def read_until(words: str, stop: Any, told: Any) -> None:
    """Read without a pause; tell how often, and every campaign that was not whole."""
    warehouse = open_warehouse(f"ducklake:postgres:{words}")
    times, torn = 0, list[Any]()
    while not stop.is_set():
        torn += torn_campaigns(warehouse)
        times += 1
    told.put((times, torn))


def torn_campaigns(warehouse: Warehouse) -> list[Any]:
    """Campaigns that do not hold one delivery in one piece."""
    found = warehouse.query(f"SELECT requested_campaign_id, {_WHOLE} FROM {NAME} GROUP BY ALL")
    return [row for row in found.rows() if row[1:3] != (ROWS, ROWS) or row[3] != row[4]]


def wrong_days(warehouse: Warehouse, last: dict[int, int]) -> list[Any]:
    """What differs from the model, given each writer's last number: nothing if all is well."""
    newest = {f"own {writer}": number for writer, number in last.items()}
    newest |= dict.fromkeys(SHARED, max(last.values()))
    held = warehouse.query(
        f"SELECT requested_campaign_id, report_date, streams, count(*) FROM {NAME} GROUP BY ALL"
    ).rows()
    logged = warehouse.query(
        "SELECT requested_campaign_id, report_date, epoch(exported_at - $noon)::BIGINT // 3600, "
        f"row_count FROM {LOG} WHERE superseded_at IS NULL",
        {"noon": hour(0)},
    ).rows()
    expected = {
        (campaign, day, number, len(COUNTRIES))
        for campaign, number in newest.items()
        for day in WINDOW.dates()
    }
    past = warehouse.query(
        f"SELECT requested_campaign_id, streams, {_WHOLE}, count(DISTINCT superseded_at) "
        f"FROM {HISTORY} GROUP BY ALL"
    ).rows()
    whole = [row for row in past if row[2:4] == (ROWS, ROWS) and row[6] == 1]
    of_own = sum(row[0].startswith("own") for row in whole)
    return [
        *expected.symmetric_difference(held),
        *expected.symmetric_difference(logged),
        *(["a row twice"] if len(held) != len(expected) or len(logged) != len(expected) else []),
        *(row for row in past if row not in whole),
        *(["versions are missing"] if of_own != sum(n - 1 for n in last.values()) else []),
    ]
