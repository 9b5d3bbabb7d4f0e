"""The client: what users call, wired from the parts of this package."""

import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from types import TracebackType
from typing import Any, Self, TypeVar

import polars as pl
from pydantic import SecretStr

from soundlink_assets.provider.budget import RequestBudget, budget_file, provider_limits
from soundlink_assets.provider.campaigns import (
    Overview,
    first_campaign,
    list_campaigns,
    read_campaign,
    read_overview,
)
from soundlink_assets.provider.concurrency import as_completed
from soundlink_assets.provider.delivery import Delivery, FailedDelivery
from soundlink_assets.provider.effort import Effort
from soundlink_assets.provider.errors import About, ServerError, SoundlinkError
from soundlink_assets.provider.exports import ExportReader
from soundlink_assets.provider.retries import OutageWatch, RetryPolicy
from soundlink_assets.provider.stopping import Wait, wait_unless_stopped
from soundlink_assets.provider.transport import Request, Transport
from soundlink_assets.clock import Clock, utc_now
from soundlink_assets.schema.exports import Export
from soundlink_assets.schema.window import MAX_WINDOW_DAYS, Window
from soundlink_assets.settings import AuthStyle, Settings, clean_base_url, clean_key

MAX_SECONDS = 1800.0
"""Default bound on one request, all its attempts together, without the waits that we are told."""

T = TypeVar("T")


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
        self._base_url = clean_base_url(base_url)
        self._auth_style = auth_style
        self._at_once = max_concurrency
        self._retries = RetryPolicy(
            max_attempts=max_attempts, max_seconds=max_seconds, wait=wait, clock=clock
        )
        self._transport = Transport(
            key=key,
            base_url=self._base_url,
            style=auth_style,
            timeout_seconds=timeout_seconds,
            connections=max_concurrency,
            budget=budget,
            clock=clock,
        )
        self._reader = ExportReader(
            transport=self._transport, quarantine_dir=quarantine_dir, key=key
        )
        self._closed = threading.Event()
        self._stops: set[threading.Event] = {self._closed}

    @classmethod
    def from_settings(cls, settings: Settings, clock: Clock = utc_now) -> Self:
        """The client that the settings describe. Raises SettingsError if there is no usable key."""
        key = settings.require_api_key()
        budget = RequestBudget(
            budget_file(settings.budget_dir, key, settings.base_url),
            provider_limits(settings.requests_per_minute, settings.requests_per_hour),
        )
        return cls(
            key,
            base_url=settings.base_url,
            budget=budget,
            quarantine_dir=settings.quarantine_dir,
            auth_style=settings.auth_style,
            timeout_seconds=settings.timeout_seconds,
            max_attempts=settings.max_attempts,
            max_concurrency=settings.max_concurrency,
            clock=clock,
        )

    @property
    def request_count(self) -> int:
        """Requests sent so far, retries included."""
        return self._transport.request_count

    def ping(self) -> None:
        """Asks whether the API is there and accepts the key; any key may."""
        about = About(path="/v1/ping")
        data = self._get(Request(about=about))
        status = data.get("status") if isinstance(data, dict) else None
        if status != "ok":
            raise ServerError(f"the API says that its status is {status!r}", about=about)

    def campaigns(self) -> pl.DataFrame:
        """All campaigns of the organisation, oldest first; needs the scope `campaigns:read`.

        The columns of `contract.campaigns.CAMPAIGNS` that the provider fills. Never a part of the
        list: that raises TruncatedDeliveryError.
        """
        return list_campaigns(self._get)

    def first_campaign(self) -> tuple[str | None, int]:
        """The id of the oldest campaign (None without any), and how many there are; one request."""
        return first_campaign(self._get)

    def campaign(self, campaign_id: str) -> dict[str, Any]:
        """One campaign, under the column names of `campaigns`, with two further fields."""
        return read_campaign(self._get, campaign_id)

    def overview(self, campaign_id: str, window: Window) -> Overview:
        """The provider's totals of a campaign over a window of any length."""
        return read_overview(self._get, campaign_id, window)

    def export(self, export: Export, campaign_id: str, window: Window) -> Delivery:
        """One delivery: a campaign over at most 90 days, both ends included.

        Raises ValueError for a longer window: the provider may cut it without saying so.
        """
        if window.days > MAX_WINDOW_DAYS:
            raise ValueError(
                f"{window} has {window.days} days; at most {MAX_WINDOW_DAYS} go at once"
            )
        return self._export(export, campaign_id, window, self._retries, self._closed)

    def deliveries(
        self, export: Export, campaign_ids: Sequence[str], window: Window
    ) -> Iterator[Delivery | FailedDelivery]:
        """The deliveries of many campaigns over a window of any length, as they complete.

        The window is split at 90 days; a campaign named twice is asked for once. An error that
        stops the run is raised at once, and what is still under way is dropped; any other becomes
        a FailedDelivery. Nothing is sent before the first result is asked for, and no more than
        `max_concurrency` deliveries are begun that the caller has not yet taken.
        """
        stop = threading.Event()
        watch = OutageWatch()

        def fetch(task: tuple[str, Window]) -> Delivery | FailedDelivery:
            campaign_id, part = task
            policy = replace(self._retries, max_attempts=1) if watch.is_outage else self._retries
            try:
                delivery = self._export(export, campaign_id, part, policy, stop)
            except SoundlinkError as error:
                if error.stops_run:
                    raise
                watch.note(error)
                return FailedDelivery(
                    export=export, campaign_id=campaign_id, window=part, error=error
                )
            watch.note(None)
            return delivery

        tasks = (
            (campaign_id, part)
            for campaign_id in dict.fromkeys(campaign_ids)
            for part in window.split()
        )
        with self._stopped_on_close(stop):
            yield from as_completed(fetch, tasks, at_once=self._at_once, stop=stop)

    def close(self) -> None:
        """Ends all work and all connections at once."""
        for stop in list(self._stops):
            stop.set()
        self._transport.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.close()

    def __repr__(self) -> str:
        return (
            f"SoundlinkClient(base_url={self._base_url!r}, auth_style={self._auth_style.value!r})"
        )

    def _get(self, request: Request) -> Any:
        def attempt(_number: int, effort: Effort) -> Any:
            return self._transport.get(request, effort).data

        return self._retries.run(attempt, self._closed)

    def _export(
        self,
        export: Export,
        campaign_id: str,
        window: Window,
        policy: RetryPolicy,
        stop: threading.Event,
    ) -> Delivery:
        def attempt(number: int, effort: Effort) -> Delivery:
            return self._reader.fetch(export, campaign_id, window, number, effort)

        return policy.run(attempt, stop)

    @contextmanager
    def _stopped_on_close(self, stop: threading.Event) -> Iterator[None]:
        self._stops.add(stop)
        try:
            yield
        finally:
            self._stops.discard(stop)
