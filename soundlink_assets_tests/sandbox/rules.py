"""The contract's rules applied to JSON rows in exact arithmetic, independently of polars."""

import re
from collections.abc import Iterator
from decimal import ROUND_HALF_UP, Decimal
from typing import Any

from soundlink_assets.schema.rules import (
    Format,
    KnownValues,
    PlaylistPosition,
    RatioIdentity,
    Rule,
    SumIdentity,
)

JsonRow = dict[str, Any]


def breaches(rule: Rule, rows: list[JsonRow]) -> Iterator[JsonRow]:
    """The rows that do not keep the rule exactly; published ratios must be rounded half up."""
    for row in rows:
        if not _keeps(rule, row):
            yield row


def _keeps(rule: Rule, row: JsonRow) -> bool:
    match rule:
        case SumIdentity():
            parts = [row[part] for part in rule.parts]
            return None in parts or bool(row[rule.total] == sum(parts))
        case RatioIdentity():
            return bool(row[rule.ratio] == published(rule, row))
        case Format():
            values = [row[name] for name in rule.columns if row[name] is not None]
            return all(re.fullmatch(rule.pattern, value) for value in values)
        case KnownValues():
            return row[rule.column] in (*rule.values, None)
        case PlaylistPosition():
            position = row[rule.column]
            return position is None or (position >= 1 and row[rule.context_column] != "catalog")


def published(rule: RatioIdentity, row: JsonRow) -> Decimal | int | None:
    """What the provider publishes for that row: the quotient rounded half up."""
    numerator, denominator = row[rule.numerator], row[rule.denominator]
    if not denominator or numerator is None:
        return rule.undefined
    exact = Decimal(numerator) / Decimal(denominator)
    return exact.quantize(Decimal(1).scaleb(-rule.decimals), ROUND_HALF_UP)
