"""A process killed at any moment of a write leaves the old cells or the new ones, and no lock."""

import random
import signal
import time

import pytest

from soundlink_assets.warehouse.reading import read_frame
from soundlink_assets_tests.warehouse.deliveries import NAME, write
from soundlink_assets_tests.warehouse.processes import (
    COUNTRIES,
    PATIENCE,
    STEPS,
    full_cell,
    queue,
    run,
    start,
    write_and_die,
    write_for_ever,
)

MOMENTS = [
    *((step, moment, False) for step in STEPS for moment in ("before", "after")),
    ("commit", "before", False),
    ("commit", "after", True),
]


def state(warehouse: str) -> set[tuple[str, int, int]]:
    """Campaign, streams, rows: of the table, of the ledger, of the history."""
    rows = read_frame(
        warehouse,
        f"SELECT requested_campaign_id, streams, count(*) FROM {NAME} GROUP BY ALL UNION ALL "
        "SELECT 'cell ' || requested_campaign_id, epoch(exported_at - TIMESTAMPTZ "
        f"'2026-05-20 12:00:00+00')::BIGINT // 3600, row_count FROM {NAME}_cells UNION ALL "
        "SELECT 'was ' || requested_campaign_id, streams, count(*) "
        f"FROM {NAME}_superseded GROUP BY ALL",
    ).rows()
    assert len(set(rows)) == len(rows)
    return set(rows)


def whole(campaigns: str, number: int) -> set[tuple[str, int, int]]:
    """The only state that writes 1 to `number` may leave."""
    n = len(COUNTRIES)
    now = {(prefix + c, number, n) for c in campaigns for prefix in ("", "cell ")}
    return now | {(f"was {c}", old, n) for c in campaigns for old in range(1, number)}


@pytest.mark.parametrize(("step", "moment", "is_stored"), MOMENTS)
def test_killed_at_a_step(warehouse: str, step: str, moment: str, *, is_stored: bool) -> None:
    write(warehouse, full_cell("ab", 1))

    assert run(write_and_die, warehouse, 2, step, moment) == -signal.SIGKILL

    assert state(warehouse) == whole("ab", 2 if is_stored else 1)
    write(warehouse, full_cell("ab", 2))
    assert state(warehouse) == whole("ab", 2)


def test_killed_in_the_first_write_of_all(warehouse: str) -> None:
    assert run(write_and_die, warehouse, 1, "insert_rows", "after") == -signal.SIGKILL

    write(warehouse, full_cell("ab", 1))
    assert state(warehouse) == whole("ab", 1)


def test_killed_at_random_moments(warehouse: str) -> None:
    write(warehouse, full_cell("abcdefgh", 1))
    for _ in range(8):
        began = queue()
        process = start(write_for_ever, warehouse, began)
        began.get(timeout=PATIENCE)
        time.sleep(random.uniform(0, 0.3))  # noqa: S311  # any moment will do
        process.kill()
        process.join()

        rows = read_frame(warehouse, f"SELECT DISTINCT streams FROM {NAME}").rows()
        assert state(warehouse) == whole("abcdefgh", rows[0][0])
