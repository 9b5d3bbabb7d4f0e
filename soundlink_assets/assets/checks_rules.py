"""The contract's rules as checks: one for each rule of an export, and `row_loss` beside them.

A rule that is added to an export becomes a check here by itself. How a rule is evaluated is in
`contract.evaluation`, how a verdict is worded in `checks_findings`.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date
from functools import partial
from typing import TYPE_CHECKING

import dagster as dg

from soundlink_assets.schema.exports import Export
from soundlink_assets.schema.rules import Rule, SumIdentity
from soundlink_assets.schema.window import Window
from soundlink_assets.assets.catalogue import asset_key
from soundlink_assets.assets.checks_findings import rows_by_day, verdicts_of
from soundlink_assets.assets.checks_loss import ROW_LOSS, row_loss
from soundlink_assets.assets.checks_stored import ChecksStep, StoredCheck
from soundlink_assets.assets.checks_verdicts import Verdicts, check_spec
from soundlink_assets.warehouse.companions import cells_table

if TYPE_CHECKING:
    import polars as pl

FIRST_SHOWN = ("report_date", "campaign_name", "country_code")
"""What a reader looks for in the list of offenders; the rest of the key stands at its end."""


@dataclass(frozen=True, slots=True, eq=False)
class StoredExport:
    """The stored rows of an export for a window, their cells, and what the cells held before.

    `superseded` are the rows that the newest write of each cell changed or withdrew.
    """

    export: Export
    rows: "pl.DataFrame"
    cells: "pl.DataFrame"
    superseded: "pl.DataFrame"


def export_checks(
    export: Export, partitions: dg.PartitionsDefinition[str]
) -> ChecksStep[StoredExport]:
    """The checks of the stored rows of an export."""
    asset = asset_key(export.table)
    rules = [
        StoredCheck(
            check_spec(
                asset,
                rule.name,
                rule.description,
                partitions,
                blocking=isinstance(rule, SumIdentity) and rule.blocking,
            ),
            partial(_judge_rule, rule),
        )
        for rule in export.rules
    ]
    loss = StoredCheck(check_spec(asset, "row_loss", ROW_LOSS, partitions), _judge_loss)
    return ChecksStep(
        table=export.table,
        ledger=cells_table(export.table),
        checks=[*rules, loss],
        read=partial(_read, export),
    )


def _judge_rule(rule: Rule, stored: StoredExport, days: Sequence[date]) -> Verdicts:
    from soundlink_assets.metrics.evaluation import FINDINGS, violations

    key = stored.export.rows.key
    rest = [name for name in reversed(key) if name not in FIRST_SHOWN]
    found = violations(stored.rows, rule, [*FIRST_SHOWN, *rest])
    shown = found.select(*FIRST_SHOWN, *FINDINGS, *rest)
    return verdicts_of(shown, rows_by_day(stored.rows, days), key)


def _judge_loss(stored: StoredExport, days: Sequence[date]) -> Verdicts:
    return row_loss(stored.export, stored.rows, stored.cells, stored.superseded, days)


def _read(export: Export, warehouse: str, window: Window) -> StoredExport:
    from soundlink_assets.warehouse.connection import connect
    from soundlink_assets.warehouse.reading import load_cells, load_last_superseded, load_table

    with connect(warehouse, read_only=True, purpose="checks") as connection:
        return StoredExport(
            export=export,
            rows=load_table(connection, export.table, window),
            cells=load_cells(connection, export.table, window),
            superseded=load_last_superseded(connection, export.table, window),
        )
