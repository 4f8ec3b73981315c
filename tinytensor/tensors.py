"""`Tensor`: a value over one NumPy array, with NumPy's names, broadcasting and promotion rules."""

from collections.abc import Callable, Iterator
from typing import Any, final

import numpy as np
from numpy.typing import ArrayLike, DTypeLike

from tinytensor import mapping, notebook, numpy_protocol, reductions, shaping
from tinytensor.errors import ArgumentError, DtypeError, IndexingError, ShapeError
from tinytensor.kernels.boundary import Array, allowed_dtype, as_array, as_operand, convert
from tinytensor.kernels.matmul import matmul
from tinytensor.mapping import other_operand
from tinytensor.primitives import elementwise, linear
from tinytensor.primitives.definition import Symbol

__all__ = ["Tensor"]

Kernel = Callable[[Any, Any], Array]
new = object.__new__


def operator(kernel: Kernel) -> Callable[["Tensor", Any], "Tensor"]:
    """t ∘ other, elementwise with broadcasting."""

    def method(self: "Tensor", other: Any) -> Any:
        if getattr(type(other), "__array_ufunc__", True) is None:  # NumPy's way to say: let me do it
            return NotImplemented
        return Tensor._wrap(
            kernel(self._array, other._array if type(other) is Tensor else other_operand(other))
        )

    return method


def reflected(kernel: Kernel) -> Callable[["Tensor", Any], "Tensor"]:
    """Other ∘ t, where the other is no Tensor."""
    return lambda self, other: Tensor._wrap(kernel(other_operand(other), self._array))


def comparison(kernel: Kernel) -> Any:
    """T ∘ other for == and !=, which Python itself answers for what is no number and no array."""
    ordinary = operator(kernel)

    def method(self: "Tensor", other: Any) -> Any:
        try:
            return ordinary(self, other)
        except DtypeError:
            if isinstance(other, np.ndarray):  # which would take up the comparison, and come back here
                raise
            return NotImplemented

    return method


def dtype_of(array: Any, dtype: DTypeLike | None) -> Any:
    """The array in another dtype, if one is given."""
    if dtype is None:
        return array
    wanted = allowed_dtype(dtype)
    if type(array) is Symbol:
        return array if array.dtype == wanted else elementwise.cast(array, dtype=wanted)
    return convert(array, wanted)


@final
class Tensor:
    """An immutable array of float32 (the default), float64, integers or bools, of any shape.

    Operations return new Tensors and never change their operands. Arithmetic is IEEE arithmetic without
    warnings: 1 / 0 is inf. NumPy's rules hold for broadcasting and promotion; a Python number never
    changes the dtype of a float Tensor.

    Args:
        data: anything array-like. Python numbers, lists of them, integer arrays and float16 become
            float32; float32, float64 and bool arrays keep their dtype and, as does a Tensor, share their
            memory with the new Tensor: copy first what will be changed later.
        dtype: float32, float64, bool or an integer type, if the data's own is not wanted.

    Raises:
        DtypeError: complex, object or string data, or another dtype.
        ShapeError: rows of different lengths.

    >>> Tensor([[1, 2], [3, 4]]) @ Tensor([1.0, 1.0])
    Tensor([3., 7.], shape=(2,), dtype=float32)
    >>> Tensor([1.5, 2.5]) > 2
    Tensor([False,  True], shape=(2,), dtype=bool)
    """

    __slots__ = ("_array",)

    _array: Array

    def __init__(self, data: "ArrayLike | Tensor", dtype: DTypeLike | None = None):
        if type(data) is Tensor:
            self._array = dtype_of(data._array, dtype)
        else:
            self._array = as_array(data, dtype)

    @classmethod
    def _wrap(cls, array: Array) -> "Tensor":
        """A Tensor over an array that is known to be aligned, native and of an allowed dtype."""
        tensor = object.__new__(cls)
        tensor._array = array
        return tensor

    def _floating(self) -> Array:
        """The array as float32 or float64, for kernels that take nothing else."""
        return elementwise.floating(self._array)  # type: ignore[no-any-return]

    # What it is

    @property
    def shape(self) -> tuple[int, ...]:
        """The length of every axis.

        >>> Tensor([[1, 2, 3]]).shape
        (1, 3)
        """
        return self._array.shape

    @property
    def ndim(self) -> int:
        """The number of axes.

        >>> Tensor([[1, 2, 3]]).ndim
        2
        """
        return self._array.ndim

    @property
    def size(self) -> int:
        """The number of elements.

        >>> Tensor([[1, 2, 3]]).size
        3
        """
        return self._array.size

    @property
    def dtype(self) -> np.dtype[Any]:
        """The dtype of the elements.

        >>> Tensor(1.0).dtype
        dtype('float32')
        """
        return self._array.dtype

    @property
    def T(self) -> "Tensor":
        """Aᵀ, all axes in reverse order; shares memory.

        >>> Tensor([[1, 2, 3]]).T.shape
        (3, 1)
        """
        return self.transpose()

    @property
    def mT(self) -> "Tensor":
        """The last two axes exchanged, the transpose of every matrix of a stack; shares memory.

        Raises:
            ShapeError: fewer than two axes.

        >>> Tensor([[[1, 2, 3]]]).mT.shape
        (1, 3, 1)
        """
        return self.swapaxes(-1, -2)

    # Elements

    def __getitem__(self, key: Any) -> "Tensor":
        try:
            return Tensor._wrap(shaping.elements(self._array, numpy_protocol.unwrap(key, Tensor)))
        except (IndexError, TypeError, ValueError, OverflowError) as error:
            hint = "; did you mean .astype(int)?" if type(key) is Tensor and key.dtype.kind == "f" else ""
            raise IndexingError(f"t[{key!r}] of shape {self.shape}: {error}{hint}") from error

    def __setitem__(self, key: Any, value: Any) -> None:
        raise DtypeError(
            "a Tensor is a value and does not change; build a new one, as tt.where(mask, value, t), "
            "or work on an array: a = t.numpy().copy(); a[…] = …; tt.Tensor(a)"
        )

    def __len__(self) -> int:
        if not self.ndim:
            raise ShapeError("a Tensor of shape () has no length; use .item() for its value")
        return self.shape[0] if not isinstance(self._array, Symbol) else self._array.tracer.measure()

    def __iter__(self) -> Iterator["Tensor"]:
        return (self[i] for i in range(len(self)))

    def __contains__(self, value: Any) -> bool:
        found = self == value
        return bool(found.any()) if type(found) is Tensor else found

    def item(self) -> float | int | bool:
        """The only element, as a Python number.

        Raises:
            ShapeError: more or fewer elements than one.

        >>> Tensor([[2.5]]).item()
        2.5
        """
        if self.size != 1:
            raise ShapeError(f"item: expected one element, got shape {self.shape}; did you mean tolist()?")
        return self._array.item()  # type: ignore[no-any-return]

    def tolist(self) -> Any:
        """Nested lists of Python numbers, or one number.

        >>> Tensor([[1, 2], [3, 4]]).tolist()
        [[1.0, 2.0], [3.0, 4.0]]
        """
        return self._array.tolist()

    def numpy(self) -> Array:
        """The array itself; shares memory, so change only a copy of it.

        >>> Tensor([1, 2]).numpy()
        array([1., 2.], dtype=float32)
        """
        if isinstance(self._array, Symbol):
            self._array.tracer.refuse("forward reads the array of its input, by .numpy()")
        return self._array

    def astype(self, dtype: DTypeLike) -> "Tensor":
        """The same values in another dtype; the Tensor itself if it has that dtype already.

        Raises:
            DtypeError: no dtype of a Tensor, or NaN or an infinity would become an integer.

        >>> Tensor([1.7, -1.7]).astype(int).tolist()
        [1, -1]
        """
        return Tensor(self, dtype)

    def copy(self) -> "Tensor":
        """The same values in memory of their own.

        >>> Tensor([1, 2]).copy().tolist()
        [1.0, 2.0]
        """
        return self if isinstance(self._array, Symbol) else Tensor._wrap(self._array.copy())

    def __bool__(self) -> bool:
        if isinstance(self._array, Symbol):
            self._array.tracer.refuse("forward decides by the values of its input")
        if self.size != 1:
            raise ArgumentError(
                f"a Tensor of shape {self.shape} is neither true nor false; use .any() or .all()"
            )
        return bool(self._array.item())

    def __float__(self) -> float:
        return float(self.item())

    def __int__(self) -> int:
        value = self.item()
        try:
            return int(value)
        except (OverflowError, ValueError) as error:
            raise ArgumentError(f"int: {error}") from error

    def __index__(self) -> int:
        if self.dtype.kind not in "iu" or self.ndim:
            raise DtypeError(f"expected an integer of shape () as an index, got {self.dtype} of {self.shape}")
        return int(self._array)

    # As text and as bytes

    def __repr__(self) -> str:
        if isinstance(self._array, Symbol):
            return f"Tensor({self._array!r})"
        values = np.array2string(self._array, separator=", ", prefix="Tensor(")
        return f"Tensor({values}, shape={self.shape}, dtype={self.dtype})"

    _repr_html_ = notebook.tensor_html

    def __format__(self, spec: str) -> str:
        return format(self.item(), spec) if spec else str(self)

    def __reduce__(self) -> tuple[Any, ...]:
        return Tensor, (self._array, self.dtype)

    # Operators

    __add__, __radd__ = operator(elementwise.add), reflected(elementwise.add)
    __sub__, __rsub__ = operator(elementwise.subtract), reflected(elementwise.subtract)
    __mul__, __rmul__ = operator(elementwise.multiply), reflected(elementwise.multiply)
    __truediv__, __rtruediv__ = operator(elementwise.divide), reflected(elementwise.divide)
    __pow__, __rpow__ = operator(elementwise.power), reflected(elementwise.power)
    __lt__, __le__ = operator(elementwise.less), operator(elementwise.less_equal)
    __gt__, __ge__ = operator(elementwise.greater), operator(elementwise.greater_equal)
    __and__, __rand__ = operator(elementwise.bitwise_and), reflected(elementwise.bitwise_and)
    __or__, __ror__ = operator(elementwise.bitwise_or), reflected(elementwise.bitwise_or)
    __xor__, __rxor__ = operator(elementwise.bitwise_xor), reflected(elementwise.bitwise_xor)
    __eq__, __ne__ = comparison(elementwise.equal), comparison(elementwise.not_equal)
    __hash__ = None  # type: ignore[assignment]  # as of any value whose == is elementwise

    def __matmul__(self, other: Any) -> "Tensor":
        # as _wrap does, whose call would be a tenth of a small product's time
        product = new(Tensor)
        a, b = self._array, other._array if type(other) is Tensor else as_operand(other)
        product._array = matmul(a, b) if type(a) is type(b) is np.ndarray else linear.matmul(a, b)
        return product

    def __rmatmul__(self, other: Any) -> "Tensor":
        return Tensor._wrap(linear.matmul(as_operand(other), self._array))

    def __neg__(self) -> "Tensor":
        return Tensor._wrap(elementwise.negative(self._array))

    def __invert__(self) -> "Tensor":
        return Tensor._wrap(elementwise.inverted(self._array))

    def __pos__(self) -> "Tensor":
        return self

    def __abs__(self) -> "Tensor":
        return Tensor._wrap(elementwise.absolute(self._array))

    # Methods that have a module of their own

    broadcast_to, expand_dims, flatten, ravel = (
        shaping.broadcast_to, shaping.expand_dims, shaping.flatten, shaping.ravel
    )  # fmt: skip
    reshape, squeeze, swapaxes, transpose = (
        shaping.reshape, shaping.squeeze, shaping.swapaxes, shaping.transpose
    )  # fmt: skip

    exp, log, sqrt, tanh, erf = mapping.exp, mapping.log, mapping.sqrt, mapping.tanh, mapping.erf
    clip, maximum, minimum, where = mapping.clip, mapping.maximum, mapping.minimum, mapping.where

    sum, prod, mean, var, std = (
        reductions.sum, reductions.prod, reductions.mean, reductions.var, reductions.std
    )  # fmt: skip
    min, max, argmin, argmax = reductions.min, reductions.max, reductions.argmin, reductions.argmax
    any, all = reductions.any, reductions.all

    __array__, __dlpack__ = numpy_protocol.array, numpy_protocol.dlpack
    __dlpack_device__ = numpy_protocol.dlpack_device
    __array_ufunc__, __array_function__ = numpy_protocol.array_ufunc, numpy_protocol.array_function
