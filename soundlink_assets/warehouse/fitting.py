"""Whether a frame is what a table's description says, before anything is stored. Light."""

from typing import TYPE_CHECKING

from soundlink_assets.schema.tables import Table
from soundlink_assets.warehouse.errors import MisfitError

if TYPE_CHECKING:
    import polars as pl


def fitted(frame: "pl.DataFrame", table: Table) -> "pl.DataFrame":
    """The frame with its columns in the table's order.

    MisfitError if a column is missing, is one too many or has another type; nothing is ever cast,
    except a column that is all null and has no type of its own.
    """
    import polars as pl

    from soundlink_assets.schema.frames import polars_schema

    schema = polars_schema(table)
    misfits = [
        f"{name} is {found}, the table has {schema.get(name, 'no such column')}"
        for name, found in frame.schema.items()
        if found not in {pl.Null(), schema.get(name)} or name not in schema
    ]
    misfits += [f"{name} is missing" for name in schema if name not in frame.columns]
    if misfits:
        raise MisfitError(
            f"{table.qualified_name}: in the frame, {'; '.join(misfits)}. Nothing was written."
        )
    return frame.select(pl.col(name).cast(dtype) for name, dtype in schema.items())
