"""`QuantizedLinear`: a = Wx + b on bytes."""

from typing import Any, final

from tinytensor.errors import ShapeError
from tinytensor.layers.quantized import Summing, bytes_of, expect_exact, multiplier, output_of
from tinytensor.primitives.quantized import quantized_linear
from tinytensor.tensors import Tensor

__all__ = ["QuantizedLinear"]


@final
class QuantizedLinear(Summing):
    """y = (bias + Σ (x - input_zero_point) · weight) · multiplier; uint8 (…, in) → (…, out).

    The sum is an exact int32. The multiplier of an output is input_scale · weight_scale / output_scale, and
    the result clip(rint(y) + output_zero_point, low, high) as uint8, or without an output_scale y as float32.
    ReLU is `low=output_zero_point`.

    Args:
        weight: int8 (out, in).
        bias: int32 (out,), in units of input_scale · weight_scale; zeros by default.
        weight_scale: what one step of a weight is worth, for each output.
        input_scale: what one step of x is worth.
        input_zero_point: the byte of x that stands for 0.
        output_scale: what one step of the result is worth; None for a result of float32.
        output_zero_point: the byte of the result that stands for 0.
        low: the smallest byte of the result.
        high: the largest.

    Raises:
        ShapeError: weight, bias, weight_scale or an input do not fit.
        DtypeError: another dtype.
        ArgumentError: a scale that is not positive and finite, a byte outside 0 to 255, or a sum that may
            not fit an int32.

    Source: Jacob et al., Quantization and training of neural networks, 2018.

    >>> import numpy as np
    >>> import tinytensor as tt
    >>> layer = tt.QuantizedLinear(np.array([[1, -2]], np.int8), weight_scale=[0.5], input_scale=0.1)
    >>> layer(tt.Tensor([[30, 10]], np.uint8)).tolist()
    [[0.5]]
    """

    def __init__(
        self,
        weight: Any,
        bias: Any = None,
        *,
        weight_scale: Any,
        input_scale: float,
        input_zero_point: int = 0,
        output_scale: float | None = None,
        output_zero_point: int = 0,
        low: int = 0,
        high: int = 255,
    ):
        self._set_weight(weight, bias, weight_scale, "out, in")
        self._set_scales(input_scale, input_zero_point, output_scale, output_zero_point, low, high)
        expect_exact("QuantizedLinear", self.weight.numpy(), self.bias.numpy(), self.input_zero_point)

    @property
    def in_features(self) -> int:
        """Numbers in a sample."""
        return self.weight.shape[1]

    @property
    def out_features(self) -> int:
        """Numbers in a sample's output."""
        return self.weight.shape[0]

    def forward(self, x: Tensor) -> Tensor:
        """The product of bytes."""
        (bytes_,) = bytes_of(self, x)
        if x.ndim == 0 or x.shape[-1] != self.in_features:
            raise ShapeError(f"{self!r}: expected (batch, {self.in_features}), got {x.shape}")
        weight, bias, output = self.weight._array, self.bias._array, output_of(self)
        expect_exact("QuantizedLinear", weight, bias, self.input_zero_point)
        scales = multiplier(self.input_scale, self.weight_scale._array, self.output_scale)
        return Tensor._wrap(
            quantized_linear(bytes_, weight, bias, scales, zero_point=self.input_zero_point, output=output)
        )
