"""Messages to a chat when something breaks, when it is well again, and once a week.

What is wrong is read from Dagster's records at every tick and compared with what was told: each
problem is told once, however many runs show it. A message that could not be posted comes with the
next tick.
"""

import html
import json
from collections.abc import Collection, Iterator, Mapping, Sequence
from datetime import UTC, date, datetime, time, timedelta
from http import HTTPStatus
from typing import TYPE_CHECKING
from urllib.error import HTTPError
from urllib.request import Request, urlopen

import dagster as dg
from pydantic import SecretStr

from soundlink_assets.assets.report import last_check_results, read_report_content
from soundlink_assets.assets.run_history import days_of
from soundlink_assets.clock import Clock
from soundlink_assets.schema import EXPORTS

if TYPE_CHECKING:
    from soundlink_assets.report.content import CheckResult
    from soundlink_assets.warehouse import Warehouse

ALERTS_SENSOR = "alerts_sensor"
TICK_SECONDS = 120
POST_SECONDS = 20.0
WEEKLY_AT = time(8)
"""UTC, on Mondays."""

ONE_WEEK = timedelta(days=7)
LONGEST_TEXT = 300
"""Characters of one problem: the rest is in the UI."""

LATEST_RUNS = 50
"""How many runs a tick reads, and the checks of their days: no more as the history grows."""

RUN = "run "
ASSET_JOB = "__ASSET_JOB"
"""What Dagster calls the runs of assets that were chosen by hand or by their conditions."""

REFUSED = {HTTPStatus.UNAUTHORIZED, HTTPStatus.FORBIDDEN}
ENDED = [dg.DagsterRunStatus.SUCCESS, dg.DagsterRunStatus.FAILURE]


def alerts_sensor(
    url: SecretStr,
    checks: Collection[dg.AssetCheckSpec],
    warehouse: "Warehouse",
    clock: Clock,
    *,
    running: bool,
) -> dg.SensorDefinition:
    """Posts to `url` what changed among the problems since the last tick, and a weekly message."""

    @dg.sensor(
        name=ALERTS_SENSOR,
        minimum_interval_seconds=TICK_SECONDS,
        default_status=dg.DefaultSensorStatus.RUNNING
        if running
        else dg.DefaultSensorStatus.STOPPED,
        description="Posts to SOUNDLINK_ALERT_URL when a run or a check has failed, a day is late "
        "or the key is refused, once each, and when it is well again; on Mondays what changed.",
    )
    def sensor(context: dg.SensorEvaluationContext) -> dg.SensorResult:
        now = clock()
        memory = json.loads(context.cursor or "{}")
        told, week = memory.get("told", {}), memory.get("week")
        runs = context.instance.get_runs(dg.RunsFilter(statuses=ENDED), limit=LATEST_RUNS)
        red = red_checks(context.instance, checks, runs, memory.get("red_days", ()))
        found = dict(failed_runs(context.instance, runs, told))
        for result in red:
            name = f"check {result.asset} {result.check}"
            found[name] = _short(f"{name}: {result.description}")
        lines = [f"*Problem* {text}" for name, text in found.items() if name not in told]
        lines += [f"*Solved* {text}" for name, text in told.items() if name not in found]
        monday = str(_monday(now))
        is_weekly = not lines and week not in {None, monday}
        if is_weekly:
            lines = weekly_message(warehouse, now, list(found.values()))
        if lines and (failure := post(url, "\n".join(lines))):
            why = f"The message could not be posted ({failure}); the next tick tries again."
            return dg.SensorResult(skip_reason=why, cursor=context.cursor)
        memory["red_days"] = sorted({day for result in red for day in result.failed_days})
        memory["told"] = {name: told.get(name, text) for name, text in found.items()}
        if is_weekly or week is None:
            memory["week"] = monday
        said = "; ".join(lines) or f"Nothing new; {len(found)} problems are known."
        return dg.SensorResult(skip_reason=said, cursor=json.dumps(memory))

    return sensor


def post(url: SecretStr, text: str) -> str:
    """Post a message; why that failed, or nothing. The URL is a secret and is in no reason."""
    body = json.dumps({"text": html.escape(text, quote=False)}).encode()
    request = Request(url.get_secret_value(), body, {"Content-Type": "application/json"})  # noqa: S310 - the setting takes http(s) only
    try:
        with urlopen(request, timeout=POST_SECONDS):  # noqa: S310 - as above
            return ""
    except HTTPError as error:
        return f"HTTP {error.code}"
    except OSError as error:
        return type(error).__name__


# ---- what is wrong ----


def red_checks(
    instance: dg.DagsterInstance,
    checks: Collection[dg.AssetCheckSpec],
    runs: Collection[dg.DagsterRun],
    red_days: Collection[str],
) -> list["CheckResult"]:
    """The failed checks of severity ERROR, of the days of `runs` and those that were red before."""
    windows = [window for run in runs if (window := days_of(run))]
    days = {day.isoformat() for window in windows for day in window.dates()}.union(red_days)
    by_day = [spec.key for spec in checks if spec.partitions_def]
    others = [spec.key for spec in checks if not spec.partitions_def]
    results = (
        *last_check_results(instance, by_day, days),
        *last_check_results(instance, others),
    )
    return [result for result in results if not result.passed and result.severity == "ERROR"]


def failed_runs(
    instance: dg.DagsterInstance, runs: Collection[dg.DagsterRun], told: Mapping[str, str]
) -> Iterator[tuple[str, str]]:
    """The failures of `runs`, newest first, and of those `told`, that no later success made good.

    The success of a job makes its failures good; assets that were chosen need one that has them
    all. Of failures of the same only the newest counts.
    """
    succeeded: set[str] = set()
    failed: set[str] = set()
    for run in runs:
        chosen = {key.to_user_string() for key in run.asset_selection or ()}
        what = {run.job_name} if run.job_name != ASSET_JOB else chosen or {ASSET_JOB}
        name = RUN + " ".join(sorted(what))
        if run.status is dg.DagsterRunStatus.SUCCESS:
            succeeded |= {run.job_name, *chosen}
        elif name not in failed and not what <= succeeded:
            failed.add(name)
            yield _failure(instance, run, name)
    for name, text in told.items():
        what = set(name.removeprefix(RUN).split())
        if name.startswith(RUN) and name not in failed and not what <= succeeded:
            yield name, text


def _failure(instance: dg.DagsterInstance, run: dg.DagsterRun, name: str) -> tuple[str, str]:
    """Why a run has failed, under its name, or that the key is refused."""
    failures = instance.get_records_for_run(
        run.run_id, of_type=dg.DagsterEventType.STEP_FAILURE, limit=1
    ).records
    said, status = "its page in the UI says why", None
    if failures:
        data = failures[0].event_log_entry.get_dagster_event().step_failure_data
        given = data.user_failure_data
        said = (given.description if given else None) or (
            data.error.message if data.error else said
        )
        status = given.metadata["status"].value if given and "status" in given.metadata else None
    if status in REFUSED:
        return "key", _short(f"the API key is refused: {said}")
    return name, _short(f"{RUN}{run.run_id[:8]} of {name.removeprefix(RUN)} failed: {said}")


def _short(text: str) -> str:
    text = " ".join(text.split())
    return text if len(text) <= LONGEST_TEXT else f"{text[:LONGEST_TEXT]}..."


# ---- the week ----


def _monday(now: datetime) -> date:
    """The Monday on which the newest weekly message was due."""
    due = now.astimezone(UTC) - timedelta(hours=WEEKLY_AT.hour)
    return due.date() - timedelta(days=due.weekday())


def weekly_message(warehouse: "Warehouse", now: datetime, known: Sequence[str]) -> list[str]:
    """What changed in the last seven days, what is final, and what stands out of each campaign."""
    import polars as pl

    from soundlink_assets.report.content import final_until
    from soundlink_assets.report.figures import top_tracks
    from soundlink_assets.report.findings import findings

    content = read_report_content(warehouse, made_at=now)
    since = now - ONE_WEEK
    stored = warehouse.facts().tables
    changed = sum(
        warehouse.query(
            f"select count(*) from {export.superseded.qualified_name} "  # noqa: S608 - a name of ours
            "where superseded_at >= $since",
            {"since": since},
        ).item()
        for export in EXPORTS
        if export.table.qualified_name in stored
    )
    lines = ["*The week*"]
    week = content.spend_by_day.filter(pl.col("report_date") >= since.date())
    for currency, spend, listeners in (
        week.group_by("currency")
        .agg(pl.col("spend_media", "listeners").sum())
        .sort("currency")
        .iter_rows()
    ):
        lines.append(f"{spend:,.2f} {currency} media spend, {listeners:,} listeners as reported")
    lines.append(f"Changed: {changed:,} stored rows were replaced or withdrawn.")
    final = final_until(content)
    lines.append(f"Final: all days until {final}." if final else "Final: no day yet.")
    for card in content.campaign_scorecard.iter_rows(named=True):
        mine = content.of(card["campaign_id"], card["currency"])
        said = findings(card, mine.country_scorecard, top_tracks(mine.spillover_tracks))
        lines += [f"{card['campaign_name']}: {' '.join(said)}"] if said else []
    return [*lines, *(f"*Problem* {text}" for text in known)]
