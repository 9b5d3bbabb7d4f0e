"""The rules that a row of an export should keep, as data.

A rule stands here once: its check in Dagster, its severity, its description and its tests are made
from it. How a rule is evaluated on a frame is in `evaluation`. Rules that a row must keep to be
stored at all (types, required fields, the key) are not here: they follow from the columns.

Every rule has a `name`, which its check bears, and a `description` for people who run campaigns:
what should hold, the formula, and what a breach means. `meaning` is the first sentence of it.
"""

from dataclasses import dataclass
from decimal import Decimal


@dataclass(frozen=True, slots=True, kw_only=True)
class SumIdentity:
    """`total` is the sum of `parts`.

    A difference over `error_over` is an ERROR, one over `warn_over` a WARN, in the unit of the
    columns. With `blocking`, an ERROR keeps downstream assets from running.
    """

    total: str
    parts: tuple[str, ...]
    meaning: str
    warn_over: Decimal = Decimal(0)
    error_over: Decimal = Decimal(0)
    blocking: bool = False

    @property
    def name(self) -> str:
        """The name of its check."""
        return f"{self.total}_identity"

    @property
    def formula(self) -> str:
        """The rule in column names."""
        return f"{self.total} = {' + '.join(self.parts)}"

    @property
    def description(self) -> str:
        """What should hold, and what a breach means."""
        if self.error_over:
            limit = (
                f"Each amount is rounded, so {self.warn_over} may be missing; more is a warning, "
                f"more than {self.error_over} an error."
            )
        else:
            limit = "Counts are exact: any difference is an error."
        return f"{self.meaning} `{self.formula}`. {limit}{_blocking_note(self.blocking)}"


@dataclass(frozen=True, slots=True, kw_only=True)
class RatioIdentity:
    """The published `ratio` is `numerator / denominator`, rounded by the provider.

    `decimals` are those of the published ratio, `numerator_decimals` those to which the provider
    rounded the numerator (money 2; None for an exact count). `undefined` is what the contract
    publishes on a zero or null denominator: 0 or null.
    `only_when` restricts the rule to rows whose column has one of the given values.
    """

    ratio: str
    numerator: str
    denominator: str
    meaning: str
    decimals: int
    numerator_decimals: int | None = None
    undefined: int | None = 0
    only_when: tuple[str, tuple[str | None, ...]] | None = None

    @property
    def name(self) -> str:
        """The name of its check."""
        return f"{self.ratio}_identity"

    @property
    def formula(self) -> str:
        """The rule in column names."""
        return f"{self.ratio} = {self.numerator} / {self.denominator}"

    @property
    def description(self) -> str:
        """What should hold, and what a breach means."""
        empty = "empty (null)" if self.undefined is None else str(self.undefined)
        unit = Decimal(1).scaleb(-self.decimals)
        rounding = (
            "" if self.numerator_decimals is None else f" plus the rounding of {self.numerator}"
        )
        scope = ""
        if self.only_when is not None:
            column, values = self.only_when
            scope = (
                f" Holds where {column} is {' or '.join(str(value or 'null') for value in values)}."
            )
        return (
            f"{self.meaning} `{self.formula}`, and {empty} where there is nothing to divide by."
            f"{scope} The published figure may be off by one unit in its last place ({unit})"
            f"{rounding}; more is a warning, more than twice that an error. Derived tables never "
            "use it: they divide anew."
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class Format:
    """Every non-null value of `columns` matches `pattern` as a whole. A breach is a WARN."""

    name: str
    columns: tuple[str, ...]
    pattern: str
    meaning: str

    @property
    def description(self) -> str:
        """What should hold, and what a breach means."""
        return (
            f"{_listed(self.columns)}: each value is {self.meaning}, or empty where it may be. "
            "Other values are stored as they came, with a warning."
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class KnownValues:
    """The columns hold only values that the contract names. A breach is a WARN.

    Null is judged by the column's own nullability, not here.
    """

    name: str
    values: tuple[tuple[str, tuple[str, ...]], ...]
    meaning: str

    @property
    def description(self) -> str:
        """What should hold, and what a breach means."""
        known = "; ".join(f"{column}: {', '.join(values)}" for column, values in self.values)
        return (
            f"Each value is {self.meaning} ({known}). A new word from the provider is stored as it "
            "came, with a warning."
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class PlaylistPosition:
    """`column` is 1 or more, or null where unknown. A breach is a WARN.

    Rows whose `context_column` is `context_without` have no position at all.
    """

    name: str
    column: str
    context_column: str
    context_without: str
    meaning: str

    @property
    def description(self) -> str:
        """What should hold, and what a breach means."""
        return (
            f"{self.column} is {self.meaning}; an unknown position is empty. A breach is a "
            "warning: ignore the position of those rows."
        )


Identity = SumIdentity | RatioIdentity
Rule = SumIdentity | RatioIdentity | Format | KnownValues | PlaylistPosition


def _listed(columns: tuple[str, ...]) -> str:
    return ", ".join(f"`{column}`" for column in columns)


def _blocking_note(blocking: bool) -> str:  # noqa: FBT001 - a flag of the rule, passed on
    return " Then nothing is computed from this table in that run." if blocking else ""
