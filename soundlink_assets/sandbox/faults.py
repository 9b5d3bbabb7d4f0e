"""The faults that the sandbox can show, and which of them a request meets.

A `Fault` is data: a status instead of the response, an edit of its body, or a way of sending it.
The ready-made ones are in `ready_made`; tests make others from the same parts.
"""

import math
import threading
from collections.abc import Callable, Iterable
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from email.utils import parsedate_to_datetime
from enum import Enum, auto
from fnmatch import fnmatchcase
from typing import TypeVar

from pydantic import NonNegativeInt, PositiveInt

from soundlink_assets.sandbox.access import Problem
from soundlink_assets.sandbox.edits import Edit, Options
from soundlink_assets.sandbox.responses import (
    JSON,
    NORMAL,
    Response,
    Timing,
    http_date,
    problem_response,
)
from soundlink_assets.schema import EXPORTS, Export

T = TypeVar("T")


class Stage(Enum):
    """Where on the way of a request a fault is met: one of each at most."""

    DELAY = auto()
    INSTEAD = auto()
    BODY = auto()
    SENDING = auto()


class _ByName(type):
    """Lets ready-made faults be named as attributes: `Fault.BAD_GATEWAY`."""

    def __getattr__(cls, name: str) -> "Fault":
        if not name.isupper():
            raise AttributeError(name)
        try:
            return Fault.named(name.lower())
        except ValueError as error:
            raise AttributeError(str(error)) from None


@dataclass(frozen=True, slots=True, kw_only=True)
class Fault(metaclass=_ByName):
    """One misbehaviour; `meaning` says what a client sees.

    With `status` that response is sent instead: an error envelope with `code`, or `content`.
    `headers` are set, or removed (None). `edit` changes the body before it is put together.
    `encode` compresses what is sent (gzip, deflate), declared by the word `declare` or not at all;
    `keep` is the part of the bytes that is sent then. `timing` is how they are sent, its pause the
    option `seconds`; `delays` pauses for as long before the response. `shifts_clock` moves the
    `Date` header by the option `hours`. `json_only` leaves exports alone.
    """

    name: str = "custom"
    meaning: str = ""
    status: int | None = None
    code: str = ""
    content: bytes | Callable[[Options], bytes] | None = None
    headers: tuple[tuple[str, str | None], ...] = ()
    edit: Edit | None = None
    encode: str = ""
    declare: str | None = None
    keep: float = 1.0
    timing: Timing = NORMAL
    delays: bool = False
    shifts_clock: bool = False
    json_only: bool = False

    @classmethod
    def named(cls, name: str, exports: Iterable[Export] = EXPORTS) -> "Fault":
        """The ready-made fault of that name; ValueError that lists all names if there is none."""
        from soundlink_assets.sandbox.ready_made import known_faults  # noqa: PLC0415 - made of these

        known = known_faults(exports)
        if name not in known:
            raise ValueError(f"{name!r} is not a fault; there are {', '.join(known)}")
        return known[name]

    def __str__(self) -> str:
        return self.name

    @property
    def stage(self) -> Stage:
        """Where it is met."""
        if self.delays:
            return Stage.DELAY
        if self.status is not None or self.timing.dropped_after == 0 or self.timing.slow_headers:
            return Stage.INSTEAD
        return Stage.BODY if self.edit is not None else Stage.SENDING

    def instead(self, options: Options, now: datetime) -> Response:
        """The response that is sent instead."""
        body = self.content(options) if callable(self.content) else self.content
        if body is None and self.code:
            problem = Problem(self.status or 0, self.code, "The request was refused.")
            response = problem_response(problem)
        else:
            response = Response(status=self.status or 0, body=body or b"")
        response = response.dated(now)
        return self.sent(response, options) or response

    def sent(self, response: Response, options: Options) -> Response | None:
        """The response as this fault sends it; None if it cannot show it."""
        if self.json_only and response.headers.get("content-type") != JSON:
            return None
        if self._needs_a_body and not response.body:
            return None
        if any(value is None and name not in response.headers for name, value in self.headers):
            return None
        if self.encode:
            response = response.encoded(self.encode, self.declare)
        changes = {
            name: value and value.format(seconds=math.ceil(options.seconds), options=options)
            for name, value in self.headers
        }
        if self.shifts_clock:
            moment = parsedate_to_datetime(response.headers["date"])
            changes["date"] = http_date(moment + timedelta(hours=options.hours))
        body = response.body[: int(len(response.body) * self.keep)]
        timing = replace(self.timing, pause=options.seconds)
        return replace(response.with_headers(changes), body=body, timing=timing)

    @property
    def _needs_a_body(self) -> bool:
        timing = self.timing
        return bool(self.encode or self.keep < 1 or timing.pieces > 1 or timing.dropped_after)


class PlannedFault(Options):
    """A fault for the requests whose path matches the shell pattern `path`.

    It lets `after` matching requests pass, then meets `count` of them (None: all).
    """

    path: str
    fault: Fault
    count: PositiveInt | None = 1
    after: NonNegativeInt = 0


class FaultPlan:
    """The faults that are still to come; safe to share between threads."""

    def __init__(self) -> None:
        self._planned: list[PlannedFault] = []
        self._lock = threading.Lock()

    def add(self, planned: PlannedFault) -> None:
        """Plan one more fault; the first planned is the first met."""
        with self._lock:
            self._planned.append(planned)

    def clear(self) -> None:
        """Forget what is planned."""
        with self._lock:
            self._planned.clear()

    def pending(self) -> tuple[PlannedFault, ...]:
        """What is planned and not spent, with the counts that are left."""
        with self._lock:
            return tuple(planned.model_copy() for planned in self._planned)

    def take(
        self, path: str, stage: Stage, show: Callable[[PlannedFault], T | None]
    ) -> tuple[PlannedFault, T] | None:
        """The first planned fault of the stage that `show` can show; it counts as met."""
        with self._lock:
            for planned in self._planned:
                if planned.fault.stage is not stage or not fnmatchcase(path, planned.path):
                    continue
                shown = show(planned)
                if shown is None:
                    continue
                if planned.after > 0:
                    planned.after -= 1
                    continue
                if planned.count == 1:
                    self._planned.remove(planned)
                elif planned.count is not None:
                    planned.count -= 1
                return planned, shown
        return None
