"""The nowcast of open days and its backtest: what their columns mean.

How they are computed is in `metrics.nowcast` and `metrics.nowcast_backtest`.
"""

from collections.abc import Mapping

from soundlink_assets.schema.analytics import SCHEMA
from soundlink_assets.schema.tables import Column, Kind, Table, column

BASIS_DAYS = 56
"""A nowcast learns from this many of the newest final days."""

LEAST_BASIS_DAYS = 14
"""Final days, fetched at an age while they were open, from which on a nowcast is made."""

BACKTEST_DAYS = 28
"""Newest final days whose nowcasts the backtest judges."""

MEASURES: Mapping[str, Mapping[str, str]] = {
    "campaign_country_daily": {
        "listeners": "listeners",
        "streams": "streams",
        "followers": "followers",
        "spend_media": "spend_media",
    },
    "campaign_engagement_daily": {"engagement_streams": "streams"},
}
"""What is nowcast, by export: measure -> column that it is the sum of over a campaign-day."""

SIZES: tuple[tuple[float, str], ...] = ((10.0, "below 10"), (100.0, "10 to 99"))
LARGEST = "100 and more"
"""Size classes of a campaign's day, by the mean final value of its days: upper bound and name."""

CAMPAIGN = "campaign"
ORGANISATION = "organisation"

TOO_FEW_DAYS = f"fewer than {LEAST_BASIS_DAYS} final days were fetched at this age"
NOTHING_REPORTED = "nothing is reported yet"


_FIGURES = tuple(
    f"{export}.{source}" for export, measures in MEASURES.items() for source in measures.values()
)
_DAYS = tuple(f"{export}.report_date" for export in MEASURES)
_CAMPAIGNS = tuple(f"{export}.campaign_id" for export in MEASURES)


def _measure_columns() -> tuple[Column, Column]:
    return (
        column(
            "measure",
            Kind.TEXT,
            "What is counted: `listeners`, `streams`, `followers`, `spend_media` of "
            "campaign_country_daily, and `engagement_streams`, the streams of "
            "campaign_engagement_daily.",
            *_FIGURES,
        ),
        column(
            "currency",
            Kind.TEXT,
            "Currency of an amount; null for counts. Never add amounts across currencies.",
            "campaign_country_daily.currency",
            unit="ISO 4217",
            nullable=True,
        ),
    )


def _age(description: str) -> Column:
    return column("age_days", Kind.COUNT, description, *_DAYS, unit="days", minimum=0)


def _figure(name: str, description: str, *, nullable: bool = True) -> Column:
    return column(
        name, Kind.RATIO, description, *_FIGURES, unit="as the measure", nullable=nullable
    )


def _part(name: str, description: str, *, nullable: bool = False) -> Column:
    return column(name, Kind.RATIO, description, *_FIGURES, unit="fraction", nullable=nullable)


def _number(name: str, unit: str, description: str, minimum: int = 0) -> Column:
    return column(name, Kind.COUNT, description, *_FIGURES, unit=unit, minimum=minimum)


REVISION_NOWCAST = Table(
    schema=SCHEMA,
    name="revision_nowcast",
    grain="one row per open UTC day, campaign and measure (and currency)",
    description="What the open days will come to once they are final, and how sure that is. An "
    f"estimate from how the last {BASIS_DAYS} final days came about, to plan by and to read recent "
    "days by; not a figure of the provider's. Days of which nothing was delivered have no row. "
    "Ends of intervals must not be added up.",
    key=("report_date", "campaign_id", "measure", "currency"),
    columns=(
        column("report_date", Kind.DATE, "Day that the figures belong to.", *_DAYS, unit="UTC day"),
        column("campaign_id", Kind.TEXT, "Campaign, the same for its whole life.", *_CAMPAIGNS),
        *_measure_columns(),
        column("as_of", Kind.TIMESTAMP, "When `reported` was fetched.", *_DAYS, unit="UTC"),
        _age("Whole days from the end of the day to `as_of`."),
        _figure(
            "reported",
            "The measure as it is now, all countries (and tracks) together.",
            nullable=False,
        ),
        _figure(
            "expected",
            "What it will come to: the mean. May be added up over days and campaigns. Null where "
            "`reason` says why.",
        ),
        _figure("low", "Lower end of the interval that holds the final value in 95 of 100 cases."),
        _figure("high", "Upper end of that interval."),
        _figure("low_50", "Lower end of the interval that holds it in 50 of 100 cases."),
        _figure("high_50", "Upper end of that interval."),
        _part(
            "completeness",
            "reported / expected: the part that is in. Null without an expectation above zero. "
            "Never add up or average: divide sums instead.",
            nullable=True,
        ),
        _number(
            "basis_days",
            "days",
            "Final days that were fetched at this age while they were open: the campaign's, or "
            "the organisation's if `pooled` says so.",
        ),
        column(
            "pooled",
            Kind.TEXT,
            f"Whose days those are: `{CAMPAIGN}`, or `{ORGANISATION}` where the campaign has fewer "
            f"than {LEAST_BASIS_DAYS}. Null without an expectation.",
            *_FIGURES,
            nullable=True,
        ),
        column(
            "reason",
            Kind.TEXT,
            "Why there is no expectation; null with one.",
            *_FIGURES,
            nullable=True,
        ),
    ),
)

NOWCAST_BACKTEST = Table(
    schema=SCHEMA,
    name="nowcast_backtest",
    grain="one row per age, measure (and currency) and size of campaign",
    description=f"How good nowcasts of the last {BACKTEST_DAYS} final days were: each made again "
    "from nothing but what had been fetched at the end of that UTC day, and compared with the "
    "final figure.",
    key=("measure", "currency", "age_days", "size"),
    columns=(
        *_measure_columns(),
        _age("Whole days from the end of the report date to the fetch."),
        column(
            "size",
            Kind.TEXT,
            "Mean final value of the campaign's days, as far as it was known: "
            + ", ".join(f"`{name}`" for name in (*(name for _, name in SIZES), LARGEST))
            + ".",
            *_FIGURES,
        ),
        _number("cases", "nowcasts", "Nowcasts that were judged.", minimum=1),
        column("first_day", Kind.DATE, "Oldest report date among them.", *_DAYS, unit="UTC day"),
        column("last_day", Kind.DATE, "Newest report date among them.", *_DAYS, unit="UTC day"),
        _number(
            "covered_95",
            "nowcasts",
            "Cases in which the final value lay within the 95 percent interval.",
        ),
        _number(
            "covered_50",
            "nowcasts",
            "The same of the 50 percent interval. More than half where few are missing: an "
            "interval of whole counts cannot hold exactly half of the cases.",
        ),
        _part("coverage_95", "covered_95 / cases."),
        _part("coverage_50", "covered_50 / cases."),
        _figure(
            "interval_score",
            "Mean weighted interval score of `expected` and both intervals (Bracher et al. 2021): "
            "how far off they were, width included. Smaller is better.",
            nullable=False,
        ),
        _figure(
            "interval_score_reported",
            "The same if `reported` is taken for the final value: its mean absolute error.",
            nullable=False,
        ),
        _part(
            "gain",
            "1 - interval_score / interval_score_reported: 0 no better than reading the reported "
            "figure, 1 perfect. Null where reported figures were final already.",
            nullable=True,
        ),
    ),
)

NOWCAST_TABLES = (REVISION_NOWCAST, NOWCAST_BACKTEST)
