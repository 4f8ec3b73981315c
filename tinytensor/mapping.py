"""The methods of a Tensor that compute one element from one element of each operand."""

from typing import TYPE_CHECKING, Any

from tinytensor.kernels import scalar
from tinytensor.kernels.boundary import as_operand
from tinytensor.primitives import elementwise
from tinytensor.primitives.elementwise import map_scalar

if TYPE_CHECKING:
    from tinytensor.tensors import Tensor

__all__ = ["clip", "erf", "exp", "log", "maximum", "minimum", "other_operand", "sqrt", "tanh", "where"]


def other_operand(other: Any) -> Any:
    """The second operand as kernels take it: an array, or a Python number as it is."""
    kind = type(other)
    if kind is float or kind is int or kind is bool:
        return other
    array = getattr(other, "_array", None)  # of a Tensor
    return as_operand(other) if array is None else array


def maximum(self: "Tensor", other: Any) -> "Tensor":
    """max(x, y) of every pair, with broadcasting; NaN where either is NaN.

    >>> import tinytensor as tt
    >>> tt.Tensor([-1, 2]).maximum(0).tolist()
    [0.0, 2.0]
    """
    return self._wrap(elementwise.maximum(self._array, other_operand(other)))


def minimum(self: "Tensor", other: Any) -> "Tensor":
    """min(x, y) of every pair, with broadcasting; NaN where either is NaN.

    >>> import tinytensor as tt
    >>> tt.Tensor([-1, 2]).minimum(0).tolist()
    [-1.0, 0.0]
    """
    return self._wrap(elementwise.minimum(self._array, other_operand(other)))


def clip(self: "Tensor", low: Any = None, high: Any = None) -> "Tensor":
    """min(max(x, low), high), with broadcasting; a bound that is None does not bind.

    >>> import tinytensor as tt
    >>> tt.Tensor([-1, 2, 7]).clip(0, 5).tolist()
    [0.0, 2.0, 5.0]
    """
    raised = self if low is None else self.maximum(low)
    return raised if high is None else raised.minimum(high)


def where(self: "Tensor", condition: Any, other: Any) -> "Tensor":
    """X where `condition` is true, else `other`, with broadcasting.

    >>> import tinytensor as tt
    >>> t = tt.Tensor([-1, 2])
    >>> t.where(t > 0, 0).tolist()
    [0.0, 2.0]
    """
    return self._wrap(elementwise.where(other_operand(condition), self._array, other_operand(other)))


def exp(self: "Tensor") -> "Tensor":
    """e^x, at most 1 ULP off.

    >>> import tinytensor as tt
    >>> tt.Tensor([0.0]).exp().tolist()
    [1.0]
    """
    return self._wrap(map_scalar(self._floating(), function=scalar.exp, arguments=()))


def log(self: "Tensor") -> "Tensor":
    """The natural logarithm, at most 1 ULP off; -inf of 0, NaN of negative numbers.

    >>> import tinytensor as tt
    >>> tt.Tensor([1.0, 0.0]).log().tolist()
    [0.0, -inf]
    """
    return self._wrap(map_scalar(self._floating(), function=scalar.log, arguments=()))


def sqrt(self: "Tensor") -> "Tensor":
    """√x, correctly rounded; NaN of negative numbers.

    >>> import tinytensor as tt
    >>> tt.Tensor([4.0]).sqrt().tolist()
    [2.0]
    """
    return self._wrap(map_scalar(self._floating(), function=scalar.sqrt, arguments=()))


def tanh(self: "Tensor") -> "Tensor":
    """(e^x - e^-x) / (e^x + e^-x), at most 1 ULP off.

    >>> import tinytensor as tt
    >>> tt.Tensor([0.0, 100.0]).tanh().tolist()
    [0.0, 1.0]
    """
    return self._wrap(map_scalar(self._floating(), function=scalar.tanh, arguments=()))


def erf(self: "Tensor") -> "Tensor":
    """2/√π ∫ e^(-t²) dt from 0 to x, at most 1 ULP off.

    >>> import tinytensor as tt
    >>> tt.Tensor([0.0, 100.0]).erf().tolist()
    [0.0, 1.0]
    """
    return self._wrap(map_scalar(self._floating(), function=scalar.erf, arguments=()))
