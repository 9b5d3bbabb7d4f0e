"""A warehouse whose open days have expected figures."""

from datetime import UTC, datetime
from pathlib import Path
from shutil import copyfile

import polars as pl
import pytest

from soundlink_assets.schema.frames import polars_schema
from soundlink_assets.schema.nowcast import REVISION_NOWCAST
from soundlink_assets.warehouse import open_warehouse
from soundlink_assets_tests.loaded_warehouse import LAST_DAY


@pytest.fixture(scope="session")
def explored(tmp_path_factory: pytest.TempPathFactory, loaded_warehouse: str) -> str:
    """The SOUNDLINK_WAREHOUSE: each campaign expects half as much again on the last day."""
    setting = str(tmp_path_factory.mktemp("explored") / "warehouse.duckdb")
    copyfile(Path(loaded_warehouse), setting)
    warehouse = open_warehouse(setting)
    reported = warehouse.query(
        "SELECT report_date, campaign_id, 'listeners' AS measure, NULL::VARCHAR AS currency, "
        "sum(listeners)::DOUBLE AS reported FROM analytics.country_efficiency "
        "WHERE report_date = $day GROUP BY ALL",
        {"day": LAST_DAY},
    )
    known = reported.with_columns(
        expected=1.5 * pl.col("reported"), low=1.2 * pl.col("reported"), high=2 * pl.col("reported")
    )
    given = {
        "as_of": datetime(2026, 5, 21, tzinfo=UTC),
        "age_days": 0,
        "basis_days": 28,
        "pooled": "campaign",
    }
    schema = polars_schema(REVISION_NOWCAST)
    frame = known.with_columns(
        pl.lit(given.get(name)).cast(kind).alias(name)
        for name, kind in schema.items()
        if name not in known.columns
    ).select(*schema)
    warehouse.replace_table(REVISION_NOWCAST, frame)
    return setting
