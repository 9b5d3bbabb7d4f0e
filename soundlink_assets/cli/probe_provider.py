"""The doctor on the provider: is the key accepted, what does it open, and what automation costs.

At most five requests, each tried once; nothing waits for a used-up request budget.
"""

import threading
import time
from collections.abc import Iterator, Mapping
from datetime import datetime, timedelta
from math import ceil
from typing import TYPE_CHECKING

from soundlink_assets.cli.findings import Finding, broken, ok, warning
from soundlink_assets.schema import CAMPAIGN, EXPORTS, SOUNDLINK, Scope
from soundlink_assets.schema.window import Window
from soundlink_assets.settings import AuthStyle, Settings

if TYPE_CHECKING:
    from soundlink_assets.provider import SoundlinkClient, SoundlinkError

LONGEST_WAIT_SECONDS = 10.0
"""How long the doctor waits for one response, or before it asks once more."""

MOMENT_SECONDS = 2.0
"""A wait so short is none: while a run uses the minute's limit up, a place is free every second."""

NO_CAMPAIGN = "no-such-campaign"
"""An id to ask for where there is no campaign: with the right scope, the response says so."""


def probe_provider(settings: Settings, now: datetime) -> Iterator[Finding]:
    """Whether the API accepts the key, whether each scope works, and how much it lists."""
    if settings.api_key is None:
        yield warning("provider", "not asked, because there is no key", "Set SOUNDLINK_API_KEY.")
        return
    with client_of(settings, settings.auth_style) as client:
        accepted = _ping(client, settings)
        yield accepted
        if accepted.verdict == "broken":
            return
        yield from _clock(client)
        campaigns = list(_campaigns(client, settings))
        yield from campaigns
        yesterday = now.date() - timedelta(days=1)
        some_id = next((f.facts["some_id"] for f in campaigns if f.facts.get("some_id")), None)
        yield _metrics(client, some_id or NO_CAMPAIGN, Window(yesterday, yesterday))
        if settings.soundlinks != "off":
            yield _soundlinks(client)


def listed_counts(findings: list[Finding]) -> dict[Scope, int]:
    """How many there are of each scope that the provider probe could count."""
    return {
        scope: finding.facts[scope.plural]
        for scope in (CAMPAIGN, SOUNDLINK)
        for finding in findings
        if scope.plural in finding.facts
    }


def client_of(settings: Settings, style: AuthStyle) -> "SoundlinkClient":
    """A client that tries once and waits for nothing long."""
    from soundlink_assets.provider import RequestBudget, SoundlinkClient

    return SoundlinkClient(
        settings.require_api_key(),
        base_url=settings.base_url,
        auth_style=style,
        budget=RequestBudget.from_settings(settings, MOMENT_SECONDS),
        quarantine_dir=settings.quarantine_dir,
        timeout_seconds=min(settings.timeout_seconds, LONGEST_WAIT_SECONDS),
        max_attempts=1,
        wait=_wait_a_little,
    )


def _wait_a_little(seconds: float, _stop: threading.Event) -> None:
    time.sleep(min(max(seconds, 0), LONGEST_WAIT_SECONDS))


def _ping(client: "SoundlinkClient", settings: Settings) -> Finding:
    from soundlink_assets.provider import AuthenticationError, SoundlinkError

    started = time.monotonic()
    try:
        client.ping()
    except AuthenticationError as error:
        return _other_style(settings, error)
    except SoundlinkError as error:
        return broken("provider", f"{settings.base_url}: {_what(error)}", error.hint)
    milliseconds = round((time.monotonic() - started) * 1000)
    return ok(
        "provider",
        f"{settings.base_url} accepts the key in the header style {settings.auth_style.value}, "
        f"{milliseconds} ms",
        auth_style=settings.auth_style.value,
        milliseconds=milliseconds,
    )


def _other_style(settings: Settings, refused: "SoundlinkError") -> Finding:
    """Whether the key is good and only the header is not; asked only here, never in a run."""
    from soundlink_assets.provider import SoundlinkError

    (other,) = set(AuthStyle) - {settings.auth_style}
    if refused.code in {"invalid_api_key", "invalid_token"}:
        with client_of(settings, other) as client:
            try:
                client.ping()
            except SoundlinkError:
                pass
            else:
                return broken(
                    "provider",
                    f"the key is good, but not in the header style {settings.auth_style.value}",
                    f"Set SOUNDLINK_AUTH_STYLE={other.value}.",
                )
    return broken("provider", _what(refused), refused.hint)


def _clock(client: "SoundlinkClient") -> Iterator[Finding]:
    """Whether this machine's clock is right by the provider's; nothing if it is."""
    from soundlink_assets.assets.resource import CLOCK_TOLERANCE

    offset = client.clock_offset
    if offset is not None and abs(offset) > CLOCK_TOLERANCE:
        direction = "behind" if offset > timedelta(0) else "ahead of"
        yield broken(
            "clock",
            f"this machine's clock is {abs(offset)} {direction} the provider's",
            "Set it (for example by NTP): the schedule and the sensor start by it. Days are taken "
            "for closed and final by the provider's clock.",
            clock_offset_seconds=offset.total_seconds(),
        )


def _campaigns(client: "SoundlinkClient", settings: Settings) -> Iterator[Finding]:
    from soundlink_assets.provider import ScopeError, SoundlinkError

    named = settings.campaign_ids
    about = CAMPAIGN.list_permission
    try:
        some_id, count = client.first_listed(CAMPAIGN)
    except ScopeError as error:
        if not named:
            yield broken(about, _what(error), error.hint)
            return
        yield ok(
            about,
            f"is missing, and not needed: SOUNDLINK_CAMPAIGN_IDS names {len(named)} campaigns",
        )
    except SoundlinkError as error:
        yield broken(about, _what(error), error.hint)
        return
    else:
        if not count and not named:
            yield warning(
                about,
                "works; the organisation of this key has no campaigns yet",
                "Start a campaign in Soundlink, or check that the key is of the organisation "
                "you mean.",
                campaigns=0,
            )
            return
        what = f"works; {count} campaigns"
        if named:
            what += f", of which SOUNDLINK_CAMPAIGN_IDS names {len(named)}"
        yield ok(about, what, campaigns=len(named) or count, some_id=some_id)
        return
    yield ok("campaigns", f"{len(named)} named", campaigns=len(named), some_id=named[0])


def _metrics(client: "SoundlinkClient", campaign_id: str, day: Window) -> Finding:
    from soundlink_assets.provider import SoundlinkError, UnknownIdError

    about = CAMPAIGN.export_permission
    try:
        client.overview(campaign_id, day)
    except UnknownIdError as error:
        if campaign_id != NO_CAMPAIGN:
            return broken(about, f"works, but {_what(error)}", error.hint)
    except SoundlinkError as error:
        return broken(about, _what(error), error.hint)
    return ok(about, "works")


def _soundlinks(client: "SoundlinkClient") -> Finding:
    from soundlink_assets.provider import NotFoundError, ScopeError, SoundlinkError

    about = SOUNDLINK.list_permission
    try:
        _, count = client.first_listed(SOUNDLINK)
    except (ScopeError, NotFoundError) as error:
        return ok(about, f"{_what(error)}; soundlinks are skipped, campaigns need no such scope")
    except SoundlinkError as error:
        return broken(about, _what(error), error.hint)
    return ok(about, f"works; {count} soundlinks", soundlinks=count)


def _what(error: "SoundlinkError") -> str:
    return f"{error.message} ({error.facts})" if error.facts else error.message


def probe_cost(settings: Settings, counts: Mapping[Scope, int]) -> Iterator[Finding]:
    """Requests a day and of one refresh, and whether they fit the budget.

    Automation reads the days that may still change, and with them the day that has just closed,
    once in each refresh interval, and the newest day every morning at least. `counts` says how many
    campaigns there are, and how many soundlinks if they are loaded.
    """
    if CAMPAIGN not in counts:
        yield warning(
            "cost", "unknown, because the campaigns could not be counted", "See the lines above."
        )
        return
    runs = max(24 / settings.refresh_hours, 1)
    refresh = sum(
        pages(count) + count * sum(export.scope == scope for export in EXPORTS)
        for scope, count in counts.items()
    )
    links = " and ".join(f"{count} {scope.plural}" for scope, count in counts.items())
    requests = ceil(runs * refresh)
    allowed = min(settings.requests_per_hour * 24, settings.requests_per_minute * 24 * 60)
    what = (
        f"{runs:.0f} runs and {requests:,} requests a day of {allowed:,} allowed; "
        f"{refresh:,} for one refresh of {links}, of "
        f"{settings.requests_per_hour:,} an hour"
    )
    facts = {
        "runs_a_day": runs,
        "requests_a_day": requests,
        "requests_a_refresh": refresh,
        "requests_allowed_a_day": allowed,
    }
    if requests > allowed:
        hours = ceil(settings.refresh_hours * requests / allowed)
        yield broken("cost", what, f"Set SOUNDLINK_REFRESH_HOURS={hours} or more.", **facts)
    elif requests > allowed / 2:
        advice = "Little is left for backfills: a longer SOUNDLINK_REFRESH_HOURS costs less."
        yield warning("cost", what, advice, **facts)
    else:
        yield ok("cost", what, **facts)


def pages(listed: int) -> int:
    """Requests for a list of so many campaigns or soundlinks."""
    from soundlink_assets.provider.client import PAGE_SIZE

    return max(ceil(listed / PAGE_SIZE), 1)
