"""When a campaign-day, a day and a derived row are final."""

from datetime import datetime, timedelta
from typing import Any

import polars as pl
from hypothesis import given
from hypothesis import strategies as st

from soundlink_assets.metrics.country_efficiency import country_efficiency
from soundlink_assets.metrics.final import final_campaign_days, final_days, with_is_settled
from soundlink_assets.schema import CAMPAIGN_COUNTRY_DAILY
from soundlink_assets.schema.window import final_at, final_at_latest
from soundlink_assets_tests.metrics.rows import DAY, country_rows, log_of, midnight

NEXT = DAY + timedelta(days=1)


def _entry(fetched_at: datetime, **given: Any) -> dict[str, Any]:
    return {
        "requested_campaign_id": "c1",
        "report_date": DAY,
        "fetched_at": fetched_at,
        "oldest_exported_at": None,
        "delivery_exported_at": None,
    } | given


def _log(*entries: dict[str, Any]) -> pl.DataFrame:
    moment = pl.Datetime("us", "UTC")
    names = ("fetched_at", "oldest_exported_at", "delivery_exported_at")
    return pl.DataFrame(entries, schema_overrides=dict.fromkeys(names, moment))


def _is_final(
    fetched_at: datetime,
    oldest_exported_at: datetime | None,
    delivery_exported_at: datetime | None = None,
) -> Any:
    log = _log(
        _entry(
            fetched_at,
            oldest_exported_at=oldest_exported_at,
            delivery_exported_at=delivery_exported_at,
        )
    )
    return final_campaign_days(log, CAMPAIGN_COUNTRY_DAILY)["is_settled"].item()


def test_a_day_fetched_and_exported_after_eight_days_is_final() -> None:
    assert _is_final(midnight(DAY, 8), midnight(DAY, 8)) is True


def test_a_day_fetched_one_moment_before_is_open() -> None:
    just_before = midnight(DAY, 8) - timedelta(microseconds=1)
    assert _is_final(just_before, just_before) is False


def test_a_day_fetched_in_time_from_an_older_batch_is_open_for_two_more_days() -> None:
    older_batch = midnight(DAY, 8) - timedelta(hours=1)
    assert _is_final(midnight(DAY, 9), older_batch) is False
    assert _is_final(midnight(DAY, 10), older_batch) is True


def test_an_empty_delivery_is_as_old_as_its_fetch() -> None:
    assert _is_final(midnight(DAY, 8), None) is True
    assert _is_final(midnight(DAY, 7), None) is False


def test_a_day_without_rows_is_as_old_as_the_newest_row_of_its_delivery() -> None:
    older_batch = midnight(DAY, 8) - timedelta(hours=1)
    assert _is_final(midnight(DAY, 9), None, older_batch) is False
    assert _is_final(midnight(DAY, 9), None, midnight(DAY, 8)) is True
    assert _is_final(midnight(DAY, 10), None, older_batch) is True


@given(fetched=st.integers(0, 12 * 24), exported=st.one_of(st.none(), st.integers(0, 12 * 24)))
def test_the_frames_agree_with_the_contract(fetched: int, exported: int | None) -> None:
    fetched_at = midnight(DAY) + timedelta(hours=fetched)
    exported_at = None if exported is None else midnight(DAY) + timedelta(hours=exported)
    expected = (
        fetched_at >= final_at(DAY) and (exported_at is None or exported_at >= final_at(DAY))
    ) or fetched_at >= final_at_latest(DAY)
    assert _is_final(fetched_at, exported_at) is expected


def test_a_day_is_final_when_all_its_campaign_days_are() -> None:
    log = _log(
        _entry(midnight(DAY, 8)),
        _entry(midnight(DAY, 8), report_date=NEXT),
        _entry(midnight(DAY, 12), report_date=NEXT, requested_campaign_id="c2"),
    )
    assert final_days(log, CAMPAIGN_COUNTRY_DAILY) == {DAY}
    assert final_days(log[1:], CAMPAIGN_COUNTRY_DAILY) == set()


def test_a_day_without_an_entry_of_a_required_campaign_is_open() -> None:
    log = _log(
        _entry(midnight(DAY, 12)),
        _entry(midnight(DAY, 12), report_date=NEXT),
        _entry(midnight(DAY, 12), report_date=NEXT, requested_campaign_id="c2"),
    )
    assert final_days(log, CAMPAIGN_COUNTRY_DAILY, required={"c1", "c2"}) == {NEXT}
    assert final_days(log.clear(), CAMPAIGN_COUNTRY_DAILY, required={"c1"}) == set()


def test_a_row_that_the_log_does_not_know_is_open() -> None:
    rows = country_rows({"country_code": "US"})
    flagged = with_is_settled(rows, log_of(rows).clear(), CAMPAIGN_COUNTRY_DAILY)
    assert flagged["is_settled"].to_list() == [False]


def test_a_derived_row_is_final_when_every_campaign_day_behind_it_is() -> None:
    rows = country_rows(
        {"requested_campaign_id": "alias", "account_id": "a"},
        {"requested_campaign_id": "c1", "account_id": "b"},
    )
    log = log_of(rows)
    open_alias = log.with_columns(
        fetched_at=pl.when(pl.col("requested_campaign_id") == "alias")
        .then(pl.lit(midnight(DAY, 3)))
        .otherwise("fetched_at")
    )
    assert country_efficiency(rows, log)["is_settled"].to_list() == [True]
    assert country_efficiency(rows, open_alias)["is_settled"].to_list() == [False]


def test_campaign_days_are_matched_by_the_requested_id() -> None:
    rows = country_rows({"requested_campaign_id": "camp_abc123", "campaign_id": "uuid"})
    assert country_efficiency(rows, log_of(rows))["is_settled"].to_list() == [True]
