"""The rules that a row of an export should keep, as data.

A rule stands here once: its check in Dagster, its severity, its description and its tests are made
from it. How a rule is evaluated on a frame is in `evaluation`. Rules that a row must keep to be
stored at all (types, required fields, the key) are not here: they follow from the columns.
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
    warn_over: Decimal = Decimal(0)
    error_over: Decimal = Decimal(0)
    blocking: bool = False

    @property
    def name(self) -> str:
        return f"{self.total}_identity"

    @property
    def formula(self) -> str:
        return f"{self.total} = {' + '.join(self.parts)}"


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
    decimals: int
    numerator_decimals: int | None = None
    undefined: int | None = 0
    only_when: tuple[str, tuple[str | None, ...]] | None = None

    @property
    def name(self) -> str:
        return f"{self.ratio}_identity"

    @property
    def formula(self) -> str:
        on_zero = "null" if self.undefined is None else str(self.undefined)
        return f"{self.ratio} = {self.numerator} / {self.denominator} ({on_zero} if undefined)"


@dataclass(frozen=True, slots=True, kw_only=True)
class Format:
    """Every non-null value of `columns` matches `pattern` as a whole. A breach is a WARN."""

    name: str
    columns: tuple[str, ...]
    pattern: str
    meaning: str


@dataclass(frozen=True, slots=True, kw_only=True)
class KnownValues:
    """The columns hold only values that the contract names. A breach is a WARN.

    Null is judged by the column's own nullability, not here.
    """

    name: str
    values: tuple[tuple[str, tuple[str, ...]], ...]
    meaning: str


@dataclass(frozen=True, slots=True, kw_only=True)
class PlaylistPosition:
    """`column` is 1 or more, and null on rows of `context_column` = `catalog`. A breach is a WARN."""

    name: str
    column: str
    context_column: str
    meaning: str


Identity = SumIdentity | RatioIdentity
Rule = SumIdentity | RatioIdentity | Format | KnownValues | PlaylistPosition
