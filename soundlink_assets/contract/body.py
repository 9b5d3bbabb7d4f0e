r"""A delivered body, fed in chunks that end anywhere, cut into blocks of whole lines.

Lines end at the byte `\n` and nowhere else: JSON strings may hold U+2028, U+2029 and U+0085,
which text splitters take for line ends. What stands in a line does not belong here.
"""

import json
from collections.abc import Iterator

from soundlink_assets.contract.violations import UnreadableDelivery

BLOCK_BYTES = 16 * 2**20
"""Size of a block, and the length at which a line is refused: it bounds the memory."""

_BYTE_ORDER_MARK = b"\xef\xbb\xbf"
_BLANK = b" \t\r\n"
_QUOTE = b'"'
_ESCAPED_NEWLINE = rb"\n"


class LineBlocks:
    """Cuts a body into blocks of whole lines of about `block_bytes`.

    A byte order mark at the beginning is dropped. A body that is one JSON string holding the
    lines, as the contract's pages print their samples, is decoded on the way.
    """

    def __init__(self, block_bytes: int = BLOCK_BYTES) -> None:
        self._block_bytes = block_bytes
        self._pending: list[bytes] = []
        self._pending_bytes = 0
        self._is_quoted: bool | None = None
        self._lines_before = 0

    def feed(self, chunk: bytes) -> Iterator[bytes]:
        """The blocks that are complete with this chunk; each ends in a newline.

        Raises UnreadableDelivery for a line that is longer than a block, and for a quoted body
        that is no JSON string.
        """
        for start in range(0, len(chunk), self._block_bytes):
            piece = chunk[start : start + self._block_bytes]
            self._pending.append(piece)
            self._pending_bytes += len(piece)
            if self._pending_bytes >= self._block_bytes:
                yield self._cut()

    def finish(self) -> bytes:
        """The lines after the last block; the last one may lack its newline.

        Raises UnreadableDelivery for a quoted body that does not end.
        """
        rest = self._take_pending()
        return self._unquote(rest, closed=True) if self._is_quoted else rest

    def _take_pending(self) -> bytes:
        pending = b"".join(self._pending)
        if self._is_quoted is None:
            pending = pending.removeprefix(_BYTE_ORDER_MARK)
            unindented = pending.lstrip(_BLANK)
            self._is_quoted = unindented.startswith(_QUOTE)
            if self._is_quoted:
                pending = unindented[1:]
        self._keep(b"")
        return pending

    def _keep(self, rest: bytes) -> None:
        self._pending = [rest]
        self._pending_bytes = len(rest)

    def _cut(self) -> bytes:
        pending = self._take_pending()
        end = _end_of_escaped_lines(pending) if self._is_quoted else pending.rfind(b"\n") + 1
        if end == 0:
            raise self._unreadable(f"a line of more than {len(pending)} bytes")
        self._keep(pending[end:])
        block = pending[:end]
        if self._is_quoted:
            block = self._unquote(block, closed=False)
        self._lines_before += block.count(b"\n")
        return block

    def _unquote(self, quoted: bytes, *, closed: bool) -> bytes:
        text = b"".join((_QUOTE, quoted, b"" if closed else _QUOTE))
        try:
            decoded: str = json.loads(text)
            return decoded.encode()
        except ValueError as error:
            is_cut_off = closed and not quoted.rstrip(_BLANK).endswith(_QUOTE)
            raise self._unreadable(
                f"the body begins with a quotation mark and is no JSON string: {error}",
                is_cut_off=is_cut_off,
            ) from error

    def _unreadable(self, message: str, *, is_cut_off: bool = False) -> UnreadableDelivery:
        return UnreadableDelivery(
            message,
            check="required_fields",
            line=self._lines_before + 1,
            is_cut_off=is_cut_off,
        )


def _end_of_escaped_lines(quoted: bytes) -> int:
    r"""The offset after the last `\n` escape of a JSON string's content, 0 if there is none.

    The backslash of an escape stands after an even number of backslashes.
    """
    at = quoted.rfind(_ESCAPED_NEWLINE)
    while at >= 0:
        before = quoted[:at]
        if (len(before) - len(before.rstrip(b"\\"))) % 2 == 0:
            return at + len(_ESCAPED_NEWLINE)
        at = quoted.rfind(_ESCAPED_NEWLINE, 0, at)
    return 0
