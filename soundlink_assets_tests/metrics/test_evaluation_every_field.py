"""Every field of a valid delivery made wrong, one at a time: who notices, or why nobody can."""

import json
from dataclasses import dataclass
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Any

import pytest

from soundlink_assets.metrics.evaluation import failing_rows
from soundlink_assets.provider.errors import ContractViolation
from soundlink_assets.provider.reader import DeliveryReader, verify_request
from soundlink_assets.schema import (
    CAMPAIGN_COUNTRY_DAILY,
    CAMPAIGN_ENGAGEMENT_DAILY,
    CAMPAIGN_EXPORTS,
    EXPORTS,
    SOUNDLINK,
    SOUNDLINK_COUNTRY_DAILY,
    SOUNDLINK_ENGAGEMENT_DAILY,
    Export,
)
from soundlink_assets.schema.window import Window

SAMPLES = Path(__file__).parent.parent / "samples"
WINDOW = Window(date(2026, 4, 1), date(2026, 4, 8))
NOW = datetime(2026, 9, 1, tzinfo=UTC)

Row = dict[str, Any]


@dataclass(frozen=True)
class Noticed:
    """A wrong value, and every check that notices it, be it the reader's or a rule's."""

    value: Any
    by: frozenset[str]


@dataclass(frozen=True)
class Unnoticed:
    """A wrong value that looks right, and why nothing here can tell."""

    value: Any
    because: str


def noticed(value: Any, *by: str) -> Noticed:
    return Noticed(value, frozenset(by))


Wrong = Noticed | Unnoticed

OTHER_UUID = "00000000-0000-4000-8000-000000000000"
OTHER_ID = "0000000000000000000000"
JUST_A_NAME = "a display name that nothing else delivers"

SHARED: dict[str, list[Wrong]] = {
    "provider": [noticed("spotify", "provider_known")],
    "account_id": [
        noticed("org_xyz", "uuid_format"),
        Unnoticed(OTHER_UUID, "nothing else that is delivered says whose it is"),
    ],
    "schema_version": [noticed("1.1", "schema_version"), noticed(1.0, "schema_version")],
    "report_date": [
        noticed("2026-03-31", "valid_rows"),
        noticed("2026-02-30", "valid_rows"),
        Unnoticed("2026-04-05", "any day of the window may have rows of any country"),
    ],
    "report_date_timezone": [noticed("Europe/Berlin", "report_date_timezone_known")],
    "exported_at": [
        noticed("2026-05-20", "valid_rows"),
        noticed("2099-01-01T00:00:00Z", "valid_rows"),
        Unnoticed(
            "2026-04-01T00:00:00Z", "rows of open days are exported early; the day stays open"
        ),
    ],
    "campaign_id": [
        noticed(OTHER_UUID, "valid_rows"),
        noticed("camp_abc123", "valid_rows"),
    ],
    "campaign_name": [Unnoticed("Sleep Playlists", JUST_A_NAME)],
    "campaign_target_type": [
        noticed("album", "campaign_target_type_known"),
        Unnoticed(None, "the type is null while it is undetermined"),
        Unnoticed("playlist", "the provider does not say that the target ids are null then"),
    ],
    "campaign_target_isrc": [
        noticed("DEXW6250025", "isrc_format"),
        Unnoticed("DEXW62500999", "an ISRC has no check digit, and nothing else delivers it"),
    ],
    "campaign_target_spotify_track_id": [
        noticed("6habFhsOp2NvndAvgiJ01", "spotify_id_format"),
        Unnoticed(OTHER_ID, "the provider itself has shown two ids of one recording"),
    ],
    "campaign_target_playlist_id": [noticed("spotify:playlist:1", "spotify_id_format")],
    "country_code": [
        noticed("us", "country_code_format"),
        noticed("DE", "valid_rows"),
        Unnoticed("FR", "the country is part of the key, and any country may have a row"),
    ],
}

COST_RATIOS = ("cpl_identity", "cpf_identity", "cost_per_result_identity", "cpc_linkclick_identity")

COUNTRY: dict[str, list[Wrong]] = SHARED | {
    "impressions": [
        noticed(482, "ctr_linkclick_identity", "ctr_adclick_identity"),
        noticed(None, "ctr_linkclick_identity", "ctr_adclick_identity"),
        noticed(-4821, "valid_rows"),
    ],
    "ad_clicks": [noticed(121, "ctr_adclick_identity"), noticed(None, "ctr_adclick_identity")],
    "link_clicks": [noticed(98, "ctr_linkclick_identity", "cpc_linkclick_identity")],
    "streams": [noticed(230, "streams_per_listener_identity"), noticed(-203, "valid_rows")],
    "listeners": [
        noticed(154, "streams_per_listener_identity", "cpl_identity"),
        noticed(0, "streams_per_listener_identity", "cpl_identity"),
    ],
    "followers": [noticed(21, "cpf_identity", "cost_per_result_identity")],
    "streams_per_listener": [noticed(1.43, "streams_per_listener_identity")],
    "spend_media": [
        noticed(45.20, "spend_total_identity", *COST_RATIOS),
        noticed(42.53, "spend_total_identity", "cpf_identity", "cost_per_result_identity"),
    ],
    "spend_total": [noticed(53.31, "spend_total_identity")],
    "fees": [noticed(16.03, "spend_total_identity")],
    "currency": [
        noticed("usd", "currency_format"),
        Unnoticed("EUR", "every currency may come; amounts in it are kept apart"),
    ],
    "currency_account": [
        noticed("US Dollar", "currency_format"),
        Unnoticed("EUR", "an organisation may be billed in another currency"),
    ],
    "cpl": [noticed(0.239, "cpl_identity"), noticed(0, "cpl_identity")],
    "cpf": [noticed(3.554, "cpf_identity")],
    "cpc_linkclick": [
        noticed(0.487, "cpc_linkclick_identity"),
        noticed(None, "cpc_linkclick_identity"),
    ],
    "ctr_linkclick": [noticed(0.0158, "ctr_linkclick_identity")],
    "ctr_adclick": [noticed(0.0322, "ctr_adclick_identity")],
    "cost_per_result": [noticed(3.254, "cost_per_result_identity")],
    "result_type": [
        noticed("purchase", "result_type_known"),
        Unnoticed("stream", "the provider gives no formula for other results than follows"),
    ],
}

ENGAGEMENT: dict[str, list[Wrong]] = SHARED | {
    "status": [
        noticed("paused", "status_known"),
        Unnoticed("active", "nothing else says what the campaign's state was on that day"),
    ],
    "engagement_context": [
        noticed("radio", "engagement_context_known"),
        Unnoticed("playlist", "without a position, a playlist row looks like a catalog row"),
    ],
    "country_code": [
        noticed("us", "country_code_format"),
        noticed("DE", "valid_rows"),
        Unnoticed("FR", "the country is part of the key, and any country may have a row"),
    ],
    "engaged_track_isrc": [
        noticed("no isrc", "isrc_format"),
        Unnoticed(None, "the provider may not have resolved the recording"),
    ],
    "engaged_spotify_track_id": [
        noticed("4cOdK2wGLETKBW3PvgPWq", "spotify_id_format"),
        Unnoticed(OTHER_ID, "the track is part of the key, and any track may be played"),
    ],
    "engaged_track_name": [Unnoticed("Till The Sunset", JUST_A_NAME)],
    "playlist_position": [noticed(14, "playlist_position"), noticed(0, "playlist_position")],
    "new_listeners": [noticed(24, "listeners_identity"), noticed(-42, "valid_rows")],
    "returning_listeners": [noticed(81, "listeners_identity")],
    "listeners": [noticed(61, "listeners_identity", "spl_identity")],
    "new_listener_streams": [noticed(85, "streams_identity")],
    "returning_listener_streams": [noticed(13, "streams_identity")],
    "streams": [noticed(98, "streams_identity", "spl_identity")],
    "spl": [noticed(1.84, "spl_identity"), noticed(0, "spl_identity")],
}


def _of_soundlinks(fields: dict[str, Any]) -> dict[str, Any]:
    return {name.replace("campaign", "soundlink"): value for name, value in fields.items()}


SOUNDLINK_SHARED: dict[str, list[Wrong]] = _of_soundlinks(SHARED) | {
    "soundlink_target_type": [
        noticed("mixtape", "soundlink_target_type_known"),
        Unnoticed("album", "an album is a target too"),
    ],
}
SOUNDLINK_FIGURES = {
    "views": 480,
    "link_clicks": 89,
    "streams": 203,
    "listeners": 145,
    "new_listeners": 100,
    "returning_listeners": 45,
    "new_listener_streams": 131,
    "returning_listener_streams": 72,
    "streams_per_listener": 1.4,
    "ctr_lp": 0.185,
}
SOUNDLINK_COUNTRY: dict[str, list[Wrong]] = SOUNDLINK_SHARED | {
    "views": [noticed(48, "ctr_lp_identity"), noticed(-480, "valid_rows")],
    "link_clicks": [noticed(98, "ctr_lp_identity"), noticed(None, "ctr_lp_identity")],
    "streams": [noticed(230, "streams_per_listener_identity", "streams_identity")],
    "listeners": [noticed(154, "streams_per_listener_identity", "listeners_identity")],
    "new_listeners": [
        noticed(10, "listeners_identity"),
        Unnoticed(None, "not every row tells new and returning listeners apart"),
    ],
    "returning_listeners": [noticed(54, "listeners_identity")],
    "new_listener_streams": [noticed(113, "streams_identity")],
    "returning_listener_streams": [noticed(27, "streams_identity")],
    "followers": [Unnoticed(21, "no ratio is published of the followers of a soundlink")],
    "streams_per_listener": [noticed(1.43, "streams_per_listener_identity")],
    "ctr_lp": [noticed(0.581, "ctr_lp_identity"), noticed(None, "ctr_lp_identity")],
}
SOUNDLINK_ENGAGEMENT = SOUNDLINK_SHARED | {
    field: wrong for field, wrong in ENGAGEMENT.items() if field not in {*SHARED, "status"}
}

WRONG = {
    CAMPAIGN_COUNTRY_DAILY.name: COUNTRY,
    CAMPAIGN_ENGAGEMENT_DAILY.name: ENGAGEMENT,
    SOUNDLINK_COUNTRY_DAILY.name: SOUNDLINK_COUNTRY,
    SOUNDLINK_ENGAGEMENT_DAILY.name: SOUNDLINK_ENGAGEMENT,
}


EACH_WRONG = [
    pytest.param(export, field, wrong, id=f"{export.name}-{field}-{wrong.value}")
    for export in EXPORTS
    for field, values in WRONG[export.name].items()
    for wrong in values
]
EACH_FIELD = [
    pytest.param(export, field, id=f"{export.name}-{field}")
    for export in EXPORTS
    for field in export.rows.column_names
]


def valid_rows(export: Export) -> list[Row]:
    """The provider's samples; the position that contradicts its own rule is taken out.

    There are none of soundlinks: theirs are those of campaigns, with figures of their own.
    """
    if export.scope is SOUNDLINK:
        twin = export.name.replace("soundlink", "campaign")
        figures = SOUNDLINK_FIGURES if export is SOUNDLINK_COUNTRY_DAILY else {}
        rows = [
            _of_soundlinks(row) | figures
            for row in valid_rows({each.name: each for each in EXPORTS}[twin])
        ]
        return [{name: row[name] for name in export.rows.column_names} for row in rows]
    lines = (SAMPLES / f"{export.name}.jsonl").read_text().splitlines()
    rows = [json.loads(line) for line in lines]
    for row in rows:
        if row.get("engagement_context") == "catalog":
            row["playlist_position"] = None
    return rows


def noticed_by(export: Export, rows: list[Row]) -> set[str]:
    """The check that refuses such a delivery, or the rules that its rows break."""
    requested_id = valid_rows(export)[0][export.scope.id_column]
    reader = DeliveryReader(export)
    try:
        reader.feed("".join(json.dumps(row) + "\n" for row in rows).encode())
        read = reader.finish()
        verify_request(read, requested_id, WINDOW, NOW)
    except ContractViolation as violation:
        return {violation.check}
    failed = {
        rule.name
        for rule in export.rules
        if not failing_rows(read.frame, rule, export.rows.key).is_empty()
    }
    return failed | ({"formats"} if read.extra_fields else set())


def with_first_changed(export: Export, changes: Row) -> list[Row]:
    first, *others = valid_rows(export)
    return [first | changes, *others]


@pytest.mark.parametrize("export", EXPORTS, ids=lambda export: export.name)
def test_a_valid_delivery_fails_nothing(export: Export) -> None:
    assert noticed_by(export, valid_rows(export)) == set()


@pytest.mark.parametrize("export", EXPORTS, ids=lambda export: export.name)
def test_the_table_has_every_field(export: Export) -> None:
    assert set(WRONG[export.name]) == set(export.rows.column_names)


@pytest.mark.parametrize(("export", "field", "wrong"), EACH_WRONG)
def test_a_wrong_value_is_noticed_or_cannot_be(export: Export, field: str, wrong: Wrong) -> None:
    assert wrong.value != valid_rows(export)[0][field]
    found = noticed_by(export, with_first_changed(export, {field: wrong.value}))
    assert found == (wrong.by if isinstance(wrong, Noticed) else set())


@pytest.mark.parametrize(("export", "field"), EACH_FIELD)
def test_a_value_of_another_type_is_noticed_in_every_field(export: Export, field: str) -> None:
    check = "schema_version" if field == "schema_version" else "valid_rows"
    values: tuple[Any, ...] = ([], {}, True)
    for value in values:
        assert noticed_by(export, with_first_changed(export, {field: value})) == {check}


@pytest.mark.parametrize(("export", "field"), EACH_FIELD)
def test_a_required_field_that_is_missing_or_null_is_noticed(export: Export, field: str) -> None:
    column = export.rows.column(field)
    first, *others = valid_rows(export)
    without = {name: value for name, value in first.items() if name != field}
    missing = noticed_by(export, [without, *others])
    null = noticed_by(export, with_first_changed(export, {field: None}))

    assert ("valid_rows" in missing) == column.required
    assert ("valid_rows" in null) == (not column.nullable)


@pytest.mark.parametrize("export", EXPORTS, ids=lambda export: export.name)
def test_a_field_that_nobody_expects_is_noticed(export: Export) -> None:
    assert noticed_by(export, with_first_changed(export, {"mood": "sunny"})) == {"formats"}


@pytest.mark.parametrize("export", CAMPAIGN_EXPORTS, ids=lambda export: export.name)
def test_the_samples_as_printed_fail_nothing_but_the_position_on_a_catalog_row(
    export: Export,
) -> None:
    """The provider's own samples: no check of severity ERROR fails."""
    lines = (SAMPLES / f"{export.name}.jsonl").read_text().splitlines()
    printed = noticed_by(export, [json.loads(line) for line in lines])
    has_positions = "playlist_position" in export.rows.column_names
    assert printed == ({"playlist_position"} if has_positions else set())
