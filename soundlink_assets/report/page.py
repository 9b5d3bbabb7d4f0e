"""The page: one HTML file with its style and its charts inside; and a small picture of it."""

from collections.abc import Sequence
from itertools import groupby

import jinja2
import polars as pl
from markupsafe import Markup

from soundlink_assets.report import charts, formats
from soundlink_assets.report.content import CheckResult, ReportContent, final_until, first_day
from soundlink_assets.report.sections import (
    MAX_SECTIONS,
    headline,
    notices,
    overview,
    sections,
)
from soundlink_assets.schema.analytics import IS_SETTLED


def render_page(content: ReportContent) -> str:
    """The report as HTML that needs no network, no script and no other file."""
    environment = jinja2.Environment(
        loader=jinja2.PackageLoader("soundlink_assets.report", "."),
        autoescape=True,
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters["svg"] = Markup
    rows = overview(content)
    final, begun = final_until(content), first_day(content)
    current = [check for check in content.checks if not check.is_outdated]
    page = environment.get_template("page.html.j2").render(
        title=_title(content),
        content=content,
        as_of=formats.day(content.as_of),
        period=formats.span(min(begun, content.as_of), content.as_of) if begun else "",
        made_at=f"{formats.day(content.made_at.date())}, {content.made_at:%H:%M} UTC",
        final_until=formats.day(final) if final else "",
        notices=notices(content),
        headline=headline(content),
        columns=list(rows[0].columns) if rows else [],
        overview=rows,
        left_out=max(0, content.campaign_scorecard.height - MAX_SECTIONS),
        sections=list(sections(content)),
        current=current,
        passed=sum(check.passed for check in current),
        failed=_by_asset([check for check in current if not check.passed]),
        outdated=_by_asset([check for check in content.checks if check.is_outdated]),
    )
    return formats.printable(page)


def preview_jpeg(content: ReportContent) -> bytes | None:
    """Spend and listeners by day of all campaigns, in the commonest currency; None without any."""
    days = content.spend_by_day
    if days.is_empty():
        return None
    currency = days["currency"].mode().sort()[0]
    per_day = (
        days.filter(pl.col("currency") == currency)
        .group_by("report_date")
        .agg(pl.col("spend_media", "listeners").sum(), pl.col(IS_SETTLED).all())
    )
    title = f"Spend and listeners until {formats.day(content.as_of)}"
    return charts.jpeg(charts.spend_and_listeners(per_day, currency, charts.NARROW, title))


def _title(content: ReportContent) -> str:
    names = content.campaign_scorecard["campaign_name"].unique()
    return names[0] if len(names) == 1 else "Campaign report"


def _by_asset(checks: Sequence[CheckResult]) -> list[tuple[str, list[CheckResult]]]:
    ordered = sorted(checks, key=lambda check: (check.asset, check.check))
    return [(asset, list(found)) for asset, found in groupby(ordered, lambda check: check.asset)]
