"""Countries, tracks and positions as rows: texts, and bars placed in percent of their room."""

from collections.abc import Iterator
from types import SimpleNamespace
from typing import Any

import polars as pl
import pytest

from soundlink_assets.report.figures import (
    Figure,
    country_figures,
    playlist_figures,
    top_tracks,
)
from soundlink_assets_tests.report.contents import PLAYLIST_PLAYS, SPEND, content_of, day


def _parts(kind: str, figures: Iterator[Figure]) -> SimpleNamespace:
    (found,) = (figure for figure in figures if figure.kind == kind)
    return SimpleNamespace(**found.parts)


def _countries(*spend: dict[str, Any], cost: float | None = 0.2) -> SimpleNamespace:
    return _parts("countries", country_figures(content_of([*spend]).country_scorecard, cost))


def test_a_country_has_a_dot_within_its_interval_within_the_axis() -> None:
    for bar in _countries(*SPEND).bars:
        assert bar.cost is not None
        assert 0 <= bar.low <= bar.cost <= bar.high <= 100


def test_a_country_says_both_costs_and_what_they_are_of() -> None:
    spend = {"spend_media": "40.00", "spend_total": "50.00", "listeners": 100}
    other = {"country_code": "BR", "spend_media": "60.00", "listeners": 100}
    figure = _countries(spend, other)
    (bar,) = (bar for bar in figure.bars if bar.name == "United States")
    assert list(bar.texts.items())[:4] == [
        ("per listener", "$0.400"),
        ("with fees", "$0.500"),
        ("media spend", "$40.00"),
        ("listeners", "100"),
    ]
    assert figure.campaign is not None
    assert 0 < figure.campaign < 100


def test_a_country_without_listeners_has_no_dot_but_an_interval() -> None:
    none = {"country_code": "FR", "spend_media": "5.00", "listeners": 0}
    (bar,) = (bar for bar in _countries(*SPEND, none).bars if bar.name == "France")
    assert bar.cost is None
    assert 0 < bar.low < bar.high == 100


def test_a_campaign_without_cost_has_no_line() -> None:
    assert _countries(*SPEND, cost=None).campaign is None


def test_one_wide_interval_does_not_push_the_dots_together() -> None:
    rare = {"country_code": "FR", "spend_media": "1.00", "listeners": 1}
    figure = _countries(*SPEND, rare)
    assert max(bar.cost or 0 for bar in figure.bars) > 60


def test_tracks_are_as_long_as_their_plays() -> None:
    figure = _parts("tracks", playlist_figures(content_of([], PLAYLIST_PLAYS).playlist_tracks))
    assert [(bar.name, bar.text, bar.width) for bar in figure.bars] == [
        ("First", "150 (62%)", 100),
        ("Second", "90 (38%)", 60),
    ]


@pytest.mark.parametrize(
    ("positions", "runs"),
    [
        ([1, 1, 1], [(0, 3, 1.0, "1 to 3 Apr 2026: 1")]),
        ([1, 1, 5], [(0, 2, 1.0, "1 to 2 Apr 2026: 1"), (2, 1, 0.15, "3 Apr 2026: 5")]),
        ([2, None, 2], [(0, 1, 0.15, "1 Apr 2026: 2"), (2, 1, 0.15, "3 Apr 2026: 2")]),
    ],
)
def test_positions_are_runs_of_days_the_darker_the_nearer_the_top(
    positions: list[int | None], runs: list[Any]
) -> None:
    frame = pl.DataFrame(
        {
            "report_date": [day(0), day(1), day(2)],
            "track_id": "a",
            "track_name": "A",
            "streams": 5,
            "playlist_position": positions,
        },
        schema_overrides={"playlist_position": pl.Int64},
    )
    figure = _parts("positions", playlist_figures(frame))
    (track,) = figure.tracks
    assert track.runs == runs
    assert track.newest == positions[-1]
    assert (figure.days, figure.first, figure.last) == (3, "1 Apr 2026", "3 Apr 2026")


def test_equal_titles_stay_different_tracks() -> None:
    twins = pl.DataFrame(
        {"track_id": ["a", "b", "c"], "track_name": ["Song", "Song", "Other"], "streams": [5, 9, 1]}
    )
    assert top_tracks(twins)["track_name"].to_list() == ["Song", "Song (2)", "Other"]
    assert top_tracks(twins)["streams"].to_list() == [9, 5, 1]


def test_titles_that_are_equal_as_shown_stay_different_tracks() -> None:
    twins = pl.DataFrame(
        {"track_id": ["a", "b"], "track_name": ["S\x01", "S\x02"], "streams": [5, 9]}
    )
    assert top_tracks(twins)["track_name"].to_list() == ["S\ufffd", "S\ufffd (2)"]
