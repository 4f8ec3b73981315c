"""`PReLU`: a leaky ReLU whose slopes were learned."""

from typing import Any, final

from tinytensor.errors import ShapeError
from tinytensor.layers.layer import Layer
from tinytensor.primitives.elementwise import scaled_where_negative
from tinytensor.tensors import Tensor

__all__ = ["PReLU", "parametric_relu"]


@final
class PReLU(Layer):
    """y = x if x ≥ 0 else weight · x; same shape.

    Args:
        weight: a slope for everything, (1,), for every feature, (features,), or for every element of a
            sample: its axes are those of x from axis 1 on, as far as they go.

    Raises:
        ShapeError: the weight does not fit an input.

    Source: He et al., Delving deep into rectifiers, 2015.

    >>> import tinytensor as tt
    >>> tt.PReLU([0.5, 0.1])([[-2.0, -10.0], [1.0, 2.0]]).tolist()
    [[-1.0, -1.0], [1.0, 2.0]]
    """

    weight: Tensor

    def __init__(self, weight: Any):
        self.weight = Tensor(weight)

    def forward(self, x: Tensor) -> Tensor:
        """X where it is not negative, weight · x elsewhere."""
        missing = x.ndim - 1 - self.weight.ndim
        if self.weight.size == 1:
            return parametric_relu(x, self.weight.reshape(()))
        if missing < 0:
            raise ShapeError(f"PReLU: a weight of shape {self.weight.shape} does not fit {x.shape}")
        return parametric_relu(x, self.weight.reshape((*self.weight.shape, *(1,) * missing)))


def parametric_relu(x: Tensor, slope: Tensor) -> Tensor:
    """X if x ≥ 0 (or NaN) else slope · x, for a slope that broadcasts."""
    y = Tensor._wrap(scaled_where_negative(x._array, slope._array))
    if y.shape != x.shape:
        raise ShapeError(f"PReLU: slopes of shape {slope.shape} do not fit {x.shape}")
    return y
