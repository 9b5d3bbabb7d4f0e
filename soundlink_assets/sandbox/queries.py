"""The query parameters of the API, read and refused as the provider does."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date, timedelta

from soundlink_assets.sandbox import problems
from soundlink_assets.sandbox.config import OverCap
from soundlink_assets.sandbox.problems import RefusedError
from soundlink_assets.schema.fields import CATALOG, PLAYLIST
from soundlink_assets.schema.window import MAX_WINDOW_DAYS, Window

_CONTEXTS = (CATALOG, PLAYLIST)


@dataclass(frozen=True, slots=True)
class Paging:
    """A page of a list: `number` counts from 1."""

    number: int
    size: int
    sort_by: str
    descending: bool


def read_paging(
    query: Mapping[str, str], *, default_size: int, max_size: int, sort_fields: tuple[str, ...]
) -> Paging:
    """The page asked for; the first of `sort_fields` is the default.

    Raises 400 `page_size_exceeded` over the maximum, `invalid_query_parameter` otherwise.
    """
    size = _positive(query, "pageSize", default_size)
    if size > max_size:
        raise RefusedError(problems.page_size_exceeded(max_size))
    sort_by = query.get("sortBy", sort_fields[0])
    if sort_by not in sort_fields:
        raise RefusedError(problems.invalid_parameter("sortBy", f"one of {', '.join(sort_fields)}"))
    order = query.get("sortOrder", "desc")
    if order not in {"asc", "desc"}:
        raise RefusedError(problems.invalid_parameter("sortOrder", "asc or desc"))
    return Paging(_positive(query, "page", 1), size, sort_by, order == "desc")


def _positive(query: Mapping[str, str], name: str, default: int) -> int:
    text = query.get(name)
    if text is None:
        return default
    if not (text.isascii() and text.isdigit()) or int(text) < 1:
        raise RefusedError(problems.invalid_parameter(name, "a whole number from 1"))
    return int(text)


def read_window(query: Mapping[str, str], campaign_start: date, today: date) -> Window:
    """The days asked for; an omitted end is today, an omitted start that of the campaign.

    Raises 400: `invalid_query_parameter` for what is no date, `invalid_date_range` for a reversed
    range.
    """
    first = _day(query, "startDate")
    last = _day(query, "endDate") or today
    if first is None:
        first = min(campaign_start, last)
    if last < first:
        raise RefusedError(problems.invalid_date_range("endDate is earlier than startDate."))
    return Window(first, last)


def read_export_window(
    query: Mapping[str, str], campaign_start: date, today: date, over_cap: OverCap
) -> Window:
    """As `read_window`, under the cap of 90 days; the newest 90 when neither date is given."""
    newest = timedelta(days=MAX_WINDOW_DAYS - 1)
    if "startDate" not in query and "endDate" not in query:
        return Window(today - newest, today)
    window = read_window(query, campaign_start, today)
    if window.days <= MAX_WINDOW_DAYS:
        return window
    if over_cap is OverCap.NEWEST:
        return Window(window.last - newest, window.last)
    raise RefusedError(
        problems.invalid_parameter("startDate", f"at most {MAX_WINDOW_DAYS} days per request")
    )


def read_context(query: Mapping[str, str]) -> str | None:
    """The engagement context asked for; None for both."""
    context = query.get("engagementContext")
    if context is not None and context not in _CONTEXTS:
        raise RefusedError(
            problems.invalid_parameter("engagementContext", f"one of {', '.join(_CONTEXTS)}")
        )
    return context


def _day(query: Mapping[str, str], name: str) -> date | None:
    text = query.get(name)
    if text is None:
        return None
    try:
        day = date.fromisoformat(text)
    except ValueError:
        raise RefusedError(problems.invalid_parameter(name, "a date, YYYY-MM-DD")) from None
    if day.isoformat() != text:
        raise RefusedError(problems.invalid_parameter(name, "a date, YYYY-MM-DD"))
    return day
