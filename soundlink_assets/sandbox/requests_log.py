"""What the sandbox was asked: the log that tests and users read."""

from dataclasses import dataclass
from datetime import datetime


@dataclass(frozen=True, slots=True)
class ServedRequest:
    """A request and its answer.

    `key_tail` are the last four characters of the key. `at` is the sandbox's time, `moment` the
    machine's steady clock in seconds. `status` 0: the connection was dropped instead. `faults`
    names those that it met.
    """

    method: str
    path: str
    query: dict[str, str]
    status: int
    key_tail: str
    at: datetime
    moment: float
    faults: tuple[str, ...] = ()
