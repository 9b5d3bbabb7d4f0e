"""The examples of `docs/statements.md` are read as the page says."""

from datetime import date
from decimal import Decimal
from pathlib import Path

from soundlink_assets.statements.reading import read_file
from soundlink_assets_tests.documents import REPOSITORY, blocks

PAGE = REPOSITORY / "docs" / "statements.md"


def test_the_example_of_a_file_is_read(tmp_path: Path) -> None:
    (example,) = blocks(PAGE, "text")
    (tmp_path / "a.csv").write_text(example.text, encoding="utf-8")
    file = read_file(tmp_path / "a.csv")
    assert (file.shape, file.refusals) == ("reference", [])
    assert file.totals()["USD"].revenue == Decimal("100.094125")


def test_the_example_of_a_mapping_reads_a_file_of_that_shape(tmp_path: Path) -> None:
    (example,) = blocks(PAGE, "toml")
    (tmp_path / "a.mapping.toml").write_text(example.text, encoding="utf-8")
    lines = [
        "Abrechnung",
        "",
        "ISRC;Shop;Monat;Land;Menge;Netto",
        "DEXW62500259;Spotify Premium;04/2026;Vereinigte Staaten;1.000;3,5",
    ]
    (tmp_path / "a.csv").write_text("\n".join(lines), encoding="latin-1")
    file = read_file(tmp_path / "a.csv")
    assert file.refusals == []
    ((key, figures),) = file.figures.items()
    assert key[1:] == ("Spotify", date(2026, 4, 1), "US", "EUR")
    assert (figures.streams, figures.revenue) == (1000, Decimal("3.5"))
