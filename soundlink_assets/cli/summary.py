"""What the demo prints: what was loaded, and the two answers that people come for."""

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from soundlink_assets.schema import EXPORTS

if TYPE_CHECKING:
    import polars as pl
    from rich.console import Console

    from soundlink_assets.cli.runs import RunOutcome
    from soundlink_assets.schema.window import Window

FEW_LISTENERS = 30
"""Below this, the cost of a listener is mostly chance; such countries come last."""

COUNTRIES = """
with countries as (
    select country_code, currency,
           sum(spend_media) as spend, sum(listeners) as listeners, sum(followers) as followers
    from analytics.country_efficiency
    where report_date between $first and $last
    group by country_code, currency
)
select country_code, currency, spend, listeners, followers,
       case when spend > 0 then spend::double / nullif(listeners, 0) end as cost_per_listener,
       (listeners / sum(listeners) over (partition by currency))
         / nullif(spend::double / nullif(sum(spend) over (partition by currency), 0), 0)
         as efficiency_index
from countries
order by spend <= 0, listeners < $few, cost_per_listener nulls last, country_code
"""
"""Where nothing was spent, a listener has no cost: zero would rank first as the cheapest."""

NONE = "-"

SPILLOVER = """
select campaign_id,
       max_by(campaign_name, (report_date, campaign_name)) as name,
       sum(promoted_streams) as promoted,
       sum(spillover_streams) as spillover,
       sum(spillover_streams)::double
         / nullif(sum(promoted_streams) + sum(spillover_streams), 0) as share
from analytics.spillover_share
where report_date between $first and $last
group by campaign_id
order by share desc nulls last, name, campaign_id
"""

PLAYS = """
select campaign_id, campaign_target_type, campaign_target_isrc, campaign_target_spotify_track_id,
       engagement_context, engaged_track_isrc, engaged_spotify_track_id, engaged_track_name,
       sum(streams)::bigint as streams
from soundlink.campaign_engagement_daily
where report_date between $first and $last
group by all
"""


def print_loaded(
    console: "Console", warehouse: str, window: "Window", requests: int, seconds: float
) -> None:
    """Days, campaigns, rows, requests and seconds."""
    counts = []
    campaigns: set[str] = set()
    for export in EXPORTS:
        frame = _read(
            warehouse,
            f"select requested_campaign_id, count(*) from {export.table.qualified_name} "  # noqa: S608 - a name of ours
            "where report_date between $first and $last group by all",
            window,
        )
        campaigns.update(row[0] for row in frame)
        counts.append(f"{sum(row[1] for row in frame):,} rows of {export.name}")
    days = "1 day" if window.days == 1 else f"{window.days} days"
    console.print(
        f"\n[bold]Loaded[/] {days} ({window}), {len(campaigns)} campaigns: "
        f"{', '.join(counts)}; {requests} requests, {seconds:.1f} s"
    )


def print_countries(console: "Console", warehouse: str, window: "Window") -> None:
    """The countries by cost per listener, cheapest first; those without spend last."""
    from rich.table import Table

    table = Table(title="Which countries buy listeners cheaply", title_justify="left")
    for name in ("country", "spend", "listeners", "followers", "cost per listener", "index"):
        table.add_column(name, justify="left" if name == "country" else "right")
    for country, currency, spend, listeners, followers, cost, index in _read(
        warehouse, COUNTRIES, window, few=FEW_LISTENERS
    ):
        table.add_row(
            country,
            f"{spend:,.2f} {currency}",
            f"{listeners:,}",
            f"{followers:,}",
            _number(cost, 3),
            _number(index, 2),
            style="dim" if listeners < FEW_LISTENERS else "",
        )
    console.print()
    console.print(table)
    console.print(
        "index above 1: listeners come cheaper here than on average; "
        f"dim: fewer than {FEW_LISTENERS} listeners, too few to tell",
        style="dim",
    )


def print_spillover(console: "Console", warehouse: str, window: "Window") -> None:
    """How much of the listening goes to the rest of the catalogue, by campaign."""
    from rich.table import Table

    table = Table(title="How much listening spills over to the catalogue", title_justify="left")
    for name in ("campaign", "promoted plays", "spillover plays", "share", "top spillover track"):
        left = name in {"campaign", "top spillover track"}
        table.add_column(name, justify="left" if left else "right")
    top_tracks = _top_tracks(warehouse, window)
    for campaign_id, name, promoted, spillover, share in _read(warehouse, SPILLOVER, window):
        shown = NONE if share is None else f"{share:.0%}"
        top = top_tracks.get(campaign_id, NONE)
        table.add_row(name, f"{promoted:,}", f"{spillover:,}", shown, top)
    console.print()
    console.print(table)


def print_checks(console: "Console", outcomes: "Sequence[RunOutcome]") -> None:
    """The checks that failed and the runs that did, if any."""
    for outcome in outcomes:
        for error in outcome.errors:
            console.print(f"[red]run failed[/] {outcome.window}: {error}")
    failed = [check for outcome in outcomes for check in outcome.failed_checks]
    if not failed and all(outcome.succeeded for outcome in outcomes):
        console.print("\n[green]All asset checks passed.[/]")
        return
    console.print(f"\n[bold]{len(failed)} checks did not pass[/]")
    for check in failed:
        console.print(f"  {check.severity}  {check.asset}  {check.check}: {check.description}")


def print_agreement(console: "Console", compared: int, different: int) -> None:
    """Whether the derived tables equal an independent computation in SQL."""
    if different:
        console.print(f"[red]{different} of {compared:,} derived rows differ from SQL.[/]")
    else:
        console.print(f"[green]All {compared:,} rows of both tables equal SQL over the exports.[/]")


def _top_tracks(warehouse: str, window: "Window") -> dict[str, str]:
    """The title of each campaign's other track with the most plays in the whole window."""
    from soundlink_assets.metrics.spillover_tracks import spillover_tracks

    tracks = spillover_tracks(_read_frame(warehouse, PLAYS, window))
    most_played = tracks.unique("campaign_id", keep="first", maintain_order=True)
    return dict(most_played.select("campaign_id", "track_name").iter_rows())


def _read(
    warehouse: str, sql: str, window: "Window", **parameters: object
) -> list[tuple[Any, ...]]:
    return _read_frame(warehouse, sql, window, **parameters).rows()


def _read_frame(warehouse: str, sql: str, window: "Window", **parameters: object) -> "pl.DataFrame":
    from soundlink_assets.warehouse.reading import read_frame

    days = {"first": window.first, "last": window.last}
    return read_frame(warehouse, sql, days | parameters)


def _number(value: float | None, decimals: int) -> str:
    return NONE if value is None else f"{value:,.{decimals}f}"
