"""The JSON lines of an export, generated from its columns and rules, and read back as typed values.

A model of `figures` says what it knows of a row. What every row of a link has in common, further
columns (by their kind, unit and rules), totals and ratios are added here, so that every rule of the
export holds to the last digit, for any export.
"""

import json
import re
from collections.abc import Callable, Iterable, Mapping
from datetime import date, datetime, timedelta
from decimal import Decimal
from typing import Any

from soundlink_assets.sandbox import draws
from soundlink_assets.sandbox.completeness import Stage
from soundlink_assets.sandbox.figures import Values, model_of
from soundlink_assets.sandbox.formatting import money, ratio, text
from soundlink_assets.sandbox.links import Link
from soundlink_assets.schema import Export
from soundlink_assets.schema.rules import Format, KnownValues, RatioIdentity, SumIdentity
from soundlink_assets.schema.tables import Column, Kind

EXPORTED_AT = "\x00"
"""Is in a line where `exported_at` goes; JSON text never holds this character unescaped."""

Row = dict[str, Any]
"""A row under the contract's names and in its order: DATE as `date`, TIMESTAMP as aware `datetime`,
MONEY as `Decimal`, RATIO as `float`, COUNT as `int`, TEXT as `str`; null as None."""

Filler = Callable[[float, int], Any]
"""A value from a draw in [0, 1) and the listeners of the row, so that figures grow together."""

_DAILY = ("exported_at", "status")
_PER_LISTENER = {"people": 0.5, "plays": 1.5, "clicks": 2.0, "views": 3.0, "impressions": 90.0}
_CENTS_PER_LISTENER = 20


class RowWriter:
    """Writes the lines of one export."""

    def __init__(self, export: Export, seed: int) -> None:
        self._export = export
        self._seed = seed
        self._model = model_of(export)
        self._templates: dict[str, str] = {}
        columns = export.rows.columns
        sums = [rule for rule in export.rules if isinstance(rule, SumIdentity)]
        ratios = [rule for rule in export.rules if isinstance(rule, RatioIdentity)]
        self._common = {*_DAILY, export.day, *self._of_link(None)}
        self._derived = {rule.total for rule in sums} | {rule.ratio for rule in ratios}
        self._fillers: dict[str, Filler] | None = None
        self._sums = [(rule.total, rule.parts) for rule in sums]
        self._ratios = [(rule.ratio, published(rule, export)) for rule in ratios]
        self._money = [column.name for column in columns if column.kind is Kind.MONEY]
        self._unreported = [
            column.name for column in columns if column.nullable and column.kind is Kind.COUNT
        ]

    def last_day(self, link: Link) -> date:
        """The last day on which the link can have rows."""
        if link.last_day is None:
            return date.max
        return link.last_day + timedelta(days=self._model.tail_days)

    def day(self, link: Link, day: date, stage: Stage) -> bytes:
        """The lines of a day, in the contract's order; `EXPORTED_AT` is still to be filled in."""
        rows = self._model.rows(self._seed, link, day, stage)
        template = self._template(link) % {
            self._export.day: f'"{day}"',
            "exported_at": f'"{EXPORTED_AT}"',
            "status": text(link.status_on(day)),
        }
        fillers = self._fillers_beside(rows[0]) if rows else {}
        for values in rows:
            if fillers:
                key = (self._seed, link.id, day, *map(values.get, self._export.rows.key))
                for name, filler in fillers.items():
                    values[name] = filler(draws.unit(*key, name), values["listeners"])
            self._finish(values)
        return "".join([template % values for values in rows]).encode()

    def _template(self, link: Link) -> str:
        """A line with `%(name)s` for what differs from day to day, `%%(name)s` from row to row."""
        if link.id not in self._templates:
            of_link = self._of_link(link)
            fields = []
            for name in self._export.rows.column_names:
                if name in of_link:
                    value = of_link[name].replace("%", "%%%%")
                elif name in _DAILY or name == self._export.day:
                    value = f"%({name})s"
                else:
                    value = f"%%({name})s"
                fields.append(f'"{name}":{value}')
            self._templates[link.id] = f"{{{','.join(fields)}}}\n"
        return self._templates[link.id]

    def _of_link(self, link: Link | None) -> dict[str, str]:
        """The fields that all rows of a link have in common (without one, only their names)."""
        scope = self._export.scope
        target = f"{scope.name}_target"
        attributes = {
            "account_id": "account_id",
            scope.id_column: "id",
            scope.name_column: "name",
            f"{target}_type": "target_type",
            f"{target}_isrc": "target_isrc",
            f"{target}_spotify_track_id": "target_track_id",
            f"{target}_playlist_id": "target_playlist_id",
            "engagement_context": "context",
        }
        return {
            "provider": text("soundlink"),
            "schema_version": text(self._export.schema_version),
            "report_date_timezone": text("UTC"),
            **{name: text(getattr(link, source, None)) for name, source in attributes.items()},
        }

    def _fillers_beside(self, known: Values) -> dict[str, Filler]:
        """How the columns that the model does not know are filled: by draw and listeners."""
        if self._fillers is None:
            self._fillers = {
                column.name: _filler(column, self._export)
                for column in self._export.rows.columns
                if column.name not in self._common | self._derived | known.keys()
            }
        return self._fillers

    def _finish(self, values: Values) -> None:
        """Add totals and ratios, and turn money and what is unknown into JSON text."""
        for total, parts in self._sums:
            known = [values[part] for part in parts]
            if None not in known:
                values[total] = sum(known)
        for name, of in self._ratios:
            values[name] = of(values)
        for name in self._money:
            values[name] = money(values[name])
        for name in self._unreported:
            if values[name] is None:
                values[name] = "null"


def published(rule: RatioIdentity, export: Export) -> Callable[[Mapping[str, Any]], str]:
    """The ratio as the provider publishes it, as JSON text, from counts and cents."""
    undefined = "null" if rule.undefined is None else str(rule.undefined)
    up, down = (
        100 if export.rows.column(name).kind is Kind.MONEY else 1
        for name in (rule.denominator, rule.numerator)
    )

    def of(values: Mapping[str, Any]) -> str:
        numerator, denominator = values[rule.numerator], values[rule.denominator]
        if not denominator or numerator is None:
            return undefined
        return ratio(numerator * up, denominator * down, rule.decimals)

    return of


def _filler(column: Column, export: Export) -> Filler:
    """A value for a column that no model knows, from a draw in [0, 1) and the row's listeners."""
    if column.kind in {Kind.COUNT, Kind.MONEY}:
        is_money, least = column.kind is Kind.MONEY, column.minimum or 0
        rate = _CENTS_PER_LISTENER if is_money else _PER_LISTENER.get(column.unit, 1.0)
        return lambda drawn, listeners: least + int(listeners * rate * (0.8 + 0.4 * drawn))
    choices = {
        Kind.RATIO: [f"0.{number}" for number in range(1, 10)],
        Kind.FLAG: ["true", "false"],
        Kind.DATE: ['"2026-01-01"'],
        Kind.TIMESTAMP: [f'"{EXPORTED_AT}"'],
    }.get(column.kind) or [text(value) for value in _texts(column, export)]
    return lambda drawn, _listeners: choices[int(drawn * len(choices))]


def _texts(column: Column, export: Export) -> list[str | None]:
    """Values of a text column: those that the rules know, or that fit their pattern."""
    unknown = [None] if column.nullable else []
    for rule in export.formats:
        if isinstance(rule, KnownValues) and rule.column == column.name:
            return [*rule.values, *unknown]
        if isinstance(rule, Format) and column.name in rule.columns:
            fitting = [value for value in _examples(column) if re.fullmatch(rule.pattern, value)]
            if not fitting and not unknown:
                raise ValueError(f"the sandbox has no example of {rule.pattern!r} ({column.name})")
            return [*fitting, *unknown]
    return [f"{column.name} {number}" for number in (1, 2, 3)]


def _examples(column: Column) -> tuple[str, ...]:
    name = column.name
    return ("DE", "USD", draws.isrc(name), draws.spotify_id(name), draws.uuid(name), "a", "1")


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
