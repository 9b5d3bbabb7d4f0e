"""The reference part of `docs/tables.md`, made from the descriptions of the tables.

`python -m soundlink_assets_tests.docs.tables_page` writes it anew; a test compares.
"""

from collections.abc import Iterator
from pathlib import Path

from soundlink_assets.definitions import tables_of
from soundlink_assets.schema import (
    CAMPAIGN_COUNTRY_DAILY,
    CAMPAIGN_ENGAGEMENT_DAILY,
    EXPORTS,
    SOUNDLINK_COUNTRY_DAILY,
    SOUNDLINK_ENGAGEMENT_DAILY,
)
from soundlink_assets.schema.analytics import (
    CAMPAIGN_SCORECARD,
    COUNTRY_EFFICIENCY,
    COUNTRY_SCORECARD,
    FINAL_DAYS,
    FINAL_SUFFIX,
    PLAYLIST_TRACK_SHARE,
    SPILLOVER_SHARE,
)
from soundlink_assets.schema.campaigns import CAMPAIGNS
from soundlink_assets.schema.exports import Export
from soundlink_assets.schema.nowcast import NOWCAST_BACKTEST, REVISION_NOWCAST
from soundlink_assets.schema.statements import CAMPAIGN_RETURN, TRACK_MONTH_SHARE
from soundlink_assets.schema.tables import Column, Kind, Table

PAGE = Path(__file__).parents[2] / "docs" / "tables.md"
START = "<!-- reference: start -->"
END = "<!-- reference: end -->"

NUMBERS = {Kind.COUNT, Kind.MONEY, Kind.FINE_MONEY, Kind.RATIO}
NEVER = "no"
ALL = "yes"
ONE_CURRENCY = "within one currency"

_COUNTRY_LISTENERS = "over countries; over days a person counts again"
_ONE_DAY = "over countries; never over days"
_ENGAGEMENT_SUMS = {
    "playlist_position": NEVER,
    "new_listeners": "over countries; of one track over days; never over tracks",
    "returning_listeners": "roughly over countries; never over days or tracks",
    "listeners": "roughly over countries; never over days or tracks",
}
_SCORECARD_SUMS = {
    "days": NEVER,
    "settled_days": NEVER,
    "listeners": "over countries and campaigns, as daily sums",
    **dict.fromkeys(
        ("promoted_streams", "spillover_streams", "undetermined_streams"),
        "but not over currencies of one campaign",
    ),
}

SUMMED: dict[str, dict[str, str]] = {
    CAMPAIGNS.name: dict.fromkeys(("daily_budget", "total_budget"), ALL)
    | dict.fromkeys(("campaign_duration", "generation"), NEVER),
    CAMPAIGN_COUNTRY_DAILY.name: {"listeners": _COUNTRY_LISTENERS},
    SOUNDLINK_COUNTRY_DAILY.name: {
        "new_listeners": "over countries; over days",
        "returning_listeners": _ONE_DAY,
        "listeners": _ONE_DAY,
    },
    CAMPAIGN_ENGAGEMENT_DAILY.name: _ENGAGEMENT_SUMS,
    SOUNDLINK_ENGAGEMENT_DAILY.name: _ENGAGEMENT_SUMS,
    COUNTRY_EFFICIENCY.name: {"listeners": _COUNTRY_LISTENERS},
    SPILLOVER_SHARE.name: {"spillover_tracks": NEVER},
    PLAYLIST_TRACK_SHARE.name: {"playlist_position": NEVER},
    CAMPAIGN_SCORECARD.name: _SCORECARD_SUMS,
    REVISION_NOWCAST.name: dict.fromkeys(("age_days", "basis_days"), NEVER),
    NOWCAST_BACKTEST.name: {"age_days": NEVER},
    COUNTRY_SCORECARD.name: _SCORECARD_SUMS | {"rank": NEVER},
    TRACK_MONTH_SHARE.name: {"campaign_count": NEVER},
    CAMPAIGN_RETURN.name: {
        "missing_months": NEVER,
        "listeners": "over campaigns, as daily sums",
        **dict.fromkeys(("streams", "priced_streams"), "but not over currencies of one campaign"),
    },
}
"""What may be added up, where it is not what the kind of the column says."""


def summed(table: Table, column: Column) -> str:
    """Whether, and over what, the column may be added up; empty for what is not a number."""
    if column.kind not in NUMBERS:
        return ""
    special = SUMMED.get(table.name.removesuffix("_superseded"), {}).get(column.name)
    if special is not None:
        return special
    if column.kind is Kind.RATIO:
        return NEVER
    return ONE_CURRENCY if column.kind in {Kind.MONEY, Kind.FINE_MONEY} else ALL


def reference() -> str:
    """All tables in Markdown, between the markers of the page."""
    exports = {export.table.qualified_name: export for export in EXPORTS}
    parts = []
    for table in tables_of():
        parts.append(_section(table))
        if (export := exports.get(table.qualified_name)) is not None:
            parts += [_superseded_section(export), _section(export.delivery_log)]
    return "\n\n".join(parts)


def _section(table: Table) -> str:
    columns = [c for c in table.columns if not c.name.endswith(FINAL_SUFFIX)]
    lines = [f"### `{table.qualified_name}`", "", f"{table.description} Grain: {table.grain}."]
    lines += [f"Key: {', '.join(f'`{name}`' for name in table.key)}."]
    if len(columns) < len(table.columns):
        period = (
            f"Every column from `days` on exists a second time with `{FINAL_SUFFIX}` at the end of "
            f"its name: the same, over the last {FINAL_DAYS} final days."
        )
        lines += ["", period]
    return "\n".join([*lines, "", *_rows(table, columns)])


def _superseded_section(export: Export) -> str:
    table, superseded = export.table, export.superseded
    own = superseded.columns[len(table.columns) :]
    about = (
        f"{superseded.description} Grain: {superseded.grain}. The columns of "
        f"`{table.qualified_name}`, and:"
    )
    as_of = (
        f"`{table.qualified_name}_as_of(moment)` puts both together: "
        f"`from {table.qualified_name}_as_of('2026-05-22 06:00:00+00')` are the rows as they "
        "were at that moment."
    )
    heading = f"### `{superseded.qualified_name}`"
    return "\n".join([heading, "", about, "", *_rows(superseded, own), "", as_of])


def _rows(table: Table, columns: tuple[Column, ...] | list[Column]) -> Iterator[str]:
    yield "| column | type | unit | may be summed | meaning |"
    yield "|---|---|---|---|---|"
    for column in columns:
        null = ", null" if column.nullable else ""
        cells = (
            f"`{column.name}`",
            f"{column.kind.value}{null}",
            column.unit,
            summed(table, column),
            column.description.replace("|", "\\|"),
        )
        yield f"| {' | '.join(cells)} |"


def with_reference(page: str) -> str:
    """The page with its reference part as it should be."""
    before, _, rest = page.partition(START)
    _, _, after = rest.partition(END)
    return f"{before}{START}\n\n{reference()}\n\n{END}{after}"


if __name__ == "__main__":
    PAGE.write_text(with_reference(PAGE.read_text(encoding="utf-8")), encoding="utf-8")
