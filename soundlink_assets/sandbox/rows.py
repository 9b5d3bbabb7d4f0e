"""Rows of an export as typed values: what a correct reader makes of the lines."""

import json
from collections.abc import Callable, Iterable
from datetime import date, datetime
from decimal import Decimal
from typing import Any

from soundlink_assets.schema import Export
from soundlink_assets.schema.tables import Kind

Row = dict[str, Any]
"""A row under the contract's names and in its order: DATE as `date`, TIMESTAMP as aware `datetime`,
MONEY as `Decimal`, RATIO as `float`, COUNT as `int`, TEXT as `str`; null as None."""

_READ: dict[Kind, Callable[[Any], Any]] = {
    Kind.TEXT: str,
    Kind.DATE: date.fromisoformat,
    Kind.TIMESTAMP: datetime.fromisoformat,
    Kind.COUNT: int,
    Kind.MONEY: Decimal,
    Kind.RATIO: float,
    Kind.FLAG: bool,
}


def read_rows(export: Export, lines: Iterable[bytes | str]) -> list[Row]:
    """The rows of JSON lines that hold exactly the fields of the export."""
    readers = [(column.name, _READ[column.kind]) for column in export.rows.columns]
    rows = []
    for line in lines:
        values = json.loads(line, parse_float=Decimal)
        rows.append(
            {name: None if values[name] is None else read(values[name]) for name, read in readers}
        )
    return rows
