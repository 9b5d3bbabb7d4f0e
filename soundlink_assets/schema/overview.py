"""The provider's own totals of a campaign, to reconcile the stored rows with.

How they are compared is in `metrics.reconciliation`.
"""

from soundlink_assets.schema.tables import Kind, Table, column

OVERVIEW_COUNTS = ("streams", "followers", "impressions", "ad_clicks", "link_clicks")
"""Totals that must equal the sum of the rows exactly."""

OVERVIEW_AMOUNTS = ("spend_media", "spend_total", "fees")
"""Totals that must equal the sum of the rows to the cent."""

LISTENERS = "listeners"
TOTAL_LISTENERS = "total_listeners"
OVERVIEW_TOTALS = (LISTENERS, TOTAL_LISTENERS, *OVERVIEW_COUNTS, *OVERVIEW_AMOUNTS, "currency")
"""The columns that the provider fills."""

_UNREPORTED = "Null if the platform reported none: unknown, not zero."

CAMPAIGN_OVERVIEW = Table(
    schema="soundlink",
    name="campaign_overview",
    grain="one row per campaign",
    description="The provider's totals of each campaign over its final days, as last asked for: "
    "what the sum of the stored rows must come to. All countries and days are folded together.",
    key=("campaign_id",),
    columns=(
        column("campaign_id", Kind.TEXT, "Campaign, the same for its whole life."),
        column("first_day", Kind.DATE, "First day that the totals count.", unit="UTC day"),
        column("last_day", Kind.DATE, "Last day that they count.", unit="UTC day"),
        column("fetched_at", Kind.TIMESTAMP, "When they were asked for.", unit="UTC"),
        column(
            LISTENERS,
            Kind.COUNT,
            "Listeners. Early revisions of the provider add up the listeners of countries and "
            "days, later ones count people who were new to the artist.",
            unit="people",
        ),
        column(
            TOTAL_LISTENERS,
            Kind.COUNT,
            "Distinct people, new and returning; later revisions of the provider only.",
            unit="people",
            nullable=True,
        ),
        column("streams", Kind.COUNT, "Plays attributed to the campaign.", unit="plays"),
        column("followers", Kind.COUNT, "Artist followers gained.", unit="people"),
        column(
            "impressions",
            Kind.COUNT,
            f"Times the ad was shown. {_UNREPORTED}",
            unit="impressions",
            nullable=True,
        ),
        column(
            "ad_clicks",
            Kind.COUNT,
            f"Clicks of every kind on the ad. {_UNREPORTED}",
            unit="clicks",
            nullable=True,
        ),
        column(
            "link_clicks",
            Kind.COUNT,
            f"Presses of the landing page's button. {_UNREPORTED}",
            unit="clicks",
            nullable=True,
        ),
        column("spend_media", Kind.MONEY, "Billed by Meta, without the fee.", unit="currency"),
        column("spend_total", Kind.MONEY, "Media spend and fees together.", unit="currency"),
        column("fees", Kind.MONEY, "The provider's fee.", unit="currency"),
        column("currency", Kind.TEXT, "Currency of the amounts.", unit="ISO 4217"),
        column(
            "refetched_at",
            Kind.TIMESTAMP,
            "When the days were fetched again because the rows had come to something else; null "
            "if they were not.",
            unit="UTC",
            nullable=True,
        ),
    ),
)
