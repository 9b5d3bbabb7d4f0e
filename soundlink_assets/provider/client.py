"""The client: what users call, wired from the parts of this package, and its JSON routes.

The JSON routes are few and small: whether the API is there, the list of a scope, a campaign's
totals. What an export delivers belongs to `deliveries`.
"""

import threading
from collections.abc import Iterator, Mapping, Sequence
from datetime import timedelta
from pathlib import Path
from typing import Any, Self
from urllib.parse import quote

import polars as pl
from pydantic import SecretStr

from soundlink_assets.clock import Clock, utc_now
from soundlink_assets.provider.budget import RequestBudget
from soundlink_assets.provider.deliveries import (
    Delivery,
    ExportRequest,
    FailedDelivery,
    ManyDeliveries,
)
from soundlink_assets.provider.errors import (
    About,
    ContractError,
    ContractViolation,
    ServerError,
    TruncatedDeliveryError,
)
from soundlink_assets.provider.lines import WrongValueError, typed_value
from soundlink_assets.provider.quarantine import Quarantine
from soundlink_assets.provider.retries import Deadline, RetryPolicy, Wait, wait_unless_stopped
from soundlink_assets.provider.transport import Transport
from soundlink_assets.schema import CAMPAIGN
from soundlink_assets.schema.exports import Export, Scope
from soundlink_assets.schema.frames import polars_schema
from soundlink_assets.schema.overview import CAMPAIGN_OVERVIEW, OVERVIEW_TOTALS
from soundlink_assets.schema.tables import Column
from soundlink_assets.schema.window import MAX_WINDOW_DAYS, Window
from soundlink_assets.settings import AuthStyle, Settings, clean_base_url, clean_key

MAX_SECONDS = 1800.0
"""Default bound on one request, all its attempts together, without the waits that we are told."""

PAGE_SIZE = 100
"""The largest page of a list that the provider gives."""

_MOST_READINGS = 3
_MOST_PAGES = 1000
"""A list that claims to be longer is not one."""


class SoundlinkClient:
    """The Soundlink API for one key. Safe for threads; close it, or use it in a `with` block.

    Every method raises a SoundlinkError when the provider does not give what was asked for, after
    retries where they can help. `timeout_seconds` is the longest silence within one request,
    `max_attempts` and `max_seconds` bound one request with its retries, `max_concurrency` is the
    number of requests in flight. Refused bodies are kept in `quarantine_dir`. `clock` stamps
    deliveries, `wait` sleeps between attempts.

    Raises ValueError if the key cannot be one, or must not be sent to `base_url`.
    """

    def __init__(  # noqa: PLR0913 - one keyword for each setting
        self,
        api_key: SecretStr | str,
        *,
        base_url: str,
        budget: RequestBudget,
        quarantine_dir: Path,
        auth_style: AuthStyle = AuthStyle.X_API_KEY,
        timeout_seconds: float = 60.0,
        max_attempts: int = 6,
        max_seconds: float = MAX_SECONDS,
        max_concurrency: int = 8,
        clock: Clock = utc_now,
        wait: Wait = wait_unless_stopped,
    ) -> None:
        given = api_key.get_secret_value() if isinstance(api_key, SecretStr) else api_key
        key = SecretStr(clean_key(given))
        self._at_once = max_concurrency
        self._retries = RetryPolicy(
            max_attempts=max_attempts, max_seconds=max_seconds, wait=wait, clock=clock
        )
        self._transport = Transport(
            key=key,
            base_url=clean_base_url(base_url),
            style=auth_style,
            timeout_seconds=timeout_seconds,
            connections=max_concurrency,
            budget=budget,
            clock=clock,
        )
        self._quarantine = Quarantine(folder=quarantine_dir, key=key)
        self._served: set[str] = set()
        self._closed = threading.Event()
        self._stops: set[threading.Event] = {self._closed}

    @classmethod
    def from_settings(cls, settings: Settings, clock: Clock = utc_now) -> Self:
        """The client that the settings describe. Raises SettingsError if there is no usable key."""
        key = settings.require_api_key()
        return cls(
            key,
            base_url=settings.base_url,
            budget=RequestBudget.from_settings(settings),
            quarantine_dir=settings.quarantine_dir,
            auth_style=settings.auth_style,
            timeout_seconds=settings.timeout_seconds,
            max_attempts=settings.max_attempts,
            max_concurrency=settings.max_concurrency,
            clock=clock,
        )

    @property
    def clock_offset(self) -> timedelta | None:
        """The provider's clock minus ours, by its newest response; None if it states no `Date`."""
        return self._transport.clock_offset

    def ping(self) -> None:
        """Asks whether the API is there and accepts the key; any key may."""
        about = About(path="/v1/ping")
        data = self._get(about)
        status = data.get("status") if isinstance(data, dict) else None
        if status != "ok":
            raise ServerError(f"the API says that its status is {status!r}", about=about)

    def listed(self, scope: Scope) -> pl.DataFrame:
        """All that the organisation has of a scope, oldest first, with the listing's own columns.

        Never a part of the list: raises TruncatedDeliveryError if fewer came than the provider says
        there are, or if their number changes during every reading, and ContractError for an item or
        a page that is not what the provider documents. Needs the scope's `list_permission`.
        """
        for _ in range(_MOST_READINGS):
            found = self._read_list(scope)
            if found is not None:
                schema = polars_schema(scope.listing)
                columns = {name: schema[name] for name in scope.source_fields}
                return pl.DataFrame(list(found.values()), schema=columns, orient="row")
        raise _incomplete(
            scope,
            f"the list of {scope.plural} changed during each of {_MOST_READINGS} readings, so that "
            "one may be missing",
        )

    def first_listed(self, scope: Scope) -> tuple[str | None, int]:
        """The oldest id of a scope (None without any), and how many there are; one request."""
        items, _pages, total = self._page(scope, 1)
        return (_listed_row(scope, items[0])[scope.id_column] if items else None), total

    def overview(self, campaign_id: str, window: Window) -> dict[str, Any]:
        """The totals of a campaign over a window of any length, by `OVERVIEW_TOTALS`.

        Money is Decimal; None means that a figure was not reported, not that it is zero.
        """
        about = About(
            path=f"{CAMPAIGN.path}/{quote(campaign_id, safe='')}/metrics/overview",
            scope=CAMPAIGN,
            requested_id=campaign_id,
            window=window,
        )
        params = {"startDate": str(window.first), "endDate": str(window.last)}
        data = self._get(about, params)
        if not isinstance(data, dict):
            raise _undocumented("the totals are not an object", about)
        columns = map(CAMPAIGN_OVERVIEW.column, OVERVIEW_TOTALS)
        return {each.name: _field(data.get(each.name), each, about) for each in columns}

    def export(self, export: Export, requested_id: str, window: Window) -> Delivery:
        """One delivery: a campaign (or soundlink) over at most 90 days, both ends included.

        Raises ValueError for a longer window: the provider may cut it without saying so.
        """
        if window.days > MAX_WINDOW_DAYS:
            raise ValueError(
                f"{window} has {window.days} days; at most {MAX_WINDOW_DAYS} go at once"
            )
        return self._retries.run(self._request(export, requested_id, window).attempt, self._closed)

    def deliveries(
        self, export: Export, ids: Sequence[str], window: Window
    ) -> Iterator[Delivery | FailedDelivery]:
        """The deliveries of many ids over a window of any length, as they complete.

        The window is split at 90 days; an id named twice is asked for once. An error that stops
        the run is raised, and what is still under way is dropped; any other becomes a
        FailedDelivery, and so does a refusal of one id once another has been served. Nothing is
        sent before the first result is asked for, and no more than `max_concurrency` deliveries
        are begun that the caller has not yet taken.
        """
        stop = threading.Event()
        many = ManyDeliveries(
            requests=(
                self._request(export, requested_id, part)
                for requested_id in dict.fromkeys(ids)
                for part in window.split()
            ),
            policy=self._retries,
            at_once=self._at_once,
            stop=stop,
            served=self._served,
        )
        self._stops.add(stop)
        try:
            yield from many.results()
        finally:
            self._stops.discard(stop)

    def close(self) -> None:
        """Ends all work and all connections at once."""
        for stop in list(self._stops):
            stop.set()
        self._transport.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def _request(self, export: Export, requested_id: str, window: Window) -> ExportRequest:
        return ExportRequest(
            transport=self._transport,
            quarantine=self._quarantine,
            export=export,
            requested_id=requested_id,
            window=window,
        )

    def _get(self, about: About, params: Mapping[str, str] | None = None) -> Any:
        """The `data` of a JSON route."""

        def attempt(_number: int, deadline: Deadline) -> Any:
            with self._transport.open(about, params or {}, deadline) as response:
                return self._transport.envelope(response, about).data

        return self._retries.run(attempt, self._closed)

    def _read_list(self, scope: Scope) -> dict[str, dict[str, Any]] | None:
        """All pages in one go, by id; None once the stated number of items changes.

        An item that is deleted meanwhile moves those behind it up: the first of the next page would
        stand on the page that has already been read.
        """
        found: dict[str, dict[str, Any]] = {}
        page, pages, total = 0, 1, 0
        while page < pages:
            page += 1
            before = total
            items, pages, total = self._page(scope, page)
            if page > 1 and total != before:
                return None
            known = len(found)
            for item in items:
                row = _listed_row(scope, item)
                found[row[scope.id_column]] = row
            if len(found) == known:
                break
        if len(found) < total:
            raise _incomplete(scope, f"the list of {scope.plural} holds {len(found)} of {total}")
        return found

    def _page(self, scope: Scope, page: int) -> tuple[list[Any], int, int]:
        """The items of a page, how many pages there are, and how many items."""
        about = About(path=scope.path, scope=scope)
        # Oldest first: what is created meanwhile comes last and shifts no page.
        params = {
            "page": str(page),
            "pageSize": str(PAGE_SIZE),
            "sortBy": "createdAt",
            "sortOrder": "asc",
        }
        data = self._get(about, params)
        pagination = data.get("pagination") if isinstance(data, dict) else None
        items = data.get("items") if isinstance(data, dict) else None
        if not isinstance(pagination, dict) or not isinstance(items, list):
            raise _undocumented(f"page {page} has no items or no pagination", about)
        numbers = []
        for name in ("totalPages", "totalCount"):
            value = pagination.get(name)
            if not isinstance(value, int) or isinstance(value, bool) or value < 0:
                raise _undocumented(f"not a count on page {page}", about, name)
            numbers.append(value)
        if page > _MOST_PAGES:
            raise _undocumented(f"more than {_MOST_PAGES} pages", about, "totalPages")
        return items, numbers[0], numbers[1]


def _incomplete(scope: Scope, message: str) -> TruncatedDeliveryError:
    return TruncatedDeliveryError(
        message,
        about=About(path=scope.path, scope=scope),
        hint="Run again; report it if it stays so. "
        f"SOUNDLINK_{scope.name.upper()}_IDS replaces the list.",
    )


def _listed_row(scope: Scope, item: object) -> dict[str, Any]:
    """A listed object under our column names; absent fields are null."""
    about = About(path=scope.path, scope=scope)
    if not isinstance(item, dict):
        raise _undocumented("an item that is not an object", about)
    columns = {name: scope.listing.column(name) for name in scope.source_fields}
    id_field = scope.source_fields[scope.id_column]
    listed_id = _field(item.get(id_field), columns[scope.id_column], about, id_field)
    about = About(path=scope.path, scope=scope, requested_id=listed_id)
    return {
        name: listed_id
        if name == scope.id_column
        else _field(_cleaned(item.get(source)), columns[name], about, source)
        for name, source in scope.source_fields.items()
    }


def _cleaned(value: Any) -> Any:
    """A text without halves of characters, which JSON may hold and no file can."""
    return value.encode("utf-8", "replace").decode() if isinstance(value, str) else value


def _field(value: Any, of: Column, about: About, source: str | None = None) -> Any:
    """The value of a field as what its column holds. Raises ContractError."""
    name = source or of.name
    if value is None:
        if of.nullable:
            return None
        raise _undocumented("null or missing, where a value is required", about, name)
    try:
        return typed_value(of.kind, value)
    except WrongValueError as error:
        raise _undocumented(str(error), about, name) from None


def _undocumented(message: str, about: About, field: str | None = None) -> ContractError:
    return ContractError(
        ContractViolation(message, field=field),
        about=about,
        hint="The provider's response has changed: please report it.",
    )
