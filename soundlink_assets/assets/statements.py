"""Distributors' statements in Dagster: the asset that reads the folder, its sensor and its checks.

How files are read is in `soundlink_assets.statements`; what campaigns earned is computed in
`derived`, together with the scorecards.
"""

from collections.abc import Iterable, Iterator, Mapping
from datetime import date, datetime, timedelta
from itertools import groupby
from pathlib import Path
from typing import TYPE_CHECKING, Any

import dagster as dg

from soundlink_assets.assets.catalog import KINDS, OWNERS, asset_key, asset_metadata
from soundlink_assets.assets.findings import ERROR, WARN, table_of
from soundlink_assets.assets.verdicts import (
    Verdict,
    check_spec,
    failing,
    not_judged,
    passing,
    result_of,
)
from soundlink_assets.clock import Clock
from soundlink_assets.schema.statements import (
    SPOTIFY,
    STATEMENTS,
)

if TYPE_CHECKING:
    from soundlink_assets.statements import Figures, Refusal, StatementFile, StatementFolder

GROUP = "distributor"
STATEMENTS_KEY = asset_key(STATEMENTS)
SENSOR_NAME = "statements_sensor"
FOLDER_STATE = "folder_state"
"""Metadata of the asset: which files it has read, as `statements.folder_state` tells them apart."""

TICK_SECONDS = 30
ASKED_AGAIN_AFTER = timedelta(minutes=10)
"""A run that did not read the files, because it failed, is requested again after this long."""

NAMED = 20
"""ISRCs and other names that metadata list."""


def statements_asset(folder: Path) -> dg.AssetsDefinition:
    """What the files of the folder hold, read anew as a whole."""
    checks = statement_checks()

    @dg.asset(
        key=STATEMENTS_KEY,
        description=f"{STATEMENTS.description} Grain: {STATEMENTS.grain}.",
        group_name=GROUP,
        owners=OWNERS,
        kinds=KINDS | {"csv"},
        metadata={**asset_metadata(STATEMENTS), "folder": dg.MetadataValue.path(str(folder))},
        check_specs=list(checks.values()),
    )
    def statements(context: dg.AssetExecutionContext) -> Iterator[Any]:
        from soundlink_assets.statements import folder_state, read_folder

        state = folder_state(folder)  # before the files are read: a later change is another state
        read = read_folder(folder)
        for refused in _by_reason(read.refusals):
            context.log.warning("%(file)s, lines %(lines)s: %(reason)s.", refused)
        yield dg.Output(read.frame, metadata={FOLDER_STATE: state, **_metadata(read)})
        for name, judge in _JUDGES.items():
            yield result_of(checks[name], judge(read))

    return statements


def statements_sensor(folder: Path, clock: Clock, *, running: bool) -> dg.SensorDefinition:
    """Reads the folder again once its files differ from those that the asset read last."""
    status = dg.DefaultSensorStatus

    @dg.sensor(
        name=SENSOR_NAME,
        target=[STATEMENTS_KEY],
        minimum_interval_seconds=TICK_SECONDS,
        default_status=status.RUNNING if running else status.STOPPED,
        description=f"Reads the statements in `{folder}` when a file or a mapping there is new, "
        "changed or gone. What they say of campaigns is computed then by itself.",
    )
    def sensor(context: dg.SensorEvaluationContext) -> dg.RunRequest | dg.SkipReason:
        state, now = unread_state(context.instance, folder), clock()
        if state is None:
            return dg.SkipReason(f"The files in {folder} are those that were read last.")
        asked_for, _, at = (context.cursor or "").partition(" ")
        if asked_for == state and now - datetime.fromisoformat(at) < ASKED_AGAIN_AFTER:
            return dg.SkipReason("A run that reads the files was requested a short while ago.")
        context.update_cursor(f"{state} {now.isoformat()}")
        return dg.RunRequest(asset_selection=[STATEMENTS_KEY], tags={"soundlink/reason": "files"})

    return sensor


def unread_state(instance: dg.DagsterInstance, folder: Path) -> str | None:
    """The state of the folder; None if its files are those that the asset read last."""
    from soundlink_assets.statements import folder_state

    event = instance.get_latest_materialization_event(STATEMENTS_KEY)
    materialization = event.asset_materialization if event else None
    if materialization is None and not (folder.is_dir() and any(folder.iterdir())):
        return None
    state = folder_state(folder)
    known = materialization.metadata.get(FOLDER_STATE) if materialization else None
    return None if known is not None and known.value == state else state


def _metadata(read: "StatementFolder") -> dict[str, Any]:
    metadata: dict[str, Any] = {
        "files": len(read.files),
        "files_counted": len(read.counted),
        "rows_refused": len(read.refusals),
    }
    if read.files:
        records = [dg.TableRecord(_described(file)) for file in read.files]
        metadata["files_read"] = dg.MetadataValue.table(records)
    return metadata


def _described(file: "StatementFile") -> dict[str, str | int]:
    months = sorted(file.months)
    return {
        "file": file.name,
        "counted": file.counts_as or "yes",
        "shape": file.shape,
        "rows": file.row_count,
        "refused": len(file.refusals),
        "months": f"{months[0]:%Y-%m} to {months[-1]:%Y-%m}" if months else "",
        "revenue": _amounts(file.totals()),
        "countries not understood": named(sorted(file.unknown_countries)),
        "stores like Spotify, not joined": named(sorted(file.other_stores)),
    }


def _amounts(totals: "Mapping[str, Figures]") -> str:
    return ", ".join(
        f"{sums.revenue.normalize():f} {currency}" for currency, sums in totals.items()
    )


def _by_reason(refusals: "Iterable[Refusal]") -> list[dict[str, str]]:
    """Refused rows as file, lines and reason, one for each file and reason; line 0 is the file."""
    lines: dict[tuple[str, str], list[int]] = {}
    for refusal in refusals:
        lines.setdefault((refusal.file, refusal.reason), []).append(refusal.line)
    return [
        {"file": file, "lines": _ranges(sorted(of)), "reason": reason}
        for (file, reason), of in lines.items()
    ]


def _ranges(numbers: list[int]) -> str:
    """`4, 9-12` for 4, 9, 10, 11, 12."""
    ranges = []
    for _, run in groupby(enumerate(numbers), lambda pair: pair[1] - pair[0]):
        together = [number for _, number in run]
        ranges.append("-".join(str(end) for end in dict.fromkeys((together[0], together[-1]))))
    return ", ".join(ranges)


def named(names: list[str]) -> str:
    """The first names, and how many more."""
    more = len(names) - NAMED
    return ", ".join(names[:NAMED]) + (f" and {more} more" if more > 0 else "")


# ---- checks of the statements ----


def statement_checks() -> dict[str, dg.AssetCheckSpec]:
    """The checks of the statements, by name; the asset reports them itself."""
    descriptions = {
        "totals_equal_files": "Nothing is lost or counted twice: streams, rows and revenue by "
        "currency are the sums of the files that count, exactly.",
        "valid_rows": "Every row of every file could be read: it has an ISRC, a store, a month, a "
        "currency, and streams or revenue. Refused rows are named with file, line and reason; the "
        "others are counted.",
        "months_complete": f"No month is lacking between the first and the last that {SPOTIFY} "
        "paid streams for.",
    }
    return {
        name: check_spec(STATEMENTS_KEY, name, description)
        for name, description in descriptions.items()
    }


def _judge_totals(read: "StatementFolder") -> Verdict:
    from soundlink_assets.statements import Figures

    files: dict[str, Figures] = {}
    for file in read.counted:
        for currency, sums in file.totals().items():
            files.setdefault(currency, Figures()).add(sums.streams, sums.revenue, sums.row_count)
    table: dict[str, Figures] = {}
    for currency, *figures in read.frame.select(
        "currency", "streams", "revenue", "row_count"
    ).iter_rows():
        table.setdefault(currency, Figures()).add(*figures)
    sums_of = {f"revenue_{currency}": float(sums.revenue) for currency, sums in table.items()}
    if files == table:
        rows = sum(sums.row_count for sums in table.values())
        return passing(f"The table holds all {rows:,} rows of the files that count.", **sums_of)
    return failing(ERROR, f"The files come to {files}, the table to {table}.", **sums_of)


def _judge_rows(read: "StatementFolder") -> Verdict:
    import polars as pl

    refused = len(read.refusals)
    if not refused:
        return passing(f"No row of the {len(read.files)} files was refused.", refused=0)
    first = read.refusals[0]
    place = f"{first.file}, line {first.line}" if first.line else first.file
    return failing(
        WARN,
        f"{refused:,} rows or files were refused; the log of the run names all. For example "
        f"{place}: {first.reason}.",
        refused=refused,
        findings=table_of(pl.DataFrame(_by_reason(read.refusals))),
    )


def months_between(first: date, last: date) -> list[date]:
    """The first days of the months from one to the other, both included."""
    months = []
    month = first.replace(day=1)
    while month <= last:
        months.append(month)
        month = (month + timedelta(days=31)).replace(day=1)
    return months


def _judge_months(read: "StatementFolder") -> Verdict:
    import polars as pl

    paid = read.frame.filter(pl.col("store") == SPOTIFY, pl.col("streams") > 0)["month"]
    if paid.is_empty():
        return not_judged(f"no statement has streams at {SPOTIFY}")
    known = set(paid)
    first, last = min(known), max(known)
    missing = [month for month in months_between(first, last) if month not in known]
    if not missing:
        return passing(f"{first:%Y-%m} to {last:%Y-%m}, without a gap.", months=len(known))
    lacking = ", ".join(f"{month:%Y-%m}" for month in missing)
    return failing(WARN, f"No statement covers {lacking}.", months=len(known))


_JUDGES = {
    "totals_equal_files": _judge_totals,
    "valid_rows": _judge_rows,
    "months_complete": _judge_months,
}
