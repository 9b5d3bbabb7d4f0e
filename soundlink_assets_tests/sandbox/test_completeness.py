from collections import defaultdict
from datetime import UTC, date, datetime, time, timedelta

import pytest

from soundlink_assets.sandbox import Completeness, SandboxConfig, World
from soundlink_assets.sandbox.completeness import FINAL, stage_of
from soundlink_assets.sandbox.rows import Row
from soundlink_assets.schema import CAMPAIGN_EXPORTS, Export
from soundlink_assets.schema.window import Window, final_at
from soundlink_assets_tests.sandbox.conftest import ANCHOR

DAYS = tuple(Window(date(2026, 3, 2), date(2026, 3, 31)).dates())
PEOPLE_AND_PLAYS = ("listeners", "streams")


def batch_after(day: date, days: int) -> datetime:
    """The batch that is built `days` days after the day began, at 03:00 UTC."""
    return datetime.combine(day + timedelta(days=days), time(3), UTC)


def figures(world: World, export: Export, day: date, now: datetime) -> dict[tuple[str, ...], Row]:
    """The rows of a day in all campaigns by their key, without `exported_at`."""
    rows = {}
    for campaign in world.campaigns_at(now):
        for row in world.rows(export.name, campaign.campaign_id, Window(day, day), now):
            del row["exported_at"]
            rows[tuple(row[name] for name in export.rows.key)] = row
    return rows


@pytest.mark.parametrize("export", CAMPAIGN_EXPORTS, ids=lambda export: export.name)
class TestFigures:
    def test_figures_change_with_every_batch_until_the_day_is_final_and_never_after(
        self, world: World, export: Export
    ) -> None:
        changes: dict[int, int] = defaultdict(int)
        for day in DAYS[:10]:
            versions = {
                age: figures(world, export, day, batch_after(day, age)) for age in range(1, 12)
            }
            for age in range(2, 12):
                changes[age] += versions[age] != versions[age - 1]
            much_later = datetime.combine(day + timedelta(days=300), time(), UTC)
            assert figures(world, export, day, much_later) == versions[8]
        assert all(changes[age] > 0 for age in range(2, 9))
        assert all(changes[age] == 0 for age in range(9, 12))

    def test_people_and_plays_are_reported_late_never_lost(
        self, world: World, export: Export
    ) -> None:
        for day in DAYS[:7]:
            early = figures(world, export, day, batch_after(day, 2))
            late = figures(world, export, day, batch_after(day, 5))
            for key in early.keys() & late.keys():
                assert all(late[key][name] >= early[key][name] for name in PEOPLE_AND_PLAYS)

    def test_a_few_rows_appear_late_and_a_few_are_withdrawn(
        self, world: World, export: Export
    ) -> None:
        late, withdrawn, total = 0, 0, 0
        late_listeners = []
        for day in DAYS:
            closed = figures(world, export, day, batch_after(day, 2))
            final = figures(world, export, day, batch_after(day, 8))
            late += len(final.keys() - closed.keys())
            late_listeners += [final[key]["listeners"] for key in final.keys() - closed.keys()]
            withdrawn += len(closed.keys() - final.keys())
            total += len(final)
        assert 0 < late < total / 10
        assert max(late_listeners) > 3
        assert 0 < withdrawn < total / 20

    def test_rows_are_served_as_of_the_last_batch(self, world: World, export: Export) -> None:
        day = DAYS[0]
        campaign = world.campaigns[0]
        before, after = (batch_after(day, 4) - timedelta(seconds=1), batch_after(day, 4))
        for now, batch in ((before, batch_after(day, 3)), (after, batch_after(day, 4))):
            rows = world.rows(export.name, campaign.campaign_id, Window(day, day), now)
            assert {row["exported_at"] for row in rows} == {batch}

    def test_a_day_fetched_before_the_batch_of_its_eighth_day_is_not_final_by_it(
        self, world: World, export: Export
    ) -> None:
        day = DAYS[0]
        campaign = world.campaigns[0]
        at_midnight = final_at(day)
        early = world.rows(export.name, campaign.campaign_id, Window(day, day), at_midnight)
        later = world.rows(
            export.name, campaign.campaign_id, Window(day, day), at_midnight + timedelta(hours=3)
        )
        assert {row["exported_at"] < at_midnight for row in early} == {True}
        assert {row["exported_at"] >= at_midnight for row in later} == {True}

    def test_today_is_incomplete(self, world: World, export: Export) -> None:
        day = DAYS[0]
        now = datetime.combine(day, time(22), UTC)
        today = figures(world, export, day, now)
        final = figures(world, export, day, batch_after(day, 8))
        plays = sum(row["streams"] for row in today.values())
        assert 0 < plays < sum(row["streams"] for row in final.values()) / 2


def test_a_day_is_complete_from_the_moment_it_is_final() -> None:
    day = DAYS[0]
    almost = stage_of(day, final_at(day) - timedelta(seconds=1), Completeness())
    assert almost is not None
    assert almost.plays < 1
    assert stage_of(day, final_at(day), Completeness()) is FINAL
    assert FINAL.seen(41, 0.0) == FINAL.seen(41, 0.99) == 41


def test_spend_is_corrected_up_and_down_while_a_day_is_open(world: World) -> None:
    export = CAMPAIGN_EXPORTS[0]
    corrections = set()
    for day in DAYS[:7]:
        closed = figures(world, export, day, batch_after(day, 1))
        final = figures(world, export, day, batch_after(day, 8))
        for key in closed.keys() & final.keys():
            difference = final[key]["spend_media"] - closed[key]["spend_media"]
            corrections.add((difference > 0) - (difference < 0))
    assert corrections == {-1, 0, 1}


def test_before_the_first_batch_of_a_day_yesterdays_is_served(world: World) -> None:
    assert world.exported_at(datetime(2026, 3, 5, 2, 59, tzinfo=UTC)) == datetime(
        2026, 3, 4, 3, tzinfo=UTC
    )


class TestCurves:
    """`Completeness`: how late figures are can be chosen."""

    CURVE = (0.2, 0.4, 0.6, 0.8)

    def shares(self, completeness: Completeness, ages: range = range(1, 10)) -> list[float]:
        """Reported plays by batches since the day closed, as parts of the final ones."""
        world = World(SandboxConfig(completeness=completeness), ANCHOR)
        totals: list[float] = []
        for age in (*ages, 30):
            days = [
                figures(world, CAMPAIGN_EXPORTS[0], day, batch_after(day, age)) for day in DAYS[:8]
            ]
            totals.append(sum(row["streams"] for day in days for row in day.values()))
        return [total / totals[-1] for total in totals[:-1]]

    def test_a_curve_is_met_at_each_age(self) -> None:
        for completeness in (Completeness(curve=self.CURVE), Completeness()):
            expected = [completeness.fraction(age + 3 / 24) for age in range(9)]
            assert self.shares(completeness) == pytest.approx(expected, abs=0.03)

    def test_between_two_days_it_is_linear(self) -> None:
        assert Completeness(curve=self.CURVE).fraction(1.5) == pytest.approx(0.5)
        assert Completeness(curve=self.CURVE).fraction(3.5) == pytest.approx(0.9)
        assert Completeness(curve=self.CURVE).fraction(4) == 1

    def test_noise_and_excess_make_figures_fall_as_well(self) -> None:
        for completeness in (
            Completeness(noise=0.2),
            Completeness(overreported=0.5),
        ):
            world = World(SandboxConfig(completeness=completeness), ANCHOR)
            signs = set()
            for day in DAYS[:6]:
                early = figures(world, CAMPAIGN_EXPORTS[0], day, batch_after(day, 5))
                late = figures(world, CAMPAIGN_EXPORTS[0], day, batch_after(day, 8))
                for key in early.keys() & late.keys():
                    difference = late[key]["streams"] - early[key]["streams"]
                    signs.add((difference > 0) - (difference < 0))
            assert signs == {-1, 0, 1}

    def test_campaigns_can_differ(self) -> None:
        day = DAYS[0]
        plays = {
            stage.plays
            for campaign in ("a", "b", "c")
            if (stage := stage_of(day, batch_after(day, 2), Completeness(spread=0.5), campaign))
        }
        assert len(plays) == 3
        assert all(0.6 < fraction < 1 for fraction in plays)

    def test_final_figures_do_not_depend_on_how_late_they_were(self, world: World) -> None:
        odd = Completeness(curve=(0.1,), spread=1, noise=0.5, overreported=0.9)
        other = World(SandboxConfig(completeness=odd), ANCHOR)
        day = DAYS[3]
        for export in CAMPAIGN_EXPORTS:
            final = figures(world, export, day, batch_after(day, 8))
            assert figures(other, export, day, batch_after(day, 8)) == final

    @pytest.mark.parametrize("curve", [(), (0.5,) * 8])
    def test_a_curve_has_one_to_seven_fractions(self, curve: tuple[float, ...]) -> None:
        with pytest.raises(ValueError, match="1 to 7"):
            Completeness(curve=curve)
