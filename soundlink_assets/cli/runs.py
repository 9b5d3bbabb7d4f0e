"""Materialise days here and now: in this process, recorded in a Dagster instance, no daemon."""

import logging
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from soundlink_assets.contract.window import Window

if TYPE_CHECKING:
    import dagster as dg

    from soundlink_assets.settings import Settings


@dataclass(frozen=True, slots=True)
class CheckVerdict:
    """A check that did not pass, over the whole run."""

    asset: str
    check: str
    severity: str
    description: str


@dataclass(frozen=True, slots=True)
class RunOutcome:
    """What became of one run: its days, whether it succeeded, and what to say if not."""

    window: Window
    run_id: str
    succeeded: bool
    errors: tuple[str, ...]
    failed_checks: tuple[CheckVerdict, ...]

    @property
    def clean(self) -> bool:
        """Whether the run succeeded and no check of severity ERROR failed."""
        return self.succeeded and all(check.severity != "ERROR" for check in self.failed_checks)


def run_days(
    settings: "Settings",
    window: Window,
    instance: "dg.DagsterInstance",
    say: Callable[[str], None],
    select: str | None = None,
) -> Iterator[RunOutcome]:
    """Materialise the days in runs of at most 90, oldest first; one outcome as each run ends.

    `select` is a Dagster asset selection such as `soundlink/campaign_country_daily`; everything
    by default. `say` hears the progress.
    """
    from soundlink_assets.definitions import build_definitions
    from soundlink_assets.defs.automation import JOB_NAME

    definitions = build_definitions(settings, loggers={"progress": _progress_logger(say)})
    job = definitions.resolve_job_def(JOB_NAME)
    keys = _selected_keys(definitions, select) if select else None
    for part in window.split():
        result = job.execute_in_process(
            instance=instance,
            asset_selection=keys,
            raise_on_error=False,
            run_config={"loggers": {"progress": {}}},
            tags={
                "dagster/asset_partition_range_start": part.first.isoformat(),
                "dagster/asset_partition_range_end": part.last.isoformat(),
            },
        )
        yield _outcome(part, result)


def _selected_keys(definitions: "dg.Definitions", select: str) -> "Sequence[dg.AssetKey]":
    import dagster as dg

    graph = definitions.resolve_asset_graph()
    keys = dg.AssetSelection.from_string(select).resolve(graph, allow_missing=True)
    if not keys:
        known = ", ".join(sorted(key.to_user_string() for key in graph.get_all_asset_keys()))
        raise ValueError(f"nothing is selected by {select!r}. Assets: {known}")
    return sorted(keys)


def _outcome(window: Window, result: "dg.ExecuteInProcessResult") -> RunOutcome:
    errors = tuple(
        _first_words(event.step_failure_data.error) for event in result.get_step_failure_events()
    )
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
    return RunOutcome(window, result.run_id, result.success, errors, tuple(failed.values()))


def _first_words(error: Any) -> str:
    while error.cause is not None:
        error = error.cause
    return str(error.message).removeprefix("dagster._core.definitions.events.Failure: ").strip()


def _progress_logger(say: Callable[[str], None]) -> "dg.LoggerDefinition":
    """A Dagster logger that passes our own messages on, without the framework's events."""
    import dagster as dg

    class Progress(logging.Handler):
        def emit(self, record: logging.LogRecord) -> None:
            meta = getattr(record, "dagster_meta", {})
            if not meta.get("dagster_event"):
                say(str(meta.get("orig_message") or record.getMessage()))

    @dg.logger(description="Passes the messages of assets on to the terminal.")
    def progress(_context: dg.InitLoggerContext) -> logging.Logger:
        logger = logging.getLogger("soundlink_assets.progress")
        logger.setLevel(logging.INFO)
        logger.propagate = False
        logger.handlers = [Progress()]
        return logger

    return progress
