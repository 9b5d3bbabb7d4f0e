"""Text for charts and page: what XML forbids is replaced, everything else stays."""

import sys

import pytest

from soundlink_assets.report.printable import printable, printable_values


def _allowed_in_xml(code: int) -> bool:
    """The production `Char` of XML 1.0."""
    return (
        code in {0x9, 0xA, 0xD}
        or 0x20 <= code <= 0xD7FF
        or 0xE000 <= code <= 0xFFFD
        or code >= 0x10000
    )


def test_exactly_what_xml_forbids_is_replaced() -> None:
    codes = [code for code in range(sys.maxunicode + 1) if code not in {0x2028, 0x2029}]
    shown = printable("".join(map(chr, codes)))
    expected = [chr(code) if _allowed_in_xml(code) else "\ufffd" for code in codes]
    assert shown == "".join(expected)


@pytest.mark.parametrize("line_end", ["\u2028", "\u2029"])
def test_line_ends_of_unicode_become_spaces(line_end: str) -> None:
    assert printable(f"a{line_end}b") == "a b"


def test_every_text_of_a_value_is_made_printable_and_nothing_else_changes() -> None:
    value = {"a": ["\x01", ("\x02", {"b": "\u2028"})], "n": 1.5, "none": None, "yes": True}
    assert printable_values(value) == {
        "a": ["\ufffd", ["\ufffd", {"b": " "}]],
        "n": 1.5,
        "none": None,
        "yes": True,
    }
