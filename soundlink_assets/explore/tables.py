"""The tables of the page as SQL over `analytics`, by filters; amounts are of one currency."""

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import date


@dataclass(frozen=True, slots=True)
class Query:
    """One statement and its values; as text it can be run by any DuckDB client."""

    sql: str
    parameters: Mapping[str, object] = field(default_factory=dict)

    def __str__(self) -> str:
        return re.sub(r"\$(\w+)", lambda name: _literal(self.parameters[name[1]]), self.sql)


@dataclass(frozen=True, slots=True, kw_only=True)
class Filters:
    """What is shown: days from `first` to `last`, both included; without ids or codes, all."""

    first: date
    last: date
    currency: str
    campaigns: tuple[str, ...] = ()
    countries: tuple[str, ...] = ()
    with_fees: bool = False

    @property
    def spend(self) -> str:
        """The column of `country_efficiency` that counts as spend."""
        return "spend_total" if self.with_fees else "spend_media"

    @property
    def cost_suffix(self) -> str:
        """What names of costs with fees end in, as in the tables."""
        return "_all_in" if self.with_fees else ""


CHOICES = Query("""\
SELECT campaign_id, arg_max(campaign_name, report_date) AS campaign_name, currency,
       list(DISTINCT country_code) AS countries,
       min(report_date) AS first, max(report_date) AS last, sum(spend_media) AS spend_media
FROM analytics.country_efficiency
GROUP BY campaign_id, currency
ORDER BY spend_media DESC, campaign_id""")
"""What can be chosen: a row for each campaign and currency."""


def totals(filters: Filters) -> Query:
    """One row: the sums and costs over everything that is chosen."""
    return _by("", filters)


def countries(filters: Filters) -> Query:
    """A row for each country."""
    return _by("country_code", filters, f"ORDER BY {filters.spend} DESC, country_code")


def campaigns(filters: Filters) -> Query:
    """A row for each campaign, under its newest name."""
    columns = "arg_max(campaign_name, report_date) AS campaign_name"
    return _by("campaign_id", filters, f"ORDER BY {filters.spend} DESC, campaign_id", columns)


def days(filters: Filters) -> Query:
    """A row for each day; it is settled if all its rows are."""
    return _by("report_date", filters, "ORDER BY report_date", "bool_and(is_settled) AS is_settled")


def open_days(filters: Filters) -> Query:
    """A row for each open day: what is reported, and what it is expected to come to.

    Expectations know no countries. They are null unless each campaign has one, and intervals,
    which must not be added up, unless there is one campaign.
    """
    paid = "SELECT campaign_id FROM analytics.country_efficiency WHERE currency = $currency"
    where, parameters = _where(filters, ("campaigns",))
    return Query(
        f"""\
SELECT report_date, measure, sum(reported) AS reported,
       CASE WHEN count(expected) = count(*) THEN sum(expected) END AS expected,
       CASE WHEN count(*) = 1 THEN any_value(low) END AS low,
       CASE WHEN count(*) = 1 THEN any_value(high) END AS high
FROM analytics.revision_nowcast
{where}
  AND measure IN ('listeners', 'spend_media', 'followers', 'streams')
  AND coalesce(currency, $currency) = $currency
  AND campaign_id IN ({paid})
GROUP BY report_date, measure
ORDER BY report_date, measure""",
        {**parameters, "currency": filters.currency},
    )


def other_tracks(filters: Filters) -> Query:
    """A row for each campaign or soundlink of a track: its plays and those of other tracks."""
    where, parameters = _where(filters, ("campaigns", "countries"))
    return Query(
        f"""\
SELECT campaign_id, arg_max(campaign_name, report_date) AS campaign_name,
       coalesce(any_value(link_kind), 'campaign') AS link_kind,
       sum(promoted_streams)::BIGINT AS promoted_streams,
       sum(spillover_streams)::BIGINT AS spillover_streams,
       sum(spillover_streams) / nullif(sum(promoted_streams + spillover_streams), 0)
         AS spillover_stream_share
FROM analytics.spillover_share
{where}
GROUP BY campaign_id
ORDER BY spillover_streams DESC, campaign_id""",
        parameters,
    )


def _by(key: str, filters: Filters, order: str = "", columns: str = "") -> Query:
    spend, suffix = filters.spend, filters.cost_suffix
    where, parameters = _where(filters, ("campaigns", "countries"))
    first = "".join(f"{part}, " for part in (key, columns) if part)
    grouped = f"\nGROUP BY {key}\n{order}" if key else ""
    return Query(
        f"""\
SELECT {first}sum({spend}) / nullif(sum(listeners), 0) AS cost_per_listener{suffix},
       sum({spend}) AS {spend},
       sum(listeners)::BIGINT AS listeners,
       sum(followers)::BIGINT AS followers,
       sum({spend}) / nullif(sum(followers), 0) AS cost_per_follower{suffix},
       sum(streams)::BIGINT AS streams
FROM analytics.country_efficiency
{where}
  AND currency = $currency{grouped}""",
        {**parameters, "currency": filters.currency},
    )


_CONDITIONS = {"campaigns": "campaign_id IN $campaigns", "countries": "country_code IN $countries"}


def _where(filters: Filters, by: tuple[str, ...]) -> tuple[str, dict[str, object]]:
    chosen = {name: list(values) for name in by if (values := getattr(filters, name))}
    conditions = ["WHERE report_date BETWEEN $first AND $last", *map(_CONDITIONS.get, chosen)]
    return (
        "\n  AND ".join(str(condition) for condition in conditions),
        {"first": filters.first, "last": filters.last, **chosen},
    )


def _literal(value: object) -> str:
    if isinstance(value, list):
        return f"({', '.join(map(_literal, value))})"
    text = "'{}'".format(str(value).replace("'", "''"))
    return f"DATE {text}" if isinstance(value, date) else text
