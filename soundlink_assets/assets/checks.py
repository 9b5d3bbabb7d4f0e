"""The checks of an export, generated from its description.

Those of a delivery (`schema_version`, `valid_rows`, `every_campaign_delivered`) are reported by the
asset itself, because only it sees what was delivered. Those of the stored rows (`row_loss`,
`formats`, one for each identity) are a step of their own, which reads the warehouse once and can be
run alone. A rule that is added to an export becomes a check here by itself.
"""

import json
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from functools import partial
from typing import TYPE_CHECKING, Any, Generic, TypeVar

import dagster as dg

from soundlink_assets.assets.catalog import asset_key
from soundlink_assets.assets.findings import ERROR, WARN, Judged, rows_by_day, table_of
from soundlink_assets.assets.partitions import window_of_run
from soundlink_assets.assets.row_loss import ROW_LOSS, row_loss
from soundlink_assets.assets.verdicts import (
    Verdict,
    Verdicts,
    check_spec,
    each_day,
    failing,
    not_judged,
    passing,
    report,
    same_each_day,
)
from soundlink_assets.schema import Export
from soundlink_assets.schema.exports import EXTRA, is_blocking
from soundlink_assets.schema.rules import Identity
from soundlink_assets.schema.tables import Table
from soundlink_assets.schema.window import MAX_WINDOW_DAYS, Window

if TYPE_CHECKING:
    import polars as pl

    from soundlink_assets.provider import FailedDelivery, SoundlinkError
    from soundlink_assets.warehouse import Warehouse

SCHEMA_VERSION = "schema_version"
VALID_ROWS = "valid_rows"
EVERY_CAMPAIGN_DELIVERED = "every_campaign_delivered"

FINDINGS_NAMED = 8
"""Different findings that a sentence names."""

LONGEST_VALUE = 80
"""Characters of an unknown field's value that are shown."""

StoredT = TypeVar("StoredT")
Partitions = dg.PartitionsDefinition[str]


# ---- what was delivered ----


def delivery_checks(export: Export, partitions: Partitions) -> dict[str, dg.AssetCheckSpec]:
    """The checks that the asset of the export reports itself, by name."""
    what = export.scope.name
    descriptions = {
        SCHEMA_VERSION: f"Every row has schema version `{export.schema_version}`. Another version "
        "may mean other figures: then nothing of the export is stored, and the run fails.",
        VALID_ROWS: "Every line is readable and has the required fields, each of its type; no "
        f"count is negative; no two different rows share a key ({', '.join(export.rows.key)}); no "
        f"row is of another {what} or day than was asked for. Otherwise the delivery is refused: "
        f"the days of that {what} stay as they were, and the body is kept in quarantine.",
        EVERY_CAMPAIGN_DELIVERED: f"Every {what} that was asked for has been delivered and stored. "
        "The days of one that failed stay as they were: they are asked for again.",
    }
    return {
        name: check_spec(asset_key(export.table), name, description, partitions)
        for name, description in descriptions.items()
    }


@dataclass(frozen=True, slots=True)
class Outcome:
    """What came of the requests of a run: how many were asked for, and what failed.

    `gone` are those that are no longer listed and were not found by their id either.
    """

    export: Export
    window: Window
    asked: int
    failed: Sequence["FailedDelivery"]
    gone: Sequence[str]

    def verdicts(self) -> dict[str, Verdicts]:
        """What each check of the delivery says, day by day."""
        refused = _refused(self.failed)
        return {
            SCHEMA_VERSION: self._each_day(refused.get(SCHEMA_VERSION, ()), self._on_refused),
            VALID_ROWS: self._each_day(refused.get(VALID_ROWS, ()), self._on_refused),
            EVERY_CAMPAIGN_DELIVERED: self._each_day(self.failed, self._on_failed),
        }

    def _each_day(
        self,
        failed: Sequence["FailedDelivery"],
        judge: Callable[[Sequence["FailedDelivery"]], Verdict],
    ) -> Verdicts:
        return each_day(
            self.window.dates(),
            lambda day: judge([each for each in failed if day in each.window]),
            judge(failed),
        )

    def _on_refused(self, refused: Sequence["FailedDelivery"]) -> Verdict:
        if not self.asked - len(self.failed) and not refused:
            return not_judged("nothing was delivered")
        if not refused:
            return passing("Every delivery holds.", refused=0)
        return failing(
            ERROR,
            f"{len(refused)} of {self._asked} refused, not stored. {_said_of(refused[0])}",
            refused=len(refused),
            **_bodies([each.error for each in refused]),
        )

    def _on_failed(self, failed: Sequence["FailedDelivery"]) -> Verdict:
        counts = {"asked": self.asked, "failed": len(failed)}
        gone = (
            f" No longer listed, and not found by id; {self._their_days} stay as they are: "
            f"{', '.join(self.gone)}."
            if self.gone
            else ""
        )
        if failed:
            return failing(
                ERROR,
                f"{len(failed)} of {self._asked} failed; {self._their_days} stay as they were. "
                f"{_said_of(failed[0])}{gone}",
                **counts,
                failures=_table([_failure(each) for each in failed]),
            )
        if gone:
            return failing(WARN, gone.strip(), **counts)
        said = f"All {self._asked} were delivered." if self.asked else "None was asked for."
        return passing(said, **counts)

    @property
    def _asked(self) -> str:
        return f"{self.asked:,} {self.export.scope.plural}"

    @property
    def _their_days(self) -> str:
        return "their days" if len(self.failed) + len(self.gone) > 1 else "its days"


def verdicts_on_error(error: "SoundlinkError", window: Window) -> dict[str, Verdicts]:
    """What the checks of the delivery say when an error ended the run: the one that it is about."""
    from soundlink_assets.provider import ContractError

    reason = not_judged(f"the run ended with an error: {error.message.rstrip('.')}")
    verdicts = dict.fromkeys((SCHEMA_VERSION, VALID_ROWS, EVERY_CAMPAIGN_DELIVERED), reason)
    if isinstance(error, ContractError):
        said = f"Nothing of this export was stored. {error}"
        verdicts[error.violation.check] = failing(ERROR, said, **_bodies([error]))
    return {name: same_each_day(window.dates(), verdict) for name, verdict in verdicts.items()}


def verdicts_on_refusal(refusal: str) -> dict[str, Verdicts]:
    """What the checks of the delivery say if the key does not open the scope: nothing of a day."""
    nothing = same_each_day((), not_judged(refusal))
    return dict.fromkeys((SCHEMA_VERSION, VALID_ROWS, EVERY_CAMPAIGN_DELIVERED), nothing)


def _refused(failed: Sequence["FailedDelivery"]) -> dict[str, list["FailedDelivery"]]:
    from soundlink_assets.provider import ContractError

    refused: dict[str, list[FailedDelivery]] = {}
    for delivery in failed:
        if isinstance(delivery.error, ContractError):
            refused.setdefault(delivery.error.violation.check, []).append(delivery)
    return refused


def _said_of(failed: "FailedDelivery") -> str:
    scope = failed.export.scope.name
    return f"For example {scope} {failed.requested_id}: {failed.error.message.rstrip('.')}."


def _bodies(errors: Sequence["SoundlinkError"]) -> dict[str, Any]:
    """Where the refused bodies are kept, and what is wrong with each."""
    from soundlink_assets.provider import ContractError

    refused = [error for error in errors if isinstance(error, ContractError)]
    kept = [error.quarantined for error in refused if error.quarantined is not None]
    shown = [
        {
            "requested_id": error.about.requested_id,
            "days": str(error.about.window),
            "line": error.violation.line,
            "field": error.violation.field,
            "problem": error.violation.message,
            "body": str(error.quarantined or "could not be kept"),
        }
        for error in refused
    ]
    return {
        **({"quarantined_body": dg.MetadataValue.path(kept[0])} if kept else {}),
        "refusals": _table(shown),
    }


def _failure(failed: "FailedDelivery") -> dict[str, Any]:
    from soundlink_assets.provider import ContractError

    error = failed.error
    code = error.violation.check if isinstance(error, ContractError) else error.code
    return {
        "requested_id": failed.requested_id,
        "days": str(failed.window),
        "status": error.status,
        "code": code,
        "request_id": error.request_id,
        "problem": error.message,
    }


def _table(records: Sequence[Mapping[str, Any]]) -> dg.TableMetadataValue:
    import polars as pl

    return table_of(pl.DataFrame(records, infer_schema_length=None))


# ---- what is stored ----


@dataclass(frozen=True, slots=True)
class StoredCheck(Generic[StoredT]):
    """A check, and what it says of what its step has read for the given days."""

    spec: dg.AssetCheckSpec
    judge: Callable[[StoredT, Sequence[date]], Verdicts]


@dataclass(frozen=True, slots=True, kw_only=True)
class ChecksStep(Generic[StoredT]):
    """The checks of the asset of `table` that share one read.

    `read` gets the warehouse and the window of days; None says that nothing of them is stored.
    `days` is the table that knows which days are.
    """

    table: Table
    days: Table
    checks: Sequence[StoredCheck[StoredT]]
    read: Callable[["Warehouse", Window], StoredT | None]

    def definition(self, warehouse: "Warehouse") -> dg.AssetChecksDefinition:
        """The step as Dagster runs it: all of its checks, or some.

        A run that names no days, as the UI starts it for checks alone, covers the newest stored
        days.
        """

        @dg.multi_asset_check(
            name=f"{self.table.schema}__{self.table.name}_checks",
            description=f"Checks of {self.table.qualified_name} on what is stored.",
            specs=[check.spec for check in self.checks],
            can_subset=True,
        )
        def stored_checks(context: dg.AssetCheckExecutionContext) -> Iterator[dg.AssetCheckResult]:
            selected = {
                check.spec.name: check
                for check in self.checks
                if check.spec.key in context.selected_asset_check_keys
            }
            window = window_of_run(context)
            days = list(window.dates()) if window else _newest_days(warehouse, self.days)
            stored = self.read(warehouse, Window(days[0], days[-1])) if days else None
            if stored is not None:
                verdicts = {name: check.judge(stored, days) for name, check in selected.items()}
            else:
                nothing = same_each_day((), not_judged("nothing is stored yet"))
                verdicts = dict.fromkeys(selected, nothing)
            yield from report(context, {name: selected[name].spec for name in selected}, verdicts)

        return stored_checks


def _newest_days(warehouse: "Warehouse", table: Table) -> list[date]:
    """The newest days that the table holds, at most as many as a run may span, oldest first."""
    assert table.day_column is not None  # noqa: S101 - only tables by days have such checks
    days = warehouse.load(table, columns=(table.day_column,)).to_series()
    return list(days.unique().sort().tail(MAX_WINDOW_DAYS))


@dataclass(frozen=True, slots=True, eq=False)
class StoredExport:
    """The stored rows of an export for a window, their delivery log, and what was there before.

    `previous` are the rows that the newest write of each campaign-day changed or withdrew.
    """

    export: Export
    rows: "pl.DataFrame"
    log: "pl.DataFrame"
    previous: "pl.DataFrame"


def export_checks(export: Export, partitions: Partitions) -> ChecksStep[StoredExport]:
    """The checks of the stored rows of an export."""

    def check(
        name: str,
        description: str,
        judge: Callable[[StoredExport, Sequence[date]], Verdicts],
        *,
        blocking: bool = False,
    ) -> StoredCheck[StoredExport]:
        asset = asset_key(export.table)
        return StoredCheck(
            check_spec(asset, name, description, partitions, blocking=blocking), judge
        )

    return ChecksStep(
        table=export.table,
        days=export.delivery_log,
        checks=[
            check("row_loss", ROW_LOSS, _judge_loss),
            check("formats", _said_of_formats(export), _judge_formats),
            *(
                check(
                    rule.name,
                    rule.description,
                    partial(_judge_identity, rule),
                    blocking=is_blocking(rule),
                )
                for rule in export.identities
            ),
        ],
        read=partial(_read, export),
    )


def _read(export: Export, warehouse: "Warehouse", window: Window) -> StoredExport | None:
    with warehouse.reader("checks") as reader:
        stored = reader.stored_days(export, window)
        if stored.log.is_empty():
            return None
        return StoredExport(export, stored.rows, stored.log, reader.previous_rows(export, window))


def _judge_loss(stored: StoredExport, days: Sequence[date]) -> Verdicts:
    return row_loss(stored.export, stored.rows, stored.log, stored.previous, days)


def _judge_identity(rule: Identity, stored: StoredExport, days: Sequence[date]) -> Verdicts:
    from soundlink_assets.metrics.evaluation import FINDINGS, failing_rows

    export = stored.export
    first = (export.day, export.scope.name_column)
    key = [*first, *reversed([name for name in export.rows.key if name not in first])]
    found = failing_rows(stored.rows, rule, key).select(*first, *FINDINGS, *key[len(first) :])
    return Judged(
        export.day,
        rows_by_day(stored.rows, export.day, days),
        export.rows.key,
        where=(export.scope.name_column, export.rows.key[-1], export.day),
    ).verdicts(found)


def _said_of_formats(export: Export) -> str:
    rules = " ".join(rule.description for rule in export.formats)
    return (
        "Codes, ids, words and positions look as documented, and no row has a field that the "
        f"schema does not know (it is kept in `{EXTRA}`). {rules}"
    )


def _judge_formats(stored: StoredExport, days: Sequence[date]) -> Verdicts:
    """One verdict for all format rules: each different finding is named."""
    import polars as pl

    from soundlink_assets.metrics.evaluation import failing_rows

    export = stored.export
    found = pl.concat(
        (
            *(failing_rows(stored.rows, rule, export.rows.key) for rule in export.formats),
            _unknown_fields(stored),
        ),
        how="diagonal_relaxed",
    )
    rows = rows_by_day(stored.rows, export.day, days)
    by_day = found.partition_by(export.day, as_dict=True)
    nothing = found.clear()
    return each_day(
        days,
        lambda day: _on_formats(export, by_day.get((day,), nothing), rows[day]),
        _on_formats(export, found, sum(rows.values())),
    )


def _unknown_fields(stored: StoredExport) -> "pl.DataFrame":
    """A finding for each row and field that the schema does not know."""
    import polars as pl

    key = stored.export.rows.key
    with_extra = stored.rows.filter(pl.col(EXTRA).is_not_null()).select(*key, EXTRA)
    texts = with_extra[EXTRA].unique()
    fields = pl.DataFrame(
        [
            {EXTRA: text, "field": name, "published": json.dumps(value)[:LONGEST_VALUE]}
            for text in texts
            for name, value in json.loads(text).items()
        ],
        schema={EXTRA: pl.String, "field": pl.String, "published": pl.String},
    )
    return with_extra.join(fields, on=EXTRA).select(
        *key, "field", "published", expected=pl.lit("no such field"), is_error=pl.lit(value=False)
    )


def _on_formats(export: Export, found: "pl.DataFrame", rows: int) -> Verdict:
    if found.is_empty():
        return passing(f"All {rows:,} rows hold." if rows else "There are no rows.", rows=rows)
    known = set(export.delivered.column_names)
    counts: Counter[str] = Counter()
    for field, value, count in found.group_by("field", "published").len().iter_rows():
        counts[f"`{field}` is {value}" if field in known else f"`{field}` is unknown"] += count
    named = [f"{what} ({count:,} rows)" for what, count in counts.most_common(FINDINGS_NAMED)]
    more = len(counts) - FINDINGS_NAMED
    errors = found.filter("is_error").height
    return failing(
        ERROR if errors else WARN,
        f"{'; '.join(named)}{f'; and {more} more' if more > 0 else ''}.",
        rows=rows,
        failing_rows=found.select(export.rows.key).n_unique(),
        findings=table_of(found.unique(subset=("field", "published"), maintain_order=True)),
    )
