"""`Linear`: a = Wx + b for every sample of a batch."""

from typing import Any, final

import numpy as np
from numpy.typing import DTypeLike

from tinytensor.errors import ShapeError
from tinytensor.kernels.boundary import length
from tinytensor.layers import drawn
from tinytensor.layers.layer import Layer
from tinytensor.primitives.linear import linear
from tinytensor.tensors import Tensor

__all__ = ["Affine", "Linear"]


@final
class Linear(Layer):
    """y = x Wᵀ + b, which is a = Wx + b for one sample; (…, in_features) → (…, out_features).

    `weight` has the shape (out_features, in_features), `bias` (out_features,) or is None. Both may be
    assigned, and `bias = None` takes it away. Every element is computed in one order: start from the bias,
    then fma over the inputs 0, 1, 2, … float32 or float64; an input of the other dtype gives float64, as
    NumPy promotes.

    Args:
        in_features: numbers in a sample.
        out_features: numbers in its output.
        bias: whether there is one (zeros at first), or its values.
        weight: its values, instead of drawing them.
        initializer: how to draw the weight, by name (`tt.initializers.names()`).
        seed: the same seed draws the same weight.
        dtype: float32 or float64; the weight's own, if that is given.

    Raises:
        ShapeError: weight, bias or an input has another shape.
        DtypeError: another dtype.
        ArgumentError: a number of features below 1, or an unknown initializer.

    Source: Saitō, Deep Learning from Scratch, section 3.4 (there W is stored as (in, out)).

    >>> import tinytensor as tt
    >>> layer = tt.Linear(2, 3, weight=[[1, 3], [2, 4], [5, 6]], bias=[0.5, 0, 0])
    >>> layer([1.0, 2.0]).tolist()
    [7.5, 10.0, 17.0]
    >>> layer
    Linear(in_features=2, out_features=3)
    """

    weight: Tensor
    bias: Tensor | None

    def __init__(
        self,
        in_features: int,
        out_features: int,
        bias: Any = True,
        *,
        weight: Any = None,
        initializer: str = "xavier_uniform",
        seed: "int | np.random.Generator | None" = None,
        dtype: DTypeLike | None = None,
    ):
        shape = (features("out_features", out_features), features("in_features", in_features))
        self.weight = drawn.weight("Linear", shape, weight, initializer, seed, dtype)
        self.bias = drawn.bias("Linear", bias, shape[0], self.weight.dtype)

    @classmethod
    def of(cls, weight: Any, bias: Any = None) -> "Linear":
        """The layer of a weight (out, in) and, if there is one, a bias (out,).

        >>> import tinytensor as tt
        >>> tt.Linear.of([[1.0, 2.0]])
        Linear(in_features=2, out_features=1, bias=False)
        """
        weight = Tensor(weight)
        if weight.ndim != 2:
            raise ShapeError(f"Linear.of: weight: expected (out_features, in_features), got {weight.shape}")
        return cls(weight.shape[1], weight.shape[0], bias, weight=weight)

    @property
    def in_features(self) -> int:
        """Numbers in a sample."""
        return self.weight.shape[1]

    @property
    def out_features(self) -> int:
        """Numbers in a sample's output."""
        return self.weight.shape[0]

    def config(self) -> dict[str, Any]:
        """The shape, and whether there is a bias."""
        return {
            "in_features": self.in_features,
            "out_features": self.out_features,
            "bias": self.bias is not None,
        }

    def forward(self, x: Tensor) -> Tensor:
        """X Wᵀ + b."""
        return affine(self, x, self.weight, self.bias)

    def __repr__(self) -> str:
        extras = ", bias=False" if self.bias is None else ""
        if self.weight.dtype != np.float32:
            extras += f", dtype={self.weight.dtype.name!r}"
        return f"Linear(in_features={self.in_features}, out_features={self.out_features}{extras})"


Affine = Linear


def features(name: str, value: Any) -> int:
    """A number of features, checked."""
    return length(f"Linear: {name}", value)


def affine(layer: Layer, x: Tensor, weight: Tensor, bias: Tensor | None) -> Tensor:
    """X Wᵀ + b for x of (…, in), weight of (out, in), bias of (out,)."""
    in_features = weight.shape[1]
    if x.ndim == 0 or x.shape[-1] != in_features:
        raise ShapeError(f"{layer!r}: expected (batch, {in_features}), got {x.shape}{hint(x, in_features)}")
    return Tensor._wrap(linear(x._floating(), weight._array, None if bias is None else bias._array))


def hint(x: Tensor, in_features: int) -> str:
    """What may have been meant, if there is something simple."""
    if x.ndim == 2 and x.shape[0] == in_features:
        return "; did you mean x.T?"
    if x.ndim > 2 and x.size == x.shape[0] * in_features:
        return "; did you mean to put Flatten() in front?"
    if x.ndim > 1 and x.size == in_features:
        return "; a batch of one sample x is x[None]"
    return ""
