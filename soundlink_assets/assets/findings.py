"""From the rows that break a rule to verdicts: counts, an example, and the rows to look at.

Shared by every check that looks at stored rows. Findings are frames, the worst first: the key of
the row (with its day), `field`, `published` or `found`, perhaps `expected` and `difference`, and
`is_error` (an ERROR rather than a WARN). What a check looks for is in `checks` and
`derived_checks`, how verdicts reach Dagster in `verdicts`.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from typing import TYPE_CHECKING, Any

import dagster as dg

from soundlink_assets.assets.verdicts import Verdict, Verdicts, each_day, failing, passing

if TYPE_CHECKING:
    import polars as pl

ROWS_SHOWN = 20
"""Failing rows that a verdict lists."""

ERROR, WARN = dg.AssetCheckSeverity.ERROR, dg.AssetCheckSeverity.WARN


@dataclass(frozen=True, slots=True)
class Judged:
    """What a check looked at: rows by day, `unit` is what a row is, `key` identifies it.

    `where` are the columns of a finding that tell a reader which row it is.
    """

    day: str
    rows: Mapping[date, int]
    key: Sequence[str]
    where: Sequence[str] = ()
    unit: str = "rows"

    def verdicts(self, findings: "pl.DataFrame") -> Verdicts:
        """The verdict on each day, and on the run."""
        by_day = {
            day: of_day for (day,), of_day in findings.partition_by(self.day, as_dict=True).items()
        }
        nothing = findings.clear()
        return each_day(
            self.rows,
            lambda day: self._verdict(by_day.get(day, nothing), self.rows[day]),
            self._verdict(findings, sum(self.rows.values())),
        )

    def _verdict(self, findings: "pl.DataFrame", rows: int) -> Verdict:
        if findings.is_empty():
            said = f"All {rows:,} {self.unit} hold." if rows else f"There are no {self.unit}."
            return passing(said, rows=rows)
        broken = findings.select(self.key).n_unique()
        errors = findings.filter("is_error").select(self.key).n_unique()
        said = f"{broken:,} of {rows:,} {self.unit} ({percent(broken / max(rows, 1))}) fail"
        if 0 < errors < broken:
            said += f", {errors:,} of them an error"
        return failing(
            ERROR if errors else WARN,
            f"{said}. {self._example(findings.row(0, named=True))}",
            rows=rows,
            failing_rows=broken,
            error_rows=errors,
            **_largest_difference(findings),
            # Each column widens the page of a check, which is as wide as its widest table.
            findings=table_of(findings.drop("is_error", "tolerance", strict=False)),
        )

    def _example(self, finding: Mapping[str, Any]) -> str:
        """The worst finding as a sentence."""
        where = ", ".join(str(finding[name]) for name in self.where if finding.get(name))
        found, expected = finding.get("published", finding.get("found")), finding.get("expected")
        due = f", expected {_text(expected)}" if expected is not None else ""
        return f"For example {where}: {finding['field']} is {_text(found)}{due}."


def rows_by_day(rows: "pl.DataFrame", day: str, days: Sequence[date]) -> dict[date, int]:
    """How many rows each of the days has."""
    found = dict(rows.group_by(day).len().iter_rows())
    return {each: found.get(each, 0) for each in days}


def differing_sums(
    both: "pl.DataFrame", key: Sequence[str], fields: Mapping[str, str]
) -> "pl.DataFrame":
    """Findings: where a sum is not the same in its column `..._expected`.

    `fields` maps the columns to what readers are told of them.
    """
    import polars as pl

    findings = pl.concat(
        both.filter(pl.col(column).ne_missing(pl.col(f"{column}_expected"))).select(
            *key,
            field=pl.lit(name),
            found=pl.col(column).cast(pl.Float64),
            expected=pl.col(f"{column}_expected").cast(pl.Float64),
            difference=(pl.col(column) - pl.col(f"{column}_expected")).cast(pl.Float64),
            is_error=pl.lit(value=True),
        )
        for column, name in fields.items()
    )
    return findings.sort(pl.col("difference").abs(), descending=True, nulls_last=False)


def table_of(findings: "pl.DataFrame") -> dg.TableMetadataValue:
    """The first rows of `findings`, at least one, as a table."""
    rows = findings.head(ROWS_SHOWN).iter_rows(named=True)
    return dg.MetadataValue.table([dg.TableRecord(_plain(row)) for row in rows])


def percent(share: float) -> str:
    """A share for a sentence: 2.5 %, or below 0.1 %."""
    return "below 0.1 %" if 0 < share < 0.001 else f"{100 * share:.1f} %"  # noqa: PLR2004 - a tenth of a percent, as the text says


def short(value: float) -> float:
    """Six digits that count: what a division leaves behind them helps nobody."""
    return float(f"{value:.6g}")


def _text(value: object) -> str:
    return f"{value:,.6g}" if isinstance(value, float) else str(value)


def _largest_difference(findings: "pl.DataFrame") -> dict[str, float]:
    if "difference" not in findings.columns:
        return {}
    finite = findings["difference"].cast(float)
    largest = finite.filter(finite.is_finite()).abs().max()
    return {"largest_difference": short(largest)} if isinstance(largest, float) else {}


def _plain(row: Mapping[str, Any]) -> dict[str, str | int | float | bool | None]:
    """Values that a table of Dagster can hold, and a reader can take in."""
    plain: dict[str, str | int | float | bool | None] = {}
    for name, value in row.items():
        if isinstance(value, float):
            plain[name] = short(value)
        else:
            plain[name] = value if isinstance(value, str | int | None) else str(value)
    return plain
