"""How NumPy and other libraries see a Tensor.

`np.asarray(t)` and DLPack share its memory, but DLPack copies what is read-only. A NumPy function of a Tensor
is computed by NumPy and gives a Tensor wherever the result is an array of a dtype that a Tensor may have.
"""

from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import DTypeLike

from tinytensor.errors import DtypeError
from tinytensor.kernels.boundary import Array, allowed
from tinytensor.mapping import exp, log, other_operand, sqrt, tanh
from tinytensor.primitives.elementwise import BY_UFUNC as ELEMENTWISE
from tinytensor.primitives.linear import matmul

if TYPE_CHECKING:
    from tinytensor.tensors import Tensor

__all__ = ["array", "array_function", "array_ufunc", "dlpack", "dlpack_device", "unwrap"]

BY_UFUNC = {**ELEMENTWISE, np.matmul: matmul}
# Computed as the methods of a Tensor compute them: to the same bits.
METHODS = {np.exp: exp, np.log: log, np.sqrt: sqrt, np.tanh: tanh}
# These write into their first argument.
WRITERS = frozenset({np.copyto, np.fill_diagonal, np.place, np.put, np.put_along_axis, np.putmask})


def unwrap(value: Any, tensor_type: type["Tensor"]) -> Any:
    """`value` with the array in place of every Tensor in it, however deep in tuples, lists and dicts."""
    if type(value) is tensor_type:
        return value._array
    if type(value) in (tuple, list):
        return type(value)([unwrap(each, tensor_type) for each in value])
    if type(value) is dict:
        return {key: unwrap(each, tensor_type) for key, each in value.items()}
    return value


def wrap(value: Any, tensor_type: type["Tensor"]) -> Any:
    """`value` with a Tensor in place of every array that a Tensor may hold."""
    if isinstance(value, np.ndarray | np.generic) and allowed(value.dtype):
        return tensor_type._wrap(np.asarray(value))
    if type(value) in (tuple, list):
        return type(value)([wrap(each, tensor_type) for each in value])
    return value


def array(self: "Tensor", dtype: DTypeLike | None = None, copy: bool | None = None) -> Array:
    """What `np.asarray(t)` and `np.array(t)` call; without `dtype` and `copy` the Tensor's own array."""
    return self._array if dtype is None and not copy else np.array(self._array, dtype, copy=copy)


def dlpack(self: "Tensor", **options: Any) -> Any:
    """What `torch.from_dlpack(t)` and `np.from_dlpack(t)` call; shares memory, but for what is read-only.

    Libraries write into what they take, whether it is marked as read-only or not: they get a copy.
    """
    if not self._array.flags.writeable:
        if options.get("copy") is False:
            raise BufferError(
                "a read-only Tensor, as a parameter, is exported as a copy; leave out copy=False"
            )
        return self._array.copy().__dlpack__(**options)
    return self._array.__dlpack__(**options)


def dlpack_device(self: "Tensor") -> tuple[int, int]:
    """The CPU, as DLPack names it."""
    return self._array.__dlpack_device__()


def array_ufunc(self: "Tensor", ufunc: np.ufunc, method: str, *inputs: Any, **options: Any) -> Any:
    """What `np.add(a, t)`, `a + t` and every other ufunc call; the result is IEEE's, without warnings."""
    if method == "at" or any(type(each) is type(self) for each in options.get("out", ())):
        raise DtypeError(f"np.{ufunc.__name__}: a Tensor does not change; give an array as out=")
    if method == "__call__" and ufunc in METHODS and not options:
        return METHODS[ufunc](self)
    if method == "__call__" and ufunc in BY_UFUNC and not options:
        return self._wrap(
            BY_UFUNC[ufunc](
                *(each._array if type(each) is type(self) else other_operand(each) for each in inputs)
            )
        )
    options = unwrap(options, type(self))
    with np.errstate(all="ignore"):
        result = getattr(ufunc, method)(*unwrap(inputs, type(self)), **options)
    return result if "out" in options else wrap(result, type(self))


def array_function(self: "Tensor", function: Any, types: Any, args: Any, kwargs: Any) -> Any:
    """What the functions of NumPy that are no ufuncs call."""
    targets = [kwargs.get("out")] + ([*args, *kwargs.values()][:1] if function in WRITERS else [])
    if any(type(target) is type(self) for target in targets):
        raise DtypeError(f"np.{function.__name__}: a Tensor does not change; work on t.numpy().copy()")
    result = function(*unwrap(args, type(self)), **unwrap(kwargs, type(self)))
    return result if kwargs.get("out") is not None else wrap(result, type(self))
