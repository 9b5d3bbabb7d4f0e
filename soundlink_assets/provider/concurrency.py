"""Many deliveries at once: a bounded number in flight, results as they complete."""

import threading
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from typing import TypeVar

Task = TypeVar("Task")
Result = TypeVar("Result")


def as_completed(
    work: Callable[[Task], Result],
    tasks: Iterable[Task],
    *,
    at_once: int,
    stop: threading.Event,
) -> Iterator[Result]:
    """The results of `work`, in the order in which they complete; the first exception is raised.

    At most `at_once` tasks are begun and not yet taken by the caller, so that a slow caller holds
    the work up instead of filling the memory. When the caller stops early, or an exception ends
    it, `stop` is set, what has not begun is dropped, and what runs is not waited for.
    """
    remaining = iter(tasks)
    executor = ThreadPoolExecutor(at_once, thread_name_prefix="soundlink")
    pending: set[Future[Result]] = set()

    def begin_one() -> None:
        for task in remaining:
            pending.add(executor.submit(work, task))
            return

    try:
        for _ in range(at_once):
            begin_one()
        while pending:
            done, _ = wait(pending, return_when=FIRST_COMPLETED)
            for future in done:
                pending.discard(future)
                yield future.result()
                begin_one()
    finally:
        stop.set()
        executor.shutdown(wait=False, cancel_futures=True)
