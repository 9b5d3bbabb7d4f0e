"""The rows of the breakdown export for one campaign and day, as JSON lines."""

import random
from datetime import date

from soundlink_assets.sandbox import draws
from soundlink_assets.sandbox.campaigns import LATE_ATTRIBUTION_DAYS, Campaign, Market
from soundlink_assets.sandbox.lines import head_of, number, text
from soundlink_assets.sandbox.maturing import Stage
from soundlink_assets.sandbox.rounding import money, ratio, ratio_of_money, total_with_fee

_MEDIA_SHARE = 0.8
_STRAY_CHANCE = 0.1
_LATE_CHANCE = 0.04
_LATE_PULL = 0.8
_NO_LINK_CLICKS = 0.02
_NO_META_FIGURES = 0.006
_FIRST_DAY_PACE = 0.55


def country_lines(seed: int, campaign: Campaign, day: date, stage: Stage) -> list[str]:
    """The day's lines by country code, without line ends; empty when the campaign has none."""
    since_spend = _days_since_spend(campaign, day)
    if since_spend is None:
        return []
    draw = draws.generator(seed, campaign.campaign_id, "country", day)
    head = head_of(campaign, day)
    pace = draw.uniform(0.93, 1.07) * (_FIRST_DAY_PACE if campaign.age(day) == 0 else 1.0)
    cents = 0.0 if since_spend else campaign.daily_budget_cents * _MEDIA_SHARE * pace
    lines = []
    for market in campaign.markets:
        chances = [draw.random() for _ in range(13)]
        if _appears_after(market, chances[0], chances[1]) > stage.days():
            continue
        line = _line(campaign, market, cents, since_spend, stage, chances)
        if line is not None:
            lines.append((market.country.code, line))
    stray = _stray_line(campaign, cents, stage, draw)
    if stray is not None:
        lines.append(stray)
    return [head + line for _, line in sorted(lines)]


def _days_since_spend(campaign: Campaign, day: date) -> int | None:
    """0 on a day with spend; up to the days of late attribution after one; else None."""
    if campaign.status_on(day) == "scheduled":
        return None
    for back in range(LATE_ATTRIBUTION_DAYS + 1):
        if campaign.age(day) >= back and campaign.spends_on(
            date.fromordinal(day.toordinal() - back)
        ):
            return back
    return None


def _appears_after(market: Market, chance: float, delay: float) -> float:
    """Days after which a row is first reported; small countries can be late."""
    if chance >= _LATE_CHANCE or market.country.pull > _LATE_PULL:
        return 0.0
    return 2 + 4 * delay


def _line(
    campaign: Campaign,
    market: Market,
    day_cents: float,
    since_spend: int,
    stage: Stage,
    chances: list[float],
) -> str | None:
    country = market.country
    final_cents = int(day_cents * market.spend_share * (0.82 + 0.36 * chances[2]) + chances[3])
    if since_spend:
        if chances[2] > 0.5 / since_spend:
            return None
        expected = campaign.daily_budget_cents * market.spend_share * 0.06 / since_spend
    else:
        expected = final_cents
    listeners = int(expected / 100 / market.listener_cost * (0.88 + 0.24 * chances[4]) + chances[5])
    if since_spend and not listeners:
        return None
    streams = listeners + int(
        listeners * (country.plays - 1) * (0.9 + 0.2 * chances[6]) + chances[7]
    )
    followers = int(listeners * country.follow_rate * (0.7 + 0.6 * chances[8]) + chances[9])
    impressions = int(final_cents * 10 / country.cpm * (0.9 + 0.2 * chances[10]))
    seen_impressions = int(impressions * stage.spend)
    ad_clicks = int(seen_impressions * (0.019 + 0.01 * chances[11]) + chances[4])
    link_clicks: int | None = int(ad_clicks * (0.68 + 0.18 * chances[6]))
    seen_cents = int(
        final_cents * stage.spend * (1 + (0.05 * chances[8] - 0.02) * stage.correction)
    )
    seen_listeners = stage.seen(listeners, chances[3])
    meta_luck = chances[12]
    if meta_luck < _NO_LINK_CLICKS:
        link_clicks = None
    no_meta = meta_luck < _NO_META_FIGURES
    return _render(
        campaign,
        country.code,
        cents=seen_cents,
        listeners=seen_listeners,
        streams=max(seen_listeners, stage.seen(streams, chances[3])),
        followers=min(seen_listeners, stage.seen(followers, chances[7])),
        impressions=None if no_meta else seen_impressions,
        ad_clicks=None if no_meta else min(ad_clicks, seen_impressions),
        link_clicks=link_clicks,
    )


def _stray_line(
    campaign: Campaign, day_cents: float, stage: Stage, draw: random.Random
) -> tuple[str, str] | None:
    """A country that is reported by mistake for some days and then withdrawn."""
    chance, delay, which, luck = (draw.random() for _ in range(4))
    if chance > _STRAY_CHANCE or not 1 <= stage.days() < 3 + 4 * delay:
        return None
    stray = campaign.strays[int(which * len(campaign.strays))].country
    listeners = int(1 + 3 * luck)
    cents = int(day_cents * 0.002 * (1 + luck))
    line = _render(
        campaign,
        stray.code,
        cents=cents,
        listeners=listeners,
        streams=listeners + int(2 * which),
        followers=0,
        impressions=int(cents * 10 / stray.cpm),
        ad_clicks=None,
        link_clicks=None,
    )
    return stray.code, line


def _render(  # noqa: PLR0913 - the figures of a row
    campaign: Campaign,
    country_code: str,
    *,
    cents: int,
    listeners: int,
    streams: int,
    followers: int,
    impressions: int | None,
    ad_clicks: int | None,
    link_clicks: int | None,
) -> str:
    total = total_with_fee(cents)
    cpf = ratio_of_money(cents, followers, 3) if followers else "0"
    return (
        f'"country_code":"{country_code}","impressions":{number(impressions)},'
        f'"ad_clicks":{number(ad_clicks)},"link_clicks":{number(link_clicks)},'
        f'"streams":{streams},"listeners":{listeners},"followers":{followers},'
        f'"streams_per_listener":{ratio(streams, listeners, 2) if listeners else "0"},'
        f'"spend_media":{money(cents)},"spend_total":{money(total)},"fees":{money(total - cents)},'
        f'"currency":"USD","currency_account":"USD",'
        f'"cpl":{ratio_of_money(cents, listeners, 3) if listeners else "0"},"cpf":{cpf},'
        f'"cpc_linkclick":{ratio_of_money(cents, link_clicks, 3) if link_clicks else "null"},'
        f'"ctr_linkclick":{_rate(link_clicks, impressions)},'
        f'"ctr_adclick":{_rate(ad_clicks, impressions)},'
        f'"cost_per_result":{cpf},"result_type":{text(campaign.result_type)}}}'
    )


def _rate(clicks: int | None, impressions: int | None) -> str:
    return ratio(clicks, impressions, 4) if clicks is not None and impressions else "null"
