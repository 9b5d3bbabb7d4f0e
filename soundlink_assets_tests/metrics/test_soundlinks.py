"""Plays of soundlinks are told apart by the same rules as plays of campaigns."""

import polars as pl
import pytest
from hypothesis import given, settings
from polars.testing import assert_frame_equal

from soundlink_assets.metrics.engagement import playlist_track_share, spillover_share
from soundlink_assets.metrics.scorecards import campaign_scorecard
from soundlink_assets.schema import SOUNDLINK_ENGAGEMENT_DAILY
from soundlink_assets.schema.analytics import COUNTRY_EFFICIENCY
from soundlink_assets.schema.frames import empty_frame
from soundlink_assets_tests.metrics.rows import DAY, engagement_rows, log_of, midnight
from soundlink_assets_tests.metrics.strategies import DAYS, engagement_frames


def _of_soundlinks(frame: pl.DataFrame) -> pl.DataFrame:
    """The same rows or log as those of soundlinks, which have no status."""
    return frame.rename(lambda name: name.replace("campaign", "soundlink")).drop(
        "status", strict=False
    )


@pytest.mark.parametrize("metric", [spillover_share, playlist_track_share])
@given(rows=engagement_frames)
@settings(max_examples=15, deadline=None)
def test_soundlinks_give_what_campaigns_with_the_same_plays_do(
    metric: object, rows: pl.DataFrame
) -> None:
    assert callable(metric)
    log = log_of(rows, midnight(DAYS[1], 10))
    expected = metric(rows, log)
    soundlinks = metric(_of_soundlinks(rows), _of_soundlinks(log), SOUNDLINK_ENGAGEMENT_DAILY)
    assert set(soundlinks["link_kind"]) <= {"soundlink"}
    assert set(expected["link_kind"]) <= {"campaign"}
    assert_frame_equal(soundlinks.drop("link_kind"), expected.drop("link_kind"))


def test_scorecards_are_of_campaigns() -> None:
    rows = engagement_rows({"streams": 5})
    spillover = spillover_share(rows, log_of(rows))
    soundlinks = spillover_share(
        _of_soundlinks(rows), _of_soundlinks(log_of(rows)), SOUNDLINK_ENGAGEMENT_DAILY
    )
    unknown = spillover.with_columns(link_kind=pl.lit(None, pl.String))
    nothing = empty_frame(COUNTRY_EFFICIENCY)
    plays = [
        campaign_scorecard(nothing, frame, DAY)["spillover_streams"].to_list()
        for frame in (spillover, unknown, soundlinks)
    ]
    assert plays == [[5], [5], []]
