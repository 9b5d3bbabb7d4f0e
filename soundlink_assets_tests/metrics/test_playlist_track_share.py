"""`playlist_track_share` on small cases that are computed by hand."""

from datetime import date
from typing import Any

import polars as pl
import pytest

from soundlink_assets.metrics.engagement import playlist_track_share
from soundlink_assets.schema.analytics import PLAYLIST_TRACK_SHARE
from soundlink_assets.schema.frames import polars_schema
from soundlink_assets_tests.metrics.rows import engagement_rows, log_of


def _play(track: str, streams: int, country: str = "US", **more: Any) -> dict[str, Any]:
    return {
        "engagement_context": "playlist",
        "campaign_target_type": "playlist",
        "campaign_target_isrc": None,
        "campaign_target_spotify_track_id": None,
        "campaign_target_playlist_id": "list",
        "engaged_spotify_track_id": track,
        "engaged_track_name": track.upper(),
        "country_code": country,
        "streams": streams,
        **more,
    }


def _shares(*rows: dict[str, Any]) -> pl.DataFrame:
    frame = engagement_rows(*rows)
    return playlist_track_share(frame, log_of(frame))


def _by_track(result: pl.DataFrame, column: str) -> dict[tuple[str, str], Any]:
    return {
        (row["country_code"], row["track_id"]): row[column] for row in result.iter_rows(named=True)
    }


def test_shares_are_of_the_playlist_and_of_the_country() -> None:
    result = _shares(_play("a", 30), _play("b", 10), _play("a", 10, "DE"))
    assert _by_track(result, "stream_share") == {
        ("US", "a"): pytest.approx(0.6),
        ("US", "b"): pytest.approx(0.2),
        ("DE", "a"): pytest.approx(0.2),
    }
    assert _by_track(result, "country_stream_share") == {
        ("US", "a"): pytest.approx(0.75),
        ("US", "b"): pytest.approx(0.25),
        ("DE", "a"): pytest.approx(1.0),
    }


def test_new_listeners_share_of_the_plays() -> None:
    row = _shares(_play("a", 8, new_listener_streams=2)).row(0, named=True)
    assert row["new_listener_stream_share"] == pytest.approx(0.25)


def test_no_plays_give_null_shares() -> None:
    row = _shares(_play("a", 0)).row(0, named=True)
    assert row["stream_share"] is None
    assert row["country_stream_share"] is None
    assert row["new_listener_stream_share"] is None


def test_catalogue_plays_are_left_out_even_with_a_position() -> None:
    result = _shares(
        _play("a", 5), _play("b", 5, engagement_context="catalog", playlist_position=14)
    )
    assert result["track_id"].to_list() == ["a"]
    assert result["positions_known"].to_list() == [False]


def test_a_position_belongs_to_the_track_and_not_to_a_country() -> None:
    result = _shares(
        _play("a", 5, "US", playlist_position=3), _play("a", 5, "DE", playlist_position=None)
    )
    assert _by_track(result, "playlist_position") == {("US", "a"): 3, ("DE", "a"): 3}


@pytest.mark.parametrize("no_place", [0, -1])
def test_a_position_below_one_is_none_and_does_not_win_against_one_that_is(no_place: int) -> None:
    result = _shares(
        _play("a", 5, "US", playlist_position=no_place),
        _play("a", 5, "US", account_id="two", playlist_position=7),
        _play("a", 5, "DE", playlist_position=no_place),
        _play("b", 5, "US", playlist_position=no_place),
    )
    assert _by_track(result, "playlist_position") == {
        ("US", "a"): 7,
        ("DE", "a"): 7,
        ("US", "b"): None,
    }
    assert result["positions_known"].all()


def test_positions_below_one_alone_leave_the_positions_unknown() -> None:
    result = _shares(_play("a", 5, playlist_position=0), _play("b", 5))
    assert result["playlist_position"].to_list() == [None, None]
    assert result["positions_known"].to_list() == [False, False]


def test_positions_are_never_added_up() -> None:
    result = _shares(
        _play("a", 5, account_id="one", playlist_position=3),
        _play("a", 5, account_id="two", playlist_position=3),
    )
    assert result["playlist_position"].to_list() == [3]


def test_a_missing_position_means_not_listed_only_where_others_are_known() -> None:
    result = _shares(
        _play("a", 5, playlist_position=1),
        _play("b", 5),
        _play("c", 5, report_date=date(2026, 4, 2)),
    )
    assert _by_track(result, "playlist_position") == {
        ("US", "a"): 1,
        ("US", "b"): None,
        ("US", "c"): None,
    }
    assert _by_track(result, "positions_known") == {
        ("US", "a"): True,
        ("US", "b"): True,
        ("US", "c"): False,
    }


def test_playlists_of_different_campaigns_and_days_stay_apart() -> None:
    result = _shares(
        _play("a", 5, playlist_position=1),
        _play("a", 5, campaign_id="c2", playlist_position=2),
        _play("a", 5, report_date=date(2026, 4, 2), playlist_position=3),
    )
    assert result["stream_share"].to_list() == [1.0, 1.0, 1.0]
    assert sorted(result["playlist_position"].to_list()) == [1, 2, 3]


def test_no_column_adds_listeners_across_tracks() -> None:
    assert not [
        source
        for column in PLAYLIST_TRACK_SHARE.columns
        for source in column.sources
        if source.endswith(("listeners", ".spl"))
    ]


def test_no_rows_give_an_empty_table_of_the_described_columns() -> None:
    result = _shares()
    assert result.is_empty()
    assert result.schema == polars_schema(PLAYLIST_TRACK_SHARE)
