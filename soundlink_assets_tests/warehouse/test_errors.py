"""What can be wrong with a warehouse: each a clear error that says what to do, nothing lost."""

import logging
import struct
from pathlib import Path

import pytest

from soundlink_assets.warehouse import (
    MissingTableError,
    NewerWarehouseError,
    NotAWarehouseError,
    ReadOnlyWarehouseError,
    UnsupportedWarehouseError,
    Warehouse,
    open_warehouse,
)
from soundlink_assets.warehouse.lock import Deadline, locked
from soundlink_assets_tests.warehouse.deliveries import NAME, write
from soundlink_assets_tests.warehouse.processes import (
    COUNTRIES,
    DEADLINE,
    file_warehouse,
    full_day,
    queue,
    spool_with_little_room,
    start,
    write_to_read_only_folder,
    write_with_little_room,
)

FILE_ONLY = True


@pytest.mark.parametrize("read_only", [True, False])
def test_a_file_that_is_no_database_is_left_alone(tmp_path: Path, *, read_only: bool) -> None:
    file = tmp_path / "notes.txt"
    file.write_text("figures of the week\n" * 1000)

    with (
        pytest.raises(NotAWarehouseError, match=r"notes\.txt is not a DuckDB database.*Move it"),
        file_warehouse(str(file)).connect(writes=not read_only, purpose=""),
    ):
        pass

    assert file.read_text() == "figures of the week\n" * 1000


def test_a_file_of_a_newer_duckdb_is_left_alone(setting: str, warehouse: Warehouse) -> None:
    write(warehouse, full_day("a", 1))
    file = Path(setting)
    content = _of_version(file.read_bytes(), 99_999)
    file.write_bytes(content)

    with pytest.raises(NewerWarehouseError, match=r"written by a newer DuckDB.*Upgrade"):
        write(warehouse, full_day("a", 2))

    assert file.read_bytes() == content


def _of_version(content: bytes, version: int) -> bytes:
    """A DuckDB file that claims another storage version, its checksum (bytes 0 to 8) adjusted."""

    def mixed(word: int) -> int:
        return word * 0xBF58476D1CE4E5B9 & (2**64 - 1)

    checksum, before = struct.unpack_from("<QQ", content)
    changed = bytearray(content)
    struct.pack_into("<I", changed, 12, version)
    (after,) = struct.unpack_from("<Q", changed, 8)
    struct.pack_into("<Q", changed, 0, checksum ^ mixed(before) ^ mixed(after))
    return bytes(changed)


def test_a_damaged_file_is_named_as_such(setting: str, warehouse: Warehouse) -> None:
    write(warehouse, full_day("a", 1))
    content = bytearray(Path(setting).read_bytes())
    content[100] ^= 0xFF
    Path(setting).write_bytes(content)

    with pytest.raises(NotAWarehouseError, match=r"damaged.*backup"):
        warehouse.query(f"SELECT * FROM {NAME}")


@pytest.mark.parametrize("left", [100, 5_000, 200_000])
def test_a_file_that_was_cut_short_is_damaged(
    setting: str, warehouse: Warehouse, left: int
) -> None:
    write(warehouse, full_day("a", 1))
    content = Path(setting).read_bytes()
    assert left < len(content)
    Path(setting).write_bytes(content[:left])

    with pytest.raises(NotAWarehouseError, match=r"damaged.*backup"):
        warehouse.query(f"SELECT * FROM {NAME}")


@pytest.mark.parametrize("read_only", [True, False])
def test_a_folder_is_called_one(tmp_path: Path, *, read_only: bool) -> None:
    with (
        pytest.raises(NotAWarehouseError, match=r"is a folder.*path of a file"),
        file_warehouse(str(tmp_path)).connect(writes=not read_only, purpose=""),
    ):
        pass


def test_without_rights_writing_fails_clearly_and_reading_goes_on() -> None:
    answers = queue()
    process = start(write_to_read_only_folder, answers)

    name, message = answers.get(timeout=DEADLINE)
    assert name == "ReadOnlyWarehouseError"
    assert "cannot be written (Permission denied). Give this user write access" in message
    name, message = answers.get(timeout=DEADLINE)
    assert name == "ReadOnlyWarehouseError"
    assert "cannot be made (Permission denied). Create it" in message
    assert answers.get(timeout=DEADLINE) == 42
    name, message = answers.get(timeout=DEADLINE)
    assert name == "ReadOnlyWarehouseError"
    assert "lacks the rights" in message
    process.join(DEADLINE)


def test_a_folder_where_a_file_stands_cannot_be_made(tmp_path: Path) -> None:
    (tmp_path / "data").write_text("a file")

    with pytest.raises(ReadOnlyWarehouseError, match="cannot be made"):
        write(open_warehouse(str(tmp_path / "data" / "warehouse.duckdb")), full_day("a", 1))


def test_a_full_disk_is_named_and_loses_nothing(setting: str, warehouse: Warehouse) -> None:
    write(warehouse, full_day("ab", 1))
    answers = queue()

    process = start(write_with_little_room, setting, 100_000, answers)

    name, message = answers.get(timeout=DEADLINE)
    process.join(DEADLINE)
    assert name == "FullDiskError"
    assert "that is full; it holds what it held before. Make room" in message
    rows = warehouse.query(
        f"SELECT requested_campaign_id, streams, count(*) FROM {NAME} GROUP BY ALL"
    )
    assert sorted(rows.rows()) == [("a", 1, len(COUNTRIES)), ("b", 1, len(COUNTRIES))]
    write(warehouse, full_day("ab", 2))


def test_a_full_disk_for_temporary_files_is_named() -> None:
    answers = queue()
    process = start(spool_with_little_room, answers)

    name, message = answers.get(timeout=DEADLINE)
    process.join(DEADLINE)
    assert name == "FullDiskError"
    assert "set TMPDIR" in message


@pytest.mark.parametrize(
    "setting",
    [
        "md:soundlink",
        "MotherDuck:x",
        "ducklake:catalog.ducklake",
        "",
        " ",
        ":memory:",
        "a?b.duckdb",
    ],
)
def test_other_kinds_of_warehouse_are_named_as_not_supported(setting: str) -> None:
    with pytest.raises(UnsupportedWarehouseError, match="SOUNDLINK_WAREHOUSE"):
        open_warehouse(setting)


def test_a_query_of_a_table_that_is_not_there_says_when_it_will_be(warehouse: Warehouse) -> None:
    here = [1]  # never taken for a table, though it has the name of one
    with pytest.raises(MissingTableError, match=r"here does not exist.*first materialisation"):
        warehouse.query("SELECT * FROM here")
    write(warehouse, full_day("a", 1))
    with pytest.raises(MissingTableError, match="here does not exist"):
        warehouse.query("SELECT * FROM here")
    assert here == [1]


@pytest.mark.parametrize(
    "name",
    ["a b.duckdb", "it's.duckdb", 'say "x".duckdb', "ä;--x=1.db", "soundlink.duckdb", "temp"],
)
def test_any_path_works_and_its_folder_is_made(tmp_path: Path, name: str) -> None:
    setting = str(tmp_path / f"folder of {name}" / name)
    warehouse = open_warehouse(setting)

    write(warehouse, full_day("a", 1))

    assert warehouse.query(f"SELECT count(*) FROM {NAME}").item() == len(COUNTRIES)
    assert Path(setting).is_file()


def test_relative_and_home_paths_are_resolved(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("HOME", str(tmp_path / "home"))

    assert open_warehouse("data/w.duckdb").name == str(tmp_path / "data" / "w.duckdb")
    assert open_warehouse("~/w.duckdb").name == str(tmp_path / "home" / "w.duckdb")


def test_an_error_while_writing_frees_the_lock(tmp_path: Path) -> None:
    deadline = Deadline(0, logging.getLogger(__name__))
    file = tmp_path / "warehouse.duckdb"
    with (
        pytest.raises(KeyboardInterrupt),
        locked(file, exclusive=True, purpose="", deadline=deadline),
    ):
        raise KeyboardInterrupt

    with locked(file, exclusive=True, purpose="", deadline=deadline):
        pass
