"""The page: complete in itself, honest, and safe with any text."""

import re
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from html import unescape
from html.parser import HTMLParser
from typing import Any

import polars as pl
import pytest
from typing_extensions import override

from soundlink_assets.report.content import CheckResult, ReportContent
from soundlink_assets.report.formats import UNKNOWN
from soundlink_assets.report.page import preview_jpeg, render_page
from soundlink_assets.report.sections import MAX_SECTIONS
from soundlink_assets.schema.window import final_at
from soundlink_assets_tests.metrics.rows import midnight
from soundlink_assets_tests.report.contents import PLAYLIST_PLAYS, PLAYS, SPEND, content_of, day


class _Texts(HTMLParser):
    """The text of a page by the element around it, and every tag with its attributes."""

    VOID = frozenset({"meta", "link", "br", "img", "path", "line", "hr"})

    def __init__(self, page: str) -> None:
        super().__init__()
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.open: list[str] = []
        self.texts: list[tuple[str, str]] = []
        self.feed(page)

    @override
    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))
        if tag not in self.VOID:
            self.open.append(tag)

    @override
    def handle_endtag(self, tag: str) -> None:
        if tag in self.open:
            while self.open.pop() != tag:
                pass

    @override
    def handle_data(self, data: str) -> None:
        if data.strip():
            self.texts.append((self.open[-1] if self.open else "", data.strip()))

    def of(self, tag: str) -> list[str]:
        return [text for around, text in self.texts if around == tag]


def _visible(page: str) -> str:
    without_style = re.sub(r"<style>.*?</style>", "", page, flags=re.DOTALL)
    return re.sub(r"\s+", " ", unescape(re.sub(r"<[^>]*>", " ", without_style)))


def _check(
    name: str, *, passed: bool, severity: str = "ERROR", description: str = ""
) -> CheckResult:
    return CheckResult(
        asset="soundlink/campaign_country_daily",
        check=name,
        passed=passed,
        severity=severity,
        description=description,
        checked_at=datetime(2026, 4, 12, tzinfo=UTC),
    )


def test_the_page_needs_nothing_but_itself() -> None:
    page = render_page(content_of(SPEND, [*PLAYS, *PLAYLIST_PLAYS]))
    addresses = set(re.findall(r"(?:https?:)?//[\w.-]+[^\s\"'<>)]*", page))
    assert addresses <= {"http://www.w3.org/2000/svg", "http://www.w3.org/1999/xlink"}
    tags = _Texts(page).tags
    assert not {tag for tag, _ in tags} & {"script", "link", "img", "iframe", "object", "embed"}
    assert "@import" not in page
    assert not [name for _, attributes in tags for name in attributes if name.startswith("on")]


def test_every_kind_of_figure_is_there() -> None:
    titles = _Texts(render_page(content_of(SPEND, [*PLAYS, *PLAYLIST_PLAYS]))).of("h3")
    assert titles == [
        "Spend against listeners, day by day",
        "What a listener costs in each country",
        "Plays of the promoted track and of the artist's other tracks",
        "The other tracks that were played most",
        "The playlist's tracks that were played most",
        "Positions of these tracks in the playlist",
    ]


def test_figures_without_data_are_left_out() -> None:
    unplaced = [{**play, "playlist_position": None} for play in PLAYLIST_PLAYS]
    titles = _Texts(render_page(content_of(SPEND, unplaced))).of("h3")
    assert titles[-1] == "The playlist's tracks that were played most"
    assert not [title for title in titles if "promoted track" in title]


def test_headline_figures_are_the_scorecards() -> None:
    text = _visible(render_page(content_of(SPEND, PLAYS)))
    assert "Media spend $177" in text  # 3 days x (40 + 10 + 9)
    assert "Listeners 777" in text  # 3 x (80 + 170 + 9)
    assert "Cost per listener $0.228" in text  # 177 / 777
    assert "Plays of other tracks 40%" in text  # (30 + 10) / 100


def test_what_is_open_is_said() -> None:
    text = _visible(render_page(content_of(SPEND)))
    assert "Still open: 3 Apr 2026, 33% of the spend." in text
    final = [row for row in SPEND if row["report_date"] != day(2)]
    assert "All figures are final." in _visible(render_page(content_of(final)))


def test_both_costs_are_in_the_headline_and_in_the_overview() -> None:
    dear = [{**row, "spend_total": str(Decimal(str(row["spend_media"])) * 2)} for row in SPEND]
    text = _visible(render_page(content_of(dear)))
    assert "Media spend $177 $354 with fees" in text
    assert "Cost per listener $0.228 $0.456 with fees 95%: $0.212 to $0.245" in text
    two = [{**row, "campaign_id": "c2", "campaign_name": "Second"} for row in dear]
    text = _visible(render_page(content_of([*dear, *two])))
    assert "Cost per listener $0.228 $0.456 with fees" in text.split("All campaigns")[0]
    assert "$0.228 $0.456 with fees $0.212 to $0.245" in text.split("All campaigns")[1]


def test_the_final_days_are_those_that_were_loaded() -> None:
    text = _visible(render_page(content_of(SPEND)))
    assert "2 final days $0.228 per listener $0.228 with fees 1 to 2 Apr 2026" in text
    unknown = [row for row in SPEND if row["report_date"] == day(2)]
    assert f"Final days {UNKNOWN} none yet" in _visible(render_page(content_of(unknown)))


# What a reader must know first


def _notices(content: ReportContent) -> list[tuple[str, str]]:
    page = render_page(content)
    (found,) = re.findall(r'<ul class="notices".*?</ul>', page, flags=re.DOTALL) or [""]
    return re.findall(r'<li class="(\w+)">(.*?) <a', found)


def test_nothing_is_noticed_where_nothing_is_wrong() -> None:
    checks = (_check("valid_rows", passed=True),)
    whole = frozenset(day(offset) for offset in range(10))
    assert _notices(content_of(SPEND, checks=checks, loaded_days=whole)) == []
    assert _notices(content_of(SPEND)) == []


def test_red_checks_are_on_top() -> None:
    checks = (
        _check("valid_rows", passed=False),
        _check("row_loss", passed=False),
        _check("formats", passed=False, severity="WARN"),
        replace(_check("totals", passed=False), is_outdated=True),
    )
    assert _notices(content_of(SPEND, checks=checks)) == [
        ("bad", "2 checks of the data failed: figures below may be wrong."),
        ("warn", "1 check of the data gave a warning."),
    ]


def test_days_that_were_not_loaded_are_on_top() -> None:
    holed = frozenset(day(offset) for offset in (0, 1, 4, 5))
    content = content_of(SPEND, loaded_days=holed, made_at=midnight(day(7), 0))
    assert _notices(content) == [("bad", "Not loaded: 3 to 4 Apr 2026.")]


@pytest.mark.parametrize(("hours", "missing"), [(11, []), (12, ["Not loaded: 3 Apr 2026."])])
def test_yesterday_is_missing_from_noon_on(hours: int, missing: list[str]) -> None:
    made_at = midnight(day(3)) + timedelta(hours=hours)
    content = content_of(SPEND, loaded_days=frozenset({day(0), day(1)}), made_at=made_at)
    assert [sentence for _, sentence in _notices(content)] == missing


def test_open_days_that_should_be_final_are_on_top() -> None:
    overdue = "Should be final by now, and was not fetched again: 3 Apr 2026."
    for days_later, expected in ((10, []), (11, [("warn", overdue)])):
        content = content_of(SPEND, made_at=midnight(day(2), days_later))
        assert _notices(content) == expected


# Campaigns that have not started, or have ended


def _with_status(status: str | None) -> ReportContent:
    content = content_of(SPEND)
    return replace(content, campaigns=content.campaigns.with_columns(status=pl.lit(status)))


@pytest.mark.parametrize(
    ("status", "shown"),
    [
        ("scheduled", "figures of 1 to 3 Apr 2026 · has not started"),
        ("active", "figures of 1 to 3 Apr 2026 · running"),
        ("ended", "figures of 1 to 3 Apr 2026 · ended, last spend on 3 Apr 2026"),
        (None, "figures of 1 to 3 Apr 2026 Media spend"),
    ],
)
def test_the_state_of_a_campaign_is_said(status: str | None, shown: str) -> None:
    assert shown in _visible(render_page(_with_status(status)))


def test_a_campaign_without_figures_is_in_the_overview() -> None:
    content = _with_status("active")
    more = content.campaigns.with_columns(
        campaign_id=pl.lit("c9"), promoted_name=pl.lit("Song to come"), status=pl.lit("scheduled")
    )
    page = render_page(replace(content, campaigns=pl.concat([content.campaigns, more])))
    assert "Song to come track has not started" in _visible(page)


ENDED = [row for row in SPEND if row["report_date"] != day(2)]
"""Spend of final days only; `PLAYS` and `PLAYLIST_PLAYS` go on to a day that is open."""


def test_open_plays_after_the_last_spend_are_open() -> None:
    text = _visible(render_page(content_of(ENDED, PLAYS)))
    assert "Still open: 3 Apr 2026, plays only." in text
    assert "All figures are final." not in text


def test_a_campaign_with_plays_only_is_final_when_its_plays_are() -> None:
    final = [play for play in PLAYS if play["report_date"] != day(2)]
    assert "All figures are final." in _visible(render_page(content_of([], final)))
    assert "All figures are final." not in _visible(render_page(content_of([], PLAYS)))


def test_open_plays_of_another_campaign_do_not_matter_to_one_that_is_final() -> None:
    other = [{**play, "campaign_id": "c2", "campaign_name": "Second"} for play in PLAYS]
    text = _visible(render_page(content_of(ENDED, other)))
    assert text.count("All figures are final.") == 1
    assert text.count("Still open: 3 Apr 2026, plays only.") == 1


@pytest.mark.parametrize(("is_settled", "shown"), [(True, "All figures"), (False, "Still open")])
def test_a_playlist_is_final_when_its_rows_are(*, is_settled: bool, shown: str) -> None:
    content = content_of(ENDED, PLAYLIST_PLAYS)
    flagged = content.playlist_tracks.with_columns(is_settled=pl.lit(is_settled))
    assert shown in _visible(render_page(replace(content, playlist_tracks=flagged)))


def test_open_spend_of_days_that_are_no_longer_drawn_is_open() -> None:
    content = content_of(SPEND)
    drawn = content.spend_by_day.filter("is_settled")
    text = _visible(render_page(replace(content, spend_by_day=drawn)))
    assert "Still open: days before those that are drawn, 33% of the spend." in text
    assert "final until" not in text


def test_everything_shown_is_final_until_the_day_that_is_said() -> None:
    assert "Figures of 1 to 3 Apr 2026, final until 2 Apr 2026." in _visible(
        render_page(content_of(SPEND))
    )
    early = [{**SPEND[0], "campaign_id": "c2", "campaign_name": "Second"}]
    content = content_of([*SPEND, *early])
    opened = content.spend_by_day.with_columns(is_settled=pl.col("campaign_id") != "c2")
    cards = content.campaign_scorecard.with_columns(
        settled_days=pl.when(pl.col("campaign_id") == "c2").then(0).otherwise(3)
    )
    mixed = replace(content, spend_by_day=opened, campaign_scorecard=cards)
    assert "final until" not in _visible(render_page(mixed))
    # Nothing is open, but the third day may still come.
    alone = replace(content_of(ENDED), made_at=final_at(day(1)))
    assert "final until 2 Apr 2026." in _visible(render_page(alone))


def test_characters_that_no_page_may_hold_are_replaced() -> None:
    odd = "a\x00b\x01c\uffffd\u2028e"
    spend = [{**row, "campaign_name": odd, "currency": "U\x02D"} for row in SPEND]
    plays = [{**play, "engaged_track_name": odd} for play in PLAYS]
    content = content_of(spend, plays, checks=(_check("rule", passed=False, description=odd),))
    page = render_page(content)
    page.encode("utf-8")
    assert not re.search("[\x00-\x08\x0b\x0c\x0e-\x1f\ufffe\uffff\u2028\u2029]", page)
    assert _Texts(page).of("h1") == ["a\ufffdb\ufffdc\ufffdd e"]
    assert preview_jpeg(content) is not None


def test_sentences_say_only_what_is_sure() -> None:
    text = _visible(render_page(content_of(SPEND, PLAYS)))
    assert "Listeners cost less than the campaign's average in Brazil ($0.059)." in text
    assert "They cost more in United States ($0.500) and Norway ($1.00)" in text
    assert "40% were of the artist's other tracks" in text
    few = [{"country_code": c, "spend_media": "1.00", "listeners": 2} for c in ("US", "BR")]
    assert "cost less than" not in _visible(render_page(content_of(few)))


def test_association_and_not_causation_is_on_every_page() -> None:
    text = _visible(render_page(content_of(SPEND)))
    assert "Costs are associations." in text
    assert "not as proof of what an advert caused" in text


def test_an_unidentified_promoted_track_is_explained() -> None:
    nowhere = {"campaign_target_isrc": None, "campaign_target_spotify_track_id": None}
    text = _visible(render_page(content_of(SPEND, [{**play, **nowhere} for play in PLAYS])))
    assert "its 300 catalog plays cannot be told apart yet" in text


def test_names_cannot_break_out_of_the_page() -> None:
    name = "<script>alert('&')</script>"
    spend = [{**row, "campaign_name": name} for row in SPEND]
    plays = [{**play, "engaged_track_name": name} for play in PLAYS]
    page = render_page(content_of(spend, plays))
    assert "<script" not in page
    assert "&lt;script&gt;alert(&#39;&amp;&#39;)&lt;/script&gt;" in page


def test_several_campaigns_get_an_overview_that_links_to_their_sections() -> None:
    other = [
        {**row, "campaign_id": "c2", "campaign_name": "Second", "listeners": 0} for row in SPEND
    ]
    page = _Texts(render_page(content_of([*SPEND, *other])))
    links = {a["href"] for tag, a in page.tags if tag == "a"}
    anchors = {f"#{a['id']}" for tag, a in page.tags if a.get("class") == "campaign"}
    assert links == anchors == {"#c-c1-USD", "#c-c2-USD"}
    assert "Campaign report" in page.of("h1")


def test_one_campaign_is_the_title_and_has_no_overview() -> None:
    page = _Texts(render_page(content_of(SPEND)))
    assert page.of("h1") == ["Sleep Playlist"]
    assert "All campaigns" not in page.of("h2")


def test_two_currencies_are_never_added() -> None:
    euros = [{**row, "currency": "EUR", "country_code": "DE"} for row in SPEND[:1]]
    text = _visible(render_page(content_of([*SPEND, *euros])))
    assert "Sleep Playlist (USD)" in text
    assert "Sleep Playlist (EUR)" in text
    assert "$177" in text
    assert "€40.00" in text


def test_a_campaign_with_plays_only_is_shown_with_unknown_costs() -> None:
    text = _visible(render_page(content_of([], PLAYS)))
    assert f"Media spend {UNKNOWN}" in text
    assert "Plays of other tracks 40%" in text


def test_an_empty_warehouse_gives_a_page_that_says_so() -> None:
    assert "No campaign has any figures yet." in _visible(render_page(content_of([])))


def test_sums_over_campaigns_may_leave_64_bits() -> None:
    huge = {"spend_media": "600000000000", "listeners": 2**62, "followers": 0}
    text = _visible(
        render_page(content_of([{**huge, "campaign_id": f"c{number}"} for number in range(3)]))
    )
    assert "Media spend $1,800,000,000,000" in text
    assert f"Listeners {3 * 2**62:,}" in text


def test_a_great_many_campaigns_keep_the_page_readable() -> None:
    spend = [
        {"campaign_id": f"c{n}", "spend_media": f"{n}.00", "listeners": n, "campaign_name": f"N{n}"}
        for n in range(1, MAX_SECTIONS + 4)
    ]
    page = render_page(content_of(spend))
    assert page.count('class="campaign"') == MAX_SECTIONS
    assert "The 3 campaigns with the least spend have no section below." in _visible(page)


def test_failed_checks_are_listed_and_passed_ones_counted() -> None:
    checks = (
        _check("required_fields", passed=True),
        _check("cpl_identity", passed=False, severity="WARN", description="3 of 90 rows <are> off"),
    )
    text = _visible(render_page(content_of(SPEND, checks=checks)))
    assert "1 of 2 checks of the data passed" in text
    assert "WARN cpl_identity 3 of 90 rows <are> off" in text


def test_a_verdict_on_what_was_there_before_is_not_counted() -> None:
    current = _check("required_fields", passed=True)
    outdated = replace(_check("totals", passed=True), is_outdated=True)
    text = _visible(render_page(content_of(SPEND, checks=(current, outdated))))
    assert "All 1 checks of the data passed" in text
    assert "written again after they last ran" in text
    assert "soundlink/campaign_country_daily, totals: passed before." in text
    only = _visible(render_page(content_of(SPEND, checks=(replace(outdated, passed=False),))))
    assert "totals: did not pass before." in only
    assert "checks of the data passed" not in only


def test_all_checks_passed_and_none_known_read_differently() -> None:
    content = content_of(SPEND, checks=(_check("required_fields", passed=True),))
    assert "All 1 checks of the data passed" in _visible(render_page(content))
    assert "No check results are recorded" in _visible(render_page(replace(content, checks=())))


def test_synthetic_data_is_marked() -> None:
    assert "Nothing here is real" in render_page(content_of(SPEND, is_synthetic=True))
    assert "Nothing here is real" not in render_page(content_of(SPEND))


def test_countries_with_hardly_any_spend_are_not_drawn() -> None:
    little: dict[str, Any] = {"country_code": "ZA", "spend_media": "0.02", "listeners": 1}
    text = _visible(render_page(content_of([*SPEND, little])))
    assert "Countries with hardly any spend are left out (1)." in text
    assert "South Africa" not in text


def test_countries_without_room_are_not_said_to_have_hardly_any_spend() -> None:
    codes = [first + second for first in "BCDEF" for second in "ABCDEF"]
    equal = [{"country_code": code, "spend_media": "10.00", "listeners": 50} for code in codes]
    text = _visible(render_page(content_of(equal)))
    assert "Only the 15 countries with the greatest spend are drawn: 15 more are left out." in text
    assert "hardly any spend" not in text
    little = {"country_code": "ZA", "spend_media": "0.02", "listeners": 1}
    both = _visible(render_page(content_of([*equal, little])))
    assert "hardly any spend are left out (1). Only the 15 countries" in both
    assert ": 15 more are left out." in both


def test_an_unknown_target_is_called_undetermined() -> None:
    content = content_of([*SPEND, {**SPEND[0], "campaign_id": "c2", "campaign_name": "Second"}])
    unknown = content.campaigns.with_columns(
        pl.lit(None, pl.String).alias(column)
        for column in ("target_type", "artist_name", "promoted_name")
    )
    assert "undetermined" in _visible(render_page(replace(content, campaigns=unknown)))
