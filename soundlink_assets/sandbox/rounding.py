"""Rounding half up in whole numbers, and numbers as the provider prints them.

All arithmetic is on integers (money in cents), so the printed figures are exactly the rounded
quotients, with no binary fraction in between.
"""

from functools import lru_cache


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


def ratio_of_money(cents: int, denominator: int, decimals: int) -> str:
    """An amount per piece, in the currency's unit; `decimals` as for `ratio`."""
    return ratio(cents, 100 * denominator, decimals)


def total_with_fee(media_cents: int) -> int:
    """What the customer pays: media spend / (1 - 20 %), rounded half up to the cent."""
    return half_up(media_cents * 5, 4)
