"""The columns that several derived tables share, and how a derived column is written down."""

from soundlink_assets.tables import Column, Kind

SCHEMA = "analytics"

UNKNOWN = "Null if the platform reported none: unknown, not zero."
UNDEFINED = "Null if the denominator is zero or unknown."
NOT_SUMMED = "Never add up or average: divide sums instead."


def text(name: str, description: str, *sources: str, unit: str = "") -> Column:
    """A text that is never null."""
    return Column(
        name=name, kind=Kind.TEXT, description=description, unit=unit, sources=tuple(sources)
    )


def day(source_table: str) -> Column:
    """The report date of a daily table."""
    return Column(
        name="report_date",
        kind=Kind.DATE,
        unit="UTC day",
        description="Day that the figures belong to.",
        sources=(f"{source_table}.report_date",),
    )


def campaign(source_table: str) -> tuple[Column, Column]:
    """Id and name of the campaign."""
    return (
        text(
            "campaign_id",
            "Campaign, the same for its whole life.",
            f"{source_table}.campaign_id",
        ),
        text(
            "campaign_name",
            "Name of the campaign on that day. It may change from day to day: group by id.",
            f"{source_table}.campaign_name",
        ),
    )


def country(source_table: str) -> Column:
    """The country of the listener."""
    return text(
        "country_code",
        "Country of the listener, from the IP address at engagement.",
        f"{source_table}.country_code",
        unit="ISO 3166-1 alpha-2",
    )


def settled(source_table: str) -> Column:
    """Whether the row may still change."""
    return Column(
        name="is_settled",
        kind=Kind.FLAG,
        description="The provider no longer revises this day, and the rows were fetched after "
        "that. While false, the figures may still change.",
        sources=(f"{source_table}.report_date", f"{source_table}.exported_at"),
    )


def total(
    kind: Kind, name: str, unit: str, description: str, *sources: str, nullable: bool = False
) -> Column:
    """A sum of counts or of money."""
    return Column(
        name=name,
        kind=kind,
        unit=unit,
        description=description,
        nullable=nullable,
        minimum=0 if kind is Kind.COUNT else None,
        sources=tuple(sources),
    )


def ratio(name: str, unit: str, description: str, *sources: str) -> Column:
    """A ratio; null where it is undefined."""
    return Column(
        name=name,
        kind=Kind.RATIO,
        unit=unit,
        description=description,
        nullable=True,
        sources=tuple(sources),
    )


def columns_of(source_table: str, *names: str) -> tuple[str, ...]:
    """The names of columns as sources: `table.column`."""
    return tuple(f"{source_table}.{name}" for name in names)
