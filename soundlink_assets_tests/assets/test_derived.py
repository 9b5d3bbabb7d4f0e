"""What the page of a day shows of a derived table."""

from soundlink_assets.assets.derived import DERIVATIONS
from soundlink_assets.metrics.country_efficiency import country_efficiency
from soundlink_assets.schema.analytics import COUNTRY_EFFICIENCY
from soundlink_assets_tests.metrics.rows import DAY, country_rows, log_of


def test_a_day_shows_its_rows_its_listeners_and_what_was_spent_by_currency() -> None:
    rows = country_rows(
        {"country_code": "DE", "spend_media": "30.5", "listeners": 100},
        {"country_code": "FR", "spend_media": "20", "listeners": 10},
        {"country_code": "US", "spend_media": "7", "listeners": 1, "currency": "EUR"},
    )
    (derivation,) = [each for each in DERIVATIONS if each.table == COUNTRY_EFFICIENCY]

    assert derivation.figures(country_efficiency(rows, log_of(rows))) == {
        DAY: {
            "dagster/partition_row_count": 3,
            "listeners": 111,
            "spend_media USD": 50.5,
            "spend_media EUR": 7.0,
        }
    }
