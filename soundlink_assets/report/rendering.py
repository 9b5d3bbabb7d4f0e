"""Charts as SVG inside a page, or as a PNG. Rendered in this process, without a network."""

import re
import struct
import zlib
from collections.abc import Iterator
from typing import Any

import altair as alt
import vl_convert

from soundlink_assets.report.chart_style import Drawing
from soundlink_assets.report.printable import printable, printable_values

_VEGA_LITE = alt.SCHEMA_VERSION.removeprefix("v").rpartition(".")[0]
"""The Vega-Lite that altair writes for, as vl-convert names it."""

_PNG_SIGNATURE = b"\x89PNG\r\n\x1a\n"
_OPENING = re.compile(r"<svg[^>]*>")
_SIZE = re.compile(r'\b(width|height)="(\d+(?:\.\d+)?)"')


def svg(drawing: Drawing, description: str) -> str:
    """The chart as an `<svg>` element that shrinks to its container, with a text for readers."""
    drawn = vl_convert.vegalite_to_svg(_spec(drawing), vl_version=_VEGA_LITE)
    opening = _OPENING.search(drawn)
    if opening is None:
        raise ValueError("the renderer returned no SVG")
    size = dict(_SIZE.findall(opening.group()))
    body = drawn[opening.end() :]
    label = _attribute(printable(description))
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" role="img" aria-label="{label}" '
        f'viewBox="0 0 {size["width"]} {size["height"]}" '
        f'style="max-width:{size["width"]}px;width:100%;height:auto">{body}'
    )


def png(drawing: Drawing, scale: float) -> bytes:
    """The chart as a PNG; `scale` 1 is one pixel a point."""
    return _compacted(
        vl_convert.vegalite_to_png(_spec(drawing), vl_version=_VEGA_LITE, scale=scale)
    )


def _compacted(image: bytes) -> bytes:
    """The same pixels, compressed as far as zlib can: a tenth of what the renderer writes."""
    chunks = list(_chunks(image))
    pixels = zlib.decompress(b"".join(body for kind, body in chunks if kind == b"IDAT"))
    header = next(body for kind, body in chunks if kind == b"IHDR")
    kept = ((b"IHDR", header), (b"IDAT", zlib.compress(pixels, 9)), (b"IEND", b""))
    return _PNG_SIGNATURE + b"".join(
        struct.pack(">I", len(body)) + kind + body + struct.pack(">I", zlib.crc32(kind + body))
        for kind, body in kept
    )


def _chunks(image: bytes) -> Iterator[tuple[bytes, bytes]]:
    position = len(_PNG_SIGNATURE)
    while position < len(image):
        (length,) = struct.unpack_from(">I", image, position)
        kind = image[position + 4 : position + 8]
        yield kind, image[position + 8 : position + 8 + length]
        position += 12 + length


def _spec(drawing: Drawing) -> dict[str, Any]:
    # Validation takes as long as drawing; the tests validate every kind of chart.
    spec: dict[str, Any] = printable_values(drawing.spec(validate=False))
    return spec


def _attribute(text: str) -> str:
    return (
        text.replace("&", "&amp;").replace('"', "&quot;").replace("<", "&lt;").replace(">", "&gt;")
    )
