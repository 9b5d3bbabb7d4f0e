"""The IO manager in real Dagster runs."""

import subprocess
import sys
import tempfile
from datetime import UTC, date, timedelta
from pathlib import Path
from typing import Any, cast

import dagster as dg
import polars as pl
import pytest
from dagster_duckdb_polars import DuckDBPolarsIOManager, DuckDBPolarsTypeHandler

from soundlink_assets.schema.tables import Column, Kind, Table
from soundlink_assets.schema.window import Window
from soundlink_assets.warehouse import (
    DeliveryBatch,
    DerivedDays,
    SchemaMismatchError,
    StoredDays,
    Warehouse,
)
from soundlink_assets.warehouse.io_manager import WarehouseIOManager, warehouse_io_manager
from soundlink_assets_tests.warehouse.deliveries import DAY, EXPORT, NAME, NOON, TABLE, frame, hour

COUNTS = Table(
    schema="analytics",
    name="counts",
    grain="one row per day",
    description="Rows by day.",
    key=("report_date",),
    day_column="report_date",
    columns=(
        Column(name="report_date", kind=Kind.DATE, description="Day."),
        Column(name="rows", kind=Kind.COUNT, description="Rows of that day."),
        Column(name="deliveries", kind=Kind.COUNT, description="Deliveries of that day."),
    ),
)
LIST = Table(
    schema="soundlink",
    name="names",
    grain="one row per name",
    description="Names.",
    key=("name",),
    columns=(Column(name="name", kind=Kind.TEXT, description="A name."),),
)
DAYS = dg.DailyPartitionsDefinition(start_date="2026-04-01", end_date="2026-05-01")
BY_DAY = {"partition_expr": "report_date"}
KEY = dg.AssetKey([TABLE.schema, TABLE.name])

pytestmark = [pytest.mark.filterwarnings("ignore::dagster.BetaWarning")]


def last(days: int) -> str:
    return (DAY + timedelta(days=days - 1)).isoformat()


def exports(streams: int, campaigns: str = "ab", exported: float = 0) -> dg.AssetsDefinition:
    @dg.asset(
        key=KEY,
        partitions_def=DAYS,
        metadata=BY_DAY,
        backfill_policy=dg.BackfillPolicy.multi_run(90),
    )
    def export(context: dg.AssetExecutionContext) -> Any:
        window = window_of(context)
        taken = DeliveryBatch(EXPORT, window)
        for campaign in campaigns:
            rows = {(day, country): streams for day in window.dates() for country in ("DE", "US")}
            taken.add(campaign, window, frame(campaign, rows, hour(exported)), hour(exported))
        return taken

    return export


def window_of(context: dg.AssetExecutionContext) -> Window:
    span = context.partition_time_window
    return Window(span.start.date(), (span.end - timedelta(days=1)).date())


@dg.asset(
    key=["analytics", "counts"],
    partitions_def=DAYS,
    metadata=BY_DAY,
    ins={"stored": dg.AssetIn(KEY)},
    backfill_policy=dg.BackfillPolicy.multi_run(90),
)
def counts(stored: StoredDays) -> Any:
    rows = stored.rows.group_by("report_date").agg(pl.len().cast(pl.Int64).alias("rows"))
    deliveries = stored.log.group_by("report_date").agg(pl.len().cast(pl.Int64).alias("deliveries"))
    return deliveries.join(rows, on="report_date", how="left").select(
        "report_date", "rows", "deliveries"
    )


def materialise(
    warehouse: Warehouse,
    assets: list[dg.AssetsDefinition],
    *,
    days: int = 1,
    raise_on_error: bool = True,
    selection: list[dg.AssetKey] | None = None,
) -> dg.ExecuteInProcessResult:
    partitioned = any(asset.partitions_def for asset in assets)
    return dg.materialize(
        assets,
        resources={
            "io_manager": warehouse_io_manager(
                warehouse.name,
                [EXPORT],
                [COUNTS, LIST],
                lake_data=getattr(warehouse, "data", None),
            )
        },
        selection=selection,
        raise_on_error=raise_on_error,
        tags={
            "dagster/asset_partition_range_start": DAY.isoformat(),
            "dagster/asset_partition_range_end": last(days),
        }
        if partitioned
        else {},
    )


def metadata(result: dg.ExecuteInProcessResult, asset: dg.AssetKey) -> dict[str, Any]:
    events = result.asset_materializations_for_node("__".join(asset.path))
    return {name: value.value for name, value in events[0].metadata.items()}


def test_a_range_of_days_is_written_and_what_is_derived_reads_it(warehouse: Warehouse) -> None:
    result = materialise(warehouse, [exports(1), counts], days=3)

    rows = warehouse.query(
        f"SELECT run_id, report_date, count(*) FROM {NAME} GROUP BY ALL ORDER BY ALL"
    )
    days = [DAY + timedelta(days=n) for n in range(3)]
    assert rows.rows() == [(result.run_id, day, 4) for day in days]
    derived = warehouse.query("SELECT * FROM analytics.counts ORDER BY ALL")
    assert derived.rows() == [(day, 4, 2) for day in days]


def test_a_materialisation_says_what_was_stored(warehouse: Warehouse) -> None:
    materialise(warehouse, [exports(1)], days=3)
    result = materialise(warehouse, [exports(2, campaigns="a", exported=1), counts])

    stored = metadata(result, KEY)
    assert stored["newest_exported_at"] == hour(1).astimezone(UTC).timestamp()
    assert (
        stored.items()
        >= {
            "dagster/row_count": 12,
            "dagster/table_name": NAME,
            "rows": 2,
            "rows_unchanged": 0,
            "rows_superseded": 2,
            "campaign_days_replaced": 1,
            "campaign_days_kept": 0,
            "campaigns_delivered": 1,
        }.items()
    )
    derived = metadata(result, counts.key)
    assert derived["dagster/row_count"] == derived["rows"] == 1
    for query, expected in ((stored["Query"], 4), (derived["Query"], 1)):
        assert warehouse.query(query).height == expected


def test_figures_of_a_run_of_several_days_are_logged_and_in_no_day(
    warehouse: Warehouse, capfd: pytest.CaptureFixture[str]
) -> None:
    result = materialise(warehouse, [exports(1)], days=3)

    assert not {"rows", "campaign_days_replaced", "dagster/row_count"} & set(metadata(result, KEY))
    assert "'rows': 12" in capfd.readouterr().err


def test_what_was_kept_is_counted_and_logged(
    warehouse: Warehouse, capfd: pytest.CaptureFixture[str]
) -> None:
    materialise(warehouse, [exports(1, exported=1)])

    result = materialise(warehouse, [exports(2, exported=0)])

    assert metadata(result, KEY)["campaign_days_kept"] == 2
    assert "2 campaign-days kept what they hold" in capfd.readouterr().err


def test_a_derived_frame_replaces_its_days_whole_and_no_others(warehouse: Warehouse) -> None:
    materialise(warehouse, [exports(1), counts], days=3)

    @dg.asset(key=counts.key, partitions_def=DAYS, metadata=BY_DAY)
    def nothing() -> Any:
        return pl.DataFrame(
            schema={"report_date": pl.Date, "rows": pl.Int64, "deliveries": pl.Int64}
        )

    materialise(warehouse, [nothing], days=1)

    days = warehouse.query("SELECT report_date FROM analytics.counts ORDER BY ALL")
    assert days.get_column("report_date").to_list() == [date(2026, 4, 2), date(2026, 4, 3)]


def test_a_derived_frame_with_a_day_outside_its_partition_is_refused(warehouse: Warehouse) -> None:
    materialise(warehouse, [exports(1), counts], days=3)

    @dg.asset(key=counts.key, partitions_def=DAYS, metadata=BY_DAY)
    def too_much() -> Any:
        days = [DAY, DAY + timedelta(days=1)]
        return pl.DataFrame({"report_date": days, "rows": [9, 9], "deliveries": [9, 9]})

    with pytest.raises(SchemaMismatchError, match=r"1 rows have a .*report_date.* outside"):
        materialise(warehouse, [too_much], days=1)

    assert warehouse.query("SELECT max(rows) FROM analytics.counts").item() == 4


def overtaken(warehouse: Warehouse, times: int) -> dg.AssetsDefinition:
    """Counts the streams of a day; while it does, another run writes that day, so many times."""
    left = iter(range(1, times + 1))

    @dg.asset(key=counts.key, partitions_def=DAYS, metadata=BY_DAY, ins={"stored": dg.AssetIn(KEY)})
    def slow(stored: StoredDays) -> Any:
        day = pl.DataFrame({"report_date": [DAY]})
        streams = pl.lit(stored.rows.get_column("streams").sum()).cast(pl.Int64).alias("rows")
        computed = day.with_columns(streams, streams.alias("deliveries"))
        for hours in left:
            materialise(warehouse, [exports(10**hours, exported=hours)])
            break
        return DerivedDays(computed, [stored])

    return slow


def test_what_another_run_has_overtaken_is_computed_again(warehouse: Warehouse) -> None:
    materialise(warehouse, [exports(1)])

    result = materialise(
        warehouse, [exports(1), overtaken(warehouse, times=2)], selection=[counts.key]
    )

    assert len(result.filter_events(lambda event: event.is_step_restarted)) == 2
    assert warehouse.query("SELECT rows FROM analytics.counts").item() == 4 * 100


def test_what_is_overtaken_again_and_again_is_not_written_and_says_so(warehouse: Warehouse) -> None:
    materialise(warehouse, [exports(1), counts])

    result = materialise(
        warehouse,
        [exports(1), overtaken(warehouse, times=9)],
        selection=[counts.key],
        raise_on_error=False,
    )

    (failure,) = result.get_step_failure_events()
    assert failure.step_failure_data.error is not None
    assert "another run has written 2 campaign-days" in failure.step_failure_data.error.to_string()
    assert warehouse.query("SELECT rows FROM analytics.counts").item() == 4


def test_what_nothing_has_overtaken_is_computed_once(warehouse: Warehouse) -> None:
    materialise(warehouse, [exports(1)])

    result = materialise(
        warehouse, [exports(1), overtaken(warehouse, times=0)], selection=[counts.key]
    )

    assert not result.filter_events(lambda event: event.is_step_restarted)


def test_an_input_that_was_never_written_is_empty_and_typed(warehouse: Warehouse) -> None:
    materialise(warehouse, [exports(1), counts], selection=[counts.key], days=2)

    assert warehouse.query("SELECT count(*) FROM analytics.counts").item() == 0


def test_an_unpartitioned_frame_replaces_the_whole_table(warehouse: Warehouse) -> None:
    def names(*values: str) -> dg.AssetsDefinition:
        @dg.asset(key=["soundlink", "names"])
        def listed() -> Any:
            return pl.DataFrame({"name": values}, schema={"name": pl.String})

        return listed

    @dg.asset
    def seen(context: dg.AssetExecutionContext, listed: pl.DataFrame) -> None:
        context.add_output_metadata({"seen": listed.get_column("name").sort().to_list()})

    for values in (("x", "y"), ("z",), ()):
        materialise(warehouse, [names(*values)])
        assert warehouse.query("SELECT name FROM soundlink.names").rows() == [
            (value,) for value in values
        ]
    assert seen.key == dg.AssetKey("seen")


def test_a_frame_can_be_an_input_of_some_columns_of_any_table(warehouse: Warehouse) -> None:
    found: list[pl.DataFrame] = []

    @dg.asset(
        partitions_def=DAYS,
        ins={"rows": dg.AssetIn(KEY, metadata={"columns": ["country_code", "streams"]})},
        backfill_policy=dg.BackfillPolicy.multi_run(90),
    )
    def reader(rows: pl.DataFrame) -> None:
        found.append(rows)

    materialise(warehouse, [exports(3), reader], days=2)

    assert found[0].sort(pl.all()).rows() == [("DE", 3)] * 4 + [("US", 3)] * 4


@pytest.mark.parametrize("fails_in", ["asset", "write"])
def test_a_failed_run_leaves_the_stored_rows_and_no_spool(
    warehouse: Warehouse, fails_in: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    materialise(warehouse, [exports(1)])
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path / "temp"))
    (tmp_path / "temp").mkdir()

    @dg.asset(key=KEY, partitions_def=DAYS, metadata=BY_DAY)
    def failing(context: dg.AssetExecutionContext) -> Any:
        with DeliveryBatch(EXPORT, window_of(context)) as unused:
            unused.files()
        taken = DeliveryBatch(EXPORT, window_of(context))
        taken.add("a", taken.window, frame("a", {(DAY, "US"): 9}, hour(1)), NOON)
        taken.files()
        # The same campaign under another id: the write refuses it.
        taken.add("alias", taken.window, frame("a", {(DAY, "US"): 9}, hour(1)), NOON)
        if fails_in == "asset":
            taken.close()
            raise RuntimeError("the provider is gone")
        return taken

    result = materialise(warehouse, [failing], raise_on_error=False)

    assert not result.success
    assert warehouse.query(f"SELECT DISTINCT streams FROM {NAME}").item() == 1
    assert not [path for path in (tmp_path / "temp").iterdir() if "batch" in path.name]


def test_a_batch_of_another_table_is_refused_by_name(warehouse: Warehouse) -> None:
    @dg.asset(key=["analytics", "counts"])
    def other() -> Any:
        return DeliveryBatch(EXPORT, Window(DAY, DAY))

    with pytest.raises(ValueError, match=r"cannot be stored as analytics\.counts"):
        materialise(warehouse, [other])


@pytest.mark.parametrize("days", [0, 1])
def test_a_frame_that_is_not_described_is_stored_as_dagster_duckdb_polars_does(
    warehouse: Warehouse, days: int
) -> None:
    found: list[pl.DataFrame] = []
    partitions: dict[str, Any] = {"partitions_def": DAYS, "metadata": BY_DAY} if days else {}

    asset = cast("Any", dg.asset)

    @asset(key=["own", "notes"], **partitions)  # type: ignore[untyped-decorator]
    def notes() -> Any:
        return pl.DataFrame({"report_date": [DAY], "note": ["x"]})

    @asset(  # type: ignore[untyped-decorator]
        ins={"notes": dg.AssetIn(["own", "notes"])}, **partitions
    )
    def reader(notes: pl.DataFrame) -> None:
        found.append(notes)

    for _ in range(2):
        materialise(warehouse, [notes, reader])

    assert warehouse.query("SELECT * FROM own.notes").rows() == [(DAY, "x")]
    assert found[-1].rows() == [(DAY, "x")]


def test_it_is_configured_like_the_io_manager_of_dagster_duckdb_polars() -> None:
    manager = warehouse_io_manager("x.duckdb", [EXPORT], [COUNTS])

    assert isinstance(manager, DuckDBPolarsIOManager)
    assert isinstance(manager, WarehouseIOManager)
    config = cast("Any", manager.to_config_schema().as_field().config_type)
    assert set(config.fields) == {
        "database",
        "schema",
        "connection_config",
    }
    assert any(isinstance(each, DuckDBPolarsTypeHandler) for each in manager.type_handlers())


def test_the_package_needs_neither_polars_nor_duckdb_until_it_is_used() -> None:
    code = (
        "import sys\n"
        "import soundlink_assets.warehouse\n"
        "print([name for name in ('polars', 'duckdb', 'pyarrow', 'portalocker', 'dagster') "
        " if name in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)

    assert done.stdout == "[]\n"
