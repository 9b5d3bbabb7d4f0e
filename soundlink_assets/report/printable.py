"""Text that both an XML parser and the chart renderer can take, whatever a title holds."""

import re
from typing import Any

_NOT_IN_XML = re.compile("[^\t\n\r\u0020-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")
_LINE_ENDS = re.compile("[\u2028\u2029]")
_REPLACEMENT = "\N{REPLACEMENT CHARACTER}"


def printable(text: str) -> str:
    """The text without characters that XML 1.0 forbids, and with spaces for Unicode's line ends.

    A forbidden one aborts the process in the renderer, a line end is no token of its expressions.
    """
    return _LINE_ENDS.sub(" ", _NOT_IN_XML.sub(_REPLACEMENT, text))


def printable_values(value: Any) -> Any:
    """The same JSON value with every text in it `printable`."""
    if isinstance(value, str):
        return printable(value)
    if isinstance(value, dict):
        return {name: printable_values(held) for name, held in value.items()}
    if isinstance(value, list | tuple):
        return [printable_values(held) for held in value]
    return value
