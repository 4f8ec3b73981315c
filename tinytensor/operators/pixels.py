"""Operations on channels and pixels, in plain NumPy or of Tensors too, as ONNX names them."""

from typing import Any

import numpy as np

from tinytensor.operators.definition import operation
from tinytensor.operators.image_shapes import depth_to_space, space_to_depth
from tinytensor.operators.inference import first
from tinytensor.operators.samples import normalized_responses

__all__: list[str] = []


@operation(28, depth_to_space, of_arrays=False)
def DepthToSpace(x: Any, blocksize: int, mode: str = "DCR") -> Any:
    """Channels become blocks of pixels; of their three factors, depth is the last, or the first (CRD)."""
    n, c, h, w = x.shape
    if blocksize < 1:
        raise ValueError(f"expected a blocksize from 1 on, got {blocksize}")
    if c % blocksize**2:
        raise ValueError(f"expected channels that {blocksize}² divides, got {c} of {x.shape}")
    depth = c // blocksize**2
    if mode == "DCR":
        split = x.reshape((n, blocksize, blocksize, depth, h, w)).transpose((0, 3, 4, 1, 5, 2))
    else:
        split = x.reshape((n, depth, blocksize, blocksize, h, w)).transpose((0, 1, 4, 2, 5, 3))
    return split.reshape((n, depth, h * blocksize, w * blocksize))


@operation(28, space_to_depth, of_arrays=False)
def SpaceToDepth(x: Any, blocksize: int, mode: str = "DCR") -> Any:
    """Blocks of pixels as channels: the reverse of DepthToSpace."""
    n, c, h, w = x.shape
    if blocksize < 1:
        raise ValueError(f"expected a blocksize from 1 on, got {blocksize}")
    if h % blocksize or w % blocksize:
        raise ValueError(f"expected a height and a width that {blocksize} divides, got {h}×{w}")
    rows, columns = h // blocksize, w // blocksize
    split = x.reshape((n, c, rows, blocksize, columns, blocksize))
    order = (0, 3, 5, 1, 2, 4) if mode == "DCR" else (0, 1, 3, 5, 2, 4)
    return split.transpose(order).reshape((n, c * blocksize**2, rows, columns))


@operation(13, first, of_samples=normalized_responses)
def LRN(x: Any, size: int, alpha: float = 1e-4, beta: float = 0.75, bias: float = 1.0) -> Any:
    """X / (bias + alpha / size · the sum of squares over `size` channels around)^beta."""
    if size < 1:
        raise ValueError(f"expected a size from 1 on, got {size}")
    squares = np.square(x.astype(np.float64))
    before, channels = (size - 1) // 2, x.shape[1]
    sums = np.zeros(x.shape)
    for shift in range(-min(before, channels), min(size - before, channels)):
        here = slice(max(-shift, 0), max(channels - max(shift, 0), 0))
        there = slice(max(shift, 0), max(channels + min(shift, 0), 0))
        sums[:, here] += squares[:, there]
    return (x / (bias + alpha / size * sums) ** beta).astype(x.dtype)
