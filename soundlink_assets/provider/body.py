r"""A delivered body, fed in chunks that end anywhere, cut into blocks of whole lines.

Lines end at the byte `\n` and nowhere else: JSON strings may hold U+2028, U+2029 and U+0085,
which text splitters take for line ends. What stands in a line does not belong here.
"""

import json
import re
from collections.abc import Iterator

from soundlink_assets.provider.errors import ContractViolation
from soundlink_assets.provider.lines import BLANK

BLOCK_BYTES = 8 * 2**20
"""Size of a block, and the length at which a line is refused: it bounds the memory."""

_PIECE_BYTES = 2**20
"""A long chunk is taken in pieces of this size, so that it is not copied as a whole."""

_BYTE_ORDER_MARK = b"\xef\xbb\xbf"
_QUOTE = b'"'
_ESCAPED_NEWLINE = rb"\n"
_CLOSED_CONTENT = re.compile(rb'(?:[^"\\]++|\\.)*+"', re.DOTALL)


class LineBlocks:
    """Cuts a body into blocks of whole lines of about `block_bytes`, each with its first line.

    Lines count from 1. Only the last block may lack its last newline.

    A byte order mark at the beginning is dropped. A body that is one JSON string holding the
    lines, as the contract's pages print their samples, is decoded on the way.
    """

    def __init__(self, block_bytes: int = BLOCK_BYTES) -> None:
        self._block_bytes = block_bytes
        self._pending: list[bytes] = []
        self._pending_bytes = 0
        self._is_opened = False
        self._is_quoted = False
        self._lines_before = 0

    def feed(self, chunk: bytes) -> Iterator[tuple[int, bytes]]:
        """The blocks that are complete with this chunk; each ends in a newline.

        Raises ContractViolation for a line that is longer than a block, and for a quoted body
        that is not a JSON string.
        """
        step = min(_PIECE_BYTES, self._block_bytes)
        for start in range(0, len(chunk), step):
            piece = chunk[start : start + step]
            self._pending.append(piece)
            self._pending_bytes += len(piece)
            if self._pending_bytes >= self._block_bytes:
                yield self._cut()

    def finish(self) -> tuple[int, bytes]:
        """The lines after the last block; the last one may lack its newline.

        Raises ContractViolation for a quoted body that does not end.
        """
        rest = self._take_pending()
        return self._block(self._unquoted(rest, is_closed=True) if self._is_quoted else rest)

    def _cut(self) -> tuple[int, bytes]:
        pending = self._take_pending()
        end = _end_of_escaped_lines(pending) if self._is_quoted else pending.rfind(b"\n") + 1
        if end == 0:
            raise self._unreadable(f"a line of more than {len(pending)} bytes")
        self._pending = [pending[end:]]
        self._pending_bytes = len(pending) - end
        text = pending[:end]
        return self._block(self._unquoted(text, is_closed=False) if self._is_quoted else text)

    def _block(self, text: bytes) -> tuple[int, bytes]:
        first_line = self._lines_before + 1
        self._lines_before += text.count(b"\n")
        return first_line, text

    def _take_pending(self) -> bytes:
        pending = b"".join(self._pending)
        self._pending, self._pending_bytes = [], 0
        if not self._is_opened:
            self._is_opened = True
            pending = pending.removeprefix(_BYTE_ORDER_MARK)
            unindented = pending.lstrip(BLANK)
            if unindented.startswith(_QUOTE):
                self._is_quoted = True
                return unindented[1:]
        return pending

    def _unquoted(self, quoted: bytes, *, is_closed: bool) -> bytes:
        text = b"".join((_QUOTE, quoted, b"" if is_closed else _QUOTE))
        try:
            decoded: str = json.loads(text)
            # A closed string is not a body that was cut off: its last line has its newline too.
            return decoded.encode() + (b"\n" if is_closed else b"")
        except ValueError as error:
            raise self._unreadable(
                f"the body begins with a quotation mark and is not a JSON string: {error}",
                is_cut_off=is_closed and not _CLOSED_CONTENT.match(quoted),
            ) from error

    def _unreadable(self, message: str, *, is_cut_off: bool = False) -> ContractViolation:
        return ContractViolation(message, line=self._lines_before + 1, is_cut_off=is_cut_off)


def _end_of_escaped_lines(quoted: bytes) -> int:
    r"""The offset after the last `\n` escape of a JSON string's content, 0 if there is none."""
    at = quoted.rfind(_ESCAPED_NEWLINE)
    while at >= 0:
        backslashes = at - len(quoted[:at].rstrip(b"\\"))
        if backslashes % 2 == 0:
            return at + len(_ESCAPED_NEWLINE)
        at = quoted.rfind(_ESCAPED_NEWLINE, 0, at)
    return 0
