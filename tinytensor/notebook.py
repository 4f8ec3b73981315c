"""How a notebook shows a Tensor: a small one as a table, images of digits as pictures."""

from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from tinytensor.tensor import Tensor

__all__ = ["tensor_html"]

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
