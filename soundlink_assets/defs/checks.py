"""All checks that look at what is stored: the contract's rules and the derived tables' totals.

The checks at the door are declared on the export assets; see `checks_door`.
"""

import dagster as dg

from soundlink_assets.contract import EXPORTS
from soundlink_assets.defs.checks_derived import derived_checks
from soundlink_assets.defs.checks_rules import export_checks


def stored_checks(
    partitions: dg.PartitionsDefinition[str], warehouse: str
) -> list[dg.AssetChecksDefinition]:
    """The check steps of every export and every derived table, for the warehouse."""
    return [
        *(export_checks(export, partitions, warehouse) for export in EXPORTS),
        *derived_checks(partitions, warehouse),
    ]
