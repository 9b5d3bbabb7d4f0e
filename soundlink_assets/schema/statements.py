"""What distributors paid, and what is computed from it: the tables behind `docs/statements.md`.

How a file of a distributor is read is in `statements`, how the derived tables are computed in the
modules of `metrics` named like them.
"""

from soundlink_assets.schema.ratios import NOT_SUMMED, UNDEFINED, Ratio
from soundlink_assets.schema.tables import Column, Kind, Table, column

SPOTIFY = "Spotify"
"""The store whose streams the provider observes; rows of other stores are kept and not joined."""

UNKNOWN_COUNTRY = "ZZ"
"""Where a statement does not say which country it was, or says it in words that are not known."""

BEFORE, DURING, BETWEEN, AFTER = "before", "during", "between", "after"

RATES = ("country", "month", "isrc", "catalogue")
"""What a stream can be priced by, the finest first: see `CAMPAIGN_RETURN`."""

_PLAY_ROWS = "campaign_engagement_daily"
_SPEND_ROWS = "campaign_country_daily"
_SALES = "statements"


def _of(source: str, *names: str) -> tuple[str, ...]:
    return tuple(f"{source}.{name}" for name in names)


STATEMENTS = Table(
    schema="distributor",
    name="statements",
    grain="one row per ISRC, store, sale month, country and currency",
    description="What distributors paid, from the files in the statements folder: exact sums of "
    "their rows. Of files with the same figures one counts; a corrected file counts in place of "
    "the one that it names.",
    key=("isrc", "store", "month", "country_code", "currency"),
    columns=(
        column("isrc", Kind.TEXT, "Recording, in upper case without hyphens."),
        column(
            "store",
            Kind.TEXT,
            f"Store that paid, as the statement or its mapping names it; `{SPOTIFY}` is joined.",
        ),
        column(
            "month",
            Kind.DATE,
            "First day of the month in which was listened, not of the month of payment.",
        ),
        column(
            "country_code",
            Kind.TEXT,
            f"Country of the listener by the statement; `{UNKNOWN_COUNTRY}` where it is not known.",
            unit="ISO 3166-1 alpha-2",
        ),
        column(
            "currency",
            Kind.TEXT,
            "Currency of the revenue. Never add amounts across currencies.",
            unit="ISO 4217",
        ),
        column(
            "streams",
            Kind.COUNT,
            "Streams paid for; 0 where only an amount is stated. Negative if a correction took "
            "more back than was reported.",
            unit="plays",
        ),
        column(
            "revenue",
            Kind.FINE_MONEY,
            "What the distributor paid, exact; 0 where only streams are stated.",
            unit="currency",
        ),
        column("row_count", Kind.COUNT, "Rows of files that were added up.", unit="rows"),
    ),
)


def _plays(name: str, description: str, *sources: str, nullable: bool = False) -> Column:
    return column(name, Kind.COUNT, description, *sources, unit="plays", nullable=nullable)


_OBSERVED = _of(_PLAY_ROWS, "streams", "engaged_track_isrc")
_PAID = _of(_SALES, "streams", "store")

TRACK_MONTH_SHARE = Table(
    schema="analytics",
    name="track_month_share",
    grain="one row per ISRC and month with streams, observed or paid",
    description="What part of a recording's Spotify streams came from campaign listeners, by "
    "month. Only listeners who connected Spotify are seen, so the share is a floor; a stream that "
    "two campaigns observed counts twice. An association, not an audit.",
    key=("isrc", "month"),
    columns=(
        column(
            "isrc",
            Kind.TEXT,
            "Recording, in upper case without hyphens.",
            *_of(_PLAY_ROWS, "engaged_track_isrc"),
            *_of(_SALES, "isrc"),
        ),
        column(
            "month",
            Kind.DATE,
            "First day of the month of listening.",
            *_of(_PLAY_ROWS, "report_date"),
            *_of(_SALES, "month"),
        ),
        _plays("playlist_streams", "Streams from promoted playlists, on final days.", *_OBSERVED),
        _plays("catalogue_streams", "Streams from track campaigns, on final days.", *_OBSERVED),
        _plays("open_streams", "Streams on days that are not final yet: left out.", *_OBSERVED),
        _plays(
            "statement_streams",
            f"Streams at {SPOTIFY} that were paid, all countries and currencies. Null without a "
            "row in the statements: unknown, not zero.",
            *_PAID,
            nullable=True,
        ),
        column(
            "attributed_share",
            Kind.RATIO,
            f"(playlist_streams + catalogue_streams) / statement_streams. {UNDEFINED} {NOT_SUMMED}",
            *_OBSERVED,
            *_PAID,
            unit="fraction",
            nullable=True,
        ),
        _plays(
            "streams_above_statement",
            "Streams by which the observed ones exceed the paid ones, country by country (in "
            "total, where the statement names no country). Null without a statement.",
            *_OBSERVED,
            *_PAID,
            nullable=True,
        ),
        column(
            "is_flagged",
            Kind.FLAG,
            "The share is above one, in total or in a country, or the statement takes back more "
            "than it pays: attributed revenue may then exceed the statement's.",
            *_OBSERVED,
            *_PAID,
        ),
        column(
            "phase",
            Kind.TEXT,
            "Where the month lies to the months with spend of the campaigns whose listeners played "
            f"the recording: `{BEFORE}`, `{DURING}` (a month with spend), `{BETWEEN}` two of them, "
            f"or `{AFTER}`. Null if no such campaign spent anything. Listening is observed while "
            "the provider looks: a decline after the end is not churn.",
            *_of(_SPEND_ROWS, "report_date", "spend_total"),
            nullable=True,
        ),
        column(
            "campaign_count",
            Kind.COUNT,
            "Campaigns whose listeners ever played the recording.",
            *_of(_PLAY_ROWS, "campaign_id"),
            unit="campaigns",
        ),
        column(
            "is_settled",
            Kind.FLAG,
            "No observed stream of the month was left out: those days are all final.",
            *_of(_PLAY_ROWS, "report_date", "exported_at"),
        ),
    ),
)

RETURN_RATIOS = (
    Ratio("recoup_ratio", "attributed_revenue", ("spend_total",), "fraction", note="1 is even."),
    Ratio("recoup_ratio_low", "attributed_revenue_low", ("spend_total",), "fraction"),
    Ratio("recoup_ratio_high", "attributed_revenue_high", ("spend_total",), "fraction"),
    Ratio(
        "recoup_ratio_media",
        "attributed_revenue",
        ("spend_media",),
        "fraction",
        note="Without the provider's fee.",
    ),
    Ratio(
        "recoup_ratio_by_month",
        "attributed_revenue_by_month",
        ("spend_total",),
        "fraction",
        note="The provider's own formula.",
    ),
    Ratio("revenue_per_stream", "attributed_revenue", ("priced_streams",), "currency per play"),
    Ratio(
        "streams_to_break_even",
        "spend_total",
        ("revenue_per_stream",),
        "plays",
        note="At that price, so many streams earn the spend.",
    ),
    Ratio("cost_per_listener_all_in", "spend_total", ("listeners",), "currency per person"),
    Ratio(
        "revenue_per_listener",
        "attributed_revenue",
        ("listeners",),
        "currency per person",
        note="Streams and listeners are counted in different exports.",
    ),
)
"""What is divided in a row of `CAMPAIGN_RETURN`, in this order."""

_RETURN_SOURCES = (
    *_of(_PLAY_ROWS, "streams", "engaged_track_isrc", "country_code"),
    *_of(_SALES, "streams", "revenue"),
)


def _revenue(name: str, description: str) -> Column:
    return column(
        name,
        Kind.MONEY,
        f"{description} Null without a statement in this currency that prices a stream.",
        *_RETURN_SOURCES,
        unit="currency",
        nullable=True,
    )


def _spend(name: str, description: str) -> Column:
    return column(
        name,
        Kind.MONEY,
        f"{description}, on final days. Null without spend in this currency.",
        *_of(_SPEND_ROWS, name),
        unit="currency",
        nullable=True,
    )


_RATE_MEANINGS = {
    "country": "the ISRC's month in the listener's country",
    "month": "the ISRC's month in all countries",
    "isrc": "the ISRC in all months",
    "catalogue": "all that the statements hold (never for plays from a playlist, whose other "
    "tracks may be somebody else's)",
}

CAMPAIGN_RETURN = Table(
    schema="analytics",
    name="campaign_return",
    grain="one row per campaign and currency, of spend or of statements",
    description="What a campaign earned back: the streams that its listeners played on final days, "
    "priced at what the statements paid per stream, beside what was spent on those days. A "
    "statement lags by about two months: wait until it covers a month past the campaign. A floor "
    "(only connected listeners are seen) and an estimate, not an audit.",
    key=("campaign_id", "currency"),
    columns=(
        column(
            "campaign_id",
            Kind.TEXT,
            "Campaign, the same for its whole life.",
            *_of(_PLAY_ROWS, "campaign_id"),
            *_of(_SPEND_ROWS, "campaign_id"),
        ),
        column(
            "campaign_name",
            Kind.TEXT,
            "Name of the campaign on its last day here.",
            *_of(_PLAY_ROWS, "campaign_name"),
            *_of(_SPEND_ROWS, "campaign_name"),
        ),
        column(
            "currency",
            Kind.TEXT,
            "Currency of every amount in this row. Revenue in another currency than the spend is "
            "in a row of its own and is not converted.",
            *_of(_SPEND_ROWS, "currency"),
            *_of(_SALES, "currency"),
            unit="ISO 4217",
        ),
        column(
            "covers_until",
            Kind.DATE,
            "First day of the newest month for which the statements pay streams of a recording "
            "that the campaign's listeners played. Null without.",
            *_of(_SALES, "month"),
            nullable=True,
        ),
        column(
            "missing_months",
            Kind.COUNT,
            "Months with streams of the campaign for which the statements pay none of its "
            "recordings. Priced from other months, and 0 in attributed_revenue_low.",
            *_of(_SALES, "month"),
            unit="months",
        ),
        column(
            "covers_campaign",
            Kind.FLAG,
            "The statements cover a month past the last one with spend, and none is missing.",
            *_of(_SALES, "month"),
            *_of(_SPEND_ROWS, "spend_total"),
        ),
        _plays("streams", "Streams by the campaign's listeners, on final days.", *_OBSERVED),
        _plays("priced_streams", "Of these, the streams that have a price.", *_RETURN_SOURCES),
        column(
            "rate_source",
            Kind.TEXT,
            "What most of the priced streams are priced by: "
            + ", ".join(f"`{rate}`" for rate in RATES)
            + ". Null if none has a price.",
            *_RETURN_SOURCES,
            nullable=True,
        ),
        *(
            column(
                f"{rate}_rate_share",
                Kind.RATIO,
                f"Part of `streams` priced by {_RATE_MEANINGS[rate]}. Null without streams.",
                *_RETURN_SOURCES,
                unit="fraction",
                nullable=True,
            )
            for rate in RATES
        ),
        column(
            "unpriced_share",
            Kind.RATIO,
            "Part of `streams` without a price: recordings that no statement knows, played from a "
            "playlist, or no statements at all. Null without streams.",
            *_RETURN_SOURCES,
            unit="fraction",
            nullable=True,
        ),
        _revenue("attributed_revenue", "The streams at the price of the finest rate that exists."),
        _revenue(
            "attributed_revenue_low",
            "The same with the lowest of the prices that a coarser rate averages, and nothing for "
            "missing months.",
        ),
        _revenue(
            "attributed_revenue_high",
            "The same with the highest of the prices that a coarser rate averages.",
        ),
        _revenue(
            "attributed_revenue_by_month",
            "The provider's own formula: only streams of ISRCs and months in the statements, all "
            "countries at one price.",
        ),
        _spend("spend_media", "Billed by Meta, without the provider's fee"),
        _spend("spend_total", "Media spend and fees together"),
        column(
            "listeners",
            Kind.COUNT,
            "Attributed listeners, on final days; over days the sum may count a person again. Null "
            "without spend in this currency.",
            *_of(_SPEND_ROWS, "listeners"),
            unit="people",
            nullable=True,
        ),
        *(
            column(
                ratio.name,
                Kind.RATIO,
                f"{ratio.formula}. {ratio.note} {UNDEFINED} {NOT_SUMMED}".replace(".  ", ". "),
                *_RETURN_SOURCES,
                *_of(_SPEND_ROWS, "spend_total", "spend_media", "listeners"),
                unit=ratio.unit,
                nullable=True,
            )
            for ratio in RETURN_RATIOS
        ),
        column(
            "is_settled",
            Kind.FLAG,
            "No day of the campaign was left out: all are final.",
            *_of(_PLAY_ROWS, "report_date", "exported_at"),
            *_of(_SPEND_ROWS, "report_date", "exported_at"),
        ),
    ),
)

STATEMENT_TABLES = (STATEMENTS, TRACK_MONTH_SHARE, CAMPAIGN_RETURN)
