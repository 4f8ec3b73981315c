"""`Quantize` and `Dequantize`: from numbers to the bytes that stand for them, and back."""

from typing import Any, final

import numpy as np

from tinytensor.errors import ArgumentError
from tinytensor.layers.quantized import Quantized, bytes_of
from tinytensor.primitives.quantized import Output, lookup, quantize
from tinytensor.tensors import Tensor

__all__ = ["Dequantize", "Quantize"]


@final
class Quantize(Quantized):
    """q = clip(rint(x / scale) + zero_point, low, high); numbers of any shape → uint8.

    rint rounds half to even; NaN gives `low`. With scale 1 and zero point 0, bytes stay what they are.

    Args:
        scale: what one step of a byte is worth.
        zero_point: the byte that stands for 0.
        low: the smallest byte of the result.
        high: the largest.

    Raises:
        ArgumentError: a scale that is not positive and finite, or a byte outside 0 to 255.
        DtypeError: they are no numbers.

    >>> import tinytensor as tt
    >>> tt.Quantize(0.5, 10)([-1.0, 0.0, 0.75, 1000.0]).tolist()
    [8, 10, 12, 255]
    """

    def __init__(self, scale: float, zero_point: int = 0, low: int = 0, high: int = 255):
        self.scale, self.zero_point, self.low, self.high = scale, zero_point, low, high
        if self.low > self.high:
            raise ArgumentError(f"Quantize: expected low ≤ high, got {low} and {high}")

    def forward(self, x: Tensor) -> Tensor:
        """The bytes."""
        output = Output(self.zero_point, self.low, self.high)
        return Tensor._wrap(quantize(x._floating(), scale=np.float32(self.scale), output=output))


@final
class Dequantize(Quantized):
    """y = (q - zero_point) · scale, rounded once; uint8 of any shape → float32.

    Args:
        scale: what one step of a byte is worth.
        zero_point: the byte that stands for 0.

    Raises:
        ArgumentError: a scale that is not positive and finite, or a byte outside 0 to 255.
        DtypeError: they are no numbers, or the input is not uint8.

    >>> import numpy as np
    >>> import tinytensor as tt
    >>> tt.Dequantize(0.5, 10)(tt.Tensor([8, 10, 12], np.uint8)).tolist()
    [-1.0, 0.0, 1.0]
    """

    def __init__(self, scale: float, zero_point: int = 0):
        self.scale, self.zero_point = scale, zero_point

    def forward(self, x: Tensor) -> Tensor:
        """The numbers."""
        (bytes_,) = bytes_of(self, x)
        return Tensor._wrap(lookup(bytes_, numbers_of(self.scale, self.zero_point)))


def numbers_of(scale: float, zero_point: int) -> Any:
    """What each of the 256 bytes stands for: float32(byte - zero_point) · float32(scale)."""
    return (np.arange(256) - zero_point).astype(np.float32) * np.float32(scale)
