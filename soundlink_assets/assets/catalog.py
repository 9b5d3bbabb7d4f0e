"""How a described table appears in Dagster's catalog: key, columns, lineage, tags.

Emitted on the definition only: column schemas on materialisations would hide the descriptions.
"""

import re
import warnings
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
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


_KNOWN_BETA_FEATURES = (
    "Parameter `backfill_policy` of function",
    "Function `with_source_code_references`",
    "Class `LocalFileCodeReference`",
    "Class `CodeReferencesMetadataValue`",
    "Specifying a partitions_def on an AssetCheckSpec",
    "Parameter `include_sources` of function",
    "Parameter `data_version` of initializer",
)
"""How the warnings of the beta features begin that are used knowingly; tests pin each of them."""


@contextmanager
def known_beta_features() -> Iterator[None]:
    """Within it, the beta features that the platform relies on do not warn; any other does."""
    with warnings.catch_warnings():
        for start in _KNOWN_BETA_FEATURES:
            for category in (dg.BetaWarning, dg.PreviewWarning):
                warnings.filterwarnings("ignore", message=re.escape(start), category=category)
        yield
