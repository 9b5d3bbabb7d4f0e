"""What the columns of `analytics.campaign_scorecard` and `analytics.country_scorecard` mean."""

from soundlink_assets.metrics.tables.columns import (
    NOT_SUMMED,
    SCHEMA,
    UNDEFINED,
    columns_of,
    ratio,
    text,
    total,
)
from soundlink_assets.metrics.tables.country_efficiency import COUNTRY_EFFICIENCY
from soundlink_assets.tables import Column, Kind, Table

SETTLED_DAYS = 28
SUFFIX = f"_{SETTLED_DAYS}d"

_DAILY = "country_efficiency"
_PLAYS = "spillover_share"
_RECENT = f"over the last {SETTLED_DAYS} settled days"

_ASSOCIATION = (
    "Costs are associations between where money was spent and where people listened: use them to "
    "choose what to try next, not as proof that spend caused listening."
)
_OF_CAMPAIGN = (
    "the campaign's cost_per_listener (all its spend / all its listeners, those in countries "
    "without spend included)"
)
_INTERVAL_USE = (
    "Listeners who return and days that resemble one another make the real uncertainty larger."
)


def _days(name: str, description: str, *sources: str) -> Column:
    return total(Kind.COUNT, name, "days", description, *sources)


def _sums(suffix: str, period: str) -> tuple[Column, ...]:
    """The measures of `country_efficiency`, added up."""
    unreported = " Null also if the platform reported none."
    notes = {
        "impressions": unreported,
        "ad_clicks": unreported,
        "link_clicks": unreported,
        "listeners": " The sum of daily listeners: a person may count on several days.",
        "streams": " Another population than the catalogue plays below.",
    }
    names = (
        ("spend_media", "Billed by Meta, without fee"),
        ("fees", "The provider's fee"),
        ("spend_total", "Media spend and fees together"),
        ("impressions", "Times the ad was shown"),
        ("ad_clicks", "Clicks of every kind on the ad"),
        ("link_clicks", "Presses of the landing page's button"),
        ("streams", "Plays attributed to the campaign"),
        ("listeners", "Attributed listeners"),
        ("followers", "Artist followers gained"),
    )
    columns = []
    for name, meaning in names:
        daily = COUNTRY_EFFICIENCY.column(name)
        within = " within one currency" if daily.kind is Kind.MONEY else ""
        columns.append(
            total(
                daily.kind,
                name + suffix,
                daily.unit,
                f"{meaning}, {period}. May be added up{within}. "
                f"Null without breakdown rows.{notes.get(name, '')}",
                f"{_DAILY}.{name}",
                nullable=True,
            )
        )
    return tuple(columns)


def _ratios(suffix: str, period: str) -> tuple[Column, ...]:
    formulas = (
        ("cost_per_listener", "spend_media", "listeners"),
        ("cost_per_listener_all_in", "spend_total", "listeners"),
        ("cost_per_follower", "spend_media", "followers"),
        ("cost_per_stream", "spend_media", "streams"),
        ("cost_per_link_click", "spend_media", "link_clicks"),
        ("cpm", "spend_media", "impressions"),
        ("ctr_link", "link_clicks", "impressions"),
        ("follow_rate", "followers", "listeners"),
        ("streams_per_listener", "streams", "listeners"),
    )
    return tuple(
        ratio(
            name + suffix,
            COUNTRY_EFFICIENCY.column(name).unit,
            f"{'1000 x ' if name == 'cpm' else ''}{numerator} / {denominator}, sums {period} of "
            f"the rows that have both. {UNDEFINED} {NOT_SUMMED}",
            *columns_of(_DAILY, numerator, denominator),
        )
        for name, numerator, denominator in formulas
    )


def _intervals(suffix: str, period: str) -> tuple[Column, ...]:
    columns = []
    for name, counted, method, unbounded in (
        ("cost_per_listener", "listeners", "exact Poisson", "without listeners"),
        ("cost_per_follower", "followers", "exact Poisson", "without followers"),
        ("ctr_link", "impressions", "Wilson", ""),
    ):
        unit = COUNTRY_EFFICIENCY.column(name).unit
        numerator = "link_clicks" if name == "ctr_link" else "spend_media"
        sources = columns_of(_DAILY, numerator, counted)
        no_end = f" Null {unbounded}: there is no upper bound." if unbounded else ""
        for end, meaning, note in (("low", "Lower", ""), ("high", "Upper", no_end)):
            columns.append(
                ratio(
                    f"{name}_{end}{suffix}",
                    unit,
                    f"{meaning} end of the 95 percent {method} interval of {name}, {period}.{note} "
                    f"For judging whether figures differ at all. {_INTERVAL_USE}",
                    *sources,
                )
            )
    return tuple(columns)


def _spillover(suffix: str, period: str) -> tuple[Column, ...]:
    streams = (
        ("promoted_streams", "Catalogue plays of the promoted track"),
        ("spillover_streams", "Catalogue plays of the artist's other tracks"),
        ("undetermined_streams", "Catalogue plays while the promoted track was not identified"),
    )
    split = columns_of(_PLAYS, "promoted_streams", "spillover_streams")
    return (
        *(
            total(
                Kind.COUNT,
                name + suffix,
                "plays",
                f"{meaning}, {period}. May be added up, but not over currencies: plays have none "
                "and stand in each row. Null without catalogue rows, as on playlist campaigns.",
                f"{_PLAYS}.{name}",
                nullable=True,
            )
            for name, meaning in streams
        ),
        ratio(
            f"spillover_stream_share{suffix}",
            "fraction",
            f"spillover_streams / (promoted_streams + spillover_streams), sums {period}. "
            f"{UNDEFINED} {NOT_SUMMED}",
            *split,
        ),
        ratio(
            f"halo_multiplier{suffix}",
            "plays per play",
            f"spillover_streams / promoted_streams, sums {period}. {UNDEFINED} {NOT_SUMMED}",
            *split,
        ),
    )


def _ranking(suffix: str, period: str) -> tuple[Column, ...]:
    sources = columns_of(_DAILY, "spend_media", "listeners")
    return (
        ratio(
            f"cost_per_listener_shrunk{suffix}",
            "currency per person",
            f"cost_per_listener {period}, pulled towards the campaign's own the more the less was "
            "spent in the country: the cost at the mean of a Gamma-Poisson model. The mean of its "
            f"prior is {_OF_CAMPAIGN}; its spread is fitted to the countries with spend by "
            "marginal likelihood. For comparing countries of one campaign with little data. Null "
            "without spend in the country, and without spend or listeners in the campaign. "
            f"{NOT_SUMMED}",
            *sources,
        ),
        Column(
            name=f"rank{suffix}",
            kind=Kind.COUNT,
            unit="place",
            nullable=True,
            minimum=1,
            description=f"Place of the country within its campaign by cost_per_listener_shrunk "
            f"{period}; 1 is the cheapest. For choosing where to try more spend; neighbours "
            "in rank may well be equal, see probability_beats_campaign.",
            sources=sources,
        ),
        ratio(
            f"probability_beats_campaign{suffix}",
            "probability",
            "Probability, under the same model, that the country's listeners cost less than "
            f"{_OF_CAMPAIGN}, {period}. Near 0.5: no evidence either way. Null where "
            "cost_per_listener_shrunk is, and if only one country has spend.",
            *sources,
        ),
    )


def _period(suffix: str, period: str, *, ranked: bool) -> tuple[Column, ...]:
    return (
        _days(
            f"days{suffix}",
            f"Days with breakdown rows, {period}.",
            f"{_DAILY}.report_date",
        ),
        *_sums(suffix, period),
        *_ratios(suffix, period),
        *_intervals(suffix, period),
        *(_ranking(suffix, period) if ranked else ()),
        *_spillover(suffix, period),
    )


def _columns(*, ranked: bool) -> tuple[Column, ...]:
    country = text(
        "country_code",
        "Country of the listener, from the IP address at engagement.",
        *columns_of(_DAILY, "country_code"),
        *columns_of(_PLAYS, "country_code"),
        unit="ISO 3166-1 alpha-2",
    )
    return (
        text(
            "campaign_id",
            "Campaign, the same for its whole life.",
            *columns_of(_DAILY, "campaign_id"),
            *columns_of(_PLAYS, "campaign_id"),
        ),
        text(
            "campaign_name",
            "Name of the campaign on its last day here.",
            *columns_of(_DAILY, "campaign_name"),
            *columns_of(_PLAYS, "campaign_name"),
        ),
        *((country,) if ranked else ()),
        Column(
            name="currency",
            kind=Kind.TEXT,
            unit="ISO 4217",
            nullable=True,
            description="Currency of the amounts. A campaign that spent in two has a row for each. "
            "Null for a campaign without breakdown rows.",
            sources=columns_of(_DAILY, "currency"),
        ),
        _date("as_of", "Last day that was taken into account.", nullable=False),
        _date(
            "first_day",
            "First day with rows.",
            *columns_of(_DAILY, "report_date"),
            *columns_of(_PLAYS, "report_date"),
            nullable=False,
        ),
        _date(
            "last_day",
            "Last day with rows.",
            *columns_of(_DAILY, "report_date"),
            *columns_of(_PLAYS, "report_date"),
            nullable=False,
        ),
        _date(
            "last_settled_day",
            f"Newest settled day of any campaign. The columns with {SUFFIX} cover the "
            f"{SETTLED_DAYS} calendar days that end here, of which the settled rows only, so that "
            "all campaigns are compared over the same days. Null while nothing is settled.",
            *columns_of(_DAILY, "report_date", "is_settled"),
            *columns_of(_PLAYS, "report_date", "is_settled"),
            nullable=True,
        ),
        _days(
            "settled_days",
            "Days with breakdown rows that are settled, to date.",
            *columns_of(_DAILY, "report_date", "is_settled"),
        ),
        ratio(
            "settled_spend_share",
            "fraction",
            "Part of spend_media on settled rows, to date: below 1, the rest may still change. "
            "Null without spend.",
            *columns_of(_DAILY, "spend_media", "is_settled"),
        ),
        *_period("", "to date", ranked=ranked),
        *_period(SUFFIX, _RECENT, ranked=ranked),
    )


def _date(name: str, description: str, *sources: str, nullable: bool) -> Column:
    return Column(
        name=name,
        kind=Kind.DATE,
        unit="UTC day",
        description=description,
        nullable=nullable,
        sources=sources,
    )


CAMPAIGN_SCORECARD = Table(
    schema=SCHEMA,
    name="campaign_scorecard",
    grain="one row per campaign (and currency, if it spent in several)",
    description="How each campaign does: to date, open days included, and over the last "
    f"{SETTLED_DAYS} settled days, with how sure the costs are. {_ASSOCIATION}",
    key=("campaign_id", "currency"),
    columns=_columns(ranked=False),
)

COUNTRY_SCORECARD = Table(
    schema=SCHEMA,
    name="country_scorecard",
    grain="one row per campaign and country (and currency, if the campaign spent in several)",
    description="How each country of a campaign does: to date, open days included, and over the "
    f"last {SETTLED_DAYS} settled days, ranked by a cost that does not overrate countries with "
    f"little data. {_ASSOCIATION}",
    key=("campaign_id", "country_code", "currency"),
    columns=_columns(ranked=True),
)
