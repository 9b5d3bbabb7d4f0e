"""The doctor on the provider: is the key accepted, in which header, and what does it open.

At most four requests, each tried once; nothing waits for a used-up request budget.
"""

import threading
import time
from collections.abc import Iterator
from datetime import datetime, timedelta
from typing import TYPE_CHECKING

from soundlink_assets.cli.findings import Finding, broken, ok, warning
from soundlink_assets.schema import CAMPAIGN
from soundlink_assets.schema.window import Window
from soundlink_assets.settings import AuthStyle, Settings

if TYPE_CHECKING:
    from soundlink_assets.provider import SoundlinkClient, SoundlinkError

PATIENCE_SECONDS = 10.0
"""How long the doctor waits for one answer, or before it asks once more."""

NO_CAMPAIGN = "no-such-campaign"
"""An id to ask for where there is no campaign: with the right scope, the answer is that."""


def probe_provider(settings: Settings, now: datetime) -> Iterator[Finding]:
    """Whether the API accepts the key, whether each scope works, and how many campaigns it has."""
    if settings.api_key is None:
        yield warning("provider", "not asked, because there is no key", "Set SOUNDLINK_API_KEY.")
        return
    with client_of(settings, settings.auth_style) as client:
        accepted = _ping(client, settings)
        yield accepted
        if accepted.verdict == "broken":
            return
        campaigns = list(_campaigns(client, settings))
        yield from campaigns
        yesterday = now.date() - timedelta(days=1)
        some_id = next((f.facts["some_id"] for f in campaigns if f.facts.get("some_id")), None)
        yield _metrics(client, some_id or NO_CAMPAIGN, Window(yesterday, yesterday))


def campaign_count(findings: list[Finding]) -> int | None:
    """How many campaigns the provider probe found; None if it could not tell."""
    counts = [f.facts["campaigns"] for f in findings if "campaigns" in f.facts]
    return counts[0] if counts else None


def client_of(settings: Settings, style: AuthStyle) -> "SoundlinkClient":
    """A client that tries once and waits for nothing long."""
    from soundlink_assets.provider import SoundlinkClient, budget_file, provider_limits
    from soundlink_assets.cli.probe_budget import ImpatientBudget

    key = settings.require_api_key()
    limits = provider_limits(settings.requests_per_minute, settings.requests_per_hour)
    file = budget_file(settings.budget_dir, key, settings.base_url)
    return SoundlinkClient(
        key,
        base_url=settings.base_url,
        auth_style=style,
        budget=ImpatientBudget(file, limits),
        quarantine_dir=settings.quarantine_dir,
        timeout_seconds=min(settings.timeout_seconds, PATIENCE_SECONDS),
        max_attempts=1,
        wait=_wait_a_little,
    )


def _wait_a_little(seconds: float, _stop: threading.Event) -> None:
    time.sleep(min(max(seconds, 0), PATIENCE_SECONDS))


def _ping(client: "SoundlinkClient", settings: Settings) -> Finding:
    from soundlink_assets.provider import AuthenticationError, SoundlinkError

    started = time.monotonic()
    try:
        client.ping()
    except AuthenticationError as error:
        return _other_style(settings, error)
    except SoundlinkError as error:
        return broken(
            "provider", f"{settings.base_url}: {error.message}{_facts(error)}", error.hint
        )
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
    from soundlink_assets.provider.responses import other_style

    other = other_style(settings.auth_style)
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
    return broken("provider", f"{refused.message}{_facts(refused)}", refused.hint)


def _campaigns(client: "SoundlinkClient", settings: Settings) -> Iterator[Finding]:
    from soundlink_assets.provider import ScopeError, SoundlinkError

    named = settings.campaign_ids
    try:
        some_id, count = client.first_listed(CAMPAIGN)
    except ScopeError as error:
        if not named:
            yield broken("campaigns:read", error.message, error.hint)
            return
        yield ok(
            "campaigns:read",
            f"is missing, and not needed: SOUNDLINK_CAMPAIGN_IDS names {len(named)} campaigns",
        )
    except SoundlinkError as error:
        yield broken("campaigns:read", f"{error.message}{_facts(error)}", error.hint)
        return
    else:
        if not count and not named:
            yield warning(
                "campaigns:read",
                "works; the organisation of this key has no campaigns yet",
                "Start a campaign in Soundlink, or check that the key is of the organisation "
                "you mean.",
                campaigns=0,
            )
            return
        said = f"works; {count} campaigns"
        if named:
            said += f", of which SOUNDLINK_CAMPAIGN_IDS names {len(named)}"
        yield ok("campaigns:read", said, campaigns=len(named) or count, some_id=some_id)
        return
    yield ok("campaigns", f"{len(named)} named", campaigns=len(named), some_id=named[0])


def _metrics(client: "SoundlinkClient", campaign_id: str, day: Window) -> Finding:
    from soundlink_assets.provider import UnknownIdError, SoundlinkError

    try:
        client.overview(campaign_id, day)
    except UnknownIdError as error:
        if campaign_id != NO_CAMPAIGN:
            return broken("metrics:read", f"works, but {error.message}{_facts(error)}", error.hint)
    except SoundlinkError as error:
        return broken("metrics:read", f"{error.message}{_facts(error)}", error.hint)
    return ok("metrics:read", "works")


def _facts(error: "SoundlinkError") -> str:
    known = [
        error.code or (f"HTTP {error.status}" if error.status else ""),
        f"requestId {error.request_id}" if error.request_id else "",
        f"campaign {error.about.requested_id}" if error.about.requested_id else "",
    ]
    shown = ", ".join(fact for fact in known if fact)
    return f" ({shown})" if shown else ""
