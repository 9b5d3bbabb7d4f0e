"""What an export is: one of the provider's two daily JSONL endpoints, described once."""

from dataclasses import dataclass
from urllib.parse import quote

from soundlink_assets.contract.rules import Rule
from soundlink_assets.contract.window import Window
from soundlink_assets.tables import Column, Kind, Table

OWN_COLUMNS = (
    Column(
        name="requested_campaign_id",
        kind=Kind.TEXT,
        description="Campaign id in the path of the request that delivered this row.",
    ),
    Column(
        name="ingested_at",
        kind=Kind.TIMESTAMP,
        unit="UTC",
        description="When this version of the row was first stored here. A later delivery of the "
        "same figures leaves it as it is.",
    ),
    Column(
        name="run_id",
        kind=Kind.TEXT,
        description="Dagster run that first stored this version of the row.",
    ),
)
"""The columns of an export table that are ours, after the provider's."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Export:
    """One export of the provider.

    `rows` describes the delivered rows: the contract's fields, in its order, and its primary key.
    `segment` is the part of the path that names the export. `line_order` is the order that the
    provider promises; nothing here relies on it.
    """

    rows: Table
    segment: str
    line_order: tuple[str, ...]
    rules: tuple[Rule, ...]
    schema_version: str = "1.0"

    @property
    def name(self) -> str:
        """The provider's name of the row schema, also the table's name."""
        return self.rows.name

    @property
    def table(self) -> Table:
        """The table that the rows are stored in: the contract's fields and `OWN_COLUMNS`."""
        return self.rows.with_columns(OWN_COLUMNS)

    def path(self, campaign_id: str) -> str:
        """The path of the export for one campaign, its id percent-encoded."""
        return f"/v1/campaigns/{quote(campaign_id, safe='')}/metrics/{self.segment}/export"

    def file_name(self, campaign_id: str, window: Window) -> str:
        """The name that the provider proposes for a delivery of that window."""
        return f"{self.segment}_{campaign_id}_{window.first}_{window.last}.jsonl"
