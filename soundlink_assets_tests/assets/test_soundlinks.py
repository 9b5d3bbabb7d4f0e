"""Self-serve soundlinks beside campaigns: loaded as these are, or left out for want of a scope."""

from collections import Counter
from collections.abc import Iterator
from datetime import date, timedelta
from pathlib import Path

import dagster as dg
import pytest

from soundlink_assets.assets.automation import policy_of
from soundlink_assets.assets.catalog import asset_key
from soundlink_assets.assets.refresh_policy import dues_of
from soundlink_assets.assets.resource import loaded_exports
from soundlink_assets.assets.run_history import history_of
from soundlink_assets.sandbox.access import Key
from soundlink_assets.schema import EXPORTS, SOUNDLINK_EXPORTS, SOUNDLINKS, Export
from soundlink_assets.schema.window import Window
from soundlink_assets_tests.assets.checked_runs import Checked, Platform, over, platform_in

DAYS = Window(date(2024, 4, 5), date(2024, 4, 14))
NO_SCOPE = Key.WITHOUT_SOUNDLINKS.value
PLAYS = ("analytics.spillover_share", "analytics.playlist_track_share")


@pytest.fixture(scope="module")
def platform(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Platform]:
    with platform_in(tmp_path_factory.mktemp("soundlinks"), campaigns=5, soundlinks=5) as platform:
        yield platform


@pytest.fixture(scope="module")
def ten_days(platform: Platform) -> Checked:
    return platform.run_all(DAYS)


def asked(platform: Platform) -> Counter[str]:
    """How often each path was asked for."""
    return Counter(request.path for request in platform.sandbox.requests)


def links(platform: Platform, scope: str) -> list[str]:
    """The ids of what existed in the days."""
    world, now = platform.sandbox.world, platform.sandbox.now()
    return [each.id for each in world.links_at(scope, now) if each.created_at.date() <= DAYS.last]


@pytest.mark.parametrize("export", EXPORTS, ids=lambda export: export.name)
def test_ten_days_land_exactly(platform: Platform, ten_days: Checked, export: Export) -> None:
    assert ten_days.run.is_success
    world, now = platform.sandbox.world, platform.sandbox.now()
    served = [
        row
        for each in links(platform, export.scope.name)
        for row in world.rows(export.name, each, DAYS, now)
    ]
    stored = platform.read(f"from {export.table.qualified_name}")

    assert stored.height == len(served) > 0
    for measure in ("streams", "listeners"):
        assert stored[measure].sum() == sum(int(row[measure]) for row in served)


def test_one_list_and_two_exports_of_each_link_are_requested(
    platform: Platform, ten_days: Checked
) -> None:
    assert ten_days.run.is_success
    campaigns, soundlinks = links(platform, "campaign"), links(platform, "soundlink")

    assert (len(campaigns), len(soundlinks)) == (5, 5)
    assert asked(platform) == {
        "/v1/campaigns": 1,
        "/v1/soundlinks": 1,
        **{
            export.path(each): 1
            for export in EXPORTS
            for each in (soundlinks if export in SOUNDLINK_EXPORTS else campaigns)
        },
    }


def test_every_check_of_soundlinks_passes(ten_days: Checked) -> None:
    checks = {each.check_name for each in ten_days.evaluations if is_of_soundlinks(each)}

    assert checks >= {"schema_version", "row_loss", "ctr_lp_identity", "every_day_loaded"}
    assert all(each.passed for each in ten_days.evaluations if is_of_soundlinks(each))


@pytest.mark.parametrize("table", PLAYS)
def test_plays_of_soundlinks_stand_beside_those_of_campaigns(
    platform: Platform, ten_days: Checked, table: str
) -> None:
    kinds = platform.read(f"select distinct link_kind, campaign_id from {table}")
    of_kind = {
        kind: set(kinds.filter(link_kind=kind)["campaign_id"]) for kind in ("campaign", "soundlink")
    }

    assert ten_days.of(table.replace(".", "/"), "totals_equal_export")[None].passed
    for kind, ids in of_kind.items():
        assert ids
        assert ids <= set(links(platform, kind))


def test_a_field_that_appears_later_is_readable_also_as_of_a_moment(
    platform: Platform, ten_days: Checked
) -> None:
    assert ten_days.run.is_success
    export, half = SOUNDLINK_EXPORTS[0], Window(date(2024, 4, 10), DAYS.last)
    name, noon = export.table.qualified_name, platform.sandbox.now()
    read = "select report_date, extra ->> 'youtube_clicks' as clicks from"

    platform.sandbox.set_clock(noon + timedelta(hours=1))
    platform.sandbox.fail(
        "/v1/soundlinks/*", "extra_keys", count=None, field="youtube_clicks", value=4
    )
    assert platform.run(over(half), {asset_key(export.table)}).run.is_success
    platform.sandbox.clear()
    with_field = platform.read(f"{read} {name}")
    platform.sandbox.set_clock(noon + timedelta(hours=2))
    assert platform.run(over(half), {asset_key(export.table)}).run.is_success
    platform.sandbox.set_clock(noon)

    later = with_field["report_date"] >= half.first
    assert set(with_field.filter(later)["clicks"]) == {"4"}
    assert set(with_field.filter(~later)["clicks"]) == {None}
    assert set(platform.read(f"{read} {name}")["clicks"]) == {None}
    past = platform.read(f"{read} {name}_as_of('{noon + timedelta(hours=1)}')")
    assert past.sort(past.columns).equals(with_field.sort(past.columns))


# Without the scope


def test_without_the_scope_campaigns_load_alone(tmp_path: Path) -> None:
    with platform_in(tmp_path, soundlinks=2, api_key=NO_SCOPE) as platform:
        first = platform.run_all(DAYS)
        requests = asked(platform)
        platform.sandbox.forget_requests()
        again = platform.run(over(DAYS))
        of_campaigns = asked(platform)
        days = platform.read("select distinct link_kind from analytics.spillover_share")
        soundlinks = platform.read("from soundlink.soundlink_country_daily")
        event = platform.instance.get_latest_materialization_event(asset_key(SOUNDLINKS))

    assert first.run.is_success
    assert again.run.is_success
    assert requests - of_campaigns == {"/v1/soundlinks": 1}
    assert of_campaigns == {path: 1 for path in requests if path.startswith("/v1/campaigns")}
    assert days["link_kind"].to_list() == ["campaign"]
    assert soundlinks.is_empty()
    assert [e for e in first.evaluations if is_of_soundlinks(e) and not e.passed] == []
    said = {e.description for e in first.evaluations if e.check_name == "every_campaign_delivered"}
    assert any("the scope soundlinks:read" in (text or "") for text in said)
    assert event is not None
    assert event.asset_materialization is not None
    assert "refused_at" in event.asset_materialization.metadata


def test_days_that_were_refused_are_missing_once_the_key_opens_the_scope(tmp_path: Path) -> None:
    with platform_in(tmp_path, campaigns=1, soundlinks=2, api_key=NO_SCOPE) as platform:
        assert platform.run_all(DAYS).run.is_success
        refused = missing_days(platform)
        opened = platform.having(api_key=platform.sandbox.api_key, soundlinks="auto")
        opened.materialize("soundlink/soundlinks")
        on_the_same_day = missing_days(opened)
        platform.sandbox.set_clock(platform.sandbox.now() + timedelta(days=1))
        opened.materialize("soundlink/soundlinks")
        a_day_later = missing_days(opened)

    assert refused == on_the_same_day == set()
    assert a_day_later == set(DAYS.dates()) - {DAYS.first}


def missing_days(platform: Platform) -> set[date]:
    """The days of the run that the sensor asks for as if soundlinks were never fetched."""
    now, policy = platform.sandbox.now(), policy_of(platform.settings)
    history = history_of(platform.instance, loaded_exports(platform.settings), now, policy)
    return {due.day for due in dues_of(now, policy, history) if due.missing and due.day in DAYS}


def test_soundlinks_that_are_off_have_no_assets(tmp_path: Path) -> None:
    with platform_in(tmp_path, soundlinks=1) as platform:
        off = platform.having(soundlinks="off")
        assets = {key.to_user_string() for key in off.definitions.resolve_all_asset_keys()}

    assert [key for key in assets if key.startswith("soundlink/soundlink")] == []


def is_of_soundlinks(evaluation: dg.AssetCheckEvaluation) -> bool:
    return evaluation.asset_key.path[-1].startswith("soundlink")
