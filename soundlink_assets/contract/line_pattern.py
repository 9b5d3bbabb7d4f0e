"""One regular expression that only valid lines of an export match.

It recognises the usual spelling of a valid line, in one pass over its bytes: no key doubled or
missing, every value of the right type. A line that does not match may be valid all the same;
`lines` decides. So the pattern may be narrower than the contract and never wider.
"""

from functools import cache

from soundlink_assets.contract.export import Export
from soundlink_assets.tables import Column, Kind

_ESCAPE = (
    r'\\(?:["\\/bfnrt]|u(?:[0-9a-cefA-CEF][0-9a-fA-F]{3}|[dD][0-7][0-9a-fA-F]{2}'
    r"|[dD][89abAB][0-9a-fA-F]{2}\\u[dD][c-fC-F][0-9a-fA-F]{2}))"
)
"""An escape in a JSON string; surrogates in pairs only."""

_PATTERNS: dict[Kind, str] = {
    Kind.TEXT: rf'"(?:[^"\\\x00-\x1f]|{_ESCAPE})*"',
    # Whether the month has that day is left to the conversion.
    Kind.DATE: '"[1-9][0-9]{3}-[0-9]{2}-[0-9]{2}"',
    Kind.TIMESTAMP: (
        '"[1-9][0-9]{3}-[0-9]{2}-[0-9]{2}T(?:[01][0-9]|2[0-3]):[0-5][0-9]:[0-5][0-9]'
        r'(?:\.[0-9]{1,6})?Z"'
    ),
    Kind.COUNT: "-?(?:0|[1-9][0-9]{0,17})",
    # At most 15 digits: a 64-bit float holds them, so that the way over Float64 is exact.
    Kind.MONEY: r"-?(?:0|[1-9][0-9]{0,8})(?:\.[0-9]{1,6})?",
    Kind.RATIO: r"-?(?:0|[1-9][0-9]{0,14})(?:\.[0-9]+)?",
    Kind.FLAG: "(?:true|false)",
}


@cache
def line_pattern(export: Export) -> str:
    """The pattern, for regex engines without look-around, of a line without its newline.

    Keys stand in the contract's order and optional ones may be absent.
    """
    first, *others = export.rows.columns
    members = _member(first, export) + "".join(
        f"(?:, ?{_member(column, export)})" + ("" if column.required else "?") for column in others
    )
    return rf"^\{{{members}\}}$"


def _member(column: Column, export: Export) -> str:
    value = _PATTERNS[column.kind]
    if column.name == "schema_version":
        value = f'"{export.schema_version.replace(".", "[.]")}"'
    if column.nullable:
        value = f"(?:{value}|null)"
    return f'"{column.name}": ?{value}'
