"""How a notebook shows things: images as pictures, small Tensors, models and reports as tables."""

from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from tinytensor.text import escaped

if TYPE_CHECKING:
    from tinytensor.tensors import Tensor

__all__ = [
    "explanation_html", "model_html", "profile_html", "report_html", "summary_html", "tensor_html",
]  # fmt: skip

MOST_CELLS = 400
MOST_COLUMNS = 32
SIDES = range(16, 65)  # pixels of an image that is shown as a picture
MOST_IMAGES = 20
PIXELS = 84  # of a picture on the screen


def tensor_html(self: "Tensor") -> str:
    """The HTML that a notebook shows in place of `repr`.

    >>> import tinytensor as tt
    >>> tt.Tensor([[1, 2]])._repr_html_().count("<td")
    2
    """
    array = self.numpy()
    about = f"<div>Tensor, shape {array.shape}, {array.dtype}</div>"
    if is_images(array):
        stack = array.reshape(-1, *array.shape[-2:])
        shown = "".join(picture(each) for each in stack[:MOST_IMAGES])
        more = f" … and {len(stack) - MOST_IMAGES:,} more" if len(stack) > MOST_IMAGES else ""
        return f"{about}<div>{shown}{more}</div>"
    if 1 <= array.ndim <= 2 and 0 < array.size <= MOST_CELLS and array.shape[-1] <= MOST_COLUMNS:
        rows = "".join(f"<tr>{''.join(map(cell, row))}</tr>" for row in np.atleast_2d(array))
        return f"{about}<table><tbody>{rows}</tbody></table>"
    text = np.array2string(array, separator=", ", threshold=MOST_CELLS)  # of numbers: nothing to escape
    return f"{about}<pre>{text}</pre>"


def table_html(cells: Sequence[Sequence[str]], texts: int, notes: Iterable[str] = ()) -> str:
    """A header and rows, the first columns texts and the others numbers; lines below it. All is escaped.

    >>> table_html([("layer",), ("<b>",)], 1).count("&lt;b&gt;")
    1
    """
    header, *rows = cells
    body = "".join(
        f"<tr>{''.join(plain_cell(each, i < texts) for i, each in enumerate(row))}</tr>" for row in rows
    )
    head = "".join(f"<th>{escape(each)}</th>" for each in header)
    lines = "".join(f"<div>{escape(each)}</div>" for each in notes)
    return f"<table><thead><tr>{head}</tr></thead><tbody>{body}</tbody></table>{lines}"


def plain_cell(text: str, left: bool) -> str:
    """A cell of text."""
    return f'<td style="text-align: {"left" if left else "right"}">{escape(text)}</td>'


def escape(text: str) -> str:
    """Text as HTML shows it; what a terminal would obey is written as Python writes it."""
    import html

    return html.escape(escaped(text))


def summary_html(self: Any) -> str:
    """A summary as a table, its notes below."""
    return table_html(self.cells, 4, self.notes)


def model_html(self: Any) -> str:
    """A model as its summary, or as text if the shape of a sample is unknown."""
    summary = self.summary()
    if not any(row.shape is not None for row in summary.rows):
        return f"<pre>{escape(repr(self))}</pre>"
    return summary_html(summary)


def quantization_html(self: Any) -> str:
    """What a network on bytes loses as a table, its notes below."""
    return table_html(self.cells, 3, self.notes)


def profile_html(self: Any) -> str:
    """A profile as a table."""
    return table_html(self.cells, 1)


def report_html(self: Any) -> str:
    """What two models differ in as a table."""
    lines = str(self).splitlines()
    return f"<div>{escape(lines[0])}</div>{table_html(self.cells, 2, lines[1 + len(self.cells) :])}"


def explanation_html(self: Any) -> str:
    """An explanation as a table."""
    cells = [("layer", "formula", "where", "output", "computed by", "values", "multiply-adds", "bytes")]
    for row in self.rows:
        shape, values = f"({', '.join(['batch', *map(str, row.shape)])})", str(row.values or "")
        counts = [f"{each:,}" if each is not None else "·" for each in (row.multiply_adds, row.bytes)]
        layer = f"{row.layer} {row.code}".strip()
        cells.append((layer, row.formula, row.where, shape, row.computed_by, values, counts[0], counts[1]))
    return table_html(cells, 6, self.notes)


def cell(value: Any) -> str:
    """A number in a table."""
    text = f"{value:.6g}" if isinstance(value, np.floating) else str(value)
    return f'<td style="text-align: right">{text}</td>'


def is_images(array: Any) -> bool:
    """Square images with levels of grey in [0, 1] or [0, 255], of a size as digits have."""
    if not 2 <= array.ndim <= 4 or array.shape[-1] != array.shape[-2] or array.shape[-1] not in SIDES:
        return False
    if array.ndim == 4 and array.shape[1] != 1:
        return False
    shown = array.reshape(-1, *array.shape[-2:])[:MOST_IMAGES]
    return shown.size > 0 and bool(((shown >= 0) & (shown <= 255)).all())


def picture(image: Any) -> str:
    """An image in HTML, dark ink on light paper; in [0, 1] or [0, 255]."""
    import base64

    levels = image.astype(np.float32) * (255 if image.max() <= 1 else 1)
    data = base64.b64encode(png(255 - np.rint(levels).astype(np.uint8))).decode()
    style = f"image-rendering: pixelated; width: {PIXELS}px; margin: 2px; border: 1px solid #8c959f"
    height, width = image.shape
    return f'<img alt="{height} × {width} pixels" style="{style}" src="data:image/png;base64,{data}">'


def png(grey: Any) -> bytes:
    """A PNG file of 8-bit grey pixels (height, width).

    Source: https://www.w3.org/TR/png/, sections 5 and 11.
    """
    import struct
    import zlib

    height, width = grey.shape
    rows = np.concatenate([np.zeros((height, 1), np.uint8), grey], axis=1).tobytes()  # 0: no filter
    header = struct.pack(">IIBBBBB", width, height, 8, 0, 0, 0, 0)
    chunks = ((b"IHDR", header), (b"IDAT", zlib.compress(rows)), (b"IEND", b""))
    return b"\x89PNG\r\n\x1a\n" + b"".join(
        struct.pack(">I", len(body)) + name + body + struct.pack(">I", zlib.crc32(name + body))
        for name, body in chunks
    )
