"""Numbers and identifiers that follow from a seed and a name, the same on every machine.

Each draw is keyed by what it is for (campaign, day, ...), so that any day can be computed without
the days before it.
"""

import random
from hashlib import blake2b
from uuid import UUID

_BASE62 = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"
_UPPER36 = _BASE62[:36]


def hashed(*key: object) -> int:
    """A 128-bit number that depends on `key` alone."""
    text = "\x1f".join(str(part) for part in key)
    return int.from_bytes(blake2b(text.encode(), digest_size=16).digest(), "big")


def generator(*key: object) -> random.Random:
    """A generator of its own for `key`."""
    return random.Random(hashed(*key))  # noqa: S311 - figures of a synthetic world, no secrets


def unit(*key: object) -> float:
    """A number in [0, 1) that depends on `key` alone."""
    return hashed(*key) / 2**128


def uuid(*key: object) -> str:
    """A UUID (version 4 by its form) that depends on `key` alone."""
    return str(UUID(int=hashed("uuid", *key), version=4))


def spotify_id(*key: object) -> str:
    """22 letters and digits, as Spotify's ids have."""
    number = hashed("spotify", *key) * 2**64 + hashed("spotify more", *key) % 2**64
    return _digits(number, _BASE62, 22)


def isrc(*key: object) -> str:
    """An ISRC: country, registrant, year, number."""
    number = hashed("isrc", *key)
    country = ("DE", "QZ", "SE", "GB", "BR", "NO")[number % 6]
    registrant = _digits(number // 6, _UPPER36, 3)
    return f"{country}{registrant}{20 + number // 7 % 6}{number // 11 % 100_000:05d}"


def _digits(number: int, alphabet: str, length: int) -> str:
    text = []
    for _ in range(length):
        number, digit = divmod(number, len(alphabet))
        text.append(alphabet[digit])
    return "".join(text)
