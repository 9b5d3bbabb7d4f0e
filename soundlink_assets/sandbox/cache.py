"""A cache of rendered days, bounded by the bytes that it holds."""

import threading
from collections import OrderedDict
from collections.abc import Callable, Hashable


class ByteCache:
    """Keeps what was used last; safe to share between threads."""

    def __init__(self, max_bytes: int) -> None:
        self._max_bytes = max_bytes
        self._held: OrderedDict[Hashable, bytes] = OrderedDict()
        self._size = 0
        self._lock = threading.Lock()

    def get(self, key: Hashable, make: Callable[[], bytes]) -> bytes:
        """The bytes of `key`, made if they are not held."""
        with self._lock:
            if key in self._held:
                self._held.move_to_end(key)
                return self._held[key]
        made = make()
        with self._lock:
            if key not in self._held:
                self._held[key] = made
                self._size += len(made)
            while self._size > self._max_bytes and self._held:
                _, dropped = self._held.popitem(last=False)
                self._size -= len(dropped)
        return made
