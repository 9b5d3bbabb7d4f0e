"""Distributors' statements to go with a world: synthetic, and marked as such in every row.

A world's streams are a part of what its recordings are played; the statements hold the whole, with
the odd rows that statements have: revenue without streams, streams without revenue, other stores,
a recording that no link knows, a country in words, an ISRC with hyphens.
"""

import csv
import io
from collections.abc import Iterable, Iterator
from datetime import date

from soundlink_assets.sandbox import draws
from soundlink_assets.sandbox.links import Link, Market
from soundlink_assets.sandbox.world import World

HEADER = (
    "isrc",
    "store",
    "sale_month",
    "country_code",
    "streams",
    "revenue",
    "currency",
    "note",
)
NOTE = "synthetic: made up by the sandbox"

_STORES = {"Spotify": 1.0, "Apple Music": 0.45, "Deezer": 0.08}
_PRICES = {"US": 0.0042, "GB": 0.0046, "DE": 0.0038, "NO": 0.0061, "BR": 0.0011, "MX": 0.0013}
_OTHER_PRICE = 0.0021

Row = tuple[object, ...]


def statement_files(world: World, months: Iterable[date]) -> dict[str, str]:
    """A statement of each month (given by its first day): file name -> CSV."""
    return {
        f"synthetic-{month:%Y-%m}.csv": _csv([*_rows(world, month), *_odd_rows(world, month)])
        for month in months
    }


def _csv(rows: list[Row]) -> str:
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(HEADER)
    writer.writerows((*row, NOTE) for row in rows)
    return text.getvalue()


def _rows(world: World, month: date) -> Iterator[Row]:
    seen = set()
    for link in (*world.campaigns, *world.soundlinks):
        for track in link.tracks:
            isrc = (track.isrc or "").replace("-", "")
            if not isrc or isrc in seen:
                continue
            seen.add(isrc)
            for market in link.markets:
                for store, size in _STORES.items():
                    streams = round(size * _monthly_plays(link, market, track.share, month, isrc))
                    yield _row(isrc, store, month, market.country.code, streams)


def _monthly_plays(link: Link, market: Market, share: float, month: date, isrc: str) -> float:
    """Some times what the link brings in a month at full spend, whether it runs or not."""
    country = market.country
    brought = link.daily_budget_cents / 100 * market.spend_share / market.listener_cost
    wobble = 0.8 + 0.4 * draws.unit(isrc, country.code, month)
    return (4 + 8 * draws.unit(isrc, "reach")) * 30 * brought * country.plays * share * wobble


def _row(isrc: str, store: str, month: date, country: str, streams: int) -> Row:
    price = _PRICES.get(country, _OTHER_PRICE) * (0.9 + 0.2 * draws.unit(store, month, country))
    return isrc, store, f"{month:%Y-%m}", country, streams, f"{streams * price:.9f}", "USD"


def _odd_rows(world: World, month: date) -> Iterator[Row]:
    recordings = (track.isrc for link in world.campaigns for track in link.tracks if track.isrc)
    isrc = next(recordings).replace("-", "")
    hyphenated = f"{isrc[:2]}-{isrc[2:5]}-{isrc[5:7]}-{isrc[7:]}"
    at = f"{month:%Y-%m}"
    yield hyphenated, "Spotify", at, "United Kingdom", 120, "0.480000000", "USD"
    yield isrc, "Spotify", at, "IS", 0, "1.250000000", "USD"
    yield isrc, "Spotify", at, "MT", 35, "0", "USD"
    yield _row(draws.isrc(world.account_id, "another"), "Spotify", month, "US", 5000)
