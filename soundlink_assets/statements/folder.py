"""A folder of statement files as one table: which files count, and the exact sums of their rows."""

import hashlib
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from soundlink_assets.schema.statements import STATEMENTS
from soundlink_assets.statements.mapping import CORRECTED, FILE_MAPPING_SUFFIX, FOLDER_MAPPING
from soundlink_assets.statements.reading import Figures, Key, Refusal, StatementFile, read_file

if TYPE_CHECKING:
    import polars as pl

SUFFIXES = frozenset({".csv", ".tsv", ".parquet"})


@dataclass(frozen=True, slots=True)
class StatementFolder:
    """The files of a folder, ordered by name, and `STATEMENTS` as the counted ones give it."""

    files: tuple[StatementFile, ...]
    frame: "pl.DataFrame"

    @property
    def counted(self) -> tuple[StatementFile, ...]:
        """The files whose figures are in the table."""
        return tuple(file for file in self.files if not file.counts_as)

    @property
    def refusals(self) -> tuple[Refusal, ...]:
        """Every refused row and file, but for files that another one replaces or equals."""
        return tuple(
            refusal
            for file in self.files
            if not file.counts_as or file.counts_as == "refused"
            for refusal in file.refusals
        )


def read_folder(folder: Path) -> StatementFolder:
    """Read every statement of the folder; a folder that does not exist holds none.

    A file is corrected by one that names it: by `replaces` in its mapping, or by being called
    `<stem>.corrected` like it. A correction that is refused as a whole corrects nothing. Of files
    that come to the same figures, with as many refused rows, the first by name counts.
    """
    files = tuple(_read(path) for path in _visible(folder))
    _set_aside_corrected(files)
    _set_aside_copies(files)
    return StatementFolder(files, _table([file for file in files if not file.counts_as]))


def folder_state(folder: Path) -> str:
    """A text that changes when a file of the folder, or a mapping, is added, changed or removed."""
    states = [
        (path.name, path.stat().st_size, path.stat().st_mtime_ns) for path in _visible(folder)
    ]
    mappings = [
        (path.name, path.stat().st_mtime_ns) for path in sorted(folder.glob(f"*{FOLDER_MAPPING}"))
    ]
    return hashlib.sha256(repr([states, mappings]).encode()).hexdigest()[:16]


def _visible(folder: Path) -> list[Path]:
    """The files that may be statements: all that are not hidden and not a mapping."""
    if not folder.is_dir():
        return []
    return sorted(
        path
        for path in folder.iterdir()
        if path.is_file()
        and not path.name.startswith(".")
        and path.name != FOLDER_MAPPING
        and not path.name.endswith(FILE_MAPPING_SUFFIX)
    )


def _read(path: Path) -> StatementFile:
    if path.suffix.lower() in SUFFIXES:
        return read_file(path)
    file = StatementFile(path.name, counts_as="refused")
    file.refuse(0, f"not one of {', '.join(sorted(SUFFIXES))}: export the statement as CSV")
    return file


def _set_aside_corrected(files: Iterable[StatementFile]) -> None:
    by_name = {file.name: file for file in files}
    by_stem: dict[str, list[StatementFile]] = {}
    for file in files:
        by_stem.setdefault(Path(file.name).stem, []).append(file)
    for file in files:
        if file.counts_as == "refused":
            continue
        for name in file.replaces:
            if name in by_name and name != file.name:
                by_name[name].counts_as = f"replaced by {file.name}"
            else:
                file.refuse(0, f"`replaces` names {name}, which is not another file of the folder")
        stem = Path(file.name).stem
        if stem.endswith(CORRECTED):
            for corrected in by_stem.get(stem.removesuffix(CORRECTED), []):
                corrected.counts_as = f"replaced by {file.name}"


def _set_aside_copies(files: Iterable[StatementFile]) -> None:
    seen: dict[object, str] = {}
    for file in files:
        if file.counts_as or not file.figures:
            continue
        figures = frozenset(
            (key, sums.streams, sums.revenue, sums.row_count) for key, sums in file.figures.items()
        )
        first = seen.setdefault((figures, len(file.refusals)), file.name)
        if first != file.name:
            file.counts_as = f"same as {first}"


def _table(files: Iterable[StatementFile]) -> "pl.DataFrame":
    import polars as pl

    from soundlink_assets.schema.frames import polars_schema

    sums: dict[Key, Figures] = {}
    for file in files:
        for key, figures in file.figures.items():
            sums.setdefault(key, Figures()).add(figures.streams, figures.revenue, figures.row_count)
    rows = [(*key, f.streams, f.revenue, f.row_count) for key, f in sorted(sums.items())]
    return pl.DataFrame(rows, schema=polars_schema(STATEMENTS), orient="row")
