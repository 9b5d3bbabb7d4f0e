"""Materialise days here and now: in this process, recorded in a Dagster instance, no daemon."""

import logging
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING
from uuid import uuid4

from soundlink_assets.cli.app import UserError
from soundlink_assets.cli.endings import noticing_endings
from soundlink_assets.schema import EXPORTS
from soundlink_assets.schema.window import Window

if TYPE_CHECKING:
    import dagster as dg
    from dagster._core.execution.plan.objects import StepFailureData
    from dagster_shared.error import SerializableErrorInfo

    from soundlink_assets.settings import Settings

_CODE_LOCATION = {".dagster/repository": "__repository__@soundlink_assets"}
"""By this tag the UI finds a job's runs; the daemon gives it to those that it launches."""

_NEEDLESS = ("Dependencies for step", "Data version mismatch")
"""What Dagster skips after a failure follows from the failure, which is said anyway; and when
another run has written the same days, derived ones are computed again if need be."""

REFUSALS = {400, 401, 403, 404}
"""Statuses with which the provider ends a run: the key or the request itself is refused."""


@dataclass(frozen=True, slots=True)
class CheckVerdict:
    """A check that did not pass, over the whole run."""

    asset: str
    check: str
    severity: str
    description: str


@dataclass(frozen=True, slots=True)
class StepError:
    """Why a step of a run failed: in words, and with the stack trace."""

    said: str
    trace: str

    def __str__(self) -> str:
        return self.said


@dataclass(frozen=True, slots=True)
class Listener:
    """Who hears what assets say while they run: of their progress, and what should stay to read."""

    progress: Callable[[str], None]
    warning: Callable[[str], None]


@dataclass(frozen=True, slots=True)
class RunOutcome:
    """What became of one run: its days, whether it succeeded, and what to say if not.

    `rows` are the rows that each export has for these days after the run, by export name.
    `refused` says that the provider refused the key or the request itself, so that every further
    run would fail in the same way.
    """

    window: Window
    run_id: str
    succeeded: bool
    errors: tuple[StepError, ...]
    failed_checks: tuple[CheckVerdict, ...]
    rows: Mapping[str, int]
    refused: bool = False

    @property
    def clean(self) -> bool:
        """Whether the run succeeded and no check of severity ERROR failed."""
        return self.succeeded and all(check.severity != "ERROR" for check in self.failed_checks)


def run_days(
    settings: "Settings",
    window: Window,
    instance: "dg.DagsterInstance",
    listener: Listener,
    select: str | None = None,
) -> Iterator[RunOutcome]:
    """Materialise the days in runs of at most 90, oldest first; one outcome as each run ends.

    `select` is a Dagster asset selection such as `soundlink/campaign_country_daily`; everything
    by default. KeyboardInterrupt, also for SIGTERM and SIGHUP, ends the run under way and all
    others; a run that was under way is marked as failed.
    """
    import dagster as dg

    from soundlink_assets.definitions import build_definitions
    from soundlink_assets.assets.jobs import JOB_NAME, range_tags

    definitions = build_definitions(settings, loggers={"progress": _progress_logger(listener)})
    job = definitions.resolve_job_def(JOB_NAME)
    keys = None if select is None else _selected_keys(definitions, select)
    with noticing_endings() as has_been_asked_to_end:
        for part in window.split():
            run_id = str(uuid4())
            try:
                result = job.execute_in_process(
                    instance=instance,
                    asset_selection=keys,
                    raise_on_error=False,
                    run_config={"loggers": {"progress": {}}},
                    tags=range_tags(part) | _CODE_LOCATION,
                    run_id=run_id,
                )
            except (KeyboardInterrupt, dg.DagsterExecutionInterruptedError):
                put_down(instance, run_id)
                raise KeyboardInterrupt from None
            if has_been_asked_to_end() and not result.success:
                raise KeyboardInterrupt
            yield _outcome(part, result)
            if has_been_asked_to_end():
                raise KeyboardInterrupt


def put_down(instance: "dg.DagsterInstance", run_id: str) -> None:
    """Mark a run that was interrupted as failed; one that stays open would hold its days."""
    run = instance.get_run_by_id(run_id)
    if run is not None and not run.is_finished:
        instance.report_run_failed(run, "The command that executed this run was ended.")


def _selected_keys(definitions: "dg.Definitions", select: str) -> "Sequence[dg.AssetKey]":
    import dagster as dg

    from soundlink_assets.assets.beta import known_beta_features

    graph = definitions.resolve_asset_graph()
    try:
        with known_beta_features():
            keys = dg.AssetSelection.from_string(select).resolve(graph, allow_missing=True)
    except dg.DagsterError:
        keys = set()
    if not keys:
        known = ", ".join(sorted(key.to_user_string() for key in graph.get_all_asset_keys()))
        raise UserError(
            f"--select {select!r} selects nothing. Give an asset, 'group:soundlink' or "
            f"""'key:"one" or key:"another"'. Assets: {known}"""
        )
    return sorted(keys)


def _outcome(window: Window, result: "dg.ExecuteInProcessResult") -> RunOutcome:
    failures = [event.step_failure_data for event in result.get_step_failure_events()]
    errors = tuple(
        StepError(_said(failure.error), failure.error.to_string())
        for failure in failures
        if failure.error is not None
    ) or _errors_outside_steps(result)
    failed = {
        (evaluation.asset_key.to_user_string(), evaluation.check_name): CheckVerdict(
            evaluation.asset_key.to_user_string(),
            evaluation.check_name,
            evaluation.severity.value,
            evaluation.description or "",
        )
        for evaluation in result.get_asset_check_evaluations()
        if not evaluation.passed and evaluation.partition is None
    }
    refused = any(_status(failure) in REFUSALS for failure in failures)
    return RunOutcome(
        window,
        result.run_id,
        result.success,
        errors,
        tuple(failed.values()),
        _rows(result),
        refused,
    )


def _errors_outside_steps(result: "dg.ExecuteInProcessResult") -> tuple[StepError, ...]:
    """Why the run failed before or after its steps."""
    failures = [
        event.job_failure_data.error
        for event in result.all_events
        if event.event_type_value == "PIPELINE_FAILURE"
    ]
    return tuple(StepError(_said(error), error.to_string()) for error in failures if error)


def _rows(result: "dg.ExecuteInProcessResult") -> Mapping[str, int]:
    """Rows of the days that the run wrote, by export, from the metadata of each day."""
    from soundlink_assets.assets.catalogue import asset_key

    names = {asset_key(export.table): export.name for export in EXPORTS}
    rows: Counter[str] = Counter()
    for event in result.all_events:
        if event.event_type_value == "ASSET_MATERIALIZATION" and event.asset_key in names:
            days = event.step_materialization_data.materialization.metadata
            count = days.get("dagster/partition_row_count")
            rows[names[event.asset_key]] += int(str(count.value)) if count else 0
    return rows


def _said(error: "SerializableErrorInfo") -> str:
    """The message of the error below Dagster's own wrappers, without its class's name."""
    while error.cause is not None and (error.cls_name or "").startswith("Dagster"):
        error = error.cause
    said = error.message.strip()
    name, _, rest = said.partition(": ")
    is_name_of_class = "." in name and name.endswith(f".{error.cls_name}")
    return rest if error.cls_name == "Failure" or is_name_of_class else said


def _status(failure: "StepFailureData") -> object:
    """The HTTP status in the metadata of a `dagster.Failure`, if there is one."""
    if failure.user_failure_data is None:
        return None
    value = failure.user_failure_data.metadata.get("status")
    return None if value is None else value.value


def _progress_logger(listener: Listener) -> "dg.LoggerDefinition":
    """A Dagster logger that passes our own messages on, without the framework's own."""
    import dagster as dg

    class Progress(logging.Handler):
        def emit(self, record: logging.LogRecord) -> None:
            meta = getattr(record, "dagster_meta", {})
            step = str(meta.get("step_key") or "")
            event = meta.get("dagster_event")
            said = str(meta.get("orig_message") or record.getMessage())
            if event is not None:
                if event.event_type_value == "STEP_START":
                    listener.progress(f"working on {step.replace('__', '/')}")
            elif step and not said.startswith(_NEEDLESS):
                if record.levelno >= logging.WARNING:
                    listener.warning(said)
                elif record.levelno >= logging.INFO:
                    listener.progress(said)

    def progress(_context: dg.InitLoggerContext) -> logging.Logger:
        logger = logging.getLogger("soundlink_assets.progress")
        logger.setLevel(logging.DEBUG)  # Dagster says so that a step starts.
        logger.propagate = False
        logger.handlers = [Progress()]
        return logger

    return dg.LoggerDefinition(
        progress, description="Passes the messages of assets on to the terminal."
    )
