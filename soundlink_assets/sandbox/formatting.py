"""Numbers and text as the provider prints them.

All arithmetic is on whole numbers (money in cents), so the printed figures are exactly the
quotients rounded half up, with no binary fraction in between.
"""

import json
from functools import lru_cache


@lru_cache(maxsize=4096)
def text(value: str | None) -> str:
    """A JSON string or null; letters beyond ASCII stay as they are."""
    return json.dumps(value, ensure_ascii=False)


def half_up(numerator: int, denominator: int) -> int:
    """`numerator / denominator` rounded half up; both not negative, the denominator not zero."""
    return (2 * numerator + denominator) // (2 * denominator)


def money(cents: int) -> str:
    """An amount with two decimals: 42.50."""
    return f"{cents // 100}.{cents % 100:02d}"


@lru_cache(maxsize=65536)
def ratio(numerator: int, denominator: int, decimals: int) -> str:
    """The quotient rounded half up to `decimals`, without trailing zeros: 1.4, 0.293, 2."""
    scaled = half_up(numerator * 10**decimals, denominator)
    whole, fraction = divmod(scaled, 10**decimals)
    if not fraction:
        return str(whole)
    return f"{whole}.{fraction:0{decimals}d}".rstrip("0")
