"""Rules evaluated on frames: which rows break a rule, and by how much.

On delivered rows, typed as their columns say. What the rules are is in `schema.rules`; what follows
from a broken one (what is blocked, what is shown) is for the caller.

Ratios are compared as binary floats, with a slack for their rounding that is far below any
tolerance; sums are compared as exact decimals.
"""

from collections.abc import Sequence
from typing import assert_never

import polars as pl

from soundlink_assets.metrics.aggregation import EXACT
from soundlink_assets.schema.rules import (
    Format,
    KnownValues,
    PlaylistPosition,
    RatioIdentity,
    Rule,
    SumIdentity,
)

ERROR_FACTOR = 2
"""A published ratio beyond this many tolerances is an ERROR."""

FLOAT_SLACK = 2.0**-49
"""Share of the compared values that binary floats may add to a difference.

Reading the published value and the numerator, the division and the subtraction each round by at
most 2^-53 of their result, the tolerance by a few times that: sixteen such roundings cover them
all. Without the slack, 1.51 would not lie within 0.01 of 1.50.
"""

FINDINGS: dict[str, pl.DataType] = {
    "field": pl.String(),
    "published": pl.String(),
    "expected": pl.String(),
    "difference": pl.Float64(),
    "tolerance": pl.Float64(),
    "is_error": pl.Boolean(),
}
"""What a finding tells of a failing row, after its key.

`difference` is published less expected, in the unit of the field; null where one of them is null
or no number is expected. `tolerance` is the largest difference that passes. `is_error` marks what
is an ERROR rather than a WARN.
"""

_NULL_TEXT = "null"


def failing_rows(rows: pl.DataFrame, rule: Rule, key: Sequence[str]) -> pl.DataFrame:
    """The rows that break the rule: the columns of `key`, then those of `FINDINGS`.

    One line per row and failing field: errors first, then by difference. `rows` needs the key and
    the columns that the rule names; ColumnNotFoundError, naming the rule, otherwise.
    """
    found = _found(rows.lazy(), rule, [pl.col(name) for name in key])
    try:
        return _sorted(found, key)
    except pl.exceptions.ColumnNotFoundError as error:
        missing = str(error).partition("\n")[0]
        raise pl.exceptions.ColumnNotFoundError(f"rule {rule.name}: {missing}") from None


def _sorted(found: pl.LazyFrame, key: Sequence[str]) -> pl.DataFrame:
    return (
        found.sort(pl.col("is_error"), pl.col("difference").abs(), descending=True, nulls_last=True)
        .select(*key, *FINDINGS)
        .collect()
    )


def _found(rows: pl.LazyFrame, rule: Rule, key: list[pl.Expr]) -> pl.LazyFrame:
    match rule:
        case SumIdentity():
            return _failing_sums(rows, rule, key)
        case RatioIdentity():
            return _failing_ratios(rows, rule, key)
        case Format():
            return _failing_formats(rows, rule, key)
        case KnownValues():
            return _unknown_values(rows, rule, key)
        case PlaylistPosition():
            return _failing_positions(rows, rule, key)
        case _:
            assert_never(rule)


def _failing_sums(rows: pl.LazyFrame, rule: SumIdentity, key: list[pl.Expr]) -> pl.LazyFrame:
    published = pl.col(rule.total).cast(EXACT)
    parts = (pl.col(part).cast(EXACT) for part in rule.parts)
    expected = pl.sum_horizontal(parts, ignore_nulls=False)
    difference = published - expected
    return rows.filter(difference.abs() > rule.warn_over).select(
        *key,
        _text(rule.total).alias("field"),
        _exact_text(published).alias("published"),
        _exact_text(expected).alias("expected"),
        difference.cast(pl.Float64).alias("difference"),
        pl.lit(float(rule.warn_over)).alias("tolerance"),
        (difference.abs() > rule.error_over).alias("is_error"),
    )


def _failing_ratios(rows: pl.LazyFrame, rule: RatioIdentity, key: list[pl.Expr]) -> pl.LazyFrame:
    published = pl.col(rule.ratio)
    numerator = pl.col(rule.numerator).cast(pl.Float64)
    denominator = pl.col(rule.denominator).cast(pl.Float64)
    defined = (numerator.is_not_null() & (denominator != 0)).fill_null(value=False)

    unit = 10.0**-rule.decimals
    half_cent = 0.0 if rule.numerator_decimals is None else 0.5 * 10.0**-rule.numerator_decimals
    undefined = pl.lit(rule.undefined, dtype=pl.Float64)

    measured = rows.filter(_applies(rule)).with_columns(
        pl.when(defined).then(numerator / denominator).otherwise(undefined).alias("expected"),
        pl.when(defined).then(unit + half_cent / denominator).otherwise(0.0).alias("tolerance"),
    )
    difference = (published - pl.col("expected")).abs()
    slack = FLOAT_SLACK * (pl.col("expected").abs() + pl.col("tolerance"))
    near = pl.max_horizontal(pl.col("tolerance"), unit) * ERROR_FACTOR
    is_null_as_expected = published.is_null() & pl.col("expected").is_null()
    is_close = (difference <= pl.col("tolerance") + slack).fill_null(value=False)
    return measured.filter(~(is_null_as_expected | is_close)).select(
        *key,
        _text(rule.ratio).alias("field"),
        _text_of(published).alias("published"),
        _text_of(pl.col("expected").round(rule.decimals + 2)).alias("expected"),
        (published - pl.col("expected")).alias("difference"),
        "tolerance",
        (difference > near + slack).fill_null(value=False).alias("is_error"),
    )


def _applies(rule: RatioIdentity) -> pl.Expr:
    if rule.only_when is None:
        return pl.lit(value=True)
    column, values = rule.only_when
    return pl.col(column).is_in(values, nulls_equal=True)


def _failing_formats(rows: pl.LazyFrame, rule: Format, key: list[pl.Expr]) -> pl.LazyFrame:
    whole = f"^(?:{rule.pattern})$"
    return pl.concat(
        _failing(rows, key, column, ~pl.col(column).str.contains(whole), expected=rule.meaning)
        for column in rule.columns
    )


def _unknown_values(rows: pl.LazyFrame, rule: KnownValues, key: list[pl.Expr]) -> pl.LazyFrame:
    unknown = ~pl.col(rule.column).is_in(rule.values)
    expected = " or ".join(rule.values)
    return _failing(rows, key, rule.column, unknown, expected=expected).with_columns(
        is_error=pl.lit(rule.is_error)
    )


def _failing_positions(
    rows: pl.LazyFrame, rule: PlaylistPosition, key: list[pl.Expr]
) -> pl.LazyFrame:
    position = pl.col(rule.column)
    has_none = pl.col(rule.context_column) == rule.context_without
    return pl.concat(
        (
            _failing(rows, key, rule.column, has_none & position.is_not_null(), expected="null"),
            _failing(rows, key, rule.column, ~has_none & (position < 1), expected="1 or more"),
        )
    )


def _failing(
    rows: pl.LazyFrame,
    key: list[pl.Expr],
    column: str,
    broken: pl.Expr,
    *,
    expected: str,
) -> pl.LazyFrame:
    """The rows where `broken` is true (not null), for rules that expect no one number."""
    return rows.filter(broken).select(
        *key,
        _text(column).alias("field"),
        _text_of(pl.col(column)).alias("published"),
        _text(expected).alias("expected"),
        pl.lit(None, dtype=pl.Float64).alias("difference"),
        pl.lit(None, dtype=pl.Float64).alias("tolerance"),
        pl.lit(value=False).alias("is_error"),
    )


def _text(value: str) -> pl.Expr:
    return pl.lit(value, dtype=pl.String)


def _text_of(value: pl.Expr) -> pl.Expr:
    return value.cast(pl.String).fill_null(_NULL_TEXT)


def _exact_text(value: pl.Expr) -> pl.Expr:
    """A decimal without the zeros that end it: 53.13, 60."""
    return _text_of(value).str.strip_chars_end("0").str.strip_chars_end(".")
