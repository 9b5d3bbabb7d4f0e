"""All checks that look at what is stored: the contract's rules and the derived tables' totals.

The checks at the door are declared on the export assets; see `checks_door`.
"""

from typing import Any

import dagster as dg

from soundlink_assets.schema import EXPORTS
from soundlink_assets.assets.checks_derived import INVARIANTS, derived_checks
from soundlink_assets.assets.checks_rules import export_checks
from soundlink_assets.assets.checks_stored import ChecksStep, definition_of


def checks_steps(partitions: dg.PartitionsDefinition[str]) -> list[ChecksStep[Any]]:
    """The check steps of every export and of every derived table."""
    return [
        *(export_checks(export, partitions) for export in EXPORTS),
        *(derived_checks(invariants, partitions) for invariants in INVARIANTS),
    ]


def stored_checks(
    partitions: dg.PartitionsDefinition[str], warehouse: str
) -> list[dg.AssetChecksDefinition]:
    """All of them as Dagster runs them, on the warehouse."""
    return [definition_of(step, warehouse) for step in checks_steps(partitions)]
