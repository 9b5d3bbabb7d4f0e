"""How a described table appears in Dagster's catalogue: columns, lineage, tags.

Emitted on the definition only: column schemas on materialisations would hide the descriptions.
"""

from collections.abc import Mapping
from typing import Any

import dagster as dg

from soundlink_assets.schema.tables import Column, Table

OWNERS = ["team:soundlink-data"]
KINDS = {"duckdb", "polars"}


def asset_key(table: Table) -> dg.AssetKey:
    """The key of the asset that writes `table`: its schema and its name."""
    return dg.AssetKey([table.schema, table.name])


def asset_metadata(table: Table, sources: Mapping[str, Table] | None = None) -> dict[str, Any]:
    """Definition metadata of the asset that writes `table`.

    `sources` are the tables that its columns are derived from, by name.
    """
    metadata: dict[str, Any] = {
        "dagster/table_name": table.qualified_name,
        "dagster/column_schema": dg.TableSchema(columns=[_column(c, table) for c in table.columns]),
        "grain": table.grain,
    }
    if table.day_column is not None:
        metadata["partition_expr"] = table.day_column
    if sources:
        metadata["dagster/column_lineage"] = _lineage(table, sources)
    return metadata


def _column(column: Column, table: Table) -> dg.TableColumn:
    tags = {"unit": column.unit} if column.unit else {}
    if column.name in table.key:
        tags["key"] = ""
    if column.sources:
        # The open-source UI shows no column lineage, so the tag says it too.
        tags["from"] = ", ".join(source.split(".")[1] for source in column.sources)
    return dg.TableColumn(
        name=column.name,
        type=column.kind.value,
        description=column.description,
        constraints=dg.TableColumnConstraints(nullable=column.nullable),
        tags=tags,
    )


def _lineage(table: Table, sources: Mapping[str, Table]) -> dg.TableColumnLineage:
    deps: dict[str, list[dg.TableColumnDep]] = {}
    for column in table.columns:
        for source in column.sources:
            table_name, column_name = source.split(".")
            deps.setdefault(column.name, []).append(
                dg.TableColumnDep(
                    asset_key=asset_key(sources[table_name]),
                    column_name=sources[table_name].column(column_name).name,
                )
            )
    return dg.TableColumnLineage(deps_by_column=deps)
