"""A process killed at any moment of a write leaves the old rows or the new ones, and no lock."""

import random
import signal
import time

import pytest

from soundlink_assets.warehouse import Warehouse
from soundlink_assets_tests.warehouse.deliveries import NAME, write
from soundlink_assets_tests.warehouse.processes import (
    COUNTRIES,
    DEADLINE,
    STEPS,
    full_day,
    queue,
    run,
    start,
    write_and_die,
    write_for_ever,
)

FILE_ONLY = True

MOMENTS = [
    *((step, moment, False) for step in STEPS for moment in ("before", "after")),
    ("commit", "before", False),
    ("commit", "after", True),
]


def state(warehouse: Warehouse) -> set[tuple[str, int, int]]:
    """Campaign, streams, rows: of the table, of the delivery log, of the history."""
    rows = warehouse.query(
        f"SELECT requested_campaign_id, streams, count(*) FROM {NAME} GROUP BY ALL UNION ALL "
        "SELECT 'log ' || requested_campaign_id, epoch(exported_at - TIMESTAMPTZ "
        f"'2026-05-20 12:00:00+00')::BIGINT // 3600, row_count "
        f"FROM {NAME}_delivery_log WHERE superseded_at IS NULL UNION ALL "
        "SELECT 'was ' || requested_campaign_id, streams, count(*) "
        f"FROM {NAME}_superseded GROUP BY ALL",
    ).rows()
    assert len(set(rows)) == len(rows)
    return set(rows)


def whole(campaigns: str, number: int) -> set[tuple[str, int, int]]:
    """The only state that writes 1 to `number` may leave."""
    n = len(COUNTRIES)
    now = {(prefix + c, number, n) for c in campaigns for prefix in ("", "log ")}
    return now | {(f"was {c}", old, n) for c in campaigns for old in range(1, number)}


@pytest.mark.parametrize(("step", "moment", "is_stored"), MOMENTS)
def test_killed_at_a_step(
    setting: str, warehouse: Warehouse, step: str, moment: str, *, is_stored: bool
) -> None:
    write(warehouse, full_day("ab", 1))

    assert run(write_and_die, setting, 2, step, moment) == -signal.SIGKILL

    assert state(warehouse) == whole("ab", 2 if is_stored else 1)
    write(warehouse, full_day("ab", 2))
    assert state(warehouse) == whole("ab", 2)


def test_killed_in_the_first_write_of_all(setting: str, warehouse: Warehouse) -> None:
    assert run(write_and_die, setting, 1, "insert_rows", "after") == -signal.SIGKILL

    write(warehouse, full_day("ab", 1))
    assert state(warehouse) == whole("ab", 1)


def test_killed_at_random_moments(setting: str, warehouse: Warehouse) -> None:
    write(warehouse, full_day("abcdefgh", 1))
    for _ in range(8):
        began = queue()
        process = start(write_for_ever, setting, began)
        began.get(timeout=DEADLINE)
        time.sleep(random.uniform(0, 0.3))  # noqa: S311  # any moment will do
        process.kill()
        process.join()

        rows = warehouse.query(f"SELECT DISTINCT streams FROM {NAME}").rows()
        assert state(warehouse) == whole("abcdefgh", rows[0][0])
