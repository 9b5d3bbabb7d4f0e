"""The platform against a second API: what it stores is that provider's truth, or a check is red.

One run in which every campaign has a fault of its own, between two runs without any.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime

import dagster as dg
import pytest

from soundlink_assets_tests.assets.checked_runs import ERROR, Checked, number, over, table
from soundlink_assets_tests.independent_faults import (
    ACCEPTED,
    LOADED,
    OF_ANOTHER_ZONE,
    ONE_OLDER_ROW,
    REFUSED,
    REFUSED_OF,
    REVISED,
    STALE,
    WITHDRAWN,
    ZONES,
)
from soundlink_assets_tests.independent_platform import (
    ASSETS,
    FINAL,
    WINDOW,
    platform_on,
    stored,
    truth,
)
from soundlink_assets_tests.independent_provider import COUNTRY, ENGAGEMENT, Fault, Row

Rows = dict[str, dict[str, list[Row]]]
"""Rows by export and the name of the campaign."""


@dataclass(frozen=True)
class State:
    checked: Checked
    truth: Rows
    stored: Rows
    derived: int
    """The listeners of the table that is derived from the country rows."""


@dataclass(frozen=True)
class Life:
    """A platform that was loaded, revised with every fault at once, and repaired."""

    ids: dict[str, str]
    loaded: State
    revised: State
    final: State


FAULTS: dict[str, dict[str, Fault]] = {
    export: ACCEPTED | WITHDRAWN | STALE | ONE_OLDER_ROW | OF_ANOTHER_ZONE | REFUSED | more
    for export, more in REFUSED_OF.items()
}


@pytest.fixture(scope="module")
def life(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Life]:
    names = list(FAULTS[COUNTRY] | FAULTS[ENGAGEMENT])
    folder = tmp_path_factory.mktemp("life")
    with platform_on(folder, names, max_attempts=2) as (platform, provider):

        def state(at: datetime) -> State:
            provider.time = at
            checked = platform.run(over(WINDOW))
            sums = platform.read("SELECT sum(listeners) FROM analytics.country_efficiency")
            return State(
                checked,
                {export: truth(provider, export) for export in ASSETS},
                {export: stored(platform, provider, export) for export in ASSETS},
                int(sums.item()),
            )

        loaded = state(LOADED)
        for campaign in provider.campaigns:
            campaign.revision = 1
            for export, faults in FAULTS.items():
                if campaign.name in faults:
                    provider.faults[provider.path(campaign, export)] = faults[campaign.name]
        revised = state(REVISED)
        provider.faults.clear()
        ids = {campaign.name: campaign.campaign_id for campaign in provider.campaigns}
        yield Life(ids, loaded, revised, state(FINAL))


on_each_export = pytest.mark.parametrize("export", ASSETS)


def test_what_is_loaded_and_what_is_repaired_is_the_providers_truth(life: Life) -> None:
    for state in (life.loaded, life.final):
        assert state.checked.run.status is dg.DagsterRunStatus.SUCCESS
        assert state.checked.not_passed() == {}
        assert state.stored == state.truth


@on_each_export
@pytest.mark.parametrize("name", ACCEPTED)
def test_every_form_of_an_answer_is_read(life: Life, name: str, export: str) -> None:
    assert life.revised.stored[export][name] == life.revised.truth[export][name]


@on_each_export
@pytest.mark.parametrize("name", WITHDRAWN)
def test_no_rows_are_believed_when_stated_or_confirmed(life: Life, name: str, export: str) -> None:
    assert life.revised.stored[export][name] == []
    assert not life.revised.checked.for_run(ASSETS[export], "row_loss").passed


REFUSALS = [(export, name) for export in ASSETS for name in REFUSED | REFUSED_OF[export]]


@pytest.mark.parametrize(("export", "name"), REFUSALS)
def test_what_is_refused_keeps_its_days(life: Life, export: str, name: str) -> None:
    assert life.revised.stored[export][name] == life.loaded.truth[export][name]


@on_each_export
def test_exactly_what_was_refused_is_told(life: Life, export: str) -> None:
    delivered = life.revised.checked.for_run(ASSETS[export], "every_campaign_delivered")
    refused = {life.ids[name] for of, name in REFUSALS if of == export}
    assert not delivered.passed
    assert delivered.severity is ERROR
    assert number(delivered, "failed") == len(refused)
    assert {failure["requested_id"] for failure in table(delivered, "failures")} <= refused


def test_derived_days_follow_what_was_stored(life: Life) -> None:
    campaigns = life.revised.stored[COUNTRY].values()
    assert life.revised.derived == sum(row["listeners"] for rows in campaigns for row in rows)


@on_each_export
@pytest.mark.parametrize("name", STALE)
def test_an_earlier_state_does_not_replace_a_later_one(life: Life, name: str, export: str) -> None:
    assert life.revised.stored[export][name] == life.loaded.truth[export][name]


@on_each_export
@pytest.mark.parametrize("name", ONE_OLDER_ROW)
def test_the_newest_wins_row_by_row(life: Life, name: str, export: str) -> None:
    first, _, *others = life.revised.truth[export][name]
    _, before, *_ = life.loaded.truth[export][name]
    assert life.revised.stored[export][name] == [first, before, *others]


@on_each_export
def test_days_of_another_zone_are_an_error(life: Life, export: str) -> None:
    formats = life.revised.checked.for_run(ASSETS[export], "formats")
    assert formats.severity is ERROR
    assert not formats.passed
    for zone in filter(None, ZONES):
        assert zone in str(formats.description)
