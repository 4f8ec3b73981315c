"""What layers on quantised values have in common: their numbers, checked whenever they are set."""

from collections.abc import Callable
from typing import Any

import numpy as np

from tinytensor.errors import ArgumentError, DtypeError, ShapeError
from tinytensor.kernels.boundary import UINT8, Array, index, real_number
from tinytensor.layers.layer import Layer
from tinytensor.primitives.quantized import MOST_TERMS, Output
from tinytensor.tensors import Tensor

__all__ = ["Quantized", "Rounding", "Summing", "bytes_of", "expect_exact", "multiplier", "output_of"]

Check = Callable[[str, Any], Any]
MOST_SUM = 2**31 - 1


def whole_numbers(dtype: type[np.integer[Any]]) -> Check:
    """The check of a Tensor of that dtype; whole numbers of another one are converted if they fit."""

    def check(who: str, value: Any) -> Tensor:
        wanted = np.dtype(dtype)
        array = value._array if type(value) is Tensor else np.asarray(value)
        if array.dtype.kind not in "iu":
            raise DtypeError(
                f"{who}: expected {wanted}, got {array.dtype}; tt.quantize(model, samples) quantises floats"
            )
        limits = np.iinfo(wanted)
        if array.size and not limits.min <= int(array.min()) <= int(array.max()) <= limits.max:
            raise ArgumentError(
                f"{who}: expected numbers from {limits.min} to {limits.max}, "
                f"got {int(array.min())} to {int(array.max())}"
            )
        return Tensor(array, wanted)

    return check


def scale(who: str, value: Any) -> float:
    """What one step of a byte is worth: positive and finite, also as a float32."""
    number = real_number(who, value.item() if type(value) is Tensor and not value.ndim else value)
    with np.errstate(all="ignore"):
        single = float(np.float32(number))
    if not 0 < single < np.inf:
        raise ArgumentError(f"{who}: expected a positive, finite number in float32, got {number!r}")
    return number


def scale_or_none(who: str, value: Any) -> float | None:
    """A scale, or None for a result of float32."""
    return None if value is None else scale(who, value)


def scales(who: str, value: Any) -> Tensor:
    """Positive, finite float32, one for each output."""
    tensor = Tensor(value, np.float32)
    array = tensor.numpy()
    if tensor.ndim != 1:
        raise ShapeError(f"{who}: expected (outputs,), got shape {tensor.shape}")
    if not (array > 0).all() or not np.isfinite(array).all():
        wrong = array[~((array > 0) & np.isfinite(array))][0]
        raise ArgumentError(f"{who}: expected positive, finite numbers, got {wrong}")
    return tensor


def byte(who: str, value: Any) -> int:
    """A whole number from 0 to 255."""
    try:
        number = index(value)
    except TypeError:
        raise DtypeError(f"{who}: expected an integer from 0 to 255, got {value!r:.80}") from None
    if not 0 <= number <= 255:
        hint = "; int8 values are stored 128 higher" if -128 <= number < 0 else ""
        raise ArgumentError(f"{who}: expected an integer from 0 to 255, got {number}{hint}")
    return number


def table(who: str, value: Any) -> Tensor:
    """256 numbers, uint8 or float32."""
    tensor = value if type(value) is Tensor else Tensor._wrap(np.array(value))
    tensor = tensor.astype(np.float32) if tensor.dtype.kind == "f" else tensor
    if tensor.dtype not in (UINT8, np.float32):
        raise DtypeError(f"{who}: expected uint8 or float32, got {tensor.dtype}")
    if tensor.shape != (256,):
        raise ShapeError(f"{who}: expected shape (256,), got {tensor.shape}")
    return tensor


CHECKS: dict[str, Check] = {
    "weight": whole_numbers(np.int8), "bias": whole_numbers(np.int32), "weight_scale": scales,
    "table": table, "scale": scale, "input_scale": scale, "output_scale": scale_or_none,
    "zero_point": byte, "input_zero_point": byte, "output_zero_point": byte, "low": byte, "high": byte,
}  # fmt: skip


class Quantized(Layer):
    """A layer on bytes."""

    def _member(self, name: str, value: Any) -> Any:
        check = CHECKS.get(name)
        return super()._member(
            name, value if check is None else check(f"{type(self).__name__}: {name}", value)
        )


class Rounding(Quantized):
    """A layer from bytes to bytes or float32: what a step of each is worth, and where the result ends."""

    input_scale: float
    input_zero_point: int
    output_scale: float | None
    output_zero_point: int
    low: int
    high: int

    def _set_scales(
        self, input_scale: Any, input_zero_point: Any, output_scale: Any, output_zero_point: Any, low: Any,
        high: Any,
    ) -> None:  # fmt: skip
        self.input_scale, self.input_zero_point = input_scale, input_zero_point
        self.output_scale, self.output_zero_point = output_scale, output_zero_point
        self.low, self.high = low, high
        output_of(self)


class Summing(Rounding):
    """A layer of sums of products, each output with a bias and a scale of its weights."""

    weight: Tensor
    bias: Tensor
    weight_scale: Tensor

    def _set_weight(self, weight: Any, bias: Any, weight_scale: Any, axes: str) -> None:
        who = type(self).__name__
        self.weight, self.weight_scale = weight, weight_scale
        shape = self.weight.shape
        if len(shape) != axes.count(",") + 1 or 0 in shape:
            raise ShapeError(f"{who}: weight: expected ({axes}), got {shape}")
        self.bias = Tensor(np.zeros(shape[0]), np.int32) if bias is None else bias
        for name, each in (("bias", self.bias), ("weight_scale", self.weight_scale)):
            if each.shape != shape[:1]:
                raise ShapeError(f"{who}: {name}: expected {shape[:1]}, got {each.shape}")


def output_of(layer: Any) -> Output | None:
    """How a layer's results become bytes; None if they are float32.

    Raises:
        ArgumentError: low is above high.
    """
    if layer.output_scale is None:
        return None
    if layer.low > layer.high:
        raise ArgumentError(f"{type(layer).__name__}: expected low ≤ high, got {layer.low} and {layer.high}")
    return Output(layer.output_zero_point, layer.low, layer.high)


def multiplier(input_scale: float, weight_scale: Any, output_scale: float | None) -> Array:
    """input_scale · weight_scale / output_scale, in float64 and rounded once to float32."""
    product = input_scale * np.asarray(weight_scale, np.float64)
    with np.errstate(all="ignore"):
        return np.asarray(product / (output_scale or 1.0)).astype(np.float32)


def bytes_of(layer: Layer, *operands: Tensor) -> list[Array]:
    """The arrays of operands, which must be uint8.

    Raises:
        DtypeError: one is not.
    """
    for each in operands:
        if each.dtype != UINT8:
            raise DtypeError(
                f"{layer!r}: expected uint8, got {each.dtype}; put tt.Quantize(scale, zero_point) before it"
            )
    return [each._array for each in operands]


def expect_exact(who: str, weight: Array, bias: Array, zero_point: int) -> None:
    """Raise unless every sum Σ (x - zero_point) · weight + bias fits an int32, whatever x is.

    Raises:
        ArgumentError: a sum may overflow.
    """
    terms = int(np.prod(weight.shape[1:], dtype=np.int64))
    if terms > MOST_TERMS:
        raise ArgumentError(
            f"{who}: expected at most {MOST_TERMS:,} terms in a sum, got {terms:,}; keep the layer in float32"
        )
    farthest = max(zero_point, 255 - zero_point)
    sums = np.abs(weight.astype(np.int64)).reshape(len(weight), -1).sum(axis=1) * farthest
    sums += np.abs(bias.astype(np.int64))
    if sums.size and int(sums.max()) > MOST_SUM:
        raise ArgumentError(
            f"{who}: expected sums of at most {MOST_SUM:,}, output {int(sums.argmax())} may reach "
            f"{int(sums.max()):,}; use a smaller bias, or a larger weight_scale"
        )
