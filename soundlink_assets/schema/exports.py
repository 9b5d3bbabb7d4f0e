"""What an export is: one of the provider's daily JSONL endpoints, described once.

From an `Export` follow its asset, its tables, the reader and the checks of its rows, the routes and
rows of the sandbox, and its page in the documentation. From its `Scope` follow what is listed to
know whom to ask for, and what the ids are called.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from urllib.parse import quote

from soundlink_assets.schema.rules import FormatRule, Identity, Rule, SumIdentity
from soundlink_assets.schema.tables import Column, Kind, Table, column
from soundlink_assets.schema.window import Window

INGESTED_AT = "ingested_at"
RUN_ID = "run_id"
ACCOUNT = "account_id"
"""The column of the organisation that owns a row, in every export."""
EXTRA = "extra"
CURRENCY_UNIT = "ISO 4217"
"""The unit of a column that names a currency; the first of a row is that of its amounts."""

SUPERSEDED_AT = "superseded_at"

EXTRA_COLUMN = column(
    EXTRA,
    Kind.TEXT,
    "Fields of the delivered row that the schema does not name, as JSON text; null without any.",
    nullable=True,
)

STAMPS = (
    column(
        INGESTED_AT,
        Kind.TIMESTAMP,
        "When this version of the row was first stored here. A later delivery of the same figures "
        "leaves it as it is.",
        unit="UTC",
    ),
    column(RUN_ID, Kind.TEXT, "Dagster run that first stored this version of the row."),
)
"""The columns that the write itself fills: when, and in which run, a version of a row came."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Scope:
    """What exports are asked for one by one: campaigns, or self-serve soundlinks.

    `listing` is the table of what the provider lists at `path`, `source_fields` maps its columns to
    the fields of a listed object. `list_permission` and `export_permission` are the scopes that an
    API key needs. `not_found_code` is the provider's code for one that does not exist (any more).
    `is_optional`: a key may lack the permission; then the assets of the scope are skipped.
    """

    name: str
    path: str
    listing: Table
    source_fields: Mapping[str, str] = field(hash=False)
    list_permission: str
    export_permission: str
    not_found_code: str
    is_optional: bool = False

    @property
    def id_column(self) -> str:
        """The column of its id, in the listing and in the rows of its exports."""
        return f"{self.name}_id"

    @property
    def name_column(self) -> str:
        """The column of its display name in the rows of its exports."""
        return f"{self.name}_name"

    @property
    def requested_column(self) -> str:
        """The column of ours with the id that was asked for."""
        return f"requested_{self.name}_id"

    @property
    def plural(self) -> str:
        """The name of the listing table: `campaigns`."""
        return self.listing.name


@dataclass(frozen=True, slots=True, kw_only=True)
class Export:
    """One export of the provider.

    `rows` describes the delivered rows: the provider's fields, in its order, and its primary key.
    `segment` is the part of the path that names the export. `line_order` is the order that the
    provider promises; nothing here relies on it.
    """

    scope: Scope
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
    def day(self) -> str:
        """The column of the report date."""
        assert self.rows.day_column is not None  # noqa: S101 - an export is daily
        return self.rows.day_column

    @property
    def as_of_campaigns(self) -> dict[str, str]:
        """What campaigns call the columns that begin with the name of the scope."""
        names = (each.name for each in self.rows.columns)
        scope = self.scope.name
        return {
            name: f"campaign{name.removeprefix(scope)}"
            for name in names
            if name.startswith(f"{scope}_")
        }

    @property
    def identities(self) -> tuple[Identity, ...]:
        """The rules that are a check each."""
        return tuple(rule for rule in self.rules if isinstance(rule, Identity))

    @property
    def formats(self) -> tuple[FormatRule, ...]:
        """The rules that the check `formats` puts together."""
        return tuple(rule for rule in self.rules if isinstance(rule, FormatRule))

    @property
    def amount(self) -> str | None:
        """The column of the total amount of money in a row; None for an export without money."""
        totals = (rule.total for rule in self.rules if isinstance(rule, SumIdentity))
        return next((total for total in totals if self.rows.column(total).kind is Kind.MONEY), None)

    @property
    def currency(self) -> str | None:
        """The column of the currency of the amounts; None for an export without money."""
        columns = (each.name for each in self.rows.columns if each.unit == CURRENCY_UNIT)
        return next(columns, None)

    @property
    def delivered(self) -> Table:
        """What a verified delivery holds: the provider's fields, and `extra`."""
        return self.rows.with_columns((EXTRA_COLUMN,))

    @property
    def table(self) -> Table:
        """The table that the rows are stored in: what was delivered, and three columns of ours."""
        requested = column(
            self.scope.requested_column,
            Kind.TEXT,
            f"The {self.scope.name} id in the path of the request that delivered this row.",
        )
        return self.delivered.with_columns((requested, *STAMPS))

    @property
    def superseded(self) -> Table:
        """The rows of `table` that a later delivery changed or withdrew."""
        return replace(
            self.table.with_columns(
                (
                    column(
                        SUPERSEDED_AT,
                        Kind.TIMESTAMP,
                        "When the delivery that changed or withdrew the row was stored.",
                        unit="UTC",
                    ),
                )
            ),
            name=f"{self.name}_superseded",
            grain="one row per version of a row that is no longer current",
            description=f"What {self.table.qualified_name} held before a later delivery changed or "
            "withdrew it.",
            key=(self.scope.requested_column, *self.rows.key, INGESTED_AT),
        )

    @property
    def delivery_log(self) -> Table:
        """Which delivery each campaign-day held, from when to when; empty ones have a row too.

        The current delivery of a campaign-day is the row without `superseded_at`.
        """
        what = self.scope.name
        return Table(
            schema=self.rows.schema,
            name=f"{self.name}_delivery_log",
            grain=f"one row per requested {what}, UTC day and stored delivery",
            description=f"Which deliveries the {what}-days of {self.table.qualified_name} held; "
            f"the current one has no `{SUPERSEDED_AT}`. Empty deliveries have a row too.",
            key=(self.scope.requested_column, self.day, "written_at"),
            day_column=self.day,
            columns=(
                column(
                    self.scope.requested_column,
                    Kind.TEXT,
                    f"The {what} id in the path of the request.",
                ),
                column(self.day, Kind.DATE, "Report date that was delivered.", unit="UTC day"),
                *_DELIVERY_COLUMNS,
            ),
        )

    def path(self, requested_id: str) -> str:
        """The path of the export for one campaign (or soundlink), its id percent-encoded."""
        return f"{self.scope.path}/{quote(requested_id, safe='')}/metrics/{self.segment}/export"

    def file_name(self, requested_id: str, window: Window) -> str:
        """The name that the provider proposes for a delivery of that window."""
        return f"{self.segment}_{requested_id}_{window.first}_{window.last}.jsonl"


def _moment(name: str, description: str, *, nullable: bool = False) -> Column:
    return column(name, Kind.TIMESTAMP, description, unit="UTC", nullable=nullable)


_DELIVERY_COLUMNS = (
    _moment("fetched_at", "When the request was sent, by the provider's clock where it tells one."),
    _moment(
        "exported_at", "Newest `exported_at` of the day's rows; null if it has none.", nullable=True
    ),
    _moment(
        "oldest_exported_at",
        "Oldest `exported_at` of the day's rows; null if it has none.",
        nullable=True,
    ),
    _moment(
        "delivery_exported_at",
        "Newest `exported_at` of the whole delivery, which also dates its days without rows; null "
        "if no row was delivered.",
        nullable=True,
    ),
    column("row_count", Kind.COUNT, "Rows of the day.", unit="rows", minimum=0),
    _moment("written_at", "When the delivery was stored."),
    column(RUN_ID, Kind.TEXT, "Dagster run that stored it."),
    _moment(
        SUPERSEDED_AT,
        "When a later delivery took its place; null for the current one.",
        nullable=True,
    ),
)


def is_blocking(rule: Rule) -> bool:
    """Whether a breach of severity ERROR keeps downstream assets from running."""
    return isinstance(rule, SumIdentity) and rule.blocking
