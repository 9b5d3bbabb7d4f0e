"""Random series of deliveries leave what a plain model says, and every past state can be read."""

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import date, datetime, timedelta
from typing import Any

import duckdb
import polars as pl
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from soundlink_assets.schema.window import Window
from soundlink_assets.warehouse.connection import transaction
from soundlink_assets.warehouse.types import Deliveries
from soundlink_assets.warehouse.writing import replace_cells
from soundlink_assets_tests.warehouse.deliveries import DAY, NAME, NOON, TABLE, frame, hour
from soundlink_assets_tests.warehouse.model import Cell, DeliveredCell, Model

CAMPAIGNS = ("a", "b", "c")
COUNTRIES = ("DE", "NA", "US")
WHOLE = Window(DAY, DAY + timedelta(days=4))

moments = st.integers(0, 6).map(hour)
figures = st.dictionaries(st.sampled_from(COUNTRIES), st.integers(0, 2), max_size=3)


@st.composite
def windows(draw: st.DrawFn) -> Window:
    first, last = sorted((draw(st.integers(0, 4)), draw(st.integers(0, 4))))
    return Window(DAY + timedelta(days=first), DAY + timedelta(days=last))


@st.composite
def campaign_deliveries(draw: st.DrawFn) -> tuple[Window, dict[date, DeliveredCell]]:
    """One campaign's delivery; each of its days may bear an export time of its own."""
    window, fetched_at = draw(windows()), draw(moments)
    days = {}
    for day in window.dates():
        held = draw(figures)
        exported_at = draw(moments) if held else None
        days[day] = DeliveredCell(held, exported_at, fetched_at)
    return window, days


writes = st.fixed_dictionaries(
    {
        "campaigns": st.dictionaries(st.sampled_from(CAMPAIGNS), campaign_deliveries(), max_size=3),
        "now": st.integers(-3, 9),
    }
)


@given(series=st.lists(writes, min_size=1, max_size=7))
@settings(max_examples=40, deadline=None, suppress_health_check=list(HealthCheck))
def test_any_series_of_deliveries_leaves_what_the_model_says(series: list[dict[str, Any]]) -> None:
    model = Model()
    with _warehouse() as connection:
        for number, each in enumerate(series):
            run_id = f"run {number}"
            with _spooled(each["campaigns"]) as taken, transaction(connection):
                done = replace_cells(connection, taken, now=hour(each["now"]), run_id=run_id)
            cells = {
                (campaign, day): cell
                for campaign, (_, days) in each["campaigns"].items()
                for day, cell in days.items()
            }
            before = len(model.superseded)
            replaced = model.write(cells, done.written_at, run_id)
            assert (done.replaced_cells, done.kept_cells) == (replaced, len(cells) - replaced)
            assert done.superseded_rows == len(model.superseded) - before
        _compare(connection, model)


@contextmanager
def _warehouse() -> Iterator[duckdb.DuckDBPyConnection]:
    with duckdb.connect() as connection:
        connection.execute("SET TimeZone = 'UTC'")
        yield connection


def _spooled(campaigns: dict[str, tuple[Window, dict[date, DeliveredCell]]]) -> Deliveries:
    taken = Deliveries(TABLE, WHOLE)
    for campaign, (window, days) in campaigns.items():
        frames = [
            frame(campaign, {(day, country): n for country, n in cell.figures.items()}, exported_at)
            for day, cell in days.items()
            if (exported_at := cell.exported_at)
        ]
        fetched_at = next(iter(days.values())).fetched_at
        delivered = pl.concat(frames) if frames else frame(campaign, {})
        taken.add(campaign, window, delivered, fetched_at)
    return taken


def _compare(connection: duckdb.DuckDBPyConnection, model: Model) -> None:
    def read(sql: str, **values: object) -> list[tuple[Any, ...]]:
        return connection.sql(sql, params=values).pl().rows()

    identity = "requested_campaign_id, report_date, country_code, streams"
    assert sorted(
        read(f"SELECT {identity}, ingested_at, run_id, exported_at FROM {NAME}"),
    ) == sorted(
        (r.campaign, r.day, r.country, r.streams, r.ingested_at, r.run_id, _exported(model, r))
        for r in model.rows.values()
    )
    assert sorted(
        read(f"SELECT {identity}, ingested_at, run_id, superseded_at FROM {NAME}_superseded")
    ) == sorted(
        (r.campaign, r.day, r.country, r.streams, r.ingested_at, r.run_id, at)
        for r, at in model.superseded
    )
    assert {
        (campaign, day): tuple(rest)
        for campaign, day, *rest in read(
            "SELECT requested_campaign_id, report_date, fetched_at, exported_at, row_count "
            f"FROM {NAME}_cells"
        )
    } == {
        cell: (held.fetched_at, held.exported_at, len(held.figures))
        for cell, held in model.cells.items()
    }
    stamps = [at for at, _ in model.states]
    assert stamps == sorted(set(stamps))
    past: list[tuple[datetime, set[tuple[str, date, str, int]]]]
    past = [(NOON - timedelta(days=1), set()), *model.states]
    for (at, state), (until, _) in zip(past, [*past[1:], (hour(99), set())], strict=True):
        for moment in {at, until - timedelta(microseconds=1)}:
            found = read(f"SELECT {identity} FROM {NAME}_as_of($moment)", moment=moment)
            assert len(found) == len(state)
            assert set(found) == state


def _exported(model: Model, row: Any) -> datetime | None:
    cell: Cell = (row.campaign, row.day)
    return model.cells[cell].exported_at
