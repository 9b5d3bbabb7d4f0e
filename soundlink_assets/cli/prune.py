"""`soundlink-assets prune`: delete old runs that were replaced, and old files in quarantine."""

from collections.abc import Iterable, Iterator
from collections.abc import Set as AbstractSet
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from soundlink_assets.cli.app import UserError, app, read_settings

if TYPE_CHECKING:
    import dagster as dg

LEAST_DAYS = 14
"""Younger runs stay: the sensor asks what failed lately, people ask what happened last week."""

MOST_DAYS = 36_500
"""More than there is history; a calendar does not go back for ever."""

EVENTS_A_QUERY = 500


@app.command()
def prune(
    *,
    older_than: Annotated[
        int,
        typer.Option(metavar="DAYS", min=LEAST_DAYS, max=MOST_DAYS, help="What is younger stays."),
    ] = 30,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Only count them.")] = False,
) -> None:
    """Delete old runs whose days later runs have fetched again, and old bodies in quarantine.

    Files that killed commands left in quarantine half written are deleted too.

    The latest fetch and the latest verdict of every day stay in Dagster's history, and the
    warehouse stays as it is. Needs no key and may run beside everything else, for example weekly
    from cron.

    Example: `soundlink-assets prune --older-than 60`
    """
    from rich.progress import track

    from soundlink_assets.cli.home import default_home, open_history
    from soundlink_assets.definitions import build_definitions
    from soundlink_assets.provider.quarantine import kept_bodies, remove_abandoned

    home = default_home()
    if not (home / "dagster.yaml").exists():
        raise UserError(f"There is no history of Dagster in {home}.", "Set DAGSTER_HOME.")
    settings = read_settings()
    assets = build_definitions(settings).resolve_asset_graph().materializable_asset_keys
    before = datetime.now(UTC) - timedelta(days=older_than)
    with open_history(home) as instance:
        replaced = replaced_runs(instance, assets, before)
        if not dry_run:
            for run_id in track(replaced, "deleting", transient=True):
                delete_run(instance, run_id)
    refused = [kept for kept in kept_bodies(settings.quarantine_dir) if kept.refused_at < before]
    if not dry_run:
        remove_abandoned(settings.quarantine_dir)
        for kept in refused:
            kept.body.unlink(missing_ok=True)
            kept.reason.unlink(missing_ok=True)
    done = "Dry run: none is deleted." if dry_run else "They are deleted."
    for what, found in (
        (f"Runs that ended before {before:%Y-%m-%d} and were replaced since", replaced),
        (f"Bodies that were refused before {before:%Y-%m-%d}", refused),
    ):
        typer.echo(f"{what}: {len(found):,}. {done if found else 'Nothing to do.'}")


def replaced_runs(
    instance: "dg.DagsterInstance", assets: "Iterable[dg.AssetKey]", before: datetime
) -> list[str]:
    """The ids of ended runs over these assets that hold the latest materialisation of nothing."""
    import dagster as dg

    ours = set(assets)
    ended = dg.RunsFilter(
        statuses=[
            dg.DagsterRunStatus.SUCCESS,
            dg.DagsterRunStatus.FAILURE,
            dg.DagsterRunStatus.CANCELED,
        ],
        updated_before=before,
    )
    old = [
        record.dagster_run.run_id
        for record in instance.get_run_records(ended)
        if _is_over(record.dagster_run, ours)
    ]
    if not old:
        return []
    latest = {run_id for asset in ours for run_id in _latest_runs(instance, asset)}
    return [run_id for run_id in old if run_id not in latest]


def _is_over(run: "dg.DagsterRun", assets: "AbstractSet[dg.AssetKey]") -> bool:
    """Whether the run materialised nothing but these assets; another's code may share the home."""
    from soundlink_assets.assets.run_history import JOB_NAME

    return run.asset_selection <= assets if run.asset_selection else run.job_name == JOB_NAME


def _latest_runs(instance: "dg.DagsterInstance", asset: "dg.AssetKey") -> Iterator[str]:
    """The runs that the latest materialisation of the asset, and of each of its days, is from."""
    import dagster as dg

    newest = instance.get_latest_materialization_event(asset)
    if newest is not None:
        yield newest.run_id
    by_day = instance.get_latest_storage_id_by_partition(
        asset, dg.DagsterEventType.ASSET_MATERIALIZATION
    )
    events = sorted(by_day.values())
    for start in range(0, len(events), EVENTS_A_QUERY):
        chunk = events[start : start + EVENTS_A_QUERY]
        wanted = dg.AssetRecordsFilter(asset_key=asset, storage_ids=chunk)
        for record in instance.fetch_materializations(wanted, limit=len(chunk)).records:
            yield record.run_id


def delete_run(instance: "dg.DagsterInstance", run_id: str) -> None:
    """Delete the run, its events, what it printed, and the file that held its events."""
    from soundlink_assets.dagster_internals import SqliteEventLogStorage

    instance.delete_run(run_id)
    instance.compute_log_manager.delete_logs(prefix=[run_id])
    storage = instance.event_log_storage
    if isinstance(storage, SqliteEventLogStorage):
        # Dagster empties the run's own database and leaves the file as large as it was.
        for suffix in ("", "-wal", "-shm"):
            Path(f"{storage.path_for_shard(run_id)}{suffix}").unlink(missing_ok=True)
