"""An export that is registered here only goes through the whole platform."""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

import dagster as dg
import polars as pl
import pytest
from polars.testing import assert_frame_equal

from soundlink_assets.assets.catalog import asset_key
from soundlink_assets.schema import CAMPAIGN, EXPORTS, Export
from soundlink_assets.schema.fields import count, identity_fields, identity_formats
from soundlink_assets.schema.rules import KnownValues, RatioIdentity, SumIdentity
from soundlink_assets.schema.tables import Kind, Table, column
from soundlink_assets_tests.assets.checked_runs import (
    DAYS,
    ERROR,
    WARN,
    Checked,
    Platform,
    platform_in,
    table,
)

LENGTH = RatioIdentity(
    ratio="seconds_per_spin",
    numerator="seconds",
    denominator="spins",
    unit="seconds per spin",
    meaning="Length of a spin is seconds divided by spins.",
    decimals=1,
)
TOY = Export(
    scope=CAMPAIGN,
    segment="radio",
    line_order=("report_date", "station"),
    rows=Table(
        schema="soundlink",
        name="campaign_radio_daily",
        grain="one row per campaign, UTC day and station",
        description="How often each radio station played the promoted track.",
        key=("provider", "account_id", "report_date", "campaign_id", "station"),
        day_column="report_date",
        columns=(
            *identity_fields("campaign", "`track`, `playlist`"),
            column("station", Kind.TEXT, "The station."),
            column("band", Kind.TEXT, "`fm` or `web`."),
            count("spins", "plays", "Times the track was played."),
            count("day_spins", "plays", "Of these, by day."),
            count("night_spins", "plays", "Of these, by night."),
            count("seconds", "seconds", "How long it was played."),
            LENGTH.column,
        ),
    ),
    rules=(
        SumIdentity(
            total="spins",
            parts=("day_spins", "night_spins"),
            meaning="Spins are by day or by night.",
            blocking=True,
        ),
        LENGTH,
        KnownValues(column="band", values=("fm", "web")),
        *(rule for rule in identity_formats("campaign") if "country_code" not in str(rule)),
    ),
)
HOUR = timedelta(hours=1)
ASSET = asset_key(TOY.table).to_user_string()
OPEN, FINAL = datetime(2024, 4, 9, 12, tzinfo=UTC), datetime(2024, 4, 20, 12, tzinfo=UTC)


@dataclass(frozen=True)
class Stored:
    """A platform, and what was served when it was first stored."""

    platform: Platform
    at_first: pl.DataFrame


@pytest.fixture(scope="module")
def stored(tmp_path_factory: pytest.TempPathFactory) -> Iterator["Stored"]:
    """Stored while the days were open, then again when they were final."""
    with platform_in(tmp_path_factory.mktemp("toy"), exports=(*EXPORTS, TOY)) as platform:
        platform.sandbox.set_clock(OPEN)
        assert run(platform).run.status is dg.DagsterRunStatus.SUCCESS
        served = truth(platform)
        platform.sandbox.set_clock(FINAL)
        assert run(platform).not_passed().keys() <= {(ASSET, "row_loss")}
        yield Stored(platform, served)


def run(platform: Platform) -> Checked:
    return platform.run(assets={asset_key(TOY.scope.listing), asset_key(TOY.table)})


def truth(platform: Platform) -> pl.DataFrame:
    now = platform.sandbox.now()
    rows = [
        {name: str(value) for name, value in row.items()}
        for campaign in platform.sandbox.world.campaigns_at(now)
        for row in platform.sandbox.world.rows(TOY.name, campaign.campaign_id, DAYS, now)
    ]
    return figures(pl.DataFrame(rows).cast({"spins": pl.Int64, "seconds": pl.Int64}))


def figures(rows: pl.DataFrame) -> pl.DataFrame:
    return (
        rows.with_columns(pl.col("report_date").cast(pl.String))
        .select("report_date", "campaign_id", "station", "spins", "seconds")
        .sort("report_date", "campaign_id", "station")
    )


def test_what_is_stored_is_what_was_served(stored: Stored) -> None:
    rows = figures(stored.platform.read(f"from {TOY.table.qualified_name}"))
    assert rows.height > 0
    assert_frame_equal(rows, truth(stored.platform))


def test_the_past_can_be_read_as_it_was(stored: Stored) -> None:
    as_of = figures(
        stored.platform.read(f"from {TOY.table.qualified_name}_as_of('{OPEN + HOUR}'::timestamptz)")
    )
    assert_frame_equal(as_of, stored.at_first)
    assert not as_of.equals(truth(stored.platform)), "the figures were revised"


def test_its_checks_follow_from_its_description(stored: Stored) -> None:
    checks = stored.platform.definitions.resolve_asset_graph().asset_check_keys
    assert {key.name for key in checks if key.asset_key == asset_key(TOY.table)} == {
        *("schema_version", "valid_rows", "every_campaign_delivered", "newest_day_present"),
        *("row_loss", "formats", "spins_identity", "seconds_per_spin_identity"),
    }


def test_a_broken_identity_and_an_unknown_word_are_told(tmp_path: Path) -> None:
    with platform_in(tmp_path, exports=(*EXPORTS, TOY)) as broken:
        first, second, third = broken.campaigns_with_rows(TOY)
        broken.fail(TOY, first, "broken_spins_identity")
        broken.fail(TOY, second, "wrong_type", field="band", value="am")
        broken.fail(TOY, third, "negative_count", field="seconds")
        checked = run(broken)

    assert checked.for_run(ASSET, "spins_identity").severity is ERROR
    assert table(checked.for_run(ASSET, "spins_identity"), "findings")[0]["campaign_id"] == first
    assert checked.for_run(ASSET, "formats").severity is WARN
    assert "`band` is am" in str(checked.for_run(ASSET, "formats").description)
    refused = table(checked.for_run(ASSET, "valid_rows"), "refusals")
    assert [row["requested_id"] for row in refused] == [third]


def test_the_sensor_fetches_it_with_the_others(stored: Stored) -> None:
    platform = stored.platform
    sensor = platform.definitions.get_repository_def().get_sensor_def("revision_window_sensor")
    with dg.DagsterInstance.ephemeral() as instance:
        tick = sensor.evaluate_tick(dg.build_sensor_context(instance=instance))
    (request,) = tick.run_requests or ()
    assert request.asset_selection is None, "all exports at once: the whole job"
    job = platform.definitions.resolve_job_def("daily_exports")
    assert asset_key(TOY.table) in job.asset_layer.executable_asset_keys
