"""A ratio, written once: what is divided by what, in which unit.

The same description makes the column, its formula in the documentation, the aggregation in
`metrics`, and, for a ratio that the provider publishes, the identity that is checked.
"""

from dataclasses import dataclass

from soundlink_assets.schema.tables import Column, Kind, column

UNDEFINED = "Null if the denominator is zero or unknown."
NOT_SUMMED = "Never add up or average: divide sums instead."


@dataclass(frozen=True, slots=True)
class Ratio:
    """`factor` x sum of `numerator` / sum of the columns of `denominator`, in `unit`.

    `note` is said after the formula: what the ratio means, where that is not plain.
    """

    name: str
    numerator: str
    denominator: tuple[str, ...]
    unit: str
    factor: int = 1
    note: str = ""

    @property
    def inputs(self) -> tuple[str, ...]:
        """The columns that it is computed from."""
        return tuple(dict.fromkeys((self.numerator, *self.denominator)))

    @property
    def formula(self) -> str:
        """The ratio in column names: `1000 x spend_media / impressions`."""
        below = " + ".join(self.denominator)
        factor = "" if self.factor == 1 else f"{self.factor} x "
        return f"{factor}{self.numerator} / {below if len(self.denominator) == 1 else f'({below})'}"

    def column(self, source: str, suffix: str = "", period: str = "") -> Column:
        """The column of a derived table that holds it, computed from columns of `source`.

        `suffix` is added to its name; `period` says which rows are added up before dividing.
        """
        said = f"{self.formula}, {period}" if period else self.formula
        return column(
            f"{self.name}{suffix}",
            Kind.RATIO,
            " ".join(part for part in (f"{said}.", self.note, UNDEFINED, NOT_SUMMED) if part),
            *(f"{source}.{name}" for name in self.inputs),
            unit=self.unit,
            nullable=True,
        )


COUNTRY_RATIOS = (
    Ratio("cost_per_listener", "spend_media", ("listeners",), "currency per person"),
    Ratio(
        "cost_per_listener_all_in",
        "spend_total",
        ("listeners",),
        "currency per person",
        note="What the organisation pays, fees included.",
    ),
    Ratio("cost_per_follower", "spend_media", ("followers",), "currency per person"),
    Ratio("cost_per_stream", "spend_media", ("streams",), "currency per play"),
    Ratio("cost_per_link_click", "spend_media", ("link_clicks",), "currency per click"),
    Ratio("cpm", "spend_media", ("impressions",), "currency per thousand impressions", factor=1000),
    Ratio("ctr_link", "link_clicks", ("impressions",), "fraction"),
    Ratio("follow_rate", "followers", ("listeners",), "followers per listener"),
    Ratio("streams_per_listener", "streams", ("listeners",), "plays per person"),
)
"""What is computed from the measures of a country: in the daily table and in both scorecards."""

SPILLOVER_RATIOS = (
    Ratio(
        "spillover_stream_share",
        "spillover_streams",
        ("promoted_streams", "spillover_streams"),
        "fraction",
    ),
    Ratio(
        "halo_multiplier",
        "spillover_streams",
        ("promoted_streams",),
        "plays per play",
        note="Plays of other tracks for each play of the promoted one.",
    ),
)
"""What is computed from plays by kind: in `spillover_share` and in both scorecards."""
