"""The rows of the breakdown export for one campaign and day, as JSON lines."""

import random
from dataclasses import dataclass, replace
from datetime import date, timedelta
from math import exp
from typing import NamedTuple

from soundlink_assets.sandbox import draws
from soundlink_assets.sandbox.campaigns import LATE_ATTRIBUTION_DAYS, Campaign, Market
from soundlink_assets.sandbox.lines import head_of, number, text
from soundlink_assets.sandbox.maturing import Stage
from soundlink_assets.sandbox.rounding import money, ratio, ratio_of_money, total_with_fee

_MEDIA_SHARE = 0.8
_FIRST_DAY_PACE = 0.55
_LEARNING_DAYS = 4.0
_LATE_CHANCE = 0.04
_LATE_PULL = 0.8
_STRAY_CHANCE = 0.1
_NO_LINK_CLICKS = 0.02
_NO_META_FIGURES = 0.006
_LATE_ATTRIBUTION = 0.06


class _Luck(NamedTuple):
    """Chances in [0, 1) of one country and day, one for each thing that varies."""

    absence: float
    delay: float
    spend: float
    cent: float
    cost: float
    person: float
    plays: float
    play: float
    follows: float
    follower: float
    impressions: float
    clicks: float
    meta: float


@dataclass(frozen=True, slots=True)
class _Figures:
    """What a row counts; money in cents, None for what Meta did not report."""

    cents: int
    listeners: int
    streams: int
    followers: int
    impressions: int | None
    ad_clicks: int | None
    link_clicks: int | None


def country_lines(seed: int, campaign: Campaign, day: date, stage: Stage) -> list[str]:
    """The day's lines by country code, without line ends; empty when the campaign has none."""
    since_spend = _days_since_spend(campaign, day)
    if since_spend is None:
        return []
    draw = draws.generator(seed, campaign.campaign_id, "country", day)
    pace = draw.uniform(0.93, 1.07) * (_FIRST_DAY_PACE if campaign.age(day) == 0 else 1.0)
    day_cents = 0.0 if since_spend else campaign.daily_budget_cents * _MEDIA_SHARE * pace
    dearer = 1 + 0.3 * exp(-campaign.age(day) / _LEARNING_DAYS)
    rows: list[tuple[str, _Figures]] = []
    for market in campaign.markets:
        luck = _Luck(*(draw.random() for _ in range(len(_Luck._fields))))
        if stage.days() < _reported_after(market, luck):
            continue
        if since_spend:
            final = _after_the_spend(campaign, market, since_spend, luck)
        else:
            cents = int(day_cents * market.spend_share * (0.82 + 0.36 * luck.spend) + luck.cent)
            final = _figures(market, cents, cents / 100 / dearer, luck)
        if final is not None:
            rows.append((market.country.code, _seen(final, stage, luck)))
    rows += _stray(campaign, day_cents, stage, draw)
    head = head_of(campaign, day)
    rows.sort(key=lambda row: row[0])
    return [head + _render(code, figures, campaign.result_type) for code, figures in rows]


def _days_since_spend(campaign: Campaign, day: date) -> int | None:
    """0 on a day with spend; up to the days of late attribution after one; else None."""
    for back in range(LATE_ATTRIBUTION_DAYS + 1):
        if campaign.spends_on(day - timedelta(days=back)):
            return back
    return None


def _reported_after(market: Market, luck: _Luck) -> float:
    """Days after which the row is first reported; small countries can be late."""
    if luck.absence >= _LATE_CHANCE or market.country.pull > _LATE_PULL:
        return 0.0
    return 2 + 4 * luck.delay


def _after_the_spend(
    campaign: Campaign, market: Market, since_spend: int, luck: _Luck
) -> _Figures | None:
    """A day without spend, on which somebody who clicked before may still listen."""
    if luck.spend > 0.5 / since_spend:
        return None
    late = campaign.daily_budget_cents / 100 * market.spend_share * _LATE_ATTRIBUTION / since_spend
    figures = _figures(market, 0, late, luck)
    return figures if figures.listeners else None


def _figures(market: Market, cents: int, worth: float, luck: _Luck) -> _Figures:
    """The final figures of a row: `worth` is the money (USD) whose listeners it shows."""
    country = market.country
    listeners = int(worth / market.listener_cost * (0.88 + 0.24 * luck.cost) + luck.person)
    more_plays = listeners * (country.plays - 1) * (0.9 + 0.2 * luck.plays)
    impressions = int(cents * 10 / country.cpm * (0.9 + 0.2 * luck.impressions))
    ad_clicks = min(impressions, int(impressions * (0.019 + 0.01 * luck.clicks) + luck.cost))
    no_figures = luck.meta < _NO_META_FIGURES
    no_link_clicks = luck.meta < _NO_LINK_CLICKS
    return _Figures(
        cents=cents,
        listeners=listeners,
        streams=listeners + int(more_plays + luck.play),
        followers=int(listeners * country.follow_rate * (0.7 + 0.6 * luck.follows) + luck.follower),
        impressions=None if no_figures else impressions,
        ad_clicks=None if no_figures else ad_clicks,
        link_clicks=None if no_link_clicks else int(ad_clicks * (0.68 + 0.18 * luck.plays)),
    )


def _seen(final: _Figures, stage: Stage, luck: _Luck) -> _Figures:
    """The part of the final figures that is reported at this stage."""
    correction = 1 + (0.05 * luck.follows - 0.02) * stage.correction
    listeners = stage.seen(final.listeners, luck.cent)
    return replace(
        final,
        cents=int(final.cents * stage.spend * correction),
        listeners=listeners,
        streams=max(listeners, stage.seen(final.streams, luck.cent)) if listeners else 0,
        followers=min(listeners, stage.seen(final.followers, luck.play)),
        impressions=_part(final.impressions, stage.spend),
        ad_clicks=_part(final.ad_clicks, stage.spend),
        link_clicks=_part(final.link_clicks, stage.spend),
    )


def _part(count: int | None, fraction: float) -> int | None:
    return None if count is None else int(count * fraction)


def _stray(
    campaign: Campaign, day_cents: float, stage: Stage, draw: random.Random
) -> list[tuple[str, _Figures]]:
    """A country that is reported by mistake for some days and then withdrawn, now and then."""
    chance, delay, which, luck = (draw.random() for _ in range(4))
    if chance > _STRAY_CHANCE or not 1 <= stage.days() < 3 + 4 * delay:
        return []
    country = campaign.strays[int(which * len(campaign.strays))]
    listeners = int(1 + 3 * luck)
    cents = int(day_cents * 0.002 * (1 + luck))
    impressions = int(cents * 10 / country.cpm)
    plays = listeners + int(2 * which)
    return [(country.code, _Figures(cents, listeners, plays, 0, impressions, None, None))]


def _render(country_code: str, row: _Figures, result_type: str | None) -> str:
    total = total_with_fee(row.cents)
    cpf = ratio_of_money(row.cents, row.followers, 3) if row.followers else "0"
    plays = ratio(row.streams, row.listeners, 2) if row.listeners else "0"
    cpl = ratio_of_money(row.cents, row.listeners, 3) if row.listeners else "0"
    cpc = ratio_of_money(row.cents, row.link_clicks, 3) if row.link_clicks else "null"
    return (
        f'"country_code":"{country_code}","impressions":{number(row.impressions)},'
        f'"ad_clicks":{number(row.ad_clicks)},"link_clicks":{number(row.link_clicks)},'
        f'"streams":{row.streams},"listeners":{row.listeners},"followers":{row.followers},'
        f'"streams_per_listener":{plays},"spend_media":{money(row.cents)},'
        f'"spend_total":{money(total)},"fees":{money(total - row.cents)},'
        f'"currency":"USD","currency_account":"USD","cpl":{cpl},"cpf":{cpf},'
        f'"cpc_linkclick":{cpc},"ctr_linkclick":{_rate(row.link_clicks, row.impressions)},'
        f'"ctr_adclick":{_rate(row.ad_clicks, row.impressions)},'
        f'"cost_per_result":{cpf},"result_type":{text(result_type)}}}'
    )


def _rate(clicks: int | None, impressions: int | None) -> str:
    return ratio(clicks, impressions, 4) if clicks is not None and impressions else "null"
