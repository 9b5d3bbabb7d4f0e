import json
import re
from collections import Counter, defaultdict
from datetime import UTC, date, datetime, timedelta
from decimal import ROUND_HALF_UP, Decimal
from functools import cache
from itertools import pairwise
from typing import Any

import pytest

from soundlink_assets.sandbox import SandboxConfig, World
from soundlink_assets.sandbox.links import Campaign
from soundlink_assets.sandbox.rows import Row
from soundlink_assets.sandbox.world import anchor_of
from soundlink_assets.schema import (
    CAMPAIGN_COUNTRY_DAILY,
    CAMPAIGN_ENGAGEMENT_DAILY,
    SOUNDLINK_COUNTRY_DAILY,
    Export,
)
from soundlink_assets.schema.tables import Kind
from soundlink_assets.schema.window import Window
from soundlink_assets_tests.sandbox.conftest import ALL_EXPORTS, ANCHOR, CONFIG, LAST_90_DAYS, NOW
from soundlink_assets_tests.sandbox.rules import breaches

COUNTRY = CAMPAIGN_COUNTRY_DAILY.name
ENGAGEMENT = CAMPAIGN_ENGAGEMENT_DAILY.name
PYTHON_TYPES = {
    Kind.TEXT: str,
    Kind.DATE: date,
    Kind.TIMESTAMP: datetime,
    Kind.COUNT: int,
    Kind.MONEY: Decimal,
    Kind.RATIO: float,
}


@cache
def lines_of(world: World, export: Export) -> tuple[bytes, ...]:
    return tuple(
        line
        for link in world.links_at(export.scope.name, NOW)
        for line in world.lines(export, link, LAST_90_DAYS, NOW).splitlines()
    )


@cache
def rows_of(world: World, export_name: str) -> tuple[Row, ...]:
    (export,) = [export for export in ALL_EXPORTS if export.name == export_name]
    return tuple(
        row
        for link in world.links_at(export.scope.name, NOW)
        for row in world.rows(export_name, link.id, LAST_90_DAYS, NOW)
    )


def campaign_with(world: World, **expected: object) -> Campaign:
    """The first campaign whose attributes are as expected."""
    return next(
        campaign
        for campaign in world.campaigns
        if all(getattr(campaign, name) == value for name, value in expected.items())
    )


def is_same_recording(row: Row) -> bool:
    target, engaged = row["campaign_target_isrc"], row["engaged_track_isrc"]
    return bool(target and engaged and engaged.replace("-", "") == target)


@pytest.mark.parametrize("export", ALL_EXPORTS, ids=lambda export: export.name)
class TestContract:
    def test_every_row_keeps_every_rule_to_the_last_digit(
        self, world: World, export: Export
    ) -> None:
        rows = [json.loads(line, parse_float=Decimal) for line in lines_of(world, export)]
        assert len(rows) > 1000
        assert [(rule.name, row) for rule in export.rules for row in breaches(rule, rows)] == []

    def test_rows_have_the_fields_of_the_contract_in_its_order_and_types(
        self, world: World, export: Export
    ) -> None:
        for row in rows_of(world, export.name):
            assert tuple(row) == export.rows.column_names
            for column in export.rows.columns:
                value: Any = row[column.name]
                assert column.nullable or value is not None
                assert value is None or column.minimum is None or value >= column.minimum
                assert value is None or type(value) is PYTHON_TYPES[column.kind]

    def test_the_primary_key_is_unique(self, world: World, export: Export) -> None:
        keys = Counter(
            tuple(row[name] for name in export.rows.key) for row in rows_of(world, export.name)
        )
        assert max(keys.values()) == 1

    def test_lines_are_in_the_order_that_the_contract_promises(
        self, world: World, export: Export
    ) -> None:
        for link in world.links_at(export.scope.name, NOW):
            rows = world.rows(export.name, link.id, LAST_90_DAYS, NOW)
            keys = [tuple(row[name] for name in export.line_order) for row in rows]
            assert keys == sorted(keys)

    def test_every_row_belongs_to_the_link_and_window_asked_for(
        self, world: World, export: Export
    ) -> None:
        window = Window(date(2026, 4, 3), date(2026, 4, 5))
        for link in world.links_at(export.scope.name, NOW):
            for row in world.rows(export.name, link.id, window, NOW):
                assert row[export.scope.id_column] == link.id
                assert row["account_id"] == world.account_id
                assert row["report_date"] in window

    def test_a_day_does_not_depend_on_the_window_it_is_asked_in(
        self, world: World, export: Export
    ) -> None:
        link = world.links_at(export.scope.name, NOW)[0]
        together = world.lines(export, link, LAST_90_DAYS, NOW)
        fresh = World(CONFIG, ANCHOR)
        one_by_one = [
            fresh.lines(export, link, Window(day, day), NOW)
            for day in reversed(list(LAST_90_DAYS.dates()))
        ]
        assert b"".join(reversed(one_by_one)) == together

    def test_there_is_nothing_before_a_link_exists_nor_in_the_future(
        self, world: World, export: Export
    ) -> None:
        for link in world.links_at(export.scope.name, NOW):
            created = link.created_at.date()
            before = Window(created - timedelta(days=40), created - timedelta(days=1))
            after = Window(date(2026, 4, 21), date(2026, 6, 21))
            assert world.lines(export, link, before, NOW) == b""
            assert world.lines(export, link, after, NOW) == b""

    def test_a_link_that_nobody_knows_has_no_rows(self, world: World, export: Export) -> None:
        assert world.rows(export.name, "camp_abc123", LAST_90_DAYS, NOW) == []


def test_the_customer_pays_media_spend_and_a_fee_of_a_fifth_of_the_total(world: World) -> None:
    for row in rows_of(world, COUNTRY):
        exact = row["spend_media"] / (1 - Decimal("0.2"))
        assert row["spend_total"] == exact.quantize(Decimal("0.01"), ROUND_HALF_UP)


class TestDeterminism:
    def test_the_same_seed_and_anchor_give_the_same_bytes(self, world: World) -> None:
        again = World(CONFIG, ANCHOR)
        assert again.campaigns == world.campaigns
        assert again.soundlinks == world.soundlinks
        for export in ALL_EXPORTS:
            assert lines_of(again, export) == lines_of(world, export)

    def test_another_seed_gives_another_world(self, world: World) -> None:
        other = World(SandboxConfig(seed=8), ANCHOR)
        ours = {campaign.campaign_id for campaign in world.campaigns}
        assert ours.isdisjoint(campaign.campaign_id for campaign in other.campaigns)

    def test_a_larger_world_holds_the_smaller_one(self, world: World) -> None:
        larger = World(SandboxConfig(campaign_count=40), ANCHOR)
        assert set(world.campaigns) < set(larger.campaigns)
        assert len({campaign.campaign_id for campaign in larger.campaigns}) == 40

    def test_without_an_anchor_a_restart_in_the_same_month_is_the_same_world(self) -> None:
        config = SandboxConfig()
        first = anchor_of(config, datetime(2026, 4, 2, tzinfo=UTC))
        assert first == anchor_of(config, datetime(2026, 4, 30, 23, tzinfo=UTC)) == ANCHOR


class TestSituations:
    def test_there_are_track_and_playlist_campaigns_and_one_of_undetermined_type(
        self, world: World
    ) -> None:
        types = Counter(campaign.target_type for campaign in world.campaigns_at(NOW))
        assert types["track"] >= 3
        assert types["playlist"] >= 1
        assert types[None] == 1

    def test_targets_fit_the_type_of_the_campaign(self, world: World) -> None:
        for row in rows_of(world, ENGAGEMENT):
            kind = row["campaign_target_type"]
            assert (row["campaign_target_playlist_id"] is not None) == (kind == "playlist")
            if kind != "track":
                assert row["campaign_target_isrc"] is None
                assert row["campaign_target_spotify_track_id"] is None
            assert row["engagement_context"] == ("playlist" if kind == "playlist" else "catalog")

    def test_the_same_recording_is_played_under_two_spotify_ids(self, world: World) -> None:
        recordings = defaultdict(set)
        for row in rows_of(world, ENGAGEMENT):
            if is_same_recording(row):
                recordings[row["campaign_id"]].add(row["engaged_spotify_track_id"])
        assert max(len(ids) for ids in recordings.values()) == 2

    def test_an_isrc_is_sometimes_written_with_hyphens(self, world: World) -> None:
        isrcs = {row["engaged_track_isrc"] for row in rows_of(world, ENGAGEMENT)}
        assert {isrc is not None and "-" in isrc for isrc in isrcs} == {True, False}

    def test_isrcs_of_targets_and_of_played_tracks_can_be_missing(self, world: World) -> None:
        rows = rows_of(world, ENGAGEMENT)
        targets = {
            (row["campaign_target_isrc"] is None, row["campaign_target_spotify_track_id"] is None)
            for row in rows
            if row["campaign_target_type"] == "track"
        }
        assert targets == {(False, False), (True, False), (True, True)}
        assert {row["engaged_track_isrc"] is None for row in rows} == {True, False}

    def test_countries_include_namibia_and_norway(self, world: World) -> None:
        for name in (COUNTRY, ENGAGEMENT):
            assert {"NA", "NO"} <= {row["country_code"] for row in rows_of(world, name)}

    def test_some_rows_count_nobody(self, world: World) -> None:
        country, engagement = rows_of(world, COUNTRY), rows_of(world, ENGAGEMENT)
        assert any(row["listeners"] == 0 and row["spend_media"] > 0 for row in country)
        assert any(row["followers"] == 0 and row["listeners"] > 0 for row in country)
        assert any(row["spend_media"] == 0 and row["listeners"] > 0 for row in country)
        assert any(row["listeners"] == 0 for row in engagement)

    def test_clicks_are_sometimes_not_reported(self, world: World) -> None:
        rows = rows_of(world, COUNTRY)
        for name in ("link_clicks", "ad_clicks", "impressions"):
            unknown = sum(row[name] is None for row in rows)
            assert 0 < unknown < len(rows) / 10

    def test_the_result_type_is_follow_or_unknown(self, world: World) -> None:
        assert {row["result_type"] for row in rows_of(world, COUNTRY)} == {"follow", None}

    def test_days_are_scheduled_active_or_ended_around_the_run_of_a_campaign(
        self, world: World
    ) -> None:
        rows = rows_of(world, ENGAGEMENT)
        runs = {campaign.campaign_id: campaign for campaign in world.campaigns}
        assert {row["status"] for row in rows} == {"scheduled", "active", "ended"}
        for row in rows:
            campaign = runs[row["campaign_id"]]
            last_day = campaign.last_day or date.max
            expected = (
                "scheduled"
                if row["report_date"] < campaign.first_day
                else "ended"
                if row["report_date"] > last_day
                else "active"
            )
            assert row["status"] == expected

    def test_people_go_on_listening_after_the_end_and_the_spend_stops(self, world: World) -> None:
        ended = next(c for c in world.campaigns if c.last_day and c.last_day < ANCHOR)
        assert ended.last_day is not None
        later = Window(ended.last_day + timedelta(days=1), NOW.date())
        tail = world.rows(ENGAGEMENT, ended.campaign_id, later, NOW)
        spend = world.rows(COUNTRY, ended.campaign_id, later, NOW)
        streams: dict[date, int] = defaultdict(int)
        for row in tail:
            streams[row["report_date"]] += row["streams"]
        assert len(streams) > 20
        assert streams[later.first] > 2 * streams[later.first + timedelta(days=20)] > 0
        assert sum(row["spend_media"] for row in spend) == 0

    def test_campaigns_that_renew_pause_between_two_cycles(self, world: World) -> None:
        renewing = campaign_with(world, target_type="playlist")
        rows = world.rows(COUNTRY, renewing.campaign_id, LAST_90_DAYS, NOW)
        spending = sorted({row["report_date"] for row in rows if row["spend_media"] > 0})
        gaps = [(later - earlier).days for earlier, later in pairwise(spending)]
        assert set(gaps) == {1, renewing.pause_days + 1}

    def test_playlist_positions_belong_to_day_and_track_and_have_gaps(self, world: World) -> None:
        playlist = campaign_with(world, target_type="playlist")
        positions = defaultdict(set)
        for row in world.rows(ENGAGEMENT, playlist.campaign_id, LAST_90_DAYS, NOW):
            day, track = row["report_date"], row["engaged_spotify_track_id"]
            positions[day, track].add(row["playlist_position"])
        assert all(len(places) == 1 for places in positions.values())
        of_day = defaultdict(list)
        for (day, _), (place,) in positions.items():
            of_day[day].append(place)
        known = [[p for p in places if p is not None] for places in of_day.values()]
        assert [] in known
        assert any(
            places and len(places) < len(all_)
            for places, all_ in zip(known, of_day.values(), strict=True)
        )
        assert all(len(set(places)) == len(places) for places in known)

    def test_names_are_human_different_and_go_beyond_ascii(self) -> None:
        world = World(SandboxConfig(campaign_count=30), ANCHOR)
        artists = [campaign.artist_name for campaign in world.campaigns]
        assert len(set(artists)) == len(artists)
        first_seven = [campaign.name for campaign in World(SandboxConfig(), ANCHOR).campaigns]
        assert len(set(first_seven)) == 7
        titles = {track.name for campaign in world.campaigns for track in campaign.tracks}
        assert len(titles) > 100
        assert any(not title.isascii() for title in titles)
        assert any('"' in title for title in titles)


class TestSoundlinks:
    def test_there_are_tracks_playlists_an_album_one_undetermined_and_an_archived_one(
        self, world: World
    ) -> None:
        assert {link.target_type for link in world.soundlinks} == {
            "track",
            "playlist",
            "album",
            None,
        }
        statuses = [link.listed(NOW)["status"] for link in world.soundlinks]
        assert Counter(statuses) == {"active": 4, "archived": 1}

    def test_ids_are_url_safe_text_whose_case_matters(self, world: World) -> None:
        ids = [link.id for link in world.soundlinks]
        assert len(set(ids)) == len(ids)
        assert all(re.fullmatch(r"[0-9A-Za-z_-]+", text) for text in ids)
        assert any(text != text.lower() for text in ids)

    def test_new_and_returning_listeners_are_told_apart_in_most_rows(self, world: World) -> None:
        rows = rows_of(world, SOUNDLINK_COUNTRY_DAILY.name)
        unknown = [row for row in rows if row["new_listeners"] is None]
        assert 0 < len(unknown) < len(rows) / 10
        assert all(row["returning_listener_streams"] is None for row in unknown)

    def test_campaigns_are_the_same_with_and_without_soundlinks(self, world: World) -> None:
        assert World(SandboxConfig(), ANCHOR).campaigns == world.campaigns


class TestBelievability:
    @pytest.mark.parametrize("day", [1, 2, 11, 21, 30])
    def test_on_any_day_of_the_month_the_last_14_and_90_days_are_full_of_data(
        self, world: World, day: int
    ) -> None:
        now = datetime(2026, 4, day, 12, tzinfo=UTC)
        for span, least in ((14, 300), (90, 2000)):
            window = Window(now.date() - timedelta(days=span), now.date() - timedelta(days=1))
            rows = [
                row
                for campaign in world.campaigns_at(now)
                for row in world.rows(COUNTRY, campaign.campaign_id, window, now)
            ]
            assert len(rows) > least
            assert {row["report_date"] for row in rows} == set(window.dates())

    def test_a_listener_costs_five_to_ten_times_more_in_the_dearest_country(
        self, world: World
    ) -> None:
        for campaign in world.campaigns_at(NOW):
            spend: dict[str, Decimal] = defaultdict(Decimal)
            listeners: dict[str, int] = defaultdict(int)
            for row in world.rows(COUNTRY, campaign.campaign_id, LAST_90_DAYS, NOW):
                spend[row["country_code"]] += row["spend_media"]
                listeners[row["country_code"]] += row["listeners"]
            costs = [spend[code] / count for code, count in listeners.items() if count > 100]
            if costs:
                assert 5 <= max(costs) / min(costs) <= 10

    def test_what_a_listener_costs_in_a_country_is_stable(self, world: World) -> None:
        campaign = world.campaigns[0]
        months = [Window(date(2026, m, 1), date(2026, m, 28)) for m in (1, 2, 3)]
        costs = []
        for month in months:
            rows = world.rows(COUNTRY, campaign.campaign_id, month, NOW)
            of_us = [row for row in rows if row["country_code"] == "US"]
            media = sum(row["spend_media"] for row in of_us)
            costs.append(media / sum(row["listeners"] for row in of_us))
        assert max(costs) / min(costs) < Decimal("1.15")

    def test_the_spend_of_a_day_is_around_the_budget(self, world: World) -> None:
        for campaign in world.campaigns_at(NOW):
            of_day: dict[date, Decimal] = defaultdict(Decimal)
            for row in world.rows(COUNTRY, campaign.campaign_id, LAST_90_DAYS, NOW):
                of_day[row["report_date"]] += row["spend_total"]
            full = [spent for day, spent in of_day.items() if campaign.spends_on(day)]
            if len(full) > 10:
                mean = sum(full) / len(full)
                assert 0.85 < float(mean) * 100 / campaign.daily_budget_cents < 1.05

    def test_a_fifth_to_almost_half_of_the_plays_spill_over(self, world: World) -> None:
        shares = []
        for campaign in world.campaigns_at(NOW):
            if campaign.target_track_id is None:
                continue
            rows = world.rows(ENGAGEMENT, campaign.campaign_id, LAST_90_DAYS, NOW)
            promoted = sum(
                row["streams"]
                for row in rows
                if row["engaged_spotify_track_id"] == campaign.target_track_id
                or is_same_recording(row)
            )
            total = sum(row["streams"] for row in rows)
            if total:
                shares.append(1 - promoted / total)
        assert len(shares) >= 3
        assert all(0.2 <= share <= 0.45 for share in shares)

    @pytest.mark.parametrize("export_name", [COUNTRY, ENGAGEMENT])
    def test_people_play_a_track_once_to_twice_a_day(self, world: World, export_name: str) -> None:
        rows = rows_of(world, export_name)
        assert all(row["streams"] >= row["listeners"] for row in rows)
        assert all(row["streams"] == 0 for row in rows if row["listeners"] == 0)
        mean = sum(row["streams"] for row in rows) / sum(row["listeners"] for row in rows)
        assert 1.2 < mean < 2

    def test_returning_listeners_grow_while_a_campaign_runs(self, world: World) -> None:
        young = campaign_with(world, target_type=None)
        rows = world.rows(ENGAGEMENT, young.campaign_id, LAST_90_DAYS, NOW)

        def returning_share(first: int, last: int) -> float:
            chosen = [row for row in rows if first <= young.age(row["report_date"]) <= last]
            everybody = sum(row["listeners"] for row in chosen)
            return float(sum(row["returning_listeners"] for row in chosen) / everybody)

        assert returning_share(0, 6) < returning_share(10, 16) < returning_share(25, 31)

    def test_ten_years_cost_nothing_until_they_are_asked_for(self) -> None:
        world = World(SandboxConfig(history_days=3650, campaign_count=300), ANCHOR)
        oldest = world.campaigns[0]
        long_ago = Window(oldest.first_day, oldest.first_day + timedelta(days=2))
        rows = world.rows(COUNTRY, oldest.campaign_id, long_ago, NOW)
        assert (ANCHOR - oldest.first_day).days >= 3650
        assert len(rows) > 20
