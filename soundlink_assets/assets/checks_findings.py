"""From the rows that break a rule to verdicts: counts, shares, and the rows to look at.

Shared by every check that looks at stored rows. How verdicts reach Dagster is in `checks_verdicts`,
what the rules look for in `contract.evaluation`, `checks_derived` and `checks_scorecards`.
"""

from collections.abc import Mapping, Sequence
from datetime import date
from typing import TYPE_CHECKING, Any

import dagster as dg

from soundlink_assets.assets.checks_verdicts import Verdict, Verdicts

if TYPE_CHECKING:
    import polars as pl

OFFENDERS_SHOWN = 20
"""Violating rows that a verdict lists."""

DAYS_NAMED = 5
"""Days that a sentence names."""


def verdicts_of(
    findings: "pl.DataFrame", checked: Mapping[date, int], key: Sequence[str], unit: str = "rows"
) -> Verdicts:
    """The verdicts on the days of `checked`, which gives how many rows each day has.

    `findings` are what broke the rule, the worst first: the columns of `key` (with `report_date`),
    `far_off` (an ERROR rather than a WARN), perhaps `difference`, and whatever helps a reader.
    Several findings of one key count as one violating row. `unit` is what a row is.
    """
    by_day = {
        day: of_day
        for (day,), of_day in findings.partition_by("report_date", as_dict=True).items()
        if isinstance(day, date)
    }
    nothing = findings.clear()
    days = {
        day: _verdict(by_day.get(day, nothing), rows, key, unit) for day, rows in checked.items()
    }
    whole = _verdict(findings, sum(checked.values()), key, unit)
    return Verdicts(days=days, run=over_days(whole, days))


def differing_sums(
    both: "pl.DataFrame", key: Sequence[str], fields: Mapping[str, str]
) -> "pl.DataFrame":
    """Findings, the worst first: where a sum is not the same in its column `..._expected`.

    `fields` maps the columns to what readers are told of them.
    """
    import polars as pl

    findings = pl.concat(
        both.filter(pl.col(column).ne_missing(pl.col(f"{column}_expected"))).select(
            *key,
            field=pl.lit(said),
            found=pl.col(column).cast(pl.Float64),
            expected=pl.col(f"{column}_expected").cast(pl.Float64),
            difference=(pl.col(column) - pl.col(f"{column}_expected")).cast(pl.Float64),
            far_off=pl.lit(value=True),
        )
        for column, said in fields.items()
    )
    return findings.sort(pl.col("difference").abs(), descending=True, nulls_last=False)


def known_sum(column: str) -> "pl.Expr":
    """The sum of what is known, exactly; null if nothing is."""
    import polars as pl

    return pl.when(pl.col(column).count() > 0).then(pl.col(column).sum())


def rows_by_day(rows: "pl.DataFrame", days: Sequence[date]) -> dict[date, int]:
    """How many rows each of the days has."""
    found = dict(rows.group_by("report_date").len().iter_rows())
    return {day: found.get(day, 0) for day in days}


def over_days(whole: Verdict, days: Mapping[date, Verdict]) -> Verdict:
    """The verdict on a run over several days: it also says which days failed."""
    failed = [day for day, verdict in sorted(days.items()) if not verdict.passed]
    description = whole.description
    if len(days) > 1 and len(failed) == len(days):
        description += f" Failed on all {len(days)} days."
    elif failed and len(days) > 1:
        description += f" Failed on {len(failed)} of {len(days)} days: {named(failed)}."
    return Verdict(
        passed=whole.passed,
        severity=whole.severity,
        description=description,
        metadata={
            **whole.metadata,
            "days": f"{min(days)} to {max(days)}" if days else "none",
            "days_failed": len(failed),
            **({"failed_days": table_of(_day_records(failed, days))} if failed else {}),
        },
    )


def _day_records(failed: Sequence[date], days: Mapping[date, Verdict]) -> list[dict[str, Any]]:
    return [
        {
            "report_date": day.isoformat(),
            "verdict": days[day].severity.value,
            "finding": days[day].description,
        }
        for day in failed
    ]


def _verdict(findings: "pl.DataFrame", rows: int, key: Sequence[str], unit: str) -> Verdict:
    if findings.is_empty():
        return Verdict(
            passed=True,
            description=f"All {rows:,} {unit} keep the rule." if rows else f"There are no {unit}.",
            metadata={"rows": rows, "violating_rows": 0, "violating_share": 0.0},
        )
    violating = findings.select(key).n_unique()
    far_off = findings.filter("far_off").select(key).n_unique()
    share = violating / rows if rows else 1.0
    metadata: dict[str, Any] = {
        "rows": rows,
        "violating_rows": violating,
        "violating_share": short(share),
        "far_off_rows": far_off,
    }
    largest = _largest_difference(findings)
    if largest is not None:
        metadata["largest_difference"] = short(largest)
    metadata["offenders"] = offenders(findings)
    breaks = "breaks" if violating == 1 else "break"
    said = f"{violating:,} of {rows:,} {unit} ({percent(share)}) {breaks} the rule"
    if 0 < far_off < violating:
        said += f", {far_off:,} by far"
    return Verdict(
        passed=False,
        severity=dg.AssetCheckSeverity.ERROR if far_off else dg.AssetCheckSeverity.WARN,
        description=f"{said}. {_example(findings.row(0, named=True))}",
        metadata=metadata,
    )


def _example(finding: Mapping[str, Any]) -> str:
    """The worst finding as a sentence."""
    place = [finding.get(name) for name in ("campaign_name", "country_code", "report_date")]
    where = ", ".join(str(part) for part in place if part is not None)
    found, expected = finding.get("published", finding.get("found")), finding.get("expected")
    due = f", expected {_said(expected)}" if expected is not None else ""
    return f"For example {where}: {finding['field']} is {_said(found)}{due}."


def _said(value: object) -> str:
    return f"{value:,.6g}" if isinstance(value, float) else str(value)


def _largest_difference(findings: "pl.DataFrame") -> float | None:
    if "difference" not in findings.columns:
        return None
    finite = findings["difference"].cast(float)
    finite = finite.filter(finite.is_finite()).abs()
    largest = finite.max()
    return largest if isinstance(largest, float) else None


def offenders(findings: "pl.DataFrame") -> dg.TableMetadataValue:
    """The first rows of `findings` as a table."""
    return table_of([_plain(row) for row in findings.head(OFFENDERS_SHOWN).iter_rows(named=True)])


def table_of(records: Sequence[Mapping[str, Any]]) -> dg.TableMetadataValue:
    """Records of the same fields, at least one, as a table."""
    return dg.MetadataValue.table([dg.TableRecord(record) for record in records])


def _plain(row: Mapping[str, Any]) -> dict[str, str | int | float | bool | None]:
    """Values that a table of Dagster can hold, and a reader can take in."""
    plain: dict[str, str | int | float | bool | None] = {}
    for name, value in row.items():
        if isinstance(value, float):
            plain[name] = short(value)
        else:
            plain[name] = value if isinstance(value, str | int | None) else str(value)
    return plain


def short(value: float) -> float:
    """Six digits that count: what a division leaves behind them helps nobody."""
    return float(f"{value:.6g}")


def percent(share: float) -> str:
    """A share for a sentence: 2.5 %, or below 0.1 %."""
    return "below 0.1 %" if 0 < share < 0.001 else f"{100 * share:.1f} %"  # noqa: PLR2004 - a tenth of a percent, as the text says


def named(days: Sequence[date]) -> str:
    """The first days, and how many more."""
    first = ", ".join(day.isoformat() for day in days[:DAYS_NAMED])
    more = len(days) - DAYS_NAMED
    return f"{first} and {more} more" if more > 0 else first
