"""The request budget of a key, shared by every process of this machine that uses the key.

Guarantees that the provider receives no more requests in any span than the limits allow, whatever
the number of processes and threads. A request occupies its place from the moment it was let go
until one span after its answer began: it reached the provider at some moment between the two. So
if N requests arrive within one span, the last of them to be let go found the other N - 1 counted.

What the provider asks for with `Retry-After` is kept here too, because it holds for the key.
"""

import hashlib
import logging
import math
import sqlite3
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import closing, contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from pydantic import SecretStr

from soundlink_assets.provider.errors import BudgetError, BudgetUsedUpError
from soundlink_assets.provider.responses import LONGEST_RETRY_AFTER_SECONDS
from soundlink_assets.provider.retries import (
    SAY_AGAIN_SECONDS,
    Wait,
    check_stop,
    wait_unless_stopped,
)

log = logging.getLogger(__name__)

MINUTE_SECONDS = 60.0
HOUR_SECONDS = 3600.0

FLIGHT_SECONDS = 60.0
"""A request reaches the provider within this long, or never: its process died."""

_LOOK_AGAIN_SECONDS = 60.0
"""Longest single sleep, so that a machine that was suspended does not oversleep for long."""

_LOCK_SECONDS = 30.0

_TABLES = (
    """create table if not exists requests
       (id integer primary key, sent_at real not null, answered_at real)""",
    "create table if not exists pause (until real not null)",
)

_FORGET = "delete from requests where coalesce(answered_at, min(:now, sent_at + :flight)) <= :old"
_TAKEN_BEFORE = """
select coalesce(answered_at, min(:now, sent_at + :flight)) as taken_until from requests
order by taken_until desc limit 1 offset :newer
"""


@dataclass(frozen=True, slots=True)
class Limit:
    """At most `requests` in any `seconds`."""

    requests: int
    seconds: float

    def __str__(self) -> str:
        return f"{self.requests} requests in {self.seconds:g} s"


def provider_limits(per_minute: int, per_hour: int) -> tuple[Limit, ...]:
    """The provider's two limits; both hold at once."""
    return Limit(per_minute, MINUTE_SECONDS), Limit(per_hour, HOUR_SECONDS)


def budget_file(folder: Path, key: SecretStr, base_url: str) -> Path:
    """The file in which the requests of that key to that API are counted.

    The name is a one-way hash, so that it does not give the key away.
    """
    digest = hashlib.sha256(f"{base_url}\n{key.get_secret_value()}".encode()).hexdigest()
    return folder / f"requests-{digest[:32]}.sqlite"


class RequestBudget:
    """Lets requests go, one by one, as the limits allow. Safe for threads and processes.

    `clock` gives seconds since the epoch and must be the same for all processes. A request that
    would have to wait longer than `longest_wait_seconds` is refused instead: runs wait, the doctor
    does not.
    """

    def __init__(
        self,
        file: Path,
        limits: Sequence[Limit],
        *,
        clock: Callable[[], float] = time.time,
        wait: Wait = wait_unless_stopped,
        longest_wait_seconds: float = math.inf,
    ) -> None:
        self._longest_wait_seconds = longest_wait_seconds
        self._file = file
        self._limits = tuple(limits)
        self._clock = clock
        self._wait = wait
        self._announced_at = self._announced_until = 0.0

    @contextmanager
    def request(self, stop: threading.Event) -> Iterator[float]:
        """Waits until a request may go; leave the block when its answer has begun or failed.

        Gives the seconds waited. Raises StoppedError once `stop` is set, and BudgetError if the
        file cannot be used; BudgetUsedUpError if the wait would be too long.
        """
        asked_at = self._clock()
        ticket, sent_at = self._admit(stop)
        try:
            yield sent_at - asked_at
        finally:
            with self._transaction() as connection:
                connection.execute(
                    "update requests set answered_at = ? where id = ?", (self._clock(), ticket)
                )

    def pause(self, seconds: float) -> None:
        """Let nothing go for `seconds`, at most LONGEST_RETRY_AFTER_SECONDS: we were told to."""
        until = self._clock() + min(seconds, LONGEST_RETRY_AFTER_SECONDS)
        with self._transaction() as connection:
            connection.execute("insert into pause values (?)", (until,))

    def _admit(self, stop: threading.Event) -> tuple[int, float]:
        while True:
            check_stop(stop)
            with self._transaction() as connection:
                now = self._clock()
                self._tidy(connection, now)
                free_at, reason = self._free_at(connection, now)
                if free_at <= now:
                    ticket = connection.execute(
                        "insert into requests (sent_at) values (?) returning id", (now,)
                    ).fetchone()[0]
                    return int(ticket), now
            if free_at - now > self._longest_wait_seconds:
                raise _used_up(now, free_at, reason)
            self._announce(now, free_at, reason)
            self._wait(min(free_at - now, _LOOK_AGAIN_SECONDS), stop)

    def _tidy(self, connection: sqlite3.Connection, now: float) -> None:
        """Forget what no limit counts any more; a clock that was set back must not block us."""
        longest = max(limit.seconds for limit in self._limits)
        known = {"now": now, "flight": FLIGHT_SECONDS, "old": now - longest}
        connection.execute("update requests set sent_at = :now where sent_at > :now", known)
        connection.execute("update requests set answered_at = :now where answered_at > :now", known)
        connection.execute(_FORGET, known)
        connection.execute(
            "delete from pause where until <= ? or until > ?",
            (now, now + LONGEST_RETRY_AFTER_SECONDS),
        )

    def _free_at(self, connection: sqlite3.Connection, now: float) -> tuple[float, str]:
        """When the next request may go at the earliest, and what it waits for."""
        paused_until = connection.execute("select max(until) from pause").fetchone()[0]
        waits = [(now, "")]
        if paused_until is not None:
            waits.append((paused_until, "because the provider asked for it"))
        for limit in self._limits:
            row = connection.execute(
                _TAKEN_BEFORE,
                {"now": now, "flight": FLIGHT_SECONDS, "newer": limit.requests - 1},
            ).fetchone()
            if row is not None:
                waits.append((row[0] + limit.seconds, f"for the request budget ({limit})"))
        return max(waits)

    def _announce(self, now: float, until: float, reason: str) -> None:
        """Say, once in a while, that a request has to wait for `reason`; Unix seconds."""
        is_said = abs(until - self._announced_until) < 1
        if until - now < 1 or (is_said and now - self._announced_at < SAY_AGAIN_SECONDS):
            return
        self._announced_at, self._announced_until = now, until
        clock = datetime.fromtimestamp(until, UTC)
        log.warning("waiting %.0f s %s, until %s UTC", until - now, reason, f"{clock:%H:%M:%S}")

    @contextmanager
    def _transaction(self) -> Iterator[sqlite3.Connection]:
        """The file, locked against all other processes and threads until the block ends.

        A connection for each use: nothing to share between threads, or to carry over a fork.
        """
        try:
            self._file.parent.mkdir(parents=True, exist_ok=True)
            with closing(
                sqlite3.connect(self._file, timeout=_LOCK_SECONDS, isolation_level=None)
            ) as connection:
                # The counts need not survive a power cut, only a killed process.
                connection.execute("pragma synchronous = off")
                connection.execute("begin immediate")
                for table in _TABLES:
                    connection.execute(table)
                yield connection
                connection.execute("commit")
        except (OSError, sqlite3.Error) as error:
            raise BudgetError(
                f"the request budget cannot be kept in {self._file}: {error}",
                hint="Set SOUNDLINK_BUDGET_DIR to a folder that this user may write to. A damaged "
                "file can be deleted.",
            ) from None


def _used_up(now: float, free_at: float, reason: str) -> BudgetUsedUpError:
    seconds = free_at - now
    span = f"{math.ceil(seconds)} s" if seconds <= 60 else f"{math.ceil(seconds / 60)} min"  # noqa: PLR2004
    clock = datetime.fromtimestamp(free_at, UTC)
    return BudgetUsedUpError(
        f"the request budget of the key is used up until {clock:%H:%M:%S} UTC, for {span}: a wait "
        f"{reason}",
        free_at=free_at,
    )
