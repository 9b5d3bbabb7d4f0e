"""What a campaign's figures say, in sentences. None goes beyond what the intervals support."""

import polars as pl

from soundlink_assets.report import formats
from soundlink_assets.report.figures import Row

SURE = 0.95
"""Probability from which a country is called cheaper or dearer than its campaign."""


def findings(card: Row, countries: pl.DataFrame, tracks: pl.DataFrame) -> list[str]:
    """Sentences about one campaign: its countries, its spillover."""
    sentences = [
        _cheap(countries, card["currency"]),
        _dear(countries, card["currency"]),
        _worth(countries),
        _spillover(card, tracks),
        _undetermined(card),
    ]
    return [sentence for sentence in sentences if sentence]


def _cheap(countries: pl.DataFrame, currency: str | None) -> str:
    sure = countries.filter(pl.col("probability_beats_campaign") >= SURE).sort("rank")
    if sure.is_empty():
        return ""
    listed = _listed(sure.head(3), currency)
    return f"Listeners cost less than the campaign's average in {listed}."


def _dear(countries: pl.DataFrame, currency: str | None) -> str:
    sure = countries.filter(pl.col("probability_beats_campaign") <= 1 - SURE)
    if sure.is_empty():
        return ""
    spend = countries["spend_media"].sum()
    share = formats.percent(float(sure["spend_media"].sum()) / float(spend) if spend else None)
    listed = _listed(sure.sort("spend_media", descending=True).head(3), currency)
    more = sure.height - min(sure.height, 3)
    others = f" and {more} more" if more else ""
    return f"They cost more in {listed}{others}, where {share} of the spend went."


def _worth(countries: pl.DataFrame) -> str:
    """Which countries earned their price, where statements say what a listener earned."""
    known = countries.drop_nulls(["break_even_cost_per_listener", "cost_per_listener_all_in"])
    if known.is_empty():
        return ""
    earned = pl.col("break_even_cost_per_listener") >= pl.col("cost_per_listener_all_in")
    worth = known.filter(earned).sort("spend_media", "country_code", descending=[True, False])
    if worth.is_empty():
        return "By the distributors' statements, listeners earned what they cost in no country yet."
    names = [formats.country(code) for code in worth["country_code"].head(5)]
    listed = names[0] if len(names) == 1 else f"{', '.join(names[:-1])} and {names[-1]}"
    more = worth.height - len(names)
    others = f" and {more} more" if more else ""
    return f"By the distributors' statements, listeners earned their cost in {listed}{others}."


def _listed(countries: pl.DataFrame, currency: str | None) -> str:
    parts = [
        f"{formats.country(row['country_code'])} "
        f"({formats.cost(row['cost_per_listener'], currency)})"
        for row in countries.iter_rows(named=True)
    ]
    return parts[0] if len(parts) == 1 else f"{', '.join(parts[:-1])} and {parts[-1]}"


def _spillover(card: Row, tracks: pl.DataFrame) -> str:
    if card["spillover_stream_share"] is None:
        return ""
    start = (
        f"Of the plays that it brought, {formats.percent(card['spillover_stream_share'])} were of "
        "the artist's other tracks"
    )
    if not card["spillover_streams"] or tracks.is_empty():
        return f"{start}."
    return f"{start}; lately the most played of them is “{tracks['track_name'][0]}”."


def _undetermined(card: Row) -> str:
    if not card["undetermined_streams"] or card["spillover_stream_share"] is not None:
        return ""
    return (
        "Soundlink has not said which track this campaign promotes, so its "
        f"{formats.count(card['undetermined_streams'])} catalog plays cannot be told apart yet."
    )
