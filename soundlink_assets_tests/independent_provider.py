"""A second Soundlink API, from the provider's reference alone: it shares nothing with the sandbox.

Its figures are its own, its faults are functions that change one answer.
"""

import json
import threading
import zlib
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, timedelta
from decimal import ROUND_HALF_UP, Decimal
from email.utils import format_datetime
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, ClassVar
from urllib.parse import parse_qs, urlsplit
from uuid import NAMESPACE_DNS, uuid5

API_KEY = "sk_second_0123456789abcdef"
COUNTRY, ENGAGEMENT = "breakdown", "engagement"
CREATED = datetime(2024, 3, 20, tzinfo=UTC)
Row = dict[str, Any]


@dataclass
class Answer:
    """What is about to be sent; a fault may change any part of it."""

    body: bytes
    status: int = 200
    headers: dict[str, str] = field(default_factory=dict)

    @property
    def rows(self) -> list[Row]:
        return [json.loads(line) for line in self.body.splitlines()]

    @rows.setter
    def rows(self, rows: Iterable[Row]) -> None:
        lines = [json.dumps(row) + "\n" for row in rows]
        self.body = "".join(lines).encode()
        self.headers["X-Row-Count"] = str(len(lines))


Fault = Callable[[Answer], None]


@dataclass
class Campaign:
    """One campaign; a higher revision is other figures for all its days."""

    name: str
    organisation: str = "second"
    revision: int = 0
    has_rows: bool = True

    @property
    def campaign_id(self) -> str:
        return str(uuid5(NAMESPACE_DNS, self.name))

    def listed(self) -> Row:
        return {
            "campaignId": self.campaign_id,
            "organizationId": f"org_{self.organisation}",
            "status": "active",
            "socialPlatform": "meta",
            "dailyBudget": 25,
            "totalBudget": 700.5,
            "campaignDuration": 28,
            "createdAt": stamp(CREATED),
            "updatedAt": stamp(CREATED),
            "trackName": self.name,
            "campaignUrl": f"https://example.com/{self.campaign_id}",
        }

    def rows(self, export: str, day: date, exported: datetime) -> Iterator[Row]:
        if not self.has_rows or day < CREATED.date():
            return
        identity = {
            "provider": "soundlink",
            "account_id": str(uuid5(NAMESPACE_DNS, self.organisation)),
            "schema_version": "1.0",
            "report_date": day.isoformat(),
            "report_date_timezone": "UTC",
            "exported_at": stamp(exported),
            "campaign_id": self.campaign_id,
            "campaign_name": f"{self.name} ♫\u2028",
            "campaign_target_type": "track",
            "campaign_target_isrc": "DEXW62500259",
            "campaign_target_spotify_track_id": "6habFhsOp2NvndAvgiJ01P",
        }
        for country in ("BR", "DE", "US"):
            number = zlib.crc32(f"{self.name} {day} {country}".encode())
            figures = _country if export == COUNTRY else _engagement
            yield identity | figures(country, number, self.revision)


def stamp(moment: datetime) -> str:
    return f"{moment:%Y-%m-%dT%H:%M:%SZ}"


def _country(country: str, number: int, revision: int) -> Row:
    impressions = 400 + number % 5000
    ad_clicks = 20 + number % 77
    clicks = ad_clicks - number % 13
    listeners = 9 + number % 11 + 3 * revision
    streams, followers = 2 * listeners + number % 5, number % 4
    media = Decimal(1000 + number % 7000 + 250 * revision) / 100
    total = _rounded(media / Decimal("0.8"), 2)
    per_follower = _ratio(media, followers, 3)
    return {
        "country_code": country,
        "impressions": impressions,
        "ad_clicks": ad_clicks,
        "link_clicks": clicks,
        "streams": streams,
        "listeners": listeners,
        "followers": followers,
        "streams_per_listener": _ratio(streams, listeners, 2),
        "spend_media": float(media),
        "spend_total": float(total),
        "fees": float(total - media),
        "currency": "USD",
        "currency_account": "USD",
        "cpl": _ratio(media, listeners, 3),
        "cpf": per_follower,
        "cpc_linkclick": _ratio(media, clicks, 3),
        "ctr_linkclick": _ratio(clicks, impressions, 4),
        "ctr_adclick": _ratio(ad_clicks, impressions, 4),
        "cost_per_result": per_follower,
        "result_type": "follow",
    }


def _engagement(country: str, number: int, revision: int) -> Row:
    new, returning = 3 + number % 9 + revision, number % 6
    new_streams, returning_streams = new + number % 7, 2 * returning
    streams, listeners = new_streams + returning_streams, new + returning
    return {
        "status": "active",
        "engagement_context": "catalog",
        "country_code": country,
        "engaged_spotify_track_id": "4cOdK2wGLETKBW3PvgPWqT",
        "engaged_track_name": "Till The Sunrise",
        "new_listeners": new,
        "returning_listeners": returning,
        "listeners": listeners,
        "new_listener_streams": new_streams,
        "returning_listener_streams": returning_streams,
        "streams": streams,
        "spl": _ratio(streams, listeners, 2),
    }


def _ratio(numerator: Decimal | int, denominator: int, digits: int) -> float:
    return float(_rounded(Decimal(numerator) / denominator, digits)) if denominator else 0.0


def _rounded(value: Decimal, digits: int) -> Decimal:
    return value.quantize(Decimal(1).scaleb(-digits), ROUND_HALF_UP)


class Provider:
    """The organisation and its clock; `faults` change the answer of a path."""

    api_key: ClassVar[str] = API_KEY

    def __init__(self, base_url: str, campaigns: list[Campaign], now: datetime) -> None:
        self.base_url = base_url
        self.campaigns = campaigns
        self.time = now
        self.faults: dict[str, Fault] = {}
        self.unlisted: set[str] = set()
        self.asked: list[str] = []

    def now(self) -> datetime:
        return self.time

    def path(self, campaign: Campaign, export: str) -> str:
        return f"/v1/campaigns/{campaign.campaign_id}/metrics/{export}/export"

    def truth(self, campaign: Campaign, export: str, first: date, last: date) -> list[Row]:
        """The rows that the campaign has now, of both days and those between them."""
        days = [first + timedelta(days=number) for number in range((last - first).days + 1)]
        exported = self.time - timedelta(minutes=5)
        return [row for day in days for row in campaign.rows(export, day, exported)]

    def answer(self, target: str, key: str | None) -> Answer:
        url = urlsplit(target)
        query = {name: values[-1] for name, values in parse_qs(url.query).items()}
        self.asked.append(url.path)
        answer = self._answer(url.path, query) if key == API_KEY else error(401, "invalid_api_key")
        fault = self.faults.get(url.path)
        if fault is not None:
            fault(answer)
        return answer

    def _answer(self, path: str, query: dict[str, str]) -> Answer:
        match path.split("/")[1:]:
            case ["v1", "ping"]:
                return envelope({"data": {"status": "ok"}})
            case ["v1", "campaigns"]:
                return self._list(int(query.get("page", 1)), int(query.get("pageSize", 10)))
            case ["v1", "campaigns", campaign_id, "metrics", export, "export"]:
                found = [each for each in self.campaigns if each.campaign_id == campaign_id]
                if not found:
                    return error(404, "campaign_not_found")
                first, last = (date.fromisoformat(query[name]) for name in ("startDate", "endDate"))
                answer = Answer(b"", headers={"Content-Type": "application/x-ndjson"})
                answer.rows = self.truth(found[0], export, first, last)
                return answer
            case ["v1", "soundlinks", *_]:
                return error(403, "insufficient_scope")
        return error(404, "not_found")

    def _list(self, page: int, size: int) -> Answer:
        campaigns = [each for each in self.campaigns if each.name not in self.unlisted]
        pages = -(-len(campaigns) // size)
        data = {
            "items": [each.listed() for each in campaigns[(page - 1) * size : page * size]],
            "pagination": {
                "page": page,
                "pageSize": size,
                "totalCount": len(campaigns),
                "totalPages": pages,
            },
        }
        return envelope({"data": data})


def envelope(content: Row, status: int = 200) -> Answer:
    text = json.dumps(content | {"meta": {"requestId": str(uuid5(NAMESPACE_DNS, "request"))}})
    return Answer(text.encode(), status, {"Content-Type": "application/json"})


def error(status: int, code: str) -> Answer:
    return envelope({"error": {"code": code, "message": "No."}}, status)


@contextmanager
def independent_provider(campaigns: list[Campaign], now: datetime) -> Iterator[Provider]:
    """Serves the campaigns on loopback, with a clock that stands still at `now`."""

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_GET(self) -> None:
            answer = provider.answer(self.path, self.headers.get("x-api-key"))
            self.send_response_only(answer.status)
            headers = {
                "Date": format_datetime(provider.time.astimezone(UTC), usegmt=True),
                "Content-Length": str(len(answer.body)),
            }
            for name, value in (headers | answer.headers).items():
                self.send_header(name, value)
            self.end_headers()
            self.wfile.write(answer.body)

        def log_message(self, *_: object) -> None:
            """Nothing: a test reads what was asked for in `Provider.asked`."""

    class Server(ThreadingHTTPServer):
        daemon_threads = True
        request_queue_size = 64

        def handle_error(self, *_: object) -> None:
            """Nothing: a client may hang up when it has seen enough."""

    with Server(("127.0.0.1", 0), Handler) as server:
        base_url = f"http://127.0.0.1:{server.server_port}"
        provider = Provider(base_url, campaigns, now)
        thread = threading.Thread(target=server.serve_forever, args=(0.02,), daemon=True)
        thread.start()
        try:
            yield provider
        finally:
            server.shutdown()
            thread.join()
