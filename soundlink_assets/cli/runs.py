"""Materialise days here and now: in this process, recorded in a Dagster instance, no daemon."""

import logging
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING
from uuid import uuid4

from soundlink_assets.cli.app import UserError, noticing_signals
from soundlink_assets.cli.home import CODE_LOCATION, locked
from soundlink_assets.schema import EXPORTS
from soundlink_assets.schema.window import Window

if TYPE_CHECKING:
    import dagster as dg

    from soundlink_assets.settings import Settings

REPOSITORY = "__repository__"
"""What Dagster calls the definitions of a code location."""

OF_THE_LOCATION = {".dagster/repository": f"{REPOSITORY}@{CODE_LOCATION}"}
"""By this tag the UI finds a job's runs; the daemon gives it to those that it launches."""

RUNNING = "running"
"""Folder in `DAGSTER_HOME` with a locked file for each run that a command executes."""

_OF_THE_FRAMEWORK = ("Dependencies for step", "Data version mismatch")
"""Dagster's own messages that are left out: what it skips after a failure follows from the failure,
and when another run has written the same days, derived ones are computed again if need be."""


@dataclass(frozen=True, slots=True)
class CheckVerdict:
    """A check that did not pass, over the whole run."""

    asset: str
    check: str
    severity: str
    description: str


@dataclass(frozen=True, slots=True)
class Listener:
    """Who gets what assets log while they run: their progress, and what should stay to read."""

    progress: Callable[[str], None]
    warning: Callable[[str], None]


@dataclass(frozen=True, slots=True)
class RunOutcome:
    """What became of one run.

    `errors` are the exceptions of its steps; `errors_outside_steps` is what Dagster recorded of a
    failure before or after them. `rows` are the rows that each export has for these days after the
    run, by export name.
    """

    window: Window
    run_id: str
    succeeded: bool
    errors: tuple[BaseException, ...]
    errors_outside_steps: tuple[str, ...]
    failed_checks: tuple[CheckVerdict, ...]
    rows: Mapping[str, int]

    @property
    def is_clean(self) -> bool:
        """Whether the run succeeded and no check of severity ERROR failed."""
        return self.succeeded and all(check.severity != "ERROR" for check in self.failed_checks)

    @property
    def is_refused(self) -> bool:
        """Whether the provider refused the key or the request, as it would every further one."""
        from soundlink_assets.cli.failures import causes
        from soundlink_assets.provider import SoundlinkError

        return any(
            isinstance(cause, SoundlinkError) and cause.stops_run
            for error in self.errors
            for cause in causes(error)
        )

    @property
    def explanations(self) -> "Sequence[str]":
        """What is wrong and what to do, once for errors that differ only in what was asked for."""
        texts = {_kind_of(error): _explained(error) for error in reversed(self.errors)}
        return [*texts.values(), *self.errors_outside_steps]


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

    from soundlink_assets.assets.partitions import range_tags
    from soundlink_assets.assets.run_history import JOB_NAME
    from soundlink_assets.definitions import build_definitions

    definitions = build_definitions(settings)
    keys = None if select is None else _selected_keys(definitions, select)
    job = definitions.resolve_job_def(JOB_NAME)
    if select is None:
        read_statements(settings, definitions, instance, listener)
    with noticing_signals() as has_been_asked_to_end:
        for part in window.split():
            run_id = str(uuid4())

            def on_start(run_id: str = run_id) -> None:
                give_remote_origin(instance, run_id)

            errors: list[BaseException] = []
            observed = job.with_logger_defs(
                {"console": _progress_logger(listener, on_start)}
            ).with_hooks({_collecting(errors)})
            try:
                with claimed(Path(instance.root_directory), run_id):
                    result = observed.execute_in_process(
                        instance=instance,
                        asset_selection=keys,
                        raise_on_error=False,
                        run_config={"loggers": {"console": {}}},
                        tags={**range_tags(part), **OF_THE_LOCATION},
                        run_id=run_id,
                    )
            except (KeyboardInterrupt, dg.DagsterExecutionInterruptedError):
                mark_failed(instance, run_id, "The command that executed this run was ended.")
                raise KeyboardInterrupt from None
            if has_been_asked_to_end() and not result.success:
                raise KeyboardInterrupt
            yield _outcome(part, result, errors)
            if has_been_asked_to_end():
                raise KeyboardInterrupt


def read_statements(
    settings: "Settings",
    definitions: "dg.Definitions",
    instance: "dg.DagsterInstance",
    listener: Listener,
) -> None:
    """Read the distributors' statements if any file is new, as the sensor does in `dev`.

    What cannot be read is a warning: the exports are fetched all the same.
    """
    from soundlink_assets.assets.statements import STATEMENTS_KEY, unread_state

    if unread_state(instance, settings.statements_dir) is None:
        return
    run_id = str(uuid4())
    job = definitions.resolve_implicit_global_asset_job_def()
    logger = _progress_logger(listener, lambda: give_remote_origin(instance, run_id))
    logged = job.with_logger_defs({"console": logger})
    result = logged.get_subset(asset_selection={STATEMENTS_KEY}).execute_in_process(
        instance=instance,
        raise_on_error=False,
        run_config={"loggers": {"console": {}}},
        tags=OF_THE_LOCATION,
        run_id=run_id,
    )
    if not result.success:
        listener.warning(f"The statements in {settings.statements_dir} could not be read.")


def give_remote_origin(instance: "dg.DagsterInstance", run_id: str) -> None:
    """Record that a run is of our code location, as the daemon does for those that it launches.

    Without it the UI's timeline does not show the run, and cannot execute it again.
    """
    from soundlink_assets.dagster_internals import (
        RegisteredCodeLocationOrigin,
        RemoteJobOrigin,
        RemoteRepositoryOrigin,
    )

    run = instance.get_run_by_id(run_id)
    if run is not None and run.remote_job_origin is None:
        origin = RemoteRepositoryOrigin(RegisteredCodeLocationOrigin(CODE_LOCATION), REPOSITORY)
        instance.run_storage.replace_job_origin(run, RemoteJobOrigin(origin, run.job_name))


def mark_failed(instance: "dg.DagsterInstance", run_id: str, reason: str) -> bool:
    """Mark a run as failed if it is open; an open run would keep its days from others."""
    run = instance.get_run_by_id(run_id)
    if run is None or run.is_finished:
        return False
    instance.report_run_failed(run, reason)
    return True


@contextmanager
def claimed(home: Path, run_id: str) -> Iterator[None]:
    """Keep a file of that run locked meanwhile; the kernel frees the lock if this process dies."""
    import portalocker

    path = home / RUNNING / run_id
    with locked(home):
        path.parent.mkdir(exist_ok=True)
        file = path.open("w", encoding="utf-8")
        portalocker.lock(file, portalocker.LOCK_EX)
    try:
        yield
    finally:
        path.unlink(missing_ok=True)
        file.close()


def killed_runs(home: Path) -> list[str]:
    """The ids of the runs whose command has been killed: their files exist and are not locked."""
    with locked(home):
        return [path.name for path in sorted((home / RUNNING).glob("*")) if _is_free(path)]


def _is_free(path: Path) -> bool:
    import portalocker

    with path.open("a", encoding="utf-8") as file:
        try:
            portalocker.lock(file, portalocker.LOCK_EX | portalocker.LOCK_NB)
        except portalocker.AlreadyLocked:
            return False
        return True


def mark_killed_runs(instance: "dg.DagsterInstance") -> list[str]:
    """Mark the runs of killed commands of this machine as failed; the ids of those."""
    home = Path(instance.root_directory)
    killed = killed_runs(home)
    reason = "The command that executed this run was killed."
    marked = [run_id for run_id in killed if mark_failed(instance, run_id, reason)]
    for run_id in killed:
        (home / RUNNING / run_id).unlink(missing_ok=True)
    return marked


def _kind_of(error: BaseException) -> tuple[type, str]:
    """Two errors of a kind have the same text but for the campaign, the export and the days."""
    from soundlink_assets.cli.failures import causes
    from soundlink_assets.provider import SoundlinkError

    for cause in causes(error):
        if isinstance(cause, SoundlinkError):
            return type(cause), cause.message
    return type(error), str(error)


def _explained(error: BaseException) -> str:
    import dagster as dg

    from soundlink_assets.cli.failures import explain

    if isinstance(error, dg.Failure) and error.description:
        return error.description
    return str(explain(error) or f"{type(error).__name__}: {error}")


def _selected_keys(definitions: "dg.Definitions", select: str) -> "Sequence[dg.AssetKey]":
    import dagster as dg

    graph = definitions.resolve_asset_graph()
    try:
        keys = dg.AssetSelection.from_string(select).resolve(graph, allow_missing=True)
    except dg.DagsterError:
        keys = set()
    if not keys:
        known = ", ".join(sorted(key.to_user_string() for key in graph.get_all_asset_keys()))
        raise UserError(
            f"--select {select!r} selects nothing.",
            "Give an asset, 'group:soundlink' or "
            f"""'key:"one" or key:"another"'. Assets: {known}""",
        )
    return sorted(keys)


def _collecting(errors: list[BaseException]) -> "dg.HookDefinition":
    """A hook that keeps the exceptions of failed steps; events have only their text."""
    import dagster as dg

    @dg.failure_hook(name="collect_error")
    def collect(context: dg.HookContext) -> None:
        if context.op_exception is not None:
            errors.append(context.op_exception)

    return collect


def _outcome(
    window: Window, result: "dg.ExecuteInProcessResult", errors: list[BaseException]
) -> RunOutcome:
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
    return RunOutcome(
        window,
        result.run_id,
        result.success,
        tuple(errors),
        () if errors else tuple(_errors_outside_steps(result)),
        tuple(failed.values()),
        _rows(result),
    )


def _errors_outside_steps(result: "dg.ExecuteInProcessResult") -> Iterator[str]:
    for event in result.all_events:
        if event.event_type_value == "PIPELINE_FAILURE" and event.job_failure_data.error:
            error = event.job_failure_data.error
            while error.cause is not None:
                error = error.cause
            yield error.message.strip()


def _rows(result: "dg.ExecuteInProcessResult") -> Mapping[str, int]:
    """Rows of the days that the run wrote, by export, from the metadata of each day."""
    import dagster as dg

    names = {
        dg.AssetKey([export.table.schema, export.table.name]): export.name for export in EXPORTS
    }
    rows: Counter[str] = Counter()
    for event in result.all_events:
        if event.event_type_value == "ASSET_MATERIALIZATION" and event.asset_key in names:
            metadata = event.step_materialization_data.materialization.metadata
            count = metadata.get("dagster/partition_row_count")
            rows[names[event.asset_key]] += int(str(count.value)) if count else 0
    return rows


def _progress_logger(listener: Listener, on_start: Callable[[], None]) -> "dg.LoggerDefinition":
    """A Dagster logger that passes the messages of our own code on, without the framework's."""
    import dagster as dg

    class Progress(logging.Handler):
        def emit(self, record: logging.LogRecord) -> None:
            meta = getattr(record, "dagster_meta", {})
            step = str(meta.get("step_key") or "")
            event = meta.get("dagster_event")
            if event is not None:
                if event.event_type_value == "PIPELINE_START":
                    on_start()
                elif event.event_type_value == "STEP_START":
                    listener.progress(f"working on {step.replace('__', '/')}")
                return
            text = str(meta.get("orig_message") or record.getMessage())
            if step and not text.startswith(_OF_THE_FRAMEWORK):
                if record.levelno >= logging.WARNING:
                    listener.warning(text)
                elif record.levelno >= logging.INFO:
                    listener.progress(text)

    def progress(_context: dg.InitLoggerContext) -> logging.Logger:
        logger = logging.getLogger("soundlink_assets.progress")
        logger.setLevel(logging.DEBUG)  # Dagster logs at that level that a step starts.
        logger.propagate = False
        logger.handlers = [Progress()]
        return logger

    return dg.LoggerDefinition(
        progress, description="Passes the messages of assets on to the terminal."
    )
