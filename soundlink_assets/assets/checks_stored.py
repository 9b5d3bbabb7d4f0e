"""Checks that read what is stored: one step per asset, one read of the warehouse for all of them.

They run after the write of their asset, and alone. What they look for is in `checks_rules`,
`checks_loss` and `checks_derived`.
"""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from datetime import date
from typing import Generic, TypeVar

import dagster as dg

from soundlink_assets.schema.window import MAX_WINDOW_DAYS, Window
from soundlink_assets.assets.checks_verdicts import Verdict, Verdicts, report, window_of_run
from soundlink_assets.schema.tables import Table
from soundlink_assets.warehouse.sql import day_column

StoredT = TypeVar("StoredT")

NOTHING_STORED = Verdicts(
    days={}, run=Verdict(passed=True, description="Nothing is stored yet: nothing to check.")
)


@dataclass(frozen=True, slots=True)
class StoredCheck(Generic[StoredT]):
    """A check, and what it says of what its asset's step has read for the given days."""

    spec: dg.AssetCheckSpec
    judge: Callable[[StoredT, Sequence[date]], Verdicts]


@dataclass(frozen=True, slots=True, kw_only=True)
class ChecksStep(Generic[StoredT]):
    """The checks of the asset of `table` that share one read.

    `read` gets the warehouse and the window of days. `ledger` is the table that knows which days
    are stored.
    """

    table: Table
    ledger: Table
    checks: Sequence[StoredCheck[StoredT]]
    read: Callable[[str, Window], StoredT]


def definition_of(step: ChecksStep[StoredT], warehouse: str) -> dg.AssetChecksDefinition:
    """The step as Dagster runs it: all of its checks, or some.

    A run that names no days, as the UI starts it for checks alone, covers the newest stored days.
    """

    @dg.multi_asset_check(
        name=f"{step.table.schema}__{step.table.name}_checks",
        description=f"Checks of {step.table.qualified_name} on what is stored.",
        specs=[check.spec for check in step.checks],
        can_subset=True,
    )
    def stored_checks(context: dg.AssetCheckExecutionContext) -> Iterator[dg.AssetCheckResult]:
        selected = {
            check.spec.name: check
            for check in step.checks
            if check.spec.key in context.selected_asset_check_keys
        }
        specs = {name: check.spec for name, check in selected.items()}
        window = window_of_run(context)
        days = list(window.dates()) if window else newest_days(warehouse, step.ledger)
        if not days:
            yield from report(context, specs, dict.fromkeys(selected, NOTHING_STORED))
            return
        stored = step.read(warehouse, Window(days[0], days[-1]))
        verdicts = {name: check.judge(stored, days) for name, check in selected.items()}
        yield from report(context, specs, verdicts)

    return stored_checks


def newest_days(warehouse: str, table: Table) -> list[date]:
    """The newest days that the table holds, at most as many as a run may span, oldest first."""
    from soundlink_assets.warehouse.connection import connect
    from soundlink_assets.warehouse.reading import load_table

    with connect(warehouse, read_only=True, purpose="checks") as connection:
        days = load_table(connection, table, columns=(day_column(table),)).to_series()
    return list(days.unique().sort().tail(MAX_WINDOW_DAYS))
