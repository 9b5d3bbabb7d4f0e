"""Taking deliveries: what is refused at once, what is counted, and that nothing is left behind."""

import subprocess
import sys
import tempfile
from datetime import timedelta
from pathlib import Path

import polars as pl
import pytest

from soundlink_assets.schema.window import Window
from soundlink_assets.warehouse import DeliveryBatch, SchemaMismatchError
from soundlink_assets.warehouse import batch as batches
from soundlink_assets_tests.warehouse.deliveries import (
    DAY,
    EXPORT,
    NEXT_DAY,
    NOON,
    ONE_DAY,
    TWO_DAYS,
    batch,
    frame,
)


@pytest.fixture(autouse=True)
def temp_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    folder = tmp_path / "temp"
    folder.mkdir()
    monkeypatch.setattr(tempfile, "tempdir", str(folder))
    return folder


def test_rows_are_counted_by_day_and_days_without_rows_too() -> None:
    with batch(TWO_DAYS, {"a": {(DAY, "US"): 1, (DAY, "DE"): 1}, "b": {(DAY, "US"): 1}}) as d:
        assert d.rows_by_day() == {DAY: 3, NEXT_DAY: 0}
        assert d.requested_ids == ("a", "b")


def test_rows_wait_in_files_and_memory_holds_a_bounded_number(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(batches, "SPOOL_ROWS", 3)
    two_rows = {(DAY, "US"): 1, (DAY, "DE"): 1}
    with batch(ONE_DAY, dict.fromkeys("abcde", two_rows)) as taken:
        files = [pl.read_parquet(path) for path in taken.files()]

    assert [file.height for file in files] == [4, 4, 2]
    rows = pl.concat(files)
    assert rows.get_column(batches.ROW_NUMBER).to_list() == list(range(10))
    assert rows.get_column("requested_campaign_id").unique().sort().to_list() == list("abcde")


def test_columns_may_come_in_any_order() -> None:
    delivered = frame("a", {(DAY, "US"): 1})
    with DeliveryBatch(EXPORT, ONE_DAY) as taken:
        taken.add("a", ONE_DAY, delivered.select(reversed(delivered.columns)), NOON)
        taken.add("b", ONE_DAY, frame("b", {(DAY, "US"): 1}), NOON)
        assert pl.read_parquet(taken.files()[0]).height == 2


def test_a_frame_with_another_type_or_column_is_refused_by_name() -> None:
    delivered = frame("a", {(DAY, "US"): 1})
    wrong = delivered.with_columns(pl.col("streams").cast(pl.Float64), further=1).drop("fees")
    with (
        DeliveryBatch(EXPORT, ONE_DAY) as taken,
        pytest.raises(
            SchemaMismatchError,
            match="streams is Float64, the table has Int64; further is Int32, the table has no "
            "such column; fees is missing",
        ),
    ):
        taken.add("a", ONE_DAY, wrong, NOON)


def test_a_row_outside_the_window_is_refused() -> None:
    with DeliveryBatch(EXPORT, TWO_DAYS) as taken, pytest.raises(ValueError, match="outside"):
        taken.add("a", ONE_DAY, frame("a", {(NEXT_DAY, "US"): 1}), NOON)


def test_a_window_outside_the_run_is_refused() -> None:
    with DeliveryBatch(EXPORT, ONE_DAY) as taken, pytest.raises(ValueError, match="not within"):
        taken.add("a", TWO_DAYS, frame("a", {}), NOON)


def test_a_campaign_may_deliver_several_windows_but_no_day_twice() -> None:
    long = Window(DAY, DAY + timedelta(days=99))
    with DeliveryBatch(EXPORT, long) as taken:
        for window in long.split():
            taken.add("a", window, frame("a", {(window.first, "US"): 1}), NOON)
        assert taken.days().height == 100
        with pytest.raises(ValueError, match="overlaps"):
            taken.add("a", ONE_DAY, frame("a", {}), NOON)


def test_days_hold_the_newest_and_the_oldest_export_and_the_count() -> None:
    older, newer = NOON - timedelta(hours=1), NOON
    mixed = pl.concat([frame("a", {(DAY, "US"): 1}, older), frame("a", {(DAY, "DE"): 1}, newer)])
    with DeliveryBatch(EXPORT, TWO_DAYS) as taken:
        taken.add("a", TWO_DAYS, mixed, NOON)
        days = taken.days().sort("report_date")

    assert days.select("exported_at", "oldest_exported_at", "row_count").rows() == [
        (newer, older, 2),
        (None, None, 0),
    ]


def test_closing_removes_the_spool(temp_folder: Path) -> None:
    taken = batch(ONE_DAY, {"a": {(DAY, "US"): 1}})
    taken.files()
    assert list(temp_folder.iterdir())

    taken.close()
    taken.close()

    assert not list(temp_folder.iterdir())
    assert taken.rows_by_day() == {DAY: 1}


def test_forgotten_deliveries_leave_nothing_behind(temp_folder: Path) -> None:
    taken = batch(ONE_DAY, {"a": {(DAY, "US"): 1}})
    taken.files()
    with pytest.warns(ResourceWarning):
        del taken

    assert not list(temp_folder.iterdir())


def test_rows_that_wait_in_memory_have_no_folder(temp_folder: Path) -> None:
    taken = batch(ONE_DAY, {"a": {(DAY, "US"): 1}})

    assert not list(temp_folder.iterdir())
    taken.close()
    assert not list(temp_folder.iterdir())


@pytest.mark.parametrize("end", ["os._exit(0)", "os.kill(os.getpid(), signal.SIGKILL)", "return"])
def test_what_another_process_left_behind_is_removed_by_the_next_batch(
    temp_folder: Path, end: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    code = (
        "import os, signal, sys, tempfile\n"
        "from soundlink_assets_tests.warehouse.deliveries import DAY, ONE_DAY, batch\n"
        f"tempfile.tempdir = {str(temp_folder)!r}\n"
        "taken = batch(ONE_DAY, {'a': {(DAY, 'US'): 1}})\n"
        "taken.files()\n"
        f"def end():\n    {end}\nend()\n"
    )
    subprocess.run([sys.executable, "-W", "ignore", "-c", code], check=False)
    assert len(list(temp_folder.iterdir())) == (0 if end == "return" else 1)
    monkeypatch.setattr(batches, "_SETTLING_SECONDS", 0.0)

    with batch(ONE_DAY, {"a": {(DAY, "US"): 1}}) as taken:
        taken.files()
        assert len(list(temp_folder.iterdir())) == 1
    assert not list(temp_folder.iterdir())


def test_the_folder_of_a_batch_that_is_in_use_stays(
    temp_folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(batches, "_SETTLING_SECONDS", 0.0)
    (temp_folder / "other").mkdir()

    with batch(ONE_DAY, {"a": {(DAY, "US"): 1}}) as first:
        files = first.files()
        with batch(ONE_DAY, {"a": {(DAY, "US"): 1}}) as second:
            second.files()
        assert all(file.is_file() for file in files)
    assert [path.name for path in temp_folder.iterdir()] == ["other"]
