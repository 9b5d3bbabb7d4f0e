"""Regular expressions that only valid lines of an export match.

One pattern recognises the usual spelling of a valid line with certain keys in a certain order, in
one pass over its bytes: no key doubled or missing, every value of the right type. A line that
does not match may be valid all the same; `lines` decides. So a pattern may be narrower than the
contract and never wider.
"""

import re
from functools import lru_cache

from soundlink_assets.schema.exports import Export
from soundlink_assets.schema.tables import Column, Kind

_ESCAPE = (
    r'\\(?:["\\/bfnrt]|u(?:[0-9a-cefA-CEF][0-9a-fA-F]{3}|[dD][0-7][0-9a-fA-F]{2}'
    r"|[dD][89abAB][0-9a-fA-F]{2}\\u[dD][c-fC-F][0-9a-fA-F]{2}))"
)
"""An escape in a JSON string; surrogates in pairs only."""

_TEXT = rf'"(?:[^"\\\x00-\x1f]|{_ESCAPE})*"'

_VALUES: dict[Kind, str] = {
    Kind.TEXT: _TEXT,
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

_SCALAR = rf"(?:{_TEXT}|-?(?:0|[1-9][0-9]*)(?:\.[0-9]+)?(?:[eE][+-]?[0-9]+)?|true|false|null)"
_PAIR = rf"{_TEXT}: ?{_SCALAR}"
_ANY = rf"(?:{_SCALAR}|\[(?:{_SCALAR}(?:, ?{_SCALAR})*)?\]|\{{(?:{_PAIR}(?:, ?{_PAIR})*)?\}})"
"""A value of a key that the contract does not name; nested deeper, it is left to `lines`."""

_PLAIN_KEY = re.compile(r"[A-Za-z0-9_]{1,64}")
_MOST_KEYS = 64
"""Lines with more keys get no pattern: the engine's memory for one is limited."""


def has_pattern(keys: tuple[str, ...]) -> bool:
    """Whether there is a pattern for lines with these keys."""
    return len(keys) <= _MOST_KEYS and all(map(_PLAIN_KEY.fullmatch, keys))


@lru_cache(maxsize=64)
def line_pattern(export: Export, keys: tuple[str, ...]) -> str:
    """The pattern, for regex engines without look-around, of a line without its newline.

    `keys` are those of a valid line, in its order, for which `has_pattern` holds. Optional fields
    may be absent; keys that the contract does not name must be there.
    """
    columns = {column.name: column for column in export.rows.columns}
    members = [_member(name, columns.get(name), export) for name in keys]
    others = (
        f"(?:, ?{member})" + ("" if name not in columns or columns[name].required else "?")
        for name, member in zip(keys[1:], members[1:], strict=True)
    )
    return rf"^\{{{members[0]}{''.join(others)}\}}$"


def _member(name: str, column: Column | None, export: Export) -> str:
    if column is None:
        value = _ANY
    elif name == "schema_version":
        value = f'"{re.escape(export.schema_version)}"'
    else:
        value = _VALUES[column.kind]
    if column is not None and column.nullable:
        value = f"(?:{value}|null)"
    return f'"{name}": ?{value}'
