"""Rows of any export follow from its description: here of exports that the sandbox has not seen."""

import json
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any

import httpx
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from soundlink_assets.sandbox import Fault, SandboxConfig, World, serving
from soundlink_assets.schema import CAMPAIGN, CAMPAIGN_COUNTRY_DAILY, CAMPAIGN_EXPORTS, Export
from soundlink_assets.schema.fields import UUID, count, identity_fields, identity_formats
from soundlink_assets.schema.rules import Format, KnownValues, RatioIdentity, SumIdentity
from soundlink_assets.schema.tables import Kind, Table, column, optional
from soundlink_assets.schema.window import Window
from soundlink_assets_tests.sandbox.conftest import ANCHOR, LAST_90_DAYS, NOW
from soundlink_assets_tests.sandbox.rules import breaches
from soundlink_assets_tests.sandbox.test_world import PYTHON_TYPES

COST_PER_SAVE = RatioIdentity(
    ratio="cost_per_save",
    numerator="spend_media",
    denominator="saves",
    unit="currency per save",
    meaning="Cost per save.",
    decimals=3,
    numerator_decimals=2,
)
LINK_KEY = ("provider", "account_id", "report_date", "campaign_id")
TOY = Export(
    scope=CAMPAIGN,
    segment="devices",
    line_order=("report_date", "device"),
    rows=Table(
        schema="soundlink",
        name="campaign_device_daily",
        grain="one row per campaign, UTC day and device",
        description="Saves by device.",
        key=(*LINK_KEY, "device"),
        day_column="report_date",
        columns=(
            *identity_fields("campaign", "`track`, `playlist`"),
            column("device", Kind.TEXT, "Device."),
            optional("session_id", Kind.TEXT, "A session."),
            count("first_saves", "people", "Saves by new people."),
            count("later_saves", "people", "Saves by others."),
            count("saves", "people", "All saves."),
            column("spend_media", Kind.MONEY, "Spend."),
            column("fees", Kind.MONEY, "Fees."),
            column("spend_total", Kind.MONEY, "Spend and fees."),
            COST_PER_SAVE.column,
            column("is_new", Kind.FLAG, "Flag."),
            column("seen_at", Kind.TIMESTAMP, "Moment."),
            optional("score", Kind.RATIO, "No rule knows it."),
        ),
    ),
    rules=(
        SumIdentity(total="saves", parts=("first_saves", "later_saves"), meaning="All saves."),
        SumIdentity(total="spend_total", parts=("spend_media", "fees"), meaning="All spend."),
        COST_PER_SAVE,
        *(rule for rule in identity_formats("campaign") if rule.name != "country_code_format"),
        KnownValues(column="device", values=("phone", "desktop")),
        Format(name="session_format", columns=("session_id",), pattern=UUID, meaning="a UUID"),
    ),
)
CONFIG = SandboxConfig(exports=(*CAMPAIGN_EXPORTS, TOY))


def rows_of(export: Export, world: World, window: Window = LAST_90_DAYS) -> list[dict[str, Any]]:
    """All rows of all campaigns, numbers exact."""
    return [
        json.loads(line, parse_float=Decimal)
        for campaign in world.campaigns_at(NOW)
        for line in world.lines(export, campaign, window, NOW).splitlines()
    ]


@pytest.fixture(scope="module")
def world() -> World:
    return World(CONFIG, ANCHOR)


class TestToyExport:
    def test_every_rule_holds_to_the_last_digit(self, world: World) -> None:
        rows = rows_of(TOY, world)
        assert len(rows) > 500
        assert [(rule.name, row) for rule in TOY.rules for row in breaches(rule, rows)] == []

    def test_rows_have_the_fields_and_types_of_the_description(self, world: World) -> None:
        for row in world.rows(TOY.name, world.campaigns[0].id, LAST_90_DAYS, NOW):
            assert tuple(row) == TOY.rows.column_names
            types = {**PYTHON_TYPES, Kind.FLAG: bool}
            for each in TOY.rows.columns:
                value = row[each.name]
                assert (each.nullable and value is None) or type(value) is types[each.kind]

    def test_keys_are_unique_and_lines_in_the_promised_order(self, world: World) -> None:
        for campaign in world.campaigns_at(NOW):
            rows = world.rows(TOY.name, campaign.id, LAST_90_DAYS, NOW)
            keys = [tuple(row[name] for name in TOY.rows.key) for row in rows]
            assert len(set(keys)) == len(keys)
            order = [tuple(row[name] for name in TOY.line_order) for row in rows]
            assert order == sorted(order)

    def test_the_same_world_gives_the_same_bytes(self, world: World) -> None:
        assert rows_of(TOY, World(CONFIG, ANCHOR)) == rows_of(TOY, world)

    def test_figures_grow_while_a_day_is_open_and_never_after(self, world: World) -> None:
        day = NOW.date() - timedelta(days=12)
        at = [datetime(day.year, day.month, day.day, 4, tzinfo=UTC) + timedelta(days=age)
              for age in range(1, 11)]  # fmt: skip
        saves = [
            sum(
                row["saves"]
                for campaign in world.campaigns
                for row in world.rows(TOY.name, campaign.id, Window(day, day), moment)
            )
            for moment in at
        ]
        assert saves == sorted(saves)
        assert saves[0] < saves[6] < saves[7] == saves[8] == saves[9]

    def test_it_has_a_route_and_its_identities_can_be_broken(self) -> None:
        with serving(
            SandboxConfig(anchor=ANCHOR, exports=(*CAMPAIGN_EXPORTS, TOY)), now=NOW
        ) as sandbox:
            campaign = sandbox.world.campaigns[0]
            headers = {"x-api-key": sandbox.api_key}
            url = sandbox.base_url + TOY.path(campaign.id)
            clean = [json.loads(line) for line in httpx.get(url, headers=headers).text.splitlines()]
            assert clean
            sandbox.fail("*/devices/export", "broken_saves_identity", by=2)
            response = httpx.get(url, headers=headers)
            rows = [json.loads(line) for line in response.text.splitlines()]
            (broken,) = [row for row in rows if row not in clean]
            assert broken["saves"] == broken["first_saves"] + broken["later_saves"] + 2

    def test_other_exports_are_as_they_were(self, world: World) -> None:
        alone = World(SandboxConfig(), ANCHOR)
        assert rows_of(CAMPAIGN_COUNTRY_DAILY, alone) == rows_of(CAMPAIGN_COUNTRY_DAILY, world)

    def test_a_fault_of_an_export_that_is_not_served_is_unknown(self) -> None:
        with pytest.raises(ValueError, match="broken_saves_identity"):
            Fault.named("broken_saves_identity")


class TestFurtherColumns:
    def test_a_new_column_of_a_known_export_is_filled_in(self) -> None:
        saves = count("saves", "people", "Saves.")
        rows = CAMPAIGN_COUNTRY_DAILY.rows
        later = replace(CAMPAIGN_COUNTRY_DAILY, rows=replace(rows, columns=(*rows.columns, saves)))
        world = World(SandboxConfig(exports=(later,)), ANCHOR)
        before = rows_of(CAMPAIGN_COUNTRY_DAILY, World(SandboxConfig(), ANCHOR))
        after = rows_of(later, world)
        assert sum(row.pop("saves") for row in after) > 1000
        assert after == before

    @given(
        kinds=st.lists(st.sampled_from([*PYTHON_TYPES, Kind.FLAG]), min_size=1, max_size=8),
        nullable=st.booleans(),
        minimum=st.sampled_from([None, 0, 3]),
        key=st.sampled_from([(), ("country_code",), ("c0",), ("country_code", "c0")]),
    )
    @settings(max_examples=40)
    def test_rows_of_any_columns_have_their_types(
        self, kinds: list[Kind], *, nullable: bool, minimum: int | None, key: tuple[str, ...]
    ) -> None:
        columns = [
            column(f"c{index}", Kind.TEXT if index == 0 else kind, "", nullable=nullable,
                   minimum=minimum if kind is Kind.COUNT else None)
            for index, kind in enumerate(kinds)
        ]  # fmt: skip
        table = replace(
            TOY.rows,
            key=(*LINK_KEY, *key),
            columns=(
                *identity_fields("campaign", ""),
                column("country_code", Kind.TEXT, ""),
                *columns,
            ),
        )
        export = replace(TOY, rows=table, rules=(), line_order=("report_date", *key))
        world = World(SandboxConfig(exports=(export,)), ANCHOR)
        days = Window(LAST_90_DAYS.last - timedelta(days=1), LAST_90_DAYS.last)
        rows = world.rows(export.name, world.campaigns[0].id, days, NOW)
        assert rows
        assert len({tuple(row[name] for name in table.key) for row in rows}) == len(rows)
        for row in rows:
            assert tuple(row) == table.column_names
            assert all(row[each.name] >= (each.minimum or 0) for each in columns
                       if each.kind is Kind.COUNT)  # fmt: skip
