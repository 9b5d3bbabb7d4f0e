"""Random series of deliveries leave what a plain model expects; every past state can be read."""

from datetime import date, datetime, timedelta
from typing import Any

import duckdb
import polars as pl
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from soundlink_assets.schema.window import Window
from soundlink_assets.warehouse import DeliveryBatch
from soundlink_assets.warehouse.duckdb_warehouse import DuckDBReader
from soundlink_assets.warehouse.tables import transaction
from soundlink_assets.warehouse.writer import replace_campaign_days
from soundlink_assets_tests.warehouse.deliveries import (
    DAY,
    EXPORT,
    HISTORY,
    LOG,
    NAME,
    NOON,
    frame,
    hour,
)
from soundlink_assets_tests.warehouse.model import CampaignDay, Content, DeliveredDay, Model

CAMPAIGNS = ("a", "b")
COUNTRIES = ("DE", "NA", "US")
WHOLE = Window(DAY, DAY + timedelta(days=2))

moments = st.integers(0, 5).map(hour)
stamps = st.one_of(moments, moments, moments, st.just(hour(9_999)))
days = st.one_of(
    st.dictionaries(st.sampled_from(COUNTRIES), st.tuples(st.integers(0, 2), stamps), max_size=3),
    # Most deliveries were exported in one go.
    st.builds(
        lambda figures, stamp: {country: (number, stamp) for country, number in figures.items()},
        st.dictionaries(st.sampled_from(COUNTRIES), st.integers(0, 2), max_size=3),
        moments,
    ),
)


@st.composite
def campaign_deliveries(draw: st.DrawFn) -> tuple[Window, dict[date, Content], datetime]:
    first, last = sorted((draw(st.integers(0, 2)), draw(st.integers(0, 2))))
    window = Window(DAY + timedelta(days=first), DAY + timedelta(days=last))
    return window, {day: draw(days) for day in window.dates()}, draw(moments)


writes = st.fixed_dictionaries(
    {
        "campaigns": st.dictionaries(st.sampled_from(CAMPAIGNS), campaign_deliveries(), max_size=2),
        "now": st.integers(-3, 9).map(hour),
    }
)


@given(series=st.lists(writes, min_size=1, max_size=7))
@settings(max_examples=25, suppress_health_check=list(HealthCheck))
def test_any_series_of_deliveries_leaves_what_the_model_expects(
    series: list[dict[str, Any]],
) -> None:
    model = Model()
    with duckdb.connect() as connection:
        connection.execute("SET TimeZone = 'UTC'")
        for number, each in enumerate(series):
            taken, delivered = _delivered(each["campaigns"])
            run_id, before = f"run {number}", len(model.superseded)
            with taken, transaction(connection):
                done = replace_campaign_days(connection, taken, now=each["now"], run_id=run_id)
            changed = model.write(delivered, each["now"], done.written_at, run_id)
            assert (done.replaced_days, done.kept_days) == (changed, len(delivered) - changed)
            assert done.superseded_rows == len(model.superseded) - before
        _compare(DuckDBReader(connection), model)


def _delivered(
    campaigns: dict[str, tuple[Window, dict[date, Content], datetime]],
) -> tuple[DeliveryBatch, dict[CampaignDay, DeliveredDay]]:
    taken, delivered = DeliveryBatch(EXPORT, WHOLE), {}
    for campaign, (window, contents, fetched_at) in campaigns.items():
        frames = [
            frame(campaign, {(day, country): streams}, stamp)
            for day, content in contents.items()
            for country, (streams, stamp) in content.items()
        ]
        taken.add(
            campaign, window, pl.concat(frames) if frames else frame(campaign, {}), fetched_at
        )
        newest = max(
            (stamp for content in contents.values() for _, stamp in content.values()), default=None
        )
        for day, content in contents.items():
            delivered[campaign, day] = DeliveredDay(content, newest, fetched_at)
    return taken, delivered


def _compare(reader: DuckDBReader, model: Model) -> None:
    def read(sql: str, **values: object) -> list[tuple[Any, ...]]:
        return reader.query(sql, values).rows()

    columns = "requested_campaign_id, report_date, country_code, streams, exported_at"
    assert sorted(read(f"SELECT {columns}, ingested_at, run_id FROM {NAME}")) == sorted(
        (*day, country, row.streams, row.exported_at, row.ingested_at, row.run_id)
        for day, rows in model.rows.items()
        for country, row in rows.items()
    )
    assert sorted(
        read(f"SELECT {columns}, ingested_at, run_id, superseded_at FROM {HISTORY}")
    ) == sorted(
        (*day, country, row.streams, row.exported_at, row.ingested_at, row.run_id, at)
        for day, country, row, at in model.superseded
    )
    log = "fetched_at, exported_at, oldest_exported_at, row_count"
    assert {
        (campaign, day): tuple(rest)
        for campaign, day, *rest in reader.delivery_log(EXPORT)
        .select("requested_campaign_id", "report_date", *log.split(", "))
        .rows()
    } == {day: _entry(model, day) for day in model.log}
    assert read(f"SELECT count(*) FROM {LOG} WHERE superseded_at IS NOT NULL") == [
        (model.ended_entries,)
    ]
    moments = [at for at, _ in model.states]
    assert moments == sorted(set(moments))
    past = [(NOON - timedelta(days=1), set()), *model.states]
    for (at, state), (until, _) in zip(past, [*past[1:], (hour(99), set())], strict=True):
        for moment in {at, until - timedelta(microseconds=1)}:
            found = read(f"SELECT {columns} FROM {NAME}_as_of($moment)", moment=moment)
            assert len(found) == len(state)
            assert set(found) == state


def _entry(model: Model, day: CampaignDay) -> tuple[Any, ...]:
    stamps = [row.exported_at for row in model.rows[day].values()]
    newest, oldest = max(stamps, default=None), min(stamps, default=None)
    return model.log[day].fetched_at, newest, oldest, len(stamps)
