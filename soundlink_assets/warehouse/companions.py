"""What is kept beside an export table: its superseded rows and the ledger of its cells.

Descriptions only; `writing` fills them. Standard library only.
"""

from dataclasses import replace

from soundlink_assets.schema.tables import Column, Kind, Table
from soundlink_assets.warehouse.sql import day_column, identifier, listed, qualified

CAMPAIGN = "campaign_id"
REQUESTED_CAMPAIGN = "requested_campaign_id"
EXPORTED_AT = "exported_at"
INGESTED_AT = "ingested_at"
RUN_ID = "run_id"
SUPERSEDED_AT = "superseded_at"
WRITTEN_AT = "written_at"

STAMPS = (INGESTED_AT, RUN_ID)
"""The columns that the write itself fills: when, and in which run, a version of a row came."""


def superseded_table(table: Table) -> Table:
    """The rows of `table` that a later delivery changed or withdrew."""
    return replace(
        table,
        name=f"{table.name}_superseded",
        grain="one row per version of a row that is no longer current",
        description=f"What {table.qualified_name} held before a later delivery changed or "
        "withdrew it.",
        columns=(
            *table.columns,
            Column(
                name=SUPERSEDED_AT,
                kind=Kind.TIMESTAMP,
                unit="UTC",
                description="When the delivery that changed or withdrew the row was stored.",
            ),
        ),
        key=(REQUESTED_CAMPAIGN, *table.key, INGESTED_AT),
    )


def cells_table(table: Table) -> Table:
    """The ledger of `table`: what is known of each cell that was ever delivered."""
    day = day_column(table)
    return Table(
        schema=table.schema,
        name=f"{table.name}_cells",
        grain="one row per requested campaign and UTC day that was ever delivered",
        description=f"Which delivery each cell of {table.qualified_name} holds; an empty delivery "
        "has its row too.",
        key=(REQUESTED_CAMPAIGN, day),
        day_column=day,
        columns=(
            Column(
                name=REQUESTED_CAMPAIGN,
                kind=Kind.TEXT,
                description="Campaign id in the path of the request.",
            ),
            Column(name=day, kind=Kind.DATE, unit="UTC day", description="Day of the cell."),
            Column(
                name="fetched_at",
                kind=Kind.TIMESTAMP,
                unit="UTC",
                description="When the request was sent.",
            ),
            Column(
                name=EXPORTED_AT,
                kind=Kind.TIMESTAMP,
                unit="UTC",
                nullable=True,
                description="Newest `exported_at` of the cell's rows; null if it is empty.",
            ),
            Column(
                name="oldest_exported_at",
                kind=Kind.TIMESTAMP,
                unit="UTC",
                nullable=True,
                description="Oldest `exported_at` of the cell's rows; null if it is empty.",
            ),
            Column(
                name="row_count",
                kind=Kind.COUNT,
                unit="rows",
                minimum=0,
                description="Rows of the cell.",
            ),
            Column(
                name=WRITTEN_AT,
                kind=Kind.TIMESTAMP,
                unit="UTC",
                description="When this delivery of the cell was stored.",
            ),
            Column(name=RUN_ID, kind=Kind.TEXT, description="Dagster run that stored it."),
        ),
    )


def as_of_macro(table: Table) -> str:
    """The statement that makes `<table>_as_of(moment)`: the rows as they stood at that moment."""
    name = f"{identifier(table.schema)}.{identifier(table.name + '_as_of')}"
    columns = listed(table.column_names)
    return (
        f"CREATE OR REPLACE MACRO {name}(moment) AS TABLE "
        f"SELECT {columns} FROM {qualified(table)} "
        f"WHERE {INGESTED_AT} <= moment::TIMESTAMPTZ "
        f"UNION ALL SELECT {columns} FROM {qualified(superseded_table(table))} "
        f"WHERE {INGESTED_AT} <= moment::TIMESTAMPTZ AND {SUPERSEDED_AT} > moment::TIMESTAMPTZ"
    )
