"""A folder of statements: which files count, and that nothing is counted twice or lost."""

from decimal import Decimal
from pathlib import Path

import polars as pl
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from polars.testing import assert_frame_equal

from soundlink_assets.schema.frames import empty_frame, polars_schema
from soundlink_assets.schema.statements import STATEMENTS
from soundlink_assets.statements import folder_state, read_folder
from soundlink_assets_tests.statements.files import ISRC, row, total, write


def _revenue(folder: Path) -> Decimal:
    return total(read_folder(folder).frame["revenue"])


def _states(folder: Path) -> dict[str, str]:
    return {file.name: file.counts_as for file in read_folder(folder).files}


def test_a_folder_that_does_not_exist_holds_no_statements(tmp_path: Path) -> None:
    result = read_folder(tmp_path / "none")
    assert_frame_equal(result.frame, empty_frame(STATEMENTS))
    assert result.files == ()


def test_the_rows_of_all_files_are_added_up_exactly(tmp_path: Path) -> None:
    write(tmp_path / "april.csv", row(revenue="0.000000000000000001"), row(streams=5, revenue=""))
    write(tmp_path / "may.csv", row(revenue="99999999999.1"), row(month="2026-05"))
    frame = read_folder(tmp_path).frame
    assert frame.schema == polars_schema(STATEMENTS)
    assert frame.select("streams", "revenue", "row_count").rows() == [
        (2005, Decimal("99999999999.100000000000000001"), 3),
        (1000, Decimal("3.5"), 1),
    ]


def test_the_same_figures_count_once_whatever_the_file_is_called(tmp_path: Path) -> None:
    write(tmp_path / "a.csv", row(), row(country="DE"))
    write(tmp_path / "b.csv", row(country="DE"), row(), encoding="utf-16")
    assert _states(tmp_path) == {"a.csv": "", "b.csv": "same as a.csv"}
    assert _revenue(tmp_path) == 7


def test_a_file_called_corrected_replaces_the_one_it_is_called_after(tmp_path: Path) -> None:
    write(tmp_path / "april.csv", row(revenue=1))
    write(tmp_path / "april.corrected.csv", row(revenue=2))
    write(tmp_path / "april.corrected.corrected.csv", row(revenue=3))
    assert _revenue(tmp_path) == 3
    assert _states(tmp_path)["april.csv"] == "replaced by april.corrected.csv"


def test_a_mapping_names_the_files_that_its_file_replaces(tmp_path: Path) -> None:
    write(tmp_path / "april.csv", row(revenue=1))
    write(tmp_path / "may.csv", row(revenue=2))
    write(tmp_path / "both.csv", row(revenue=5))
    names = '["april.csv", "may.csv", "june.csv"]'
    (tmp_path / "both.mapping.toml").write_text(f"replaces = {names}", encoding="utf-8")
    assert _revenue(tmp_path) == 5
    assert [refusal.reason for refusal in read_folder(tmp_path).refusals] == [
        "`replaces` names june.csv, which is not another file of the folder"
    ]


def test_a_correction_that_cannot_be_read_replaces_nothing(tmp_path: Path) -> None:
    write(tmp_path / "april.csv", row(revenue=1))
    write(tmp_path / "april.corrected.csv", header="what,is,this")
    assert _revenue(tmp_path) == 1


def test_files_of_other_kinds_are_refused_and_mappings_and_hidden_files_are_not_read(
    tmp_path: Path,
) -> None:
    for name in (".DS_Store", "mapping.toml", "a.mapping.toml"):
        (tmp_path / name).write_text("", encoding="utf-8")
    write(tmp_path / "april.xlsx")
    assert _states(tmp_path) == {"april.xlsx": "refused"}
    (refusal,) = read_folder(tmp_path).refusals
    assert (refusal.file, refusal.line) == ("april.xlsx", 0)


def test_the_state_of_a_folder_changes_with_its_files_and_mappings(tmp_path: Path) -> None:
    states = [folder_state(tmp_path)]
    write(tmp_path / "a.csv", row())
    states.append(folder_state(tmp_path))
    write(tmp_path / "a.csv", row(), row())
    states.append(folder_state(tmp_path))
    (tmp_path / "mapping.toml").write_text("", encoding="utf-8")
    states.append(folder_state(tmp_path))
    assert len(set(states)) == 4
    assert folder_state(tmp_path) == states[-1]


_rows = st.lists(
    st.builds(
        row,
        isrc=st.sampled_from([ISRC, "DEXW62500001", "bad"]),
        store=st.sampled_from(["Spotify", "Deezer"]),
        country=st.sampled_from(["US", "DE", ""]),
        streams=st.sampled_from(["", "0", "7", "1000", "-3"]),
        revenue=st.decimals(-5, 50, places=12).map(str) | st.just(""),
        currency=st.sampled_from(["USD", "EUR"]),
    ),
    max_size=12,
)
_modest = settings(max_examples=20, deadline=None)


def _frame_of(folder: Path, *files: list[str]) -> pl.DataFrame:
    for number, lines in enumerate(files):
        write(folder / f"{number}.csv", *lines)
    return read_folder(folder).frame


@given(rows=_rows, order=st.randoms(use_true_random=False), cut=st.integers(0, 12))
@_modest
def test_splitting_a_file_and_permuting_rows_and_files_change_nothing(
    tmp_path_factory: pytest.TempPathFactory, rows: list[str], order: object, cut: int
) -> None:
    whole = _frame_of(tmp_path_factory.mktemp("whole"), rows)
    shuffled = list(rows)
    order.shuffle(shuffled)  # type: ignore[attr-defined]
    parts = [shuffled[:cut], shuffled[cut:]]
    assume(len(parts[0]) != len(parts[1]))  # equal halves would be one statement
    assert_frame_equal(_frame_of(tmp_path_factory.mktemp("split"), *parts), whole)
    assert_frame_equal(_frame_of(tmp_path_factory.mktemp("other"), *parts[::-1]), whole)


@given(rows=_rows)
@_modest
def test_every_row_is_counted_or_refused(
    tmp_path_factory: pytest.TempPathFactory, rows: list[str]
) -> None:
    folder = tmp_path_factory.mktemp("counted")
    write(folder / "a.csv", *rows)
    result = read_folder(folder)
    assert result.frame["row_count"].sum() + len(result.refusals) == len(rows)
    refused = {refusal.line - 2 for refusal in result.refusals}
    counted = [line.split(",") for at, line in enumerate(rows) if at not in refused]
    for currency in ("USD", "EUR"):
        expected = total(cells[5] or 0 for cells in counted if cells[6] == currency)
        assert total(result.frame.filter(currency=currency)["revenue"]) == expected
