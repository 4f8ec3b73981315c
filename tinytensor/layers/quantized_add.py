"""`QuantizedAdd`: the sum of two values of bytes, as of a residual connection."""

from collections.abc import Sequence
from typing import final

from tinytensor.errors import ArgumentError
from tinytensor.kernels.boundary import broadcast_shape
from tinytensor.layers.quantized import Quantized, byte, bytes_of, multiplier, output_of, scale
from tinytensor.primitives.quantized import quantized_add
from tinytensor.tensors import Tensor

__all__ = ["QuantizedAdd"]


@final
class QuantizedAdd(Quantized):
    """y = (a - zero_points[0]) · multipliers[0] + (b - zero_points[1]) · multipliers[1], rounded to a byte.

    Two operands of uint8, which broadcast; a multiplier is a scale divided by output_scale. The result is
    clip(rint(y) + output_zero_point, low, high). In a `Graph` it has two inputs.

    Args:
        scales: what one step of a and of b is worth.
        zero_points: the bytes of a and of b that stand for 0.
        output_scale: what one step of the result is worth.
        output_zero_point: the byte of the result that stands for 0.
        low: the smallest byte of the result.
        high: the largest.

    Raises:
        ShapeError: the operands do not broadcast.
        DtypeError: an operand is not uint8.
        ArgumentError: a scale that is not positive and finite, or a byte outside 0 to 255.

    >>> import numpy as np
    >>> import tinytensor as tt
    >>> add = tt.QuantizedAdd([0.5, 0.25], [0, 10], output_scale=1.0)
    >>> add.forward(tt.Tensor([[4]], np.uint8), tt.Tensor([[18]], np.uint8)).tolist()
    [[4]]
    """

    def __init__(
        self,
        scales: Sequence[float],
        zero_points: Sequence[int] = (0, 0),
        *,
        output_scale: float,
        output_zero_point: int = 0,
        low: int = 0,
        high: int = 255,
    ):
        if len(scales) != 2 or len(zero_points) != 2:
            raise ArgumentError("QuantizedAdd: expected two scales and two zero points")
        self.scales = tuple(scale("QuantizedAdd: scales", each) for each in scales)
        self.zero_points = tuple(byte("QuantizedAdd: zero_points", each) for each in zero_points)
        self.output_scale = scale("QuantizedAdd: output_scale", output_scale)
        self.output_zero_point, self.low, self.high = output_zero_point, low, high
        output_of(self)

    def forward(self, a: Tensor, b: Tensor) -> Tensor:  # type: ignore[override]
        """The sum."""
        operands = bytes_of(self, a, b)
        if a.ndim == b.ndim:
            broadcast_shape(repr(self), a.shape[1:], b.shape[1:])
        first, second = (float(multiplier(each, 1.0, self.output_scale)) for each in self.scales)
        return Tensor._wrap(
            quantized_add(
                *operands,
                zero_points=self.zero_points,
                multipliers=(first, second),
                output=output_of(self),
            )
        )
