"""How the columns and cells of a distributor's file are to be read.

A mapping is made from `<stem>.mapping.toml` beside the file, or else from `mapping.toml` in its
folder; what neither says is as in the reference's shape. Without `[columns]` the file's header
decides between the shapes that are known here.
"""

import tomllib
from collections.abc import Iterable
from pathlib import Path

from pydantic import BaseModel, ConfigDict, ValidationError

FOLDER_MAPPING = "mapping.toml"
FILE_MAPPING_SUFFIX = ".mapping.toml"
CORRECTED = ".corrected"
SEPARATORS = (",", ";", "\t", "|")


class MappingError(ValueError):
    """A mapping file cannot be used; the message names it and says why."""


class Columns(BaseModel):
    """The header of each column. A store, country or currency may be one for the whole file."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    isrc: str
    sale_month: str
    streams: str
    revenue: str
    store: str | None = None
    country_code: str | None = None
    currency: str | None = None

    def headers(self) -> dict[str, str]:
        """Field -> header, of the fields that have a column."""
        return self.model_dump(exclude_none=True)


class Mapping(BaseModel):
    """What a mapping file may say; see `docs/statements.md`.

    `store`, `country_code`, `currency` hold for rows without a column of that name. `month_format`
    is one of `strptime`; without it, months are written `2026-04` or `2026-04-30`. `stores` and
    `countries` translate the distributor's names. `replaces` names files that this one corrects.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    columns: Columns | None = None
    separator: str | None = None
    encoding: str | None = None
    skip_lines: int = 0
    decimal: str = "."
    thousands: str = ""
    month_format: str | None = None
    store: str | None = None
    country_code: str | None = None
    currency: str | None = None
    stores: dict[str, str] = {}
    countries: dict[str, str] = {}
    replaces: tuple[str, ...] = ()

    def shapes(self) -> dict[str, "Mapping"]:
        """What the file may look like: this mapping, or the known shapes with what it adds."""
        if self.columns is not None:
            return {"mapping": self}
        own = {name: getattr(self, name) for name in self.model_fields_set}
        return {name: known.model_copy(update=own) for name, known in KNOWN_SHAPES.items()}

    def lacking(self, header: Iterable[str]) -> list[str]:
        """The mapped columns that the header lacks, or has twice, and fields without a source."""
        if self.columns is None:
            return []
        names = [normalized(name) for name in header]
        wanted = self.columns.headers()
        lacking = [name for name in wanted.values() if names.count(normalized(name)) != 1]
        constants = {"store": self.store, "currency": self.currency}
        return lacking + [f for f, text in constants.items() if f not in wanted and text is None]


KNOWN_SHAPES = {
    "reference": Mapping(
        columns=Columns(
            isrc="isrc",
            store="store",
            sale_month="sale_month",
            country_code="country_code",
            streams="streams",
            revenue="revenue",
            currency="currency",
        )
    ),
    # Columns and their meaning: github.com/SuperHyperInstantFutureTime/TrackShift/wiki,
    # page "Column Definitions: Distrokid". The earnings are those of this account's share.
    "distrokid": Mapping(
        columns=Columns(
            isrc="ISRC",
            store="Store",
            sale_month="Sale Month",
            country_code="Country of Sale",
            streams="Quantity",
            revenue="Earnings (USD)",
        ),
        currency="USD",
    ),
    # The same wiki, page "Column Definitions: Tunecore". `Total Earned` is in `Currency`; net sales
    # are in the currency of the store.
    "tunecore": Mapping(
        columns=Columns(
            isrc="Optional ISRC",
            store="Store Name",
            sale_month="Sales Period",
            country_code="Country Of Sale",
            streams="# Units Sold",
            revenue="Total Earned",
            currency="Currency",
        )
    ),
}
"""Files that are recognised by their header."""


def normalized(header: str) -> str:
    """A header as it is compared: case and white space do not matter."""
    return " ".join(header.split()).casefold()


def mapping_of(path: Path) -> Mapping:
    """The mapping of a statement file. Raises MappingError."""
    own = path.with_name(path.stem + FILE_MAPPING_SUFFIX)
    source = own if own.exists() else path.with_name(FOLDER_MAPPING)
    if not source.exists():
        return Mapping()
    try:
        return Mapping.model_validate(tomllib.loads(source.read_text(encoding="utf-8")))
    except ValidationError as error:
        problems = (
            f"{'.'.join(str(part) for part in problem['loc'])}: {problem['msg']}"
            for problem in error.errors()
        )
        raise MappingError(f"{source.name}: {'; '.join(problems)}") from None
    except (tomllib.TOMLDecodeError, UnicodeDecodeError, OSError) as error:
        raise MappingError(f"{source.name}: {error}") from None
