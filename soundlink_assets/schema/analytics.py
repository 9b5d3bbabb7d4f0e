"""The derived daily tables and the scorecards: what their columns mean and what they come from.

How a table is computed is in the module of `metrics` named like it.
"""

from dataclasses import replace

from soundlink_assets.schema.ratios import (
    COUNTRY_RATIOS,
    NOT_SUMMED,
    SPILLOVER_RATIOS,
    UNDEFINED,
    Ratio,
)
from soundlink_assets.schema.tables import Column, Kind, Table, column

SCHEMA = "analytics"
IS_SETTLED = "is_settled"

FINAL_DAYS = 28
FINAL_SUFFIX = f"_{FINAL_DAYS}d"
"""The columns of scorecards over the last final days end in this."""

_COUNTRY_ROWS = "campaign_country_daily"
_PLAY_ROWS = "campaign_engagement_daily"
_DAILY = "country_efficiency"
_PLAYS = "spillover_share"


def _of(source: str, *names: str) -> tuple[str, ...]:
    return tuple(f"{source}.{name}" for name in names)


def _identity(source: str) -> tuple[Column, ...]:
    """Day, campaign and country of a daily table."""
    return (
        column(
            "report_date",
            Kind.DATE,
            "Day that the figures belong to.",
            *_of(source, "report_date"),
            unit="UTC day",
        ),
        column(
            "campaign_id",
            Kind.TEXT,
            "Campaign, the same for its whole life.",
            *_of(source, "campaign_id"),
        ),
        column(
            "campaign_name",
            Kind.TEXT,
            "Name of the campaign on that day. It may change from day to day: group by id.",
            *_of(source, "campaign_name"),
        ),
        column(
            "country_code",
            Kind.TEXT,
            "Country of the listener, from the IP address at engagement.",
            *_of(source, "country_code"),
            unit="ISO 3166-1 alpha-2",
        ),
    )


LINK_KIND = "link_kind"


def _link_identity(source: str) -> tuple[Column, ...]:
    """Day, link and country of a daily table of campaigns and soundlinks."""
    day, campaign_id, name, country = _identity(source)
    return (
        day,
        replace(
            campaign_id,
            description="Campaign, or soundlink (see link_kind), the same for its whole life.",
        ),
        replace(
            name,
            description="Its name on that day. It may change from day to day: group by id.",
        ),
        column(
            LINK_KIND,
            Kind.TEXT,
            "What campaign_id is the id of: `campaign` or `soundlink`. Null means `campaign`.",
            *_of(source, "campaign_id"),
            nullable=True,
        ),
        country,
    )


def is_settled(source: str) -> Column:
    """Whether the day is final, in a daily table that is computed from rows of `source`."""
    return column(
        IS_SETTLED,
        Kind.FLAG,
        "The day is final: the provider no longer revises it, and it was fetched after that. While "
        "false, the figures may still change.",
        *_of(source, "report_date", "exported_at"),
    )


def _plays(name: str, description: str, *sources: str) -> Column:
    return column(name, Kind.COUNT, description, *sources, unit="plays", minimum=0)


def _share(name: str, description: str, *sources: str) -> Column:
    return column(name, Kind.RATIO, description, *sources, unit="fraction", nullable=True)


_UNKNOWN = "Null if the platform reported none: unknown, not zero."

MEASURES: dict[str, tuple[Kind, str, str]] = {
    "spend_media": (Kind.MONEY, "currency", "Billed by Meta, without the provider's fee"),
    "fees": (Kind.MONEY, "currency", "The provider's fee"),
    "spend_total": (Kind.MONEY, "currency", "Media spend and fees together"),
    "impressions": (Kind.COUNT, "impressions", "Times the ad was shown"),
    "ad_clicks": (Kind.COUNT, "clicks", "Clicks of every kind on the ad"),
    "link_clicks": (Kind.COUNT, "clicks", "Presses of the landing page's button"),
    "streams": (Kind.COUNT, "plays", "Plays attributed to the campaign"),
    "listeners": (Kind.COUNT, "people", "Attributed listeners of that country and day"),
    "followers": (Kind.COUNT, "people", "Artist followers gained, attributed to the campaign"),
}
"""What a country row counts, and what may be added up: kind, unit, meaning."""

EXPECTED = ("listeners", "streams", "followers", "spend_media")
"""The measures of a campaign scorecard that have an expectation beside their sum to date."""

EXPECTED_PREFIX = "expected_"

UNREPORTED = frozenset({"impressions", "ad_clicks", "link_clicks"})
"""The measures that the platform may not report."""

_MEASURE_NOTES = {
    "streams": "Another population than the streams of engagement tables: do not compare one by "
    "one.",
    "listeners": "Over days the sum may count a person again.",
}


def _measure(name: str, source: str, suffix: str = "", period: str = "") -> Column:
    kind, unit, meaning = MEASURES[name]
    notes = [f"{meaning}, {period}." if period else f"{meaning}."]
    notes.append(f"May be added up{' within one currency' if kind is Kind.MONEY else ''}.")
    if period:
        notes.append("Null without breakdown rows.")
    if name in UNREPORTED:
        notes.append(_UNKNOWN)
    if name in _MEASURE_NOTES:
        notes.append(_MEASURE_NOTES[name])
    return column(
        f"{name}{suffix}",
        kind,
        " ".join(notes),
        *_of(source, name),
        unit=unit,
        nullable=bool(period) or name in UNREPORTED,
        minimum=0 if kind is Kind.COUNT else None,
    )


COUNTRY_EFFICIENCY = Table(
    schema=SCHEMA,
    name="country_efficiency",
    grain="one row per UTC day, campaign, country and currency",
    description="What a listener, a follower and a stream cost in each country. Amounts of "
    "different currencies stay in different rows. Meta locates spend and Spotify listeners each in "
    "their own way, so costs are associations between where money was spent and where people "
    "listened, not proof that one caused the other.",
    key=("report_date", "campaign_id", "country_code", "currency"),
    day_column="report_date",
    columns=(
        *_identity(_COUNTRY_ROWS),
        column(
            "currency",
            Kind.TEXT,
            "Currency of every amount in this row. Never add amounts across currencies.",
            *_of(_COUNTRY_ROWS, "currency"),
            unit="ISO 4217",
        ),
        *(_measure(name, _COUNTRY_ROWS) for name in MEASURES),
        *(ratio.column(_COUNTRY_ROWS) for ratio in COUNTRY_RATIOS),
        _share(
            "spend_share",
            "Part of the media spend of the campaign on that day, in that currency. Sums to one "
            "over the countries; null if nothing was spent.",
            *_of(_COUNTRY_ROWS, "spend_media"),
        ),
        _share(
            "listener_share",
            "Part of the listeners of the campaign on that day, in that currency. Sums to one over "
            "the countries; null if nobody listened.",
            *_of(_COUNTRY_ROWS, "listeners"),
        ),
        column(
            "efficiency_index",
            Kind.RATIO,
            "listener_share / spend_share: above 1, the country brings listeners for less than the "
            f"campaign does on average that day. {UNDEFINED} {NOT_SUMMED}",
            *_of(_COUNTRY_ROWS, "spend_media", "listeners"),
            unit="ratio of shares",
            nullable=True,
        ),
        is_settled(_COUNTRY_ROWS),
    ),
)

_SPLIT = _of(
    _PLAY_ROWS,
    "engaged_spotify_track_id",
    "engaged_track_isrc",
    "campaign_target_spotify_track_id",
    "campaign_target_isrc",
)
_SPLIT_STREAMS = (*_of(_PLAY_ROWS, "streams"), *_SPLIT)
_SPLIT_NEW = (*_of(_PLAY_ROWS, "new_listener_streams"), *_SPLIT)

NEW_SPILLOVER_RATIO = Ratio(
    "spillover_new_listener_stream_share",
    "spillover_new_listener_streams",
    ("promoted_new_listener_streams", "spillover_new_listener_streams"),
    "fraction",
)


def _split_ratio(ratio: Ratio, sources: tuple[str, ...]) -> Column:
    return column(
        ratio.name,
        Kind.RATIO,
        ratio.column("").description,
        *sources,
        unit=ratio.unit,
        nullable=True,
    )


SPILLOVER_SHARE = Table(
    schema=SCHEMA,
    name="spillover_share",
    grain="one row per UTC day, campaign and country",
    description="How much of the listening that track campaigns bring goes to the artist's other "
    "tracks. Only catalogue plays of campaigns whose target is a track. People who connected "
    "Spotify through the smart link are counted, so the figures are a floor. Listeners are absent "
    "on purpose: one person plays several tracks.",
    key=("report_date", "campaign_id", "country_code"),
    day_column="report_date",
    columns=(
        *_link_identity(_PLAY_ROWS),
        _plays(
            "promoted_streams",
            "Plays of the promoted track: the same Spotify id, or the same ISRC. May be added up.",
            *_SPLIT_STREAMS,
        ),
        _plays(
            "spillover_streams",
            "Plays of the artist's other tracks. May be added up.",
            *_SPLIT_STREAMS,
        ),
        _plays(
            "undetermined_streams",
            "Plays while neither Spotify id nor ISRC of the promoted track was delivered. May be "
            "added up; part of no share.",
            *_SPLIT_STREAMS,
        ),
        *(_split_ratio(ratio, _SPLIT_STREAMS) for ratio in SPILLOVER_RATIOS),
        _plays(
            "promoted_new_listener_streams",
            "Plays of the promoted track by people new to it. May be added up.",
            *_SPLIT_NEW,
        ),
        _plays(
            "spillover_new_listener_streams",
            "Plays of other tracks by people new to the track that they played. May be added up.",
            *_SPLIT_NEW,
        ),
        _plays(
            "undetermined_new_listener_streams",
            "Plays by new listeners while the promoted track was not identified. May be added up.",
            *_SPLIT_NEW,
        ),
        _split_ratio(NEW_SPILLOVER_RATIO, _SPLIT_NEW),
        column(
            "spillover_tracks",
            Kind.COUNT,
            "Distinct other tracks (Spotify ids) with at least one play. Never add up: countries "
            "and days share tracks.",
            *_SPLIT_STREAMS,
            unit="tracks",
            minimum=0,
        ),
        column(
            "top_spillover_track_id",
            Kind.TEXT,
            "Spotify id of the other track with the most plays; of equals, the first in order of "
            "id. Null without spillover.",
            *_SPLIT_STREAMS,
            nullable=True,
        ),
        column(
            "top_spillover_track_name",
            Kind.TEXT,
            "Title of that track.",
            *_of(_PLAY_ROWS, "streams", "engaged_track_name"),
            *_SPLIT,
            nullable=True,
        ),
        column(
            "promoted_track_seen",
            Kind.FLAG,
            "The campaign had a play of its promoted track on that day, in any country. While "
            "false, the whole day's spillover may be a promoted track that was not recognised.",
            *_SPLIT_STREAMS,
        ),
        is_settled(_PLAY_ROWS),
    ),
)

NEW_LISTENER_RATIO = Ratio(
    "new_listener_stream_share", "new_listener_streams", ("streams",), "fraction"
)

PLAYLIST_TRACK_SHARE = Table(
    schema=SCHEMA,
    name="playlist_track_share",
    grain="one row per UTC day, campaign, country and track",
    description="How the plays from a promoted playlist divide over its tracks. Only playlist "
    "plays. Listeners are absent on purpose: one person plays several tracks.",
    key=("report_date", "campaign_id", "country_code", "track_id"),
    day_column="report_date",
    columns=(
        *_link_identity(_PLAY_ROWS),
        column(
            "track_id",
            Kind.TEXT,
            "Spotify id of the track that was played.",
            *_of(_PLAY_ROWS, "engaged_spotify_track_id"),
        ),
        column(
            "track_name",
            Kind.TEXT,
            "Title of the track that was played.",
            *_of(_PLAY_ROWS, "engaged_track_name"),
        ),
        _plays(
            "streams",
            "Plays of the track from the playlist. May be added up.",
            *_of(_PLAY_ROWS, "streams"),
        ),
        _plays(
            "new_listener_streams",
            "Plays by people new to the track. May be added up.",
            *_of(_PLAY_ROWS, "new_listener_streams"),
        ),
        _share(
            "stream_share",
            "Part of the playlist's plays on that day, all countries together. Sums to one over "
            "the campaign and day; null if nothing was played.",
            *_of(_PLAY_ROWS, "streams"),
        ),
        _share(
            "country_stream_share",
            "Part of the playlist's plays on that day in that country. Sums to one over the "
            "country; null if nothing was played there.",
            *_of(_PLAY_ROWS, "streams"),
        ),
        NEW_LISTENER_RATIO.column(_PLAY_ROWS),
        column(
            "playlist_position",
            Kind.COUNT,
            "Place of the track in the playlist on that day, 1 at the top, the same for all "
            "countries. Null is unknown, also where less than 1 was delivered. Never add up or "
            "average; take the smallest. May be filled in later than seven days.",
            *_of(_PLAY_ROWS, "playlist_position"),
            unit="slot",
            nullable=True,
            minimum=1,
        ),
        column(
            "positions_known",
            Kind.FLAG,
            "Some track of the playlist has a position on that day. Then a null position means "
            "that the track was not listed; otherwise that the playlist was not looked at.",
            *_of(_PLAY_ROWS, "playlist_position"),
        ),
        is_settled(_PLAY_ROWS),
    ),
)

# ---- scorecards ----

_ASSOCIATION = (
    "Costs are associations between where money was spent and where people listened: use them to "
    "choose what to try next, not as proof that spend caused listening."
)
_CAMPAIGN_COST = (
    "the campaign's cost_per_listener (all its spend / all its listeners, those in countries "
    "without spend included)"
)

INTERVALS: dict[str, tuple[str, str, str]] = {
    "cost_per_listener": ("spend_media", "listeners", "exact Poisson"),
    "cost_per_follower": ("spend_media", "followers", "exact Poisson"),
    "ctr_link": ("link_clicks", "impressions", "Wilson"),
}
"""The ratios of a scorecard that have an interval: numerator, denominator, method."""


def _intervals(suffix: str, period: str) -> list[Column]:
    units = {ratio.name: ratio.unit for ratio in COUNTRY_RATIOS}
    return [
        column(
            f"{name}_{end}{suffix}",
            Kind.RATIO,
            f"{meaning} end of the 95 percent {method} interval of {name}, {period}."
            + (
                f" Null without {denominator}: there is no upper bound."
                if end == "high" and numerator == "spend_media"
                else ""
            )
            + " For judging whether figures differ at all. Widened by how much the days differ, "
            "from seven days on (the final ones, if there are seven); with fewer, it covers chance "
            "alone. It covers neither late listeners of open days nor a change of what is "
            "advertised.",
            *_of(_DAILY, numerator, denominator),
            unit=units[name],
            nullable=True,
        )
        for name, (numerator, denominator, method) in INTERVALS.items()
        for end, meaning in (("low", "Lower"), ("high", "Upper"))
    ]


def _ranking(suffix: str, period: str) -> list[Column]:
    sources = _of(_DAILY, "spend_media", "listeners")
    return [
        column(
            f"cost_per_listener_shrunk{suffix}",
            Kind.RATIO,
            f"cost_per_listener {period}, pulled towards the campaign's own the more the less was "
            "spent in the country: the cost at the mean of a Gamma-Poisson model. The mean of its "
            f"prior is {_CAMPAIGN_COST}; its spread is fitted to the countries with spend by "
            "marginal likelihood. A country counts the less the more its days differ. For "
            "comparing countries of one campaign with little data. Null "
            "without spend in the country, and without spend or listeners in the campaign. "
            f"{NOT_SUMMED}",
            *sources,
            unit="currency per person",
            nullable=True,
        ),
        column(
            f"rank{suffix}",
            Kind.COUNT,
            "Place of the country within its campaign by cost_per_listener_shrunk "
            f"{period}; 1 is the cheapest. For choosing where to try more spend; neighbours in "
            "rank may well be equal, see probability_beats_campaign.",
            *sources,
            unit="place",
            nullable=True,
            minimum=1,
        ),
        column(
            f"probability_beats_campaign{suffix}",
            Kind.RATIO,
            "Probability, under the same model, that the country's listeners cost less than "
            f"{_CAMPAIGN_COST}, {period}. Near 0.5: no evidence either way. Null where "
            "cost_per_listener_shrunk is, and if only one country has spend.",
            *sources,
            unit="probability",
            nullable=True,
        ),
    ]


PLAY_KINDS = {
    "promoted_streams": "Catalogue plays of the promoted track",
    "spillover_streams": "Catalogue plays of the artist's other tracks",
    "undetermined_streams": "Catalogue plays while the promoted track was not identified",
}
"""The plays of a scorecard, by kind, and what they mean."""


def _days(name: str, description: str, *sources: str) -> Column:
    return column(name, Kind.COUNT, description, *sources, unit="days", minimum=0)


def _period(suffix: str, period: str, *, ranked: bool) -> list[Column]:
    sums = f"sums {period} of the rows that have both"
    return [
        _days(f"days{suffix}", f"Days with breakdown rows, {period}.", *_of(_DAILY, "report_date")),
        *(_measure(name, _DAILY, suffix, period) for name in MEASURES),
        *(ratio.column(_DAILY, suffix, sums) for ratio in COUNTRY_RATIOS),
        *_intervals(suffix, period),
        *(_ranking(suffix, period) if ranked else ()),
        *(
            column(
                f"{name}{suffix}",
                Kind.COUNT,
                f"{meaning}, {period}. May be added up, but not over currencies: plays have none "
                "and are in each row. Null without catalogue rows, as on playlist campaigns.",
                *_of(_PLAYS, name),
                unit="plays",
                nullable=True,
                minimum=0,
            )
            for name, meaning in PLAY_KINDS.items()
        ),
        *(ratio.column(_PLAYS, suffix, f"sums {period}") for ratio in SPILLOVER_RATIOS),
    ]


def _date(name: str, description: str, *columns: str, nullable: bool = False) -> Column:
    sources = (*_of(_DAILY, *columns), *_of(_PLAYS, *columns))
    return column(name, Kind.DATE, description, *sources, unit="UTC day", nullable=nullable)


def _scorecard_columns(*, ranked: bool) -> tuple[Column, ...]:
    both = (_DAILY, _PLAYS)
    country = column(
        "country_code",
        Kind.TEXT,
        "Country of the listener, from the IP address at engagement.",
        *(f"{source}.country_code" for source in both),
        unit="ISO 3166-1 alpha-2",
    )
    return (
        column(
            "campaign_id",
            Kind.TEXT,
            "Campaign, the same for its whole life.",
            *(f"{source}.campaign_id" for source in both),
        ),
        column(
            "campaign_name",
            Kind.TEXT,
            "Name of the campaign on its last day here.",
            *(f"{source}.campaign_name" for source in both),
        ),
        *((country,) if ranked else ()),
        column(
            "currency",
            Kind.TEXT,
            "Currency of the amounts. A campaign that spent in two has a row for each. Null for a "
            "campaign without breakdown rows.",
            *_of(_DAILY, "currency"),
            unit="ISO 4217",
            nullable=True,
        ),
        _date("as_of", "Last day that was taken into account."),
        _date("first_day", "First day with rows.", "report_date"),
        _date("last_day", "Last day with rows.", "report_date"),
        _date(
            "last_settled_day",
            f"Newest final day of any campaign. The columns with {FINAL_SUFFIX} cover the "
            f"{FINAL_DAYS} calendar days that end here, of which the final rows only, so that all "
            "campaigns are compared over the same days. Null while nothing is final.",
            "report_date",
            IS_SETTLED,
            nullable=True,
        ),
        _days(
            "settled_days",
            "Days with breakdown rows that are final, to date.",
            *_of(_DAILY, "report_date", IS_SETTLED),
        ),
        _share(
            "settled_spend_share",
            "Part of spend_media on final rows, to date: below 1, the rest may still change. Null "
            "without spend.",
            *_of(_DAILY, "spend_media", IS_SETTLED),
        ),
        *_period("", "to date", ranked=ranked),
        *_period(FINAL_SUFFIX, f"over the last {FINAL_DAYS} final days", ranked=ranked),
        *(_country_value() if ranked else _expected()),
    )


def _expected() -> tuple[Column, ...]:
    """What the sums to date will come to: see `metrics.nowcast`."""
    return tuple(
        column(
            f"{EXPECTED_PREFIX}{name}",
            Kind.RATIO,
            f"What {name} will come to once the days until as_of are final: final days as they "
            "are, and open ones as revision_nowcast expects them. An estimate beside the sum; no "
            "cost or ratio is computed from it. Null while an open day has no expectation, and for "
            "counts of a campaign that spent in several currencies on open days. May be added up "
            "as the sum may.",
            *_of(_DAILY, name),
            *_of("revision_nowcast", "reported", "expected"),
            unit=MEASURES[name][1],
            nullable=True,
        )
        for name in EXPECTED
    )


def _country_value() -> tuple[Column, ...]:
    """What a country is worth by the distributors' statements: see `metrics.campaign_return`."""
    note = "On final days, by distributors' statements in this currency; null without any."
    return (
        column(
            "revenue_per_stream",
            Kind.RATIO,
            f"What a stream of the campaign's listeners there earned. {note} {NOT_SUMMED}",
            *_of("statements", "revenue", "streams"),
            *_of(_PLAY_ROWS, "streams"),
            unit="currency per play",
            nullable=True,
        ),
        column(
            "break_even_cost_per_listener",
            Kind.RATIO,
            "What the streams earned per listener: cost_per_listener_all_in above it is not earned "
            f"back. {note} {NOT_SUMMED}",
            *_of("statements", "revenue", "streams"),
            *_of(_PLAY_ROWS, "streams"),
            *_of(_COUNTRY_ROWS, "listeners"),
            unit="currency per person",
            nullable=True,
        ),
    )


CAMPAIGN_SCORECARD = Table(
    schema=SCHEMA,
    name="campaign_scorecard",
    grain="one row per campaign (and currency, if it spent in several)",
    description="How each campaign does: to date, open days included, and over the last "
    f"{FINAL_DAYS} final days, with how sure the costs are. {_ASSOCIATION}",
    key=("campaign_id", "currency"),
    columns=_scorecard_columns(ranked=False),
)

COUNTRY_SCORECARD = Table(
    schema=SCHEMA,
    name="country_scorecard",
    grain="one row per campaign and country (and currency, if the campaign spent in several)",
    description="How each country of a campaign does: to date, open days included, and over the "
    f"last {FINAL_DAYS} final days, ranked by a cost that does not overrate countries with little "
    f"data. {_ASSOCIATION}",
    key=("campaign_id", "country_code", "currency"),
    columns=_scorecard_columns(ranked=True),
)

DAILY_TABLES = (COUNTRY_EFFICIENCY, SPILLOVER_SHARE, PLAYLIST_TRACK_SHARE)
SCORECARDS = (CAMPAIGN_SCORECARD, COUNTRY_SCORECARD)
