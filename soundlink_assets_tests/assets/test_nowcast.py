"""The nowcast and its backtest as assets, from what a warehouse stored day by day."""

from collections.abc import Iterator
from datetime import UTC, datetime, time, timedelta

import numpy as np
import polars as pl
import pytest

from soundlink_assets.assets.nowcast import judge_calibration
from soundlink_assets.schema.frames import empty_frame, polars_schema
from soundlink_assets.schema.nowcast import NOWCAST_BACKTEST
from soundlink_assets.schema.window import Window
from soundlink_assets.warehouse import open_warehouse
from soundlink_assets_tests.assets.checked_runs import ANCHOR, WARN, Platform, platform_in
from soundlink_assets_tests.warehouse.deliveries import batch, write

NOWCAST, BACKTEST = "analytics/revision_nowcast", "analytics/nowcast_backtest"
DAYS = 24


@pytest.fixture(scope="module")
def platform(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Platform]:
    """A campaign of about 200 streams a day that was fetched each morning for 24 days."""
    with platform_in(tmp_path_factory.mktemp("nowcast")) as platform:
        warehouse = open_warehouse(platform.settings.warehouse)
        rng = np.random.default_rng(3)
        finals = rng.poisson(200, DAYS)
        complete = [0.6, 0.75, 0.85, 0.92, 0.96, 0.98, 0.99, 1.0]
        for today in range(1, DAYS + 1):
            at = datetime.combine(ANCHOR + timedelta(days=today), time(6), UTC)
            first = max(0, today - 8)
            streams = {
                (ANCHOR + timedelta(days=day), "US"): int(finals[day] * complete[today - day - 1])
                for day in range(first, today)
            }
            window = Window(min(streams)[0], max(streams)[0])
            taken = batch(window, {"c": streams}, exported_at=at, fetched_at=at)
            write(warehouse, taken, now=at)
        platform.sandbox.set_clock(at)
        yield platform


@pytest.mark.slow
def test_open_days_have_an_expectation_each(platform: Platform) -> None:
    assert platform.materialize(NOWCAST).run.is_success
    nowcast = platform.read("FROM analytics.revision_nowcast").filter(measure="streams")
    assert nowcast["report_date"].to_list() == [
        ANCHOR + timedelta(days=day) for day in range(DAYS - 7, DAYS)
    ]
    assert nowcast["age_days"].to_list() == [6, 5, 4, 3, 2, 1, 0]
    assert nowcast["expected"].is_between(150, 260).all()
    assert nowcast["basis_days"].unique().to_list() == [DAYS - 7]
    assert platform.sandbox.requests == ()


@pytest.mark.slow
def test_the_backtest_is_stored_and_judged(platform: Platform) -> None:
    run = platform.materialize(BACKTEST)
    assert run.run.is_success
    verdict = run.for_run(BACKTEST, "nowcast_calibrated")
    assert verdict.passed
    assert "Not judged" in str(verdict.description)
    assert platform.read("FROM analytics.nowcast_backtest").height > 0


def backtest(covered: int, cases: int = 100, missing: float = 20.0) -> pl.DataFrame:
    return pl.DataFrame(
        {
            "measure": ["streams"],
            "currency": [None],
            "cases": [cases],
            "covered_95": [covered],
            "interval_score_reported": [missing],
        },
        schema_overrides={"currency": pl.String},
    )


def test_intervals_that_hold_what_they_say_pass() -> None:
    verdict = judge_calibration(backtest(95))
    assert verdict.passed
    assert "95.0 % of 100 final values" in verdict.description


@pytest.mark.parametrize(
    ("covered", "missing", "said"),
    [(89, 20.0, "too narrow"), (100, 20.0, "too wide"), (100, 0.5, None), (90, 20.0, None)],
)
def test_intervals_that_hold_too_few_or_too_many_warn(
    covered: int, missing: float, said: str | None
) -> None:
    verdict = judge_calibration(backtest(covered, missing=missing))
    assert verdict.passed is (said is None)
    if said:
        assert verdict.severity is WARN
        assert f"streams: {covered}.0 % of 100" in verdict.description
        assert said in verdict.description


def test_few_cases_are_not_judged() -> None:
    assert judge_calibration(backtest(10, cases=59)).description.startswith("Not judged")
    nothing = empty_frame(NOWCAST_BACKTEST)
    assert nothing.schema == polars_schema(NOWCAST_BACKTEST)
    assert judge_calibration(nothing).passed
