"""What commands print of what was loaded: the two answers that people come for, and their proof.

The proof, which the demo prints, is the derived tables computed again in SQL from the exports,
written without a look at `metrics`: one rule, two languages.
"""

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from soundlink_assets.schema import EXPORTS

if TYPE_CHECKING:
    from rich.console import Console

    from soundlink_assets.cli.runs import RunOutcome
    from soundlink_assets.schema.window import Window
    from soundlink_assets.warehouse import Warehouse

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
where report_date between $first and $last and link_kind is distinct from 'soundlink'
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

SAME_COUNTRY_EFFICIENCY = """
with anew as (
    select report_date, campaign_id, country_code, currency,
           sum(spend_media) as spend_media, sum(listeners) as listeners,
           sum(spend_media)::double / nullif(sum(listeners), 0) as cost_per_listener,
           sum(spend_media)::double / nullif(sum(followers), 0) as cost_per_follower
    from soundlink.campaign_country_daily
    where report_date between $first and $last
    group by all
)
select count(*) as compared,
       count(*) filter (
           derived.spend_media is distinct from anew.spend_media
           or derived.listeners is distinct from anew.listeners
           or abs(coalesce(derived.cost_per_listener, -1) - coalesce(anew.cost_per_listener, -1))
              > 1e-9
           or abs(coalesce(derived.cost_per_follower, -1) - coalesce(anew.cost_per_follower, -1))
              > 1e-9
       ) as different
from anew full join (
    from analytics.country_efficiency where report_date between $first and $last
) as derived using (report_date, campaign_id, country_code, currency)
"""

SAME_SPILLOVER_SHARE = """
with plays as (
    select report_date, campaign_id, country_code, streams,
           nullif(trim(campaign_target_spotify_track_id), '') as target_id,
           nullif(trim(replace(upper(campaign_target_isrc), '-', '')), '') as target_isrc,
           coalesce(engaged_spotify_track_id = target_id, false)
             or coalesce(replace(upper(engaged_track_isrc), '-', '') = target_isrc, false)
             as is_promoted,
           not is_promoted and target_id is null and target_isrc is null as is_undetermined
    from soundlink.campaign_engagement_daily
    where report_date between $first and $last
      and engagement_context = 'catalog' and campaign_target_type = 'track'
), anew as (
    select report_date, campaign_id, country_code,
           coalesce(sum(streams) filter (is_promoted), 0) as promoted,
           coalesce(sum(streams) filter (not is_promoted and not is_undetermined), 0) as spillover,
           coalesce(sum(streams) filter (is_undetermined), 0) as undetermined
    from plays
    group by all
)
select count(*) as compared,
       count(*) filter (
           derived.promoted_streams is distinct from anew.promoted
           or derived.spillover_streams is distinct from anew.spillover
           or derived.undetermined_streams is distinct from anew.undetermined
           or abs(coalesce(derived.spillover_stream_share, -1)
                  - coalesce(anew.spillover / nullif(anew.promoted + anew.spillover, 0), -1)) > 1e-9
       ) as different
from anew full join (
    from analytics.spillover_share
    where report_date between $first and $last and link_kind is distinct from 'soundlink'
) as derived using (report_date, campaign_id, country_code)
"""


def print_loaded(
    console: "Console", warehouse: "Warehouse", window: "Window", requests: int, seconds: float
) -> None:
    """Days, campaigns, soundlinks, rows, requests and seconds."""
    counts = []
    ids: dict[str, set[str]] = {}
    for export in EXPORTS:
        requested = export.scope.requested_column
        rows = warehouse.load(export.table, window, (requested,))
        ids.setdefault(export.scope.plural, set()).update(rows[requested])
        counts.append(f"{rows.height:,} rows of {export.name}")
    links = ", ".join(f"{len(some)} {plural}" for plural, some in ids.items())
    days = "1 day" if window.days == 1 else f"{window.days} days"
    console.print(
        f"\n[bold]Loaded[/] {days} ({window}), {links}: "
        f"{', '.join(counts)}; {requests} requests, {seconds:.1f} s"
    )


def print_answers(console: "Console", warehouse: "Warehouse", window: "Window") -> None:
    """What the open days will come to, and the two tables that answer what people ask."""
    print_open_days(console, warehouse)
    print_countries(console, warehouse, window)
    print_spillover(console, warehouse, window)


def print_open_days(console: "Console", warehouse: "Warehouse") -> None:
    """What the open days are and will come to, apart from each other; nothing without open days."""
    from soundlink_assets.schema.nowcast import REVISION_NOWCAST
    from soundlink_assets.schema.window import final_at

    listeners = warehouse.load(REVISION_NOWCAST).filter(measure="listeners")
    days = sorted(listeners["report_date"].unique())
    if not days:
        return
    said = (
        f"\n[bold]Open[/] {days[0]} to {days[-1]}: {listeners['reported'].sum():,.0f} listeners "
        "reported"
    )
    if silent := listeners["expected"].null_count():
        reasons = listeners["reason"].drop_nulls().unique().sort()
        said += f"; {silent} of {listeners.height} campaign-days without an expectation "
        said += f"({reasons[0]})"
    else:
        said += f", {listeners['expected'].sum():,.0f} expected"
    console.print(
        f"{said}. Final from {final_at(days[0]).date()} to {final_at(days[-1]).date()}. Figures "
        "below are as reported."
    )


def print_countries(console: "Console", warehouse: "Warehouse", window: "Window") -> None:
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


def print_spillover(console: "Console", warehouse: "Warehouse", window: "Window") -> None:
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


def print_returns(console: "Console", warehouse: "Warehouse") -> None:
    """What campaigns earned back on final days by the statements; nothing without any."""
    from rich.table import Table

    from soundlink_assets.schema.statements import CAMPAIGN_RETURN

    rows = warehouse.load(CAMPAIGN_RETURN).drop_nulls(["recoup_ratio", "covers_until"])
    if rows.is_empty():
        return
    table = Table(
        title="What came back, by synthetic statements, on final days", title_justify="left"
    )
    for name in ("campaign", "earned", "spend with fees", "earned back", "statements until"):
        table.add_column(name, justify="left" if name == "campaign" else "right")
    for row in rows.sort("recoup_ratio", "campaign_id", descending=[True, False]).iter_rows(
        named=True
    ):
        table.add_row(
            row["campaign_name"],
            f"{row['attributed_revenue']:,.2f} {row['currency']}",
            f"{row['spend_total']:,.2f} {row['currency']}",
            f"{row['recoup_ratio']:.1%}",
            f"{row['covers_until']:%Y-%m}",
        )
    console.print()
    console.print(table)


def print_checks(console: "Console", outcomes: "Sequence[RunOutcome]") -> None:
    """The checks that failed and the runs that did, if any."""
    from soundlink_assets.cli.console import print_plainly

    for outcome in outcomes:
        for text in outcome.explanations:
            print_plainly(console, f"run failed  {outcome.window}: {text}")
    failed = [check for outcome in outcomes for check in outcome.failed_checks]
    if not failed and all(outcome.succeeded for outcome in outcomes):
        console.print("\n[green]All asset checks passed.[/]")
        return
    console.print(f"\n[bold]{len(failed)} checks did not pass[/]")
    for check in failed:
        description = " ".join(check.description.split("\n"))
        text = f"  {check.severity}  {check.asset}  {check.check}: {description}"
        print_plainly(console, text)


def differing_rows(warehouse: "Warehouse", window: "Window") -> tuple[int, int]:
    """Rows of both derived tables that were compared with SQL, and those of them that differ."""
    queries = (SAME_COUNTRY_EFFICIENCY, SAME_SPILLOVER_SHARE)
    results = [_read(warehouse, sql, window)[0] for sql in queries]
    return sum(result[0] for result in results), sum(result[1] for result in results)


def print_agreement(console: "Console", compared: int, different: int) -> None:
    """Whether the derived tables equal an independent computation in SQL."""
    if different:
        console.print(f"[red]{different} of {compared:,} derived rows differ from SQL.[/]")
    else:
        console.print(f"[green]All {compared:,} rows of both tables equal SQL over the exports.[/]")


def _top_tracks(warehouse: "Warehouse", window: "Window") -> dict[str, str]:
    """The title of each campaign's other track with the most plays in the whole window."""
    from soundlink_assets.metrics.engagement import spillover_tracks

    plays = warehouse.query(PLAYS, {"first": window.first, "last": window.last})
    most_played = spillover_tracks(plays).unique("campaign_id", keep="first", maintain_order=True)
    return dict(most_played.select("campaign_id", "track_name").iter_rows())


def _read(
    warehouse: "Warehouse", sql: str, window: "Window", **parameters: object
) -> list[tuple[Any, ...]]:
    days = {"first": window.first, "last": window.last}
    return warehouse.query(sql, days | parameters).rows()


def _number(value: float | None, decimals: int) -> str:
    return NONE if value is None else f"{value:,.{decimals}f}"
