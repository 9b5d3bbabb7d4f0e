"""`spillover_share` and `spillover_tracks` on small cases that are computed by hand."""

from datetime import date
from typing import Any

import polars as pl
import pytest

from soundlink_assets.metrics.engagement import spillover_share, spillover_tracks
from soundlink_assets.schema.analytics import SPILLOVER_SHARE
from soundlink_assets.schema.frames import polars_schema
from soundlink_assets_tests.metrics.rows import (
    PROMOTED_ID,
    PROMOTED_ISRC,
    engagement_rows,
    log_of,
)

PROMOTED_PLAY = {"engaged_spotify_track_id": PROMOTED_ID, "engaged_track_name": "Promoted"}


def _plays(streams: int, track: str = "other", **more: Any) -> dict[str, Any]:
    return {"engaged_spotify_track_id": track, "streams": streams, **more}


def _spillover(*rows: dict[str, Any]) -> pl.DataFrame:
    frame = engagement_rows(*rows)
    return spillover_share(frame, log_of(frame))


def _split(frame: pl.DataFrame) -> tuple[int, int, int]:
    row = frame.select("promoted_streams", "spillover_streams", "undetermined_streams").row(0)
    return (row[0], row[1], row[2])


def test_plays_split_into_the_promoted_track_and_the_rest() -> None:
    row = _spillover(
        {**PROMOTED_PLAY, "streams": 60, "new_listener_streams": 50},
        _plays(30, "a", new_listener_streams=6),
        _plays(10, "b", new_listener_streams=4),
    ).row(0, named=True)
    assert (row["promoted_streams"], row["spillover_streams"]) == (60, 40)
    assert row["spillover_stream_share"] == pytest.approx(0.4)
    assert row["halo_multiplier"] == pytest.approx(40 / 60)
    assert row["promoted_new_listener_streams"] == 50
    assert row["spillover_new_listener_streams"] == 10
    assert row["undetermined_new_listener_streams"] == 0
    assert row["spillover_new_listener_stream_share"] == pytest.approx(10 / 60)
    assert row["spillover_tracks"] == 2
    assert row["promoted_track_seen"] is True


def test_the_same_recording_under_another_spotify_id_is_promoted() -> None:
    result = _spillover(_plays(7, "reissue", engaged_track_isrc=PROMOTED_ISRC))
    assert _split(result) == (7, 0, 0)


@pytest.mark.parametrize("written", ["dexw62500259", "DE-XW6-25-00259", "de-xw6-25-00259"])
def test_isrcs_are_compared_in_upper_case_without_hyphens(written: str) -> None:
    assert _split(_spillover(_plays(7, "reissue", engaged_track_isrc=written))) == (7, 0, 0)
    assert _split(
        _spillover(
            _plays(7, "reissue", engaged_track_isrc=PROMOTED_ISRC, campaign_target_isrc=written)
        )
    ) == (7, 0, 0)


def test_the_spotify_id_decides_where_an_isrc_is_missing() -> None:
    result = _spillover({**PROMOTED_PLAY, "streams": 3, "engaged_track_isrc": None})
    assert _split(result) == (3, 0, 0)


def test_a_target_without_isrc_is_recognised_by_its_spotify_id_alone() -> None:
    result = _spillover(
        {**PROMOTED_PLAY, "streams": 3, "campaign_target_isrc": None},
        _plays(5, "a", campaign_target_isrc=None, engaged_track_isrc=None),
    )
    assert _split(result) == (3, 5, 0)


def test_two_missing_isrcs_are_not_the_same_recording() -> None:
    result = _spillover(_plays(5, "a", campaign_target_isrc=None, engaged_track_isrc=None))
    assert _split(result) == (0, 5, 0)


def test_two_blank_isrcs_are_not_the_same_recording() -> None:
    result = _spillover(_plays(5, "a", campaign_target_isrc="", engaged_track_isrc=""))
    assert _split(result) == (0, 5, 0)


def test_spotify_ids_differ_by_case() -> None:
    assert _split(_spillover(_plays(5, PROMOTED_ID.lower()))) == (0, 5, 0)


def test_a_target_with_neither_id_nor_isrc_leaves_plays_undetermined() -> None:
    nowhere = {"campaign_target_isrc": None, "campaign_target_spotify_track_id": None}
    result = _spillover(_plays(9, "a", engaged_track_isrc=PROMOTED_ISRC, **nowhere))
    assert _split(result) == (0, 0, 9)
    row = result.row(0, named=True)
    assert row["spillover_stream_share"] is None
    assert row["halo_multiplier"] is None
    assert row["spillover_tracks"] == 0
    assert row["promoted_track_seen"] is False


@pytest.mark.parametrize("target_type", [None, "playlist"])
def test_only_track_campaigns_have_spillover(target_type: str | None) -> None:
    assert _spillover(_plays(9, "a", campaign_target_type=target_type)).is_empty()


def test_playlist_plays_are_left_out() -> None:
    result = _spillover(
        {**PROMOTED_PLAY, "streams": 1}, _plays(9, "a", engagement_context="playlist")
    )
    assert _split(result) == (1, 0, 0)


def test_a_playlist_campaign_has_no_rows() -> None:
    assert _spillover(
        _plays(
            9,
            "a",
            engagement_context="playlist",
            campaign_target_type="playlist",
            campaign_target_isrc=None,
            campaign_target_spotify_track_id=None,
            campaign_target_playlist_id="list",
            playlist_position=3,
        )
    ).is_empty()


def test_a_cell_with_only_spillover_plays_has_a_share_of_one_and_no_multiplier() -> None:
    row = _spillover(_plays(9, "a")).row(0, named=True)
    assert row["spillover_stream_share"] == pytest.approx(1.0)
    assert row["halo_multiplier"] is None
    assert row["promoted_track_seen"] is False


def test_the_promoted_track_is_seen_when_any_country_of_the_day_played_it() -> None:
    result = _spillover(
        {**PROMOTED_PLAY, "streams": 1, "country_code": "US"},
        _plays(9, "a", country_code="DE"),
        _plays(9, "a", country_code="DE", report_date=date(2026, 4, 2)),
        _plays(9, "a", country_code="DE", campaign_id="c2"),
    )
    seen = {
        (row["report_date"].day, row["campaign_id"], row["country_code"]): row[
            "promoted_track_seen"
        ]
        for row in result.iter_rows(named=True)
    }
    assert seen == {
        (1, "c1", "US"): True,
        (1, "c1", "DE"): True,
        (2, "c1", "DE"): False,
        (1, "c2", "DE"): False,
    }


def test_a_promoted_row_without_plays_does_not_count_as_seen() -> None:
    row = _spillover({**PROMOTED_PLAY, "streams": 0}, _plays(2, "a")).row(0, named=True)
    assert row["promoted_track_seen"] is False


def test_the_top_spillover_track_is_the_most_played_other_track() -> None:
    row = _spillover(
        {**PROMOTED_PLAY, "streams": 90},
        _plays(5, "a", engaged_track_name="Fifth"),
        _plays(6, "b", engaged_track_name="Sixth"),
    ).row(0, named=True)
    assert row["top_spillover_track_id"] == "b"
    assert row["top_spillover_track_name"] == "Sixth"


def test_equal_spillover_tracks_are_ordered_by_id() -> None:
    row = _spillover(_plays(5, "b"), _plays(5, "a")).row(0, named=True)
    assert row["top_spillover_track_id"] == "a"


def test_a_track_counts_once_however_many_rows_it_has() -> None:
    row = _spillover(
        _plays(5, "a", account_id="one"),
        _plays(5, "a", account_id="two"),
        _plays(8, "b"),
    ).row(0, named=True)
    assert row["spillover_tracks"] == 2
    assert row["top_spillover_track_id"] == "a"


def test_tracks_without_plays_are_not_counted() -> None:
    row = _spillover({**PROMOTED_PLAY, "streams": 4}, _plays(0, "a")).row(0, named=True)
    assert row["spillover_tracks"] == 0
    assert row["top_spillover_track_id"] is None
    assert row["spillover_stream_share"] == pytest.approx(0.0)
    assert row["halo_multiplier"] == pytest.approx(0.0)


def test_rows_of_nothing_but_zeros_have_no_share() -> None:
    row = _spillover(
        {**PROMOTED_PLAY, "streams": 0, "status": "scheduled"}, _plays(0, "a", status="scheduled")
    ).row(0, named=True)
    assert row["spillover_stream_share"] is None
    assert row["halo_multiplier"] is None
    assert row["spillover_new_listener_stream_share"] is None


def test_namibia_and_norway_are_countries() -> None:
    result = _spillover(_plays(1, country_code="NO"), _plays(1, country_code="NA"))
    assert result["country_code"].to_list() == ["NA", "NO"]


def test_no_column_adds_listeners_across_tracks() -> None:
    assert not [
        column.name
        for column in SPILLOVER_SHARE.columns
        if any(source.endswith(("listeners", ".spl")) for source in column.sources)
    ]


def test_listeners_of_tracks_do_not_move_any_figure() -> None:
    few = engagement_rows(_plays(5, "a", listeners=1), {**PROMOTED_PLAY, "streams": 2})
    many = few.with_columns(
        listeners=pl.lit(500, pl.Int64),
        new_listeners=pl.lit(400, pl.Int64),
        returning_listeners=pl.lit(100, pl.Int64),
    )
    assert spillover_share(few, log_of(few)).equals(spillover_share(many, log_of(many)))


def test_plays_after_the_campaign_count_too() -> None:
    assert _split(_spillover(_plays(5, "a", status="ended"))) == (0, 5, 0)


def test_no_rows_give_an_empty_table_of_the_described_columns() -> None:
    result = _spillover()
    assert result.is_empty()
    assert result.schema == polars_schema(SPILLOVER_SHARE)


def test_the_result_has_the_described_columns_and_types() -> None:
    assert _spillover(_plays(5, "a")).schema == polars_schema(SPILLOVER_SHARE)


SEVERAL_TRACKS: tuple[dict[str, Any], ...] = (
    {"engaged_spotify_track_id": PROMOTED_ID, "streams": 90},
    {"engaged_spotify_track_id": "twin", "engaged_track_isrc": PROMOTED_ISRC, "streams": 80},
    {"engaged_spotify_track_id": "a", "engaged_track_name": "Old title", "streams": 5},
    {
        "engaged_spotify_track_id": "a",
        "engaged_track_name": "New title",
        "streams": 6,
        "report_date": date(2026, 4, 2),
        "country_code": "DE",
    },
    {"engaged_spotify_track_id": "b", "streams": 20},
    {"engaged_spotify_track_id": "c", "streams": 0},
    {"engaged_spotify_track_id": "d", "streams": 50, "campaign_target_type": "playlist"},
    {"engaged_spotify_track_id": "e", "streams": 50, "engagement_context": "playlist"},
)


def test_plays_of_other_tracks_are_added_over_days_and_countries() -> None:
    result = spillover_tracks(engagement_rows(*SEVERAL_TRACKS))
    assert result.rows() == [("c1", "b", "Other", 20), ("c1", "a", "New title", 11)]


def test_they_add_up_to_the_spillover_of_the_daily_table() -> None:
    rows = engagement_rows(*SEVERAL_TRACKS)
    daily = spillover_share(rows, log_of(rows))
    assert spillover_tracks(rows)["streams"].sum() == daily["spillover_streams"].sum()
