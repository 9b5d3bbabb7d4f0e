"""What goes wrong in the answers of the independent provider: each fault changes one answer."""

import gzip
import zlib
from datetime import UTC, datetime, timedelta
from typing import Any

from soundlink_assets_tests.independent_provider import (
    COUNTRY,
    ENGAGEMENT,
    Answer,
    Fault,
    error,
    stamp,
)

LOADED = datetime(2024, 4, 5, 6, tzinfo=UTC)
REVISED = LOADED + timedelta(days=1)
BEFORE = stamp(LOADED - timedelta(days=1))


def answered(answer: Answer) -> Fault:
    def fault(own: Answer) -> None:
        own.__dict__.update(answer.__dict__)

    return fault


def page(status: int) -> Fault:
    return answered(Answer(b"<html>Not here</html>", status, {"Content-Type": "text/html"}))


def row(**values: Any) -> Fault:
    """Other values in the second row; the text `=` and what follows is written without quotes."""

    def fault(answer: Answer) -> None:
        first, second, *others = answer.rows
        answer.rows = [first, second | values, *others]
        for value in values.values():
            if isinstance(value, str) and value.startswith("="):
                answer.body = answer.body.replace(f'"{value}"'.encode(), value[1:].encode())

    return fault


def every_row(**values: Any) -> Fault:
    def fault(answer: Answer) -> None:
        answer.rows = [each | values for each in answer.rows]

    return fault


def without(name: str) -> Fault:
    def fault(answer: Answer) -> None:
        answer.rows = [{key: row[key] for key in row if key != name} for row in answer.rows]

    return fault


def body(change: Any, **headers: str | None) -> Fault:
    """Another body and other headers; None is a header that is not sent."""

    def fault(answer: Answer) -> None:
        answer.body = change(answer.body)
        for name, value in headers.items():
            answer.headers.pop(name := name.replace("_", "-"), None)
            answer.headers |= {} if value is None else {name: value}

    return fault


def half(content: bytes) -> bytes:
    return content[: len(content) // 2]


def same(content: bytes) -> bytes:
    return content


def empty(_: bytes) -> bytes:
    return b""


HUGE = "=1e99999999999999999999"
HALF_A_CHARACTER = "Ni\ud83d"
REFUSED: dict[str, Fault] = {
    "403 access_denied": answered(error(403, "access_denied")),
    "403 of an unknown code": answered(error(403, "organisation_paused")),
    "400 invalid_date_range": answered(error(400, "invalid_date_range")),
    "404 campaign_not_found": answered(error(404, "campaign_not_found")),
    "404 not_found": answered(error(404, "not_found")),
    "410": answered(error(410, "gone")),
    "422": answered(error(422, "unprocessable")),
    "451": page(451),
    "a page with 404": page(404),
    "a page with 200": page(200),
    "an envelope with 200": answered(error(200, "internal_error")),
    "500": answered(error(500, "internal_error")),
    "a body cut in half": body(half),
    "gzip cut in half": body(lambda content: half(gzip.compress(content))),
    "x-gzip cut in half": body(
        lambda content: half(gzip.compress(content)), Content_Encoding="x-gzip"
    ),
    "zlib cut in half": body(lambda content: half(zlib.compress(content)), X_Row_Count=None),
    "a thousand codings": body(same, Content_Encoding="gzip, " * 1000 + "gzip"),
    "a coding that was not asked for": body(same, Content_Encoding="br"),
    "a count that is no number": body(same, X_Row_Count="9 rows"),
    "a negative count": body(same, X_Row_Count="-1"),
    "no rows where some are counted": body(empty),
    "a bomb": body(lambda _: gzip.compress(bytes(200_000_000), 1)),
    "half a character in a name": row(campaign_name=HALF_A_CHARACTER),
    "half a character in the key": row(country_code="\udc00"),
    "half a character in a new field": row(note={"deep": [HALF_A_CHARACTER]}),
    "half a character in the name of a field": row(**{HALF_A_CHARACTER: 1}),
    "a number beyond all": row(streams=HUGE),
    "a number beyond all in a new field": row(note=HUGE),
    "a count beyond 64 bits": row(listeners=2**63),
    "a count of 5,000 digits": row(listeners="=" + "9" * 5000),
    "a fraction of a count": row(streams=1.5),
    "a flag for a count": row(streams=True),
    "no number": row(streams="=NaN"),
    "a number in quotes": row(streams="7"),
    "no text": row(campaign_name=None),
    "a missing field": without("listeners"),
    "a negative figure": row(listeners=-1),
    "a day that is none": row(report_date="2024-02-30"),
    "a day that was not asked for": row(report_date="2024-03-01"),
    "another campaign": row(campaign_id="f1e28d31-c358-4284-9bef-00a2334625fd"),
    "a stamp of 2099": row(exported_at="2099-01-01T00:00:00Z"),
    "a stamp of tomorrow": every_row(exported_at=stamp(REVISED + timedelta(days=1))),
    "a stamp without a zone": row(exported_at="2024-04-06T05:00:00"),
    "a line that is an array": body(lambda content: content + b"[]\n"),
    "rows nested too deep": row(note="=" + "[" * 90_000 + "]" * 90_000),
}


def two_currencies(answer: Answer) -> None:
    answer.rows = [*answer.rows, answer.rows[0] | {"currency": "EUR"}]


REFUSED_OF = {
    COUNTRY: {
        "two currencies": two_currencies,
        "no currency": row(currency=None),
        "money beyond its column": row(spend_total=1e13),
        "money beyond all": row(spend_media=HUGE),
    },
    ENGAGEMENT: {
        "half a track": row(engaged_track_name=HALF_A_CHARACTER),
        "a negative split": row(returning_listeners=-4),
        "no context": row(engagement_context=None),
    },
}


def doubled(answer: Answer) -> None:
    answer.rows = [*reversed(answer.rows), *answer.rows[:3]]


ACCEPTED: dict[str, Fault] = {
    "nothing": lambda _: None,
    "gzip": body(gzip.compress, Content_Encoding="gzip"),
    "gzip that is not declared": body(gzip.compress),
    "x-gzip": body(gzip.compress, Content_Encoding="x-gzip"),
    "zlib": body(zlib.compress, Content_Encoding="deflate"),
    "gzip in two members": body(
        lambda content: gzip.compress(half(content)) + gzip.compress(content[len(content) // 2 :])
    ),
    "a byte order mark": body(lambda content: b"\xef\xbb\xbf" + content),
    "lines that end in two characters": body(lambda content: content.replace(b"\n", b"\r\n")),
    "blank lines": body(lambda content: b"\n" + content.replace(b"\n", b"\n\n")),
    "no last newline": body(lambda content: content.rstrip()),
    "no count": body(same, X_Row_Count=None),
    "the last date of all": body(same, Date="Fri, 31 Dec 9999 23:59:59 GMT"),
    "a date of 2099": body(same, Date="Thu, 01 Jan 2099 00:00:00 GMT"),
    "no type": body(same, Content_Type=None),
    "another type": body(same, Content_Type="text/plain; charset=utf-8"),
    "another order and rows twice": doubled,
    "new fields": every_row(note={"a": [1, 1e300, None]}, total_listeners=3),
}
WITHDRAWN: dict[str, Fault] = {
    "no rows and a count of none": body(empty, X_Row_Count="0"),
    "no rows and no count": body(empty, X_Row_Count=None),
    "204": answered(Answer(b"", 204)),
    "a blank line": body(lambda _: b"\n", X_Row_Count="0"),
}


def without_the_last_day(answer: Answer) -> None:
    last = answer.rows[-1]["report_date"]
    answer.rows = [
        each | {"exported_at": BEFORE} for each in answer.rows if each["report_date"] != last
    ]


STALE: dict[str, Fault] = {
    "a replica of the day before": every_row(exported_at=BEFORE),
    "a replica that lacks the newest day": without_the_last_day,
}
ONE_OLDER_ROW: dict[str, Fault] = {"one row of the day before": row(exported_at=BEFORE, streams=1)}
ZONES = ("America/New_York", "Europe/Berlin", "utc+2", "")
OF_ANOTHER_ZONE = {f"zone {zone!r}": every_row(report_date_timezone=zone) for zone in ZONES}
