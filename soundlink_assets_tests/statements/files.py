"""Statement files for the tests."""

from collections.abc import Iterable
from decimal import Decimal
from pathlib import Path

HEADER = "isrc,store,sale_month,country_code,streams,revenue,currency"
ISRC = "DEXW62500259"


def row(  # noqa: PLR0913, PLR0917 - a row has that many columns
    isrc: str = ISRC,
    store: str = "Spotify",
    month: str = "2026-04",
    country: str = "US",
    streams: object = 1000,
    revenue: object = "3.5",
    currency: str = "USD",
) -> str:
    """A line in the shape of the reference."""
    return f"{isrc},{store},{month},{country},{streams},{revenue},{currency}"


def write(path: Path, *lines: str, header: str = HEADER, encoding: str = "utf-8") -> Path:
    """Write a file of these lines."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes("\n".join([header, *lines, ""]).encode(encoding))
    return path


def total(values: Iterable[object]) -> Decimal:
    """The exact sum of amounts written as text."""
    return sum((Decimal(str(value)) for value in values), Decimal(0))
