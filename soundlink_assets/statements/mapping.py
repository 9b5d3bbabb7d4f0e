"""How the columns and cells of a distributor's file are to be read.

A mapping is made from `<stem>.mapping.toml` beside the file, or else from `mapping.toml` in its
folder; what neither says is as in the reference's shape. Without `[columns]` the file's header
decides between the shapes that are known here. How lines are found in a file is in `reading`.
"""

import re
import tomllib
from collections.abc import Iterable
from datetime import date, datetime
from decimal import Decimal
from functools import cache
from pathlib import Path
from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from soundlink_assets.schema.statements import SPOTIFY, UNKNOWN_COUNTRY

FOLDER_MAPPING = "mapping.toml"
FILE_MAPPING_SUFFIX = ".mapping.toml"
CORRECTED = ".corrected"
SEPARATORS = (",", ";", "\t", "|")

_ISRC = re.compile(r"[A-Z]{2}[A-Z0-9]{3}[0-9]{7}")
_MONTH = re.compile(r"([0-9]{4})-([0-9]{2})(-[0-9]{2}.*)?")
_SPACES = str.maketrans("\N{NO-BREAK SPACE}\N{NARROW NO-BREAK SPACE}", "  ")

Character = Annotated[str, Field(min_length=1, max_length=1)]


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
    separator: Character | None = None
    encoding: str | None = None
    skip_lines: Annotated[int, Field(ge=0)] = 0
    decimal: Character = "."
    thousands: Annotated[str, Field(max_length=1)] = ""
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

    def month(self, text: str) -> date:
        """The first day of a month. ValueError if the text is not one."""
        wrong = ValueError(f"sale month {text!r} is not {self.month_format or 'YYYY-MM'}")
        try:
            if self.month_format:
                parsed = datetime.strptime(text, self.month_format)  # noqa: DTZ007 - a date
                return parsed.date().replace(day=1)
            match = _MONTH.fullmatch(text)
            if match is None:
                raise wrong
            return date(int(match[1]), int(match[2]), 1)
        except ValueError:
            raise wrong from None

    def store_of(self, text: str) -> str:
        """The store, `Spotify` in any case. ValueError without one."""
        if not text:
            raise ValueError("no store")
        stores = {name.casefold(): store for name, store in self.stores.items()}
        store = stores.get(text.casefold(), text)
        return SPOTIFY if store.casefold() == SPOTIFY.casefold() else store

    def country_of(self, text: str) -> str:
        """The code of a country, from a code or a name; `UNKNOWN_COUNTRY` for anything else."""
        own = {name.casefold(): code for name, code in self.countries.items()}
        code = {**country_codes(), **own}.get(text.casefold(), text.upper())
        return code if re.fullmatch("[A-Z]{2}", code) else UNKNOWN_COUNTRY

    def number_pattern(self) -> re.Pattern[str]:
        """How a number is written; without a separator of thousands none is accepted."""
        point, apart = re.escape(self.decimal), re.escape(self.thousands)
        whole = rf"[0-9]{{1,3}}(?:{apart}[0-9]{{3}})+|[0-9]+" if apart else "[0-9]+"
        digits = rf"(?:{whole})(?:{point}[0-9]*)?|{point}[0-9]+"
        return re.compile(rf"[+-]?(?:{digits})(?:[eE][+-]?[0-9]{{1,3}})?")

    def number(self, pattern: re.Pattern[str], field: str, text: str) -> Decimal:
        """The number in a cell, 0 in an empty one. ValueError if it does not match the pattern."""
        plain = text.translate(_SPACES)
        if not text:
            return Decimal(0)
        if not pattern.fullmatch(plain):
            hint = "; see `decimal`, `thousands`" if self.decimal == "." and "," in text else ""
            raise ValueError(f"{field} {text!r} is not a number{hint}")
        if self.thousands:
            plain = plain.replace(self.thousands, "")
        return Decimal(plain.replace(self.decimal, "."))


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


def isrc_of(text: str) -> str:
    """An ISRC in upper case without hyphens. ValueError if the text is not one."""
    isrc = re.sub(r"[\s-]", "", text).upper()
    if not isrc:
        raise ValueError("no ISRC")
    if not _ISRC.fullmatch(isrc):
        raise ValueError(f"{text!r} is not an ISRC")
    return isrc


def currency_of(text: str) -> str:
    """A currency in upper case. ValueError unless it is three letters."""
    if not re.fullmatch("[A-Za-z]{3}", text):
        raise ValueError(f"currency {text!r} is not three letters" if text else "no currency")
    return text.upper()


@cache
def country_codes() -> dict[str, str]:
    """English names of countries, in lower case, and the code that some write for GB."""
    from babel import Locale

    names = Locale("en").territories.items()
    codes = {name.casefold(): code for code, name in names if re.fullmatch("[A-Z]{2}", code)}
    return {**codes, "uk": "GB"}


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
