"""Samples as a `forward` takes them, and outputs in memory of their own."""

from collections.abc import Sequence

import numpy as np

from tinytensor.kernels.boundary import Array
from tinytensor.tensor import Tensor

__all__ = ["as_tensor", "of_its_own", "read_as"]


def as_tensor(samples: Array | Tensor) -> Tensor:
    """What a forward takes; int8 stays, as networks on bytes read it."""
    if type(samples) is Tensor:
        return samples
    return Tensor._wrap(samples) if samples.dtype == np.int8 else Tensor(samples)


def read_as(samples: Array, tensor: bool) -> Array:
    """Samples as a forward sees them: a Tensor's array as it is, others as `Tensor` takes them."""
    return (samples if tensor else as_tensor(samples)._array).copy()


def of_its_own(y: Array, xs: Sequence[Array | Tensor]) -> Array:
    """The outputs, in memory that is not that of the samples."""
    samples = [each._array if type(each) is Tensor else each for each in xs]
    shared = not y.flags.writeable or any(np.may_share_memory(y, each) for each in samples)
    return y.copy() if shared else y
