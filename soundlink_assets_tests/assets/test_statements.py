"""Statements in the platform: the folder, the sensor, what campaigns earned, the checks."""

from collections.abc import Iterator
from datetime import timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any

import dagster as dg
import polars as pl
import pytest

from soundlink_assets.assets.catalog import asset_key
from soundlink_assets.assets.report import REPORT_FILE, REPORT_KEY
from soundlink_assets.assets.returns import judge_currencies, judge_shares
from soundlink_assets.assets.statements import (
    ASKED_AGAIN_AFTER,
    SENSOR_NAME,
    STATEMENTS_KEY,
    statements_asset,
    statements_sensor,
)
from soundlink_assets.definitions import build_definitions
from soundlink_assets.sandbox.statements import statement_files
from soundlink_assets.schema.analytics import SCORECARDS
from soundlink_assets.schema.frames import empty_frame
from soundlink_assets.schema.statements import CAMPAIGN_RETURN, STATEMENTS, TRACK_MONTH_SHARE
from soundlink_assets.settings import load_settings
from soundlink_assets_tests.assets.checked_runs import (
    ANCHOR,
    DAYS,
    NOW,
    Platform,
    over,
    platform_in,
)
from soundlink_assets_tests.metrics.statement_frames import statements
from soundlink_assets_tests.statements.files import row, write

_JUDGED = ("campaign_id", "currency", "attributed_revenue", "spend_total")

QUIET = {"loggers": {"console": {"config": {"log_level": "CRITICAL"}}}}


def _read(folder: Path) -> dg.ExecuteInProcessResult:
    """A run of the asset alone; what it stores is kept in memory."""
    return dg.materialize([statements_asset(folder)], resources={"io_manager": dg.mem_io_manager})


def _verdicts(result: dg.ExecuteInProcessResult) -> dict[str, dg.AssetCheckEvaluation]:
    return {each.check_name: each for each in result.get_asset_check_evaluations()}


def test_a_folder_of_good_files_passes_every_check(tmp_path: Path) -> None:
    write(tmp_path / "april.csv", row(), row(country="DE"))
    write(tmp_path / "may.csv", row(month="2026-05", revenue="0.123456789012345678"))
    result = _read(tmp_path)
    assert all(verdict.passed for verdict in _verdicts(result).values())
    assert result.output_for_node("distributor__statements")["revenue"].sum() == Decimal(
        "7.123456789012345678"
    )


def test_every_refused_row_is_told_with_file_line_and_reason(tmp_path: Path) -> None:
    write(tmp_path / "april.csv", row(), row(isrc=""), row(), row(isrc=""), row(isrc=""))
    write(tmp_path / "notes.pdf")
    verdict = _verdicts(_read(tmp_path))["valid_rows"]
    assert (verdict.passed, verdict.severity) == (False, dg.AssetCheckSeverity.WARN)
    findings = verdict.metadata["findings"]
    assert isinstance(findings, dg.TableMetadataValue)
    assert [record.data for record in findings.records] == [
        {"file": "april.csv", "lines": "3, 5-6", "reason": "no ISRC"},
        {
            "file": "notes.pdf",
            "lines": "0",
            "reason": "not one of .csv, .parquet, .tsv: export the statement as CSV",
        },
    ]


def test_a_month_that_is_lacking_between_two_is_named(tmp_path: Path) -> None:
    write(tmp_path / "a.csv", row(month="2026-01"), row(month="2026-04"))
    verdict = _verdicts(_read(tmp_path))["months_complete"]
    assert (verdict.passed, verdict.description) == (
        False,
        "No statement covers 2026-02, 2026-03.",
    )


def test_a_share_above_one_is_named() -> None:
    frame = empty_frame(TRACK_MONTH_SHARE)
    assert judge_shares(frame).passed
    above = pl.DataFrame(
        {"isrc": ["X"], "month": [ANCHOR], "statement_streams": [5], "attributed_share": [1.2]}
    )
    verdict = judge_shares(above)
    assert not verdict.passed
    assert "X in 2024-04: 1.20" in verdict.description


def test_spend_under_another_currency_is_an_error_and_revenue_apart_from_spend_a_warning() -> None:
    def returns(**given: Any) -> pl.DataFrame:
        card = {"campaign_id": "c", "currency": "USD", "attributed_revenue": None} | given
        columns = empty_frame(CAMPAIGN_RETURN).schema
        return pl.DataFrame([card], schema={name: columns[name] for name in _JUDGED})

    spend = pl.DataFrame({"campaign_id": ["c"], "currency": ["USD"], "spend_total": [Decimal(5)]})
    sales = statements({"currency": "EUR", "streams": 1})
    in_dollars = returns(spend_total=Decimal(5))
    in_euros = returns(currency="EUR", attributed_revenue=Decimal(1), spend_total=None)

    assert judge_currencies(in_dollars, sales, spend).passed
    assert judge_currencies(returns(spend_total=Decimal(7)), sales, spend).is_error
    apart = judge_currencies(pl.concat([in_dollars, in_euros]), sales, spend)
    assert not apart.passed
    assert not apart.is_error
    assert judge_currencies(in_euros, sales, spend.clear()).passed  # nothing was spent


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return tmp_path / "statements"


def _tick(
    folder: Path, instance: dg.DagsterInstance, cursor: str | None, minutes: int = 0
) -> tuple[bool, str | None]:
    """Whether the sensor requests a run, and its cursor after that."""
    sensor = statements_sensor(folder, lambda: NOW + timedelta(minutes=minutes), running=True)
    context = dg.build_sensor_context(instance=instance, cursor=cursor)
    result = sensor(context)
    return isinstance(result, dg.RunRequest), context.cursor


def test_the_sensor_asks_for_new_files_once_and_again_if_they_were_not_read(folder: Path) -> None:
    with dg.DagsterInstance.ephemeral() as instance:
        assert _tick(folder, instance, None)[0] is False
        write(folder / "a.csv", row())
        asked, cursor = _tick(folder, instance, None)
        assert asked
        assert _tick(folder, instance, cursor)[0] is False
        later = int(ASKED_AGAIN_AFTER / timedelta(minutes=1)) + 1
        assert _tick(folder, instance, cursor, later)[0] is True

        dg.materialize(
            [statements_asset(folder)],
            instance=instance,
            resources={"io_manager": dg.mem_io_manager},
        )
        assert _tick(folder, instance, cursor, later)[0] is False
        write(folder / "a.csv", row(), row())
        assert _tick(folder, instance, cursor, later)[0] is True
        (folder / "a.csv").unlink()
        assert _tick(folder, instance, cursor, later)[0] is True


@pytest.fixture(scope="module")
def loaded(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Platform]:
    """The days of the tests with the sandbox's statements of their month."""
    root = tmp_path_factory.mktemp("loaded")
    with platform_in(root, statements_dir=root / "statements") as platform:
        (root / "statements").mkdir()
        for name, text in statement_files(platform.sandbox.world, [ANCHOR]).items():
            (root / "statements" / name).write_text(text, encoding="utf-8")
        _materialize(platform, [STATEMENTS_KEY])
        assert (
            platform.definitions.resolve_job_def("daily_exports")
            .execute_in_process(instance=platform.instance, tags=over(DAYS), run_config=QUIET)
            .success
        )
        yield platform


def _materialize(platform: Platform, keys: list[dg.AssetKey]) -> dg.ExecuteInProcessResult:
    job = platform.definitions.resolve_implicit_global_asset_job_def()
    return job.get_subset(asset_selection=set(keys)).execute_in_process(
        instance=platform.instance, run_config=QUIET
    )


def test_every_campaign_with_spend_has_a_return_that_equals_sql(loaded: Platform) -> None:
    expected = loaded.read("""
        with paid as (
            select isrc, month, country_code, currency,
                sum(revenue)::double / sum(streams) as rate
            from distributor.statements where store = 'Spotify' and streams > 0 group by all
        )
        select campaign_id, currency, sum(streams * rate) as revenue
        from soundlink.campaign_engagement_daily
        join paid on month = date_trunc('month', report_date)
            and isrc = upper(replace(engaged_track_isrc, '-', ''))
            and paid.country_code = campaign_engagement_daily.country_code
        group by all order by campaign_id
    """)
    found = loaded.read("from analytics.campaign_return order by campaign_id")
    assert found.height
    by_country = found.join(expected, on=["campaign_id", "currency"], how="left").filter(
        pl.col("country_rate_share") == 1
    )
    assert by_country.height
    assert by_country.select(
        ((pl.col("attributed_revenue").cast(float) - pl.col("revenue")).abs() < 1e-5).all()
    ).item()
    assert (found["recoup_ratio"].drop_nulls() > 0).all()


def test_countries_have_a_value(loaded: Platform) -> None:
    card = loaded.read("from analytics.country_scorecard where revenue_per_stream is not null")
    assert card.height
    assert (card["break_even_cost_per_listener"].drop_nulls() > 0).all()


def test_the_statements_are_stored_exactly(loaded: Platform) -> None:
    stored = loaded.read("from distributor.statements")
    assert stored.columns == list(STATEMENTS.column_names)
    texts = statement_files(loaded.sandbox.world, [ANCHOR]).values()
    amounts = [Decimal(line.split(",")[5]) for text in texts for line in text.splitlines()[1:]]
    assert sum(stored["revenue"]) == sum(amounts)


def test_what_is_unmatched_is_in_the_metadata(loaded: Platform) -> None:
    event = loaded.instance.get_latest_materialization_event(asset_key(TRACK_MONTH_SHARE))
    assert event is not None
    assert event.asset_materialization is not None
    metadata = event.asset_materialization.metadata
    assert metadata["currencies"].value == "USD"
    assert metadata["isrcs_without_campaign"].value
    assert metadata["months_without_statement"].value == ""


def test_the_report_says_what_came_back(loaded: Platform) -> None:
    assert _materialize(loaded, [REPORT_KEY]).success
    page = Path(loaded.settings.warehouse).with_name(REPORT_FILE).read_text(encoding="utf-8")
    assert "Earned back" in page
    assert "statements until April 2024" in page


def test_what_follows_from_a_new_file_is_requested_without_another_command(
    tmp_path: Path,
) -> None:
    """The sensor reads the file; then the conditions ask for returns, and for the report."""
    folder = tmp_path / "statements"
    settings = load_settings(warehouse=str(tmp_path / "w.duckdb"), statements_dir=folder)
    definitions = build_definitions(settings, clock=lambda: NOW)
    with dg.DagsterInstance.ephemeral(str(tmp_path)) as instance:

        def requested(cursor: Any) -> tuple[set[str], Any]:
            result = dg.evaluate_automation_conditions(definitions, instance, cursor=cursor)
            keys = definitions.resolve_asset_graph().materializable_asset_keys
            found = {key.to_user_string() for key in keys if result.get_num_requested(key)}
            return found, result.cursor

        def run(*keys: dg.AssetKey) -> None:
            job = definitions.resolve_implicit_global_asset_job_def()
            assert (
                job.get_subset(asset_selection=set(keys))
                .execute_in_process(instance=instance, run_config=QUIET)
                .success
            )

        _, cursor = requested(None)
        write(folder / "april.csv", row())
        sensor = definitions.get_sensor_def(SENSOR_NAME)
        tick = sensor.evaluate_tick(
            dg.build_sensor_context(instance=instance, definitions=definitions)
        )
        (request,) = tick.run_requests or ()
        assert request.asset_selection == [STATEMENTS_KEY]
        run(STATEMENTS_KEY)
        asked, cursor = requested(cursor)
        assert asked >= {"analytics/track_month_share", "analytics/campaign_return"}
        run(*(asset_key(table) for table in (*SCORECARDS, TRACK_MONTH_SHARE, CAMPAIGN_RETURN)))
        asked, _ = requested(cursor)
        assert asked == {"analytics/campaign_report"}
