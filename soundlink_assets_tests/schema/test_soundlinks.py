"""Soundlinks as the reference restates them (section 10)."""

import pytest

from soundlink_assets.schema import (
    SOUNDLINK,
    SOUNDLINK_COUNTRY_DAILY,
    SOUNDLINK_ENGAGEMENT_DAILY,
    Export,
)

BOTH = (
    "provider, account_id, schema_version, report_date, report_date_timezone, exported_at, "
    "soundlink_id, soundlink_name, soundlink_target_type?, soundlink_target_isrc?, "
    "soundlink_target_spotify_track_id?, soundlink_target_playlist_id?"
)
COUNTRY = (
    "country_code, views, link_clicks?, streams, listeners, new_listeners?, returning_listeners?, "
    "new_listener_streams?, returning_listener_streams?, followers, streams_per_listener, ctr_lp?"
)
ENGAGEMENT = (
    "engagement_context, country_code, engaged_track_isrc?, engaged_spotify_track_id, "
    "engaged_track_name, playlist_position?, new_listeners, returning_listeners, listeners, "
    "new_listener_streams, returning_listener_streams, streams, spl"
)


@pytest.mark.parametrize(
    ("export", "fields"),
    [(SOUNDLINK_COUNTRY_DAILY, COUNTRY), (SOUNDLINK_ENGAGEMENT_DAILY, ENGAGEMENT)],
    ids=lambda value: value.name if isinstance(value, Export) else "",
)
def test_rows_have_the_fields_of_the_reference_and_those_with_a_mark_may_be_absent(
    export: Export, fields: str
) -> None:
    described = [f"{column.name}{'' if column.required else '?'}" for column in export.rows.columns]
    assert described == f"{BOTH}, {fields}".split(", ")
    assert all(column.nullable != column.required for column in export.rows.columns)


def test_there_is_no_money() -> None:
    for export in (SOUNDLINK_COUNTRY_DAILY, SOUNDLINK_ENGAGEMENT_DAILY):
        assert export.amount is None
        assert export.currency is None


def test_ids_keep_their_case_in_paths() -> None:
    assert SOUNDLINK_COUNTRY_DAILY.path("aB-c_9") == (
        "/v1/soundlinks/aB-c_9/metrics/breakdown/export"
    )


def test_one_permission_opens_all_of_them() -> None:
    assert SOUNDLINK.list_permission == SOUNDLINK.export_permission == "soundlinks:read"
    assert SOUNDLINK.not_found_code == "not_found"
