"""Messages to a chat when something breaks, when it is well again, and once a week.

What is wrong is read from Dagster's records at every tick and compared with what was told: each
problem is told once, however many runs show it. A message that could not be posted comes with the
next tick.
"""

import html
import json
from collections.abc import Collection, Iterator, Sequence
from datetime import UTC, date, datetime, time, timedelta
from http import HTTPStatus
from typing import TYPE_CHECKING
from urllib.error import HTTPError
from urllib.request import Request, urlopen

import dagster as dg
from pydantic import SecretStr

from soundlink_assets.assets.maintenance import MAINTENANCE_JOB
from soundlink_assets.assets.report import last_check_results, read_report_content
from soundlink_assets.assets.run_history import JOB_NAME
from soundlink_assets.clock import Clock
from soundlink_assets.schema import EXPORTS

if TYPE_CHECKING:
    from soundlink_assets.warehouse import Warehouse

ALERTS_SENSOR = "alerts_sensor"
TICK_SECONDS = 120
POST_SECONDS = 20.0
WEEKLY_AT = time(8)
"""UTC, on Mondays."""

ONE_WEEK = timedelta(days=7)
LONGEST_TEXT = 300
"""Characters of one problem: the rest is in the UI."""

ASSET_JOB = "__ASSET_JOB"
"""What Dagster calls the runs of assets that were chosen by hand or by their conditions."""

REFUSED = {HTTPStatus.UNAUTHORIZED, HTTPStatus.FORBIDDEN}
ENDED = [dg.DagsterRunStatus.SUCCESS, dg.DagsterRunStatus.FAILURE]


def alerts_sensor(
    url: SecretStr,
    checks: Collection[dg.AssetCheckKey],
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
        found = dict(problems(context.instance, checks))
        lines = [f"*Problem* {text}" for name, text in found.items() if name not in told]
        lines += [f"*Solved* {text}" for name, text in told.items() if name not in found]
        monday = str(_monday(now))
        is_weekly = not lines and week not in {None, monday}
        if is_weekly:
            lines = weekly_message(warehouse, now, list(found.values()))
        if lines and (failure := post(url, "\n".join(lines))):
            why = f"The message could not be posted ({failure}); the next tick tries again."
            return dg.SensorResult(skip_reason=why, cursor=context.cursor)
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


def problems(
    instance: dg.DagsterInstance, checks: Collection[dg.AssetCheckKey]
) -> Iterator[tuple[str, str]]:
    """What is wrong now: a name that stays the same while it lasts, and a sentence."""
    for job in (JOB_NAME, MAINTENANCE_JOB, ASSET_JOB):
        yield from _failed_run(instance, job)
    for result in last_check_results(instance, checks):
        if not result.passed and result.severity == "ERROR":
            name = f"{result.asset} {result.check}"
            yield f"check {name}", _short(f"check {name}: {result.description}")


def _failed_run(instance: dg.DagsterInstance, job: str) -> Iterator[tuple[str, str]]:
    """That the latest run of the job has failed, or that the key is refused."""
    runs = instance.get_runs(dg.RunsFilter(job_name=job, statuses=ENDED), limit=1)
    if not runs or runs[0].status is not dg.DagsterRunStatus.FAILURE:
        return
    failures = instance.get_records_for_run(
        runs[0].run_id, of_type=dg.DagsterEventType.STEP_FAILURE, limit=1
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
        yield "key", _short(f"the API key is refused: {said}")
    else:
        yield f"run {job}", _short(f"run {runs[0].run_id[:8]} of {job} failed: {said}")


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
