"""Where Dagster's events are kept, and how many verdicts are recorded at once.

`EventLogStorage` is Dagster's own SQLite storage in the same files, made fast for runs over many
days: it keeps its connections, and stores a batch of check evaluations in one transaction. Name it
in `dagster.yaml`; with any other storage everything works the same, one event at a time:

    event_log_storage:
      module: soundlink_assets.assets.event_log
      class: EventLogStorage
      config: {base_dir: <DAGSTER_HOME>/history/runs}
"""

from collections.abc import Sequence

import dagster as dg


def record_evaluations(
    step: dg.OpExecutionContext, evaluations: Sequence[dg.AssetCheckEvaluation]
) -> None:
    """Record what checks found, in the order given."""
    for evaluation in evaluations:
        step.log_event(evaluation)  # type: ignore[arg-type]  # it takes every step event; the annotation names three
