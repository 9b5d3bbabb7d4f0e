"""The page: a marimo app, whose cells run again when a filter that they read changes."""

import marimo

app = marimo.App(width="medium", app_title="Soundlink campaigns", css_file="page.css")

with app.setup:
    from collections.abc import Callable
    from datetime import timedelta
    from functools import partial

    import marimo as mo
    import polars as pl

    import soundlink_assets as sl
    from soundlink_assets.explore import tables
    from soundlink_assets.report import charts, formats
    from soundlink_assets.schema.analytics import COUNTRY_EFFICIENCY, SPILLOVER_SHARE
    from soundlink_assets.schema.nowcast import REVISION_NOWCAST

    SHOWN_DAYS = 90
    MEANINGS = {
        column.name: column.description
        for table in (REVISION_NOWCAST, SPILLOVER_SHARE, COUNTRY_EFFICIENCY)
        for column in table.columns
    }


@app.function
def read(query: tables.Query) -> pl.DataFrame:
    """The rows of one query, from the newest state of the warehouse."""
    return sl.open().sql(query.sql, query.parameters)


@app.function
def number(value: float | None) -> str:
    """An estimate as a whole number."""
    return formats.count(None if value is None else round(value))


@app.function
def shown(name: str, query: tables.Query, note: str, currency: str) -> mo.Html:
    """A table, with its file and its SQL; figures are formatted in the table only."""
    frame = read(query)
    visible = frame.drop("campaign_id", strict=False)
    formatted: dict[str, Callable[..., str]] = {
        **dict.fromkeys(("campaign_name", "link_kind", "measure"), str),
        "country_code": formats.country,
        "report_date": formats.day,
        "is_settled": lambda value: "final" if value else "open",
        "spillover_stream_share": formats.percent,
        **dict.fromkeys(("spend_media", "spend_total"), partial(formats.money, currency=currency)),
        **dict.fromkeys(
            [column for column in visible.columns if column.startswith("cost_per_")],
            partial(formats.cost, currency=currency),
        ),
    }
    table = mo.ui.table(
        visible,
        selection=None,
        show_column_summaries=False,
        show_data_types=False,
        show_download=False,
        show_search=False,
        page_size=15,
        format_mapping={column: formatted.get(column, number) for column in visible.columns},
        header_tooltip={
            column: MEANINGS[column] for column in visible.columns if column in MEANINGS
        },
        text_justify_columns={
            column: "right" for column, kind in visible.schema.items() if kind.is_numeric()
        },
        freeze_columns_left=visible.columns[:1],
    )
    file = mo.download(
        frame.write_csv().encode(),
        filename=f"{name.lower().replace(' ', '_')}.csv",
        label="Download as CSV",
    )
    sql = mo.accordion({"SQL": mo.md(f"```sql\n{query}\n```")})
    return mo.vstack([table, mo.md(note), mo.hstack([file], justify="start"), sql])


@app.cell
def _() -> tuple[object, ...]:
    choices = read(tables.CHOICES)
    _named = choices.unique("campaign_id", maintain_order=True).with_columns(
        pl.when(pl.col("campaign_name").is_duplicated())
        .then(pl.format("{} ({})", "campaign_name", "campaign_id"))
        .otherwise("campaign_name")
    )
    _codes = sorted(set(choices["countries"].explode()), key=formats.country)
    _currencies = choices["currency"].unique(maintain_order=True).to_list()
    _first, _last = choices.select(pl.min("first"), pl.max("last")).row(0)

    campaigns = mo.ui.multiselect(
        dict(_named.select("campaign_name", "campaign_id").iter_rows()), label="Campaigns"
    )
    countries = mo.ui.multiselect(
        {formats.country(code): code for code in _codes}, label="Countries"
    )
    days = mo.ui.date_range(
        start=_first,
        stop=_last,
        value=(max(_first, _last - timedelta(days=SHOWN_DAYS - 1)), _last),
        label="Days",
    )
    currency = mo.ui.dropdown(
        _currencies, value=_currencies[0], allow_select_none=False, label="Currency"
    )
    fees = mo.ui.switch(label="With Soundlink's fees")
    expected = mo.ui.switch(value=True, label="Expected figures of open days")
    _filters = [campaigns, countries, days, *([currency] if len(_currencies) > 1 else [])]
    mo.vstack(
        [
            mo.md(
                f"# Soundlink campaigns\n\nLoaded: {formats.span(_first, _last)}. A filter without "
                "a choice shows all."
            ),
            *(
                mo.hstack(row, wrap=True, justify="start", gap=1.5)
                for row in (_filters, [fees, expected])
            ),
        ],
        gap=1,
    )
    return campaigns, countries, currency, days, expected, fees


@app.cell
def _(
    campaigns: mo.ui.multiselect,
    countries: mo.ui.multiselect,
    currency: mo.ui.dropdown,
    days: mo.ui.date_range,
    fees: mo.ui.switch,
) -> tuple[tables.Filters]:
    filters = tables.Filters(
        first=days.value[0],
        last=days.value[1],
        currency=currency.value,
        campaigns=tuple(map(str, campaigns.value)),
        countries=tuple(map(str, countries.value)),
        with_fees=fees.value,
    )
    return (filters,)


@app.cell
def _(filters: tables.Filters) -> None:
    _total = read(tables.totals(filters)).row(0, named=True)
    _fees = "with fees" if filters.with_fees else "media"
    _tiles = {
        f"Spend, {_fees}": formats.money(_total[filters.spend], filters.currency),
        "Listeners": formats.count(_total["listeners"]),
        "Followers": formats.count(_total["followers"]),
        **{
            f"Per {what}, {_fees}": formats.cost(
                _total[f"cost_per_{what}{filters.cost_suffix}"], filters.currency
            )
            for what in ("listener", "follower")
        },
    }
    mo.Html(
        "<dl class='tiles'>"
        + "".join(f"<div><dt>{label}</dt><dd>{value}</dd></div>" for label, value in _tiles.items())
        + "</dl>"
    )


@app.cell
def _(expected: mo.ui.switch, filters: tables.Filters) -> None:
    _days = read(tables.days(filters))
    _open = _days.filter(~pl.col("is_settled"))["report_date"]
    _expected = read(tables.open_days(filters)).drop_nulls("expected")
    _sentences = []
    if not _open.is_empty():
        _sentences.append(f"Open, and may still change: {formats.spans(_open)}.")
    if filters.countries and expected.value:
        _expected = _expected.clear()
        _sentences.append("Expected figures are of all countries, so none are drawn here.")
    elif expected.value and not _expected.is_empty():
        _sentences.append("Hollow: what open days are expected to come to.")
    _draw = partial(
        charts.spend_and_listeners,
        _days,
        filters.currency,
        expected=_expected if expected.value else None,
    )
    mo.vstack(
        [
            mo.Html(
                "".join(
                    charts.svg(_draw(size=size), "Spend and listeners by day", size)
                    for size in (charts.WIDE, charts.NARROW)
                )
                if _days.height
                else "No figures of what is chosen."
            ),
            mo.md(" ".join(_sentences)),
        ]
    )


@app.cell
def _(expected: mo.ui.switch, filters: tables.Filters) -> None:
    _tables = {
        "Countries": (tables.countries, ""),
        "Campaigns": (tables.campaigns, ""),
        "Days": (tables.days, ""),
        "Open days": (
            tables.open_days,
            (
                "Expected: an estimate from how earlier days came about, of all countries and "
                "without fees. A dash: too few final days are known yet. The ends of intervals, "
                "`low` to `high` (95%), cannot be added up: choose one campaign to see them."
            ),
        ),
        "Other tracks": (
            tables.other_tracks,
            (
                "Plays of the promoted track and of the artist's others, by people who connected "
                "Spotify: a floor."
            ),
        ),
    }
    if not expected.value:
        del _tables["Open days"]
    mo.ui.tabs(
        {
            name: shown(name, query(filters), note, filters.currency)
            for name, (query, note) in _tables.items()
        }
    )


if __name__ == "__main__":
    app.run()
