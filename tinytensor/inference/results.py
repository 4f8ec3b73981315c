"""What a model's outputs will look like, before there are samples."""

from collections.abc import Sequence
from typing import Any

import numpy as np

from tinytensor.inference.plan import Form, forward
from tinytensor.inference.trace import EXAMPLE_ROWS
from tinytensor.kernels.boundary import Array
from tinytensor.primitives.definition import Result
from tinytensor.tensors import Tensor

__all__ = ["results"]


def results(model: Any, samples: Sequence[tuple[tuple[int, ...], Any]]) -> list[Result]:
    """Shape and dtype of one sample of each output, for inputs whose samples have these shapes and dtypes.

    They come from a trace; only a model that cannot be traced is run, on two samples of zeros.

    Raises:
        ShapeError: the samples do not fit the model.
    """
    given = [np.zeros((EXAMPLE_ROWS, *shape), dtype) for shape, dtype in samples]
    example: list[Array] = [Tensor(each)._array for each in given]
    traced = Form(model, example, [each.dtype for each in given]).traced
    if traced is not None:
        return [Result(each.sample, each.dtype) for each in traced.outputs]
    found = forward(model, given)
    outputs = found if isinstance(found, tuple) else (found,)
    return [Result(each.shape[1:], each.dtype) for each in outputs]
