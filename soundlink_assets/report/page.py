"""The page: one HTML file with its style and its charts inside."""

from collections.abc import Sequence
from itertools import groupby

import jinja2
from markupsafe import Markup

from soundlink_assets.report import formats
from soundlink_assets.report.content import CheckResult, ReportContent
from soundlink_assets.report.printable import printable
from soundlink_assets.report.sections import (
    MAX_SECTIONS,
    OVERVIEW_COLUMNS,
    headline,
    overview,
    sections,
)
from soundlink_assets.report.settling import settled_until


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
    settled = settled_until(content)
    current = [check for check in content.checks if not check.is_outdated]
    page = environment.get_template("page.html.j2").render(
        title=_title(content),
        content=content,
        as_of=formats.day(content.as_of),
        made_at=f"{formats.day(content.made_at.date())}, {content.made_at:%H:%M} UTC",
        settled_until=formats.day(settled) if settled else "",
        headline=headline(content),
        columns=OVERVIEW_COLUMNS,
        overview=rows,
        left_out=max(0, len(rows) - MAX_SECTIONS),
        sections=list(sections(content)),
        current=current,
        passed=sum(check.passed for check in current),
        failed=_by_asset([check for check in current if not check.passed]),
        outdated=_by_asset([check for check in content.checks if check.is_outdated]),
    )
    return printable(page)


def _title(content: ReportContent) -> str:
    names = content.campaign_scorecard["campaign_name"].unique()
    return names[0] if len(names) == 1 else "Campaign report"


def _by_asset(checks: Sequence[CheckResult]) -> list[tuple[str, list[CheckResult]]]:
    ordered = sorted(checks, key=lambda check: (check.asset, check.check))
    return [(asset, list(found)) for asset, found in groupby(ordered, lambda check: check.asset)]
