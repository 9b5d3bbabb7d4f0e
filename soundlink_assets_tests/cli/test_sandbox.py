"""The sandbox of `demo` and `dev --sandbox` stays one world."""

from datetime import date
from pathlib import Path

import pytest

from soundlink_assets.cli.app import UserError
from soundlink_assets.cli.sandbox import lasting_world, write_statements
from soundlink_assets.sandbox import SandboxConfig, World
from soundlink_assets.schema.window import Window


def test_a_folder_keeps_its_world_in_later_months(tmp_path: Path) -> None:
    begun = lasting_world(tmp_path, date(2026, 11, 30))

    assert begun.anchor == date(2026, 11, 1)
    assert lasting_world(tmp_path, date(2026, 12, 1)) == begun


def test_another_folder_begins_a_world_of_its_own(tmp_path: Path) -> None:
    lasting_world(tmp_path / "first", date(2026, 11, 30))

    assert lasting_world(tmp_path / "second", date(2027, 1, 5)).anchor == date(2027, 1, 1)


@pytest.mark.parametrize("content", [b"", b"soon\n", b"\xff\xfe2\x00"])
def test_a_damaged_anchor_is_named_with_what_to_do(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "anchor.txt").write_bytes(content)

    with pytest.raises(UserError, match=r"anchor\.txt does not hold the day.*\nDelete the folder"):
        lasting_world(tmp_path, date(2026, 11, 30))


def test_statements_of_the_loaded_months_and_the_one_before_are_written_once(
    tmp_path: Path,
) -> None:
    world = World(SandboxConfig(campaign_count=1), date(2026, 5, 1))
    window = Window(date(2026, 4, 30), date(2026, 5, 2))
    write_statements(world, tmp_path, window)
    written = {path.name: path.stat().st_mtime_ns for path in tmp_path.iterdir()}
    assert sorted(written) == [f"synthetic-2026-0{month}.csv" for month in (3, 4, 5)]
    write_statements(world, tmp_path, window)
    assert {path.name: path.stat().st_mtime_ns for path in tmp_path.iterdir()} == written
