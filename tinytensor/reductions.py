"""The methods of a Tensor that fold axes away; the names and arguments are NumPy's."""

from typing import TYPE_CHECKING

from tinytensor.kernels.boundary import Axis
from tinytensor.primitives import reductions

if TYPE_CHECKING:
    from tinytensor.tensors import Tensor

__all__ = ["all", "any", "argmax", "argmin", "max", "mean", "min", "prod", "std", "sum", "var"]


def sum(self: "Tensor", axis: Axis = None, keepdims: bool = False) -> "Tensor":
    """Σ x along `axis` (an axis, several, or None for all of them); of nothing 0.

    float32 is summed in float64 and rounded once. In float64 |error| ≤ γ_m Σ|x| with γ_m = m·u / (1 - m·u),
    u = 2⁻⁵³, and m = n below 256 elements, n / 16 + 5 from there on, where 16 interleaved parts are added
    up. The bits are the same for every layout. Bools and integers sum to integers.

    Raises:
        ShapeError: there is no such axis.

    >>> import tinytensor as tt
    >>> tt.Tensor([[1, 2], [3, 4]]).sum(axis=1).tolist()
    [3.0, 7.0]
    """
    return self._wrap(reductions.sum(self._array, axis=axis, keepdims=keepdims))


def prod(self: "Tensor", axis: Axis = None, keepdims: bool = False) -> "Tensor":
    """Π x along `axis`; of nothing 1. float32 is multiplied in float64 and rounded once.

    Raises:
        ShapeError: there is no such axis.

    >>> import tinytensor as tt
    >>> tt.Tensor([[1, 2], [3, 4]]).prod(axis=0).tolist()
    [3.0, 8.0]
    """
    return self._wrap(reductions.prod(self._array, axis=axis, keepdims=keepdims))


def mean(self: "Tensor", axis: Axis = None, keepdims: bool = False) -> "Tensor":
    """(Σ x) / n along `axis`; of nothing NaN. float32 is averaged in float64 and rounded once.

    Raises:
        ShapeError: there is no such axis.

    >>> import tinytensor as tt
    >>> tt.Tensor([[1, 2], [3, 4]]).mean(axis=0).tolist()
    [2.0, 3.0]
    """
    return self._wrap(reductions.mean(self._floating(), axis=axis, keepdims=keepdims))


def var(self: "Tensor", axis: Axis = None, ddof: int = 0, keepdims: bool = False) -> "Tensor":
    """Σ (x - mean)² / (n - ddof) along `axis`, in two passes in float64; NaN where n ≤ ddof.

    Raises:
        ShapeError: there is no such axis.
        DtypeError: ddof is no number.

    Source: Chan, Golub and LeVeque, Algorithms for computing the sample variance, 1983.

    >>> import tinytensor as tt
    >>> tt.Tensor([1, 2, 3, 4]).var().item()
    1.25
    """
    return self._wrap(reductions.var(self._floating(), axis=axis, keepdims=keepdims, ddof=ddof))


def std(self: "Tensor", axis: Axis = None, ddof: int = 0, keepdims: bool = False) -> "Tensor":
    """√var along `axis`.

    Raises:
        ShapeError: there is no such axis.

    >>> import tinytensor as tt
    >>> tt.Tensor([1, 3]).std().item()
    1.0
    """
    return self._wrap(reductions.std(self._floating(), axis=axis, keepdims=keepdims, ddof=ddof))


def min(self: "Tensor", axis: Axis = None, keepdims: bool = False) -> "Tensor":
    """The smallest element along `axis`, NaN if there is one.

    Raises:
        ShapeError: there is no such axis, or nothing along it.

    >>> import tinytensor as tt
    >>> tt.Tensor([[1, 2], [3, 4]]).min(axis=1).tolist()
    [1.0, 3.0]
    """
    return self._wrap(reductions.min(self._array, axis=axis, keepdims=keepdims))


def max(self: "Tensor", axis: Axis = None, keepdims: bool = False) -> "Tensor":
    """The largest element along `axis`, NaN if there is one.

    Raises:
        ShapeError: there is no such axis, or nothing along it.

    >>> import tinytensor as tt
    >>> tt.Tensor([[1, 2], [3, 4]]).max(axis=1).tolist()
    [2.0, 4.0]
    """
    return self._wrap(reductions.max(self._array, axis=axis, keepdims=keepdims))


def argmin(self: "Tensor", axis: int | None = None, keepdims: bool = False) -> "Tensor":
    """Where the smallest element is, int64: the first of them, or the first NaN; None counts in C order.

    Raises:
        ShapeError: there is no such axis, or nothing along it.

    >>> import tinytensor as tt
    >>> tt.Tensor([[3, 1], [2, 2]]).argmin(axis=1).tolist()
    [1, 0]
    """
    return self._wrap(reductions.argmin(self._array, axis=axis, keepdims=keepdims))


def argmax(self: "Tensor", axis: int | None = None, keepdims: bool = False) -> "Tensor":
    """Where the largest element is, int64: the first of them, or the first NaN; None counts in C order.

    Raises:
        ShapeError: there is no such axis, or nothing along it.

    >>> import tinytensor as tt
    >>> tt.Tensor([[3, 1], [2, 2]]).argmax(axis=1).tolist()
    [0, 0]
    """
    return self._wrap(reductions.argmax(self._array, axis=axis, keepdims=keepdims))


def any(self: "Tensor", axis: Axis = None, keepdims: bool = False) -> "Tensor":
    """Whether an element along `axis` is not 0; of nothing False.

    Raises:
        ShapeError: there is no such axis.

    >>> import tinytensor as tt
    >>> tt.Tensor([0, 2]).any().item()
    True
    """
    return self._wrap(reductions.any(self._array, axis=axis, keepdims=keepdims))


def all(self: "Tensor", axis: Axis = None, keepdims: bool = False) -> "Tensor":
    """Whether no element along `axis` is 0; of nothing True.

    Raises:
        ShapeError: there is no such axis.

    >>> import tinytensor as tt
    >>> tt.Tensor([0, 2]).all().item()
    False
    """
    return self._wrap(reductions.all(self._array, axis=axis, keepdims=keepdims))
