"""Synthetic statements of a world, and what the platform's own questions come to with them."""

from datetime import UTC, date, datetime
from pathlib import Path

import polars as pl
import pytest

from soundlink_assets.metrics.campaign_return import campaign_return, monthly_spend
from soundlink_assets.metrics.track_month_share import monthly_plays, track_month_share
from soundlink_assets.sandbox import SandboxConfig, World
from soundlink_assets.sandbox.statements import NOTE, statement_files
from soundlink_assets.schema import CAMPAIGN_COUNTRY_DAILY, CAMPAIGN_ENGAGEMENT_DAILY, Export
from soundlink_assets.schema.frames import polars_schema
from soundlink_assets.schema.window import Window
from soundlink_assets.statements import StatementFolder, read_folder
from soundlink_assets_tests.metrics.rows import log_of

APRIL, MAY = date(2026, 4, 1), date(2026, 5, 1)
NOW = datetime(2026, 6, 1, 5, tzinfo=UTC)


@pytest.fixture(scope="module")
def world() -> World:
    return World(SandboxConfig(anchor=MAY, campaign_count=3), MAY)


@pytest.fixture(scope="module")
def folder(world: World, tmp_path_factory: pytest.TempPathFactory) -> StatementFolder:
    path = tmp_path_factory.mktemp("statements")
    write_statements(path, world)
    return read_folder(path)


def write_statements(folder: Path, world: World) -> None:
    for name, text in statement_files(world, [APRIL, MAY]).items():
        (folder / name).write_text(text, encoding="utf-8")


def _rows(world: World, export: Export) -> pl.DataFrame:
    window = Window(date(2026, 4, 27), date(2026, 5, 4))
    rows = [
        {**row, "requested_campaign_id": row["campaign_id"]}
        for campaign in world.campaigns
        for row in world.rows(export.name, campaign.id, window, NOW)
    ]
    return pl.DataFrame(rows, schema=polars_schema(export.table))


def test_every_row_is_marked_as_synthetic(world: World) -> None:
    for name, text in statement_files(world, [APRIL]).items():
        assert name == "synthetic-2026-04.csv"
        assert all(line.endswith(f",{NOTE}") for line in text.splitlines()[1:])


def test_statements_are_read_whole_and_hold_odd_rows(folder: StatementFolder) -> None:
    assert folder.refusals == ()
    frame = folder.frame
    assert set(frame["month"]) == {APRIL, MAY}
    assert {"Spotify", "Apple Music"} <= set(frame["store"])
    assert frame.filter(pl.col("streams") == 0, pl.col("revenue") > 0).height
    assert frame.filter(pl.col("streams") > 0, pl.col("revenue") == 0).height


def test_what_campaigns_brought_is_a_part_of_what_was_paid(
    world: World, folder: StatementFolder
) -> None:
    plays, spend = _rows(world, CAMPAIGN_ENGAGEMENT_DAILY), _rows(world, CAMPAIGN_COUNTRY_DAILY)
    monthly = (monthly_plays(plays, log_of(plays, NOW)), monthly_spend(spend, log_of(spend, NOW)))
    shares = track_month_share(folder.frame, *monthly)
    brought = shares.filter(pl.col("campaign_count") > 0, pl.col("statement_streams") > 0)
    assert brought.height
    assert brought["attributed_share"].is_between(0, 1).all()
    assert shares.filter(pl.col("campaign_count") == 0).height

    returns = campaign_return(folder.frame, *monthly)
    assert returns.height == 3
    assert (returns["attributed_revenue"] > 0).all()
    assert (returns["covers_until"] == MAY).all()
