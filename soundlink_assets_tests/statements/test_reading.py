"""One statement file: what is read from it, and why a row is refused."""

from datetime import date
from decimal import Decimal
from pathlib import Path

import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from soundlink_assets.statements.reading import Figures, StatementFile, read_file
from soundlink_assets_tests.statements.files import HEADER, ISRC, row, write


def _read(folder: Path, *lines: str, header: str = HEADER, mapping: str = "") -> StatementFile:
    if mapping:
        (folder / "a.mapping.toml").write_text(mapping, encoding="utf-8")
    return read_file(write(folder / "a.csv", *lines, header=header))


def test_the_shape_of_the_reference_needs_no_mapping(tmp_path: Path) -> None:
    file = _read(tmp_path, row(streams=1000, revenue="3.512345678901234567"))
    assert (file.shape, file.refusals) == ("reference", [])
    ((key, figures),) = file.figures.items()
    assert key == (ISRC, "Spotify", date(2026, 4, 1), "US", "USD")
    assert (figures.streams, figures.revenue) == (1000, Decimal("3.512345678901234567"))


@pytest.mark.parametrize(
    ("line", "reason"),
    [
        (row(isrc=""), "no ISRC"),
        (row(isrc="TOTAL"), "'TOTAL' is not an ISRC"),
        (row(store=""), "no store"),
        (row(month="04/2026"), "sale month '04/2026' is not YYYY-MM"),
        (row(month="2026-13"), "sale month '2026-13' is not YYYY-MM"),
        (row(currency=""), "no currency"),
        (row(currency="US$"), "currency 'US$' is not three letters"),
        (row(streams="1.5"), "streams '1.5' is not a whole number"),
        (row(streams="many"), "streams 'many' is not a number"),
        (row(streams="9" * 20), f"streams '{'9' * 20}' is out of range"),
        (row(revenue="1e12"), "revenue '1e12' is out of range"),
        (row(revenue="1e9999999999999999999"), "revenue '1e9999999999999999999' is not a number"),
        (row(revenue="NaN"), "revenue 'NaN' is not a number"),
        (row(revenue='"0,35"'), "revenue '0,35' is not a number; see `decimal`, `thousands`"),
        (row(streams="", revenue=""), "neither streams nor revenue"),
        (row() + ",more", "8 cells where the header has 7"),
    ],
)
def test_a_row_that_cannot_be_counted_is_refused_with_its_line(
    tmp_path: Path, line: str, reason: str
) -> None:
    file = _read(tmp_path, row(), "", line, row())
    assert [(refusal.line, refusal.reason) for refusal in file.refusals] == [(4, reason)]
    assert file.row_count == 2


def test_a_quote_that_is_not_closed_hides_no_lines(tmp_path: Path) -> None:
    file = _read(tmp_path, row(), '"' + row(), row())
    assert [(refusal.line, refusal.reason) for refusal in file.refusals] == [
        (3, "goes on until line 4: a quote is not closed")
    ]


def test_a_quote_that_hides_more_than_a_row_can_hold_refuses_the_file(tmp_path: Path) -> None:
    file = _read(tmp_path, row(), '"' + row(), *[row()] * 5000)
    assert file.counts_as == "refused"
    assert file.refusals[0].reason.startswith("from line 3 on: ")


@pytest.mark.parametrize(
    ("streams", "revenue"), [("", "0.5"), ("0", "0.5"), ("12", ""), ("12", "0"), ("-3", "-0.01")]
)
def test_amounts_without_streams_streams_without_amounts_and_corrections_count(
    tmp_path: Path, streams: str, revenue: str
) -> None:
    file = _read(tmp_path, row(streams=streams, revenue=revenue))
    (figures,) = file.figures.values()
    assert (figures.streams, figures.revenue) == (int(streams or 0), Decimal(revenue or 0))


@pytest.mark.parametrize("store", ["spotify", "SPOTIFY", " Spotify "])
def test_spotify_is_recognised_in_any_case_and_nothing_else_is(tmp_path: Path, store: str) -> None:
    file = _read(tmp_path, row(store=store), row(store="Spotify Video"), row(store="Deezer"))
    assert {key.store for key in file.figures} == {"Spotify", "Spotify Video", "Deezer"}
    assert file.other_stores == {"Spotify Video"}


@pytest.mark.parametrize(
    ("country", "code"),
    [
        ("us", "US"),
        ("United Kingdom", "GB"),
        ("UK", "GB"),
        ("NA", "NA"),
        ("", "ZZ"),
        ("Rest of World", "ZZ"),
    ],
)
def test_a_country_is_a_code_or_an_english_name(tmp_path: Path, country: str, code: str) -> None:
    file = _read(tmp_path, row(country=country))
    assert {key.country_code for key in file.figures} == {code}
    assert file.unknown_countries == ({country} if country == "Rest of World" else set())


MAPPING = """
separator = ";"
encoding = "latin-1"
decimal = ","
thousands = "."
month_format = "%m/%Y"
currency = "EUR"
skip_lines = 1

[columns]
isrc = "ISRC-Code"
store = "Händler"
sale_month = "Monat"
country_code = "Land"
streams = "Menge"
revenue = "Erlös"

[stores]
"Spotify Premium" = "Spotify"

[countries]
"Vereinigte Staaten" = "US"
"""


def test_a_mapping_file_says_how_another_shape_is_read(tmp_path: Path) -> None:
    (tmp_path / "mapping.toml").write_text(MAPPING, encoding="utf-8")
    lines = (
        "ISRC-Code;Titel;Händler;Monat;Land;Menge;Erlös",
        "DE-XW6-25-00259;Grüße;Spotify Premium;04/2026;Vereinigte Staaten;1.234;1.234,5678",
    )
    write(tmp_path / "a.csv", *lines, header="Abrechnung", encoding="latin-1")
    file = read_file(tmp_path / "a.csv")
    assert (file.shape, file.refusals) == ("mapping", [])
    ((key, figures),) = file.figures.items()
    assert key == (ISRC, "Spotify", date(2026, 4, 1), "US", "EUR")
    assert (figures.streams, figures.revenue) == (1234, Decimal("1234.5678"))


@pytest.mark.parametrize(
    ("mapping", "reason"),
    [
        ("separator", "a.mapping.toml: "),
        ('seperator = ";"', "a.mapping.toml: seperator: "),
        ('separator = "::"', "a.mapping.toml: separator: "),
        ('encoding = "latin-99"', "unknown encoding: latin-99"),
        ("[columns]\nisrc = 1", "a.mapping.toml: columns.isrc: "),
        (
            (
                '[columns]\nisrc="I"\nsale_month="sale_month"\nstreams="streams"\nrevenue="revenue"\n'
                'store="store"'
            ),
            "not once in the header: I, currency. Found: isrc, ",
        ),
    ],
)
def test_a_mapping_that_cannot_be_used_refuses_the_file(
    tmp_path: Path, mapping: str, reason: str
) -> None:
    file = _read(tmp_path, row(), mapping=mapping)
    assert file.counts_as == "refused"
    assert [(refusal.line, refusal.reason[: len(reason)]) for refusal in file.refusals] == [
        (0, reason)
    ]


def test_a_header_that_no_shape_knows_refuses_the_file(tmp_path: Path) -> None:
    file = _read(tmp_path, "1,2", header="a,b")
    assert file.counts_as == "refused"
    assert "Found: a, b" in file.refusals[0].reason
    assert read_file(write(tmp_path / "empty.csv", header="")).refusals[0].reason == (
        "the file is empty"
    )


DISTROKID = (
    "Reporting Date\tSale Month\tStore\tArtist\tTitle\tISRC\tUPC\tQuantity\tTeam Percentage\t"
    "Song/Album\tCountry of Sale\tSongwriter Royalties Withheld\tEarnings (USD)"
)
TUNECORE = (
    "Sales Period,Posted Date,Store Name,Country Of Sale,Artist,Release Type,Release Title,"
    "Song Title,Label,UPC,Optional UPC,TC Song ID,Optional ISRC,Sales Type,# Units Sold,"
    "Per Unit Price,Net Sales,Net Sales Currency,Exchange Rate,Total Earned,Currency"
)


@pytest.mark.parametrize(
    ("shape", "header", "line", "currency"),
    [
        (
            "distrokid",
            DISTROKID,
            f"2026-06-01\t2026-04\tSpotify\tA\tT\t{ISRC}\t1\t1000\t100\tSong\tUS\t0\t3.5",
            "USD",
        ),
        (
            "tunecore",
            TUNECORE,
            (
                f"2026-04-30,2026-06-01,Spotify,US,A,Song,R,T,L,1,,7,{ISRC},Streaming,1000,0.004,4,USD,"
                "0.875,3.5,GBP"
            ),
            "GBP",
        ),
    ],
)
def test_documented_shapes_of_distributors_are_known_by_their_header(
    tmp_path: Path, shape: str, header: str, line: str, currency: str
) -> None:
    file = _read(tmp_path, line, header=header)
    assert (file.shape, file.refusals) == (shape, [])
    ((key, figures),) = file.figures.items()
    assert key == (ISRC, "Spotify", date(2026, 4, 1), "US", currency)
    assert (figures.streams, figures.revenue) == (1000, Decimal("3.5"))


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16", "latin-1"])
@pytest.mark.parametrize("separator", [",", ";", "\t", "|"])
@pytest.mark.parametrize("end", ["\n", "\r\n"])
def test_encodings_separators_and_line_ends_are_found_out(
    tmp_path: Path, encoding: str, separator: str, end: str
) -> None:
    text = end.join([f"{HEADER},title", f"{row()},Für Elise"]).replace(",", separator)
    (tmp_path / "a.csv").write_bytes(text.encode(encoding))
    file = read_file(tmp_path / "a.csv")
    assert file.refusals == []
    assert file.totals() == {"USD": Figures(1000, Decimal("3.5"), 1)}


def test_parquet_is_read_as_csv_is(tmp_path: Path) -> None:
    frame = pl.DataFrame(
        {
            "isrc": [ISRC, ISRC, "x"],
            "store": ["Spotify"] * 3,
            "sale_month": [date(2026, 4, 1), date(2026, 4, 30), date(2026, 4, 1)],
            "country_code": ["US", None, "US"],
            "streams": [1000, None, 1],
            "revenue": [Decimal("3.500001"), Decimal("0.1"), Decimal(1)],
            "currency": ["USD"] * 3,
        }
    )
    frame.write_parquet(tmp_path / "a.parquet")
    file = read_file(tmp_path / "a.parquet")
    assert [(refusal.line, refusal.reason) for refusal in file.refusals] == [
        (3, "'x' is not an ISRC")
    ]
    assert {(key.month, key.country_code): f.revenue for key, f in file.figures.items()} == {
        (date(2026, 4, 1), "US"): Decimal("3.500001"),
        (date(2026, 4, 1), "ZZ"): Decimal("0.1"),
    }
    (tmp_path / "b.parquet").write_bytes(b"no")
    assert read_file(tmp_path / "b.parquet").counts_as == "refused"


@given(
    amount=st.decimals(-(10**11), 10**11, places=18),
    decimal=st.sampled_from([".", ","]),
    thousands=st.sampled_from(["", " ", "'", "\N{NARROW NO-BREAK SPACE}"]),
)
@settings(max_examples=40, deadline=None)
def test_every_amount_is_read_exactly_in_every_notation(
    tmp_path_factory: pytest.TempPathFactory, amount: Decimal, decimal: str, thousands: str
) -> None:
    folder = tmp_path_factory.mktemp("amount")
    text = f"{amount:,f}".replace(",", "T").replace(".", decimal).replace("T", thousands)
    declared = " " if thousands.isspace() else thousands
    mapping = f'decimal = "{decimal}"\nthousands = "{declared}"\nseparator = ";"'
    line = ";".join([*row().split(",")[:5], text, "USD"])
    file = _read(folder, line, header=HEADER.replace(",", ";"), mapping=mapping)
    assert file.refusals == []
    assert file.totals()["USD"].revenue == amount
