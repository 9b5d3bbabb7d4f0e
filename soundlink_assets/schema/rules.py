"""The rules that a row of an export should keep, as data.

A rule is written once: its asset check, severity and description, the published ratio's column, the
rows of the sandbox and the tests are made from it. How a rule is evaluated on rows is in
`metrics.evaluation`. What a row must keep to be stored at all (types, required fields, the key)
follows from the columns.

`meaning` is the first sentence of a rule's `description`, which is written for people who run
campaigns: what should hold, the formula, and what a breach means.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from decimal import Decimal

from soundlink_assets.schema.tables import Column, Kind


@dataclass(frozen=True, slots=True, kw_only=True)
class SumIdentity:
    """`total` is the sum of `parts`; rows where any of them is null are not judged.

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
        limit = (
            f"Each amount is rounded, so {self.warn_over} may be missing; more is a warning, "
            f"more than {self.error_over} an error."
            if self.error_over
            else "Counts are exact: any difference is an error."
        )
        blocked = " Nothing is then computed from this table in that run." if self.blocking else ""
        return f"{self.meaning} `{self.formula}`. {limit}{blocked}"


@dataclass(frozen=True, slots=True, kw_only=True)
class RatioIdentity:
    """The published `ratio` is `numerator / denominator`, rounded by the provider.

    `decimals` are those of the published ratio, `numerator_decimals` those to which the provider
    rounds the numerator (money 2; None for an exact count). `undefined` is what the provider
    publishes on a zero or null denominator: 0 or null.
    `only_when` restricts the rule to rows whose column has one of the given values.
    """

    ratio: str
    numerator: str
    denominator: str
    unit: str
    meaning: str
    decimals: int
    numerator_decimals: int | None = None
    undefined: int | None = 0
    only_when: tuple[str, tuple[str | None, ...]] | None = None
    blocking: bool = False

    @property
    def name(self) -> str:
        """The name of its check."""
        return f"{self.ratio}_identity"

    @property
    def formula(self) -> str:
        """The rule in column names."""
        return f"{self.ratio} = {self.numerator} / {self.denominator}"

    @property
    def column(self) -> Column:
        """The published ratio as a column of the export."""
        undefined = "null" if self.undefined is None else "0"
        return Column(
            name=self.ratio,
            kind=Kind.RATIO,
            unit=self.unit,
            nullable=self.undefined is None,
            required=self.undefined is not None,
            description=f"Published ratio: {self.numerator} / {self.denominator}; {undefined} "
            f"without {self.denominator}. Never an input to a derived table.",
        )

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
            scope = f" Holds where {column} is {' or '.join(str(v or 'null') for v in values)}."
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
        """What should hold."""
        return f"{_listed(self.columns)}: {self.meaning}."


@dataclass(frozen=True, slots=True, kw_only=True)
class KnownValues:
    """`column` holds only values that the provider documents; null is judged by the column.

    A breach is a WARN, or an ERROR for a value that makes rows incomparable (`is_error`).
    """

    column: str
    values: tuple[str, ...]
    is_error: bool = False

    @property
    def name(self) -> str:
        """What it is called in a verdict."""
        return f"{self.column}_known"

    @property
    def description(self) -> str:
        """What should hold."""
        return f"`{self.column}`: {', '.join(self.values)}."


@dataclass(frozen=True, slots=True, kw_only=True)
class PlaylistPosition:
    """`column` is 1 or more, or null where unknown. A breach is a WARN.

    Rows whose `context_column` is `context_without` have no position at all.
    """

    name: str
    column: str
    context_column: str
    context_without: str

    @property
    def description(self) -> str:
        """What should hold."""
        return (
            f"`{self.column}`: 1 or more, empty if unknown, and empty where {self.context_column} "
            f"is `{self.context_without}`."
        )


Identity = SumIdentity | RatioIdentity
"""An identity of figures: a check of its own."""

FormatRule = Format | KnownValues | PlaylistPosition
"""What text and codes look like: all of an export are one check, `formats`."""

Rule = Identity | FormatRule


def _listed(names: Iterable[str]) -> str:
    return ", ".join(f"`{name}`" for name in names)
